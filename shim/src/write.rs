//! write.rs — one streaming commit to a Delta table, every batch through the gate.
//!
//! ```text
//! plan or C stream ──▶ Gated (check, stored form, pieces) ──▶ WriteBuilder (delta's own rules, Parquet, commit)
//! ```
//! The gate is a table provider over the rows' plan, so that delta-rs (1.1.3) plans its casts and checks above it and pulls
//! batches through; nothing is collected. Memory is bounded by the writer's queue (10 pieces), one row group and the uploads
//! in flight. Where the plan has partitions, each runs and is checked by itself and all feed one writer.
use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use arrow::datatypes::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, internal_err};
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType, UNNAMED_TABLE};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use deltalake_core::DeltaTable;
use deltalake_core::delta_datafusion::SessionFallbackPolicy;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::kernel::{Action, Transaction, Version};
use deltalake_core::logstore::get_actions;
use deltalake_core::operations::write::WriteBuilder;
use deltalake_core::protocol::SaveMode;
use futures::{StreamExt, TryStreamExt};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::bucket::Buckets;
use crate::check::Checks;
use crate::delta;
use crate::error::{Failure, Outcome, Status};
use crate::gate::{Gate, SharedTally, Tally};
use crate::pool::give_back;
use crate::present::with_batch_rows;
use crate::rules::Check;
use crate::schema::{drift, has_bundles, index_by_name, stored};
use crate::session::Core;
use crate::sorted::{Watch, is_plan_sorted, sort};
use crate::unique::KeyWatch;

const DEFAULT_ROW_GROUP_BYTES: u64 = 64 << 20;
const DEFAULT_TARGET_FILE_BYTES: u64 = 256 << 20;
const DEFAULT_COMPRESSION: &str = "zstd(1)";
/// A writer holds eight bytes a value of each text column until its page is full, and twelve bits are written of them: with the
/// usual mebibyte a hundred columns hold as much as a repository has to give.
const PAGE_BYTES: usize = 256 << 10;
/// A sort gathers rows, and one of these may be a whole file.
const SORTED_BUNDLES: usize = 64;
/// The gate cuts by weight already; rows a step only matter for small rows.
const STEP_ROWS: usize = 8192;

/// `struct cadf_write`, owned.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// For messages.
    pub dataset: String,
    pub location: String,
    pub schema: SchemaRef,
    pub overwrite: bool,
    pub partition_by: Vec<String>,
    pub transaction: Option<(String, i64)>,
    pub metadata: Vec<(String, String)>,
    pub properties: Vec<(String, String)>,
    pub row_group_bytes: u64,
    pub target_file_bytes: u64,
    pub compression: Option<String>,
    pub statistics_columns: Vec<String>,
    pub checks: Vec<Check>,
    pub key: Vec<String>,
    /// The columns that rows should be sorted by.
    pub order: Vec<String>,
    /// Whether rows are sorted on their way, behind the gate; else it is only looked whether they are.
    pub sorts: bool,
    /// What the commit follows at once, or there is none.
    pub onto: Onto,
}

/// The state of a table that a commit relies on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Onto {
    #[default]
    Anything,
    /// There is no table.
    Nothing,
    Version(Version),
}

impl Onto {
    /// An error when another writer was there.
    pub fn check(self, options: &WriteOptions, found: Option<Version>) -> Outcome<()> {
        let expected = match self {
            Onto::Anything => return Ok(()),
            Onto::Nothing => None,
            Onto::Version(version) => Some(version),
        };
        if found == expected {
            return Ok(());
        }
        let said = |version: Option<Version>| version.map_or("none".to_owned(), |v| v.to_string());
        let text = format!(
            "write '{}': another writer was at '{}': its newest version is {}, not {}",
            options.dataset,
            options.location,
            said(found),
            said(expected)
        );
        Err(Failure::new(Status::Conflict, text))
    }
}

impl Default for WriteOptions {
    fn default() -> WriteOptions {
        WriteOptions {
            dataset: String::new(),
            location: String::new(),
            schema: Arc::new(arrow::datatypes::Schema::empty()),
            overwrite: false,
            partition_by: Vec::new(),
            transaction: None,
            metadata: Vec::new(),
            properties: Vec::new(),
            row_group_bytes: 0,
            target_file_bytes: 0,
            compression: None,
            statistics_columns: Vec::new(),
            checks: Vec::new(),
            key: Vec::new(),
            order: Vec::new(),
            sorts: false,
            onto: Onto::Anything,
        }
    }
}

