//! present.rs — the plan node between stored rows and what a contract says of them.
//!
//! For each batch of its input: every column takes the contract's type, then the predicates keep their rows, then the asked
//! columns go out. Nothing is gathered: `FilterExec` coalesces to `batch_size` *rows*, and a bundle row is a whole file
//! (engine 55.2: 956 MB for a filter over 4.6 M items). For the same reason the input runs with a batch size of its own.
//!
//! To the optimizer the node is nearly not there: limits go through it, and so do filters, sorts and narrower projections where
//! they speak of columns that the input has in the contract's own type, so that `a < 5` means the same below. What the input
//! claims of its columns (nulls, order, smallest and largest values) ends here: nobody proved it.
use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue, Statistics, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
    PushedDown,
};
use datafusion::physical_plan::projection::{EmbeddedProjection, ProjectionExec, ProjectionExpr, try_embed_projection};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    ReplaceChildrenOptions, SortOrderPushdownResult,
};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::Mutex;

use crate::complete::{Defaults, complete, filled};
use crate::error::Failure;
use crate::floats::{Guard, Numbers, is_in_doubt};
use crate::named::named;
use crate::schema::{new_batch, restamp};

/// Where the columns of the middle step come from: a column of the input, or where storage has none, nulls or a default.
#[derive(Clone, Debug)]
pub enum Source {
    /// Its index, and the defaults of struct fields that it may lack.
    Input(usize, Option<Arc<Defaults>>),
    /// The same as it is declared, of which nulls where it is NOT NULL are defaults.
    Filled(usize, FieldRef, Arc<Defaults>),
    Absent,
    Value(ScalarValue),
}

impl Source {
    /// The column of the input that it is made of.
    fn input(&self) -> Option<usize> {
        match self {
            Source::Input(i, _) | Source::Filled(i, ..) => Some(*i),
            Source::Absent | Source::Value(_) => None,
        }
    }
}

/// The plan over stored rows, and what holds of it.
#[derive(Debug, Clone)]
pub struct Input {
    pub plan: Arc<dyn ExecutionPlan>,
    /// Rows of its batches; None: as the session has it.
    pub batch_rows: Option<usize>,
    /// Whether the optimizer may hand it filters.
    pub takes_filters: bool,
    pub numbers: Numbers,
    /// Whose rows they are, for messages.
    pub table: Arc<str>,
}

