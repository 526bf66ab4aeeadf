//! catalog.rs — the host's catalog: every answer comes from C, none costs I/O.
//!
//! Providers are kept for one epoch of the host. A table that cannot be had is still listed and has a provider, so that one
//! broken table does not break `information_schema` (DataFusion opens every table there); using it fails with its reason.
//!
//! Names in the default schema that the host does not know are looked up in the session's private schema
//! (`session.memory`), and `CREATE TABLE` / `CREATE VIEW` with a bare name land there.
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString, c_char, c_void};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use arrow::ffi::FFI_ArrowSchema;
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::{DFSchema, Result, TableReference};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{CreateExternalTable, Expr, TableType};
use tokio::sync::OnceCell;

use crate::endless::Endless;
use crate::error::{CError, Failure, Outcome, Status};
use crate::ffi::schema_of;
use crate::insert_memory::MemoryRows;
use crate::listing::{Listing, ScanOptions};
use crate::memory::MemorySchema;
use crate::rules::{CRules, Rules};
use crate::session::{Shared, resolve};
use crate::stream::{CStreamSource, StreamSource, StreamTable};
use crate::table::{ContractTable, Storage};
use crate::text::{self, TextFn};
use crate::view::View;

type NameFn = unsafe extern "C" fn(*mut c_void, *const c_char, i32);

/// `struct cadf_table_def`.
#[repr(C)]
pub struct CTableDef {
    pub kind: i32,
    pub schema: *mut FFI_ArrowSchema,
    pub sql: *const c_char,
    pub location: *const c_char,
    pub version: i64,
    pub as_of_us: i64,
    pub format: *const c_char,
    pub option_keys: *const *const c_char,
    pub option_values: *const *const c_char,
    pub n_options: usize,
    pub predicate: *const c_char,
    pub proved_not_null: i32,
    pub proved_checks: i32,
    pub is_fixed: i32,
    pub failure: *const c_char,
    pub rules: *const CRules,
    pub stream: CStreamSource,
    pub private_data: *mut c_void,
}

/// `struct cadf_catalog`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CCatalog {
    pub data: *mut c_void,
    pub name: *const c_char,
    pub default_schema: *const c_char,
    pub epoch: Option<unsafe extern "C" fn(*mut c_void) -> u64>,
    pub schema_names: Option<unsafe extern "C" fn(*mut c_void, NameFn, *mut c_void)>,
    pub table_names: Option<unsafe extern "C" fn(*mut c_void, *const c_char, NameFn, *mut c_void)>,
    pub table:
        Option<unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *mut CTableDef, *mut CError) -> i32>,
    pub release_def: Option<unsafe extern "C" fn(*mut c_void, *mut CTableDef)>,
    pub committed: Option<unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, i64)>,
    pub handshake: Option<unsafe extern "C" fn(*mut c_void, *const CFound, *mut CError) -> i32>,
    pub are_proved:
        Option<unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, i64, *const c_char, usize) -> i32>,
    pub definition:
        Option<unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, Option<TextFn>, *mut c_void)>,
    pub inferred:
        Option<unsafe extern "C" fn(*mut c_void, *const CFound, i32, *mut FFI_ArrowSchema, *mut CError) -> i32>,
    pub dropped: Option<unsafe extern "C" fn(*mut c_void, *const c_char) -> i32>,
    pub made: Option<unsafe extern "C" fn(*mut c_void, *const CFound, Option<TextFn>, *mut c_void)>,
    pub registered: Option<unsafe extern "C" fn(*mut c_void, *const c_char, i32)>,
}

/// `CADF_REGISTERED_…`: what a statement did to a name of the session's own.
#[derive(Debug, Clone, Copy)]
pub enum Registered {
    Table = 0,
    View = 1,
    NoMore = 2,
}

/// `struct cadf_found`.
#[repr(C)]
pub struct CFound {
    pub name: *const c_char,
    pub source: *const c_char,
    pub format: *const c_char,
    pub expected: *const FFI_ArrowSchema,
    pub found: *const FFI_ArrowSchema,
    pub option_keys: *const *const c_char,
    pub option_values: *const *const c_char,
    pub n_options: usize,
}