impl WriteOptions {
    pub fn commit_properties(&self) -> CommitProperties {
        let metadata: HashMap<String, serde_json::Value> =
            self.metadata.iter().map(|(k, v)| (k.clone(), serde_json::Value::String(v.clone()))).collect();
        let mut properties = delta::commit_properties().with_metadata(metadata);
        if let Some((app_id, version)) = &self.transaction {
            // No second try behind another writer's commit: delta-rs (1.1.3) would not look whether that commit carries the
            // same transaction (run: two of four writers committed it). The caller hears CONFLICT and looks again.
            properties =
                properties.with_application_transaction(Transaction::new(app_id, *version)).with_max_retries(0);
        }
        if self.onto != Onto::Anything {
            properties = properties.with_max_retries(0);
        }
        properties
    }

    pub fn writer_properties(&self) -> Outcome<WriterProperties> {
        let text = self.compression.as_deref().unwrap_or(DEFAULT_COMPRESSION);
        let compression = Compression::from_str(text)
            .or_else(|_| Compression::from_str(&text.to_ascii_uppercase()))
            .map_err(|e| Failure::invalid(format!("compression '{text}': {e}")))?;
        let row_group = if self.row_group_bytes == 0 { DEFAULT_ROW_GROUP_BYTES } else { self.row_group_bytes };
        let mut builder = WriterProperties::builder();
        for path in integer_leaves(&self.schema) {
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        Ok(builder
            .set_compression(compression)
            .set_data_page_size_limit(PAGE_BYTES)
            // By bytes as well: a row may be a whole file.
            .set_max_row_group_bytes(Some(usize::try_from(row_group).unwrap_or(usize::MAX)))
            .set_created_by(format!("cadf version {}", env!("CARGO_PKG_VERSION")))
            .build())
    }
}

/// The Parquet paths of 32- and 64-bit integers, as delta-rs stores them. Offsets, ordinals and sorted ids are small steps from
/// one value to the next, and a dictionary of hashes helps nobody: packing differences is smaller and half the work.
fn integer_leaves(schema: &SchemaRef) -> Vec<ColumnPath> {
    fn walk(field: &Field, path: Vec<String>, found: &mut Vec<ColumnPath>) {
        match field.data_type() {
            DataType::Int32 | DataType::Int64 => found.push(ColumnPath::new(path)),
            DataType::Struct(fields) => {
                for child in fields {
                    walk(child, [path.clone(), vec![child.name().clone()]].concat(), found);
                }
            }
            DataType::List(item) => {
                walk(item, [path, vec!["list".to_owned(), "element".to_owned()]].concat(), found);
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for field in schema.fields() {
        walk(field, vec![field.name().clone()], &mut found);
    }
    found
}

/// `struct cadf_written`.
#[derive(Debug, Clone, Default)]
pub struct Written {
    pub version: Version,
    pub n_rows: u64,
    pub n_files: u64,
    pub n_bytes: u64,
    /// No two rows of the table have one key; false also when that is not known.
    pub is_key_unique: bool,
    /// The rows of each file are sorted as they should be; false also when that is not known.
    pub is_ordered: bool,
    /// The table's files, as `delta::files_text` says them.
    pub files: String,
}

/// Where the rows of a write come from.
pub enum Rows {
    Plan(Arc<dyn ExecutionPlan>),
    Stream(SendableRecordBatchStream),
}

pub async fn write(state: SessionState, options: WriteOptions, rows: Rows) -> Outcome<Written> {
    let tally: SharedTally = Arc::new(Tally::default());
    let result = write_through(state, &options, rows, &tally).await;
    match (result, tally.take()) {
        (Ok(_), Some(refusal)) => Err(refusal),
        (Err(_), Some(refusal)) => Err(refusal),
        (Ok(written), None) => Ok(written),
        (Err(failure), None) => Err(failure),
    }
}

async fn write_through(
    state: SessionState,
    options: &WriteOptions,
    rows: Rows,
    tally: &SharedTally,
) -> Outcome<Written> {
    let location = &options.location;
    let context = |f: Failure| f.context(format!("write '{}'", options.dataset));
    let table = delta::load_or_new(location).await?;
    let snapshot = table.snapshot().ok().map(|s| s.snapshot().clone());
    if let (Some(snapshot), Some((app_id, version))) = (&snapshot, &options.transaction) {
        let committed = snapshot.transaction_version(table.log_store().as_ref(), app_id).await?;
        if committed.is_some_and(|c| c >= *version) {
            return Err(Failure::new(
                Status::Conflict,
                format!(
                    "write '{}': transaction ({app_id}, {version}) is committed already (newest is {})",
                    options.dataset,
                    committed.unwrap_or_default()
                ),
            ));
        }
    }

    options.onto.check(options, snapshot.as_ref().map(|s| s.version()))?;

    let out = match &snapshot {
        Some(snapshot) => existing_form(options, &snapshot.arrow_schema())?,
        None => stored(&options.schema).map_err(context)?,
    };
    let checks = Checks::plan(&state, &out, &options.checks)?;
    let is_sorted = match &rows {
        Rows::Plan(plan) => is_plan_sorted(plan.as_ref(), &options.order),
        Rows::Stream(_) => false,
    };
    let known_order = if is_sorted { options.order.as_slice() } else { &[] };
    let key = KeyWatch::new(&out, &options.key, known_order)?.map(Arc::new);
    let watch = match &rows {
        Rows::Stream(_) if !options.sorts && !options.order.is_empty() => {
            Some(Arc::new(Watch::new(&out, &options.order)?))
        }
        _ => None,
    };
    let gate = Gate {
        checks: Some(Arc::new(checks)),
        key: key.clone(),
        order: watch.clone(),
        ..Gate::new(options.dataset.clone(), Arc::clone(&options.schema), out)
    };
    match &rows {
        Rows::Plan(plan) => gate.check_schema(&plan.schema())?,
        Rows::Stream(stream) => gate.check_schema(&stream.schema())?,
    }
    let sorts = options.sorts && !options.order.is_empty();
    let order = if sorts { options.order.clone() } else { Vec::new() };
    let provider = GateTable::new(gate, rows, order, Arc::clone(tally));
    let plan = LogicalPlanBuilder::scan(UNNAMED_TABLE, provider_as_source(Arc::new(provider)), None)
        .and_then(LogicalPlanBuilder::build)
        .map_err(Failure::planning)?;

    let target = if options.target_file_bytes == 0 { DEFAULT_TARGET_FILE_BYTES } else { options.target_file_bytes };
    let is_new = snapshot.is_none();
    let mut builder = WriteBuilder::new(table.log_store(), snapshot)
        .with_input_plan(plan)
        .with_session_state(Arc::new(in_order(state)))
        .with_session_fallback_policy(SessionFallbackPolicy::RequireSessionState)
        .with_save_mode(if options.overwrite { SaveMode::Overwrite } else { SaveMode::Append })
        .with_target_file_size(NonZeroU64::new(target))
        .with_write_batch_size(STEP_ROWS)
        .with_writer_properties(options.writer_properties()?)
        .with_commit_properties(options.commit_properties());
    if is_new {
        builder = builder.with_configuration(delta::table_properties(options));
    }
    if is_new || !options.partition_by.is_empty() {
        builder = builder.with_partition_columns(options.partition_by.clone());
    }
    let table = builder.await.map_err(|e| {
        let mut failure = context(Failure::from(e));
        // delta-rs has no type of its own for rows that break a CHECK or an invariant.
        if failure.text.contains("failed validation check") {
            failure.status = Status::Gate;
        }
        failure
    })?;
    let mut written = added(&table, tally).await?;
    // Rows that were there before are not known to differ from these, nor to be sorted.
    let is_all = is_new || options.overwrite;
    written.is_key_unique = is_all && key.is_some_and(|k| k.is_unique());
    written.is_ordered =
        is_all && !options.order.is_empty() && (is_sorted || sorts || watch.is_some_and(|w| w.is_sorted()));
    written.files = delta::files_text(table.snapshot()?.snapshot());
    Ok(written)
}

/// The session with one partition and no repartitioning, for what delta-rs plans above the gate: a round robin would write the rows in
/// another order than they came in (and hold them meanwhile). The rows' own plan is optimized already and keeps its partitions.
pub fn in_order(state: SessionState) -> SessionState {
    let mut config = state.config().clone();
    config.options_mut().optimizer.enable_round_robin_repartition = false;
    config.options_mut().execution.target_partitions = 1;
    SessionStateBuilder::from(state).with_config(config).build()
}

/// What the contract's columns look like in a table that is there already: its own types, in the contract's order.
fn existing_form(options: &WriteOptions, table: &SchemaRef) -> Outcome<SchemaRef> {
    let by_name = index_by_name(table);
    let mut fields = Vec::with_capacity(options.schema.fields().len());
    for field in options.schema.fields() {
        let Some(index) = by_name.get(field.name().as_str()) else {
            return Err(Failure::new(
                Status::Gate,
                format!("gate '{}': column '{}' is not in the table", options.dataset, field.name()),
            ));
        };
        fields.push(Arc::clone(&table.fields()[*index]));
    }
    let form = Arc::new(arrow::datatypes::Schema::new(fields));
    // Columns may lie in another order, but they must be these.
    let want = stored(&options.schema)?;
    let other = if table.fields().len() == want.fields().len() { &form } else { table };
    if let Some(text) = drift(other, &want, false) {
        return Err(delta::another(&options.location, &text));
    }
    Ok(form)
}

/// What the commit says that it added.
async fn added(table: &DeltaTable, tally: &Tally) -> Outcome<Written> {
    let version = table.version().unwrap_or(0);
    let mut written = Written { version, n_rows: tally.n_rows.load(Ordering::Relaxed), ..Written::default() };
    if let Some(bytes) = table.log_store().read_commit_entry(version).await? {
        for action in get_actions(version, &bytes)? {
            if let Action::Add(add) = action {
                written.n_files += 1;
                written.n_bytes += u64::try_from(add.size).unwrap_or(0);
            }
        }
    }
    Ok(written)
}

/// The rows as a table that can be scanned once.
struct GateTable {
    gate: Gate,
    rows: Mutex<Option<Rows>>,
    /// The columns to sort them by, behind the gate.
    order: Vec<String>,
    tally: SharedTally,
}

impl GateTable {
    fn new(gate: Gate, rows: Rows, order: Vec<String>, tally: SharedTally) -> GateTable {
        GateTable { gate, rows: Mutex::new(Some(rows)), order, tally }
    }
}

impl fmt::Debug for GateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GateTable({})", self.gate.dataset)
    }
}

#[async_trait]
impl TableProvider for GateTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.gate.stored)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = self.rows.lock().ok().and_then(|mut rows| rows.take());
        match rows {
            Some(rows) if self.order.is_empty() => Gated::plan(&self.gate, rows, projection, &self.tally),
            Some(rows) => {
                let gated = Gated::plan(&self.gate, rows, None, &self.tally)?;
                let sorted = sort(gated, &self.order).map_err(Failure::into_engine)?;
                let whole = Arc::new(Hidden { schema: Arc::clone(&self.gate.stored), plan: sorted });
                let schema = Arc::clone(&self.gate.stored);
                Ok(Arc::new(StreamingTableExec::try_new(schema, vec![whole], projection, None, false, None)?))
            }
            None => internal_err!("the rows of a write are read twice"),
        }
    }
}

