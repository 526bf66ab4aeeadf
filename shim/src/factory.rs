//! factory.rs — `CREATE EXTERNAL TABLE`: what is declared counts, and nothing of it is believed unproved.
//!
//! DataFusion hands a declared NOT NULL, key or order to the optimizer without a look at the data, and delta-rs' own factory
//! ignores declared columns. Here declared columns are compared with the table and presented as they were declared.
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::common::{Constraint, Constraints, DFSchema, Result};
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableUrl};
use datafusion::datasource::listing_table_factory::ListingTableFactory;
use datafusion::execution::SessionState;
use datafusion::logical_expr::CreateExternalTable;

use crate::delta;
use crate::endless::Endless;
use crate::error::{Failure, Outcome, Status};
use crate::listing::{Listing, ScanOptions};
use crate::rules::Rules;
use crate::schema::{difference, relax, stored};
use crate::table::{ContractTable, Storage};
use crate::write::WriteOptions;

const DELTA_NAMES: [&str; 3] = ["DELTA", "DELTATABLE", "DELTALAKE"];
const FILE_NAMES: [&str; 6] = ["PARQUET", "CSV", "JSON", "NDJSON", "ARROW", "AVRO"];

pub fn register(state: &mut SessionState) {
    let factories = state.table_factories_mut();
    for name in DELTA_NAMES {
        factories.insert(name.to_owned(), Arc::new(DeltaFactory));
    }
    for name in FILE_NAMES {
        factories.insert(name.to_owned(), Arc::new(FileFactory));
    }
}

#[derive(Debug)]
struct DeltaFactory;

#[async_trait]
impl TableProviderFactory for DeltaFactory {
    async fn create(&self, _: &dyn Session, cmd: &CreateExternalTable) -> Result<Arc<dyn TableProvider>> {
        match create_delta(cmd).await {
            Ok(table) => Ok(Arc::new(table)),
            Err(failure) => Err(failure.context(format!("table '{}'", cmd.name)).into_engine()),
        }
    }
}

async fn create_delta(cmd: &CreateExternalTable) -> Outcome<ContractTable> {
    let plan_error = |text: String| Failure::new(Status::Plan, text);
    let [location] = cmd.locations.as_slice() else {
        return Err(plan_error(format!("a Delta table has one location, not {}", cmd.locations.len())));
    };
    if cmd.unbounded {
        return Err(plan_error("a Delta table is not unbounded".to_owned()));
    }
    let mut rules = Rules { write: delta_options(&cmd.options)?, ..Rules::default() };
    let declared = Arc::clone(cmd.schema.inner());
    let exists = delta::exists(location).await?;
    if !exists && declared.fields().is_empty() {
        return Err(Failure::new(Status::NotFound, format!("no Delta table at '{location}', and no columns declared")));
    }
    let declared = if exists {
        let have = delta::schema(location, None).await?;
        if declared.fields().is_empty() {
            have
        } else {
            let want = stored(&declared)?;
            if let Some(text) = difference(&have, &want) {
                return Err(plan_error(format!("the Delta table at '{location}' is another: {text}")));
            }
            declared
        }
    } else {
        stored(&declared)?;
        declared
    };
    let partition_by: Vec<String> = cmd.table_partition_cols.iter().map(|name| unquoted(name)).collect();
    if let Some(name) = partition_by.iter().find(|name| declared.field_with_name(name).is_err()) {
        return Err(plan_error(format!("partition column '{name}' is not declared")));
    }
    take_keys(&mut rules, cmd, &declared);
    let storage = Storage::LiveDelta { location: location.clone(), partition_by };
    let table = ContractTable::new(cmd.name.to_string(), declared, false, storage, None, None);
    Ok(table.with_rules(rules).with_defaults(cmd.column_defaults.clone()).with_statement(cmd.definition.clone()))
}

/// Keys are proved of the rows that SQL writes.
fn take_keys(rules: &mut Rules, cmd: &CreateExternalTable, declared: &Schema) {
    let names = |columns: &[usize]| columns.iter().map(|i| declared.field(*i).name().clone()).collect();
    for constraint in cmd.constraints.iter() {
        match constraint {
            Constraint::PrimaryKey(columns) => rules.key = names(columns),
            Constraint::Unique(columns) => rules.unique.push(names(columns)),
        }
    }
}

/// How the table is written: the options of a contract's storage, as its DDL says them.
fn delta_options(options: &HashMap<String, String>) -> Outcome<WriteOptions> {
    let mut write = WriteOptions::default();
    let mut sorted: Vec<_> = options.iter().collect();
    sorted.sort();
    for (key, value) in sorted {
        let wrong = |what: &str| Failure::new(Status::Plan, format!("option '{key}': '{value}' is not {what}"));
        let n_bytes = || value.parse().map_err(|_| wrong("a number of bytes"));
        match key.as_str() {
            "storage.compression" => write.compression = Some(value.clone()),
            "storage.row_group_bytes" => write.row_group_bytes = n_bytes()?,
            "storage.target_file_bytes" => write.target_file_bytes = n_bytes()?,
            "storage.statistics_columns" => {
                write.statistics_columns = value.split(',').map(|name| name.trim().to_owned()).collect();
            }
            "storage.properties" => {
                let said: BTreeMap<String, String> =
                    serde_json::from_str(value).map_err(|_| wrong("a JSON object of texts"))?;
                write.properties = said.into_iter().collect();
            }
            _ => {
                return Err(Failure::new(Status::Plan, format!("option '{key}' is unknown for a Delta table")));
            }
        }
    }
    Ok(write)
}

