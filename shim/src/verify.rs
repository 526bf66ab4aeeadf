//! verify.rs — a table's data against what its contract says: every fact with how it was proved, or the rows that break it.
//!
//! ```text
//! files ──▶ there, of their size? ──▶ footers: columns without a null ──▶ one pass over the columns that are left ──▶ findings
//! ```
//! Each file is read by itself, through the same nodes as a query of the relaxed table, so a row is named by its file and its
//! number in it. A file that cannot be read is a finding; the others are read all the same, and nothing is proved then.
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionState;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use object_store::path::Path;
use parquet::arrow::async_reader::MetadataFetch;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use serde_json::{Value, json};

use crate::check::Checks;
use crate::delta::DataFile;
use crate::error::{Failure, Outcome, Status};
use crate::files::{files_of, look, scan_of, store_url};
use crate::gate::null_row;
use crate::query::{self, Started};
use crate::rules::Check;
use crate::schema::{index_by_name, new_batch, relax, restamp_batch};
use crate::session::{self, Core};
use crate::sorted::Sorted;
use crate::table::ContractTable;
use crate::unique::{KeyHashes, nulls_of};
use crate::write::in_order;

/// Rows that a fact names.
const MAX_ROWS: usize = 10;

/// What is said of a table besides its columns.
pub struct Facts {
    pub checks: Vec<Check>,
    pub key: Vec<String>,
    /// Keys that may hold nulls, which are no duplicates.
    pub unique: Vec<Vec<String>>,
    pub order: Vec<String>,
}

/// One fact: what was found so far.
struct Fact {
    kind: &'static str,
    name: String,
    method: &'static str,
    rows: Vec<Value>,
}

impl Fact {
    fn new(kind: &'static str, name: String) -> Fact {
        Fact { kind, name, method: "scan", rows: Vec::new() }
    }

    fn room(&self) -> usize {
        MAX_ROWS - self.rows.len()
    }

    fn finding(&self, is_complete: bool) -> Value {
        let status = match (self.rows.is_empty(), is_complete) {
            (false, _) => "violated",
            (true, true) => "proved",
            (true, false) => "unproved",
        };
        json!({"kind": self.kind, "fact": self.name, "status": status, "method": self.method, "rows": self.rows})
    }
}

/// A NOT NULL of the contract: the column as a field in which nothing else is forbidden, and the Parquet leaves under it.
struct NotNull {
    fact: Fact,
    column: usize,
    field: FieldRef,
    leaf: Vec<Step>,
}

/// A part of a Parquet leaf's path.
#[derive(Clone)]
enum Step {
    Name(String),
    /// The repeated group of a list.
    Repeated,
    Any,
}

/// The findings, one JSON object each: first `files`, then a `file` for each that cannot be read, then the facts.
pub async fn verify(core: Arc<Core>, schema: String, table: String, facts: Facts) -> Outcome<Vec<String>> {
    // Rows in the order in which they lie.
    let state = in_order(core.state());
    let relaxed = find(&state, &schema, &table).await?;
    let columns = relax(&relaxed.declared);
    let root = relaxed.root();
    let plan = scan_all(&state, &relaxed).await?;
    let files = files_of(&plan);
    let (version, list) = list_of(&relaxed, &files)?;
    let mut out = vec![json!({"kind": "files", "version": version, "list": list})];

    let mut readable = Vec::new();
    let mut footers = Vec::new();
    for file in &files {
        match footer_of(&state, &plan, file).await {
            Ok(footer) => {
                readable.push(file.clone());
                footers.push(footer);
            }
            Err(failure) => out.push(unreadable(root.as_ref(), file, &failure)),
        }
    }
    let mut pass = Pass::new(&state, &columns, &relaxed.declared, &facts)?;
    pass.use_footers(&footers);
    // What is no Parquet may hold values that are none of its type: only reading shows that.
    let wanted = match footers.iter().all(Option::is_some) {
        true => pass.wanted(&columns),
        false => (0..columns.fields().len()).collect(),
    };
    let mut n_rows = 0;
    if readable.is_empty() && files.is_empty() {
        n_rows += pass.read(&state, &relaxed, &columns, &wanted, None).await?;
    }
    for file in &readable {
        match pass.read(&state, &relaxed, &columns, &wanted, Some(file)).await {
            Ok(n) => n_rows += n,
            Err(failure) => out.push(unreadable(root.as_ref(), file, &failure)),
        }
    }
    let is_complete = out.len() == 1;
    pass.finish(&core, &schema, &table, is_complete).await?;
    for fact in pass.facts() {
        let mut finding = fact.finding(is_complete);
        if is_complete && n_rows == 0 {
            finding["method"] = json!("empty");
        }
        out.push(finding);
    }
    Ok(out.into_iter().map(|finding| finding.to_string()).collect())
}