/// A plan's one partition, of which the optimizer sees nothing: a sort that no node above asks for would go.
#[derive(Debug)]
struct Hidden {
    schema: SchemaRef,
    plan: Arc<dyn ExecutionPlan>,
}

impl PartitionStream for Hidden {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let context = match has_bundles(&self.schema) {
            true => Arc::new(with_batch_rows(&context, SORTED_BUNDLES)),
            false => context,
        };
        let rows = futures::stream::iter([self.plan.execute(0, context)]).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

/// Where the rows of one partition come from.
enum GateSource {
    Plan(Arc<dyn ExecutionPlan>, usize),
    Stream(Mutex<Option<SendableRecordBatchStream>>),
}

/// One partition of a write's rows. The rows' plan is optimized already and must stay as it is: the optimizer does not see it.
struct Gated {
    gate: Gate,
    source: GateSource,
    tally: SharedTally,
}

impl Gated {
    /// The plan of all partitions.
    fn plan(
        gate: &Gate,
        rows: Rows,
        projection: Option<&Vec<usize>>,
        tally: &SharedTally,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let sources = match rows {
            Rows::Stream(stream) => vec![GateSource::Stream(Mutex::new(Some(stream)))],
            Rows::Plan(plan) => {
                let partitions = 0..plan.output_partitioning().partition_count();
                partitions.map(|partition| GateSource::Plan(Arc::clone(&plan), partition)).collect()
            }
        };
        let gated = |source| {
            Arc::new(Gated { gate: gate.clone(), source, tally: Arc::clone(tally) }) as Arc<dyn PartitionStream>
        };
        let partitions = sources.into_iter().map(gated).collect();
        let schema = Arc::clone(&gate.stored);
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, projection, None, false, None)?))
    }

    fn rows(&self, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        match &self.source {
            GateSource::Plan(plan, partition) => plan.execute(*partition, context),
            GateSource::Stream(stream) => match stream.lock().ok().and_then(|mut s| s.take()) {
                Some(stream) => Ok(stream),
                None => internal_err!("the rows of a write are read twice"),
            },
        }
    }
}

