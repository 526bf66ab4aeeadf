//! text.rs — strings and lists as they come from C, and text as it goes back through sinks.
use std::ffi::{CStr, c_char, c_void};

use crate::error::{Failure, Outcome};

pub type TextFn = unsafe extern "C" fn(*mut c_void, *const c_char, usize);

/// A NUL-terminated string of the caller; NULL is None.
pub fn optional(text: *const c_char, what: &str) -> Outcome<Option<String>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: doors document their strings as NUL-terminated.
    let text = unsafe { CStr::from_ptr(text) };
    match text.to_str() {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(Failure::invalid(format!("{what} is not UTF-8"))),
    }
}

pub fn required(text: *const c_char, what: &str) -> Outcome<String> {
    optional(text, what)?.ok_or_else(|| Failure::invalid(format!("{what} is missing")))
}

pub fn sized(text: *const c_char, n_bytes: usize, what: &str) -> Outcome<String> {
    if n_bytes == 0 {
        return Ok(String::new());
    }
    if text.is_null() {
        return Err(Failure::invalid(format!("{what} is missing")));
    }
    // SAFETY: the door's caller gives `n_bytes` readable bytes.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), n_bytes) };
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(e) => Err(Failure::invalid(format!("{what} is not UTF-8 at byte {}", e.valid_up_to()))),
    }
}

pub fn list(texts: *const *const c_char, n: usize, what: &str) -> Outcome<Vec<String>> {
    if n == 0 {
        return Ok(Vec::new());
    }
    if texts.is_null() {
        return Err(Failure::invalid(format!("{what} are missing")));
    }
    // SAFETY: the caller gives `n` pointers.
    let texts = unsafe { std::slice::from_raw_parts(texts, n) };
    texts.iter().map(|t| required(*t, what)).collect()
}

pub fn pairs(
    keys: *const *const c_char,
    values: *const *const c_char,
    n: usize,
    what: &str,
) -> Outcome<Vec<(String, String)>> {
    Ok(list(keys, n, what)?.into_iter().zip(list(values, n, what)?).collect())
}

/// A sink of the caller. Used on the caller's thread only.
#[derive(Clone, Copy)]
pub struct Sink {
    pub call: Option<TextFn>,
    pub data: *mut c_void,
}

impl Sink {
    pub fn emit(&self, text: &str) {
        if let Some(call) = self.call {
            // SAFETY: `text` is borrowed for the call, as documented.
            unsafe { call(self.data, text.as_ptr().cast(), text.len()) };
        }
    }
}