/// What SQL said of a table that it makes, for the host.
struct Said {
    name: CString,
    source: CString,
    format: CString,
    options: Vec<(CString, CString)>,
    keys: Vec<*const c_char>,
    values: Vec<*const c_char>,
}

impl Said {
    fn new(name: &str, source: &str, format: &str, options: &[(String, String)]) -> Outcome<Said> {
        let options: Vec<_> =
            options.iter().map(|(key, value)| Ok((c_text(key)?, c_text(value)?))).collect::<Outcome<_>>()?;
        let (keys, values) = options.iter().map(|(key, value)| (key.as_ptr(), value.as_ptr())).unzip();
        Ok(Said { name: c_text(name)?, source: c_text(source)?, format: c_text(format)?, options, keys, values })
    }

    /// Borrows from `self` and the schema.
    fn found(&self, schema: &FFI_ArrowSchema) -> CFound {
        CFound {
            name: self.name.as_ptr(),
            source: self.source.as_ptr(),
            format: self.format.as_ptr(),
            expected: std::ptr::null(),
            found: schema,
            option_keys: self.keys.as_ptr(),
            option_values: self.values.as_ptr(),
            n_options: self.options.len(),
        }
    }
}

/// `enum cadf_name_kind`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    Table,
    View,
    /// A table that gives way to one of its name that the session makes.
    Kept,
}

/// The columns that a file has, before the first of its rows is read.
pub struct Found<'a> {
    /// The table, as the host or SQL named it.
    pub name: &'a str,
    pub source: &'a str,
    pub format: &'a str,
    pub expected: &'a Schema,
    pub found: &'a Schema,
}

/// What `ask` answers of the session's host; None: it has none.
fn of_host<T>(state: &SessionState, ask: impl FnOnce(&HostCatalog) -> T) -> Option<T> {
    let catalog = state.catalog_list().catalog(&state.config_options().catalog.default_catalog)?;
    catalog.downcast_ref::<HostCatalog>().map(ask)
}

/// The host, and the table of the session's own that the name means there. One that is named in the session's private schema is
/// nobody else's.
fn own_table(state: &SessionState, name: &TableReference) -> Option<(Arc<Host>, String)> {
    let (catalog, schema, table) = resolve(state, name);
    let own = |host: &HostCatalog| (catalog == host.name && schema == host.default_schema).then(|| host.host());
    Some((of_host(state, own)??, table))
}

/// Columns that were inferred for a table of the session's own become what the host keeps under its name, with the options by
/// which they are read: those found, or those that it has had since an earlier session.
pub fn inferred(
    state: &SessionState,
    cmd: &CreateExternalTable,
    found: SchemaRef,
    options: &[(String, String)],
) -> Outcome<SchemaRef> {
    match own_table(state, &cmd.name) {
        Some((host, table)) => Ok(host.inferred(&table, cmd, &found, options)?.unwrap_or(found)),
        None => Ok(found),
    }
}

/// A statement did this to a name of the session's own.
pub fn registered(state: &SessionState, name: &TableReference, what: Registered) {
    if let Some((host, table)) = own_table(state, name) {
        host.registered(&table, what);
    }
}

/// A table of the session's own was dropped. Whether the host kept columns under the name, and forgot them.
pub fn dropped(state: &SessionState, name: &TableReference) -> bool {
    own_table(state, name).is_some_and(|(host, table)| host.dropped(&table))
}

/// Ask the host of the session whether rows of such columns may be read; a session without one takes what it gets.
pub fn handshake(state: &SessionState, found: &Found<'_>) -> Outcome<()> {
    of_host(state, |host| host.host.handshake(found)).unwrap_or(Ok(()))
}

/// One table of the host: what it is told and asked of it.
#[derive(Clone)]
pub struct Hosted {
    host: Arc<Host>,
    schema: String,
    table: String,
    definition: Arc<OnceLock<Option<String>>>,
}

