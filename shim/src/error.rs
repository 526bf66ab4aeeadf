//! error.rs — what went wrong, as a `cadf_status` and the engine's own words.
//!
//! Errors of DataFusion, Arrow, delta-rs and the object store are wrapped in each other in any order. `Failure::from_error`
//! walks the chain of sources and takes the status from the first error that decides; the text is the outermost message,
//! except where a `Failure` of ours lies inside: then its own text, which names the dataset, is the better one.
use std::error::Error;
use std::ffi::c_char;
use std::fmt;
use std::io;

use arrow::error::ArrowError;
use datafusion::common::Location;
use datafusion::error::DataFusionError;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::TransactionError;

/// The codes of `enum cadf_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    Ok = 0,
    Invalid = 1,
    Syntax = 2,
    Plan = 3,
    Execution = 4,
    Resources = 5,
    Canceled = 6,
    Refused = 7,
    NotFound = 8,
    Conflict = 9,
    Io = 10,
    Gate = 11,
    Panic = 12,
    Drift = 13,
}

impl Status {
    pub fn from_code(code: i32) -> Status {
        match code {
            0 => Status::Ok,
            1 => Status::Invalid,
            2 => Status::Syntax,
            3 => Status::Plan,
            5 => Status::Resources,
            6 => Status::Canceled,
            7 => Status::Refused,
            8 => Status::NotFound,
            9 => Status::Conflict,
            10 => Status::Io,
            11 => Status::Gate,
            12 => Status::Panic,
            13 => Status::Drift,
            _ => Status::Execution,
        }
    }

    /// The errno that an Arrow C stream returns for this status.
    pub fn errno(self) -> i32 {
        const EIO: i32 = 5;
        const ENOMEM: i32 = 12;
        const EINVAL: i32 = 22;
        const ECANCELED: i32 = 125;
        match self {
            Status::Io => EIO,
            Status::Resources => ENOMEM,
            Status::Canceled => ECANCELED,
            _ => EINVAL,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub status: Status,
    pub text: String,
}

pub type Outcome<T> = Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Failure {}

/// Where an error arose: decides what an error means that is not clear by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Planning,
    Running,
}

impl Failure {
    pub fn new(status: Status, text: impl Into<String>) -> Failure {
        Failure { status, text: text.into() }
    }

    pub fn invalid(text: impl Into<String>) -> Failure {
        Failure::new(Status::Invalid, text)
    }

    pub fn canceled() -> Failure {
        Failure::new(Status::Canceled, "canceled")
    }

    pub fn context(mut self, what: impl fmt::Display) -> Failure {
        self.text = format!("{what}: {}", self.text);
        self
    }

    /// As an error of the engine, so that it can travel through plans and streams and come out again unchanged.
    pub fn into_engine(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }

    pub fn planning(error: DataFusionError) -> Failure {
        Failure::from_error(&error, Phase::Planning)
    }

    pub fn running(error: DataFusionError) -> Failure {
        Failure::from_error(&error, Phase::Running)
    }

