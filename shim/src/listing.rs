//! listing.rs — a table over plain files: which they are, what they hold, and a plan over them.
//!
//! A plan lists the files once, reads what each says of its own columns, and shows that to the host before a row is read
//! (`handshake`). Files of one schema are one group, and each group is read as it is: DataFusion's own reader would fill, cast
//! and reorder by rules of its own, and takes a column that a file lacks for NULL before anybody can say otherwise (run on
//! 55). What the host accepted becomes the declared columns above, in `present`.
//!
//! What DataFusion knows only per session is set in a state of the table's own. Such a state takes longer to make than a small query
//! to run, so it is kept as long as the session's settings are the same, and the groups as long as the files are.
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{MemoryCatalogProviderList, TableProvider};
use datafusion::common::{GetExt, ScalarValue};
use datafusion::config::{ConfigNonZeroUsize, ConfigOptions};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::listing::helpers::parse_partitions_for_path;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::execution::cache::TableScopedPath;
use datafusion::execution::cache::cache_manager::{CacheManager, CacheManagerConfig, CachedFileList, ListFilesCache};
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::parquet_to_arrow_schema;

use crate::catalog::Found;
use crate::error::{Failure, Outcome, Status};
use crate::files::shown;
use crate::insert_files::Target;
use crate::location;
use crate::named::unreadable;
use crate::schema::{bare, relax};

/// Records of a JSON file that its columns are inferred from.
const JSON_SAMPLE: &str = "1000";

/// What a table says of its scans; None: as the session has it.
#[derive(Debug, Clone, Default)]
pub struct ScanOptions {
    pub file_extension: Option<String>,
    pub partition_columns: Vec<String>,
    pub infer_partitions: Option<bool>,
    pub ignore_subdirectories: Option<bool>,
    pub list_cache_bytes: Option<usize>,
    pub list_cache_ttl: Option<Duration>,
    pub mutable_listing: Option<bool>,
    pub metadata_concurrency: Option<ConfigNonZeroUsize>,
    pub collect_statistics: Option<bool>,
    pub cache: Option<bool>,
    pub skip_arrow_metadata: bool,
    /// Read as an endless stream.
    pub unbounded: bool,
    /// What the file format understands, keys without "format.".
    pub format: Vec<(String, String)>,
}

impl ScanOptions {
    pub fn parse(options: &[(String, String)]) -> Outcome<ScanOptions> {
        let mut out = ScanOptions::default();
        for (key, value) in options {
            let wrong = |what: &str| Failure::invalid(format!("option '{key}': '{value}' is not {what}"));
            let flag = || value.parse::<bool>().map_err(|_| wrong("true or false"));
            let count = || value.parse::<usize>().map_err(|_| wrong("a number"));
            match key.as_str() {
                "file_extension" => out.file_extension = Some(value.clone()),
                "partition_columns" => {
                    out.partition_columns =
                        value.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect();
                }
                "infer_partitions" => out.infer_partitions = Some(flag()?),
                "ignore_subdirectories" => out.ignore_subdirectories = Some(flag()?),
                "list_cache_bytes" => out.list_cache_bytes = Some(count()?),
                "list_cache_ttl_seconds" => out.list_cache_ttl = Some(Duration::from_secs(count()? as u64)),
                "mutable_listing" => out.mutable_listing = Some(flag()?),
                "metadata_concurrency" => {
                    out.metadata_concurrency =
                        Some(ConfigNonZeroUsize::try_new(count()?).map_err(|_| wrong("a number from 1"))?);
                }
                "collect_statistics" => out.collect_statistics = Some(flag()?),
                "cache" => out.cache = Some(flag()?),
                "unbounded" => out.unbounded = flag()?,
                _ => {
                    let key = key.strip_prefix("format.").unwrap_or(key);
                    if key == "skip_arrow_metadata" {
                        out.skip_arrow_metadata = flag()?;
                    }
                    out.format.push((key.to_owned(), value.clone()));
                }
            }
        }
        Ok(out)
    }

    pub fn format_value(&self, key: &str) -> Option<&str> {
        self.format.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }
}

