//! gate.rs — no row passes that its contract forbids.
//!
//! Names, order and types are compared once a stream; each batch is then searched for nulls where the contract says NOT NULL,
//! at every depth: a null child under a valid parent is refused, a child under a null parent is no value at all. The message
//! names the path (`nodes[].kind`) and the row. What passes is cut into pieces of bounded weight.
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, FixedSizeListArray, LargeListArray, ListArray, MapArray, RecordBatch, StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, SchemaRef};

use crate::check::Checks;
use crate::error::{Failure, Outcome, Status};
use crate::schema::{difference, restamp_batch};
use crate::sorted::Watch;
use crate::unique::{KeyWatch, Sums};

/// A piece that goes to the writer weighs about this; pieces wait in queues, so this bounds memory.
const PIECE_BYTES: usize = 8 << 20;

#[derive(Debug, Clone)]
pub struct Gate {
    /// For messages: a dataset's name or a location.
    pub dataset: String,
    pub schema: SchemaRef,
    /// What goes out.
    pub stored: SchemaRef,
    /// What else is proved of the rows, or looked at.
    pub checks: Option<Arc<Checks>>,
    pub key: Option<Arc<KeyWatch>>,
    pub order: Option<Arc<Watch>>,
    pub sums: Option<Arc<Sums>>,
}

impl Gate {
    pub fn new(dataset: String, schema: SchemaRef, stored: SchemaRef) -> Gate {
        Gate { dataset, schema, stored, checks: None, key: None, order: None, sums: None }
    }

    fn refuse(&self, text: impl std::fmt::Display) -> Failure {
        Failure::new(Status::Gate, format!("gate '{}': {text}", self.dataset))
    }

    pub fn check_schema(&self, have: &SchemaRef) -> Outcome<()> {
        match difference(have, &self.schema) {
            None => Ok(()),
            Some(text) => Err(self.refuse(text)),
        }
    }

    /// Check a batch and give it out in stored form, in pieces. `first_row` counts the stream's rows before it.
    pub fn pass(&self, batch: &RecordBatch, first_row: u64) -> Outcome<Vec<RecordBatch>> {
        self.check_batch(batch, first_row)?;
        let out = restamp_batch(batch, &self.stored).map_err(|e| self.refuse(e))?;
        if let Some(checks) = &self.checks
            && let Some(said) = checks.failing(&out, first_row)?
        {
            return Err(Failure::new(Status::Gate, said));
        }
        if let Some(key) = &self.key {
            key.pass(&out)?;
        }
        if let Some(order) = &self.order {
            order.pass(&out)?;
        }
        if let Some(sums) = &self.sums {
            sums.pass(&out)?;
        }
        Ok(pieces(&out))
    }

    pub fn check_batch(&self, batch: &RecordBatch, first_row: u64) -> Outcome<()> {
        self.check_schema(&batch.schema())?;
        for (column, field) in batch.columns().iter().zip(self.schema.fields()) {
            self.check(column, field, first_row)?;
        }
        Ok(())
    }

    fn check(&self, column: &ArrayRef, field: &Field, first_row: u64) -> Outcome<()> {
        let mut levels = Vec::new();
        check_level(column, field, &mut levels, field.name()).map_err(|bad| {
            let row = first_row + bad.row as u64;
            self.refuse(format!("column '{}' is null in row {row}", bad.path))
        })
    }
}

struct Bad {
    path: String,
    row: usize,
}

/// How an index of a level maps to its parent's.
enum Up<'a> {
    Struct(Option<&'a NullBuffer>),
    List(&'a [i32], Option<&'a NullBuffer>),
    LargeList(&'a [i64], Option<&'a NullBuffer>),
    Fixed(usize, Option<&'a NullBuffer>),
}

impl Up<'_> {
    /// The parent's index, or None when there is no value here: the parent is null, or no list holds this item.
    fn parent(&self, index: usize) -> Option<usize> {
        let (parent, nulls) = match self {
            Up::Struct(nulls) => (index, nulls),
            Up::List(offsets, nulls) => (holder(offsets, i32::try_from(index).ok()?)?, nulls),
            Up::LargeList(offsets, nulls) => (holder(offsets, i64::try_from(index).ok()?)?, nulls),
            Up::Fixed(size, nulls) => (index.checked_div(*size)?, nulls),
        };
        match nulls {
            Some(nulls) if parent >= nulls.len() || nulls.is_null(parent) => None,
            _ => Some(parent),
        }
    }
}

fn holder<T: PartialOrd + Copy>(offsets: &[T], index: T) -> Option<usize> {
    let after = offsets.partition_point(|o| *o <= index);
    // `after` offsets are at or before the index; it belongs to the list that the last of them starts.
    (after >= 1 && after < offsets.len()).then(|| after - 1)
}

