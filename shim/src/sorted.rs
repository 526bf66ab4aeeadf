//! sorted.rs — whether rows come in the order that a contract says: by its columns, smallest first, nulls last.
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::error::{Failure, Outcome};

const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

/// Whether the plan's one stream of rows is sorted by `names`. A scan of the catalog declares no order, so what a plan says of
/// its order comes from a sort inside of it.
pub fn is_plan_sorted(plan: &dyn ExecutionPlan, names: &[String]) -> bool {
    let Ok(order) = order_of(&plan.schema(), names) else { return false };
    plan.output_partitioning().partition_count() == 1
        && plan.equivalence_properties().ordering_satisfy(order).unwrap_or(false)
}

fn order_of(schema: &Schema, names: &[String]) -> Outcome<Vec<PhysicalSortExpr>> {
    let ascending = |name| Ok(PhysicalSortExpr::new(col(name, schema).map_err(Failure::planning)?, ASCENDING));
    names.iter().map(|name| ascending(name)).collect()
}

/// The plan's rows, put in order.
pub fn sort(plan: Arc<dyn ExecutionPlan>, names: &[String]) -> Outcome<Arc<dyn ExecutionPlan>> {
    Ok(match LexOrdering::new(order_of(&plan.schema(), names)?) {
        Some(order) => Arc::new(SortExec::new(order, plan)),
        None => plan,
    })
}

/// Each row against the one in front of it, across batches.
pub struct Sorted {
    columns: Vec<usize>,
    converter: RowConverter,
    last: Option<OwnedRow>,
}

impl Sorted {
    pub fn new(schema: &Schema, names: &[String]) -> Outcome<Sorted> {
        let mut columns = Vec::with_capacity(names.len());
        let mut fields = Vec::with_capacity(names.len());
        for name in names {
            let index = schema.index_of(name)?;
            columns.push(index);
            fields.push(SortField::new_with_options(schema.field(index).data_type().clone(), ASCENDING));
        }
        Ok(Sorted { columns, converter: RowConverter::new(fields)?, last: None })
    }

    /// The rows of the batch that belong before the one in front of them.
    pub fn misplaced(&mut self, batch: &RecordBatch) -> Outcome<Vec<usize>> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|i| ArrayRef::clone(batch.column(*i))).collect();
        let rows = self.converter.convert_columns(&columns)?;
        let mut found = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let is_misplaced = match (index, &self.last) {
                (0, None) => false,
                (0, Some(last)) => row < last.row(),
                _ => row < rows.row(index - 1),
            };
            if is_misplaced {
                found.push(index);
            }
        }
        if rows.num_rows() > 0 {
            self.last = Some(rows.row(rows.num_rows() - 1).owned());
        }
        Ok(found)
    }
}

/// The rows of one stream on their way through the gate.
pub struct Watch(Mutex<(Sorted, bool)>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl Watch {
    pub fn new(schema: &SchemaRef, names: &[String]) -> Outcome<Watch> {
        Ok(Watch(Mutex::new((Sorted::new(schema, names)?, true))))
    }

    pub fn pass(&self, batch: &RecordBatch) -> Outcome<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.1 {
            inner.1 = inner.0.misplaced(batch)?.is_empty();
        }
        Ok(())
    }

    pub fn is_sorted(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
