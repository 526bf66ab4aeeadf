//! exact.rs — what SQL gives to a column of another type becomes that column's value unchanged, or the statement is refused.
//!
//! DataFusion (55.2) casts what INSERT and UPDATE give without a word: 2.9 becomes the integer 2, a struct's field that the column has
//! not is dropped, and VALUES anywhere in the query of an INSERT has the types of the table's columns before the query sees it.
//! Here such a query is planned by itself, and each of the planner's own casts becomes one that looks whether the value is
//! the same when it is cast back. A CAST that the statement says is the user's word, and stays.
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::datatypes::{
    DECIMAL256_MAX_PRECISION, DECIMAL256_MAX_SCALE, DataType, Field, FieldRef, Fields, Float32Type, Float64Type,
    TimeUnit,
};
use arrow::util::display::array_value_to_string;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    Analyze, Cast, ColumnarValue, DmlStatement, Explain, Expr, LogicalPlan, Prepare, Projection, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Statement as PlannedStatement, Values, Volatility,
    WriteOp,
};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, SetExpr};

use crate::error::{Failure, Outcome, Status};
use crate::schema::{restamp, same_type};
use crate::session::{innermost, innermost_mut, parse, planned};
use crate::table::ContractTable;

/// Plan an INSERT or UPDATE, also inside of EXPLAIN and PREPARE.
pub fn plan(state: &SessionState, statement: Statement) -> Outcome<LogicalPlan> {
    let has_types = match &statement {
        Statement::Statement(prepare) => {
            matches!(prepare.as_ref(), ast::Statement::Prepare { data_types, .. } if !data_types.is_empty())
        }
        _ => false,
    };
    Ok(match plan_with_types(state, statement)? {
        // What EXECUTE gives would be cast to the types that the planner found for itself.
        LogicalPlan::Statement(PlannedStatement::Prepare(p)) if !has_types => {
            LogicalPlan::Statement(PlannedStatement::Prepare(Prepare { fields: Vec::new(), ..p }))
        }
        plan => plan,
    })
}

fn plan_with_types(state: &SessionState, statement: Statement) -> Outcome<LogicalPlan> {
    let (rows, sets) = match innermost(&statement) {
        Some(ast::Statement::Insert(insert)) => match insert.source.as_deref() {
            Some(query) => match query.body.as_ref() {
                SetExpr::Values(values) if query.with.is_none() => {
                    (values.rows.iter().map(|row| row.content.clone()).collect(), HashMap::new())
                }
                _ => return insert_of_query(state, statement),
            },
            None => return planned(state, statement),
        },
        Some(ast::Statement::Update(update)) => (Vec::new(), assigned(update)),
        _ => return planned(state, statement),
    };
    let plan = planned(state, statement)?;
    let inner = |plan| match plan {
        LogicalPlan::Dml(dml) if matches!(dml.op, WriteOp::Update) => updated(dml, &sets),
        LogicalPlan::Dml(dml) => given(dml, &rows),
        other => Ok(other),
    };
    under(plan, Box::new(inner))
}

/// What UPDATE sets, by column.
fn assigned(update: &ast::Update) -> HashMap<String, ast::Expr> {
    let of = |assignment: &ast::Assignment| match &assignment.target {
        ast::AssignmentTarget::ColumnName(name) => match name.0.last() {
            Some(ast::ObjectNamePart::Identifier(column)) if column.quote_style.is_some() => {
                Some((column.value.clone(), assignment.value.clone()))
            }
            Some(ast::ObjectNamePart::Identifier(column)) => {
                Some((column.value.to_lowercase(), assignment.value.clone()))
            }
            _ => None,
        },
        ast::AssignmentTarget::Tuple(_) => None,
    };
    update.assignments.iter().filter_map(of).collect()
}

type Change<'a> = Box<dyn FnOnce(LogicalPlan) -> Outcome<LogicalPlan> + 'a>;

