//! rules.rs — what a contract demands of the rows that are written, as the host says it.
use std::ffi::{c_char, c_void};

use arrow::datatypes::Schema;
use arrow::ffi::FFI_ArrowSchema;

use crate::bucket::Buckets;
use crate::delta::partition_checks;
use crate::error::{CError, Failure, Outcome, Status};
use crate::ffi;
use crate::text::{self, TextFn};
use crate::write::WriteOptions;

/// `struct cadf_check`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CCheck {
    name: *const c_char,
    unnest: *const c_char,
    sql: *const c_char,
}

pub type OfferedFn = unsafe extern "C" fn(*mut c_void, *const FFI_ArrowSchema, *mut CError) -> i32;

/// `struct cadf_write`.
#[repr(C)]
pub struct CWrite {
    location: *const c_char,
    schema: *const FFI_ArrowSchema,
    mode: i32,
    partition_by: *const *const c_char,
    n_partition_by: usize,
    app_id: *const c_char,
    app_version: i64,
    metadata_keys: *const *const c_char,
    metadata_values: *const *const c_char,
    n_metadata: usize,
    property_keys: *const *const c_char,
    property_values: *const *const c_char,
    n_properties: usize,
    row_group_bytes: u64,
    target_file_bytes: u64,
    compression: *const c_char,
    statistics_columns: *const *const c_char,
    n_statistics_columns: usize,
    checks: *const CCheck,
    n_checks: usize,
    key: *const *const c_char,
    n_key: usize,
    bucket_column: *const c_char,
    bucket_bounds: *const *const c_char,
    n_bucket_bounds: usize,
    bucket_tables: *const *const c_char,
    n_bucket_tables: usize,
    order: *const *const c_char,
    n_order: usize,
    pub offered: Option<OfferedFn>,
    pub offered_data: *mut c_void,
    pub files: Option<TextFn>,
    pub files_data: *mut c_void,
}

/// `struct cadf_names`.
#[repr(C)]
pub struct CNames {
    items: *const *const c_char,
    n: usize,
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

impl CWrite {
    pub fn borrow<'a>(write: *const CWrite) -> Outcome<&'a CWrite> {
        // SAFETY: NULL, or borrowed for the call of the door.
        unsafe { write.as_ref() }.ok_or_else(|| Failure::invalid("the write is missing"))
    }

    pub fn options(&self) -> Outcome<WriteOptions> {
        let location = text::required(self.location, "location")?;
        let overwrite = match self.mode {
            0 => false,
            1 => true,
            other => return Err(Failure::invalid(format!("write mode {other} is unknown"))),
        };
        let tuning = self.tuning()?;
        let schema = ffi::borrow_schema(self.schema, "the write's schema")?;
        let mut checks = self.checks()?;
        checks.extend(partition_checks(&schema, &tuning.partition_by));
        Ok(WriteOptions {
            dataset: location.clone(),
            location,
            schema,
            overwrite,
            transaction: text::optional(self.app_id, "app_id")?.map(|id| (id, self.app_version)),
            checks,
            key: self.key()?,
            ..tuning
        })
    }

    /// Ask the host whether rows of these columns may be written.
    pub fn offer(&self, columns: &Schema) -> Outcome<()> {
        let Some(call) = self.offered else { return Ok(()) };
        let columns = FFI_ArrowSchema::try_from(columns)?;
        let mut err = CError::empty();
        // SAFETY: everything lives for the call, which is on the caller's own thread.
        match unsafe { call(self.offered_data, &columns, &mut err) } {
            0 => Ok(()),
            code => Err(Failure::new(Status::from_code(code), err.message())),
        }
    }

    /// How rows are written, without where and what.
    fn tuning(&self) -> Outcome<WriteOptions> {
        Ok(WriteOptions {
            partition_by: text::list(self.partition_by, self.n_partition_by, "partition columns")?,
            metadata: text::pairs(self.metadata_keys, self.metadata_values, self.n_metadata, "metadata")?,
            properties: text::pairs(self.property_keys, self.property_values, self.n_properties, "properties")?,
            row_group_bytes: self.row_group_bytes,
            target_file_bytes: self.target_file_bytes,
            compression: text::optional(self.compression, "compression")?,
            statistics_columns: text::list(self.statistics_columns, self.n_statistics_columns, "statistics columns")?,
            order: text::list(self.order, self.n_order, "order columns")?,
            ..WriteOptions::default()
        })
    }

    fn location(&self) -> Outcome<Option<String>> {
        text::optional(self.location, "location")
    }

    fn checks(&self) -> Outcome<Vec<Check>> {
        checks_of(self.checks, self.n_checks)
    }

    fn key(&self) -> Outcome<Vec<String>> {
        text::list(self.key, self.n_key, "key columns")
    }

    pub fn buckets(&self) -> Outcome<Option<Buckets>> {
        let Some(column) = text::optional(self.bucket_column, "bucket column")? else { return Ok(None) };
        Ok(Some(Buckets {
            column,
            bounds: text::list(self.bucket_bounds, self.n_bucket_bounds, "bucket bounds")?,
            tables: text::list(self.bucket_tables, self.n_bucket_tables, "bucket tables")?,
        }))
    }
}

pub fn checks_of(checks: *const CCheck, n_checks: usize) -> Outcome<Vec<Check>> {
    let checks = match n_checks {
        0 => &[],
        // SAFETY: the host gives `n_checks` of them.
        n if !checks.is_null() => unsafe { std::slice::from_raw_parts(checks, n) },
        _ => return Err(Failure::invalid("the checks are missing")),
    };
    checks.iter().map(Check::borrow).collect()
}

pub fn keys_of(keys: *const CNames, n_keys: usize) -> Outcome<Vec<Vec<String>>> {
    let keys = match n_keys {
        0 => &[],
        // SAFETY: the host gives `n_keys` of them.
        n if !keys.is_null() => unsafe { std::slice::from_raw_parts(keys, n) },
        _ => return Err(Failure::invalid("the unique keys are missing")),
    };
    keys.iter().map(|key| text::list(key.items, key.n, "key columns")).collect()
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
