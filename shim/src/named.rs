//! named.rs — what goes wrong while a file is read says of which table it is, and which file.
//!
//! The engine's readers say what they found (`can't parse the string value x to decimal`), and not where. Only whoever opens a file
//! knows which one it is: partitions take files from each other, and a Parquet file is read in parts. So a scan is run with readers
//! that hand each file to the engine's own and add the place to what comes back as an error.
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;

use crate::error::{Failure, Status, chain};
use crate::files::{look, refuse_irregular, scan_of, shown};

const ANOTHER: &str = "put a whole one in its place";

/// The plan to run in place of `plan`, which reads a part of `table`. delta-rs (1.1.3) holds the scan of a table with deletion
/// vectors to the very readers that it planned: that one stays as it is.
pub fn named(plan: &Arc<dyn ExecutionPlan>, table: &Arc<str>) -> Arc<dyn ExecutionPlan> {
    if let Some(scan) = scan_of(plan) {
        let mut scan = scan.clone();
        scan.file_source = Arc::new(Named { inner: scan.file_source, table: Arc::clone(table) });
        return DataSourceExec::from_data_source(scan);
    }
    let children: Vec<_> = plan.children().into_iter().map(|child| named(child, table)).collect();
    if children.is_empty() {
        return Arc::clone(plan);
    }
    let same = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
    Arc::clone(plan).replace_children(children, same).unwrap_or_else(|_| Arc::clone(plan))
}

/// What a reader of `format` says of a file: that it is not what it should be, unless the error speaks of something else.
pub fn unreadable(file: impl fmt::Display, format: &str, error: DataFusionError) -> Failure {
    // So the reader of Parquet (55.2) reports a filter that it could not evaluate.
    let is_filter = chain(&error).any(|e| matches!(e.downcast_ref(), Some(ArrowError::ComputeError(_))));
    let is_store = chain(&error).any(|e| e.is::<object_store::Error>());
    let Failure { status, text } = Failure::running(error);
    // What cannot be unpacked is an I/O error too.
    let is_data = matches!(status, Status::Plan | Status::Execution | Status::Io) && !is_filter && !is_store;
    if !is_data {
        return Failure::new(status, format!("{file}: {text}"));
    }
    let text = format!("{file} cannot be read as {format}: {text}");
    match format {
        "csv" | "ndjson" if status != Status::Io => {
            Failure::new(Status::Drift, format!("{text}: mend it, or declare the type of its text"))
        }
        _ => Failure::new(status, format!("{text}: {ANOTHER}")),
    }
}

/// The format in the words of a contract.
fn format_of(source: &dyn FileSource) -> &'static str {
    match source.file_type() {
        "csv" => "csv",
        "json" => "ndjson",
        "arrow" => "arrow",
        "avro" => "avro",
        _ => "parquet",
    }
}

/// A reader of files whose errors have their place. It exists while a plan runs: nobody plans with it.
struct Named {
    inner: Arc<dyn FileSource>,
    table: Arc<str>,
}

impl FileSource for Named {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let morselizer = Arc::new(self.inner.create_morselizer(Arc::clone(&store), config, partition)?);
        let read = move |file: PartitionedFile| -> Result<Batches> {
            let rest = (VecDeque::from([morselizer.plan_file(file)?]), VecDeque::<Batches>::new());
            // As the engine's own `FileStream` does: what can be read is read before more is planned.
            let batches = futures::stream::try_unfold(rest, |(mut planners, mut readers)| async move {
                loop {
                    if let Some(reader) = readers.front_mut() {
                        match reader.next().await.transpose()? {
                            Some(batch) => return Ok(Some((batch, (planners, readers)))),
                            None => drop(readers.pop_front()),
                        }
                    } else if let Some(planner) = planners.pop_front() {
                        let Some(mut plan) = planner.plan()? else { continue };
                        readers.extend(plan.take_morsels().into_iter().map(|morsel| morsel.into_stream()));
                        planners.extend(plan.take_ready_planners());
                        if let Some(planner) = plan.take_pending_planner() {
                            planners.push_back(planner.await?);
                        }
                    } else {
                        return Ok(None);
                    }
                }
            });
            Ok(batches.boxed())
        };
        let (table, format) = (Arc::clone(&self.table), format_of(self.inner.as_ref()));
        Ok(Arc::new(Opener { read: Arc::new(read), store, table, format }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(Named { inner: self.inner.with_batch_size(batch_size), table: Arc::clone(&self.table) })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    /// The order in which files are taken is the reader's.
    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }
}

type Batches = BoxStream<'static, Result<RecordBatch>>;
type Read = dyn Fn(PartitionedFile) -> Result<Batches> + Send + Sync;

#[derive(Clone)]
struct Opener {
    /// The batches of a file, as the engine's reader gives them.
    read: Arc<Read>,
    store: Arc<dyn ObjectStore>,
    table: Arc<str>,
    format: &'static str,
}

impl FileOpener for Opener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let opener = self.clone();
        Ok(Box::pin(async move {
            if let Err(found) = refuse_irregular(&file.object_meta.location) {
                return Err(opener.placed(another(&file, found)));
            }
            let batches = match (opener.read)(file.clone()) {
                Ok(batches) => batches,
                Err(error) => return Err(opener.failure(&file, error).await),
            };
            let failing = Arc::new((opener, file));
            let batches = batches.or_else(move |error| {
                let failing = Arc::clone(&failing);
                async move { Err(failing.0.failure(&failing.1, error).await) }
            });
            Ok(batches.boxed())
        }))
    }
}

impl Opener {
    async fn failure(&self, file: &PartitionedFile, error: DataFusionError) -> DataFusionError {
        let path = shown(&file.object_meta.location);
        let is_text = matches!(self.format, "csv" | "ndjson");
        let place = match file.range.as_ref().filter(|range| is_text && range.start > 0) {
            // The reader counts lines from there.
            Some(range) => format!("file '{path}', from byte {} on,", range.start),
            None => format!("file '{path}'"),
        };
        let failure = unreadable(place, self.format, error);
        let found = look(self.store.as_ref(), file).await;
        let failure = match found {
            Err(found) if failure.status != Status::Drift => another(file, found),
            _ => failure,
        };
        self.placed(failure)
    }

    fn placed(&self, failure: Failure) -> DataFusionError {
        failure.context(format!("table '{}'", self.table)).into_engine()
    }
}

/// The file is not the one that was promised.
fn another(file: &PartitionedFile, found: Failure) -> Failure {
    let text = format!("file '{}': {}: {ANOTHER}", shown(&file.object_meta.location), found.text);
    Failure { text, ..found }
}
