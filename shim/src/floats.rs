//! floats.rs — what statistics say of floats, asked as far as they can say it.
//!
//! Parquet and Delta keep the smallest and largest values of floats without NaN. The engine orders a NaN beyond every number: above
//! them, or below them where its sign bit is set, as x86 makes it of 0/0. So over (1, NaN) both `f > 3` and `f < -3` may hold of a row
//! that statistics know nothing of (run on 55.2: plain DataFusion leaves such rows out), and `f < 3` may be false of one where they
//! say that all rows are smaller. The pruner leaves alone what it does not know; it is shown
//!
//! - a condition that no NaN satisfies: `f = 3`, `f IN (3, 4)`, and beside one of those, or between a lower and an upper
//!   bound, whatever else is said of `f`: `f BETWEEN 1 AND 3`, what a join learns of its keys;
//! - of columns that hold no NaN because a check that was proved says so, or because somebody looked (`nans`): everything.
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::kernels::cmp;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::{DFSchema, Result, ScalarValue, Statistics};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::functions::math::nans::IsNanFunc;
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr, IsNullExpr, Literal, NotExpr,
};
use datafusion::physical_expr::simplifier::PhysicalExprSimplifier;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, split_conjunction};
use datafusion::physical_plan::ExecutionPlan;
use tokio::sync::OnceCell;

use crate::files::{only_scan_of, scan_of};
use crate::nans::Nans;
use crate::rules::Check;

type Expr = Arc<dyn PhysicalExpr>;

/// Whether values may be NaN, of which statistics do not know.
pub fn has_nan(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => has_nan(value),
        other => other.is_floating(),
    }
}

/// A scan of files that are not taken for files of one value in each float column whose numbers are all the same: the reader
/// (DataFusion 55.2) fills such a column from exact statistics and never sees a NaN in it.
pub fn with_doubted_floats(scan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let Some(files) = scan_of(&scan).filter(|_| !scan.schema().fields().is_empty()) else { return scan };
    let columns = files.file_schema().fields().iter().enumerate();
    let floats: Vec<usize> = columns.filter(|(_, field)| has_nan(field.data_type())).map(|(i, _)| i).collect();
    if floats.is_empty() {
        return scan;
    }
    let (mut files, mut is_changed) = (files.clone(), false);
    for group in &mut files.file_groups {
        for i in 0..group.len() {
            let Some(statistics) = &mut group[i].statistics else { continue };
            for column in of_one_value(statistics, &floats) {
                let column = &mut Arc::make_mut(statistics).column_statistics[column];
                column.min_value = std::mem::take(&mut column.min_value).to_inexact();
                column.max_value = std::mem::take(&mut column.max_value).to_inexact();
                is_changed = true;
            }
        }
    }
    if is_changed { DataSourceExec::from_data_source(files) } else { scan }
}

/// Those of the columns whose smallest number is their largest.
fn of_one_value(statistics: &Statistics, columns: &[usize]) -> Vec<usize> {
    let ends =
        |i: usize| statistics.column_statistics.get(i).map(|c| (c.min_value.get_value(), c.max_value.get_value()));
    columns.iter().copied().filter(|i| ends(*i).is_some_and(|(min, max)| min.is_some() && min == max)).collect()
}

/// What is known of the float columns that a plan reads.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    /// Names of those that hold no NaN, because that was proved.
    pub proved: Arc<HashSet<String>>,
    /// What was found of the table's files.
    pub nans: Arc<Nans>,
    /// Those that hold no NaN in the files of the plan, named as there, once that was asked.
    found: Arc<OnceCell<HashSet<String>>>,
}

impl Numbers {
    /// Of a plan that is about to run.
    pub fn new(proved: Arc<HashSet<String>>, nans: Arc<Nans>) -> Numbers {
        Numbers { proved, nans, found: Arc::default() }
    }

    /// Find out what is known of the columns of the plan's filters, which reads `table`, and look for NaN where that pays.
    pub async fn ask(&self, plan: &Arc<dyn ExecutionPlan>, table: &Arc<str>, context: &Arc<TaskContext>) -> Result<()> {
        let Some(scan) = only_scan_of(plan) else { return Ok(()) };
        let ask = || async {
            let Doubts { columns, sought } = doubts(scan);
            self.nans.look(scan, sought, table, context).await.map(|()| self.nans.without(scan, columns))
        };
        self.found.get_or_try_init(ask).await.map(|_| ())
    }
}

