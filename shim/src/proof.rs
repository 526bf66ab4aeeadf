//! proof.rs — rows that SQL writes are proved before they are committed: keys stay unique, the checks hold.
//!
//! ```text
//! rows of the statement ──▶ checks, keys not seen before ──▶ gate (NOT NULL, types) ──▶ files
//!                            after the last row: the keys of the rows that stay are not among the seen ──▶ commit
//! ```
//! What fails here is an error of the stream, so nothing is committed. The new rows' keys are kept in memory and counted against the
//! session's limit; the rows that stay are streamed past them. A key with a null in it is no value and repeats none, as in SQL.
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;

use crate::check::Checks;
use crate::error::{Failure, Outcome, Status};
use crate::rules::Rules;
use crate::schema::{relax, restamp_batch};
use crate::unique::nulls_of;

/// What a set costs besides the bytes of its keys.
const KEY_BYTES: usize = 48;

pub struct Proof {
    dataset: String,
    /// The contract's columns; nulls are the gate's business.
    columns: SchemaRef,
    keys: Vec<Key>,
    checks: Checks,
    n_rows: u64,
}

struct Key {
    /// "primary key" or "unique key".
    what: &'static str,
    names: Vec<String>,
    converter: RowConverter,
    seen: HashSet<Box<[u8]>>,
    reservation: MemoryReservation,
}

/// The rows that a statement leaves as they are: the columns of all keys, by name.
pub struct Kept {
    pub plan: Arc<dyn ExecutionPlan>,
    pub context: Arc<TaskContext>,
}

impl Proof {
    pub fn new(state: &SessionState, dataset: &str, declared: &Schema, rules: &Rules) -> Outcome<Proof> {
        let columns = relax(declared);
        let checks = Checks::plan(state, &columns, &rules.checks);
        let checks = checks.map_err(|f| f.context(format!("table '{dataset}'")))?;
        let keys = rules.keys().map(|(what, names)| Key::new(state, &columns, what, names));
        let keys = keys.collect::<Outcome<_>>()?;
        Ok(Proof { dataset: dataset.to_owned(), columns, keys, checks, n_rows: 0 })
    }

    fn refuse(&self, text: impl std::fmt::Display) -> Failure {
        Failure::new(Status::Gate, format!("gate '{}': {text}", self.dataset))
    }

    /// Look at rows that will be written.
    pub fn add(&mut self, batch: &RecordBatch) -> Outcome<()> {
        let rows = restamp_batch(batch, &self.columns).map_err(|f| self.refuse(f))?;
        if let Some(said) = self.checks.failing(&rows, self.n_rows)? {
            return Err(self.refuse(said));
        }
        let first_row = self.n_rows;
        for key in &mut self.keys {
            if let Some((row, said)) = key.add(&rows)? {
                return Err(self.refuse(format!("{said} repeats in row {}", first_row + row as u64)));
            }
        }
        self.n_rows += rows.num_rows() as u64;
        Ok(())
    }

    /// After the last row: the rows that stay have other keys.
    pub async fn finish(&mut self, kept: Option<Kept>) -> Outcome<()> {
        let has_seen = self.keys.iter().any(|key| !key.seen.is_empty());
        let Some(kept) = kept.filter(|_| has_seen) else { return Ok(()) };
        let mut rows = execute_stream(kept.plan, kept.context).map_err(Failure::running)?;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(Failure::running)?;
            for key in &self.keys {
                if let Some(said) = key.meets(&batch)? {
                    return Err(self.refuse(format!("{said} is there already")));
                }
            }
        }
        Ok(())
    }
}

/// The same rows, proved on their way.
pub fn proved(proof: Proof, rows: SendableRecordBatchStream, kept: Option<Kept>) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let stream = futures::stream::unfold(Some((proof, rows, kept)), |state| async move {
        let (mut proof, mut rows, kept) = state?;
        match rows.next().await {
            Some(Ok(batch)) => match proof.add(&batch) {
                Ok(()) => Some((Ok(batch), Some((proof, rows, kept)))),
                Err(failure) => Some((Err(failure.into_engine()), None)),
            },
            Some(Err(e)) => Some((Err(e), None)),
            None => proof.finish(kept).await.err().map(|failure| (Err(failure.into_engine()), None)),
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

impl Key {
    fn new(state: &SessionState, columns: &Schema, what: &'static str, names: &[String]) -> Outcome<Key> {
        let fields = names.iter().map(|name| Ok(SortField::new(columns.field_with_name(name)?.data_type().clone())));
        let converter = RowConverter::new(fields.collect::<Outcome<_>>()?)?;
        let reservation = MemoryConsumer::new(what).register(&state.runtime_env().memory_pool);
        Ok(Key { what, names: names.to_vec(), converter, seen: HashSet::new(), reservation })
    }

    /// The first row whose key was seen before.
    fn add(&mut self, rows: &RecordBatch) -> Outcome<Option<(usize, String)>> {
        let columns = self.columns(rows)?;
        let nulls = nulls_of(&columns);
        let encoded = self.converter.convert_columns(&columns)?;
        let mut n_bytes = 0;
        let mut repeats = None;
        for (row, key) in encoded.iter().enumerate() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let key: Box<[u8]> = key.as_ref().into();
            n_bytes += key.len() + KEY_BYTES;
            if !self.seen.insert(key) {
                repeats = Some(row);
                break;
            }
        }
        self.reservation.try_grow(n_bytes).map_err(Failure::running)?;
        repeats.map(|row| Ok((row, self.say(&columns, row)?))).transpose()
    }

    fn meets(&self, rows: &RecordBatch) -> Outcome<Option<String>> {
        let columns = self.columns(rows)?;
        let encoded = self.converter.convert_columns(&columns)?;
        let met = encoded.iter().position(|key| self.seen.contains(key.as_ref()));
        met.map(|row| self.say(&columns, row)).transpose()
    }

    fn columns(&self, rows: &RecordBatch) -> Outcome<Vec<ArrayRef>> {
        let schema = rows.schema();
        self.names.iter().map(|name| Ok(Arc::clone(rows.column(schema.index_of(name)?)))).collect()
    }

    fn say(&self, columns: &[ArrayRef], row: usize) -> Outcome<String> {
        let values = columns.iter().map(|c| ScalarValue::try_from_array(c, row).map(|v| v.to_string()));
        let values = values.collect::<Result<Vec<_>, _>>().map_err(Failure::running)?;
        Ok(format!("the {} ({}) = ({})", self.what, self.names.join(", "), values.join(", ")))
    }
}
