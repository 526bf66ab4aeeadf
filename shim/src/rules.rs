//! rules.rs — what a contract demands of the rows that are written, as the host says it.
use std::ffi::c_char;

use crate::error::{Failure, Outcome};
use crate::text;
use crate::write::WriteOptions;
use crate::{CNames, CWrite, keys_of};

/// `struct cadf_check`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CCheck {
    name: *const c_char,
    unnest: *const c_char,
    sql: *const c_char,
}

/// `struct cadf_rules`.
#[repr(C)]
pub struct CRules {
    write: *const CWrite,
    unique: *const CNames,
    n_unique: usize,
    default_columns: *const *const c_char,
    default_sql: *const *const c_char,
    n_defaults: usize,
}

#[derive(Debug, Clone)]
pub struct Check {
    pub name: String,
    /// The list whose items are the rows that are checked; None: the table's own rows.
    pub unnest: Option<String>,
    pub sql: String,
}

#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// How rows are written; where, is said by the table.
    pub write: WriteOptions,
    /// Where the first INSERT makes the table.
    pub place: Option<String>,
    pub key: Vec<String>,
    /// Keys that may hold nulls, which are no duplicates.
    pub unique: Vec<Vec<String>>,
    pub checks: Vec<Check>,
    pub defaults: Vec<(String, String)>,
}

impl Rules {
    /// NULL: nothing is demanded.
    pub fn borrow(rules: *const CRules) -> Outcome<Option<Rules>> {
        // SAFETY: NULL, or borrowed for the call.
        let Some(rules) = (unsafe { rules.as_ref() }) else { return Ok(None) };
        // SAFETY: as above.
        let write = unsafe { rules.write.as_ref() }.ok_or_else(|| Failure::invalid("the rules' write is missing"))?;
        Ok(Some(Rules {
            write: write.tuning()?,
            place: write.location()?,
            key: write.key()?,
            unique: keys_of(rules.unique, rules.n_unique)?,
            checks: write.checks()?,
            defaults: text::pairs(rules.default_columns, rules.default_sql, rules.n_defaults, "defaults")?,
        }))
    }

    /// The same without the keys that no column of `is_changed` belongs to: they stay as unique as they were.
    pub fn touched(&self, is_changed: impl Fn(&str) -> bool) -> Rules {
        let touches = |key: &Vec<String>| key.iter().any(|name| is_changed(name));
        let key = if touches(&self.key) { self.key.clone() } else { Vec::new() };
        let unique = self.unique.iter().filter(|key| touches(key)).cloned().collect();
        Rules { key, unique, ..self.clone() }
    }

    /// Every key with what it is called, the primary one first.
    pub fn keys(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let primary = (!self.key.is_empty()).then_some(("primary key", self.key.as_slice()));
        primary.into_iter().chain(self.unique.iter().map(|key| ("unique key", key.as_slice())))
    }

    /// The columns of all keys, each once.
    pub fn key_columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        for name in self.keys().flat_map(|(_, key)| key) {
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
        columns
    }
}

impl Check {
    pub fn borrow(check: &CCheck) -> Outcome<Check> {
        Ok(Check {
            name: text::required(check.name, "a check's name")?,
            unnest: text::optional(check.unnest, "a check's list")?,
            sql: text::required(check.sql, "a check's sql")?,
        })
    }
}