/// The list that the digest of a table's proofs is taken of, as its files are now.
pub async fn files(core: Arc<Core>, schema: String, table: String) -> Outcome<String> {
    let state = in_order(core.state());
    let relaxed = find(&state, &schema, &table).await?;
    let plan = scan_all(&state, &relaxed).await?;
    Ok(list_of(&relaxed, &files_of(&plan))?.1)
}

/// The table, shown without NOT NULL.
async fn find(state: &SessionState, schema: &str, table: &str) -> Outcome<ContractTable> {
    let catalog = state.config_options().catalog.default_catalog.clone();
    let found = session::find(state, &catalog, schema, table).await?;
    match found.as_ref().and_then(|t| t.downcast_ref::<ContractTable>()) {
        Some(contract) => Ok(contract.relaxed()),
        None => Err(Failure::invalid(format!("'{schema}.{table}' is no table of the catalog"))),
    }
}

async fn scan_all(state: &SessionState, table: &ContractTable) -> Outcome<Arc<dyn ExecutionPlan>> {
    table.scan(state, None, &[], None).await.map_err(Failure::planning)
}

// ---- files --------------------------------------------------------------------------------------------------------

/// The path under the table's location.
fn path_of(root: Option<&Path>, file: &PartitionedFile) -> String {
    let location = &file.object_meta.location;
    let under = root.and_then(|root| location.prefix_match(root)).map(|parts| parts.collect::<Path>().to_string());
    under.filter(|path| !path.is_empty()).unwrap_or_else(|| location.to_string())
}

/// The version of a Delta table, and its files: a Delta table's from its log, others by path, size and time of change.
fn list_of(table: &ContractTable, files: &[PartitionedFile]) -> Outcome<(Option<u64>, String)> {
    if let Some((version, list)) = table.files()? {
        return Ok((Some(version), list));
    }
    let line = |f: &PartitionedFile| {
        let meta = &f.object_meta;
        format!("{}\t{}\t{}\n", meta.location, meta.size, meta.last_modified.timestamp_micros())
    };
    Ok((None, files.iter().map(line).collect()))
}

fn unreadable(root: Option<&Path>, file: &PartitionedFile, failure: &Failure) -> Value {
    json!({"kind": "file", "path": path_of(root, file), "failure": failure.text})
}

/// That a file is there with the size that was promised, and its footer where it has one.
async fn footer_of(
    state: &SessionState,
    plan: &Arc<dyn ExecutionPlan>,
    file: &PartitionedFile,
) -> Outcome<Option<ParquetMetaData>> {
    let Some(url) = store_url(plan) else { return Ok(None) };
    let store = state.runtime_env().object_store(&url).map_err(Failure::running)?;
    look(store.as_ref(), file).await?;
    let (path, n_bytes) = (file.object_meta.location.clone(), file.object_meta.size);
    let mut source = DataFile { store, path };
    let head = source.fetch(0..n_bytes.min(4)).await.map_err(|e| Failure::new(Status::Io, e.to_string()))?;
    if head.as_ref() != b"PAR1" {
        // Another format; what is no Parquet where it should be shows when it is read.
        return Ok(None);
    }
    let footer = ParquetMetaDataReader::new().load_and_finish(source, n_bytes).await;
    footer.map(Some).map_err(|e| Failure::new(Status::Io, e.to_string()))
}

