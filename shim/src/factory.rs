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
use datafusion::datasource::listing_table_factory::ListingTableFactory;
use datafusion::execution::SessionState;
use datafusion::logical_expr::CreateExternalTable;

use crate::catalog::inferred;
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
    async fn create(&self, state: &dyn Session, cmd: &CreateExternalTable) -> Result<Arc<dyn TableProvider>> {
        match create_delta(session_of(state)?, cmd).await {
            Ok(table) => Ok(Arc::new(table)),
            Err(failure) => Err(failure.context(format!("table '{}'", cmd.name)).into_engine()),
        }
    }
}

fn session_of(state: &dyn Session) -> Result<&SessionState> {
    let state = state.as_any().downcast_ref::<SessionState>();
    state.ok_or_else(|| Failure::invalid("a table is made by a session of this library alone").into_engine())
}

async fn create_delta(state: &SessionState, cmd: &CreateExternalTable) -> Outcome<ContractTable> {
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
            let options: Vec<_> = cmd.options.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            let agreed = inferred(state, cmd, Arc::clone(&have), &options)?;
            check_stored(location, &have, &agreed)?;
            agreed
        } else {
            check_stored(location, &have, &declared)?;
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
    if let Some(name) = partition_by.iter().find(|name| declared.field_with_name(name).is_ok_and(is_bytes)) {
        return Err(plan_error(format!(
            "partition column '{name}' is bytes, which do not come back from a Delta table's log"
        )));
    }
    take_keys(&mut rules, cmd, &declared);
    let storage = Storage::LiveDelta { location: location.clone(), partition_by };
    let table = ContractTable::new(cmd.name.to_string(), declared, false, storage, None, None);
    Ok(table.with_rules(rules).with_defaults(cmd.column_defaults.clone()).with_statement(cmd.definition.clone()))
}

fn is_bytes(field: &Field) -> bool {
    let plain = match field.data_type() {
        DataType::Dictionary(_, value) => value,
        other => other,
    };
    plain.is_binary() || matches!(plain, DataType::FixedSizeBinary(_))
}

/// Columns of a Delta table that is there are those that are declared, in stored form.
fn check_stored(location: &str, have: &Schema, declared: &Schema) -> Outcome<()> {
    let want = stored(declared)?;
    match difference(have, &want) {
        Some(text) => Err(Failure::new(Status::Plan, format!("the Delta table at '{location}' is another: {text}"))),
        None => Ok(()),
    }
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
        match create_files(session_of(state)?, cmd).await {
            Ok(table) => Ok(Arc::new(table)),
            Err(failure) => Err(failure.context(format!("table '{}'", cmd.name)).into_engine()),
        }
    }
}

async fn create_files(state: &SessionState, cmd: &CreateExternalTable) -> Outcome<ContractTable> {
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
    let declared = if is_declared {
        check_files(state, cmd, &declared, partitions, format).await?;
        declared
    } else {
        let listing = Listing::new(name.clone(), cmd.locations.clone(), &cmd.file_type, options.clone(), declared);
        let (found, columns) = listing.infer(state).await?;
        if !columns.is_empty() {
            scan.push(("partition_columns".to_owned(), columns.join(",")));
        }
        if let Some(extension) = options.file_extension.clone().filter(|_| scan.iter().all(|s| s.0 != "file_extension"))
        {
            scan.push(("file_extension".to_owned(), extension));
        }
        options.partition_columns = columns;
        inferred(state, cmd, found, &scan)?
    };
    let listing = Listing::new(name.clone(), cmd.locations.clone(), &cmd.file_type, options, Arc::clone(&declared));
    Ok(table(declared, Storage::Files { listing }))
}

/// What DataFusion's own factory holds locations, options and partition columns to; its table is not used.
async fn check_files(
    state: &SessionState,
    cmd: &CreateExternalTable,
    declared: &Schema,
    partitions: Vec<String>,
    format: HashMap<String, String>,
) -> Outcome<()> {
    let plain = CreateExternalTable {
        schema: Arc::new(DFSchema::try_from(relax(declared)).map_err(Failure::planning)?),
        constraints: Constraints::default(),
        order_exprs: Vec::new(),
        column_defaults: HashMap::new(),
        table_partition_cols: partitions,
        options: format,
        file_type: if cmd.file_type.eq_ignore_ascii_case("ndjson") { "JSON".to_owned() } else { cmd.file_type.clone() },
        ..cmd.clone()
    };
    ListingTableFactory::new().create(state, &plain).await.map_err(Failure::planning)?;
    Ok(())
}