/// A table of plain files as it was declared.
#[derive(Debug)]
pub struct Listing {
    /// "schema.table", as the host knows it.
    name: String,
    locations: Vec<String>,
    /// parquet, csv, ndjson, arrow or avro.
    format: String,
    options: ScanOptions,
    /// The columns, partition columns included, in their places.
    declared: SchemaRef,
    /// A listing that is kept for a while, by the options of the list cache.
    listings: Option<Arc<ListFilesCache>>,
    kept: Mutex<Kept>,
}

/// What one table remembers from plan to plan.
#[derive(Debug, Default)]
struct Kept {
    base: Option<Arc<Base>>,
    opened: Option<Opened>,
    /// The files, where they stay those of the first plan.
    files: Option<Vec<Vec<ObjectMeta>>>,
    /// What was read of a file's columns, good as long as the file is the same.
    schemas: HashMap<Path, (ObjectMeta, SchemaRef)>,
    /// The schemas that the host accepted.
    accepted: Vec<SchemaRef>,
}

/// The session as the table wants it, and the format in its terms. No catalog is in it: tables hold it, and catalogs hold tables.
#[derive(Debug)]
struct Base {
    /// What it was made of; while something is kept, the session's SET makes others.
    options: Arc<ConfigOptions>,
    runtime: Arc<RuntimeEnv>,
    state: SessionState,
    format: Arc<dyn FileFormat>,
}

/// The files of a plan, and what was made of them.
#[derive(Debug)]
struct Opened {
    base: Arc<Base>,
    files: Vec<Vec<ObjectMeta>>,
    groups: Arc<[Group]>,
}

/// Files of one schema and how they are read.
#[derive(Debug)]
pub struct Group {
    pub provider: Arc<dyn TableProvider>,
    pub state: Arc<SessionState>,
}

/// One location of a plan.
struct Place {
    url: ListingTableUrl,
    files: Vec<ObjectMeta>,
}

impl Listing {
    pub fn new(
        name: String,
        locations: Vec<String>,
        format: &str,
        options: ScanOptions,
        declared: SchemaRef,
    ) -> Listing {
        let format = if format.eq_ignore_ascii_case("json") { "ndjson".to_owned() } else { format.to_lowercase() };
        let is_kept = options.list_cache_bytes.is_some() || options.list_cache_ttl.is_some();
        let listings = (is_kept && options.mutable_listing.is_none()).then(|| {
            const MEBIBYTE: usize = 1 << 20;
            let limit = options.list_cache_bytes.unwrap_or(MEBIBYTE);
            Arc::new(DefaultCache::<TableScopedPath, CachedFileList>::new_with_ttl(limit, options.list_cache_ttl))
                as Arc<ListFilesCache>
        });
        Listing { name, locations, format, options, declared, listings, kept: Mutex::default() }
    }

    /// Columns whose values come from the names of directories: never null.
    pub fn partition_columns(&self) -> &[String] {
        &self.options.partition_columns
    }

    /// Whether the next plan may know what this one read of files.
    pub fn is_caching(&self) -> bool {
        self.options.cache != Some(false)
    }

    /// Whether the reader may apply filters; what it leaves out by statistics is another option.
    pub fn takes_filters(&self) -> bool {
        self.options.format_value("pushdown_filters") != Some("false")
    }

    /// Where its files lie, as their paths begin; None: in several places.
    pub fn root(&self) -> Option<Path> {
        match self.locations.as_slice() {
            [location] => ListingTableUrl::parse(location).ok().map(|url| url.prefix().clone()),
            _ => None,
        }
    }

    /// The groups of a plan, in order of their first file's path; none: there is no file, and that is fine.
    pub async fn open(&self, state: &SessionState) -> Outcome<Arc<[Group]>> {
        let base = self.base(state)?;
        let places = self.places(&base).await?;
        if let Some(groups) = self.same_groups(&base, &places) {
            return Ok(groups);
        }
        let partitions = self.partitions(&base.state, &places)?;
        self.check_partitions(&places, &partitions)?;

        let files = places.iter().map(|place| place.files.clone()).collect();
        let mut groups: Vec<(SchemaRef, Vec<Place>)> = Vec::new();
        for place in places {
            for (file, found) in self.schemas(&base, &place).await? {
                let files = self.accept(state, &file, &found, &partitions)?;
                let at = groups.iter().position(|(schema, _)| *schema == files).unwrap_or_else(|| {
                    groups.push((files, Vec::new()));
                    groups.len() - 1
                });
                let of_group = &mut groups[at].1;
                match of_group.iter_mut().find(|p| p.url == place.url) {
                    Some(known) => known.files.push(file),
                    None => of_group.push(Place { url: place.url.clone(), files: vec![file] }),
                }
            }
        }
        let group = |(schema, places)| Self::group(&base, schema, places, &partitions);
        let groups: Arc<[Group]> = groups.into_iter().map(group).collect::<Outcome<_>>()?;
        if self.is_caching() {
            self.kept().opened = Some(Opened { base, files, groups: Arc::clone(&groups) });
        }
        Ok(groups)
    }