/// The plan over one of its files. Files of different columns are scanned by nodes of their own: the others read nothing.
fn over(plan: Arc<dyn ExecutionPlan>, file: &PartitionedFile) -> Outcome<Arc<dyn ExecutionPlan>> {
    let narrowed = plan.transform_down(|node| {
        let Some(scan) = scan_of(&node) else { return Ok(Transformed::no(node)) };
        let mut scan = scan.clone();
        let is_same = |f: &PartitionedFile| f.object_meta.location == file.object_meta.location;
        let is_here = scan.file_groups.iter().any(|group| group.iter().any(is_same));
        scan.file_groups = vec![FileGroup::new(if is_here { vec![file.clone()] } else { Vec::new() })];
        Ok(Transformed::yes(DataSourceExec::from_data_source(scan) as Arc<dyn ExecutionPlan>))
    });
    Ok(narrowed.map_err(Failure::planning)?.data)
}

// ---- the facts ----------------------------------------------------------------------------------------------------

/// hashes   None: equal keys may have different bytes
struct Key {
    fact: Fact,
    names: Vec<String>,
    hashes: Option<KeyHashes>,
}

impl Key {
    fn new(kind: &'static str, columns: &SchemaRef, names: &[String]) -> Outcome<Key> {
        let fact = Fact::new(kind, names.join(", "));
        Ok(Key { fact, names: names.to_vec(), hashes: KeyHashes::new(columns, names)? })
    }

    /// Rows with a null in the key are no duplicates.
    fn pass(&self, batch: &RecordBatch) -> Outcome<()> {
        let Some(hashes) = &self.hashes else { return Ok(()) };
        let schema = batch.schema();
        let columns = self.names.iter().map(|name| Ok(Arc::clone(batch.column(schema.index_of(name)?))));
        match nulls_of(&columns.collect::<Outcome<Vec<_>>>()?) {
            None => hashes.pass(batch),
            Some(nulls) => {
                let there = BooleanArray::new(nulls.into_inner(), None);
                hashes.pass(&filter_record_batch(batch, &there)?)
            }
        }
    }
}

struct Pass {
    not_null: Vec<NotNull>,
    checks: Checks,
    check_facts: Vec<Fact>,
    check_columns: Vec<String>,
    keys: Vec<Key>,
    order: Option<(Fact, Vec<String>)>,
}

impl Pass {
    fn new(state: &SessionState, columns: &SchemaRef, declared: &Schema, facts: &Facts) -> Outcome<Pass> {
        let mut not_null = Vec::new();
        for (column, field) in declared.fields().iter().enumerate() {
            let mut paths = Vec::new();
            forbidden(field, field.name(), &[Step::Name(field.name().clone())], &mut paths);
            for (path, leaf) in paths {
                let field = only(field, field.name(), &path);
                not_null.push(NotNull { fact: Fact::new("not_null", path), column, field, leaf });
            }
        }
        let checks = Checks::plan(state, columns, &facts.checks)?;
        let check_facts = facts.checks.iter().map(|c| Fact::new("check", c.name.clone())).collect();
        let mut keys = Vec::new();
        if !facts.key.is_empty() {
            keys.push(Key::new("primary_key", columns, &facts.key)?);
        }
        for names in &facts.unique {
            keys.push(Key::new("unique", columns, names)?);
        }
        let order =
            (!facts.order.is_empty()).then(|| (Fact::new("order", facts.order.join(", ")), facts.order.clone()));
        Ok(Pass { not_null, check_columns: checks.columns(), checks, check_facts, keys, order })
    }

    /// Leaves of which every file says that it has no null prove what lies above them.
    fn use_footers(&mut self, footers: &[Option<ParquetMetaData>]) {
        if footers.is_empty() {
            return;
        }
        for fact in &mut self.not_null {
            if footers.iter().all(|footer| footer.as_ref().is_some_and(|f| has_no_null(f, &fact.leaf))) {
                fact.fact.method = "statistics";
            }
        }
    }

    /// The columns that have to be read, in the table's order.
    fn wanted(&self, columns: &Schema) -> Vec<usize> {
        let by_name = index_by_name(columns);
        let mut wanted: BTreeSet<usize> =
            self.not_null.iter().filter(|f| f.fact.method == "scan").map(|f| f.column).collect();
        let key = self.keys.iter().flat_map(|key| &key.names);
        let order = self.order.iter().flat_map(|(_, names)| names);
        wanted.extend(self.check_columns.iter().chain(key).chain(order).filter_map(|n| by_name.get(n.as_str())));
        wanted.into_iter().collect()
    }