/// The plan with `change` made to what stands inside of EXPLAIN and PREPARE.
fn under(plan: LogicalPlan, change: Change<'_>) -> Outcome<LogicalPlan> {
    let inner = |plan: Arc<LogicalPlan>, change| under(Arc::unwrap_or_clone(plan), change).map(Arc::new);
    Ok(match plan {
        LogicalPlan::Explain(e) => LogicalPlan::Explain(Explain { plan: inner(e.plan, change)?, ..e }),
        LogicalPlan::Analyze(a) => LogicalPlan::Analyze(Analyze { input: inner(a.input, change)?, ..a }),
        LogicalPlan::Statement(PlannedStatement::Prepare(p)) => {
            LogicalPlan::Statement(PlannedStatement::Prepare(Prepare { input: inner(p.input, change)?, ..p }))
        }
        other => change(other)?,
    })
}

// ---- INSERT of a query ---------------------------------------------------------------------------------------------

/// The query is planned by itself; the planner's INSERT of as many nulls says which column takes which of its values.
fn insert_of_query(state: &SessionState, mut statement: Statement) -> Outcome<LogicalPlan> {
    let Some(ast::Statement::Insert(insert)) = innermost(&statement) else { return planned(state, statement) };
    let mut wanted = insert.clone();
    let Some(query) = wanted.source.take() else { return planned(state, statement) };
    if let Some(inner) = innermost_mut(&mut statement) {
        *inner = ast::Statement::Query(query);
    }
    let insert = |query: LogicalPlan| {
        let nulls: Vec<String> = (0..query.schema().fields().len()).map(|i| format!("NULL AS {}", nth(i))).collect();
        let mut nulls = parse(state, &format!("SELECT {}", nulls.join(", ")))?;
        if let Some(ast::Statement::Query(nulls)) = innermost_mut(&mut nulls) {
            wanted.source = Some(nulls.clone());
        }
        match planned(state, Statement::Statement(Box::new(ast::Statement::Insert(wanted))))? {
            LogicalPlan::Dml(dml) => taking(dml, query).map_err(Failure::planning),
            other => Ok(other),
        }
    };
    under(planned(state, statement)?, Box::new(insert))
}

/// The name of a null that stands for column `i` of the query.
fn nth(i: usize) -> String {
    format!("taken{i}")
}

fn taking(dml: DmlStatement, query: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(columns) = dml.input.as_ref() else { return Ok(LogicalPlan::Dml(dml)) };
    let table = name_of(&dml);
    let by_null: HashMap<String, usize> = (0..query.schema().fields().len()).map(|i| (nth(i), i)).collect();
    let mut taken = Vec::with_capacity(columns.expr.len());
    for (expr, field) in columns.expr.iter().zip(columns.schema.fields()) {
        let source = column_of(expr).and_then(|column| by_null.get(column.name.as_str()));
        taken.push(match source {
            Some(i) => {
                let value = Expr::Column(Column::from(query.schema().qualified_field(*i)));
                let value = match query.schema().field(*i).data_type() == field.data_type() {
                    true => value,
                    false => exact(&table, field.name(), value, field.data_type()),
                };
                value.alias(field.name())
            }
            None => expr.clone(),
        });
    }
    let input = LogicalPlan::Projection(Projection::try_new(taken, Arc::new(query))?);
    Ok(LogicalPlan::Dml(DmlStatement::new(dml.table_name, dml.target, dml.op, Arc::new(input))))
}

/// The column that a projection of INSERT shows, under its alias and the planner's cast.
fn column_of(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Alias(alias) => column_of(&alias.expr),
        Expr::Cast(cast) => column_of(&cast.expr),
        Expr::Column(column) => Some(column),
        _ => None,
    }
}

fn name_of(dml: &DmlStatement) -> String {
    let provider = source_as_provider(&dml.target).ok();
    let own = provider.as_ref().and_then(|p| p.downcast_ref::<ContractTable>()).map(|table| table.name.clone());
    own.unwrap_or_else(|| dml.table_name.to_string())
}

// ---- VALUES, and what UPDATE sets ----------------------------------------------------------------------------------

