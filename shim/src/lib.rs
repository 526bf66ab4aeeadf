//! cadf — the C door to DataFusion and delta-rs; the interface and its invariants are in include/cadf.h.
//!
//! ```text
//! door     what all doors share, and a session's              door_query, door_delta  the others
//! error, log, text, ffi   the border itself
//! session  one DataFusion session, planning     settings      runtime                 threads and cancel tokens
//! catalog  tables answered from C      memory  the session's own      factory  CREATE EXTERNAL TABLE
//! table    a contract over storage     view    SQL, planned at use    stream, listing, delta  the storages
//! present, complete  the plan node above storage             gate, write             no row past its contract
//! files, named, floats, nans   what a scan reads, and what it may leave out
//! rules    what a contract demands     check, unique   of rows that pass    exact, insert, change, proof  rows that SQL writes
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
mod complete;
mod cooperative;
mod delta;
mod door;
mod door_delta;
mod door_query;
mod endless;
mod error;
mod exact;
mod factory;
mod ffi;
mod field;
mod files;
mod floats;
mod function;
mod gate;
mod hint;
mod insert;
mod insert_files;
mod insert_memory;
mod listing;
mod location;
mod log;
mod memory;
mod merge;
mod named;
mod nans;
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
mod twins;
mod unique;
mod verify;
mod view;
mod write;