    /// One file, or all rows where there are no files. Columns that are not wanted are there, and null.
    async fn read(
        &mut self,
        state: &SessionState,
        table: &ContractTable,
        columns: &SchemaRef,
        wanted: &[usize],
        file: Option<&PartitionedFile>,
    ) -> Outcome<u64> {
        let mut plan = table.scan(state, Some(&wanted.to_vec()), &[], None).await.map_err(Failure::planning)?;
        if let Some(file) = file {
            plan = over(plan, file)?;
        }
        let name = file.map(|file| path_of(table.root().as_ref(), file));
        let mut sorted = match &self.order {
            Some((_, names)) => Some(Sorted::new(columns, names)?),
            None => None,
        };
        let mut rows = execute_stream(plan, state.task_ctx()).map_err(Failure::running)?;
        let mut first_row = 0;
        while let Some(batch) = rows.next().await {
            let batch = widen(&batch.map_err(Failure::running)?, columns, wanted)?;
            self.look_at(&batch, sorted.as_mut(), &|row| json!({"file": name, "row": first_row + row as u64}))?;
            first_row += batch.num_rows() as u64;
        }
        Ok(first_row)
    }

    fn look_at(
        &mut self,
        batch: &RecordBatch,
        sorted: Option<&mut Sorted>,
        place: &dyn Fn(usize) -> Value,
    ) -> Outcome<()> {
        for fact in self.not_null.iter_mut().filter(|f| f.fact.method == "scan") {
            let mut from = 0;
            while fact.fact.room() > 0 && from < batch.num_rows() {
                let column = batch.column(fact.column).slice(from, batch.num_rows() - from);
                let Some(row) = null_row(&column, &fact.field) else { break };
                fact.fact.rows.push(place(from + row));
                from += row + 1;
            }
        }
        for (index, fact) in self.check_facts.iter_mut().enumerate() {
            for (row, item) in self.checks.failing_rows(index, batch, fact.room())? {
                let mut at = place(row);
                if let Some(item) = item {
                    at["item"] = json!(item);
                }
                fact.rows.push(at);
            }
        }
        for key in &self.keys {
            key.pass(batch)?;
        }
        if let (Some(sorted), Some((fact, _))) = (sorted, &mut self.order) {
            let room = fact.room();
            fact.rows.extend(sorted.misplaced(batch)?.into_iter().take(room).map(place));
        }
        Ok(())
    }

    /// Equal hashes prove nothing: the engine looks at the values, and spills where it must.
    async fn finish(&mut self, core: &Arc<Core>, schema: &str, table: &str, is_complete: bool) -> Outcome<()> {
        for key in &mut self.keys {
            if key.hashes.as_ref().is_some_and(KeyHashes::is_unique) || !is_complete {
                continue;
            }
            let quoted: Vec<String> = key.names.iter().map(|n| format!("\"{}\"", n.replace('"', "\"\""))).collect();
            let list = quoted.join(", ");
            let there = quoted.join(" IS NOT NULL AND ");
            let sql = format!(
                "SELECT {list}, count(*) FROM \"{schema}\".\"{table}\" WHERE {there} IS NOT NULL GROUP BY {list} \
                 HAVING count(*) > 1 ORDER BY {list} LIMIT {MAX_ROWS}"
            );
            let Started::Rows(_, mut rows) = query::start(core, &sql, None).await? else { continue };
            while let Some(batch) = rows.next().await {
                let batch = batch.map_err(Failure::running)?;
                for row in 0..batch.num_rows() {
                    let mut values = texts(&batch, row)?;
                    let n = values.pop().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
                    key.fact.rows.push(json!({"key": values, "n_rows": n}));
                }
            }
        }
        Ok(())
    }

    fn facts(&self) -> impl Iterator<Item = &Fact> {
        let key = self.keys.iter().map(|key| &key.fact);
        let order = self.order.iter().map(|(fact, _)| fact);
        self.not_null.iter().map(|f| &f.fact).chain(key).chain(order).chain(self.check_facts.iter())
    }
}

