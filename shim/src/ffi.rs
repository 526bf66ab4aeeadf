//! ffi.rs — Arrow schemas, arrays and streams across the C border.
//!
//! Streams are exported and imported by code of our own: the stock exporter panics on an error text with a NUL in it and
//! lets a panic of the reader cross into C; the stock importer panics when a failing stream has no error text.
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, RecordBatch, RecordBatchOptions, StructArray, make_array};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi_and_data_type};
use arrow::ffi_stream::FFI_ArrowArrayStream;

use crate::error::{Failure, Outcome, Status, panic_text};

/// Read a schema that the caller keeps.
pub fn borrow_schema(schema: *const FFI_ArrowSchema, what: &str) -> Outcome<SchemaRef> {
    if schema.is_null() {
        return Err(Failure::invalid(format!("{what} is missing")));
    }
    // SAFETY: the caller gives a valid struct; it is only read.
    let schema = unsafe { &*schema };
    schema_of(schema, what)
}

pub fn schema_of(schema: &FFI_ArrowSchema, what: &str) -> Outcome<SchemaRef> {
    if is_released(schema) {
        return Err(Failure::invalid(format!("{what} is missing")));
    }
    match Schema::try_from(schema) {
        Ok(schema) => Ok(Arc::new(schema)),
        Err(e) => Err(Failure::invalid(format!("{what}: {e}"))),
    }
}

/// `release` is the second last pointer of `struct ArrowSchema`; the Rust struct keeps it private.
pub fn is_released(schema: &FFI_ArrowSchema) -> bool {
    #[repr(C)]
    struct Layout {
        format: *const c_char,
        name: *const c_char,
        metadata: *const c_char,
        flags: i64,
        n_children: i64,
        children: *mut c_void,
        dictionary: *mut c_void,
        release: Option<unsafe extern "C" fn()>,
        private_data: *mut c_void,
    }
    const { assert!(size_of::<Layout>() == size_of::<FFI_ArrowSchema>()) };
    // SAFETY: the layout is the one that the C Data Interface fixes.
    unsafe { (*std::ptr::from_ref(schema).cast::<Layout>()).release.is_none() }
}

/// Take a schema over: the caller's struct has no release afterwards.
pub fn take_schema(schema: *mut FFI_ArrowSchema, what: &str) -> Outcome<SchemaRef> {
    if schema.is_null() {
        return Err(Failure::invalid(format!("{what} is missing")));
    }
    // SAFETY: moved out of valid storage; the place is left released.
    let schema = unsafe { FFI_ArrowSchema::from_raw(schema) };
    schema_of(&schema, what)
}

pub fn give_schema(schema: &Schema, ret: *mut FFI_ArrowSchema) -> Outcome<()> {
    let exported = FFI_ArrowSchema::try_from(schema)?;
    // SAFETY: `ret` is storage of the caller without a value in it.
    unsafe { std::ptr::write(ret, exported) };
    Ok(())
}

/// An array from C with every buffer checked: offsets that leave their buffers or text that is no UTF-8 would be
/// undefined behavior further in.
pub fn take_array(array: FFI_ArrowArray, data_type: DataType, what: &str) -> Outcome<ArrayData> {
    // SAFETY: the struct comes from the producer; its contents are validated before use.
    let mut data = unsafe { from_ffi_and_data_type(array, data_type) }
        .map_err(|e| Failure::new(Status::Execution, format!("{what}: {e}")))?;
    data.align_buffers();
    data.validate_full().map_err(|e| Failure::new(Status::Execution, format!("{what}: {e}")))?;
    Ok(data)
}

pub fn batch_of(data: ArrayData, schema: SchemaRef, what: &str) -> Outcome<RecordBatch> {
    let n_rows = data.len();
    let rows = StructArray::from(data);
    if rows.null_count() > 0 {
        return Err(Failure::new(Status::Execution, format!("{what}: a row is null")));
    }
    let (_, columns, _) = rows.into_parts();
    RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(n_rows)))
        .map_err(|e| Failure::new(Status::Execution, format!("{what}: {e}")))
}

pub fn give_array(array: &dyn Array) -> FFI_ArrowArray {
    FFI_ArrowArray::new(&array.to_data())
}

pub fn array_from(data: ArrayData) -> ArrayRef {
    make_array(data)
}

/// Rows that come from a C stream.
pub struct Incoming {
    stream: FFI_ArrowArrayStream,
    schema: SchemaRef,
    what: String,
}

