//! unique.rs — what hashes of values say: whether a key tells the rows of a write apart, at eight bytes a row, and whether two
//! sets of rows hold the same values, at eight bytes a column.
//!
//! Key hashes that all differ prove that the keys do; two equal ones prove nothing, and whoever asked has to look at the rows.
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::NullBuffer;
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

/// The rows of a key that have a null in it, which no other row can repeat; None: there is none.
pub fn nulls_of(key: &[ArrayRef]) -> Option<NullBuffer> {
    let all = key.iter().fold(None, |nulls, column| NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref()));
    all.filter(|nulls| nulls.null_count() > 0)
}

fn part_of(hash: u64) -> usize {
    usize::from(hash.to_be_bytes()[0])
}

impl KeyHashes {
    /// None when there is no key, or when equal keys may have different bytes, as zeros of floats have.
    pub fn new(schema: &SchemaRef, names: &[String]) -> Outcome<Option<KeyHashes>> {
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
        Ok((!columns.is_empty()).then(|| KeyHashes { columns, parts: Mutex::new(vec![Vec::new(); N_PARTS]) }))
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
