//! insert.rs — the sink of `INSERT INTO` and `INSERT OVERWRITE`. The storage library's own sink skips the table's CHECK constraints
//! (run on delta-rs 1.1: a row that breaks one was committed) and knows no keys; this one proves the rows and goes through the gate.
use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::common::{Result, internal_err};
use datafusion::datasource::sink::DataSink;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};

use crate::catalog::Hosted;
use crate::delta;
use crate::error::{Failure, Outcome};
use crate::proof::{Kept, Proof, proved};
use crate::schema::relax;
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

pub struct InsertSink {
    options: WriteOptions,
    base: Base,
    /// Taken by the one run of the sink.
    proof: Mutex<Option<Proof>>,
    kept: Option<Arc<dyn ExecutionPlan>>,
    /// For the planner: nullable everywhere, so that the gate speaks, which knows the names.
    open_schema: SchemaRef,
    state: SessionState,
    hosted: Option<Hosted>,
}

impl InsertSink {
    pub fn new(
        options: WriteOptions,
        base: Base,
        proof: Proof,
        kept: Option<Arc<dyn ExecutionPlan>>,
        state: SessionState,
        hosted: Option<Hosted>,
    ) -> InsertSink {
        let open_schema = relax(&options.schema);
        InsertSink { options, base, proof: Mutex::new(Some(proof)), kept, open_schema, state, hosted }
    }
}

impl fmt::Debug for InsertSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InsertSink({})", self.options.dataset)
    }
}

impl DisplayAs for InsertSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InsertSink({})", self.options.dataset)
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
        let mut options = self.options.clone();
        let written = async {
            stand_on(self.base, &mut options).await?;
            write(self.state.clone(), options, Rows::Stream(proved(proof, data, kept))).await
        };
        let written = written.await.map_err(Failure::into_engine)?;
        if let Some(hosted) = &self.hosted {
            hosted.report(written.version);
        }
        Ok(written.n_rows)
    }
}