/// The first row in which something is null that `field` forbids, at any depth.
pub fn null_row(column: &ArrayRef, field: &Field) -> Option<usize> {
    check_level(column, field, &mut Vec::new(), field.name()).err().map(|bad| bad.row)
}

/// Depth is the schema's, which the contract bounds.
fn check_level<'a>(array: &'a ArrayRef, field: &Field, levels: &mut Vec<Up<'a>>, path: &str) -> Result<(), Bad> {
    if !field.is_nullable() {
        find_null(array, levels, path)?;
    }
    match (array.data_type(), field.data_type()) {
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let Some(rows) = array.as_any().downcast_ref::<StructArray>() else { return Ok(()) };
            for (column, f) in rows.columns().iter().zip(fields) {
                levels.push(Up::Struct(rows.nulls()));
                let result = check_level(column, f, levels, &format!("{path}.{}", f.name()));
                levels.pop();
                result?;
            }
            Ok(())
        }
        (DataType::List(_), to) => {
            let (Some(list), Some(item)) = (array.as_any().downcast_ref::<ListArray>(), item_of(to)) else {
                return Ok(());
            };
            levels.push(Up::List(list.offsets(), list.nulls()));
            let result = check_level(list.values(), item, levels, &format!("{path}[]"));
            levels.pop();
            result
        }
        (DataType::LargeList(_), to) => {
            let (Some(list), Some(item)) = (array.as_any().downcast_ref::<LargeListArray>(), item_of(to)) else {
                return Ok(());
            };
            levels.push(Up::LargeList(list.offsets(), list.nulls()));
            let result = check_level(list.values(), item, levels, &format!("{path}[]"));
            levels.pop();
            result
        }
        (DataType::FixedSizeList(..), to) => {
            let (Some(list), Some(item)) = (array.as_any().downcast_ref::<FixedSizeListArray>(), item_of(to)) else {
                return Ok(());
            };
            let size = usize::try_from(list.value_length()).unwrap_or(0);
            levels.push(Up::Fixed(size, list.nulls()));
            let result = check_level(list.values(), item, levels, &format!("{path}[]"));
            levels.pop();
            result
        }
        (DataType::Map(..), DataType::Map(entries, _)) => {
            let (Some(map), DataType::Struct(kv)) = (array.as_any().downcast_ref::<MapArray>(), entries.data_type())
            else {
                return Ok(());
            };
            for (column, f) in map.entries().columns().iter().zip(kv) {
                levels.push(Up::List(map.offsets(), map.nulls()));
                let result = check_level(column, f, levels, &format!("{path}{{{}}}", f.name()));
                levels.pop();
                result?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn item_of(data_type: &DataType) -> Option<&Field> {
    match data_type {
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => Some(f),
        _ => None,
    }
}

fn find_null(array: &ArrayRef, levels: &[Up<'_>], path: &str) -> Result<(), Bad> {
    // Logical: a dictionary whose value is null, and an array of the null type, count too.
    let Some(nulls) = array.logical_nulls() else { return Ok(()) };
    if nulls.null_count() == 0 {
        return Ok(());
    }
    for index in (0..nulls.len()).filter(|i| nulls.is_null(*i)) {
        let mut at = Some(index);
        for level in levels.iter().rev() {
            at = at.and_then(|i| level.parent(i));
        }
        if let Some(row) = at {
            return Err(Bad { path: path.to_owned(), row });
        }
    }
    Ok(())
}

/// Cut where the weight says so. Rows differ by orders of magnitude, so weight is measured, by halving.
fn pieces(batch: &RecordBatch) -> Vec<RecordBatch> {
    let mut out = Vec::new();
    let mut todo = vec![batch.clone()];
    while let Some(piece) = todo.pop() {
        let n_rows = piece.num_rows();
        if n_rows > 1 && weight(&piece) > PIECE_BYTES {
            let half = n_rows / 2;
            todo.push(piece.slice(half, n_rows - half));
            todo.push(piece.slice(0, half));
        } else if n_rows > 0 {
            out.push(piece);
        }
    }
    out
}

fn weight(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

/// Count what passed, and keep the first refusal: delta-rs turns foreign errors into text.
#[derive(Debug, Default)]
pub struct Tally {
    pub n_rows: std::sync::atomic::AtomicU64,
    pub failure: std::sync::Mutex<Option<Failure>>,
}

impl Tally {
    pub fn fail(&self, failure: &Failure) {
        if let Ok(mut slot) = self.failure.lock()
            && slot.is_none()
        {
            *slot = Some(failure.clone());
        }
    }

    pub fn take(&self) -> Option<Failure> {
        self.failure.lock().ok().and_then(|mut slot| slot.take())
    }
}

pub type SharedTally = Arc<Tally>;