impl fmt::Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hosted({}.{})", self.schema, self.table)
    }
}

extern "C" fn collect_text(sink: *mut c_void, text: *const c_char, n_bytes: usize) {
    if sink.is_null() || text.is_null() {
        return;
    }
    // SAFETY: `sink` is the Option that was handed out for the duration of the call, `text` as long as it says.
    let (sink, text) =
        unsafe { (&mut *sink.cast::<Option<String>>(), std::slice::from_raw_parts(text.cast(), n_bytes)) };
    *sink = Some(String::from_utf8_lossy(text).into_owned());
}

impl Hosted {
    fn new(host: &Arc<Host>, schema: &str, table: &str) -> Hosted {
        let (schema, table) = (schema.to_owned(), table.to_owned());
        Hosted { host: Arc::clone(host), schema, table, definition: Arc::default() }
    }

    /// SQL made a version.
    pub fn report(&self, version: u64) {
        let (Some(call), Ok(schema), Ok(table)) =
            (self.host.calls.committed, CString::new(self.schema.as_str()), CString::new(self.table.as_str()))
        else {
            return;
        };
        // SAFETY: as documented for `struct cadf_catalog`.
        unsafe { call(self.host.calls.data, schema.as_ptr(), table.as_ptr(), i64::try_from(version).unwrap_or(-1)) };
    }

    /// The DDL of the table, made when it is first asked for: `information_schema.views` asks all tables.
    pub fn definition(&self) -> Option<&str> {
        let ask = || {
            let call = self.host.calls.definition?;
            let (schema, table) = (CString::new(self.schema.as_str()).ok()?, CString::new(self.table.as_str()).ok()?);
            let mut text: Option<String> = None;
            let sink = std::ptr::from_mut(&mut text).cast();
            // SAFETY: as documented for `struct cadf_catalog`; the sink lives for the call.
            unsafe { call(self.host.calls.data, schema.as_ptr(), table.as_ptr(), Some(collect_text), sink) };
            text
        };
        self.definition.get_or_init(ask).as_deref()
    }

    /// Whether what the host calls proved was proved of these files. Otherwise it has moved its epoch.
    pub fn are_proved(&self, version: u64, files: &str) -> bool {
        let (Some(call), Ok(schema), Ok(table)) =
            (self.host.calls.are_proved, CString::new(self.schema.as_str()), CString::new(self.table.as_str()))
        else {
            return true;
        };
        let version = i64::try_from(version).unwrap_or(-1);
        // SAFETY: as documented for `struct cadf_catalog`.
        let answer = unsafe {
            call(self.host.calls.data, schema.as_ptr(), table.as_ptr(), version, files.as_ptr().cast(), files.len())
        };
        answer != 0
    }
}

/// The callbacks, copied.
pub struct Host {
    calls: CCatalog,
}

// SAFETY: the header says that callbacks are called from any thread.
unsafe impl Send for Host {}
unsafe impl Sync for Host {}

extern "C" fn collect_name(sink: *mut c_void, name: *const c_char, kind: i32) {
    if sink.is_null() || name.is_null() {
        return;
    }
    // SAFETY: `sink` is the Vec that was handed out for the duration of the call.
    let names = unsafe { &mut *sink.cast::<Vec<(String, NameKind)>>() };
    let kind = match kind {
        1 => NameKind::View,
        2 => NameKind::Kept,
        _ => NameKind::Table,
    };
    // SAFETY: names are NUL-terminated.
    names.push((unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned(), kind));
}

fn c_text(s: &str) -> Outcome<CString> {
    CString::new(s).map_err(|_| Failure::invalid(format!("'{s}' has a NUL in it")))
}

impl Host {
    pub fn epoch(&self) -> u64 {
        // SAFETY: as documented for `struct cadf_catalog`.
        self.calls.epoch.map_or(0, |call| unsafe { call(self.calls.data) })
    }

