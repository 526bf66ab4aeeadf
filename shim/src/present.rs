//! present.rs — the plan node between stored rows and what a contract says of them.
//!
//! For each batch of its input: every column takes the contract's type, then the predicates keep their rows, then the asked
//! columns go out. Nothing is gathered: `FilterExec` coalesces to `batch_size` *rows*, and a bundle row is a whole file
//! (engine 55.2: 956 MB for a filter over 4.6 M items). For the same reason the input runs with a batch size of its own.
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue, Statistics, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;
use tokio::sync::Mutex;

use crate::error::Failure;
use crate::schema::{new_batch, restamp};

/// Where the columns of the middle step come from: a column of the input, or where storage has none, nulls or a default.
#[derive(Clone, Debug)]
pub enum Source {
    Input(usize),
    Absent,
    Value(ScalarValue),
}

#[derive(Debug, Clone)]
pub struct PresentExec {
    input: Arc<dyn ExecutionPlan>,
    /// The columns that predicates and output need, in the contract's types.
    middle: SchemaRef,
    sources: Vec<Source>,
    /// Over `middle`; all must hold.
    predicates: Vec<Arc<dyn PhysicalExpr>>,
    /// Indices into `middle`.
    output: Vec<usize>,
    schema: SchemaRef,
    batch_rows: Option<usize>,
    /// Output partitions that take turns at the input's only one; 1: each input partition is its own.
    n_sharers: usize,
    shared: Arc<Mutex<Shared>>,
    properties: Arc<PlanProperties>,
}

/// The input that several partitions read: whoever is free takes the next batch.
#[derive(Default)]
struct Shared {
    started: bool,
    stream: Option<SendableRecordBatchStream>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared {{ started: {} }}", self.started)
    }
}

impl PresentExec {
    pub fn new(
        input: Arc<dyn ExecutionPlan>,
        middle: SchemaRef,
        sources: Vec<Source>,
        predicates: Vec<Arc<dyn PhysicalExpr>>,
        output: Vec<usize>,
        batch_rows: Option<usize>,
    ) -> Result<PresentExec> {
        let schema = Arc::new(middle.project(&output)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Ok(PresentExec {
            input,
            middle,
            sources,
            predicates,
            output,
            schema,
            batch_rows,
            n_sharers: 1,
            shared: Arc::default(),
            properties: Arc::new(properties),
        })
    }

    /// The same node over another input.
    fn over(&self, input: Arc<dyn ExecutionPlan>) -> Result<PresentExec> {
        let node = PresentExec::new(
            input,
            Arc::clone(&self.middle),
            self.sources.clone(),
            self.predicates.clone(),
            self.output.clone(),
            self.batch_rows,
        )?;
        Ok(if self.n_sharers > 1 { node.shared_by(self.n_sharers) } else { node })
    }

    fn shared_by(mut self, n_sharers: usize) -> PresentExec {
        let partitioning = Partitioning::UnknownPartitioning(n_sharers);
        self.properties = Arc::new(self.properties.as_ref().clone().with_partitioning(partitioning));
        self.n_sharers = n_sharers;
        self
    }

    /// The next batch of the shared input; started by the first who asks, gone after its end.
    async fn take_turn(&self, context: &Arc<TaskContext>) -> Option<Result<RecordBatch>> {
        let mut shared = self.shared.lock().await;
        if !shared.started {
            shared.started = true;
            match self.input.execute(0, Arc::clone(context)) {
                Ok(stream) => shared.stream = Some(stream),
                Err(e) => return Some(Err(e)),
            }
        }
        let next = shared.stream.as_mut()?.next().await;
        if !matches!(next, Some(Ok(_))) {
            shared.stream = None;
        }
        next
    }

    fn present(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let n_rows = batch.num_rows();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.sources.len());
        for (source, field) in self.sources.iter().zip(self.middle.fields()) {
            let column = match source {
                Source::Input(i) => restamp(batch.column(*i), field.data_type())
                    .map_err(|e: Failure| e.context(format!("column '{}'", field.name())).into_engine())?,
                Source::Absent => new_null_array(field.data_type(), n_rows),
                Source::Value(value) => value.to_array_of_size(n_rows)?,
            };
            columns.push(column);
        }
        let mut rows = new_batch(Arc::clone(&self.middle), columns, n_rows).map_err(Failure::into_engine)?;
        for predicate in &self.predicates {
            let keep = predicate.evaluate(&rows)?.into_array(rows.num_rows())?;
            let Some(keep) = keep.as_any().downcast_ref::<BooleanArray>() else {
                return internal_err!("a predicate is not boolean");
            };
            rows = filter_record_batch(&rows, keep)?;
        }
        Ok(rows.project(&self.output)?)
    }
}