    pub fn from_error(error: &(dyn Error + 'static), phase: Phase) -> Failure {
        if let Some(own) = find_own(error) {
            return own.clone();
        }
        let status = decide(error).unwrap_or(match phase {
            Phase::Planning => Status::Plan,
            Phase::Running => Status::Execution,
        });
        let text = match error.downcast_ref::<DataFusionError>() {
            Some(engine) => engine.strip_backtrace(),
            None => error.to_string(),
        };
        let text = placed(without_backtrace(&text), error);
        // The spill writer passes its limit on as the text of an I/O error.
        if status == Status::Io && text.contains("datafusion.runtime.max_temp_directory_size") {
            return Failure::new(Status::Resources, text);
        }
        Failure::new(status, text)
    }
}

/// The text with the place in its statement, behind the first line, where the planner knows one: a parser's message says its own.
fn placed(text: String, error: &(dyn Error + 'static)) -> String {
    let diagnostic = error.downcast_ref::<DataFusionError>().and_then(DataFusionError::diagnostic);
    let Some(Location { line, column }) = diagnostic.and_then(|d| d.span).map(|span| span.start) else { return text };
    let (first, rest) = text.split_at(text.find('\n').unwrap_or(text.len()));
    format!("{first} (line {line}, column {column}){rest}")
}

/// With RUST_BACKTRACE set, the Delta kernel (0.28) puts its stack into the middle of its message.
fn without_backtrace(text: &str) -> String {
    let is_frame = |line: &str| {
        let (number, rest) = line.trim_start().split_once(": ").unwrap_or_default();
        line.starts_with(' ') && !rest.is_empty() && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    };
    let mut inside = false;
    let mut kept = Vec::new();
    for line in text.split('\n') {
        inside = is_frame(line) || (inside && line.trim_start().starts_with("at "));
        if !inside {
            kept.push(line);
        }
    }
    kept.join("\n").trim_end().to_owned()
}

impl From<DeltaTableError> for Failure {
    fn from(error: DeltaTableError) -> Failure {
        Failure::from_error(&error, Phase::Running)
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Failure {
        Failure::from_error(&error, Phase::Running)
    }
}

/// The next error inside; `source()` alone is not enough, because boxed and shared errors show their own source.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<ArrowError>() {
        Some(ArrowError::ExternalError(boxed)) => return Some(boxed.as_ref()),
        Some(ArrowError::IoError(_, io_error)) => return Some(io_error),
        _ => {}
    }
    if let Some(io_error) = error.downcast_ref::<io::Error>() {
        return io_error.get_ref().map(|e| e as &(dyn Error + 'static));
    }
    error.source()
}

/// An error and those inside of it, from the outside in.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |e| inner(*e))
}

fn find_own<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Failure> {
    chain(error).find_map(|e| e.downcast_ref::<Failure>())
}

fn decide(error: &(dyn Error + 'static)) -> Option<Status> {
    // A limit that is reached inside of an I/O error (spilling) is a limit.
    let is_limit = |e: &(dyn Error + 'static)| matches!(e.downcast_ref(), Some(DataFusionError::ResourcesExhausted(_)));
    if chain(error).any(is_limit) {
        return Some(Status::Resources);
    }
    chain(error).find_map(decide_one)
}

fn decide_one(e: &(dyn Error + 'static)) -> Option<Status> {
    if let Some(engine) = e.downcast_ref::<DataFusionError>() {
        return match engine {
            DataFusionError::SQL(..) => Some(Status::Syntax),
            DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => Some(Status::Plan),
            DataFusionError::Configuration(_) => Some(Status::Invalid),
            DataFusionError::ResourcesExhausted(_) => Some(Status::Resources),
            DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => Some(Status::Io),
            DataFusionError::Execution(_) | DataFusionError::Internal(_) => Some(Status::Execution),
            DataFusionError::ExecutionJoin(join) if join.is_panic() => Some(Status::Panic),
            _ => None,
        };
    }
    if let Some(arrow) = e.downcast_ref::<ArrowError>() {
        return match arrow {
            ArrowError::IoError(..) => Some(Status::Io),
            ArrowError::MemoryError(_) => Some(Status::Resources),
            ArrowError::ExternalError(_) => None,
            _ => Some(Status::Execution),
        };
    }
    if let Some(delta) = e.downcast_ref::<DeltaTableError>() {
        return match delta {
            DeltaTableError::NotATable(_) | DeltaTableError::InvalidVersion(_) | DeltaTableError::NotInitialized => {
                Some(Status::NotFound)
            }
            DeltaTableError::VersionAlreadyExists(_) | DeltaTableError::VersionMismatch(..) => Some(Status::Conflict),
            DeltaTableError::ObjectStore { .. } | DeltaTableError::Io { .. } => Some(Status::Io),
            DeltaTableError::SchemaMismatch { .. } | DeltaTableError::InvalidData { .. } => Some(Status::Gate),
            DeltaTableError::InvalidTableLocation(_) => Some(Status::Invalid),
            _ => None,
        };
    }
    if let Some(transaction) = e.downcast_ref::<TransactionError>() {
        return match transaction {
            TransactionError::VersionAlreadyExists(_)
            | TransactionError::CommitConflict(_)
            | TransactionError::MaxCommitAttempts(_) => Some(Status::Conflict),
            TransactionError::ObjectStore { .. } => Some(Status::Io),
            _ => None,
        };
    }
    if e.is::<object_store::Error>() || e.is::<io::Error>() {
        return Some(Status::Io);
    }
    if let Some(join) = e.downcast_ref::<tokio::task::JoinError>() {
        return Some(if join.is_panic() { Status::Panic } else { Status::Canceled });
    }
    None
}

/// `struct cadf_error`.
#[repr(C)]
pub struct CError {
    pub code: i32,
    pub text: [c_char; CError::CAPACITY],
}

impl CError {
    pub const CAPACITY: usize = 4096;

    pub const fn empty() -> CError {
        CError { code: 0, text: [0; CError::CAPACITY] }
    }

    pub fn message(&self) -> String {
        let bytes: Vec<u8> = self.text.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Text for a C string of `capacity` bytes: no inner NUL, cut at a character with the loss said in so many words.
pub fn cut(text: &str, capacity: usize) -> String {
    let text = if text.contains('\0') { text.replace('\0', "\\0") } else { text.to_owned() };
    if text.len() < capacity {
        return text;
    }
    let note = format!(" … [cut, {} bytes in all]", text.len());
    let mut end = capacity.saturating_sub(note.len() + 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{note}", &text[..end])
}

/// Fill the caller's struct. The first error wins: a struct that already has one is left as it is.
pub fn store(err: *mut CError, failure: &Failure) {
    if err.is_null() {
        return;
    }
    // SAFETY: the caller of a door gives NULL or a valid `struct cadf_error`.
    let err = unsafe { &mut *err };
    err.code = failure.status as i32;
    let text = cut(&failure.text, CError::CAPACITY);
    for (slot, byte) in err.text.iter_mut().zip(text.bytes().chain(std::iter::once(0))) {
        *slot = byte as c_char;
    }
}

/// What a panic said.
pub fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    if let Some(text) = payload.downcast_ref::<String>() {
        return text.clone();
    }
    "a panic without text".to_owned()
}