impl fmt::Debug for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gated({})", self.gate.dataset)
    }
}

impl PartitionStream for Gated {
    #[allow(clippy::misnamed_getters)] // the gate's own schema is that of what comes in
    fn schema(&self) -> &SchemaRef {
        &self.gate.stored
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (gate, tally) = (self.gate.clone(), Arc::clone(&self.tally));
        let mut first_row = 0u64;
        let checked = futures::stream::iter([self.rows(context)])
            .try_flatten()
            .map(move |batch| -> Result<Vec<_>> {
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(e) => {
                        // Upstream failures keep their status as well.
                        let failure = Failure::running(e);
                        tally.fail(&failure);
                        return Err(failure.into_engine());
                    }
                };
                let pieces =
                    gate.pass(&batch, first_row).inspect_err(|f| tally.fail(f)).map_err(Failure::into_engine)?;
                first_row += batch.num_rows() as u64;
                tally.n_rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                Ok(pieces)
            })
            .map_ok(|pieces| futures::stream::iter(pieces.into_iter().map(Ok)))
            .try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.gate.stored), checked))
    }
}

/// Rows on their way to plain files, through the gate; the tally has what it refused.
pub fn gated(gate: &Gate, rows: SendableRecordBatchStream, tally: &SharedTally) -> Result<Arc<dyn ExecutionPlan>> {
    Gated::plan(gate, Rows::Stream(rows), None, tally)
}

