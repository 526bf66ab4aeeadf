//! insert_files.rs — rows that SQL inserts into a table of plain files: new files beside those that are there, all or none.
//!
//! ```text
//! proved rows ──▶ gate (NOT NULL, types) ──▶ the format's own writer ──▶ NAME.STAMP.tmp ──▶ read back ──▶ NAME.parquet
//! ```
//! No table takes a name that ends so for one of its files. What was written is read through the contract, handshake included, before it
//! gets its name: a format of text has no words for some values (an empty text in CSV, bytes or an infinity in JSON), and rows that
//! would come back as others are refused.
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileOutputMode, FileSinkConfig};
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::physical_plan::{collect, execute_stream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Failure, Outcome, Status};
use crate::gate::{Gate, SharedTally};
use crate::listing::Listing;
use crate::schema::relax;
use crate::sorted::sort;
use crate::table::ContractTable;
use crate::unique::Sums;
use crate::write::gated;

/// Where and how a listing's new files are written.
pub struct Target {
    pub url: ListingTableUrl,
    pub format: Arc<dyn FileFormat>,
    /// How its files end, with the dot.
    pub extension: String,
    pub partitions: Vec<(String, DataType)>,
    /// The table's own.
    pub state: SessionState,
}

/// Append the rows, which are proved but for NOT NULL and types.
pub async fn append(
    state: &SessionState,
    table: &ContractTable,
    target: &Target,
    rows: SendableRecordBatchStream,
) -> Outcome<u64> {
    let listing = table.listing().ok_or_else(|| table.refusal("INSERT"))?;
    let written = Written::new(target)?;
    match write(state, table, listing, target, &written, rows).await {
        Ok(n_rows) => {
            written.name(&target.extension).await?;
            listing.forget();
            Ok(n_rows)
        }
        Err(failure) => {
            written.remove().await;
            Err(failure)
        }
    }
}

async fn write(
    state: &SessionState,
    table: &ContractTable,
    listing: &Listing,
    target: &Target,
    written: &Written,
    rows: SendableRecordBatchStream,
) -> Outcome<u64> {
    let unkept = |f: Failure| unkept(table, listing, &f);
    let columns = relax(&table.declared);
    let sums = Arc::new(Sums::new(columns.fields().len()));
    let tally = SharedTally::default();
    let gate = Gate {
        sums: Some(Arc::clone(&sums)),
        ..Gate::new(table.name.clone(), declared_of(table, target), Arc::clone(&columns))
    };
    let plan = sort(gated(&gate, rows, &tally).map_err(Failure::planning)?, &table.rules().write.order)?;
    let config = FileSinkConfig {
        original_url: target.url.to_string(),
        object_store_url: target.url.object_store(),
        file_group: FileGroup::default(),
        table_paths: vec![target.url.clone()],
        output_schema: columns,
        table_partition_cols: target.partitions.clone(),
        insert_op: InsertOp::Append,
        keep_partition_by_columns: false,
        file_extension: written.suffix.trim_start_matches('.').to_owned(),
        file_output_mode: FileOutputMode::Directory,
    };
    let writer = target.format.create_writer_physical_plan(plan, &target.state, config, None).await;
    let writer = writer.map_err(|e| unkept(Failure::planning(e)))?;
    let done = collect(writer, target.state.task_ctx()).await;
    if let Some(refusal) = tally.take() {
        return Err(refusal);
    }
    done.map_err(|e| unkept(Failure::running(e)))?;
    let n_rows = tally.n_rows.load(Ordering::Relaxed);
    if n_rows > 0 {
        let found = read_back(state, table, listing, &written.suffix).await.map_err(unkept)?;
        if let Some(column) = sums.difference(&found) {
            let column = table.declared.field(column).name();
            return Err(unkept(Failure::new(Status::Gate, format!("column '{column}' comes back with other values"))));
        }
    }
    Ok(n_rows)
}

/// A failure that says what the format does not take or give back, as one of the gate.
fn unkept(table: &ContractTable, listing: &Listing, failure: &Failure) -> Failure {
    let status = match failure.status {
        Status::Plan | Status::Execution | Status::Invalid | Status::Drift => Status::Gate,
        other => other,
    };
    let text = format!("gate '{}': {} does not keep these rows: {}", table.name, listing.format(), failure.text);
    Failure::new(status, text)
}

/// The contract's columns; a directory has no name for null.
fn declared_of(table: &ContractTable, target: &Target) -> SchemaRef {
    let is_partition = |name: &String| target.partitions.iter().any(|(partition, _)| partition == name);
    let required = |f: &FieldRef| match is_partition(f.name()) {
        true => Arc::new(f.as_ref().clone().with_nullable(false)),
        false => Arc::clone(f),
    };
    let fields: Vec<FieldRef> = table.declared.fields().iter().map(required).collect();
    Arc::new(Schema::new_with_metadata(fields, table.declared.metadata().clone()))
}

/// What the new files' columns add up to, as a query of the table sees them.
async fn read_back(state: &SessionState, table: &ContractTable, listing: &Listing, suffix: &str) -> Outcome<Sums> {
    let new = provider_as_source(Arc::new(table.over(listing.ending_in(suffix))));
    let all = LogicalPlanBuilder::scan("written", new, None).and_then(LogicalPlanBuilder::build);
    let plan = state.create_physical_plan(&all.map_err(Failure::planning)?).await.map_err(Failure::planning)?;
    let sums = Sums::new(table.declared.fields().len());
    let mut rows = execute_stream(plan, state.task_ctx()).map_err(Failure::running)?;
    while let Some(batch) = rows.next().await {
        sums.pass(&batch.map_err(Failure::running)?)?;
    }
    Ok(sums)
}

/// The files of one statement, told from others by how their names end until they are named.
struct Written {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    suffix: String,
}

impl Written {
    fn new(target: &Target) -> Outcome<Written> {
        let store = target.state.runtime_env().object_store(&target.url).map_err(Failure::planning)?;
        let now = chrono::Utc::now().timestamp_nanos_opt().unwrap_or_default();
        let suffix = format!(".{:x}-{now:x}.tmp", std::process::id());
        Ok(Written { store, prefix: target.url.prefix().clone(), suffix })
    }

    async fn files(&self) -> Outcome<Vec<Path>> {
        let all = self.store.list(Some(&self.prefix));
        let ours = all.try_filter_map(|file| async move {
            Ok(file.location.as_ref().ends_with(&self.suffix).then_some(file.location))
        });
        ours.try_collect().await.map_err(|e| Failure::running(e.into()))
    }

    /// Give each its name, or none of them.
    async fn name(&self, extension: &str) -> Outcome<()> {
        let mut named = Vec::new();
        for file in self.files().await? {
            let stem = file.as_ref().strip_suffix(&self.suffix).unwrap_or_default();
            let name = Path::parse(format!("{stem}{extension}")).map_err(|e| Failure::invalid(e.to_string()))?;
            if let Err(e) = self.store.rename_if_not_exists(&file, &name).await {
                for name in &named {
                    let _ = self.store.delete(name).await;
                }
                self.remove().await;
                return Err(Failure::running(e.into()));
            }
            named.push(name);
        }
        Ok(())
    }

    /// Best effort: what stays has a name that nobody reads.
    async fn remove(&self) {
        for file in self.files().await.unwrap_or_default() {
            let _ = self.store.delete(&file).await;
        }
    }
}