/// Whether the reader has filters of which statistics could say more.
pub fn is_in_doubt(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let filter = only_scan_of(plan).and_then(|scan| scan.file_source().filter());
    filter.is_some_and(|filter| split_conjunction(&filter).into_iter().any(|part| part.is::<Unpruned>()))
}

/// Names of columns of a scan of which statistics say too little for its filters.
#[derive(Default)]
struct Doubts {
    columns: Vec<String>,
    /// Those that would be read from end to end anyway: no other filter and no limit leaves out rows.
    sought: Vec<String>,
}

fn doubts(scan: &FileScanConfig) -> Doubts {
    let Some(filter) = scan.file_source().filter() else { return Doubts::default() };
    let parts = split_conjunction(&filter);
    let unpruned: Vec<&Unpruned> = parts.iter().filter_map(|part| part.downcast_ref()).collect();
    let is_read_whole = unpruned.len() == parts.len() && scan.limit.is_none();
    Doubts {
        columns: unpruned.iter().flat_map(|part| part.doubtful()).map(|column| column.name().to_owned()).collect(),
        sought: unpruned.iter().filter(|_| is_read_whole).filter_map(|part| part.sought()).collect(),
    }
}

/// Filters that must hold together, over columns of one schema.
pub struct Guard<'a> {
    schema: &'a Schema,
    numbers: &'a Numbers,
    /// Columns that hold a NaN in no row of which the filters are true.
    bounded: HashSet<Column>,
}

impl<'a> Guard<'a> {
    pub fn new<'f>(filters: impl IntoIterator<Item = &'f Expr>, schema: &'a Schema, numbers: &'a Numbers) -> Guard<'a> {
        Guard { schema, numbers, bounded: bounded(filters) }
    }

    /// One of the filters, as the reader may have it.
    pub fn wrap(&self, filter: Expr) -> Result<Expr> {
        let may_be_nan = |c: &Column| {
            let field = self.schema.fields().get(c.index());
            field.is_some_and(|f| has_nan(f.data_type()) && !self.numbers.proved.contains(f.name()))
        };
        let mut columns: Vec<Column> = collect_columns(&filter).into_iter().filter(may_be_nan).collect();
        if columns.is_empty() {
            return Ok(filter);
        }
        columns.sort_by_key(Column::index);
        let floats = columns.into_iter().map(|column| {
            let is_bounded = self.bounded.contains(&column);
            Ok(Float { is_nan: is_nan(column, self.schema)?, is_bounded })
        });
        let found = Arc::clone(&self.numbers.found);
        Ok(Arc::new(Unpruned { filter, floats: floats.collect::<Result<_>>()?, found }))
    }
}

/// The columns of `schema` that hold no NaN in rows that break none of the checks.
pub fn numbers(state: &SessionState, schema: &SchemaRef, checks: &[Check]) -> Result<HashSet<String>> {
    let columns = DFSchema::try_from(Arc::clone(schema))?;
    let simplifier = PhysicalExprSimplifier::new(schema);
    let plan = |check: &Check| -> Result<Expr> {
        let expr = state.create_logical_expr(&check.sql, &columns)?;
        simplifier.simplify(state.create_physical_expr(expr, &columns)?)
    };
    let of_rows = checks.iter().filter(|check| check.unnest.is_none());
    // One that a later library cannot plan any more says nothing here, and is no reason not to read.
    let planned: Vec<Expr> = of_rows.filter_map(|check| plan(check).ok()).collect();
    Ok(bounded(&planned).into_iter().map(|column| column.name().to_owned()).collect())
}

/// The columns that hold a NaN in no row of which `conditions` hold, and in none of which they are all true or unknown.
fn bounded<'a>(conditions: impl IntoIterator<Item = &'a Expr>) -> HashSet<Column> {
    let (mut above, mut below) = (HashSet::new(), HashSet::new());
    for part in conditions.into_iter().flat_map(split_conjunction) {
        let Some((column, op)) = bound(part) else { continue };
        if op != Operator::Gt {
            above.insert(column.clone());
        }
        if op != Operator::Lt {
            below.insert(column);
        }
    }
    above.intersection(&below).cloned().collect()
}

