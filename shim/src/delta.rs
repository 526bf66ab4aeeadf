//! delta.rs — Delta tables: open, create, and what is asked of them besides reading and writing rows.
use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::execute_stream;
use deltalake_core::checkpoints::cleanup_expired_logs_for;
use deltalake_core::delta_datafusion::{DeltaScanConfig, DeltaScanNext, SessionFallbackPolicy};
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::kernel::{CommitInfo, EagerSnapshot, StructType, Version};
use deltalake_core::logstore::ObjectStoreRef;
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::async_reader::MetadataFetch;
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use url::Url;

use crate::error::{Failure, Outcome, Status};
use crate::rules::Check;
use crate::schema::{drift, has_bundles, stored};
use crate::session::Core;
use crate::write::WriteOptions;

/// What a batch of bundle rows should weigh in memory.
const BATCH_BYTES: f64 = (8 << 20) as f64;
const MIN_BATCH_ROWS: f64 = 1.0;
const MAX_BATCH_ROWS: f64 = 8192.0;
/// Text and bytes weigh their length, and this at least with their offset.
const MIN_TEXT_BYTES: f64 = 16.0;

/// Texts that come back from a partition column as null: the first where the column is NOT NULL (delta-rs then fails to read the
/// table), the second always, since a directory of that name means null.
const NOT_IN_PARTITIONS: &str = "('', '__HIVE_DEFAULT_PARTITION__')";

/// What holds of a Delta table's partition columns whatever its contract says: a value that does not come back is not written.
pub fn partition_checks(schema: &Schema, partition_by: &[String]) -> Vec<Check> {
    let is_text = |name: &&String| match schema.field_with_name(name).map(Field::data_type) {
        Ok(DataType::Dictionary(_, value)) => value.is_string(),
        Ok(plain) => plain.is_string(),
        Err(_) => false,
    };
    let check = |name: &String| Check {
        name: format!("partition {name}"),
        unnest: None,
        sql: format!("\"{}\" NOT IN {NOT_IN_PARTITIONS}", name.replace('"', "\"\"")),
    };
    partition_by.iter().filter(is_text).map(check).collect()
}

/// Commits from one checkpoint to the next, in tables that we make: who opens a table reads a checkpoint and fewer commits than
/// these. A statement opens the tables that it writes some eight times, and with the library's hundred each one cost more than
/// the one before, seven times as much in the end.
const CHECKPOINT_INTERVAL: &str = "10";

/// What the kernel (0.28) says of a version before the first checkpoint, where the entries of the log that made it are gone.
const NO_LOG: &str = "No files in log segment";

/// A table at one version, ready to be scanned by any number of plans.
#[derive(Debug)]
pub struct OpenTable {
    pub provider: Arc<dyn TableProvider>,
    /// The columns that the log declares.
    columns: SchemaRef,
    /// Bytes that a row has in memory, by column; empty when no row holds many items.
    row_bytes: HashMap<String, f64>,
    table: DeltaTable,
}

impl OpenTable {
    /// Rows a batch, so that a batch of these columns stays near `BATCH_BYTES`.
    pub fn batch_rows<'a>(&self, columns: impl Iterator<Item = &'a str>) -> Option<usize> {
        if self.row_bytes.is_empty() {
            return None;
        }
        let bytes: f64 = columns.filter_map(|c| self.row_bytes.get(c)).sum();
        Some((BATCH_BYTES / bytes.max(1.0)).clamp(MIN_BATCH_ROWS, MAX_BATCH_ROWS) as usize)
    }

    pub fn version(&self) -> Option<Version> {
        self.table.version()
    }

    /// An error when these are not the columns of the contract, in stored form: another table's files lie in the folder.
    pub fn check_drift(&self, declared: &Schema, is_proved: bool) -> Outcome<()> {
        let Some(text) = drift(&self.columns, stored(declared)?.as_ref(), is_proved) else { return Ok(()) };
        let location = self.table.table_url().to_file_path().map_or_else(
            |()| self.table.table_url().to_string(),
            |path| path.display().to_string().trim_end_matches('/').to_owned(),
        );
        Err(another(&location, &text))
    }

    /// The files of the version that is open.
    pub fn files(&self) -> Outcome<String> {
        Ok(files_text(self.table.snapshot()?.snapshot()))
    }

    /// Make the table's object store known to the session; idempotent.
    pub fn register(&self, state: &SessionState) -> Outcome<()> {
        Ok(self.table.update_datafusion_session(state)?)
    }
}