/// INSERT of the rows that VALUES wrote.
fn given(dml: DmlStatement, rows: &[Vec<ast::Expr>]) -> Outcome<LogicalPlan> {
    let table = name_of(&dml);
    let mut columns = HashMap::new();
    if let LogicalPlan::Projection(projection) = dml.input.as_ref() {
        for (expr, field) in projection.expr.iter().zip(projection.schema.fields()) {
            column_of(expr).map(|column| columns.insert(column.name.clone(), field.name().clone()));
        }
    }
    let input = Arc::unwrap_or_clone(dml.input).transform_down(|node| {
        let LogicalPlan::Values(mut given) = node else { return Ok(Transformed::no(node)) };
        for (row, written) in given.values.iter_mut().zip(rows) {
            for ((value, written), field) in row.iter_mut().zip(written).zip(given.schema.fields()) {
                let name = columns.get(field.name()).unwrap_or(field.name());
                *value = exactly(&table, name, std::mem::take(value), written, field.data_type());
            }
        }
        Ok(Transformed::yes(LogicalPlan::Values(Values { ..given })))
    });
    let input = Arc::new(input.map_err(Failure::planning)?.data);
    Ok(LogicalPlan::Dml(DmlStatement::new(dml.table_name, dml.target, dml.op, input)))
}

fn updated(dml: DmlStatement, sets: &HashMap<String, ast::Expr>) -> Outcome<LogicalPlan> {
    let LogicalPlan::Projection(columns) = dml.input.as_ref() else { return Ok(LogicalPlan::Dml(dml)) };
    let table = name_of(&dml);
    let set = |(expr, field): (&Expr, &FieldRef)| match (expr, sets.get(field.name())) {
        (Expr::Alias(alias), Some(written)) => {
            let value = alias.expr.as_ref().clone();
            exactly(&table, field.name(), value, written, field.data_type()).alias(field.name())
        }
        _ => expr.clone(),
    };
    let values = columns.expr.iter().zip(columns.schema.fields()).map(set).collect();
    let input = Projection::try_new(values, Arc::clone(&columns.input)).map_err(Failure::planning)?;
    let input = Arc::new(LogicalPlan::Projection(input));
    Ok(LogicalPlan::Dml(DmlStatement::new(dml.table_name, dml.target, dml.op, input)))
}

/// A value as the planner made it of what was written: its own cast is the outermost one, if any; a parameter's type is known later.
fn exactly(table: &str, column: &str, value: Expr, written: &ast::Expr, to: &DataType) -> Expr {
    match value {
        Expr::Cast(cast) if !is_cast(written) || matches!(*cast.expr, Expr::Cast(_) | Expr::TryCast(_)) => {
            exact(table, column, *cast.expr, to)
        }
        Expr::Placeholder(_) => exact(table, column, value, to),
        other => other,
    }
}

fn is_cast(written: &ast::Expr) -> bool {
    match written {
        ast::Expr::Nested(inner) => is_cast(inner),
        ast::Expr::Cast { .. } => true,
        _ => false,
    }
}

// ---- the cast ------------------------------------------------------------------------------------------------------

/// `value` as a value of `column`: the same one, or an error.
pub fn exact(table: &str, column: &str, value: Expr, to: &DataType) -> Expr {
    let function = Exact {
        place: format!("gate '{table}': column '{column}'"),
        to: to.clone(),
        signature: Signature::any(1, Volatility::Immutable),
    };
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::new_from_impl(function)), vec![value]))
}

/// The expression with the engine's own casts in place of those here, for who has seen that its values stay the same.
pub fn plain(expr: Expr) -> Result<Expr> {
    let plain = expr.transform(|e| match e {
        Expr::ScalarFunction(mut call) if call.func.inner().is::<Exact>() => {
            let Some(exact) = call.func.inner().downcast_ref::<Exact>() else {
                return Ok(Transformed::no(Expr::ScalarFunction(call)));
            };
            let to = exact.to.clone();
            Ok(Transformed::yes(Expr::Cast(Cast::new(Box::new(call.args.remove(0)), to))))
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(plain?.data)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact {
    /// Whose value it is, for messages.
    place: String,
    to: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for Exact {
    fn name(&self) -> &'static str {
        "exact_cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let is_nullable = args.arg_fields.iter().any(|f| f.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.to.clone(), is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = matches!(args.args[0], ColumnarValue::Scalar(_));
        let value = args.args[0].to_array(if is_scalar { 1 } else { args.number_rows })?;
        let out = self.cast(&value).map_err(Failure::into_engine)?;
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&out, 0)?),
            false => ColumnarValue::Array(out),
        })
    }
}

impl Exact {
    fn refuse(&self, what: impl std::fmt::Display) -> Failure {
        Failure::new(Status::Gate, format!("{}: {what}", self.place))
    }

