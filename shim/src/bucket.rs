//! bucket.rs — a query run piece by piece: one range of a text column after the other.
//!
//! Joins hold their build side (DataFusion 55.2 never spills it), so a query over a whole repository holds what the repository has.
//! Where its rows depend on one file each, it can be asked for some files at a time; the pieces together are the same rows.
//!
//! ```text
//! order begins with the column:  for each range  sort(query(range))            one behind the other
//! it does not:                   sort(for each range  query(range))            the sort spills
//! ```
use std::fmt;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Sort, TableScan, col, lit};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, execute_stream};
use futures::{StreamExt, TryStreamExt};

use crate::error::{Failure, Outcome};
use crate::session::resolve;

/// Ranges of `column` that cover every value: below the first bound, between two, from the last one on.
#[derive(Debug, Clone, Default)]
pub struct Buckets {
    pub column: String,
    /// Ascending, byte by byte.
    pub bounds: Vec<String>,
    /// "schema.table" of what is read range by range, the rest is read whole; empty: whatever has the column.
    pub tables: Vec<String>,
}

impl Buckets {
    fn count(&self) -> usize {
        self.bounds.len() + 1
    }

    fn is_cut(&self, state: &SessionState, scan: &TableScan) -> bool {
        if scan.source.schema().field_with_name(&self.column).is_err() {
            return false;
        }
        let (_, schema, table) = resolve(state, &scan.table_name);
        self.tables.is_empty() || self.tables.contains(&format!("{schema}.{table}"))
    }

    /// The rows of `scan` in one range.
    fn cut(&self, scan: TableScan, index: usize) -> Result<LogicalPlan> {
        let column = col(datafusion::common::Column::new(Some(scan.table_name.clone()), self.column.clone()));
        let from = index.checked_sub(1).and_then(|i| self.bounds.get(i)).map(|b| column.clone().gt_eq(lit(b.clone())));
        let to = self.bounds.get(index).map(|b| column.clone().lt(lit(b.clone())));
        // Rows without a value belong to the first range.
        let to = to.map(|to| if index == 0 { to.or(column.is_null()) } else { to });
        let scan = LogicalPlanBuilder::from(LogicalPlan::TableScan(scan));
        match datafusion::logical_expr::utils::conjunction(from.into_iter().chain(to)) {
            Some(range) => scan.filter(range)?.build(),
            None => scan.build(),
        }
    }

    fn restrict(&self, state: &SessionState, plan: &LogicalPlan, index: usize) -> Result<LogicalPlan> {
        let cut = plan.clone().transform_up_with_subqueries(|node| match node {
            LogicalPlan::TableScan(scan) if self.is_cut(state, &scan) => Ok(Transformed::yes(self.cut(scan, index)?)),
            other => Ok(Transformed::no(other)),
        })?;
        Ok(cut.data)
    }

    fn orders(&self, sort: &Sort) -> bool {
        let first = sort.expr.first().filter(|first| first.asc);
        matches!(first.map(|f| &f.expr), Some(Expr::Column(column)) if column.name == self.column)
    }

    /// The physical plan of all pieces.
    pub async fn plan(self, state: &SessionState, plan: LogicalPlan) -> Outcome<Arc<dyn ExecutionPlan>> {
        let sort = match &plan {
            LogicalPlan::Sort(sort) => Some(sort.clone()),
            _ => None,
        };
        let is_ordered = sort.as_ref().is_some_and(|sort| self.orders(sort));
        let Some(sort) = sort.filter(|sort| sort.fetch.is_none() && !is_ordered) else {
            return Pieces::plan(self, state, plan, is_ordered).await;
        };
        let pieces = Pieces::plan(self, state, sort.input.as_ref().clone(), false).await?;
        let mut order = Vec::with_capacity(sort.expr.len());
        for by in &sort.expr {
            let expr = state.create_physical_expr(by.expr.clone(), sort.input.schema()).map_err(Failure::planning)?;
            order.push(PhysicalSortExpr::new(expr, SortOptions::new(!by.asc, by.nulls_first)));
        }
        let order = LexOrdering::new(order).ok_or_else(|| Failure::invalid("the query is ordered by nothing"))?;
        Ok(Arc::new(SortExec::new(order, pieces)))
    }
}

/// Planned as the whole is: a filter is believed to leave every row. Otherwise a piece looks small beside what is read whole, and
/// each join holds the piece instead, once more and with all its columns.
fn as_a_whole(state: &SessionState) -> SessionState {
    let mut state = state.clone();
    state.config_mut().options_mut().optimizer.default_filter_selectivity = 100;
    state
}

/// The pieces one behind the other: the first is planned with them, each other one when its turn comes.
struct Pieces {
    buckets: Arc<Buckets>,
    state: SessionState,
    query: Arc<LogicalPlan>,
    first: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
}

impl Pieces {
    /// `is_ordered`: each piece is sorted, by the column first.
    async fn plan(
        buckets: Buckets,
        state: &SessionState,
        query: LogicalPlan,
        is_ordered: bool,
    ) -> Outcome<Arc<dyn ExecutionPlan>> {
        let state = as_a_whole(state);
        let first = buckets.restrict(&state, &query, 0).map_err(Failure::planning)?;
        let first = state.create_physical_plan(&first).await.map_err(Failure::planning)?;
        let schema = first.schema();
        // Ranges rise, so sorted pieces are sorted together; but rows without a value, which come last in an order, are in the first.
        let is_total = schema.field_with_name(&buckets.column).is_ok_and(|field| !field.is_nullable());
        let order = first.output_ordering().filter(|_| is_ordered && is_total).cloned();
        let pieces =
            Pieces { buckets: Arc::new(buckets), state, query: Arc::new(query), first, schema: Arc::clone(&schema) };
        let exec = StreamingTableExec::try_new(schema, vec![Arc::new(pieces)], None, order, false, None);
        Ok(Arc::new(exec.map_err(Failure::planning)?))
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pieces({:?})", self.buckets)
    }
}

impl PartitionStream for Pieces {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (buckets, state, query) = (Arc::clone(&self.buckets), self.state.clone(), Arc::clone(&self.query));
        let first = Arc::clone(&self.first);
        let pieces = futures::stream::iter(0..self.buckets.count()).then(move |index| {
            let (buckets, state, query) = (Arc::clone(&buckets), state.clone(), Arc::clone(&query));
            let (first, context) = (Arc::clone(&first), Arc::clone(&context));
            async move {
                let piece = match index {
                    0 => first,
                    _ => state.create_physical_plan(&buckets.restrict(&state, &query, index)?).await?,
                };
                execute_stream(piece, context)
            }
        });
        let schema = Arc::clone(&self.schema);
        let rows = pieces.try_flatten().map(move |batch| Ok(batch?.with_schema(Arc::clone(&schema))?));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}
