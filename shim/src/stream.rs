//! stream.rs — rows that come from C, as a table: partitions run side by side, and only the asked columns are made.
use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ffi_stream::FFI_ArrowArrayStream;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use crate::error::{CError, Failure, Outcome, Status};
use crate::ffi::Incoming;
use crate::schema::{difference, restamp_batch};

/// Batches that wait between the producer in C and the plan.
const QUEUE_BATCHES: usize = 2;

type OpenFn =
    unsafe extern "C" fn(*mut c_void, usize, *const usize, usize, *mut FFI_ArrowArrayStream, *mut CError) -> i32;

/// `struct cadf_stream_source`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CStreamSource {
    pub data: *mut c_void,
    pub n_partitions: usize,
    pub open: Option<OpenFn>,
    pub drop: Option<unsafe extern "C" fn(*mut c_void)>,
}

impl CStreamSource {
    pub const fn empty() -> CStreamSource {
        CStreamSource { data: std::ptr::null_mut(), n_partitions: 0, open: None, drop: None }
    }
}

/// The owner of a source: calls `drop` once, when the last plan that reads it is gone.
pub struct StreamSource {
    source: CStreamSource,
    name: String,
}

// SAFETY: the header says that callbacks are called from any thread.
unsafe impl Send for StreamSource {}
unsafe impl Sync for StreamSource {}

impl fmt::Debug for StreamSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamSource({}, {} partitions)", self.name, self.source.n_partitions)
    }
}

impl StreamSource {
    /// Takes the source, also on failure.
    pub fn take(source: CStreamSource, name: &str) -> Outcome<StreamSource> {
        let owned = StreamSource { source, name: name.to_owned() };
        if source.open.is_none() {
            return Err(Failure::invalid(format!("the stream of '{name}' has no open function")));
        }
        Ok(owned)
    }

    fn open(&self, partition: usize, projection: &[usize]) -> Outcome<Incoming> {
        let Some(open) = self.source.open else {
            return Err(Failure::invalid(format!("the stream of '{}' has no open function", self.name)));
        };
        let mut stream = FFI_ArrowArrayStream::empty();
        let mut err = CError::empty();
        // SAFETY: as documented for `struct cadf_stream_source`; a Vec of no elements still has a valid pointer.
        let code =
            unsafe { open(self.source.data, partition, projection.as_ptr(), projection.len(), &mut stream, &mut err) };
        if code != 0 {
            let text = err.message();
            let text = if text.is_empty() { format!("status {code}") } else { text };
            return Err(Failure::new(Status::from_code(code), format!("open stream '{}': {text}", self.name)));
        }
        Incoming::take(&mut stream, &format!("stream '{}'", self.name))
    }
}

impl Drop for StreamSource {
    fn drop(&mut self) {
        if let Some(release) = self.source.drop {
            // SAFETY: called once; nobody uses the source any more.
            unsafe { release(self.source.data) };
        }
    }
}

#[derive(Debug, Clone)]
pub struct StreamTable {
    source: Arc<StreamSource>,
    schema: SchemaRef,
}

impl StreamTable {
    pub fn new(source: Arc<StreamSource>, schema: SchemaRef) -> StreamTable {
        StreamTable { source, schema }
    }
}

#[async_trait]
impl TableProvider for StreamTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&projection)?);
        if self.source.source.n_partitions == 0 {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let partitions = (0..self.source.source.n_partitions)
            .map(|partition| {
                Arc::new(Partition {
                    source: Arc::clone(&self.source),
                    partition,
                    projection: projection.clone(),
                    schema: Arc::clone(&schema),
                }) as Arc<dyn PartitionStream>
            })
            .collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, vec![], false, limit)?))
    }
}

struct Partition {
    source: Arc<StreamSource>,
    partition: usize,
    projection: Vec<usize>,
    schema: SchemaRef,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}[{}]", self.source, self.partition)
    }
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// C code may compute or block for long: it runs on a blocking thread and hands batches over.
    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (source, schema) = (Arc::clone(&self.source), Arc::clone(&self.schema));
        let (partition, projection) = (self.partition, self.projection.clone());
        blocking_stream(Arc::clone(&self.schema), move |give| {
            let mut rows = source.open(partition, &projection)?;
            let have = rows.schema();
            if let Some(text) = difference(&have, &schema) {
                return Err(Failure::new(Status::Execution, format!("stream '{}': {text}", source.name)));
            }
            while let Some(batch) = rows.next(&have)? {
                if !give(restamp_batch(&batch, &schema)?) {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// A stream that a blocking producer fills; `give` says false when nobody wants more rows.
pub fn blocking_stream<P>(schema: SchemaRef, produce: P) -> SendableRecordBatchStream
where
    P: FnOnce(&mut dyn FnMut(RecordBatch) -> bool) -> Outcome<()> + Send + 'static,
{
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<RecordBatch>>(QUEUE_BATCHES);
    // Started by the first poll, so that a plan which is only shown makes no rows.
    let start = futures::stream::once(async move {
        tokio::task::spawn_blocking(move || {
            let work = std::panic::AssertUnwindSafe(|| produce(&mut |batch| sender.blocking_send(Ok(batch)).is_ok()));
            let result = std::panic::catch_unwind(work).unwrap_or_else(|payload| {
                let text = crate::error::panic_text(payload.as_ref());
                Err(Failure::new(Status::Panic, format!("panic: {text}")))
            });
            if let Err(failure) = result {
                let _ = sender.blocking_send(Err(failure.into_engine()));
            }
        });
        futures::stream::unfold(
            receiver,
            |mut receiver| async move { receiver.recv().await.map(|batch| (batch, receiver)) },
        )
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::StreamExt::flatten(start)))
}