/// A directory or URL as delta-rs wants it. A local directory need not exist.
pub fn location_url(location: &str) -> Outcome<Url> {
    let invalid = |why: String| Failure::invalid(format!("location '{location}': {why}"));
    if location.is_empty() {
        return Err(Failure::invalid("a location is empty"));
    }
    if location.contains("://") {
        return Url::parse(location).map_err(|e| invalid(e.to_string()));
    }
    let path = std::path::absolute(PathBuf::from(location)).map_err(|e| invalid(e.to_string()))?;
    // Symbolic links are resolved as far as the path exists: delta-rs compares roots by their real paths.
    let path = path.canonicalize().unwrap_or(path);
    Url::from_directory_path(&path).map_err(|()| invalid("is not a path".to_owned()))
}

fn builder(location: &str) -> Outcome<DeltaTableBuilder> {
    Ok(DeltaTableBuilder::from_url(location_url(location)?)?)
}

fn describe(error: DeltaTableError, location: &str) -> Failure {
    Failure::from(error).context(format!("Delta table '{location}'"))
}

fn absent(location: &str) -> Failure {
    Failure::new(Status::NotFound, format!("no Delta table at '{location}'"))
}

/// Other columns than the contract's, as `text` says. The table may be somebody else's: nobody is told to remove it.
pub fn another(location: &str, text: &str) -> Failure {
    let advice = "declare what is there; what 'codeanatomy build' makes, it makes anew";
    Failure::new(Status::Drift, format!("the Delta table at '{location}' is another: {text}: {advice}"))
}

/// The table at a version (None: newest).
pub async fn load(location: &str, version: Option<Version>) -> Outcome<DeltaTable> {
    let mut builder = builder(location)?;
    if let Some(version) = version {
        builder = builder.with_version(version);
    }
    match builder.load().await {
        Ok(table) => Ok(table),
        Err(error) => {
            let mut failure = describe(error, location);
            // The kernel has one error for "no log" and for others; the directory says which it is.
            if failure.status != Status::Io && !exists(location).await? {
                return Err(absent(location));
            }
            if let Some(version) = version.filter(|_| failure.text.contains(NO_LOG)) {
                let text =
                    format!("the Delta table at '{location}' has no version {version} any more: its log begins later");
                return Err(Failure::new(Status::NotFound, text));
            }
            if version.is_some() && failure.text.contains("version") {
                failure.status = Status::NotFound;
            }
            Err(failure)
        }
    }
}

/// Whether there is a Delta log.
pub async fn exists(location: &str) -> Outcome<bool> {
    let store = builder(location)?.build_storage()?;
    store.is_delta_table_location().await.map_err(|e| describe(e, location))
}

/// The newest version when there is a table, else a table that is not created yet.
pub async fn load_or_new(location: &str) -> Outcome<DeltaTable> {
    if exists(location).await? {
        return load(location, None).await;
    }
    let url = location_url(location)?;
    if let Ok(path) = url.to_file_path() {
        std::fs::create_dir_all(&path).map_err(|e| Failure::new(Status::Io, format!("make '{location}': {e}")))?;
    }
    Ok(builder(location)?.build()?)
}

pub async fn open(state: &SessionState, location: &str, version: Option<Version>) -> Outcome<OpenTable> {
    let table = load(location, version).await?;
    let snapshot = table.snapshot()?.snapshot().clone();
    let columns = snapshot.arrow_schema();
    let row_bytes = if has_bundles(&columns) {
        // Without weights the scan works too, only with large batches.
        weigh(&table, &snapshot).await.unwrap_or_default()
    } else {
        HashMap::new()
    };
    // Partition values as plain columns, not as dictionaries: the contract's type, without a cast.
    let config = DeltaScanConfig::new_from_session(state).with_wrap_partition_values(false);
    let provider = DeltaScanNext::new(Arc::new(snapshot), config).map_err(Failure::planning)?;
    let open = OpenTable { provider: Arc::new(provider), columns, row_bytes, table };
    open.register(state)?;
    Ok(open)
}

/// The same, at what was newest at a time, if one is said.
pub async fn open_at(
    state: &SessionState,
    location: &str,
    version: Option<Version>,
    as_of_us: Option<i64>,
) -> Outcome<OpenTable> {
    let version = match as_of_us {
        Some(us) => Some(version_at(location, us).await?),
        None => version,
    };
    open(state, location, version).await
}

pub struct DataFile {
    pub store: ObjectStoreRef,
    pub path: Path,
}

