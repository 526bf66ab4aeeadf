//! unique.rs — whether a key tells the rows of a write apart, at eight bytes a row.
//!
//! Hashes that all differ prove that the keys do; two equal ones prove nothing, and whoever asked has to look at the rows.
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
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
