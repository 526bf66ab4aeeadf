//! schema.rs — what a contract says about columns, what storage keeps of it, and batches moved between the two.
//!
//! Three forms of one schema: *declared* (the contract's), *presented* (what the optimizer may believe: without proof every
//! NOT NULL is relaxed), *stored* (what Delta can hold: signed numbers, items named `element`, nullable inside lists).
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, FixedSizeListArray, Float64Array, LargeListArray, ListArray, MapArray, RecordBatch,
    RecordBatchOptions, StructArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;

use crate::error::{Failure, Outcome, Status};

fn rebuild(field: &Field, data_type: DataType, nullable: bool, name: Option<&str>) -> FieldRef {
    let mut out = field.clone().with_data_type(data_type).with_nullable(nullable);
    if let Some(name) = name {
        out = out.with_name(name);
    }
    Arc::new(out)
}

/// Everything nullable, except what the Arrow format itself forbids to be (map entries and keys).
pub fn relax(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> =
        schema.fields().iter().map(|f| rebuild(f, relax_type(f.data_type()), true, None)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn relax_type(data_type: &DataType) -> DataType {
    let loose = |f: &FieldRef| rebuild(f, relax_type(f.data_type()), true, None);
    match data_type {
        DataType::List(f) => DataType::List(loose(f)),
        DataType::LargeList(f) => DataType::LargeList(loose(f)),
        DataType::FixedSizeList(f, n) => DataType::FixedSizeList(loose(f), *n),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(loose).collect()),
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(kv) if kv.len() == 2 => {
                let key = rebuild(&kv[0], relax_type(kv[0].data_type()), false, None);
                let value = loose(&kv[1]);
                let inner = DataType::Struct(Fields::from(vec![key, value]));
                DataType::Map(rebuild(entries, inner, false, None), *sorted)
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}

/// The same without NOT NULL, but for the columns `kept`.
pub fn relax_but(schema: &Schema, kept: &[String]) -> SchemaRef {
    let relaxed = relax(schema);
    if kept.is_empty() {
        return relaxed;
    }
    let pick =
        |(loose, said): (&FieldRef, &FieldRef)| Arc::clone(if kept.contains(said.name()) { said } else { loose });
    let fields: Vec<FieldRef> = relaxed.fields().iter().zip(schema.fields()).map(pick).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The same without metadata, of the schema and of its columns.
pub fn bare(schema: &Schema) -> SchemaRef {
    let plain = |f: &FieldRef| Arc::new(f.as_ref().clone().with_metadata(HashMap::new()));
    Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<FieldRef>>()))
}

/// The schema that a Delta table of this contract has. What Delta cannot hold is refused with the column's name.
pub fn stored(schema: &Schema) -> Outcome<SchemaRef> {
    let mut fields = Vec::with_capacity(schema.fields().len());
    for f in schema.fields() {
        let data_type = stored_type(f.data_type(), f.name(), false)?;
        fields.push(rebuild(f, data_type, f.is_nullable(), None));
    }
    // Schema metadata stays in the contract: a plan's and a batch's would have to agree on it at every step.
    Ok(Arc::new(Schema::new(fields)))
}

fn stored_type(data_type: &DataType, path: &str, in_list: bool) -> Outcome<DataType> {
    let refuse = |why: &str| -> Outcome<DataType> {
        Err(Failure::new(Status::Gate, format!("column '{path}': {why} cannot be stored in a Delta table")))
    };
    let item = |f: &FieldRef| -> Outcome<FieldRef> {
        let inner = stored_type(f.data_type(), &format!("{path}[]"), true)?;
        Ok(rebuild(f, inner, true, Some("element")))
    };
    Ok(match data_type {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => return refuse("a timestamp in nanoseconds"),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Float16 => return refuse("float16"),
        DataType::Time32(_) | DataType::Time64(_) => return refuse("a time of day"),
        DataType::Duration(_) | DataType::Interval(_) => return refuse("a duration"),
        DataType::Decimal256(..) => return refuse("decimal256"),
        DataType::Union(..) => return refuse("a union"),
        DataType::Null => return refuse("the null type"),
        DataType::Dictionary(_, value) => stored_type(value, path, in_list)?,
        DataType::List(f) | DataType::LargeList(f) | DataType::ListView(f) | DataType::LargeListView(f) => {
            DataType::List(item(f)?)
        }
        DataType::FixedSizeList(f, _) => DataType::List(item(f)?),
        DataType::Struct(fields) => {
            let mut out = Vec::with_capacity(fields.len());
            for f in fields {
                let inner = stored_type(f.data_type(), &format!("{path}.{}", f.name()), in_list)?;
                out.push(rebuild(f, inner, in_list || f.is_nullable(), None));
            }
            DataType::Struct(out.into())
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(kv) if kv.len() == 2 => {
                let key = stored_type(kv[0].data_type(), &format!("{path}.key"), true)?;
                let value = stored_type(kv[1].data_type(), &format!("{path}.value"), true)?;
                let inner = DataType::Struct(Fields::from(vec![
                    rebuild(&kv[0], key, false, Some("key")),
                    rebuild(&kv[1], value, true, Some("value")),
                ]));
                DataType::Map(rebuild(entries, inner, false, Some("key_value")), false)
            }
            _ => return refuse("a map without key and value"),
        },
        other => other.clone(),
    })
}

/// The same type as a reader of values sees it: names and order of struct fields count; the names of list items, the layout
/// of text and bytes (plain, large, view, dictionary) and nullability, which the data proves, do not.
pub fn same_type(a: &DataType, b: &DataType) -> bool {
    use DataType::*;
    match (a, b) {
        (Dictionary(_, v), other) | (other, Dictionary(_, v)) => same_type(v, other),
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => true,
        (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => true,
        (
            List(x) | LargeList(x) | ListView(x) | LargeListView(x),
            List(y) | LargeList(y) | ListView(y) | LargeListView(y),
        ) => same_type(x.data_type(), y.data_type()),
        (FixedSizeList(x, n), FixedSizeList(y, m)) => n == m && same_type(x.data_type(), y.data_type()),
        (Struct(x), Struct(y)) => {
            x.len() == y.len()
                && x.iter().zip(y).all(|(f, g)| f.name() == g.name() && same_type(f.data_type(), g.data_type()))
        }
        (Map(x, _), Map(y, _)) => match (x.data_type(), y.data_type()) {
            (Struct(x), Struct(y)) => {
                x.len() == y.len() && x.iter().zip(y).all(|(f, g)| same_type(f.data_type(), g.data_type()))
            }
            _ => false,
        },
        _ => a == b,
    }
}

/// The first difference between what is there and what was declared; None when there is none.
pub fn difference(have: &Schema, want: &Schema) -> Option<String> {
    for (i, (h, w)) in have.fields().iter().zip(want.fields()).enumerate() {
        if h.name() != w.name() {
            return Some(format!("column {} is named '{}', declared '{}'", i + 1, h.name(), w.name()));
        }
        if !same_type(h.data_type(), w.data_type()) {
            return Some(format!("column '{}' has type {}, declared {}", w.name(), h.data_type(), w.data_type()));
        }
    }
    let (n_have, n_want) = (have.fields().len(), want.fields().len());
    if n_have < n_want {
        return Some(format!("column '{}' is missing", want.field(n_have).name()));
    }
    if n_have > n_want {
        return Some(format!("column '{}' is not declared", have.field(n_want).name()));
    }
    None
}

/// The first place where a table's schema is not the stored form `want` of a contract: names, order and types, nested included, and
/// where null is forbidden if that was proved. Values inside lists and maps may be null in storage whatever the contract says.
pub fn drift(have: &Schema, want: &Schema, is_proved: bool) -> Option<String> {
    drift_of(have.fields(), want.fields(), "", is_proved)
}

fn drift_of(have: &Fields, want: &Fields, parent: &str, is_proved: bool) -> Option<String> {
    let said = |f: &Field| format!("{}{}", f.data_type(), if f.is_nullable() { "" } else { " NOT NULL" });
    for (i, w) in want.iter().enumerate() {
        let path = format!("{parent}{}", w.name());
        match have.get(i) {
            Some(h) if h.name() == w.name() => {
                if is_proved && h.is_nullable() && !w.is_nullable() {
                    return Some(format!("column '{path}' is {}, the contract says {}", said(h), said(w)));
                }
                if let Some(text) = drift_of_type(h, w, &path, is_proved) {
                    return Some(text);
                }
            }
            Some(h) => {
                return Some(format!(
                    "column {} is '{parent}{}' {}, the contract says '{path}' {}",
                    i + 1,
                    h.name(),
                    h.data_type(),
                    w.data_type()
                ));
            }
            None => return Some(format!("column '{path}' is missing, the contract says {}", w.data_type())),
        }
    }
    have.get(want.len())
        .map(|h| format!("column '{parent}{}' {} is there, the contract has none", h.name(), h.data_type()))
}

fn drift_of_type(have: &Field, want: &Field, path: &str, is_proved: bool) -> Option<String> {
    use DataType::*;
    match (have.data_type(), want.data_type()) {
        (Struct(h), Struct(w)) => drift_of(h, w, &format!("{path}."), is_proved),
        (List(h), List(w)) => drift_of_type(h, w, &format!("{path}[]"), false),
        (Map(h, _), Map(w, _)) => drift_of_type(h, w, path, false),
        (Timestamp(h, Some(_)), Timestamp(w, Some(_))) if h == w => None,
        (h, w) if same_type(h, w) => None,
        (h, w) => Some(format!("column '{path}' is {h}, the contract says {w}")),
    }
}

/// Move an array into another form of its type: rename items, change nullability and metadata without touching values,
/// cast leaves where layout or width differ. A value that does not fit is an error, never a null.
pub fn restamp(array: &ArrayRef, to: &DataType) -> Outcome<ArrayRef> {
    use DataType::*;
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), to) {
        (List(_), List(field)) => {
            let list = downcast::<ListArray>(array)?;
            let values = restamp(list.values(), field.data_type())?;
            Ok(Arc::new(ListArray::try_new(Arc::clone(field), list.offsets().clone(), values, list.nulls().cloned())?))
        }
        (LargeList(_), LargeList(field)) => {
            let list = downcast::<LargeListArray>(array)?;
            let values = restamp(list.values(), field.data_type())?;
            Ok(Arc::new(LargeListArray::try_new(
                Arc::clone(field),
                list.offsets().clone(),
                values,
                list.nulls().cloned(),
            )?))
        }
        (FixedSizeList(_, n), FixedSizeList(field, m)) if n == m => {
            let list = downcast::<FixedSizeListArray>(array)?;
            let values = restamp(list.values(), field.data_type())?;
            Ok(Arc::new(FixedSizeListArray::try_new(Arc::clone(field), *n, values, list.nulls().cloned())?))
        }
        (Struct(_), Struct(fields)) => {
            let rows = downcast::<StructArray>(array)?;
            let mut columns = Vec::with_capacity(fields.len());
            for f in fields {
                columns.push(match rows.column_by_name(f.name()) {
                    Some(column) => restamp(column, f.data_type())?,
                    None if f.is_nullable() => new_null_array(f.data_type(), rows.len()),
                    None => return Err(Failure::new(Status::Execution, format!("field '{}' is not stored", f.name()))),
                });
            }
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, rows.nulls().cloned(), rows.len())?))
        }
        (Map(..), Map(entries, sorted)) => {
            let map = downcast::<MapArray>(array)?;
            let Struct(fields) = entries.data_type() else {
                return Err(Failure::new(Status::Execution, "map entries are not a struct"));
            };
            let have = map.entries();
            if fields.len() != 2 || have.num_columns() != 2 {
                return Err(Failure::new(Status::Execution, "map entries are not key and value"));
            }
            let columns =
                vec![restamp(have.column(0), fields[0].data_type())?, restamp(have.column(1), fields[1].data_type())?];
            let inner = StructArray::try_new_with_length(fields.clone(), columns, have.nulls().cloned(), have.len())?;
            Ok(Arc::new(MapArray::try_new(
                Arc::clone(entries),
                map.offsets().clone(),
                inner,
                map.nulls().cloned(),
                *sorted,
            )?))
        }
        (List(_), LargeList(field)) | (LargeList(_), List(field)) => {
            // Two steps: the leaves in the list's own form, then the offsets.
            let own = match array.data_type() {
                List(_) => List(Arc::clone(field)),
                _ => LargeList(Arc::clone(field)),
            };
            cast(&restamp(array, &own)?, to)
        }
        (FixedSizeList(_, n), List(field)) => cast(&restamp(array, &FixedSizeList(Arc::clone(field), *n))?, to),
        _ => cast(array, to),
    }
}