    /// The columns that the host keeps for the table; None: those that were found.
    fn inferred(
        &self,
        table: &str,
        cmd: &CreateExternalTable,
        found: &Schema,
        options: &[(String, String)],
    ) -> Outcome<Option<SchemaRef>> {
        let Some(call) = self.calls.inferred else { return Ok(None) };
        let said = Said::new(table, &cmd.locations.join(", "), &cmd.file_type.to_lowercase(), options)?;
        let schema = FFI_ArrowSchema::try_from(found)?;
        let (mut kept, mut err) = (FFI_ArrowSchema::empty(), CError::empty());
        // SAFETY: everything lives for the call; the header says that callbacks are called from any thread.
        match unsafe { call(self.calls.data, &said.found(&schema), i32::from(cmd.or_replace), &mut kept, &mut err) } {
            0 if crate::ffi::is_released(&kept) => Ok(None),
            0 => Ok(Some(schema_of(&kept, "schema")?)),
            code => Err(Failure::new(Status::from_code(code), err.message())),
        }
    }

    /// The DDL of a table in memory that SQL made, with what it said of keys and defaults; None: the host has no word for one of its
    /// types.
    pub fn made(&self, table: &str, schema: &Schema, options: &[(String, String)]) -> Option<String> {
        let call = self.calls.made?;
        let said = Said::new(table, "", "memory", options).ok()?;
        let schema = FFI_ArrowSchema::try_from(schema).ok()?;
        let mut text: Option<String> = None;
        let sink = std::ptr::from_mut(&mut text).cast();
        // SAFETY: everything lives for the call; the header says that callbacks are called from any thread.
        unsafe { call(self.calls.data, &said.found(&schema), Some(collect_text), sink) };
        text
    }

    fn dropped(&self, table: &str) -> bool {
        let (Some(call), Ok(table)) = (self.calls.dropped, CString::new(table)) else { return false };
        // SAFETY: as documented for `struct cadf_catalog`.
        unsafe { call(self.calls.data, table.as_ptr()) != 0 }
    }

    fn registered(&self, table: &str, what: Registered) {
        let (Some(call), Ok(table)) = (self.calls.registered, CString::new(table)) else { return };
        // SAFETY: as documented for `struct cadf_catalog`.
        unsafe { call(self.calls.data, table.as_ptr(), what as i32) };
    }

    fn handshake(&self, found: &Found<'_>) -> Outcome<()> {
        let Some(call) = self.calls.handshake else { return Ok(()) };
        let (name, source, format) = (c_text(found.name)?, c_text(found.source)?, c_text(found.format)?);
        let (expected, schema) = (FFI_ArrowSchema::try_from(found.expected)?, FFI_ArrowSchema::try_from(found.found)?);
        let c_found = CFound {
            name: name.as_ptr(),
            source: source.as_ptr(),
            format: format.as_ptr(),
            expected: &expected,
            found: &schema,
            option_keys: std::ptr::null(),
            option_values: std::ptr::null(),
            n_options: 0,
        };
        let mut err = CError::empty();
        // SAFETY: everything lives for the call; the header says that callbacks are called from any thread.
        match unsafe { call(self.calls.data, &c_found, &mut err) } {
            0 => Ok(()),
            code => Err(Failure::new(Status::from_code(code), err.message())),
        }
    }

    fn schema_names(&self) -> Vec<String> {
        let mut names: Vec<(String, NameKind)> = Vec::new();
        if let Some(call) = self.calls.schema_names {
            // SAFETY: the sink lives for the call.
            unsafe { call(self.calls.data, collect_name, std::ptr::from_mut(&mut names).cast()) };
        }
        names.into_iter().map(|(name, _)| name).collect()
    }

    fn table_names(&self, schema: &str) -> BTreeMap<String, NameKind> {
        let mut names: Vec<(String, NameKind)> = Vec::new();
        if let (Some(call), Ok(schema)) = (self.calls.table_names, CString::new(schema)) {
            // SAFETY: the sink and the name live for the call.
            unsafe { call(self.calls.data, schema.as_ptr(), collect_name, std::ptr::from_mut(&mut names).cast()) };
        }
        names.into_iter().collect()
    }
}

