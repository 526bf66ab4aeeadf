//! insert_memory.rs — rows that SQL inserts into a table in memory: they live as long as the session.
//!
//! A plan reads the rows that were there when it was made, so a statement may read the table that it writes.
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use futures::StreamExt;

use crate::error::{Failure, Outcome, Status};
use crate::gate::Gate;

/// Batches that do not change any more.
pub type Batches = Arc<Vec<RecordBatch>>;

#[derive(Debug, Default)]
pub struct MemoryRows(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    batches: Batches,
    /// Counts the bytes against the session's limit.
    _reservation: Option<MemoryReservation>,
}

impl MemoryRows {
    pub fn now(&self) -> Batches {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner).batches)
    }

    /// Add rows, through the gate, to those of `base` (or put them in their place), if they are still the ones that are there.
    pub async fn insert(
        &self,
        state: &SessionState,
        gate: &Gate,
        base: &Batches,
        overwrite: bool,
        mut rows: SendableRecordBatchStream,
    ) -> Outcome<u64> {
        let reservation = MemoryConsumer::new(gate.dataset.clone()).register(&state.runtime_env().memory_pool);
        let mut batches = if overwrite { Vec::new() } else { base.to_vec() };
        for batch in &batches {
            reservation.try_grow(batch.get_array_memory_size()).map_err(Failure::running)?;
        }
        let mut n_rows = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(Failure::running)?;
            for piece in gate.pass(&batch, n_rows)? {
                reservation.try_grow(piece.get_array_memory_size()).map_err(Failure::running)?;
                batches.push(piece);
            }
            n_rows += batch.num_rows() as u64;
        }
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&held.batches, base) {
            let text = format!("another statement wrote '{}' meanwhile", gate.dataset);
            return Err(Failure::new(Status::Conflict, text));
        }
        *held = Held { batches: Arc::new(batches), _reservation: Some(reservation) };
        Ok(n_rows)
    }
}
