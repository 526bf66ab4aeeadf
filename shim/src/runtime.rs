//! runtime.rs — the Tokio runtime of a session, and calls into it from threads of the host.
//!
//! Work runs on the runtime's own threads, which have deep stacks; the host's thread waits. A panic ends the call, not the
//! process. The runtime goes when its last user does, wherever that is: dropping a plain runtime inside itself would panic.
use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;

use crate::error::{Failure, Outcome, Status, panic_text};

/// Enough for a view over fifty views, each planned inside the other.
const STACK_BYTES: usize = 16 << 20;
/// How long closing waits for callbacks that are still inside the host. They answer from memory; what else still runs is a query
/// that was canceled, and nobody waits for it.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// How long a thread that read or wrote files waits for more. The allocator keeps what such a thread took until the thread itself
/// allocates again or ends, whoever freed it: ten threads that wait for Tokio's ten seconds held a third of a build's memory.
const IDLE_WAIT: Duration = Duration::from_millis(20);

pub struct Engine {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Engine {
    pub fn new(n_threads: usize) -> Outcome<Engine> {
        let mut builder = Builder::new_multi_thread();
        if n_threads > 0 {
            builder.worker_threads(n_threads);
        }
        let runtime = builder
            .enable_all()
            .thread_name("cadf")
            .thread_stack_size(STACK_BYTES)
            .thread_keep_alive(IDLE_WAIT)
            .build()
            .map_err(|e| Failure::new(Status::Resources, format!("cannot start the runtime: {e}")))?;
        Ok(Engine { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Run to the end on the runtime; the calling thread waits.
    pub fn run<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        if Handle::try_current().is_ok() {
            return Err(Failure::invalid("a callback must not call back into its session"));
        }
        // A plan's future is large, and would be copied by everything that wraps it.
        let work = Box::pin(work);
        let (give, take) = std::sync::mpsc::sync_channel(1);
        self.handle.spawn(async move {
            let _ = give.send(caught(work).await);
        });
        take.recv().unwrap_or_else(|_| Err(Failure::new(Status::Canceled, "the session was closed")))
    }

    /// The same; ends with `CADF_ERR_CANCELED` as soon as the token fires, and the work is dropped.
    pub fn run_cancelable<T, F>(&self, cancel: Option<&Cancel>, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let Some(cancel) = cancel else { return self.run(work) };
        let (cancel, work) = (cancel.clone(), Box::pin(work));
        self.run(async move {
            tokio::select! {
                biased;
                () = cancel.fired() => Err(Failure::canceled()),
                result = work => result,
            }
        })
    }
}

/// `work`, with a panic as its failure. A task of its own would tell of one too, and wake a second thread for every call.
pub async fn caught<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let failure =
        |payload: Box<dyn Any + Send>| Failure::new(Status::Panic, format!("panic: {}", panic_text(payload.as_ref())));
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|payload| Err(failure(payload)))
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if Handle::try_current().is_ok() {
            runtime.shutdown_background();
        } else {
            runtime.shutdown_timeout(CLOSE_WAIT);
        }
    }
}

/// A cancel token: fired once, seen by everyone who holds a clone.
#[derive(Clone)]
pub struct Cancel {
    sender: std::sync::Arc<watch::Sender<bool>>,
}

impl Cancel {
    pub fn new() -> Cancel {
        Cancel { sender: std::sync::Arc::new(watch::channel(false).0) }
    }

    pub fn fire(&self) {
        self.sender.send_replace(true);
    }

    pub fn is_fired(&self) -> bool {
        *self.sender.borrow()
    }

    pub async fn fired(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives as long as this clone, so waiting cannot fail.
        let _ = receiver.wait_for(|fired| *fired).await;
    }
}