/// One sort a thread. The engine sorts each part of a union by itself, and each sort holds memory of its own: two dozen sorts take
/// many times what the sorts of a session may hold together.
fn few_sorts(state: &SessionState, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let most = state.config().target_partitions();
    let few = plan.transform_up(|node| {
        let Some(sort) = node.downcast_ref::<SortExec>().filter(|sort| sort.preserve_partitioning()) else {
            return Ok(Transformed::no(node));
        };
        if sort.input().output_partitioning().partition_count() <= most {
            return Ok(Transformed::no(node));
        }
        let input = RepartitionExec::try_new(Arc::clone(sort.input()), Partitioning::RoundRobinBatch(most))?;
        let sort = SortExec::new(sort.expr().clone(), Arc::new(input)).with_fetch(sort.fetch());
        Ok(Transformed::yes(Arc::new(sort.with_preserve_partitioning(true)) as Arc<dyn ExecutionPlan>))
    })?;
    Ok(few.data)
}

/// Run a query into a table.
pub async fn write_query(
    core: Arc<Core>,
    options: WriteOptions,
    plan: LogicalPlan,
    buckets: Option<Buckets>,
) -> Outcome<Written> {
    if crate::query::changes_something(&plan) {
        return Err(Failure::invalid("only a query can be written to a table"));
    }
    let state = core.state();
    let physical = match buckets {
        Some(buckets) => buckets.plan(&state, plan).await?,
        None => {
            let plan = state.create_physical_plan(&plan).await.map_err(Failure::planning)?;
            few_sorts(&state, plan).map_err(Failure::planning)?
        }
    };
    let written = write(state, options, Rows::Plan(physical)).await;
    give_back(core.keep_bytes);
    written
}