impl MetadataFetch for DataFile {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            let read = self.store.get_range(&self.path, range).await;
            read.map_err(|e| ParquetError::External(Box::new(e)))
        }
        .boxed()
    }
}

/// What a row weighs, from the footer of the largest file: the number of values of each leaf is exact there, while sizes of
/// files say nothing (4 M items of small integers are 400 kB on disk).
async fn weigh(table: &DeltaTable, snapshot: &EagerSnapshot) -> Option<HashMap<String, f64>> {
    let (path, size) = snapshot
        .log_data()
        .iter()
        .map(|file| (file.object_store_path(), u64::try_from(file.size()).unwrap_or(0)))
        .max_by_key(|(_, size)| *size)?;
    let file = DataFile { store: table.object_store(), path };
    let footer = ParquetMetaDataReader::new().load_and_finish(file, size).await.ok()?;
    let mut bytes: HashMap<String, f64> = HashMap::new();
    let mut n_rows = 0.0;
    for group in footer.row_groups() {
        n_rows += group.num_rows() as f64;
        for leaf in group.columns() {
            let n_values = leaf.num_values() as f64;
            let width = match leaf.column_type() {
                PhysicalType::BOOLEAN => 1.0,
                PhysicalType::INT32 | PhysicalType::FLOAT => 4.0,
                PhysicalType::INT64 | PhysicalType::DOUBLE => 8.0,
                PhysicalType::INT96 | PhysicalType::FIXED_LEN_BYTE_ARRAY => 16.0,
                PhysicalType::BYTE_ARRAY => {
                    (leaf.uncompressed_size() as f64 / n_values.max(1.0)).max(MIN_TEXT_BYTES) + 4.0
                }
            };
            if let Some(name) = leaf.column_path().parts().first() {
                *bytes.entry(name.clone()).or_default() += n_values * width;
            }
        }
    }
    if n_rows == 0.0 {
        return None;
    }
    bytes.values_mut().for_each(|b| *b /= n_rows);
    Some(bytes)
}

/// The files that the log says a version has, one a line and sorted: path, size in bytes, and the deletion vector where there is
/// one, a tab between. Paths hold a UUID of the writer, so other rows are another text; it costs no I/O where the log is read.
pub fn files_text(snapshot: &EagerSnapshot) -> String {
    let mut lines: Vec<String> = snapshot
        .log_data()
        .iter()
        .map(|file| {
            let deleted = file
                .deletion_vector_descriptor()
                .map(|d| format!("\t{}@{}", d.path_or_inline_dv, d.offset.unwrap_or(0)))
                .unwrap_or_default();
            format!("{}\t{}{deleted}\n", file.path(), file.size())
        })
        .collect();
    lines.sort_unstable();
    lines.concat()
}

/// Log cleanup is off: which versions stay is the store's decision (`vacuum`), and its expiry would cut change ranges.
pub fn commit_properties() -> CommitProperties {
    CommitProperties::default().with_cleanup_expired_logs(Some(false))
}

pub fn table_properties(options: &WriteOptions) -> HashMap<String, Option<String>> {
    let interval = ("delta.checkpointInterval".to_owned(), Some(CHECKPOINT_INTERVAL.to_owned()));
    let mut properties = HashMap::from([interval]);
    properties.extend(options.properties.iter().map(|(k, v)| (k.clone(), Some(v.clone()))));
    if !options.statistics_columns.is_empty() {
        properties.insert("delta.dataSkippingStatsColumns".to_owned(), Some(options.statistics_columns.join(",")));
    }
    properties
}

pub async fn create(options: &WriteOptions) -> Outcome<Version> {
    let location = &options.location;
    if exists(location).await? {
        return Err(Failure::new(Status::Conflict, format!("there is a Delta table at '{location}' already")));
    }
    let table = load_or_new(location).await?;
    let columns: StructType = stored(&options.schema)?
        .as_ref()
        .try_into_kernel()
        .map_err(|e| Failure::new(Status::Gate, format!("Delta table '{location}': {e}")))?;
    let created = CreateBuilder::new()
        .with_log_store(table.log_store())
        .with_columns(columns.fields().cloned())
        .with_partition_columns(options.partition_by.clone())
        .with_configuration(table_properties(options))
        .with_commit_properties(options.commit_properties())
        .await
        .map_err(|e| {
            let mut failure = describe(e, location);
            if failure.text.contains("already exists") {
                failure.status = Status::Conflict;
            }
            failure
        })?;
    Ok(created.version().unwrap_or(0))
}

