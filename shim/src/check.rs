//! check.rs — a contract's checks, planned once a write and run over rows that are in memory.
//!
//! A check is an SQL expression over one row, or over one item of a list column as its exploded view shows it. Only the columns
//! that it names are put together for it; proving it from the table would read and decode everything again. Null is not false.
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, ListArray, RecordBatch, StructArray, UInt64Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::physical_expr::PhysicalExpr;

use crate::error::{Failure, Outcome, Status};
use crate::rules::Check;
use crate::schema::{index_by_name, new_batch};

#[derive(Debug)]
pub struct Checks(Vec<Planned>);

/// Why an expression says something else than one and the same thing of each row by itself; None: it does not.
pub fn not_row_by_row(expr: &Expr) -> Option<&'static str> {
    let mut why = None;
    let _ = expr.apply(|e| {
        why = match e {
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_) => {
                Some("it has a subquery")
            }
            Expr::OuterReferenceColumn(..) => Some("it reads more than the table"),
            Expr::ScalarFunction(call) if call.func.signature().volatility == Volatility::Volatile => {
                Some("it has a value that is another each time")
            }
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) => Some("it looks at several rows at once"),
            Expr::Placeholder(_) => Some("a parameter has no value"),
            _ => None,
        };
        Ok(if why.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    why
}

impl Checks {
    /// `schema` is that of the rows that will pass.
    pub fn plan(state: &SessionState, schema: &SchemaRef, checks: &[Check]) -> Outcome<Checks> {
        let plan = |c: &Check| Planned::new(state, schema, c).map_err(|f| f.context(format!("check '{}'", c.name)));
        Ok(Checks(checks.iter().map(plan).collect::<Outcome<_>>()?))
    }

    /// The columns that they name.
    pub fn columns(&self) -> Vec<String> {
        let of = |p: &Planned| {
            let rows = p.columns.iter().zip(p.schema.fields()).filter(|(source, _)| matches!(source, Source::Row(_)));
            let rows: Vec<String> = rows.map(|(_, field)| field.name().clone()).collect();
            rows.into_iter().chain(p.check.unnest.clone()).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of).collect()
    }

    /// The rows that make check `index` false, with the item where it speaks of items; at most `limit` of them.
    pub fn failing_rows(
        &self,
        index: usize,
        batch: &RecordBatch,
        limit: usize,
    ) -> Outcome<Vec<(usize, Option<usize>)>> {
        let planned = &self.0[index];
        let Some(list) = planned.list else {
            let rows = planned.failing(&planned.gather(batch, None)?)?;
            return Ok(rows.into_iter().take(limit).map(|row| (row, None)).collect());
        };
        let items = Items::of(batch.column(list))?;
        let failing = planned.failing(&planned.gather(batch, Some(&items))?)?;
        let places = failing.into_iter().filter_map(|i| items.place(i)).take(limit);
        Ok(places.map(|(row, item)| (row, Some(item))).collect())
    }

    /// What the first row says that makes one false. `first_row` counts the rows before the batch.
    pub fn failing(&self, batch: &RecordBatch, first_row: u64) -> Outcome<Option<String>> {
        for planned in &self.0 {
            if let Some(place) = planned.first_failing(batch, first_row)? {
                return Ok(Some(format!("check '{}' fails in {place}: {}", planned.check.name, planned.check.sql)));
            }
        }
        Ok(None)
    }
}

struct Planned {
    check: Check,
    columns: Vec<Source>,
    schema: SchemaRef,
    list: Option<usize>,
    expression: Arc<dyn PhysicalExpr>,
}

impl fmt::Debug for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({})", self.check.name)
    }
}

/// Where a column of a check comes from: the row, or the item.
#[derive(Debug, Clone, Copy)]
enum Source {
    Row(usize),
    Item(usize),
}

impl Planned {
    fn new(state: &SessionState, schema: &SchemaRef, check: &Check) -> Outcome<Planned> {
        let list = check.unnest.as_ref().map(|name| list_column(schema, name)).transpose()?;
        let mut fields: Vec<FieldRef> = Vec::new();
        let mut sources = Vec::new();
        if let Some((_, items)) = &list {
            for (i, field) in items.iter().enumerate() {
                fields.push(Arc::clone(field));
                sources.push(Source::Item(i));
            }
        }
        for (i, field) in schema.fields().iter().enumerate() {
            // An item's field hides the row's column of its name.
            if !fields.iter().any(|f| f.name() == field.name()) {
                fields.push(Arc::clone(field));
                sources.push(Source::Row(i));
            }
        }
        let all = DFSchema::try_from(Schema::new(fields.clone())).map_err(Failure::planning)?;
        let logical = state.create_logical_expr(&check.sql, &all).map_err(Failure::planning)?;
        if let Some(why) = not_row_by_row(&logical) {
            return Err(Failure::new(Status::Plan, format!("{why}, and a check is asked of each row by itself")));
        }
        // Only what it names is put together for it.
        let named = logical.column_refs();
        let used: Vec<usize> =
            (0..fields.len()).filter(|i| named.iter().any(|c| c.name() == fields[*i].name().as_str())).collect();
        let schema: SchemaRef = Arc::new(Schema::new(used.iter().map(|i| Arc::clone(&fields[*i])).collect::<Vec<_>>()));
        let narrow = DFSchema::try_from(Arc::clone(&schema)).map_err(Failure::planning)?;
        let expression = state.create_physical_expr(logical, &narrow).map_err(Failure::planning)?;
        match expression.data_type(&schema).map_err(Failure::planning)? {
            DataType::Boolean | DataType::Null => {}
            other => return Err(Failure::new(Status::Plan, format!("it yields {other}, not true or false"))),
        }
        let columns = used.iter().map(|i| sources[*i]).collect();
        Ok(Planned { check: check.clone(), columns, schema, list: list.map(|(index, _)| index), expression })
    }