/// The column that a condition holds below (`Lt`) or above (`Gt`) a number, or that is a number (`Eq`).
fn bound(condition: &Expr) -> Option<(Column, Operator)> {
    if let Some(list) = condition.downcast_ref::<InListExpr>() {
        let says = !list.negated() && list.list().iter().all(|e| number(e).is_some());
        return if says { Some((column(list.expr())?, Operator::Eq)) } else { None };
    }
    if let Some(not) = condition.downcast_ref::<NotExpr>() {
        let call = not.arg().downcast_ref::<ScalarFunctionExpr>()?;
        call.fun().inner().downcast_ref::<IsNanFunc>()?;
        return Some((column(call.args().first()?)?, Operator::Eq));
    }
    let binary = condition.downcast_ref::<BinaryExpr>()?;
    let (of, op) = match (number(binary.left()), number(binary.right())) {
        (None, Some(_)) => (binary.left(), *binary.op()),
        (Some(_), None) => (binary.right(), binary.op().swap()?),
        _ => return None,
    };
    let op = match op {
        Operator::Lt | Operator::LtEq => Operator::Lt,
        Operator::Gt | Operator::GtEq => Operator::Gt,
        Operator::Eq => Operator::Eq,
        _ => return None,
    };
    Some((column(of)?, op))
}

/// The rows of which a comparison of a column with a number holds. The engine (55.2) copies the column first, with 0.0 for each -0.0;
/// that makes a difference to a comparison with zero alone.
fn compared(filter: &Expr, batch: &RecordBatch) -> Result<Option<BooleanArray>> {
    let Some(binary) = filter.downcast_ref::<BinaryExpr>() else { return Ok(None) };
    let (true, Some(literal)) = (binary.left().is::<Column>(), binary.right().downcast_ref::<Literal>()) else {
        return Ok(None);
    };
    let compare = match binary.op() {
        Operator::Eq => cmp::eq,
        Operator::NotEq => cmp::neq,
        Operator::Lt => cmp::lt,
        Operator::LtEq => cmp::lt_eq,
        Operator::Gt => cmp::gt,
        Operator::GtEq => cmp::gt_eq,
        _ => return Ok(None),
    };
    if number(binary.right()).is_none_or(|number| number == 0.0) {
        return Ok(None);
    }
    let column = binary.left().evaluate(batch)?.into_array(batch.num_rows())?;
    Ok(Some(compare(&column, &literal.value().to_scalar()?)?))
}

/// A literal float that is a number.
fn number(expr: &Expr) -> Option<f64> {
    let value = match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Float64(value) => *value,
        ScalarValue::Float32(value) => value.map(f64::from),
        _ => None,
    };
    value.filter(|v| !v.is_nan())
}

