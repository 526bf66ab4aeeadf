//! door.rs — what every door to C shares, and the doors of a session: opening, settings, cancelling, logging.
use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use datafusion::common::ParamValues;

use crate::catalog::CCatalog;
use crate::error::{CError, Failure, Outcome, Status, panic_text, store};
use crate::listing::usual_extension;
use crate::runtime::Cancel;
use crate::session::{Core, Options};
use crate::text::{Sink, TextFn};
use crate::{ffi, log, query, settings, text};

/// Run a door's work; nothing unwinds into C.
pub fn guard(err: *mut CError, work: impl FnOnce() -> Outcome<()>) -> i32 {
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

pub fn core_of(session: *const Session) -> Outcome<Arc<Core>> {
    if session.is_null() {
        return Err(Failure::invalid("the session is missing"));
    }
    // SAFETY: a handle that cadf_session_open gave and cadf_session_close did not take back.
    Ok(Arc::clone(&unsafe { &*session }.core))
}

pub fn cancel_of(cancel: *const CancelToken) -> Option<Cancel> {
    if cancel.is_null() {
        return None;
    }
    // SAFETY: a live handle of cadf_cancel_new.
    Some(unsafe { &*cancel }.cancel.clone())
}

pub fn put<T>(ret: *mut T, value: T, what: &str) -> Outcome<()> {
    if ret.is_null() {
        return Err(Failure::invalid(format!("{what} is missing")));
    }
    // SAFETY: storage of the caller without a value in it.
    unsafe { std::ptr::write(ret, value) };
    Ok(())
}

pub fn put_if<T>(ret: *mut T, value: T) {
    if !ret.is_null() {
        // SAFETY: storage of the caller without a value in it.
        unsafe { std::ptr::write(ret, value) };
    }
}

pub fn need<T>(ret: *const T, what: &str) -> Outcome<()> {
    if ret.is_null() { Err(Failure::invalid(format!("{what} is missing"))) } else { Ok(()) }
}
/// `struct cadf_params`.
#[repr(C)]
pub struct CParams {
    schema: *const FFI_ArrowSchema,
    array: *const FFI_ArrowArray,
}

/// The values are copied out; the caller's array stays the caller's.
pub fn params_of(params: *const CParams) -> Outcome<Option<ParamValues>> {
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

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cadf_listing_extension(
    format: *const c_char,
    compression: *const c_char,
    call: Option<TextFn>,
    data: *mut c_void,
    err: *mut CError,
) -> i32 {
    guard(err, || {
        let format = text::required(format, "format")?;
        let compression = text::optional(compression, "compression")?;
        Sink { call, data }.emit(&usual_extension(&format, compression.as_deref())?);
        Ok(())
    })
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
