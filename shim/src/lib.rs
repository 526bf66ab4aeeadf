//! cadf — the C door to DataFusion and delta-rs; the interface and its invariants are in include/cadf.h.
//!
//! ```text
//! lib      the doors: argument checks, panic guard           error, log, text, ffi   the border itself
//! session  one DataFusion session, planning     settings      runtime                 threads and cancel tokens
//! catalog  tables answered from C      memory  the session's own      factory  CREATE EXTERNAL TABLE
//! table    a contract over storage     view    SQL, planned at use    stream, listing, delta  the storages
//! present  the plan node above storage                       gate, write             no row past its contract
//! rules    what a contract demands     check, unique   of rows that pass    insert, change, proof  rows that SQL writes
//! query    statement → stream          plan    what it reads          function, output
//! ```
//! Each door is a C function that does nothing but convert its arguments and run one function of a module inside `guard`.
#![deny(unsafe_op_in_unsafe_fn)]
#![allow(clippy::missing_safety_doc)] // the contract of every door is in cadf.h

/// Arrow buffers are many, large and short-lived, and come from all threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod bucket;
mod catalog;
mod change;
mod check;
mod delta;
mod endless;
mod error;
mod factory;
mod ffi;
mod function;
mod gate;
mod insert;
mod insert_files;
mod insert_memory;
mod listing;
mod log;
mod memory;
mod output;
mod plan;
mod pool;
mod present;
mod proof;
mod query;
mod rules;
mod runtime;
mod schema;
mod session;
mod settings;
mod sorted;
mod stream;
mod table;
mod text;
mod unique;
mod unpruned;
mod verify;
mod view;
mod write;

use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use datafusion::common::ParamValues;

use crate::bucket::Buckets;
use crate::catalog::CCatalog;
use crate::error::{CError, Failure, Outcome, Status, panic_text, store};
use crate::ffi::Incoming;
use crate::function::CScalarFunction;
use crate::rules::{CCheck, Check};
use crate::runtime::Cancel;
use crate::session::{Core, Options};
use crate::stream::{CStreamSource, StreamSource, StreamTable};
use crate::text::{Sink, TextFn};
use crate::write::{Rows, WriteOptions, Written};

/// Run a door's work; nothing unwinds into C.
fn guard(err: *mut CError, work: impl FnOnce() -> Outcome<()>) -> i32 {
    let failure = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return Status::Ok as i32,
        Ok(Err(failure)) => failure,
        Err(payload) => Failure::new(Status::Panic, format!("panic: {}", panic_text(payload.as_ref()))),
    };
    store(err, &failure);
    failure.status as i32
}

/// `struct cadf_session`.
pub struct Session {
    core: Arc<Core>,
}

/// `struct cadf_cancel`.
pub struct CancelToken {
    cancel: Cancel,
}

fn core_of(session: *const Session) -> Outcome<Arc<Core>> {
    if session.is_null() {
        return Err(Failure::invalid("the session is missing"));
    }
    // SAFETY: a handle that cadf_session_open gave and cadf_session_close did not take back.
    Ok(Arc::clone(&unsafe { &*session }.core))
}

fn cancel_of(cancel: *const CancelToken) -> Option<Cancel> {
    if cancel.is_null() {
        return None;
    }
    // SAFETY: a live handle of cadf_cancel_new.
    Some(unsafe { &*cancel }.cancel.clone())
}

fn put<T>(ret: *mut T, value: T, what: &str) -> Outcome<()> {
    if ret.is_null() {
        return Err(Failure::invalid(format!("{what} is missing")));
    }
    // SAFETY: storage of the caller without a value in it.
    unsafe { std::ptr::write(ret, value) };
    Ok(())
}

fn put_if<T>(ret: *mut T, value: T) {
    if !ret.is_null() {
        // SAFETY: storage of the caller without a value in it.
        unsafe { std::ptr::write(ret, value) };
    }
}

fn need<T>(ret: *const T, what: &str) -> Outcome<()> {
    if ret.is_null() { Err(Failure::invalid(format!("{what} is missing"))) } else { Ok(()) }
}

