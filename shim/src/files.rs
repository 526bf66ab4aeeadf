//! files.rs — the files that a plan reads, and whether they are there as they were promised.
use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionState;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Failure, Outcome, Status};

pub fn scan_of(node: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    node.downcast_ref::<DataSourceExec>().and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>())
}

fn scans_of(plan: &Arc<dyn ExecutionPlan>) -> Vec<&FileScanConfig> {
    let mut scans = Vec::new();
    let mut todo = vec![plan];
    while let Some(node) = todo.pop() {
        scans.extend(scan_of(node));
        todo.extend(node.children());
    }
    scans
}

/// The scan of a plan that reads files once; None: there are none or several.
pub fn only_scan_of(plan: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    match scans_of(plan).as_slice() {
        [scan] => Some(scan),
        _ => None,
    }
}

/// In order of their paths.
pub fn files_of(plan: &Arc<dyn ExecutionPlan>) -> Vec<PartitionedFile> {
    let groups = scans_of(plan).into_iter().flat_map(|scan| scan.file_groups.iter());
    let mut files: Vec<PartitionedFile> = groups.flat_map(|group| group.iter().cloned()).collect();
    files.sort_by(|a, b| a.object_meta.location.cmp(&b.object_meta.location));
    files
}

/// Where the first scan of the plan reads.
pub fn store_url(plan: &Arc<dyn ExecutionPlan>) -> Option<ObjectStoreUrl> {
    scans_of(plan).first().map(|scan| scan.object_store_url.clone())
}

/// As the file system writes it: an object store leaves out the slash in front.
pub fn shown(location: &Path) -> String {
    format!("/{location}")
}

/// No pipe or device: to open one may wait for ever. A look at its name waits for nobody.
pub fn refuse_irregular(location: &Path) -> Outcome<()> {
    match std::fs::metadata(shown(location)) {
        Ok(found) if !found.is_file() && !found.is_dir() => Err(Failure::new(Status::Io, "it is no regular file")),
        _ => Ok(()),
    }
}

/// That a file is there with the size that was promised.
pub async fn look(store: &dyn ObjectStore, file: &PartitionedFile) -> Outcome<()> {
    let promised = &file.object_meta;
    refuse_irregular(&promised.location)?;
    let found = store.head(&promised.location).await.map_err(|e| match e {
        object_store::Error::NotFound { .. } => {
            Failure::new(Status::NotFound, "it is not there, and the table names it")
        }
        e => Failure::running(e.into()),
    })?;
    if found.size != promised.size {
        let text = format!("it has {} bytes, the table says {}", found.size, promised.size);
        return Err(Failure::new(Status::Io, text));
    }
    Ok(())
}

/// That a query, which plans by the log of a table alone, would find the files of all its tables.
pub async fn look_at_all(state: &SessionState, plan: &Arc<dyn ExecutionPlan>) -> Outcome<()> {
    for scan in scans_of(plan) {
        let store = state.runtime_env().object_store(&scan.object_store_url).map_err(Failure::running)?;
        for file in scan.file_groups.iter().flat_map(|group| group.iter()) {
            let place = || format!("file '{}'", shown(&file.object_meta.location));
            look(store.as_ref(), file).await.map_err(|failure| failure.context(place()))?;
        }
    }
    Ok(())
}