impl Incoming {
    /// Takes the stream, also on failure.
    pub fn take(stream: *mut FFI_ArrowArrayStream, what: &str) -> Outcome<Incoming> {
        if stream.is_null() {
            return Err(Failure::invalid(format!("{what} is missing")));
        }
        // SAFETY: moved out of valid storage.
        let mut stream = unsafe { FFI_ArrowArrayStream::from_raw(stream) };
        if stream.release.is_none() {
            return Err(Failure::invalid(format!("{what} is released already")));
        }
        let Some(get_schema) = stream.get_schema else {
            return Err(Failure::invalid(format!("{what} has no get_schema")));
        };
        let mut schema = FFI_ArrowSchema::empty();
        // SAFETY: the C Stream Interface.
        let code = unsafe { get_schema(&mut stream, &mut schema) };
        if code != 0 {
            return Err(Failure::new(Status::Execution, format!("{what}: {}", last_error(&mut stream, code))));
        }
        let schema = schema_of(&schema, what)?;
        Ok(Incoming { stream, schema, what: what.to_owned() })
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The next rows, stamped with `schema`, whose types must be the stream's.
    pub fn next(&mut self, schema: &SchemaRef) -> Outcome<Option<RecordBatch>> {
        let Some(get_next) = self.stream.get_next else {
            return Err(Failure::invalid(format!("{} has no get_next", self.what)));
        };
        let mut array = FFI_ArrowArray::empty();
        // SAFETY: the C Stream Interface.
        let code = unsafe { get_next(&mut self.stream, &mut array) };
        if code != 0 {
            // One of ours, passed through C: the failure itself is still there, with its status.
            if std::ptr::fn_addr_eq(get_next, exported_next as GetNext) {
                // SAFETY: only our own streams have this function, and their private data is this.
                let exported = unsafe { &*self.stream.private_data.cast::<Exported>() };
                if let Some(failure) = &exported.failure {
                    return Err(failure.clone());
                }
            }
            let status = match code {
                5 => Status::Io,
                12 => Status::Resources,
                125 => Status::Canceled,
                _ => Status::Execution,
            };
            return Err(Failure::new(status, format!("{}: {}", self.what, last_error(&mut self.stream, code))));
        }
        if array.is_released() {
            return Ok(None);
        }
        let data = take_array(array, DataType::Struct(schema.fields().clone()), &self.what)?;
        batch_of(data, Arc::clone(schema), &self.what).map(Some)
    }
}

fn last_error(stream: &mut FFI_ArrowArrayStream, code: c_int) -> String {
    if let Some(get_last_error) = stream.get_last_error {
        // SAFETY: the C Stream Interface; the text is borrowed until the next call.
        let text = unsafe { get_last_error(stream) };
        if !text.is_null() {
            return unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        }
    }
    format!("the stream failed with errno {code}")
}

/// What a stream to C is fed by.
pub trait Outgoing: Send {
    fn schema(&self) -> SchemaRef;
    fn next(&mut self) -> Outcome<Option<RecordBatch>>;
}

type GetNext = unsafe extern "C" fn(*mut FFI_ArrowArrayStream, *mut FFI_ArrowArray) -> c_int;

struct Exported {
    source: Box<dyn Outgoing>,
    failure: Option<Failure>,
    last_error: Option<CString>,
}

impl Exported {
    fn fail(&mut self, failure: &Failure) -> c_int {
        let text = crate::error::cut(&failure.text, crate::error::CError::CAPACITY);
        self.last_error = CString::new(text).ok();
        self.failure = Some(failure.clone());
        failure.status.errno()
    }
}

fn guarded<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(payload) => Err(Failure::new(Status::Panic, format!("panic: {}", panic_text(payload.as_ref())))),
    }
}

unsafe extern "C" fn exported_schema(stream: *mut FFI_ArrowArrayStream, ret: *mut FFI_ArrowSchema) -> c_int {
    // SAFETY: only called with a stream of ours.
    let exported = unsafe { &mut *(*stream).private_data.cast::<Exported>() };
    match guarded(|| give_schema(&exported.source.schema(), ret)) {
        Ok(()) => 0,
        Err(failure) => exported.fail(&failure),
    }
}

unsafe extern "C" fn exported_next(stream: *mut FFI_ArrowArrayStream, ret: *mut FFI_ArrowArray) -> c_int {
    // SAFETY: only called with a stream of ours.
    let exported = unsafe { &mut *(*stream).private_data.cast::<Exported>() };
    let result = guarded(|| {
        Ok(match exported.source.next()? {
            Some(batch) => FFI_ArrowArray::new(&StructArray::from(batch).to_data()),
            None => FFI_ArrowArray::empty(),
        })
    });
    match result {
        Ok(array) => {
            // SAFETY: `ret` is storage of the caller without a value in it.
            unsafe { std::ptr::write(ret, array) };
            0
        }
        Err(failure) => exported.fail(&failure),
    }
}

unsafe extern "C" fn exported_error(stream: *mut FFI_ArrowArrayStream) -> *const c_char {
    // SAFETY: only called with a stream of ours.
    let exported = unsafe { &*(*stream).private_data.cast::<Exported>() };
    exported.last_error.as_ref().map_or(std::ptr::null(), |text| text.as_ptr())
}

unsafe extern "C" fn exported_release(stream: *mut FFI_ArrowArrayStream) {
    if stream.is_null() {
        return;
    }
    // SAFETY: only called with a stream of ours, once.
    unsafe {
        let private = std::mem::replace(&mut (*stream).private_data, std::ptr::null_mut());
        (*stream).release = None;
        (*stream).get_schema = None;
        (*stream).get_next = None;
        (*stream).get_last_error = None;
        if !private.is_null() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(Box::from_raw(private.cast::<Exported>()))));
        }
    }
}

pub fn give_stream(source: Box<dyn Outgoing>, ret: *mut FFI_ArrowArrayStream) {
    let exported = Box::new(Exported { source, failure: None, last_error: None });
    let stream = FFI_ArrowArrayStream {
        get_schema: Some(exported_schema),
        get_next: Some(exported_next),
        get_last_error: Some(exported_error),
        release: Some(exported_release),
        private_data: Box::into_raw(exported).cast::<c_void>(),
    };
    // SAFETY: `ret` is storage of the caller without a value in it.
    unsafe { std::ptr::write(ret, stream) };
}
