//! door_delta.rs — the doors of Delta tables: what is written, proved and told of them.
use std::ffi::{c_char, c_void};
use std::sync::Arc;

use arrow::ffi::FFI_ArrowSchema;
use arrow::ffi_stream::FFI_ArrowArrayStream;

use crate::door::{CParams, CancelToken, Session, cancel_of, core_of, guard, need, params_of, put, put_if};
use crate::error::{CError, Failure};
use crate::ffi::Incoming;
use crate::rules::{CCheck, CNames, CWrite, checks_of, keys_of};
use crate::text::{Sink, TextFn};
use crate::write::{Rows, Written};
use crate::{check, delta, ffi, schema, session, stream, text, verify, write};

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

/// Give a write's result out: the list of files first, then the numbers.
fn give_written(write: &CWrite, written: Written, ret: *mut CWritten) {
    Sink { call: write.files, data: write.files_data }.emit(&written.files);
    put_if(ret, CWritten::from(written));
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
pub unsafe extern "C" fn cadf_table_files(
    session: *mut Session,
    schema: *const c_char,
    table: *const c_char,
    call: Option<TextFn>,
    data: *mut c_void,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let core = core_of(session)?;
        let (schema, table) = (text::required(schema, "schema")?, text::required(table, "table")?);
        let engine = Arc::clone(&core.engine);
        let files = engine.run(verify::files(core, schema, table))?;
        Sink { call, data }.emit(&files);
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
        let options = CWrite::borrow(write)?.options()?;
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
        let write = CWrite::borrow(write)?;
        let (options, buckets) = (write.options()?, write.buckets()?);
        let sql = text::sized(sql, n_sql_bytes, "sql")?;
        let params = params_of(params)?;
        let cancel = cancel_of(cancel);
        let engine = Arc::clone(&core.engine);
        let state = core.state();
        let planning = async move { session::plan_with(&state, &sql, params).await };
        let plan = engine.run_cancelable(cancel.as_ref(), planning)?;
        write.offer(plan.schema().as_arrow())?;
        let written = engine.run_cancelable(cancel.as_ref(), write::write_query(core, options, plan, buckets))?;
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
        let write = CWrite::borrow(write)?;
        let options = write.options()?;
        let cancel = cancel_of(cancel);
        let engine = Arc::clone(&core.engine);
        let schema = rows.schema();
        write.offer(&schema)?;
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