/// DataFusion (55.2) passes partition columns as they were written, quotes included.
fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|n| n.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

#[derive(Debug)]
struct FileFactory;

#[async_trait]
impl TableProviderFactory for FileFactory {
    async fn create(&self, state: &dyn Session, cmd: &CreateExternalTable) -> Result<Arc<dyn TableProvider>> {
        match create_files(state, cmd).await {
            Ok(table) => Ok(Arc::new(table)),
            Err(failure) => Err(failure.context(format!("table '{}'", cmd.name)).into_engine()),
        }
    }
}

async fn create_files(state: &dyn Session, cmd: &CreateExternalTable) -> Outcome<ContractTable> {
    let name = cmd.name.to_string();
    let (mut scan, mut format) = (Vec::new(), HashMap::new());
    for (key, value) in &cmd.options {
        match key.strip_prefix("scan.") {
            Some(key) => scan.push((key.to_owned(), value.clone())),
            None => drop(format.insert(key.clone(), value.clone())),
        }
    }
    scan.extend(format.iter().map(|(key, value)| (key.clone(), value.clone())));
    let partitions: Vec<String> = cmd.table_partition_cols.iter().map(|name| unquoted(name)).collect();
    let mut options = ScanOptions::parse(&scan)?;
    options.partition_columns.clone_from(&partitions);
    options.unbounded |= cmd.unbounded;
    let is_declared = !cmd.schema.fields().is_empty();
    let declared = Arc::clone(cmd.schema.inner());
    let table = |declared: SchemaRef, storage| {
        let mut rules = Rules::default();
        take_keys(&mut rules, cmd, &declared);
        ContractTable::new(name.clone(), declared, false, storage, None, None)
            .with_rules(rules)
            .with_defaults(cmd.column_defaults.clone())
            .with_statement(cmd.definition.clone())
    };
    if options.unbounded {
        let [location] = cmd.locations.as_slice() else {
            return Err(Failure::new(Status::Plan, "a stream has one location"));
        };
        if !is_declared {
            return Err(Failure::new(Status::Plan, "a stream has no columns to infer: declare them"));
        }
        let endless = Endless::new(location.clone(), &cmd.file_type, &options, Arc::clone(&declared))?;
        return Ok(table(declared, Storage::Endless(endless)));
    }
    if options.file_extension.is_none() && cmd.file_type.eq_ignore_ascii_case("json") {
        options.file_extension = Some(".json".to_owned());
    }
    let mut plain = CreateExternalTable {
        schema: Arc::new(DFSchema::try_from(relax(&declared)).map_err(Failure::planning)?),
        constraints: Constraints::default(),
        order_exprs: Vec::new(),
        column_defaults: HashMap::new(),
        table_partition_cols: partitions,
        options: format,
        file_type: if cmd.file_type.eq_ignore_ascii_case("ndjson") { "JSON".to_owned() } else { cmd.file_type.clone() },
        ..cmd.clone()
    };
    if !is_declared && cmd.file_type.eq_ignore_ascii_case("ndjson") {
        infer_ndjson(state, &mut plain).await.map_err(Failure::planning)?;
    }
    let files = ListingTableFactory::new().create(state, &plain).await.map_err(Failure::planning)?;
    let declared = if is_declared { declared } else { files.schema() };
    if let Some(listed) = files.downcast_ref::<ListingTable>() {
        let columns = &listed.options().table_partition_cols;
        options.partition_columns = columns.iter().map(|(name, _)| name.clone()).collect();
    }
    let listing = Listing::new(name.clone(), cmd.locations.clone(), &cmd.file_type, options, Arc::clone(&declared));
    Ok(table(declared, Storage::Files { listing }))
}

/// Declare the columns of a folder's NDJSON files as they are found: DataFusion (55.2) would look into `*.json` alone.
async fn infer_ndjson(state: &dyn Session, plain: &mut CreateExternalTable) -> Result<()> {
    let [location] = plain.locations.as_slice() else { return Ok(()) };
    let url = ListingTableUrl::parse(location)?;
    if !url.is_folder() || url.get_glob().is_some() {
        return Ok(());
    }
    let Some(state) = state.as_any().downcast_ref::<SessionState>() else { return Ok(()) };
    let Some(factory) = state.get_file_format_factory(&plain.file_type) else { return Ok(()) };
    let options = ListingOptions::new(factory.create(state, &plain.options)?).with_file_extension(".ndjson".to_owned());
    if plain.table_partition_cols.is_empty() && state.config_options().execution.listing_table_factory_infer_partitions
    {
        plain.table_partition_cols = options.infer_partitions(state, &url).await?;
    }
    let found = options.infer_schema(state, &url).await?;
    let key = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
    let keys = plain.table_partition_cols.iter().map(|name| Arc::new(Field::new(name, key.clone(), false)));
    let columns: Vec<_> = found.fields().iter().cloned().chain(keys).collect();
    plain.schema = Arc::new(DFSchema::try_from(Schema::new(columns))?);
    Ok(())
}