pub async fn version(location: &str) -> Outcome<Version> {
    if !exists(location).await? {
        return Err(absent(location));
    }
    let table = load(location, None).await?;
    table.version().ok_or_else(|| absent(location))
}

pub async fn schema(location: &str, version: Option<Version>) -> Outcome<SchemaRef> {
    let table = load(location, version).await?;
    Ok(table.snapshot()?.snapshot().arrow_schema())
}

/// Newest first, as a JSON array of objects.
pub async fn history(location: &str, limit: Option<usize>) -> Outcome<String> {
    let table = load(location, None).await?;
    let newest = table.version().unwrap_or(0);
    let commits: Vec<_> = table.history(limit).try_collect().await.map_err(|e| describe(e, location))?;
    let mut out = Vec::with_capacity(commits.len());
    for (i, commit) in commits.iter().enumerate() {
        let mut value = serde_json::to_value(commit)
            .map_err(|e| Failure::new(Status::Execution, format!("Delta table '{location}': {e}")))?;
        if let Some(object) = value.as_object_mut() {
            // A commit does not know its own number; the log is dense and newest first.
            object.entry("version").or_insert_with(|| (newest.saturating_sub(i as u64)).into());
        }
        out.push(value);
    }
    Ok(serde_json::Value::Array(out).to_string())
}

/// Remove what no version from `keep_from` on needs: data files first, then the log's entries before the last checkpoint that all of
/// these versions stand on. Killed in between, it leaves a table that reads the same, and the next one goes on.
///
/// What the log calls removed goes at once. A file that it does not mention may belong to a running writer, and goes when it is as
/// old as files that the table keeps for others (a week). The library finds both and does not remove them: it would commit
/// twice, each time, to say that it does.
pub async fn vacuum(location: &str, keep_from: Version) -> Outcome<usize> {
    let table = load(location, None).await?;
    let newest = table.version().unwrap_or(0);
    let keep: Vec<Version> = (keep_from..=newest).collect();
    if keep.is_empty() {
        return Err(Failure::new(
            Status::NotFound,
            format!("Delta table '{location}': version {keep_from} is after the newest, {newest}"),
        ));
    }
    let find = || table.clone().vacuum().with_keep_versions(&keep).with_dry_run(true);
    let at_once = find().with_retention_period(chrono::Duration::zero()).with_enforce_retention_duration(false);
    let mut files = at_once.await.map_err(|e| describe(e, location))?.1.files_deleted;
    files.extend(find().with_mode(VacuumMode::Full).await.map_err(|e| describe(e, location))?.1.files_deleted);
    let n_files =
        remove(&table.object_store(), files).await.map_err(|e| describe(DeltaTableError::from(e), location))?;
    // Its limit of time is one for logs that nobody looks after: all entries are older than tomorrow.
    let tomorrow_ms = (chrono::Utc::now() + chrono::Duration::days(1)).timestamp_millis();
    cleanup_expired_logs_for(keep_from, table.log_store().as_ref(), tomorrow_ms, None)
        .await
        .map_err(|e| describe(e, location))?;
    Ok(n_files)
}

/// How many there were; the log calls files removed that are gone since the vacuum before.
async fn remove(store: &ObjectStoreRef, paths: Vec<String>) -> object_store::Result<usize> {
    let paths = stream::iter(paths.into_iter().map(|path| Ok(Path::parse(path)?))).boxed();
    let removed = store.delete_stream(paths).filter(|result| {
        let is_gone = matches!(result, Err(object_store::Error::NotFound { .. }));
        std::future::ready(!is_gone)
    });
    removed.try_fold(0, |n, _| std::future::ready(Ok(n + 1))).await
}

/// Make the table what it was at a version, in a new one.
pub async fn restore(location: &str, version: Version) -> Outcome<Version> {
    let table = load(location, None).await?;
    let properties = commit_properties().with_max_retries(0);
    let builder = table.restore().with_version_to_restore(version).with_commit_properties(properties);
    let (table, _) = builder.await.map_err(|e| describe(e, location))?;
    Ok(table.version().unwrap_or(0))
}

/// The newest version that was committed by a time; delta-rs' own answer to a time before all of them is the oldest.
async fn version_at(location: &str, as_of_us: i64) -> Outcome<Version> {
    let table = load(location, None).await?;
    let newest = table.version().unwrap_or(0);
    let commits: Vec<_> = table.history(None).try_collect().await.map_err(|e| describe(e, location))?;
    // A commit does not know its own number; the log is dense and newest first.
    let by_then = |c: &CommitInfo| c.timestamp.is_some_and(|ms| ms.saturating_mul(1000) <= as_of_us);
    match commits.iter().position(by_then) {
        Some(i) => Ok(newest.saturating_sub(i as u64)),
        None => {
            let time = chrono::DateTime::from_timestamp_micros(as_of_us).map_or_else(String::new, |t| t.to_rfc3339());
            let text = format!("the Delta table at '{location}' has no version of {time} or before");
            Err(Failure::new(Status::NotFound, text))
        }
    }
}