struct Cache {
    epoch: u64,
    names: HashMap<String, Arc<BTreeMap<String, NameKind>>>,
    tables: HashMap<(String, String), Arc<dyn TableProvider>>,
}

/// The default catalog of a session.
pub struct HostCatalog {
    host: Arc<Host>,
    pub name: String,
    pub default_schema: String,
    shared: Arc<Shared>,
    memory: Arc<MemorySchema>,
    rows: Mutex<HashMap<(String, String), Arc<MemoryRows>>>,
    cache: Mutex<Cache>,
}

impl fmt::Debug for HostCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostCatalog({})", self.name)
    }
}

impl HostCatalog {
    pub fn new(calls: &CCatalog, shared: Arc<Shared>, memory: Arc<MemorySchema>) -> Outcome<HostCatalog> {
        let name = text::required(calls.name, "the catalog's name")?;
        let default_schema = text::required(calls.default_schema, "the catalog's default schema")?;
        if calls.table.is_none() || calls.table_names.is_none() || calls.schema_names.is_none() {
            return Err(Failure::invalid(format!("catalog '{name}' lacks a callback")));
        }
        let host = Arc::new(Host { calls: *calls });
        let cache = Cache { epoch: host.epoch(), names: HashMap::new(), tables: HashMap::new() };
        Ok(HostCatalog { host, name, default_schema, shared, memory, rows: Mutex::default(), cache: Mutex::new(cache) })
    }

    pub fn host(&self) -> Arc<Host> {
        Arc::clone(&self.host)
    }

    fn with_cache<T>(&self, use_it: impl FnOnce(&mut Cache) -> T) -> T {
        let epoch = self.host.epoch();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.epoch != epoch {
            *cache = Cache { epoch, names: HashMap::new(), tables: HashMap::new() };
        }
        use_it(&mut cache)
    }

    pub fn names(&self, schema: &str) -> Arc<BTreeMap<String, NameKind>> {
        let (epoch, found) = self.with_cache(|c| (c.epoch, c.names.get(schema).cloned()));
        if let Some(names) = found {
            return names;
        }
        let names = Arc::new(self.host.table_names(schema));
        self.with_cache(|c| {
            if c.epoch == epoch {
                c.names.insert(schema.to_owned(), Arc::clone(&names));
            }
        });
        names
    }

    /// Whether a name is the host's alone: a table of the session may stand before one that is kept.
    pub fn is_fixed(&self, schema: &str, table: &str) -> bool {
        self.names(schema).get(table).is_some_and(|kind| *kind != NameKind::Kept)
    }

    /// The provider of a table; two threads may make it at once, and the first one stays.
    pub fn provider(&self, schema: &str, table: &str) -> Option<Arc<dyn TableProvider>> {
        let key = (schema.to_owned(), table.to_owned());
        let (epoch, found) = self.with_cache(|c| (c.epoch, c.tables.get(&key).cloned()));
        if found.is_some() {
            return found;
        }
        let made = self.make(schema, table)?;
        Some(self.with_cache(|c| if c.epoch == epoch { Arc::clone(c.tables.entry(key).or_insert(made)) } else { made }))
    }

