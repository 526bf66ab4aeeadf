//! rules.rs — what a contract demands of the rows that are written, as the host says it.
use std::ffi::c_char;

use crate::CWrite;
use crate::error::{Failure, Outcome};
use crate::text;
use crate::write::WriteOptions;

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
            checks: write.checks()?,
            defaults: text::pairs(rules.default_columns, rules.default_sql, rules.n_defaults, "defaults")?,
        }))
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