    fn cast(&self, value: &ArrayRef) -> Outcome<ArrayRef> {
        if value.data_type() == &DataType::Null {
            return Ok(new_null_array(&self.to, value.len()));
        }
        let out = restamp(value, &self.to).map_err(|e| self.refuse(e))?;
        if same_type(value.data_type(), &self.to) {
            return Ok(out);
        }
        let compared = compared(value.data_type(), &self.to);
        let before = positive(restamp(value, &compared).map_err(|e| self.refuse(e))?);
        let lost = |row| {
            let shown = array_value_to_string(value, row).unwrap_or_default();
            let (from, to) = (value.data_type(), &self.to);
            self.refuse(format!(
                "{shown} ({from}) would be another value as {to}: round it, or CAST it to what it is to be"
            ))
        };
        match restamp(&out, &compared).map(positive) {
            Ok(after) if after.as_ref() == before.as_ref() => Ok(out),
            Ok(after) => {
                let differs = |row: &usize| before.slice(*row, 1).as_ref() != after.slice(*row, 1).as_ref();
                Err(lost((0..value.len()).find(differs).unwrap_or_default()))
            }
            Err(_) if !compared.is_nested() || value.is_empty() => Ok(out),
            Err(_) => Err(lost(0)),
        }
    }
}

/// -0.0 is 0.
fn positive(array: ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float64 => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(|x| x + 0.0)),
        DataType::Float32 => Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(|x| x + 0.0)),
        _ => array,
    }
}

/// The form in which values of `from` and what became of them as `to` are compared: that of `from`, but where a value of `to` is
/// all there is to know of it. Text says a value in words, in full; floats are as near as they can be; SQL has times in nanoseconds
/// only.
fn compared(from: &DataType, to: &DataType) -> DataType {
    use DataType::*;
    let item = |f: &FieldRef, to: &DataType| {
        let inner = item_of(to).map_or_else(|| f.data_type().clone(), |t| compared(f.data_type(), t.data_type()));
        Arc::new(f.as_ref().clone().with_data_type(inner))
    };
    match (from, to) {
        (List(f), _) if item_of(to).is_some() => List(item(f, to)),
        (LargeList(f), _) if item_of(to).is_some() => LargeList(item(f, to)),
        (FixedSizeList(f, n), _) if item_of(to).is_some() => FixedSizeList(item(f, to), *n),
        (Struct(have), Struct(want)) => {
            let field = |f: &FieldRef| {
                let there = want.iter().find(|w| w.name() == f.name());
                let inner = there.map_or_else(|| f.data_type().clone(), |w| compared(f.data_type(), w.data_type()));
                // What the column has not comes back as null.
                Field::new(f.name(), inner, true)
            };
            Struct(have.iter().map(field).collect::<Fields>())
        }
        (Map(..), _) => to.clone(),
        (Utf8 | LargeUtf8 | Utf8View, _) => finest(to),
        (Timestamp(TimeUnit::Nanosecond, _), Timestamp(TimeUnit::Microsecond, _))
        | (Time64(TimeUnit::Nanosecond), Time64(TimeUnit::Microsecond)) => to.clone(),
        _ if is_value(from) && is_value(to) && !(from.is_floating() && to.is_floating()) => from.clone(),
        _ => to.clone(),
    }
}

/// What holds all that a text may say of a value of this type.
fn finest(to: &DataType) -> DataType {
    use DataType::*;
    const MORE_DIGITS: i8 = 19;
    match to {
        Decimal32(_, scale) | Decimal64(_, scale) | Decimal128(_, scale) | Decimal256(_, scale) => {
            Decimal256(DECIMAL256_MAX_PRECISION, scale.saturating_add(MORE_DIGITS).min(DECIMAL256_MAX_SCALE))
        }
        Date32 | Date64 => Timestamp(TimeUnit::Microsecond, None),
        Timestamp(TimeUnit::Second | TimeUnit::Millisecond, zone) => Timestamp(TimeUnit::Microsecond, zone.clone()),
        Time32(_) => Time64(TimeUnit::Microsecond),
        other => other.clone(),
    }
}

fn item_of(data_type: &DataType) -> Option<&FieldRef> {
    match data_type {
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => Some(f),
        _ => None,
    }
}

fn is_value(data_type: &DataType) -> bool {
    data_type.is_numeric() || data_type.is_temporal() || *data_type == DataType::Boolean
}