    fn make(&self, schema: &str, table: &str) -> Option<Arc<dyn TableProvider>> {
        let name = format!("{schema}.{table}");
        let (Some(call), Ok(c_schema), Ok(c_table)) =
            (self.host.calls.table, CString::new(schema), CString::new(table))
        else {
            return None;
        };
        let mut arrow_schema = FFI_ArrowSchema::empty();
        let mut def = CTableDef {
            kind: 0,
            schema: &mut arrow_schema,
            sql: std::ptr::null(),
            location: std::ptr::null(),
            version: -1,
            as_of_us: 0,
            format: std::ptr::null(),
            option_keys: std::ptr::null(),
            option_values: std::ptr::null(),
            n_options: 0,
            predicate: std::ptr::null(),
            proved_not_null: 0,
            proved_checks: 0,
            is_fixed: 0,
            failure: std::ptr::null(),
            rules: std::ptr::null(),
            stream: CStreamSource::empty(),
            private_data: std::ptr::null_mut(),
        };
        let mut err = CError::empty();
        // SAFETY: as documented for `struct cadf_catalog`.
        let code = unsafe { call(self.host.calls.data, c_schema.as_ptr(), c_table.as_ptr(), &mut def, &mut err) };
        if code == Status::NotFound as i32 {
            return None;
        }
        if code != 0 {
            let text = err.message();
            let text = if text.is_empty() { format!("status {code}") } else { text };
            return Some(Arc::new(ContractTable::broken(name, Arc::new(Schema::empty()), text)));
        }
        let made = self.interpret(schema, table, &name, &mut def, &arrow_schema);
        if let Some(release) = self.host.calls.release_def {
            // SAFETY: the callback's own struct goes back to it; what it lent is copied by now.
            unsafe { release(self.host.calls.data, &mut def) };
        }
        Some(match made {
            Ok(provider) => provider,
            Err(failure) => {
                let declared = schema_of(&arrow_schema, "schema").unwrap_or_else(|_| Arc::new(Schema::empty()));
                Arc::new(ContractTable::broken(name, declared, failure.text))
            }
        })
    }

    fn interpret(
        &self,
        schema: &str,
        table: &str,
        name: &str,
        def: &mut CTableDef,
        arrow_schema: &FFI_ArrowSchema,
    ) -> Outcome<Arc<dyn TableProvider>> {
        // Owned from here on, so that it is dropped on every way out.
        let moved = std::mem::replace(&mut def.stream, CStreamSource::empty());
        let has_stream = moved.open.is_some() || moved.drop.is_some();
        let stream = if has_stream { Some(StreamSource::take(moved, name)) } else { None };

        let declared: Option<SchemaRef> =
            if crate::ffi::is_released(arrow_schema) { None } else { Some(schema_of(arrow_schema, "schema")?) };
        let proved = def.proved_not_null != 0;
        if let Some(why) = text::optional(def.failure, "failure")? {
            let declared = declared.unwrap_or_else(|| Arc::new(Schema::empty()));
            return Ok(Arc::new(ContractTable::broken(name.to_owned(), declared, why)));
        }
        let predicate = text::optional(def.predicate, "predicate")?;
        let options = text::pairs(def.option_keys, def.option_values, def.n_options, "options")?;
        if def.kind == 2 {
            let sql = text::required(def.sql, "sql")?;
            let hosted = Hosted::new(&self.host, schema, table);
            return Ok(Arc::new(View::hosted(hosted, name.to_owned(), sql, declared, proved, &self.shared)));
        }
        let declared = declared.ok_or_else(|| Failure::invalid("the schema is missing"))?;
        let hosted = Hosted::new(&self.host, schema, table);
        let storage = match def.kind {
            0 => Storage::Empty,
            1 => Storage::Delta {
                location: text::required(def.location, "location")?,
                version: u64::try_from(def.version).ok(),
                as_of_us: (def.as_of_us != 0).then_some(def.as_of_us),
                is_fixed: def.is_fixed != 0,
                opened: OnceCell::new(),
                compared: OnceCell::new(),
            },
            3 => {
                let source = stream.ok_or_else(|| Failure::invalid("the stream is missing"))??;
                Storage::Stream(StreamTable::new(Arc::new(source), Arc::clone(&declared)))
            }
            4 => {
                let format = text::required(def.format, "format")?;
                let location = text::required(def.location, "location")?;
                let options = ScanOptions::parse(&options)?;
                if options.unbounded {
                    Storage::Endless(Endless::new(location, &format, &options, Arc::clone(&declared))?)
                } else {
                    let declared = Arc::clone(&declared);
                    let listing = Listing::new(name.to_owned(), vec![location], &format, options, declared);
                    Storage::Files { listing }
                }
            }
            5 => Storage::Memory(self.rows_of(schema, table)),
            other => return Err(Failure::invalid(format!("table kind {other} is unknown"))),
        };
        let rules = Rules::borrow(def.rules)?.unwrap_or_default();
        let defaults = self.defaults(&rules)?;
        let table = ContractTable::new(name.to_owned(), declared, proved, storage, predicate, Some(hosted));
        let table = table.with_rules(rules).with_proved_checks(def.proved_checks != 0);
        Ok(Arc::new(table.with_defaults(defaults)))
    }
}