    /// Those of the plan before, over these very files under the same settings.
    fn same_groups(&self, base: &Arc<Base>, places: &[Place]) -> Option<Arc<[Group]>> {
        let kept = self.kept();
        let opened = kept.opened.as_ref().filter(|opened| Arc::ptr_eq(&opened.base, base))?;
        let is_same = places.iter().map(|place| &place.files).eq(&opened.files);
        is_same.then(|| Arc::clone(&opened.groups))
    }

    /// The columns that the files have together, where none are declared, and which of them, the last ones, directories give.
    pub async fn infer(&self, state: &SessionState) -> Outcome<(SchemaRef, Vec<String>)> {
        let base = self.base(state)?;
        let format = self.file_format(&base.state, /* of_one_file= */ false)?;
        let places = self.places(&base).await?;
        let partitions = self.partitions(&base.state, &places)?;
        self.check_partitions(&places, &partitions)?;
        let mut found = Vec::with_capacity(places.len() + 1);
        for place in &places {
            let store = store_of(&base.state, &place.url)?;
            let files: Vec<_> = place.files.iter().filter(|file| file.size > 0).cloned().collect();
            let schema = format.infer_schema(&base.state, &store, &files).await.map_err(Failure::planning)?;
            found.push(schema.as_ref().clone());
        }
        let key = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
        let columns: Vec<String> = partitions.into_iter().map(|(name, _)| name).collect();
        found.push(Schema::new(columns.iter().map(|n| Field::new(n, key.clone(), false)).collect::<Vec<_>>()));
        Ok((Arc::new(Schema::try_merge(found)?), columns))
    }

    // ---- new files ------------------------------------------------------------------------------------------------

    pub fn format(&self) -> &str {
        &self.format
    }

