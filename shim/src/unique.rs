//! unique.rs — whether a key tells the rows of a write apart, and whether two sets of rows hold the same values, by their hashes,
//! at eight bytes a column.
//!
//! Where rows come in an order that puts equal keys side by side, each is held against the one in front of it. Elsewhere the hashes
//! of all keys are kept, at eight bytes a row: that they all differ proves that the keys do; two equal ones prove nothing, and
//! whoever asked has to look at the rows.
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::compute::and;
use arrow::compute::kernels::cmp::not_distinct;
use arrow::datatypes::SchemaRef;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};

use crate::error::{Failure, Outcome};
use crate::schema::index_by_name;

/// Hashes apart by their first byte, so that memory grows in small steps and never holds all of them twice.
const N_PARTS: usize = 256;

#[derive(Debug)]
pub struct KeyHashes {
    columns: Vec<usize>,
    parts: Mutex<Vec<Vec<u64>>>,
}

/// The key of the last row so far, and whether a row was equal to the one in front of it.
#[derive(Debug, Default)]
struct Seen {
    last: Vec<ArrayRef>,
    is_repeated: bool,
}

#[derive(Debug)]
pub struct KeyNeighbours {
    columns: Vec<usize>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
pub enum KeyWatch {
    Hashes(KeyHashes),
    Neighbours(KeyNeighbours),
}

/// The rows of a key that have a null in it, which no other row can repeat; None: there is none.
pub fn nulls_of(key: &[ArrayRef]) -> Option<NullBuffer> {
    let all = key.iter().fold(None, |nulls, column| NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref()));
    all.filter(|nulls| nulls.null_count() > 0)
}

fn part_of(hash: u64) -> usize {
    usize::from(hash.to_be_bytes()[0])
}

/// None when there is no key, or when equal keys may have different bytes, as zeros of floats have.
fn key_columns(schema: &SchemaRef, names: &[String]) -> Outcome<Option<Vec<usize>>> {
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
    Ok((!columns.is_empty()).then_some(columns))
}

impl KeyWatch {
    /// `order`   what the rows are known to be sorted by
    pub fn new(schema: &SchemaRef, names: &[String], order: &[String]) -> Outcome<Option<KeyWatch>> {
        let is_side_by_side =
            order.get(..names.len()).is_some_and(|first| names.iter().all(|name| first.contains(name)));
        if !is_side_by_side {
            return Ok(KeyHashes::new(schema, names)?.map(KeyWatch::Hashes));
        }
        let columns = key_columns(schema, names)?;
        Ok(columns.map(|columns| KeyWatch::Neighbours(KeyNeighbours { columns, seen: Mutex::default() })))
    }

    pub fn pass(&self, batch: &RecordBatch) -> Outcome<()> {
        match self {
            KeyWatch::Hashes(hashes) => hashes.pass(batch),
            KeyWatch::Neighbours(neighbours) => neighbours.pass(batch),
        }
    }

    pub fn is_unique(&self) -> bool {
        match self {
            KeyWatch::Hashes(hashes) => hashes.is_unique(),
            KeyWatch::Neighbours(neighbours) => neighbours.is_unique(),
        }
    }
}

/// Whether one row of a key is the same in all columns of `a` and `b`. Nulls are alike: more than unique keys ask for, and then
/// the rows are looked at.
fn has_equal(a: &[ArrayRef], b: &[ArrayRef]) -> Outcome<bool> {
    let mut equal: Option<BooleanArray> = None;
    for (a, b) in a.iter().zip(b) {
        let here = not_distinct(a, b)?;
        equal = Some(match equal {
            Some(so_far) => and(&so_far, &here)?,
            None => here,
        });
    }
    Ok(equal.is_some_and(|equal| equal.has_true()))
}

impl KeyNeighbours {
    fn pass(&self, batch: &RecordBatch) -> Outcome<()> {
        let n_rows = batch.num_rows();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if n_rows == 0 || seen.is_repeated {
            return Ok(());
        }
        let cut = |from: usize, n: usize| -> Vec<ArrayRef> {
            self.columns.iter().map(|i| batch.column(*i).slice(from, n)).collect()
        };
        seen.is_repeated = has_equal(&seen.last, &cut(0, 1))? || has_equal(&cut(0, n_rows - 1), &cut(1, n_rows - 1))?;
        seen.last = cut(n_rows - 1, 1);
        Ok(())
    }

    fn is_unique(&self) -> bool {
        !self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_repeated
    }
}

impl KeyHashes {
    pub fn new(schema: &SchemaRef, names: &[String]) -> Outcome<Option<KeyHashes>> {
        let columns = key_columns(schema, names)?;
        Ok(columns.map(|columns| KeyHashes { columns, parts: Mutex::new(vec![Vec::new(); N_PARTS]) }))
    }

    pub fn pass(&self, batch: &RecordBatch) -> Outcome<()> {
        let mut hashes = vec![0; batch.num_rows()];
        create_hashes(self.columns.iter().map(|i| batch.column(*i)), &QualityRandomState::with_seed(0), &mut hashes)
            .map_err(Failure::running)?;
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        for hash in hashes {
            if let Some(part) = parts.get_mut(part_of(hash)) {
                part.push(hash);
            }
        }
        Ok(())
    }

    pub fn is_unique(&self) -> bool {
        let parts = std::mem::take(&mut *self.parts.lock().unwrap_or_else(PoisonError::into_inner));
        parts.into_iter().all(|mut hashes| {
            hashes.sort_unstable();
            hashes.windows(2).all(|pair| pair[0] != pair[1])
        })
    }
}

/// What the values of each column add up to: the sum of their hashes, and how many are null. The same rows in any order give the same.
#[derive(Debug)]
pub struct Sums(Mutex<Vec<(u64, usize)>>);

impl Sums {
    pub fn new(n_columns: usize) -> Sums {
        Sums(Mutex::new(vec![(0, 0); n_columns]))
    }

    pub fn pass(&self, batch: &RecordBatch) -> Outcome<()> {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (column, (sum, n_nulls)) in batch.columns().iter().zip(sums.iter_mut()) {
            let mut hashes = vec![0; batch.num_rows()];
            create_hashes([column], &QualityRandomState::with_seed(0), &mut hashes).map_err(Failure::running)?;
            *sum = hashes.iter().fold(*sum, |sum, hash| sum.wrapping_add(*hash));
            *n_nulls += column.logical_null_count();
        }
        Ok(())
    }

    /// The first column in which they differ.
    pub fn difference(&self, other: &Sums) -> Option<usize> {
        let (a, b) = (self.0.lock(), other.0.lock());
        let (a, b) = (a.unwrap_or_else(PoisonError::into_inner), b.unwrap_or_else(PoisonError::into_inner));
        a.iter().zip(b.iter()).position(|(x, y)| x != y)
    }
}