impl HostCatalog {
    /// The rows in memory of a table: the same ones in every epoch.
    fn rows_of(&self, schema: &str, table: &str) -> Arc<MemoryRows> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rows.entry((schema.to_owned(), table.to_owned())).or_default())
    }

    fn defaults(&self, rules: &Rules) -> Outcome<HashMap<String, Expr>> {
        if rules.defaults.is_empty() {
            return Ok(HashMap::new());
        }
        let state = self.shared.state().ok_or_else(|| Failure::new(Status::Canceled, "the session is closed"))?;
        let literal = |(column, sql): &(String, String)| {
            let literal = state.create_logical_expr(sql, &DFSchema::empty()).map_err(Failure::planning);
            Ok((column.clone(), literal.map_err(|f| f.context(format!("default of '{column}'")))?))
        };
        rules.defaults.iter().map(literal).collect()
    }
}

impl CatalogProvider for HostCatalog {
    fn schema_names(&self) -> Vec<String> {
        self.host.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if !self.host.schema_names().iter().any(|n| n == name) {
            return None;
        }
        // A provider is a name and a way to the catalog; it holds nothing that could grow old.
        self.shared.catalog().map(|catalog| {
            Arc::new(HostSchema { is_default: name == self.default_schema, name: name.to_owned(), catalog })
                as Arc<dyn SchemaProvider>
        })
    }
}

pub struct HostSchema {
    name: String,
    is_default: bool,
    catalog: Arc<HostCatalog>,
}

impl fmt::Debug for HostSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostSchema({})", self.name)
    }
}

impl HostSchema {
    /// Whether the name is a table of the session's own.
    fn is_own(&self, name: &str) -> bool {
        self.is_default && self.catalog.memory.table_exist(name) && !self.catalog.is_fixed(&self.name, name)
    }
}

#[async_trait]
impl SchemaProvider for HostSchema {
    fn table_names(&self) -> Vec<String> {
        self.catalog.names(&self.name).keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.is_own(name) {
            return self.catalog.memory.table(name).await;
        }
        if let Some(provider) = self.catalog.provider(&self.name, name) {
            return Ok(Some(match provider.downcast_ref::<ContractTable>() {
                Some(table) if crate::session::is_relaxed() => Arc::new(table.relaxed()),
                _ => provider,
            }));
        }
        Ok(None)
    }

    /// From the list of names: nothing is opened, no view is planned.
    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        if self.is_own(name) {
            return self.catalog.memory.table_type(name).await;
        }
        let kind = self.catalog.names(&self.name).get(name).copied();
        Ok(kind.map(|kind| if kind == NameKind::View { TableType::View } else { TableType::Base }))
    }

    fn register_table(&self, name: String, table: Arc<dyn TableProvider>) -> Result<Option<Arc<dyn TableProvider>>> {
        if !self.is_default {
            let text = format!("schema '{}' belongs to the catalog: nothing can be registered in it", self.name);
            return Err(Failure::new(Status::Refused, text).into_engine());
        }
        if self.catalog.is_fixed(&self.name, &name) {
            let text = format!("table '{}.{name}' belongs to the catalog", self.name);
            return Err(Failure::new(Status::Refused, text).into_engine());
        }
        self.catalog.memory.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.catalog.is_fixed(&self.name, name) {
            let text = format!("table '{}.{name}' belongs to the catalog", self.name);
            return Err(Failure::new(Status::Refused, text).into_engine());
        }
        if self.is_default { self.catalog.memory.deregister_table(name) } else { Ok(None) }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.catalog.names(&self.name).contains_key(name) || self.is_own(name)
    }
}
