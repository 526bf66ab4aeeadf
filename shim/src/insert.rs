//! insert.rs — the sink of `INSERT INTO` and `INSERT OVERWRITE`. The sinks of the storage library and of the engine skip CHECK constraints
//! (run on delta-rs 1.1: a row that breaks one was committed) and know no keys; this one proves the rows and goes through the gate, wherever
//! they are kept.
use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::common::{Result, internal_err};
use datafusion::datasource::sink::DataSink;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};

use crate::delta;
use crate::error::{Failure, Outcome};
use crate::gate::Gate;
use crate::insert_files::{self, Target};
use crate::insert_memory::{Batches, MemoryRows};
use crate::proof::{Kept, Proof, proved};
use crate::schema::relax;
use crate::table::ContractTable;
use crate::write::{Onto, Rows, WriteOptions, write};

/// The state of a table that a statement changes.
#[derive(Debug, Clone, Copy)]
pub enum Base {
    /// No row: the table is not there, or what is there is of a run that nobody published.
    Nothing,
    At(u64),
    /// Whatever is newest.
    Newest,
}

/// Where the rows of an INSERT go.
pub enum Place {
    Delta { base: Base, options: Box<WriteOptions> },
    Files { target: Box<Target>, has_rows: bool },
    Memory { rows: Arc<MemoryRows>, base: Batches, overwrite: bool },
}

impl Place {
    /// Whether rows may be there that the statement leaves as they are.
    pub fn keeps_rows(&self) -> bool {
        match self {
            Place::Delta { base, options } => !options.overwrite && !matches!(base, Base::Nothing),
            Place::Files { has_rows, .. } => *has_rows,
            Place::Memory { overwrite, .. } => !overwrite,
        }
    }
}

pub struct InsertSink {
    table: ContractTable,
    place: Place,
    /// Taken by the one run of the sink.
    proof: Mutex<Option<Proof>>,
    kept: Option<Arc<dyn ExecutionPlan>>,
    /// For the planner: nullable everywhere, so that the gate speaks, which knows the names.
    open_schema: SchemaRef,
    state: SessionState,
}

impl InsertSink {
    pub fn new(
        table: ContractTable,
        place: Place,
        proof: Proof,
        kept: Option<Arc<dyn ExecutionPlan>>,
        state: SessionState,
    ) -> InsertSink {
        let open_schema = relax(&table.declared);
        InsertSink { table, place, proof: Mutex::new(Some(proof)), kept, open_schema, state }
    }

    /// Keep the rows; how many they are, and the version that has them, 0 where there are none.
    async fn keep(&self, rows: SendableRecordBatchStream) -> Outcome<(u64, u64)> {
        match &self.place {
            Place::Delta { base, options } => {
                let mut options = options.as_ref().clone();
                stand_on(*base, &mut options).await?;
                let written = write(self.state.clone(), options, Rows::Stream(rows)).await?;
                Ok((written.n_rows, written.version))
            }
            Place::Files { target, .. } => Ok((insert_files::append(&self.state, &self.table, target, rows).await?, 0)),
            Place::Memory { rows: memory, base, overwrite } => {
                let declared = Arc::clone(&self.table.declared);
                let gate = Gate::new(self.table.name.clone(), Arc::clone(&declared), declared);
                Ok((memory.insert(&self.state, &gate, base, *overwrite, rows).await?, 0))
            }
        }
    }
}

impl fmt::Debug for InsertSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InsertSink({})", self.table.name)
    }
}

impl DisplayAs for InsertSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InsertSink({})", self.table.name)
    }
}

/// Bring the table to its base, so that what the statement read is what it changes. A version that lies above it was committed by
/// a run or session that was never published.
pub async fn stand_on(base: Base, options: &mut WriteOptions) -> Outcome<()> {
    let location = &options.location;
    match base {
        Base::Newest => {}
        Base::Nothing if delta::exists(location).await? => {
            options.overwrite = true;
            options.onto = Onto::Version(delta::version(location).await?);
        }
        Base::Nothing => options.onto = Onto::Nothing,
        Base::At(version) => {
            let newest = delta::version(location).await?;
            let stands = if newest == version { version } else { delta::restore(location, version).await? };
            options.onto = Onto::Version(stands);
        }
    }
    Ok(())
}

#[async_trait]
impl DataSink for InsertSink {
    fn schema(&self) -> &SchemaRef {
        &self.open_schema
    }

    async fn write_all(&self, data: SendableRecordBatchStream, context: &Arc<TaskContext>) -> Result<u64> {
        let Some(proof) = self.proof.lock().ok().and_then(|mut proof| proof.take()) else {
            return internal_err!("the rows of an INSERT are written twice");
        };
        let kept = self.kept.clone().map(|plan| Kept { plan, context: Arc::clone(context) });
        let (n_rows, version) = self.keep(proved(proof, data, kept)).await.map_err(Failure::into_engine)?;
        self.table.report(version);
        Ok(n_rows)
    }
}
