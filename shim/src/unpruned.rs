//! unpruned.rs — a filter that rows are held against and statistics are not.
//!
//! Parquet and Delta keep the smallest and largest values of floats without NaN, which is larger than all of them: `f > 3`
//! over row groups whose largest is 2 would leave a NaN unread, and `f < 3` would be taken for true of it (run on 55.2: plain
//! DataFusion leaves such rows out). What the pruner does not know, it leaves alone.
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;

#[derive(Debug, Eq)]
struct Unpruned(Arc<dyn PhysicalExpr>);

/// `filter` over columns of `schema`, so that statistics decide only where they say everything.
pub fn guarded(filter: Arc<dyn PhysicalExpr>, schema: &Schema) -> Arc<dyn PhysicalExpr> {
    let is_float = |i: usize| schema.fields().get(i).is_some_and(|f| has_nan(f.data_type()));
    if collect_columns(&filter).iter().any(|c| is_float(c.index())) { Arc::new(Unpruned(filter)) } else { filter }
}

/// Whether values may be NaN, of which statistics do not know.
pub fn has_nan(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => has_nan(value),
        other => other.is_floating(),
    }
}

impl PartialEq for Unpruned {
    fn eq(&self, other: &Unpruned) -> bool {
        self.0.eq(&other.0)
    }
}

impl Hash for Unpruned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Unpruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unpruned({})", self.0)
    }
}

impl PhysicalExpr for Unpruned {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.0.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.0.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.0.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.0]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Unpruned(children.swap_remove(0))))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_sql(f)
    }
}