fn texts(batch: &RecordBatch, row: usize) -> Outcome<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let text = |column| Ok(ArrayFormatter::try_new(column, &options)?.value(row).to_string());
    batch.columns().iter().map(|c| text(c.as_ref() as &dyn Array)).collect()
}

/// The batch with every column of the table, those that were not read without values.
fn widen(batch: &RecordBatch, columns: &SchemaRef, wanted: &[usize]) -> Outcome<RecordBatch> {
    let read: SchemaRef = Arc::new(columns.project(wanted)?);
    let batch = restamp_batch(batch, &read)?;
    let at: HashMap<usize, usize> = wanted.iter().enumerate().map(|(i, column)| (*column, i)).collect();
    let arrays = columns.fields().iter().enumerate().map(|(i, field)| match at.get(&i) {
        Some(index) => Arc::clone(batch.column(*index)),
        None => arrow::array::new_null_array(field.data_type(), batch.num_rows()),
    });
    new_batch(Arc::clone(columns), arrays.collect(), batch.num_rows())
}

/// Every path at which `field` forbids nulls, as registry.columns writes paths, with the Parquet leaves that lie under it. Entries and keys
/// of maps are never null in Arrow.
fn forbidden(field: &Field, path: &str, leaf: &[Step], found: &mut Vec<(String, Vec<Step>)>) {
    if !field.is_nullable() {
        found.push((path.to_owned(), leaf.to_vec()));
    }
    let below = |steps: &[Step]| [leaf, steps].concat();
    match field.data_type() {
        DataType::Struct(fields) => {
            for f in fields {
                forbidden(f, &format!("{path}.{}", f.name()), &below(&[Step::Name(f.name().clone())]), found);
            }
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            forbidden(item, &format!("{path}[]"), &below(&[Step::Repeated, Step::Any]), found);
        }
        DataType::Map(entries, _) => {
            if let DataType::Struct(kv) = entries.data_type()
                && let Some(value) = kv.get(1)
            {
                forbidden(value, &format!("{path}{{{}}}", value.name()), &below(&[Step::Any, Step::Any]), found);
            }
        }
        _ => {}
    }
}

/// `field` with nulls forbidden at `target` alone.
fn only(field: &Field, path: &str, target: &str) -> FieldRef {
    let inner = |f: &FieldRef, path: String| only(f, &path, target);
    let data_type = match field.data_type() {
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|f| inner(f, format!("{path}.{}", f.name()))).collect::<Fields>())
        }
        DataType::List(item) => DataType::List(inner(item, format!("{path}[]"))),
        DataType::LargeList(item) => DataType::LargeList(inner(item, format!("{path}[]"))),
        DataType::FixedSizeList(item, n) => DataType::FixedSizeList(inner(item, format!("{path}[]")), *n),
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(kv) => {
                let kv: Fields = kv.iter().map(|f| inner(f, format!("{path}{{{}}}", f.name()))).collect();
                let entries = entries.as_ref().clone().with_data_type(DataType::Struct(kv));
                DataType::Map(Arc::new(entries), *sorted)
            }
            _ => field.data_type().clone(),
        },
        other => other.clone(),
    };
    Arc::new(field.clone().with_data_type(data_type).with_nullable(path != target))
}

/// Whether a leaf under this path has no null in the whole file: then nothing above it has one either.
fn has_no_null(footer: &ParquetMetaData, path: &[Step]) -> bool {
    let leaves = footer.file_metadata().schema_descr().columns();
    let under = |parts: &[String]| {
        parts.len() >= path.len()
            && path.iter().zip(parts).all(|(step, part)| match step {
                Step::Name(name) => name == part,
                Step::Repeated => part == "list" || part == "bag",
                Step::Any => true,
            })
    };
    let is_full = |leaf: usize| {
        footer.row_groups().iter().all(|group| {
            let nulls = group.column(leaf).statistics().and_then(|s| s.null_count_opt());
            group.num_rows() == 0 || nulls == Some(0)
        })
    };
    leaves.iter().enumerate().any(|(i, leaf)| under(leaf.path().parts()) && is_full(i))
}
