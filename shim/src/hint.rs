//! hint.rs — filters that go down into storage as hints of what to leave out.
use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, Operator, Volatility};
use datafusion::physical_plan::ExecutionPlan;

use crate::floats::has_nan;

/// An expression that can be evaluated batch by batch: no subquery, no outer column, nothing volatile.
pub fn is_plain(expr: &Expr) -> bool {
    let mut plain = true;
    let walked = expr.apply(|e| {
        plain = match e {
            Expr::ScalarFunction(call) => call.func.signature().volatility != Volatility::Volatile,
            Expr::Column(_)
            | Expr::Literal(..)
            | Expr::Alias(_)
            | Expr::BinaryExpr(_)
            | Expr::Not(_)
            | Expr::Negative(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::InList(_) => true,
            _ => false,
        };
        Ok(if plain { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    walked.is_ok() && plain
}

/// A filter that storage may use to skip files: comparisons of stored columns with literals, the stored type the contract's and
/// its statistics complete.
pub fn is_hint(expr: &Expr, schema: &Schema, stored: &Schema, numbers: &HashSet<String>) -> bool {
    let mut simple = true;
    let walked = expr.apply(|e| {
        simple = match e {
            Expr::Column(Column { name, .. }) => match (schema.field_with_name(name), stored.field_with_name(name)) {
                (Ok(a), Ok(b)) => {
                    let t = a.data_type();
                    let is_complete = !has_nan(t) || numbers.contains(name);
                    !t.is_nested() && is_complete && t == b.data_type()
                }
                _ => false,
            },
            Expr::BinaryExpr(b) => matches!(
                b.op,
                Operator::Eq
                    | Operator::NotEq
                    | Operator::Lt
                    | Operator::LtEq
                    | Operator::Gt
                    | Operator::GtEq
                    | Operator::And
                    | Operator::Or
            ),
            Expr::Literal(..) | Expr::Not(_) | Expr::IsNull(_) | Expr::IsNotNull(_) => true,
            Expr::InList(_) | Expr::Between(_) => true,
            _ => false,
        };
        Ok(if simple { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    walked.is_ok() && simple
}

/// Row groups leave out what the filters exclude, of a table whose reader is to take no filter: the optimizer's rule would take
/// the session's setting for the table's (DataFusion 55).
pub fn with_filters(
    input: Arc<dyn ExecutionPlan>,
    hints: &[Expr],
    state: &SessionState,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(files) = input.downcast_ref::<DataSourceExec>() else { return Ok(input) };
    let columns = DFSchema::try_from(input.schema())?;
    let has_all = |hint: &&Expr| hint.column_refs().iter().all(|c| columns.has_column_with_unqualified_name(&c.name));
    let filters = hints
        .iter()
        .filter(has_all)
        .map(|hint| state.create_physical_expr(hint.clone(), &columns))
        .collect::<Result<Vec<_>>>()?;
    if filters.is_empty() {
        return Ok(input);
    }
    Ok(match files.data_source().try_pushdown_filters(filters, state.config_options())?.updated_node {
        Some(source) => Arc::new(files.clone().with_data_source(source)),
        None => input,
    })
}