#[derive(Debug, Clone)]
pub struct PresentExec {
    input: Input,
    /// The input as it runs: once for all partitions, which share the files.
    running: Arc<OnceLock<Arc<dyn ExecutionPlan>>>,
    /// The columns that predicates and output need, in the contract's types.
    middle: SchemaRef,
    sources: Vec<Source>,
    /// Over `middle`; all must hold.
    predicates: Vec<Arc<dyn PhysicalExpr>>,
    /// Indices into `middle`.
    output: Vec<usize>,
    schema: SchemaRef,
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
        input: Input,
        middle: SchemaRef,
        sources: Vec<Source>,
        predicates: Vec<Arc<dyn PhysicalExpr>>,
        output: Vec<usize>,
    ) -> Result<PresentExec> {
        let schema = Arc::new(middle.project(&output)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(input.plan.output_partitioning().partition_count()),
            input.plan.pipeline_behavior(),
            input.plan.boundedness(),
        );
        Ok(PresentExec {
            input,
            running: Arc::default(),
            middle,
            sources,
            predicates,
            output,
            schema,
            n_sharers: 1,
            shared: Arc::default(),
            properties: Arc::new(properties),
        })
    }

    /// The same node over another input.
    fn over(&self, plan: Arc<dyn ExecutionPlan>) -> Result<PresentExec> {
        let node = PresentExec::new(
            Input { plan, ..self.input.clone() },
            Arc::clone(&self.middle),
            self.sources.clone(),
            self.predicates.clone(),
            self.output.clone(),
        )?;
        Ok(if self.n_sharers > 1 { node.shared_by(self.n_sharers) } else { node })
    }

    /// Whether the input has column `i` of `middle` as it goes out, so that an expression over it means the same below.
    fn is_same_below(&self, i: usize) -> bool {
        let source = self.sources.get(i).zip(self.middle.fields().get(i));
        let Some((Source::Input(below, _), field)) = source else { return false };
        self.input.plan.schema().field(*below).data_type() == field.data_type()
    }

    /// The predicates that the input may apply as well, bound to its columns.
    fn predicates_below(&self) -> Result<Vec<Option<Arc<dyn PhysicalExpr>>>> {
        let below = self.input.plan.schema();
        let bind = |predicate: &Arc<dyn PhysicalExpr>| {
            let is_same = collect_columns(predicate).iter().all(|c| self.is_same_below(c.index()));
            is_same.then(|| reassign_expr_columns(Arc::clone(predicate), &below)).transpose()
        };
        let bound = self.predicates.iter().map(bind).collect::<Result<Vec<_>>>()?;
        let guard = Guard::new(bound.iter().flatten(), &below, &self.input.numbers);
        bound.iter().map(|filter| filter.clone().map(|f| guard.wrap(f)).transpose()).collect()
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
            match self.running().execute(0, Arc::clone(context)) {
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

    fn running(&self) -> &Arc<dyn ExecutionPlan> {
        self.running.get_or_init(|| named(&self.input.plan, &self.input.table))
    }

    fn present(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let n_rows = batch.num_rows();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.sources.len());
        for (source, field) in self.sources.iter().zip(self.middle.fields()) {
            let said = |e: Failure| e.context(format!("column '{}'", field.name())).into_engine();
            let column = match source {
                Source::Input(i, None) => restamp(batch.column(*i), field.data_type()).map_err(said)?,
                Source::Input(i, Some(defaults)) => {
                    let column = complete(batch.column(*i), field.data_type(), field.name(), defaults);
                    column.and_then(|column| restamp(&column, field.data_type())).map_err(said)?
                }
                Source::Filled(i, declared, defaults) => {
                    let column = restamp(batch.column(*i), field.data_type());
                    column.and_then(|column| filled(&column, declared, field.name(), defaults)).map_err(said)?
                }
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
        if let Some(rows) = self.input.batch_rows {
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
        vec![&self.input.plan]
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
        if let Some(input) = self.input.plan.repartitioned(n_partitions, config)? {
            return Ok(Some(Arc::new(self.over(input)?)));
        }
        let is_single = self.input.plan.output_partitioning().partition_count() == 1 && self.n_sharers == 1;
        if self.input.batch_rows.is_none() || !is_single || n_partitions < 2 {
            return Ok(None);
        }
        Ok(Some(Arc::new(self.over(Arc::clone(&self.input.plan))?.shared_by(n_partitions))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let context = match self.input.batch_rows {
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
        let mut rows = self.running().execute(partition, Arc::clone(&context))?;
        if is_in_doubt(&self.input.plan) {
            let (schema, input) = (rows.schema(), self.input.clone());
            let looked = async move { input.numbers.ask(&input.plan, &input.table, &context).await.map(|()| rows) };
            rows = Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(looked).try_flatten()));
        }
        let stream = rows.map(move |batch| node.present(&batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream)))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    /// Sizes only; of columns, what files claim is unproved.
    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut out = Statistics::new_unknown(&self.schema);
        if let Some(input) = inputs.first() {
            // Of rows there are as many as footers and the log say: a scan of no column answers from there too.
            out.num_rows = if self.predicates.is_empty() { input.num_rows } else { input.num_rows.to_inexact() };
            out.total_byte_size = input.total_byte_size.to_inexact();
        }
        Ok(Arc::new(out))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        if self.predicates.is_empty() { CardinalityEffect::Equal } else { CardinalityEffect::LowerEqual }
    }

    fn supports_limit_pushdown(&self) -> bool {
        self.predicates.is_empty() && self.n_sharers == 1
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        try_embed_projection(projection, self)
    }

    /// A hint of where the first rows lie: the sort stays above, whatever order the input claims.
    fn try_pushdown_sort(&self, order: &[PhysicalSortExpr]) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        let below = self.input.plan.schema();
        let mut wanted = Vec::with_capacity(order.len());
        for sort in order {
            if !collect_columns(&sort.expr).iter().all(|c| self.is_same_below(self.output[c.index()])) {
                return Ok(SortOrderPushdownResult::Unsupported);
            }
            let expr = reassign_expr_columns(Arc::clone(&sort.expr), &below)?;
            wanted.push(PhysicalSortExpr { expr, options: sort.options });
        }
        let pushed = self.input.plan.try_pushdown_sort(&wanted)?.into_inexact();
        pushed.try_map(|plan| Ok(Arc::new(self.over(plan)?) as Arc<dyn ExecutionPlan>))
    }

    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        if !self.input.takes_filters {
            return Ok(FilterDescription::all_unsupported(&filters, &self.children()));
        }
        let guard = Guard::new(&filters, &self.schema, &self.input.numbers);
        let filters = filters.iter().map(|filter| guard.wrap(Arc::clone(filter))).collect::<Result<Vec<_>>>()?;
        // By name: a column has one name on both sides.
        let same = (0..self.output.len()).filter(|i| self.is_same_below(self.output[*i])).collect();
        let mut below = ChildFilterDescription::from_child_with_allowed_indices(&filters, same, &self.input.plan)?;
        if phase == FilterPushdownPhase::Pre {
            below = below.with_self_filters(self.predicates_below()?.into_iter().flatten().collect());
        }
        Ok(FilterDescription::new().with_child(below))
    }

    /// A predicate that the input applies is not applied again.
    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let mut applied = result.self_filters.first().into_iter().flatten().map(|f| f.discriminant);
        let mut predicates = Vec::with_capacity(self.predicates.len());
        for (predicate, below) in self.predicates.iter().zip(self.predicates_below()?) {
            let is_applied = below.is_some() && matches!(applied.next(), Some(PushedDown::Yes));
            if !is_applied {
                predicates.push(Arc::clone(predicate));
            }
        }
        let answer = FilterPushdownPropagation::if_all(result);
        if predicates.len() == self.predicates.len() {
            return Ok(answer);
        }
        let node = PresentExec { predicates, ..self.clone() };
        let narrow = node.with_projection(Some((0..node.output.len()).collect()))?;
        Ok(answer.with_updated_node(Arc::new(narrow)))
    }
}