/// The rows of a version.
pub async fn count(state: &SessionState, location: &str, version: Version) -> Outcome<u64> {
    let table = open(state, location, Some(version)).await?;
    let plan = table.provider.scan(state, Some(&Vec::new()), &[], None).await.map_err(Failure::planning)?;
    let mut rows = execute_stream(plan, state.task_ctx()).map_err(Failure::running)?;
    let mut n_rows = 0;
    while let Some(batch) = rows.try_next().await.map_err(Failure::running)? {
        n_rows += batch.num_rows() as u64;
    }
    Ok(n_rows)
}

/// What files hold, by the log.
#[derive(Debug, Default, Clone, Copy)]
pub struct Extent {
    pub n_rows: u64,
    pub n_files: u64,
    pub n_bytes: u64,
}

/// `files_text` of a version.
pub async fn files_of(location: &str, version: Version) -> Outcome<String> {
    Ok(files_text(load(location, Some(version)).await?.snapshot()?.snapshot()))
}

async fn files(location: &str, version: Version) -> Outcome<HashMap<String, Extent>> {
    let table = load(location, Some(version)).await?;
    let log = table.snapshot()?.log_data();
    let entries = log.iter().map(|file| {
        let path = file.path().into_owned();
        let n_rows = file.num_records().ok_or_else(|| {
            let text = format!("Delta table '{location}': version {version} does not say how many rows '{path}' has");
            Failure::new(Status::Execution, text)
        })?;
        let n_bytes = u64::try_from(file.size()).unwrap_or(0);
        Ok((path, Extent { n_rows: n_rows as u64, n_files: 1, n_bytes }))
    });
    entries.collect()
}

/// What a version holds, and what of it lies in files that the version `since` does not have.
pub async fn extent(location: &str, version: Version, since: Option<Version>) -> Outcome<(Extent, Extent)> {
    let before = match since {
        Some(since) => files(location, since).await?,
        None => HashMap::new(),
    };
    let (mut whole, mut added) = (Extent::default(), Extent::default());
    for (path, file) in files(location, version).await? {
        whole.add(file);
        if !before.contains_key(&path) {
            added.add(file);
        }
    }
    Ok((whole, added))
}

impl Extent {
    fn add(&mut self, other: Extent) {
        self.n_rows += other.n_rows;
        self.n_files += other.n_files;
        self.n_bytes += other.n_bytes;
    }
}

/// The table that a change is made to.
async fn changing(options: &WriteOptions) -> Outcome<DeltaTable> {
    let table = load(&options.location, None).await?;
    options.onto.check(options, table.version())?;
    Ok(table)
}

/// The version after; no predicate: every row goes. Predicate and values are over the stored columns.
pub async fn delete(core: &Core, options: &WriteOptions, predicate: Option<Expr>) -> Outcome<Version> {
    let mut builder = changing(options)
        .await?
        .delete()
        .with_session_state(Arc::new(core.state()))
        .with_session_fallback_policy(SessionFallbackPolicy::RequireSessionState)
        .with_writer_properties(options.writer_properties()?)
        .with_commit_properties(options.commit_properties());
    if let Some(predicate) = predicate {
        builder = builder.with_predicate(predicate);
    }
    let (table, _) = builder.await.map_err(|e| describe(e, &options.location))?;
    Ok(table.version().unwrap_or(0))
}

pub async fn update(
    core: &Core,
    options: &WriteOptions,
    predicate: Option<Expr>,
    assignments: Vec<(String, Expr)>,
) -> Outcome<Version> {
    let mut builder = changing(options)
        .await?
        .update()
        .with_session_state(Arc::new(core.state()))
        .with_session_fallback_policy(SessionFallbackPolicy::RequireSessionState)
        .with_writer_properties(options.writer_properties()?)
        .with_commit_properties(options.commit_properties());
    if let Some(predicate) = predicate {
        builder = builder.with_predicate(predicate);
    }
    for (column, value) in assignments {
        builder = builder.with_update(column, value);
    }
    let (table, _) = builder.await.map_err(|e| describe(e, &options.location))?;
    Ok(table.version().unwrap_or(0))
}
