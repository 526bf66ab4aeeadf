//! proof.rs — what a write proves of its rows besides types and nulls: the contract's checks, and that the key is unique.
//!
//! A check is an SQL expression over one row, or over one item of a list column as its exploded view shows it. It is planned
//! once a write and run over the columns it names, on rows that are in memory anyway: proving it later would read and
//! decode the table again. The first row that makes it false refuses the write; null is not false.
//!
//! For the key the gate keeps eight bytes a row, a hash. Hashes that all differ prove that the keys do; two equal ones prove
//! nothing, and whoever asked has to look at the rows.
use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, BooleanArray, ListArray, RecordBatch, StructArray, UInt64Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::execution::SessionState;
use datafusion::physical_expr::PhysicalExpr;

use crate::error::{Failure, Outcome, Status};
use crate::schema::{index_by_name, new_batch};

/// `struct cadf_check`, owned. `list`: the list column whose items it speaks of.
#[derive(Debug, Clone)]
pub struct CheckText {
    pub name: String,
    pub sql: String,
    pub list: Option<String>,
}

#[derive(Debug)]
pub struct Proofs {
    checks: Vec<Check>,
    key: Option<Key>,
}

struct Check {
    text: CheckText,
    columns: Vec<Source>,
    schema: SchemaRef,
    list: Option<usize>,
    expression: Arc<dyn PhysicalExpr>,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({})", self.text.name)
    }
}

/// Where a column of a check comes from: the row, or the item.
#[derive(Debug, Clone, Copy)]
enum Source {
    Row(usize),
    Item(usize),
}

#[derive(Debug)]
struct Key {
    columns: Vec<usize>,
    hashes: Mutex<Vec<u64>>,
}

impl Proofs {
    /// `schema` is what the gate gives out.
    pub fn plan(state: &SessionState, schema: &SchemaRef, checks: &[CheckText], key: &[String]) -> Outcome<Proofs> {
        let checks = checks
            .iter()
            .map(|text| Check::plan(state, schema, text).map_err(|f| f.context(format!("check '{}'", text.name))))
            .collect::<Outcome<_>>()?;
        Ok(Proofs { checks, key: Key::new(schema, key)? })
    }

    /// `first_row` counts the stream's rows before the batch.
    pub fn pass(&self, batch: &RecordBatch, first_row: u64) -> Outcome<()> {
        for check in &self.checks {
            check.pass(batch, first_row)?;
        }
        match &self.key {
            Some(key) => key.pass(batch),
            None => Ok(()),
        }
    }

    /// Whether no two of the rows that passed have one key. False also when that is not known.
    pub fn is_key_unique(&self) -> bool {
        self.key.as_ref().is_some_and(Key::is_unique)
    }
}

// ---- checks -------------------------------------------------------------------------------------------------------

impl Check {
    fn plan(state: &SessionState, schema: &SchemaRef, text: &CheckText) -> Outcome<Check> {
        let list = text.list.as_ref().map(|name| list_column(schema, name)).transpose()?;
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
        let logical = state.create_logical_expr(&text.sql, &all).map_err(Failure::planning)?;
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
        Ok(Check { text: text.clone(), columns, schema, list: list.map(|(index, _)| index), expression })
    }

    fn pass(&self, batch: &RecordBatch, first_row: u64) -> Outcome<()> {
        let refuse = |place: String| {
            Failure::new(Status::Gate, format!("check '{}' fails in {place}: {}", self.text.name, self.text.sql))
        };
        let Some(column) = self.list else {
            let rows = self.gather(batch, None)?;
            return match self.failing(&rows)?.first() {
                None => Ok(()),
                Some(row) => Err(refuse(format!("row {}", first_row + *row as u64))),
            };
        };
        let items = Items::of(batch.column(column))?;
        let rows = self.gather(batch, Some(&items))?;
        for index in self.failing(&rows)? {
            if let Some((row, item)) = items.place(index) {
                let list = self.text.list.as_deref().unwrap_or_default();
                return Err(refuse(format!("row {}, item {item} of '{list}'", first_row + row as u64)));
            }
        }
        Ok(())
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

// ---- the key ------------------------------------------------------------------------------------------------------

impl Key {
    /// None when there is no key, or when equal keys may have different bytes, as zeros of floats have.
    fn new(schema: &SchemaRef, names: &[String]) -> Outcome<Option<Key>> {
        let by_name = index_by_name(schema);
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let Some(index) = by_name.get(name.as_str()) else {
                return Err(Failure::invalid(format!("key column '{name}' is not in the schema")));
            };
            let data_type = schema.field(*index).data_type();
            if data_type.is_floating() || data_type.is_nested() {
                return Ok(None);
            }
            columns.push(*index);
        }
        Ok((!columns.is_empty()).then(|| Key { columns, hashes: Mutex::new(Vec::new()) }))
    }

    fn pass(&self, batch: &RecordBatch) -> Outcome<()> {
        let mut hashes = vec![0; batch.num_rows()];
        create_hashes(self.columns.iter().map(|i| batch.column(*i)), &QualityRandomState::with_seed(0), &mut hashes)
            .map_err(Failure::running)?;
        self.hashes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend_from_slice(&hashes);
        Ok(())
    }

    fn is_unique(&self) -> bool {
        let mut hashes = std::mem::take(&mut *self.hashes.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        hashes.sort_unstable();
        hashes.windows(2).all(|pair| pair[0] != pair[1])
    }
}