    /// Whether there is a file; what is there is compared with the contract.
    pub async fn has_files(&self, state: &SessionState) -> Outcome<bool> {
        match self.open(state).await {
            Ok(groups) => Ok(!groups.is_empty()),
            Err(failure) if failure.status == Status::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Where new files go; an error says why none can be written.
    pub async fn target(&self, state: &SessionState) -> Outcome<Target> {
        let refuse = |why: String| Err(Failure::new(Status::Refused, why));
        let [location] = self.locations.as_slice() else {
            return refuse("its files are in several places".to_owned());
        };
        if self.format == "avro" {
            return refuse("nothing here writes avro: parquet, arrow, csv and ndjson take rows".to_owned());
        }
        let url = ListingTableUrl::parse(location).map_err(Failure::planning)?;
        if !url.is_collection() || url.get_glob().is_some() {
            let text =
                format!("its location '{url}' is one file or a pattern: a directory, with '/' at its end, takes rows");
            return refuse(text);
        }
        let base = self.base(state)?;
        let extension = self.extension(&url)?;
        if extension.is_empty() {
            return refuse("every file of its location is its own: say a file_extension".to_owned());
        }
        let partitions = match self.options.partition_columns.is_empty() {
            false => self.partitions(&base.state, &[])?,
            // Directories that are there say which columns they give; without one there is none.
            true => self.partitions(&base.state, &self.places(&base).await.unwrap_or_default())?,
        };
        let mut state = base.state.clone();
        let execution = &mut state.config_mut().options_mut().execution;
        // One file, or one a partition.
        execution.minimum_parallel_output_files = ConfigNonZeroUsize::try_new(1).map_err(Failure::planning)?;
        execution.soft_max_rows_per_output_file = ConfigNonZeroUsize::try_new(usize::MAX).map_err(Failure::planning)?;
        Ok(Target { url, format: Arc::clone(&base.format), extension, partitions, state })
    }

    /// The same table over the files that end otherwise.
    pub fn ending_in(&self, suffix: &str) -> Listing {
        let options = ScanOptions {
            file_extension: Some(suffix.to_owned()),
            mutable_listing: None,
            list_cache_bytes: None,
            list_cache_ttl: None,
            ..self.options.clone()
        };
        Listing::new(self.name.clone(), self.locations.clone(), &self.format, options, Arc::clone(&self.declared))
    }

    /// There are new files.
    pub fn forget(&self) {
        self.kept().files = None;
        if let Some(listings) = &self.listings {
            listings.clear();
        }
    }

    // ---- the table's own state ------------------------------------------------------------------------------------

    /// What was made of the session before, or of how it is set now.
    fn base(&self, state: &SessionState) -> Outcome<Arc<Base>> {
        let (options, runtime) = (state.config_options(), state.runtime_env());
        let is_same = |b: &&Arc<Base>| Arc::ptr_eq(&b.options, options) && Arc::ptr_eq(&b.runtime, runtime);
        if let Some(base) = self.kept().base.as_ref().filter(is_same) {
            return Ok(Arc::clone(base));
        }
        let own = self.derive(state)?;
        let format = self.file_format(&own, /* of_one_file= */ true)?;
        let (options, runtime) = (Arc::clone(options), Arc::clone(runtime));
        let base = Arc::new(Base { options, runtime, state: own, format });
        if self.is_caching() {
            self.kept().base = Some(Arc::clone(&base));
        }
        Ok(base)
    }

    /// The session as this table wants it.
    fn derive(&self, state: &SessionState) -> Outcome<SessionState> {
        let mut config = state.config().clone();
        let execution = &mut config.options_mut().execution;
        if let Some(n) = self.options.metadata_concurrency {
            execution.meta_fetch_concurrency = n;
        }
        if let Some(yes) = self.options.collect_statistics {
            execution.collect_statistics = yes;
        }
        if let Some(yes) = self.options.format_value("pushdown_filters") {
            execution.parquet.pushdown_filters = yes == "true";
        }
        if let Some(yes) = self.options.ignore_subdirectories {
            execution.listing_table_ignore_subdirectory = yes;
        }
        if let Some(yes) = self.options.infer_partitions {
            execution.listing_table_factory_infer_partitions = yes;
        }
        let runtime = environment(state.runtime_env(), |config, caches| {
            let config = match self.options.cache {
                Some(false) => {
                    CacheManagerConfig { file_metadata_cache: None, file_statistics_cache_limit: 0, ..config }
                }
                _ => config,
            };
            match &self.listings {
                Some(own) => with_listings(config, own),
                None if self.options.mutable_listing == Some(true) => config.with_list_files_cache_limit(0),
                None => config
                    .with_list_files_cache_limit(caches.get_list_files_cache_limit())
                    .with_list_files_cache(caches.get_list_files_cache()),
            }
        })?;
        Ok(SessionStateBuilder::new_from_existing(state.clone())
            .with_config(config)
            .with_runtime_env(Arc::new(runtime))
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .build())
    }

    /// `of_one_file`: columns are asked of single files, text from its first lines alone.
    fn file_format(&self, state: &SessionState, of_one_file: bool) -> Outcome<Arc<dyn FileFormat>> {
        let name = if self.format == "ndjson" { "json" } else { self.format.as_str() };
        let factory = state
            .get_file_format_factory(name)
            .ok_or_else(|| Failure::invalid(format!("file format '{}' is unknown", self.format)))?;
        let mut options: HashMap<String, String> =
            self.options.format.iter().map(|(key, value)| (format!("format.{key}"), value.clone())).collect();
        let sample = match name {
            "csv" if of_one_file => Some("1"),
            "json" if of_one_file => Some(JSON_SAMPLE),
            _ => None,
        };
        if let Some(n) = sample {
            options.entry("format.schema_infer_max_rec".to_owned()).or_insert_with(|| n.to_owned());
        }
        factory.create(state, &options).map_err(Failure::planning)
    }

    // ---- which files ----------------------------------------------------------------------------------------------

    async fn places(&self, base: &Base) -> Outcome<Vec<Place>> {
        let mut urls = Vec::with_capacity(self.locations.len());
        for location in &self.locations {
            urls.push(ListingTableUrl::parse(location).map_err(Failure::planning)?);
        }
        if self.options.mutable_listing == Some(false)
            && let Some(files) = self.kept().files.clone()
        {
            return Ok(urls.into_iter().zip(files).map(|(url, files)| Place { url, files }).collect());
        }
        let mut places = Vec::with_capacity(urls.len());
        for url in urls {
            let extension = self.extension(&url)?;
            let store = store_of(&base.state, &url)?;
            let is_parquet = self.format == "parquet";
            let mut files = location::list(&base.state, &url, store.as_ref(), &extension, is_parquet).await?;
            if matches!(self.format.as_str(), "csv" | "ndjson") {
                files.retain(|file| file.size > 0);
            }
            files.sort_by(|a, b| a.location.cmp(&b.location));
            if files.is_empty() && self.options.mutable_listing != Some(true) {
                return Err(Failure::new(Status::NotFound, location::no_file(&url, &extension)));
            }
            places.push(Place { url, files });
        }
        if self.options.mutable_listing == Some(false) {
            self.kept().files = Some(places.iter().map(|place| place.files.clone()).collect());
        }
        Ok(places)
    }

    fn extension(&self, url: &ListingTableUrl) -> Outcome<String> {
        match &self.options.file_extension {
            Some(extension) => Ok(extension.clone()),
            None if !url.is_collection() || url.get_glob().is_some() => Ok(String::new()),
            None => usual_extension(&self.format, self.options.format_value("compression")),
        }
    }

    // ---- partitions -----------------------------------------------------------------------------------------------

    /// Names and declared types of the columns that directories give.
    fn partitions(&self, state: &SessionState, places: &[Place]) -> Outcome<Vec<(String, DataType)>> {
        let mut names = self.options.partition_columns.clone();
        if names.is_empty() && state.config_options().execution.listing_table_factory_infer_partitions {
            names = inferred(places);
        }
        let type_of = |name: String| match self.declared.field_with_name(&name) {
            Ok(field) => (name, field.data_type().clone()),
            Err(_) => (name, DataType::Utf8),
        };
        Ok(names.into_iter().map(type_of).collect())
    }

    /// DataFusion passes over a file that is not in its partition's directory without a word.
    fn check_partitions(&self, places: &[Place], partitions: &[(String, DataType)]) -> Outcome<()> {
        if partitions.is_empty() {
            return Ok(());
        }
        let names = || partitions.iter().map(|(name, _)| name.as_str());
        for (place, file) in places.iter().flat_map(|p| p.files.iter().map(move |f| (p, f))) {
            let refuse =
                |why: String| Err(Failure::new(Status::Drift, format!("file '{}': {why}", shown(&file.location))));
            let values = parse_partitions_for_path(&place.url, &file.location, names()).unwrap_or_default();
            if values.len() < partitions.len() {
                let pattern: Vec<String> = names().map(|n| format!("{n}=..")).collect();
                return refuse(format!("it is not in a directory '{}', the table's partitions", pattern.join("/")));
            }
            for (value, (name, data_type)) in values.into_iter().zip(partitions) {
                if ScalarValue::try_from_string(value.to_string(), data_type).is_err() {
                    return refuse(format!("its directory says {name} = '{value}', which is no {data_type}"));
                }
            }
        }
        Ok(())
    }

    // ---- what files say of their columns --------------------------------------------------------------------------

    /// The columns of each file, files in order of their paths.
    async fn schemas(&self, base: &Base, place: &Place) -> Outcome<Vec<(ObjectMeta, SchemaRef)>> {
        let store = store_of(&base.state, &place.url)?;
        let n = base.state.config_options().execution.meta_fetch_concurrency.get();
        let read = |file: ObjectMeta| {
            let store = Arc::clone(&store);
            async move {
                if let Some(schema) = self.remembered(&file) {
                    return Ok((file, schema));
                }
                let schema = self.schema_of(base, &store, &file).await?;
                Ok::<_, Failure>((file, schema))
            }
        };
        let files: Vec<_> = place.files.iter().cloned().map(read).collect();
        // In order, so that of several bad files the first by name is named, whichever was read first.
        let found: Vec<(ObjectMeta, SchemaRef)> = futures::stream::iter(files).buffered(n).try_collect().await?;
        if self.is_caching() {
            let mut kept = self.kept();
            kept.schemas.retain(|path, _| place.files.iter().any(|f| f.location == *path) || self.locations.len() > 1);
            for (file, schema) in &found {
                kept.schemas.insert(file.location.clone(), (file.clone(), Arc::clone(schema)));
            }
        }
        Ok(found)
    }

    fn remembered(&self, file: &ObjectMeta) -> Option<SchemaRef> {
        let kept = self.kept();
        let (known, schema) = kept.schemas.get(&file.location)?;
        (known == file).then(|| Arc::clone(schema))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn schema_of(&self, base: &Base, store: &Arc<dyn ObjectStore>, file: &ObjectMeta) -> Outcome<SchemaRef> {
        let state = &base.state;
        let one = std::slice::from_ref(file);
        let read = if self.format == "parquet" && self.options.skip_arrow_metadata {
            self.parquet_schema(state, store, file).await
        } else {
            base.format.infer_schema(state, store, one).await
        };
        let schema = read.map_err(|e| {
            let failure = unreadable(format!("file '{}'", shown(&file.location)), &self.format, e);
            match failure.status {
                Status::Plan | Status::Execution => Failure { status: Status::Drift, ..failure },
                _ => failure,
            }
        })?;
        if self.format == "csv" { self.header(&schema, state, file) } else { Ok(schema) }
    }

    /// Parquet's own types, whatever Arrow schema the writer put beside them.
    async fn parquet_schema(
        &self,
        state: &SessionState,
        store: &Arc<dyn ObjectStore>,
        file: &ObjectMeta,
    ) -> datafusion::common::Result<SchemaRef> {
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let metadata =
            DFParquetMetadata::new(store.as_ref(), file).with_file_metadata_cache(Some(cache)).fetch_metadata().await?;
        Ok(Arc::new(parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None)?))
    }

    /// A header has names alone: text becomes what is declared, and fails at the value that cannot.
    fn header(&self, inferred: &Schema, state: &SessionState, file: &ObjectMeta) -> Outcome<SchemaRef> {
        let says = self.options.format_value("has_header").map(|v| v == "true");
        let has_header = says.unwrap_or(state.config_options().catalog.has_header);
        let relaxed = relax(&self.declared);
        let own: Vec<&FieldRef> =
            relaxed.fields().iter().filter(|f| !self.options.partition_columns.contains(f.name())).collect();
        if !has_header && own.len() == inferred.fields().len() {
            return Ok(Arc::new(Schema::new(own.into_iter().cloned().collect::<Vec<_>>())));
        }
        let mut fields: Vec<FieldRef> = Vec::with_capacity(inferred.fields().len());
        for field in inferred.fields() {
            let name = field.name();
            if fields.iter().any(|f| f.name() == name) {
                let text = format!("file '{}': its header names column '{name}' twice", shown(&file.location));
                return Err(Failure::new(Status::Drift, text));
            }
            let declared = own.iter().find(|f| f.name() == name).map(|f| Arc::clone(f));
            fields.push(declared.unwrap_or_else(|| Arc::new(Field::new(name, DataType::Utf8, true))));
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Show the host what a file has; what is read of it, if that may be.
    fn accept(
        &self,
        state: &SessionState,
        file: &ObjectMeta,
        found: &SchemaRef,
        partitions: &[(String, DataType)],
    ) -> Outcome<SchemaRef> {
        let is_partition = |name: &String| partitions.iter().any(|(p, _)| p == name);
        let own: Vec<FieldRef> = found.fields().iter().filter(|f| !is_partition(f.name())).cloned().collect();
        // Partition columns stand where they are declared: a directory has no place among a file's columns.
        let mut all = own.clone();
        for (i, field) in self.declared.fields().iter().enumerate() {
            if is_partition(field.name()) {
                all.insert(i.min(all.len()), Arc::new(field.as_ref().clone().with_nullable(false)));
            }
        }
        for (name, data_type) in partitions {
            if self.declared.field_with_name(name).is_err() {
                all.push(Arc::new(Field::new(name, data_type.clone(), false)));
            }
        }
        let all: SchemaRef = Arc::new(Schema::new_with_metadata(all, found.metadata().clone()));
        let is_known = self.kept().accepted.contains(&all);
        if !is_known {
            crate::catalog::handshake(
                state,
                &Found {
                    name: &self.name,
                    source: &shown(&file.location),
                    format: &self.format,
                    expected: &self.declared,
                    found: &all,
                },
            )?;
            self.kept().accepted.push(all);
        }
        if self.format == "ndjson" {
            // A sample may lack what later records have; the reader finds values by name.
            let relaxed = relax(&self.declared);
            let own = relaxed.fields().iter().filter(|f| !is_partition(f.name())).cloned();
            return Ok(bare(&Schema::new(own.collect::<Vec<_>>())));
        }
        Ok(bare(&relax(&Schema::new(own))))
    }

    // ---- reading --------------------------------------------------------------------------------------------------

    /// A provider that finds just these files: their list is in the cache of its state.
    fn group(base: &Base, schema: SchemaRef, places: Vec<Place>, partitions: &[(String, DataType)]) -> Outcome<Group> {
        let listed: Arc<ListFilesCache> = Arc::new(DefaultCache::<TableScopedPath, CachedFileList>::new(usize::MAX));
        let mut urls = Vec::with_capacity(places.len());
        for place in places {
            let key = TableScopedPath { table: None, path: place.url.prefix().clone() };
            listed.put(&key, CachedFileList::new(place.files));
            urls.push(place.url);
        }
        let runtime = environment(base.state.runtime_env(), |config, _| with_listings(config, &listed))?;
        let statistics = runtime.cache_manager.get_file_statistic_cache();
        let state =
            SessionStateBuilder::new_from_existing(base.state.clone()).with_runtime_env(Arc::new(runtime)).build();
        let options = ListingOptions::new(Arc::clone(&base.format))
            .with_file_extension("")
            .with_table_partition_cols(partitions.to_vec());
        let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
        let table = ListingTable::try_new(config).map_err(Failure::planning)?.with_cache(statistics);
        Ok(Group { provider: Arc::new(table), state: Arc::new(state) })
    }
}

/// What the files of a directory end in where nobody says so: without that every stray file would be read as data.
pub fn usual_extension(format: &str, compression: Option<&str>) -> Outcome<String> {
    let compression = compression.map_or(Ok(FileCompressionType::UNCOMPRESSED), FileCompressionType::from_str);
    let packed = match format {
        "csv" | "ndjson" => compression.map_err(Failure::planning)?.get_ext(),
        _ => String::new(),
    };
    Ok(format!(".{format}{packed}"))
}

fn store_of(state: &SessionState, url: &ListingTableUrl) -> Outcome<Arc<dyn ObjectStore>> {
    state.runtime_env().object_store(url).map_err(|_| {
        let text = format!("no way to '{url}': a location is a path of this machine or begins with file://");
        Failure::new(Status::Io, text)
    })
}

/// The environment with other caches: those it has, changed by `choose`.
fn environment(
    have: &RuntimeEnv,
    choose: impl FnOnce(CacheManagerConfig, &CacheManager) -> CacheManagerConfig,
) -> Outcome<RuntimeEnv> {
    let caches = &have.cache_manager;
    let same = CacheManagerConfig::default()
        .with_metadata_cache_limit(caches.get_metadata_cache_limit())
        .with_file_metadata_cache(Some(caches.get_file_metadata_cache()))
        .with_file_statistics_cache_limit(caches.get_file_statistic_cache_limit())
        .with_file_statistics_cache(caches.get_file_statistic_cache());
    let cache_manager = CacheManager::try_new(&choose(same, caches)).map_err(Failure::planning)?;
    Ok(RuntimeEnv { cache_manager, ..have.clone() })
}

fn with_listings(config: CacheManagerConfig, cache: &Arc<ListFilesCache>) -> CacheManagerConfig {
    config.with_list_files_cache_limit(cache.cache_limit()).with_list_files_cache(Some(Arc::clone(cache)))
}

/// The names in "name=value" directories that all files have above them.
fn inferred(places: &[Place]) -> Vec<String> {
    let mut common: Option<Vec<String>> = None;
    for (place, file) in places.iter().flat_map(|p| p.files.iter().map(move |f| (p, f))) {
        let Some(segments) = place.url.strip_prefix(&file.location) else { continue };
        let mut names: Vec<String> =
            segments.map_while(|s| s.split_once('=').map(|(name, _)| name.to_owned())).collect();
        if let Some(known) = &common {
            let n = names.iter().zip(known).take_while(|(a, b)| a == b).count();
            names.truncate(n);
        }
        common = Some(names);
    }
    common.unwrap_or_default()
}