impl DisplayAs for PresentExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresentExec: columns={}", self.output.len())?;
        if let Some(rows) = self.batch_rows {
            write!(f, ", batch_rows={rows}")?;
        }
        if self.n_sharers > 1 {
            write!(f, ", sharers={}", self.n_sharers)?;
        }
        for predicate in &self.predicates {
            write!(f, ", predicate={predicate}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for PresentExec {
    fn name(&self) -> &'static str {
        "PresentExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// False, though a lone partition's rows keep their order: this node declares no order of its own, and the planner would push a
    /// sort below it that then nobody above can see.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for predicate in &self.predicates {
            if f(predicate)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.len() != 1 {
            return internal_err!("PresentExec has one child");
        }
        Ok(Arc::new(self.over(children.swap_remove(0))?))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    /// Files are split below, where they are read. Where they are not, and rows are bundles, partitions take turns: the
    /// planner's round robin would gather batches to `batch_size` rows again (`RepartitionExec`, 55.2).
    fn repartitioned(&self, n_partitions: usize, config: &ConfigOptions) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(input) = self.input.repartitioned(n_partitions, config)? {
            return Ok(Some(Arc::new(self.over(input)?)));
        }
        let is_single = self.input.output_partitioning().partition_count() == 1 && self.n_sharers == 1;
        if self.batch_rows.is_none() || !is_single || n_partitions < 2 {
            return Ok(None);
        }
        Ok(Some(Arc::new(self.over(Arc::clone(&self.input))?.shared_by(n_partitions))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let context = match self.batch_rows {
            Some(rows) if rows < context.session_config().batch_size() => Arc::new(with_batch_rows(&context, rows)),
            _ => context,
        };
        let node = self.clone();
        if self.n_sharers > 1 {
            let stream = futures::stream::unfold((node, context), |(node, context)| async move {
                let batch = node.take_turn(&context).await?.and_then(|batch| node.present(&batch));
                Some((batch, (node, context)))
            });
            return Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream)));
        }
        let stream = self.input.execute(partition, context)?.map(move |batch| node.present(&batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream)))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    /// Sizes only, and only as estimates: what files claim of their columns is unproved.
    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut out = Statistics::new_unknown(&self.schema);
        if let Some(input) = inputs.first() {
            out.num_rows = inexact(&input.num_rows);
            out.total_byte_size = inexact(&input.total_byte_size);
        }
        Ok(Arc::new(out))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        if self.predicates.is_empty() { CardinalityEffect::Equal } else { CardinalityEffect::LowerEqual }
    }
}

fn inexact(value: &Precision<usize>) -> Precision<usize> {
    match value {
        Precision::Exact(n) | Precision::Inexact(n) => Precision::Inexact(*n),
        Precision::Absent => Precision::Absent,
    }
}

fn with_batch_rows(context: &TaskContext, rows: usize) -> TaskContext {
    let config = context.session_config().clone().with_batch_size(rows);
    TaskContext::new(
        context.task_id(),
        context.session_id(),
        config,
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    )
}
