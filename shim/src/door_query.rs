//! door_query.rs — the doors of queries, and of what is registered for them.
use std::ffi::{c_char, c_void};
use std::future::Future;
use std::sync::Arc;

use arrow::ffi::FFI_ArrowSchema;
use arrow::ffi_stream::FFI_ArrowArrayStream;

use crate::door::{CParams, CancelToken, Session, cancel_of, core_of, guard, need, params_of, put_if};
use crate::error::{CError, Failure, Outcome, Status};
use crate::ffi::Incoming;
use crate::function::CScalarFunction;
use crate::session::Core;
use crate::stream::{CStreamSource, StreamSource, StreamTable};
use crate::text::{Sink, TextFn};
use crate::{ffi, function, memory, output, plan, query, session, table, text};

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
        let stream = engine.run_cancelable(cancel.as_ref(), query::stream(core, sql, params, cancel.clone()))?;
        ffi::give_stream(Box::new(stream), ret);
        Ok(())
    })
}

/// What a door does with a statement on the engine, to its end.
fn run_sql<T, F>(
    session: *mut Session,
    sql: *const c_char,
    n_sql_bytes: usize,
    work: impl FnOnce(Arc<Core>, String) -> F,
) -> Outcome<T>
where
    T: Send + 'static,
    F: Future<Output = Outcome<T>> + Send + 'static,
{
    let core = core_of(session)?;
    let sql = text::sized(sql, n_sql_bytes, "sql")?;
    let engine = Arc::clone(&core.engine);
    engine.run(work(core, sql))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_probe(
    session: *mut Session,
    sql: *const c_char,
    n_sql_bytes: usize,
    err: *mut CError,
) -> i32 {
    guard(err, || run_sql(session, sql, n_sql_bytes, query::probe))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_declare(
    session: *mut Session,
    sql: *const c_char,
    n_sql_bytes: usize,
    err: *mut CError,
) -> i32 {
    guard(err, || run_sql(session, sql, n_sql_bytes, query::declare))
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

/// `struct cadf_plan`.
#[repr(C)]
pub struct CPlan {
    schema: *mut FFI_ArrowSchema,
    table: Option<TextFn>,
    table_data: *mut c_void,
    text: Option<TextFn>,
    text_data: *mut c_void,
    optimized: i32,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_query_plan(
    session: *mut Session,
    sql: *const c_char,
    n_sql_bytes: usize,
    ask: *const CPlan,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        // SAFETY: NULL, or borrowed for the call.
        let ask = unsafe { ask.as_ref() }.ok_or_else(|| Failure::invalid("what is asked of the plan is missing"))?;
        let optimized = ask.optimized != 0;
        let (plan, tables) = run_sql(session, sql, n_sql_bytes, move |core, sql| plan::plan(core, sql, optimized))?;
        let table = Sink { call: ask.table, data: ask.table_data };
        tables.iter().for_each(|t| table.emit(t));
        if ask.text.is_some() {
            Sink { call: ask.text, data: ask.text_data }.emit(&plan.display_indent().to_string());
        }
        if ask.schema.is_null() { Ok(()) } else { ffi::give_schema(plan.schema().as_arrow(), ask.schema) }
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
