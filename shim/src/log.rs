//! log.rs — what the engine says goes to one callback of the host; nothing is printed.
//!
//! The sink is process-wide. Panics are told here too, with their place, instead of on stderr; as talk for debugging, since the call
//! that a panic ends reports it, and one that ends no call concerns nobody (the Delta kernel's threads panic when a query fails
//! while they still wait).
use std::ffi::{CString, c_char, c_void};
use std::sync::{Once, RwLock};

use log::{LevelFilter, Log, Metadata, Record};

pub type LogFn = unsafe extern "C" fn(*mut c_void, i32, *const c_char, *const c_char, usize);

#[derive(Clone, Copy)]
struct Sink {
    call: LogFn,
    data: *mut c_void,
}

// SAFETY: the host promises that its sink may be called from any thread.
unsafe impl Send for Sink {}
unsafe impl Sync for Sink {}

static SINK: RwLock<Option<Sink>> = RwLock::new(None);
static INSTALL: Once = Once::new();

struct Forward;

impl Log for Forward {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        emit(record.level() as i32, record.target(), &record.args().to_string());
    }

    fn flush(&self) {}
}

fn emit(level: i32, target: &str, text: &str) {
    let sink = match SINK.read() {
        Ok(guard) => *guard,
        Err(_) => None,
    };
    let Some(sink) = sink else { return };
    let target = CString::new(target.replace('\0', "")).unwrap_or_default();
    // SAFETY: `text` and `target` live for the call; the callback borrows them.
    unsafe { (sink.call)(sink.data, level, target.as_ptr(), text.as_ptr().cast(), text.len()) };
}

/// Once a process: the logger and the panic hook.
pub fn install() {
    INSTALL.call_once(|| {
        // A host that links another Rust library may have a logger already; then ours has nothing to do.
        let _ = log::set_boxed_logger(Box::new(Forward));
        std::panic::set_hook(Box::new(|info| {
            if log::max_level() >= LevelFilter::Debug {
                emit(4, "cadf::panic", &info.to_string());
            }
        }));
    });
}

pub fn set(call: Option<LogFn>, data: *mut c_void, max_level: i32) {
    install();
    if let Ok(mut sink) = SINK.write() {
        *sink = call.map(|call| Sink { call, data });
    }
    log::set_max_level(match max_level {
        i32::MIN..=0 => LevelFilter::Off,
        1 => LevelFilter::Error,
        2 => LevelFilter::Warn,
        3 => LevelFilter::Info,
        4 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    });
}