/// A column, also where it becomes another float: a NaN stays one.
fn column(expr: &Expr) -> Option<Column> {
    match expr.downcast_ref::<CastExpr>() {
        Some(cast) if cast.cast_type().is_floating() => column(cast.expr()),
        _ => expr.downcast_ref::<Column>().cloned(),
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Arc::new(BinaryExpr::new(left, op, right))
}

/// What only a NaN satisfies, in words that are answered from statistics. Good ones say that there is none; where a writer took NaN
/// for the smallest or largest value, they leave the rows in.
fn is_nan(column: Column, schema: &Schema) -> Result<Expr> {
    let data_type = schema.field(column.index()).data_type().clone();
    let column: Expr = Arc::new(column);
    let beyond = |op, bound: f64| -> Result<Expr> {
        let bound = ScalarValue::Float64(Some(bound)).cast_to(&data_type)?;
        Ok(binary(Arc::clone(&column), op, Arc::new(Literal::new(bound))))
    };
    Ok(binary(beyond(Operator::Gt, f64::INFINITY)?, Operator::Or, beyond(Operator::Lt, f64::NEG_INFINITY)?))
}

/// What statistics may be asked in place of `filter`: true of every row that it is true of, where `doubtful` columns may be NaN.
/// None: nothing.
fn prunable(filter: &Expr, doubtful: &HashSet<Column>) -> Option<Expr> {
    if let Some(either) = filter.downcast_ref::<BinaryExpr>().filter(|b| *b.op() == Operator::Or) {
        return Some(binary(prunable(either.left(), doubtful)?, Operator::Or, prunable(either.right(), doubtful)?));
    }
    let bounded = bounded([filter]);
    let doubtful = doubtful.difference(&bounded).cloned().collect();
    match split_conjunction(filter).as_slice() {
        [_] => condition(filter, &doubtful),
        parts => parts.iter().filter_map(|p| prunable(p, &doubtful)).reduce(|a, b| binary(a, Operator::And, b)),
    }
}

/// The same of what is neither AND nor OR.
fn condition(filter: &Expr, doubtful: &HashSet<Column>) -> Option<Expr> {
    let nulls = filter.downcast_ref::<IsNullExpr>().map(IsNullExpr::arg);
    let nulls = nulls.or_else(|| filter.downcast_ref::<IsNotNullExpr>().map(IsNotNullExpr::arg));
    if nulls.is_some_and(|e| e.is::<Column>()) {
        return Some(Arc::clone(filter));
    }
    if collect_columns(filter).iter().any(|column| doubtful.contains(column)) {
        return None;
    }
    // -0.0 equals 0.0, and Bloom filters, which are asked about equality, take them for two values.
    let is_zero = |e: &Expr| number(e) == Some(0.0);
    if filter.downcast_ref::<InListExpr>().is_some_and(|list| list.list().iter().any(is_zero)) {
        return None;
    }
    match filter.downcast_ref::<BinaryExpr>() {
        Some(equal) if *equal.op() == Operator::Eq && (is_zero(equal.left()) || is_zero(equal.right())) => {
            let side = |op| binary(Arc::clone(equal.left()), op, Arc::clone(equal.right()));
            Some(binary(side(Operator::LtEq), Operator::And, side(Operator::GtEq)))
        }
        _ => Some(Arc::clone(filter)),
    }
}

/// A float column that a filter names.
#[derive(Debug, Clone)]
struct Float {
    is_nan: Expr,
    /// Other filters, which hold as well, leave no NaN.
    is_bounded: bool,
}

/// Rows are held against `filter`, statistics against what `snapshot` says: the pruner asks for that before it looks, when a filter that
/// is learned has a new value too. Whatever else looks at the columns of a plan rewrites them in `floats` as well.
#[derive(Debug, Clone)]
struct Unpruned {
    filter: Expr,
    floats: Vec<Float>,
    /// As in `Numbers`.
    found: Arc<OnceCell<HashSet<String>>>,
}

impl Unpruned {
    /// The columns of which statistics say too little.
    fn doubtful(&self) -> HashSet<Column> {
        let floats = self.floats.iter().filter(|float| !float.is_bounded);
        let columns = floats.flat_map(|float| collect_columns(&float.is_nan));
        let is_found = |column: &Column| self.found.get().is_some_and(|found| found.contains(column.name()));
        columns.filter(|column| !is_found(column)).collect()
    }

    /// The column whose values decide: the one of a filter with one end, or the first of an order of which nothing is learned yet.
    fn sought(&self) -> Option<String> {
        let (column, _) = match self.filter.downcast_ref::<DynamicFilterPhysicalExpr>() {
            Some(learned) => {
                let is_new = learned.current().ok()?.downcast_ref::<Literal>()?.value() == &ScalarValue::from(true);
                (learned.children().first()?.downcast_ref::<Column>().filter(|_| is_new)?.clone(), Operator::Eq)
            }
            None => bound(&self.filter)?,
        };
        self.doubtful().contains(&column).then(|| column.name().to_owned())
    }
}

impl PartialEq for Unpruned {
    fn eq(&self, other: &Unpruned) -> bool {
        self.filter.eq(&other.filter)
    }
}

impl Eq for Unpruned {}

impl Hash for Unpruned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.filter.hash(state);
    }
}

impl fmt::Display for Unpruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unpruned({})", self.filter)
    }
}

impl PhysicalExpr for Unpruned {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.filter.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.filter.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        match compared(&self.filter, batch)? {
            Some(rows) => Ok(ColumnarValue::Array(Arc::new(rows))),
            None => self.filter.evaluate(batch),
        }
    }

    fn children(&self) -> Vec<&Expr> {
        std::iter::once(&self.filter).chain(self.floats.iter().map(|float| &float.is_nan)).collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Expr>) -> Result<Expr> {
        let mut children = children.into_iter();
        let filter = children.next().unwrap_or_else(|| Arc::clone(&self.filter));
        let floats = self.floats.iter().zip(children).map(|(float, is_nan)| Float { is_nan, ..*float });
        Ok(Arc::new(Unpruned { filter, floats: floats.collect(), found: Arc::clone(&self.found) }))
    }

    /// The filter itself stays beside it, unknown to the pruner, which otherwise asks about the opposite too: where no row satisfies
    /// that, it would hold no row against the filter.
    fn snapshot(&self) -> Result<Option<Expr>> {
        let Some(asked) = prunable(&self.filter, &self.doubtful()) else { return Ok(None) };
        let is_nan = self.floats.iter().map(|float| Arc::clone(&float.is_nan));
        let asked = is_nan.fold(asked, |asked, is_nan| binary(asked, Operator::Or, is_nan));
        Ok(Some(binary(asked, Operator::And, Arc::new(self.clone()))))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.filter.fmt_sql(f)
    }
}