fn cast(array: &ArrayRef, to: &DataType) -> Outcome<ArrayRef> {
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    let out = cast_with_options(array, to, &options)?;
    if matches!(to, DataType::Float16 | DataType::Float32) {
        let wide = |a: &ArrayRef| cast_with_options(a, &DataType::Float64, &options);
        refuse_overflow(&wide(array)?, &wide(&out)?, to)?;
    }
    Ok(out)
}

/// The engine's cast makes an infinity of a number that is out of a float's range, and says nothing.
fn refuse_overflow(before: &ArrayRef, after: &ArrayRef, to: &DataType) -> Outcome<()> {
    let (before, after) = (downcast::<Float64Array>(before)?, downcast::<Float64Array>(after)?);
    for (was, is) in before.iter().flatten().zip(after.iter().flatten()) {
        if was.is_finite() && is.is_infinite() {
            return Err(ArrowError::CastError(format!("Can't cast value {was:?} to type {to}")).into());
        }
    }
    Ok(())
}

fn downcast<T: 'static>(array: &ArrayRef) -> Outcome<&T> {
    array
        .as_any()
        .downcast_ref::<T>()
        .ok_or_else(|| Failure::new(Status::Execution, format!("an array is not of its type {}", array.data_type())))
}

/// A batch in the form of `to`, column by column in order.
pub fn restamp_batch(batch: &RecordBatch, to: &SchemaRef) -> Outcome<RecordBatch> {
    let mut columns = Vec::with_capacity(to.fields().len());
    for (column, field) in batch.columns().iter().zip(to.fields()) {
        columns.push(restamp(column, field.data_type()).map_err(|e| e.context(format!("column '{}'", field.name())))?);
    }
    new_batch(Arc::clone(to), columns, batch.num_rows())
}

pub fn new_batch(schema: SchemaRef, columns: Vec<ArrayRef>, n_rows: usize) -> Outcome<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// True when a row may hold any number of items, each with several values: such a row may be a whole file.
pub fn has_bundles(schema: &Schema) -> bool {
    fn bundle(data_type: &DataType) -> bool {
        match data_type {
            DataType::List(f) | DataType::LargeList(f) => {
                matches!(f.data_type(), DataType::Struct(_)) || bundle(f.data_type())
            }
            DataType::Struct(fields) => fields.iter().any(|f| bundle(f.data_type())),
            _ => false,
        }
    }
    schema.fields().iter().any(|f| bundle(f.data_type()))
}

pub fn index_by_name(schema: &Schema) -> HashMap<&str, usize> {
    schema.fields().iter().enumerate().map(|(i, f)| (f.name().as_str(), i)).collect()
}
