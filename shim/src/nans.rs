//! nans.rs — whether files hold a NaN, found by reading a column once.
//!
//! What statistics leave out (`floats`) can be looked for. That pays where a filter with one end, or a top-k, would be held against
//! every row anyway: the column is read once more, and what is found lets statistics leave out rows of the other columns, in this
//! query and in later ones. It is kept for as long as the file is the same by size, time and tag, as the engine keeps footers.
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, AsArray, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float16Type, Float32Type, Float64Type};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use futures::stream::iter;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::named::named;

/// What was found in the files of a table.
#[derive(Debug, Default)]
pub struct Nans {
    files: Mutex<HashMap<Path, File>>,
}

#[derive(Debug)]
struct File {
    meta: ObjectMeta,
    /// By names of columns: whether one of its values is NaN.
    has_nan: HashMap<String, bool>,
}

impl Nans {
    /// Those of `columns`, floats of its files, of which it is known that no file of the scan holds a NaN in them.
    pub fn without(&self, scan: &FileScanConfig, columns: Vec<String>) -> HashSet<String> {
        let files = || scan.file_groups.iter().flat_map(|group| group.iter());
        let has_none = |column: &String| files().all(|file| self.has_nan(&file.object_meta, column) == Some(false));
        columns.into_iter().filter(has_none).collect()
    }

    /// Read `columns` of the scan's files, which are those of `table`, as far as it is of use: not where a file is known to hold a NaN.
    pub async fn look(
        &self,
        scan: &FileScanConfig,
        columns: Vec<String>,
        table: &Arc<str>,
        context: &Arc<TaskContext>,
    ) -> Result<()> {
        let (files, columns) = self.unknown(scan, columns);
        if !files.is_empty() {
            let found = look(scan, &files, &columns, table, context).await?;
            for file in &files {
                self.keep(&file.object_meta, &columns, &found[&file.object_meta.location]);
            }
        }
        Ok(())
    }

    /// The files to be looked at, and the columns.
    fn unknown(&self, scan: &FileScanConfig, mut columns: Vec<String>) -> (Vec<PartitionedFile>, Vec<String>) {
        let mut files: Vec<PartitionedFile> = scan.file_groups.iter().flat_map(|group| group.iter().cloned()).collect();
        files.sort_by(|a, b| a.object_meta.location.cmp(&b.object_meta.location));
        files.dedup_by(|a, b| a.object_meta.location == b.object_meta.location);
        columns.retain(|column| !files.iter().any(|file| self.has_nan(&file.object_meta, column) == Some(true)));
        files.retain(|file| columns.iter().any(|column| self.has_nan(&file.object_meta, column).is_none()));
        (files, columns)
    }

    fn has_nan(&self, meta: &ObjectMeta, column: &str) -> Option<bool> {
        let files = self.files();
        let file = files.get(&meta.location).filter(|file| file.meta == *meta)?;
        file.has_nan.get(column).copied()
    }

    fn keep(&self, meta: &ObjectMeta, columns: &[String], found: &[bool]) {
        let mut files = self.files();
        let fresh = || File { meta: meta.clone(), has_nan: HashMap::new() };
        let file = files.entry(meta.location.clone()).or_insert_with(fresh);
        if file.meta != *meta {
            *file = fresh();
        }
        file.has_nan.extend(columns.iter().cloned().zip(found.iter().copied()));
    }

    fn files(&self) -> MutexGuard<'_, HashMap<Path, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of each file, whether each of the columns holds a NaN. As many at a time as the session has partitions; where there are fewer files,
/// they are read in parts.
async fn look(
    scan: &FileScanConfig,
    files: &[PartitionedFile],
    columns: &[String],
    table: &Arc<str>,
    context: &Arc<TaskContext>,
) -> Result<HashMap<Path, Vec<bool>>> {
    let n_tasks = context.session_config().target_partitions();
    let n_parts = n_tasks.div_ceil(files.len());
    let mut looks = Vec::with_capacity(files.len() * n_parts);
    for file in files {
        for part in parts(file, n_parts) {
            let plan = named(&column_scan(scan, part, columns)?, table);
            looks.push(look_at(file.object_meta.location.clone(), plan, Arc::clone(context)));
        }
    }
    let mut found: HashMap<Path, Vec<bool>> = HashMap::new();
    let mut looks = iter(looks).buffer_unordered(n_tasks);
    while let Some((path, of_part)) = looks.try_next().await? {
        let of_file = found.entry(path).or_insert_with(|| vec![false; columns.len()]);
        of_file.iter_mut().zip(of_part).for_each(|(known, more)| *known |= more);
    }
    Ok(found)
}

/// The whole file in ranges of its bytes, each without what a plan knows of it.
fn parts(file: &PartitionedFile, n: usize) -> impl Iterator<Item = PartitionedFile> {
    let size = file.object_meta.size as i64;
    let whole = PartitionedFile {
        partition_values: file.partition_values.clone(),
        ..PartitionedFile::new_from_meta(file.object_meta.clone())
    };
    let end = move |i: usize| if i == n { size } else { size / n as i64 * i as i64 };
    (0..n).map(move |i| PartitionedFile { range: Some(FileRange { start: end(i), end: end(i + 1) }), ..whole.clone() })
}

/// A plan that reads these columns of one file, and leaves nothing out.
fn column_scan(scan: &FileScanConfig, file: PartitionedFile, columns: &[String]) -> Result<Arc<dyn ExecutionPlan>> {
    let like = scan.file_source();
    let mut source = ParquetSource::new(like.table_schema().clone());
    if let Some(like) = like.downcast_ref::<ParquetSource>() {
        source = source.with_table_parquet_options(like.table_parquet_options().clone());
        if let Some(reader) = like.parquet_file_reader_factory() {
            source = source.with_parquet_file_reader_factory(Arc::clone(reader));
        }
    }
    let schema = scan.file_schema();
    let indices = columns.iter().map(|column| schema.index_of(column)).collect::<Result<_, _>>()?;
    let config = FileScanConfigBuilder::new(scan.object_store_url.clone(), Arc::new(source))
        .with_file(file)
        .with_expr_adapter(scan.expr_adapter_factory.clone())
        .with_projection_indices(Some(indices))?
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// On a task of its own.
async fn look_at(path: Path, plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Result<(Path, Vec<bool>)> {
    let found = SpawnedTask::spawn(columns_with_nan(plan, context)).join_unwind().await;
    found.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))?.map(|found| (path, found))
}

async fn columns_with_nan(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Result<Vec<bool>> {
    let mut found = vec![false; plan.schema().fields().len()];
    let mut rows = plan.execute(0, context)?;
    while let Some(batch) = rows.try_next().await? {
        for (found, column) in found.iter_mut().zip(batch.columns()) {
            *found = *found || has_nan(column.as_ref());
        }
        if found.iter().all(|found| *found) {
            break;
        }
    }
    Ok(found)
}

/// What lies under a null counts as well.
fn has_nan(column: &dyn Array) -> bool {
    match column.data_type() {
        DataType::Float16 => any_nan(column.as_primitive::<Float16Type>()),
        DataType::Float32 => any_nan(column.as_primitive::<Float32Type>()),
        DataType::Float64 => any_nan(column.as_primitive::<Float64Type>()),
        _ => true,
    }
}

fn any_nan<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>) -> bool {
    // NaN alone is not itself.
    column.values().iter().any(|v| v.partial_cmp(v).is_none())
}