    /// The place of the first row that makes it false.
    fn first_failing(&self, batch: &RecordBatch, first_row: u64) -> Outcome<Option<String>> {
        let Some(list) = self.list else {
            let rows = self.gather(batch, None)?;
            return Ok(self.failing(&rows)?.first().map(|row| format!("row {}", first_row + *row as u64)));
        };
        let items = Items::of(batch.column(list))?;
        let rows = self.gather(batch, Some(&items))?;
        let place = self.failing(&rows)?.into_iter().find_map(|index| items.place(index));
        let name = self.check.unnest.as_deref().unwrap_or_default();
        Ok(place.map(|(row, item)| format!("row {}, item {item} of '{name}'", first_row + row as u64)))
    }

    fn gather(&self, batch: &RecordBatch, items: Option<&Items>) -> Outcome<RecordBatch> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for source in &self.columns {
            columns.push(match (source, items) {
                (Source::Row(i), None) => Arc::clone(batch.column(*i)),
                (Source::Row(i), Some(items)) => take(batch.column(*i).as_ref(), &items.rows(), None)?,
                (Source::Item(i), Some(items)) => Arc::clone(items.values.column(*i)),
                (Source::Item(_), None) => return Err(Failure::new(Status::Execution, "an item without its list")),
            });
        }
        new_batch(Arc::clone(&self.schema), columns, items.map_or(batch.num_rows(), |i| i.values.len()))
    }

    /// The rows that make it false.
    fn failing(&self, rows: &RecordBatch) -> Outcome<Vec<usize>> {
        let result = self.expression.evaluate(rows).and_then(|v| v.into_array(rows.num_rows()));
        let result = result.map_err(Failure::running)?;
        let Some(holds) = result.as_any().downcast_ref::<BooleanArray>() else { return Ok(Vec::new()) };
        let mut fails: BooleanBuffer = !holds.values();
        if let Some(nulls) = holds.nulls() {
            fails = &fails & nulls.inner();
        }
        Ok(fails.set_indices().collect())
    }
}

fn list_column<'a>(schema: &'a SchemaRef, name: &str) -> Outcome<(usize, &'a [FieldRef])> {
    let index = index_by_name(schema).get(name).copied();
    let item = index.map(|i| schema.field(i)).and_then(|f: &Field| match f.data_type() {
        DataType::List(item) => Some(item),
        _ => None,
    });
    match (index, item.map(|i| i.data_type())) {
        (Some(index), Some(DataType::Struct(fields))) => Ok((index, fields)),
        _ => Err(Failure::new(Status::Plan, format!("column '{name}' is not a list of structs"))),
    }
}

/// The items of a list column, one after the other.
struct Items {
    list: ListArray,
    values: StructArray,
}

impl Items {
    fn of(column: &ArrayRef) -> Outcome<Items> {
        let broken = || Failure::new(Status::Execution, "the items of a list are no structs");
        let list = column.as_any().downcast_ref::<ListArray>().ok_or_else(broken)?;
        let offsets = list.offsets();
        let (first, last) = (offsets[0] as usize, offsets[list.len()] as usize);
        let values = list.values().slice(first, last - first);
        let values = values.as_any().downcast_ref::<StructArray>().ok_or_else(broken)?;
        Ok(Items { list: list.clone(), values: values.clone() })
    }

    /// The row of each item.
    fn rows(&self) -> UInt64Array {
        let offsets = self.list.offsets();
        (0..self.list.len())
            .flat_map(|row| std::iter::repeat_n(row as u64, (offsets[row + 1] - offsets[row]) as usize))
            .collect::<Vec<_>>()
            .into()
    }

    /// Row and position in its list; None when nothing is there: the list or the item is null.
    fn place(&self, index: usize) -> Option<(usize, usize)> {
        let offsets = self.list.offsets();
        let at = i32::try_from(index).ok()? + offsets[0];
        let row = offsets.partition_point(|o| *o <= at).checked_sub(1)?;
        let is_there = self.list.is_valid(row) && self.values.is_valid(index);
        is_there.then(|| (row, (at - offsets[row]) as usize))
    }
}