// ---- logging ------------------------------------------------------------------------------------------------------

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_log_set(call: Option<log::LogFn>, data: *mut c_void, max_level: i32) {
    guard(std::ptr::null_mut(), || {
        log::set(call, data, max_level);
        Ok(())
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_versions(call: Option<TextFn>, data: *mut c_void) {
    guard(std::ptr::null_mut(), || {
        let versions = serde_json::json!({
            "datafusion": datafusion::DATAFUSION_VERSION,
            "deltalake": deltalake_core::crate_version(),
            "arrow": arrow::ARROW_VERSION,
            "cadf": env!("CARGO_PKG_VERSION"),
        });
        Sink { call, data }.emit(&versions.to_string());
        Ok(())
    });
}

// ---- session ------------------------------------------------------------------------------------------------------

/// `struct cadf_options`.
#[repr(C)]
pub struct COptions {
    setting_keys: *const *const c_char,
    setting_values: *const *const c_char,
    n_settings: usize,
    memory_limit_bytes: u64,
    spillable_bytes: u64,
    keep_bytes: u64,
    spill_dir: *const c_char,
    spill_limit_bytes: u64,
    n_threads: u32,
    read_only: i32,
    fixed_settings: *const *const c_char,
    n_fixed_settings: usize,
    catalog: *const CCatalog,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_session_open(options: *const COptions, ret: *mut *mut Session, err: *mut CError) -> i32 {
    guard(err, || {
        log::install();
        need(ret, "ret")?;
        // SAFETY: NULL, or borrowed for the call.
        let options = match unsafe { options.as_ref() } {
            None => Options {
                settings: Vec::new(),
                memory_limit_bytes: 0,
                spillable_bytes: 0,
                keep_bytes: 0,
                spill_dir: None,
                spill_limit_bytes: 0,
                n_threads: 0,
                read_only: false,
                fixed_settings: Vec::new(),
                catalog: None,
            },
            Some(o) => Options {
                settings: text::pairs(o.setting_keys, o.setting_values, o.n_settings, "settings")?,
                memory_limit_bytes: o.memory_limit_bytes,
                spillable_bytes: o.spillable_bytes,
                keep_bytes: o.keep_bytes,
                spill_dir: text::optional(o.spill_dir, "spill_dir")?,
                spill_limit_bytes: o.spill_limit_bytes,
                n_threads: o.n_threads,
                read_only: o.read_only != 0,
                fixed_settings: text::list(o.fixed_settings, o.n_fixed_settings, "fixed settings")?,
                // SAFETY: NULL, or borrowed for the call and copied.
                catalog: unsafe { o.catalog.as_ref() }.copied(),
            },
        };
        let core = Arc::new(Core::open(&options)?);
        put(ret, Box::into_raw(Box::new(Session { core })), "ret")
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_session_close(session: *mut Session) {
    if session.is_null() {
        return;
    }
    guard(std::ptr::null_mut(), || {
        // SAFETY: given by cadf_session_open, taken back once.
        drop(unsafe { Box::from_raw(session) });
        Ok(())
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_cancel_new() -> *mut CancelToken {
    Box::into_raw(Box::new(CancelToken { cancel: Cancel::new() }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_cancel_fire(cancel: *mut CancelToken) {
    guard(std::ptr::null_mut(), || {
        if let Some(cancel) = cancel_of(cancel) {
            cancel.fire();
        }
        Ok(())
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_cancel_free(cancel: *mut CancelToken) {
    if !cancel.is_null() {
        // SAFETY: given by cadf_cancel_new, taken back once. Whoever still waits has a clone.
        drop(unsafe { Box::from_raw(cancel) });
    }
}

// ---- queries ------------------------------------------------------------------------------------------------------

/// `struct cadf_params`.
#[repr(C)]
pub struct CParams {
    schema: *const FFI_ArrowSchema,
    array: *const FFI_ArrowArray,
}

/// The values are copied out; the caller's array stays the caller's.
fn params_of(params: *const CParams) -> Outcome<Option<ParamValues>> {
    // SAFETY: NULL, or borrowed for the call.
    let Some(params) = (unsafe { params.as_ref() }) else { return Ok(None) };
    if params.array.is_null() {
        return Ok(None);
    }
    let schema = ffi::borrow_schema(params.schema, "the parameters' schema")?;
    // A view of the caller's array: imported without its release, and deep-copied before this function returns.
    let borrowed = borrowed_array(params.array)?;
    let data = ffi::take_array(borrowed, DataType::Struct(schema.fields().clone()), "parameters")?;
    let row = ffi::batch_of(data, schema, "parameters")?;
    let take = arrow::array::UInt32Array::from_iter_values(0..u32::try_from(row.num_rows()).unwrap_or(u32::MAX));
    let owned = arrow::compute::take_record_batch(&row, &take)?;
    query::params(&owned).map(Some)
}

/// The C struct again, with a release that releases nothing.
fn borrowed_array(array: *const FFI_ArrowArray) -> Outcome<FFI_ArrowArray> {
    #[repr(C)]
    struct Layout {
        length: i64,
        null_count: i64,
        offset: i64,
        n_buffers: i64,
        n_children: i64,
        buffers: *mut *const c_void,
        children: *mut *mut FFI_ArrowArray,
        dictionary: *mut FFI_ArrowArray,
        release: Option<unsafe extern "C" fn(*mut Layout)>,
        private_data: *mut c_void,
    }
    const { assert!(size_of::<Layout>() == size_of::<FFI_ArrowArray>()) };
    unsafe extern "C" fn keep(array: *mut Layout) {
        // SAFETY: called by the holder of the copy, as the C Data Interface says.
        unsafe { (*array).release = None };
    }
    // SAFETY: the layout is fixed by the C Data Interface; the copy owns nothing.
    unsafe {
        let mut copy = std::ptr::read(array.cast::<Layout>());
        if copy.release.is_none() {
            return Err(Failure::invalid("the parameters' array is released"));
        }
        copy.release = Some(keep);
        Ok(std::mem::transmute::<Layout, FFI_ArrowArray>(copy))
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_query(
    session: *mut Session,
    sql: *const c_char,
    n_sql_bytes: usize,
    params: *const CParams,
    cancel: *mut CancelToken,
    ret: *mut FFI_ArrowArrayStream,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        need(ret, "ret")?;
        let core = core_of(session)?;
        let sql = text::sized(sql, n_sql_bytes, "sql")?;
        let params = params_of(params)?;
        let cancel = cancel_of(cancel);
        let engine = Arc::clone(&core.engine);
        let started = engine.run_cancelable(cancel.as_ref(), query::start(core, sql, params))?;
        ffi::give_stream(Box::new(query::QueryStream::new(engine, started, cancel)), ret);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_declare(
    session: *mut Session,
    sql: *const c_char,
    n_sql_bytes: usize,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        let sql = text::sized(sql, n_sql_bytes, "sql")?;
        let engine = Arc::clone(&core.engine);
        engine.run(query::declare(core, sql))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_split(
    sql: *const c_char,
    n_sql_bytes: usize,
    call: Option<TextFn>,
    data: *mut c_void,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let sql = text::sized(sql, n_sql_bytes, "sql")?;
        let statements = plan::split(&sql)?;
        let sink = Sink { call, data };
        statements.iter().for_each(|s| sink.emit(s));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_setting(
    session: *mut Session,
    key: *const c_char,
    call: Option<TextFn>,
    data: *mut c_void,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let key = text::required(key, "key")?;
        let entries = settings::entries(&core_of(session)?.state());
        if let Some(value) = entries.into_iter().find(|e| e.key == key).and_then(|e| e.value) {
            Sink { call, data }.emit(&value);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_settings(
    session: *mut Session,
    call: Option<settings::SettingFn>,
    data: *mut c_void,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        settings::tell(&core, call, data)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_query_schema(
    session: *mut Session,
    sql: *const c_char,
    n_sql_bytes: usize,
    ret: *mut FFI_ArrowSchema,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        need(ret, "ret")?;
        let core = core_of(session)?;
        let sql = text::sized(sql, n_sql_bytes, "sql")?;
        let engine = Arc::clone(&core.engine);
        let plan = engine.run(async move { core.plan(&sql, None).await })?;
        ffi::give_schema(plan.schema().as_arrow(), ret)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_table_schema(
    session: *mut Session,
    schema: *const c_char,
    table: *const c_char,
    ret: *mut FFI_ArrowSchema,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        need(ret, "ret")?;
        let core = core_of(session)?;
        let schema = text::optional(schema, "schema")?;
        let table = text::required(table, "table")?;
        let engine = Arc::clone(&core.engine);
        let columns = engine.run(async move {
            let state = core.state();
            let defaults = &state.config_options().catalog;
            let schema = schema.unwrap_or_else(|| defaults.default_schema.clone());
            let found = session::find(&state, &defaults.default_catalog, &schema, &table).await?;
            let found = match found {
                None if schema == memory::SCHEMA => session::find(&state, memory::CATALOG, &schema, &table).await?,
                other => other,
            };
            match found {
                Some(provider) => Ok(provider.schema()),
                None => Err(Failure::new(Status::NotFound, format!("table '{schema}.{table}' is not there"))),
            }
        })?;
        ffi::give_schema(&columns, ret)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_query_tables(
    session: *mut Session,
    sql: *const c_char,
    n_sql_bytes: usize,
    through_views: i32,
    call: Option<TextFn>,
    data: *mut c_void,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        let sql = text::sized(sql, n_sql_bytes, "sql")?;
        let engine = Arc::clone(&core.engine);
        let tables = engine.run(plan::tables(core, sql, through_views != 0))?;
        let sink = Sink { call, data };
        tables.iter().for_each(|t| sink.emit(t));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_query_plan(
    session: *mut Session,
    sql: *const c_char,
    n_sql_bytes: usize,
    optimized: i32,
    call: Option<TextFn>,
    data: *mut c_void,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        let sql = text::sized(sql, n_sql_bytes, "sql")?;
        let engine = Arc::clone(&core.engine);
        let plan = engine.run(plan::text(core, sql, optimized != 0))?;
        Sink { call, data }.emit(&plan);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_stream_write(
    stream: *mut FFI_ArrowArrayStream,
    format: *const c_char,
    fd: i32,
    width: u32,
    ret_rows: *mut i64,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let mut rows = Incoming::take(stream, "the stream")?;
        let format = text::required(format, "format")?;
        let n_rows = output::write(&mut rows, &format, fd, width)?;
        put_if(ret_rows, n_rows);
        Ok(())
    })
}

// ---- registration -------------------------------------------------------------------------------------------------

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_register_stream(
    session: *mut Session,
    table: *const c_char,
    schema: *mut FFI_ArrowSchema,
    source: *const CStreamSource,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        // Taken first, so that they are gone on every way out.
        let columns = ffi::take_schema(schema, "schema");
        // SAFETY: NULL, or borrowed for the call; its contents are taken.
        let source = unsafe { source.as_ref() }.copied();
        let name = text::required(table, "table");
        let label = name.as_deref().unwrap_or("?");
        let source = match source {
            Some(source) => StreamSource::take(source, label),
            None => Err(Failure::invalid("the stream is missing")),
        };
        let (name, columns, source) = (name?, columns?, source?);
        let core = core_of(session)?;
        // What C promises of its rows is as unproved as what files promise.
        let storage = table::Storage::Stream(StreamTable::new(Arc::new(source), Arc::clone(&columns)));
        let provider =
            table::ContractTable::new(format!("{}.{name}", memory::SCHEMA), columns, false, storage, None, None);
        core.memory.put(name, Arc::new(provider));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_deregister(session: *mut Session, table: *const c_char, err: *mut CError) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        let name = text::required(table, "table")?;
        match core.memory.remove(&name) {
            Some(_) => Ok(()),
            None => Err(Failure::new(Status::NotFound, format!("table '{name}' is not registered"))),
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_register_function(
    session: *mut Session,
    function: *const CScalarFunction,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        // SAFETY: NULL, or borrowed for the call.
        let function = unsafe { function.as_ref() }.ok_or_else(|| Failure::invalid("the function is missing"))?;
        core.context.register_udf(function::import(function)?);
        core.shared.moved();
        Ok(())
    })
}

// ---- Delta --------------------------------------------------------------------------------------------------------

/// `struct cadf_write`.
#[repr(C)]
pub struct CWrite {
    location: *const c_char,
    schema: *const FFI_ArrowSchema,
    mode: i32,
    partition_by: *const *const c_char,
    n_partition_by: usize,
    app_id: *const c_char,
    app_version: i64,
    metadata_keys: *const *const c_char,
    metadata_values: *const *const c_char,
    n_metadata: usize,
    property_keys: *const *const c_char,
    property_values: *const *const c_char,
    n_properties: usize,
    row_group_bytes: u64,
    target_file_bytes: u64,
    compression: *const c_char,
    statistics_columns: *const *const c_char,
    n_statistics_columns: usize,
    checks: *const CCheck,
    n_checks: usize,
    key: *const *const c_char,
    n_key: usize,
    bucket_column: *const c_char,
    bucket_bounds: *const *const c_char,
    n_bucket_bounds: usize,
    bucket_tables: *const *const c_char,
    n_bucket_tables: usize,
    order: *const *const c_char,
    n_order: usize,
    files: Option<TextFn>,
    files_data: *mut c_void,
}

/// `struct cadf_written`.
#[repr(C)]
pub struct CWritten {
    version: i64,
    n_rows: i64,
    n_files: i64,
    n_bytes: i64,
    is_key_unique: i32,
    is_ordered: i32,
}

/// `struct cadf_extent`.
#[repr(C)]
pub struct CExtent {
    n_rows: i64,
    n_files: i64,
    n_bytes: i64,
}

impl From<delta::Extent> for CExtent {
    fn from(e: delta::Extent) -> CExtent {
        CExtent { n_rows: signed(e.n_rows), n_files: signed(e.n_files), n_bytes: signed(e.n_bytes) }
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl From<Written> for CWritten {
    fn from(w: Written) -> CWritten {
        CWritten {
            version: signed(w.version),
            n_rows: signed(w.n_rows),
            n_files: signed(w.n_files),
            n_bytes: signed(w.n_bytes),
            is_key_unique: i32::from(w.is_key_unique),
            is_ordered: i32::from(w.is_ordered),
        }
    }
}

impl CWrite {
    /// How rows are written, without where and what.
    fn tuning(&self) -> Outcome<WriteOptions> {
        Ok(WriteOptions {
            partition_by: text::list(self.partition_by, self.n_partition_by, "partition columns")?,
            metadata: text::pairs(self.metadata_keys, self.metadata_values, self.n_metadata, "metadata")?,
            properties: text::pairs(self.property_keys, self.property_values, self.n_properties, "properties")?,
            row_group_bytes: self.row_group_bytes,
            target_file_bytes: self.target_file_bytes,
            compression: text::optional(self.compression, "compression")?,
            statistics_columns: text::list(self.statistics_columns, self.n_statistics_columns, "statistics columns")?,
            ..WriteOptions::default()
        })
    }

    fn location(&self) -> Outcome<Option<String>> {
        text::optional(self.location, "location")
    }

    fn checks(&self) -> Outcome<Vec<Check>> {
        checks_of(self.checks, self.n_checks)
    }

    fn key(&self) -> Outcome<Vec<String>> {
        text::list(self.key, self.n_key, "key columns")
    }

    fn buckets(&self) -> Outcome<Option<Buckets>> {
        let Some(column) = text::optional(self.bucket_column, "bucket column")? else { return Ok(None) };
        Ok(Some(Buckets {
            column,
            bounds: text::list(self.bucket_bounds, self.n_bucket_bounds, "bucket bounds")?,
            tables: text::list(self.bucket_tables, self.n_bucket_tables, "bucket tables")?,
        }))
    }
}

/// Give a write's result out: the list of files first, then the numbers.
fn give_written(write: *const CWrite, written: Written, ret: *mut CWritten) {
    // SAFETY: NULL, or borrowed for the call.
    if let Some(w) = unsafe { write.as_ref() } {
        Sink { call: w.files, data: w.files_data }.emit(&written.files);
    }
    put_if(ret, CWritten::from(written));
}

/// `struct cadf_names`.
#[repr(C)]
pub struct CNames {
    items: *const *const c_char,
    n: usize,
}

/// `struct cadf_facts`.
#[repr(C)]
pub struct CFacts {
    checks: *const CCheck,
    n_checks: usize,
    key: *const *const c_char,
    n_key: usize,
    unique: *const CNames,
    n_unique: usize,
    order: *const *const c_char,
    n_order: usize,
}

fn checks_of(checks: *const CCheck, n_checks: usize) -> Outcome<Vec<Check>> {
    let checks = match n_checks {
        0 => &[],
        // SAFETY: the host gives `n_checks` of them.
        n if !checks.is_null() => unsafe { std::slice::from_raw_parts(checks, n) },
        _ => return Err(Failure::invalid("the checks are missing")),
    };
    checks.iter().map(Check::borrow).collect()
}

fn keys_of(keys: *const CNames, n_keys: usize) -> Outcome<Vec<Vec<String>>> {
    let keys = match n_keys {
        0 => &[],
        // SAFETY: the host gives `n_keys` of them.
        n if !keys.is_null() => unsafe { std::slice::from_raw_parts(keys, n) },
        _ => return Err(Failure::invalid("the unique keys are missing")),
    };
    keys.iter().map(|key| text::list(key.items, key.n, "key columns")).collect()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_verify(
    session: *mut Session,
    schema: *const c_char,
    table: *const c_char,
    facts: *const CFacts,
    cancel: *mut CancelToken,
    call: Option<TextFn>,
    data: *mut c_void,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        let schema = text::required(schema, "schema")?;
        let table = text::required(table, "table")?;
        // SAFETY: NULL, or borrowed for the call.
        let f = unsafe { facts.as_ref() }.ok_or_else(|| Failure::invalid("the facts are missing"))?;
        let facts = verify::Facts {
            checks: checks_of(f.checks, f.n_checks)?,
            key: text::list(f.key, f.n_key, "key columns")?,
            unique: keys_of(f.unique, f.n_unique)?,
            order: text::list(f.order, f.n_order, "order columns")?,
        };
        let cancel = cancel_of(cancel);
        let engine = Arc::clone(&core.engine);
        let findings = engine.run_cancelable(cancel.as_ref(), verify::verify(core, schema, table, facts))?;
        let sink = Sink { call, data };
        findings.iter().for_each(|finding| sink.emit(finding));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_checks_plan(
    session: *mut Session,
    schema: *const FFI_ArrowSchema,
    checks: *const CCheck,
    n_checks: usize,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        let columns = schema::relax(&*ffi::borrow_schema(schema, "the checks' schema")?);
        let checks = checks_of(checks, n_checks)?;
        check::Checks::plan(&core.state(), &columns, &checks).map(drop)
    })
}

fn write_of(write: *const CWrite) -> Outcome<WriteOptions> {
    // SAFETY: NULL, or borrowed for the call.
    let w = unsafe { write.as_ref() }.ok_or_else(|| Failure::invalid("the write is missing"))?;
    let location = text::required(w.location, "location")?;
    let overwrite = match w.mode {
        0 => false,
        1 => true,
        other => return Err(Failure::invalid(format!("write mode {other} is unknown"))),
    };
    Ok(WriteOptions {
        dataset: location.clone(),
        location,
        schema: ffi::borrow_schema(w.schema, "the write's schema")?,
        overwrite,
        transaction: text::optional(w.app_id, "app_id")?.map(|id| (id, w.app_version)),
        checks: w.checks()?,
        key: w.key()?,
        order: text::list(w.order, w.n_order, "order columns")?,
        ..w.tuning()?
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_delta_create(
    session: *mut Session,
    write: *const CWrite,
    ret: *mut CWritten,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        core.refuse_when_read_only("creating a table")?;
        let options = write_of(write)?;
        let version = core.engine.run(async move { delta::create(&options).await })?;
        put_if(ret, CWritten::from(Written { version, ..Written::default() }));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_delta_write_query(
    session: *mut Session,
    write: *const CWrite,
    sql: *const c_char,
    n_sql_bytes: usize,
    params: *const CParams,
    cancel: *mut CancelToken,
    ret: *mut CWritten,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        core.refuse_when_read_only("writing a table")?;
        let options = write_of(write)?;
        // SAFETY: write_of has looked at it.
        let buckets = unsafe { write.as_ref() }.map(CWrite::buckets).transpose()?.flatten();
        let sql = text::sized(sql, n_sql_bytes, "sql")?;
        let params = params_of(params)?;
        let cancel = cancel_of(cancel);
        let engine = Arc::clone(&core.engine);
        let written =
            engine.run_cancelable(cancel.as_ref(), write::write_query(core, options, sql, params, buckets))?;
        give_written(write, written, ret);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_delta_write_stream(
    session: *mut Session,
    write: *const CWrite,
    stream: *mut FFI_ArrowArrayStream,
    cancel: *mut CancelToken,
    ret: *mut CWritten,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let mut rows = Incoming::take(stream, "the stream")?;
        let core = core_of(session)?;
        core.refuse_when_read_only("writing a table")?;
        let options = write_of(write)?;
        let cancel = cancel_of(cancel);
        let engine = Arc::clone(&core.engine);
        let schema = rows.schema();
        let produced = Arc::clone(&schema);
        let stream = stream::blocking_stream(schema, move |give| {
            while let Some(batch) = rows.next(&produced)? {
                if !give(batch) {
                    break;
                }
            }
            Ok(())
        });
        let state = core.state();
        let written = engine.run_cancelable(cancel.as_ref(), write::write(state, options, Rows::Stream(stream)))?;
        give_written(write, written, ret);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_delta_version(
    session: *mut Session,
    location: *const c_char,
    ret_version: *mut i64,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        let location = text::required(location, "location")?;
        let version = core.engine.run(async move { delta::version(&location).await })?;
        put(ret_version, signed(version), "ret_version")
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_delta_extent(
    session: *mut Session,
    location: *const c_char,
    version: i64,
    since: i64,
    ret_whole: *mut CExtent,
    ret_added: *mut CExtent,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        let location = text::required(location, "location")?;
        let version = u64::try_from(version).map_err(|_| Failure::invalid(format!("version {version} is negative")))?;
        let since = u64::try_from(since).ok();
        let (whole, added) = core.engine.run(async move { delta::extent(&location, version, since).await })?;
        put_if(ret_whole, CExtent::from(whole));
        put_if(ret_added, CExtent::from(added));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_delta_files(
    session: *mut Session,
    location: *const c_char,
    version: i64,
    call: Option<TextFn>,
    data: *mut c_void,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        let location = text::required(location, "location")?;
        let version = u64::try_from(version).map_err(|_| Failure::invalid(format!("version {version} is negative")))?;
        let files = core.engine.run(async move { delta::files_of(&location, version).await })?;
        Sink { call, data }.emit(&files);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_delta_schema(
    session: *mut Session,
    location: *const c_char,
    version: i64,
    ret: *mut FFI_ArrowSchema,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        need(ret, "ret")?;
        let core = core_of(session)?;
        let location = text::required(location, "location")?;
        let schema = core.engine.run(async move { delta::schema(&location, u64::try_from(version).ok()).await })?;
        ffi::give_schema(&schema, ret)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_delta_history(
    session: *mut Session,
    location: *const c_char,
    limit: i64,
    call: Option<TextFn>,
    data: *mut c_void,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        let location = text::required(location, "location")?;
        let limit = usize::try_from(limit).ok().filter(|n| *n > 0);
        let history = core.engine.run(async move { delta::history(&location, limit).await })?;
        Sink { call, data }.emit(&history);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_delta_vacuum(
    session: *mut Session,
    location: *const c_char,
    keep_from_version: i64,
    ret_files: *mut i64,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        core.refuse_when_read_only("VACUUM")?;
        let location = text::required(location, "location")?;
        let keep_from = u64::try_from(keep_from_version)
            .map_err(|_| Failure::invalid(format!("version {keep_from_version} is negative")))?;
        let files = core.engine.run(async move { delta::vacuum(&location, keep_from).await })?;
        put_if(ret_files, i64::try_from(files).unwrap_or(i64::MAX));
        Ok(())
    })
}
