//! location.rs — which files a location of a listing has.
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use crate::error::{Failure, Outcome, Status};
use crate::files::refuse_irregular;

/// The files of a location that end so, but for hidden ones. `is_parquet`: it must not be a Delta table.
pub async fn list(
    state: &SessionState,
    url: &ListingTableUrl,
    store: &dyn ObjectStore,
    extension: &str,
    is_parquet: bool,
) -> Outcome<Vec<ObjectMeta>> {
    if !url.is_folder() {
        let what_to_do = "put one there, or say unbounded: true of a pipe of CSV or JSON lines";
        let refuse = |f: Failure| Failure::new(f.status, format!("location '{url}': {}: {what_to_do}", f.text));
        refuse_irregular(url.prefix()).map_err(refuse)?;
    }
    let unreadable = |e: DataFusionError| Failure::running(e).context(format!("list '{url}'"));
    let mut files = match in_one_look(state, url, store, extension).await.map_err(unreadable)? {
        Some(files) => files,
        None => {
            let files = url.list_all_files(state, store, extension).await.map_err(unreadable)?;
            let files = files.try_collect().await.map_err(unreadable)?;
            if is_parquet {
                refuse_delta(url, store).await?;
            }
            files
        }
    };
    files.retain(|file| !is_hidden(url, &file.location));
    Ok(files)
}

/// Those of a folder that has nothing but files in it. Each look at the disk is a change of threads, of which a small query has few:
/// to walk through folders, and to look for a Delta table's, takes several.
async fn in_one_look(
    state: &SessionState,
    url: &ListingTableUrl,
    store: &dyn ObjectStore,
    extension: &str,
) -> Result<Option<Vec<ObjectMeta>>, DataFusionError> {
    let keeps_lists = state.runtime_env().cache_manager.get_list_files_cache().is_some();
    if !url.is_folder() || keeps_lists {
        return Ok(None);
    }
    let found = store.list_with_delimiter(Some(url.prefix())).await?;
    // What has no size may be a pipe, which `list_all_files` leaves out.
    if !found.common_prefixes.is_empty() || found.objects.iter().any(|file| file.size == 0) {
        return Ok(None);
    }
    let ignores_folders = state.config_options().execution.listing_table_ignore_subdirectory;
    let is_asked = |path: &Path| path.as_ref().ends_with(extension) && url.contains(path, ignores_folders);
    Ok(Some(found.objects.into_iter().filter(|file| is_asked(&file.location)).collect()))
}

/// What tools leave beside data, `.part-0.crc` or `_temporary`, is none of it; `_k=v` is a partition. A file that the location
/// itself names counts.
fn is_hidden(url: &ListingTableUrl, path: &Path) -> bool {
    let hides = |name: &str| name.starts_with('.') || (name.starts_with('_') && !name.contains('='));
    url.strip_prefix(path).is_some_and(|mut below| below.any(hides))
}

/// The Parquet files of a Delta table are not its rows: its log says which count.
async fn refuse_delta(url: &ListingTableUrl, store: &dyn ObjectStore) -> Outcome<()> {
    if !url.is_folder() || store.list(Some(&url.prefix().clone().join("_delta_log"))).next().await.is_none() {
        return Ok(());
    }
    let text = format!(
        "'{url}' is a Delta table: read as plain Parquet it would have rows again that were deleted; read it as one, \
         STORED AS DELTA in SQL, format delta in a contract"
    );
    Err(Failure::new(Status::Drift, text))
}

pub fn no_file(url: &ListingTableUrl, extension: &str) -> String {
    let mutable = "or say mutable_listing: true where files come and go";
    if url.is_collection() || url.get_glob().is_some() {
        format!(
            "no file '*{extension}' in '{url}': put one there, correct the location or the file_extension, {mutable}"
        )
    } else {
        format!("nothing is at '{url}': put a file or a directory of files there, correct the location, {mutable}")
    }
}