impl EmbeddedProjection for PresentExec {
    /// Some of the columns that go out, by their places; of the input only those that these and the predicates need.
    fn with_projection(&self, projection: Option<Vec<usize>>) -> Result<PresentExec> {
        let Some(projection) = projection else { return Ok(self.clone()) };
        let mut columns: Vec<usize> = projection.iter().map(|i| self.output[*i]).collect();
        let n_out = columns.len();
        for column in self.predicates.iter().flat_map(collect_columns) {
            if !columns.contains(&column.index()) {
                columns.push(column.index());
            }
        }
        let middle = Arc::new(self.middle.project(&columns)?);
        let predicates = self.predicates.iter().map(|p| reassign_expr_columns(Arc::clone(p), &middle));

        let sources = columns.iter().map(|c| &self.sources[*c]);
        let mut wanted: Vec<usize> = sources.clone().filter_map(Source::input).collect();
        wanted.sort_unstable();
        let sources = sources.map(|source| match source {
            Source::Input(i, defaults) => Source::Input(wanted.partition_point(|w| w < i), defaults.clone()),
            Source::Filled(i, declared, defaults) => {
                Source::Filled(wanted.partition_point(|w| w < i), Arc::clone(declared), Arc::clone(defaults))
            }
            other => other.clone(),
        });
        let sources = sources.collect();
        let input = Input { plan: narrowed(&self.input.plan, &wanted)?, ..self.input.clone() };
        let predicates = predicates.collect::<Result<_>>()?;
        let node = PresentExec::new(input, middle, sources, predicates, (0..n_out).collect())?;
        Ok(if self.n_sharers > 1 { node.shared_by(self.n_sharers) } else { node })
    }
}

pub fn with_batch_rows(context: &TaskContext, rows: usize) -> TaskContext {
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

/// `plan` with these of its columns, which are in order.
fn narrowed(plan: &Arc<dyn ExecutionPlan>, columns: &[usize]) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    if columns.len() == schema.fields().len() {
        return Ok(Arc::clone(plan));
    }
    let pick = |i: &usize| {
        let name = schema.field(*i).name();
        ProjectionExpr { expr: Arc::new(Column::new(name, *i)), alias: name.clone() }
    };
    Ok(Arc::new(ProjectionExec::try_new(columns.iter().map(pick), Arc::clone(plan))?))
}
