//! complete.rs — struct fields that stored rows lack, filled with the defaults that the contract says of them.
//!
//! A column that is lacking altogether is `table.rs`'s; this is what lies inside of a column that is there. Null fields need nobody:
//! `restamp` makes them.
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Scalar, StructArray, make_array};
use arrow::compute::is_not_null;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;

use crate::error::{Failure, Outcome};

/// What stands for a field that is not there, by the field's path.
pub type Defaults = Vec<(String, ScalarValue)>;

/// The same rows with the fields of `to` that they lack and that have a default.
pub fn complete(array: &ArrayRef, to: &DataType, path: &str, defaults: &Defaults) -> Outcome<ArrayRef> {
    use DataType::{FixedSizeList, LargeList, LargeListView, List, ListView, Map, Struct};
    match (array.data_type(), to) {
        (Struct(have), Struct(want)) => {
            let Some(rows) = array.as_any().downcast_ref::<StructArray>() else { return Ok(Arc::clone(array)) };
            let mut fields: Vec<FieldRef> = Vec::with_capacity(want.len());
            let mut columns = Vec::with_capacity(want.len());
            for (field, column) in have.iter().zip(rows.columns()) {
                let wanted = want.iter().find(|w| w.name() == field.name());
                let column = match wanted {
                    Some(w) => complete(column, w.data_type(), &format!("{path}.{}", w.name()), defaults)?,
                    None => Arc::clone(column),
                };
                fields.push(retyped(field, &column));
                columns.push(column);
            }
            for field in want.iter().filter(|w| have.iter().all(|f| f.name() != w.name())) {
                let own = format!("{path}.{}", field.name());
                if let Some((_, value)) = defaults.iter().find(|(path, _)| *path == own) {
                    let value = value.cast_to(field.data_type()).map_err(Failure::running)?;
                    fields.push(Arc::new(Field::new(field.name(), field.data_type().clone(), true)));
                    columns.push(value.to_array_of_size(rows.len()).map_err(Failure::running)?);
                }
            }
            let rows = StructArray::try_new_with_length(fields.into(), columns, rows.nulls().cloned(), rows.len())?;
            Ok(Arc::new(rows))
        }
        (
            List(_) | LargeList(_) | FixedSizeList(..) | ListView(_) | LargeListView(_),
            List(item) | LargeList(item) | FixedSizeList(item, _) | ListView(item) | LargeListView(item),
        ) => {
            let items = make_array(array.to_data().child_data()[0].clone());
            with_child(array, &complete(&items, item.data_type(), &format!("{path}[]"), defaults)?)
        }
        (Map(..), Map(entries, _)) => {
            let pairs = make_array(array.to_data().child_data()[0].clone());
            let (Some(have), Struct(want)) = (pairs.as_any().downcast_ref::<StructArray>(), entries.data_type()) else {
                return Ok(Arc::clone(array));
            };
            let ([key, value], [_, wanted]) = (have.columns(), want.as_ref()) else { return Ok(Arc::clone(array)) };
            let value = complete(value, wanted.data_type(), &format!("{path}{{value}}"), defaults)?;
            let columns = vec![Arc::clone(key), value];
            let fields = have.fields().iter().zip(&columns).map(|(field, column)| retyped(field, column));
            let have = StructArray::try_new(fields.collect(), columns, have.nulls().cloned())?;
            with_child(array, &(Arc::new(have) as ArrayRef))
        }
        _ => Ok(Arc::clone(array)),
    }
}

/// The same rows with the default of what is NOT NULL in place of a null: JSON leaves out what is null, and does not tell it from what
/// is lacking.
pub fn filled(array: &ArrayRef, declared: &Field, path: &str, defaults: &Defaults) -> Outcome<ArrayRef> {
    use DataType::{FixedSizeList, LargeList, List, Struct};
    let whole = match (array.data_type(), declared.data_type()) {
        (Struct(have), Struct(want)) => {
            let Some(rows) = array.as_any().downcast_ref::<StructArray>() else { return Ok(Arc::clone(array)) };
            let of = |(field, column): (&FieldRef, &ArrayRef)| match want.iter().find(|w| w.name() == field.name()) {
                Some(w) => filled(column, w, &format!("{path}.{}", w.name()), defaults),
                None => Ok(Arc::clone(column)),
            };
            let columns = have.iter().zip(rows.columns()).map(of).collect::<Outcome<Vec<_>>>()?;
            let rows = StructArray::try_new_with_length(have.clone(), columns, rows.nulls().cloned(), rows.len())?;
            Arc::new(rows) as ArrayRef
        }
        (List(_) | LargeList(_) | FixedSizeList(..), List(item) | LargeList(item) | FixedSizeList(item, _)) => {
            let items = make_array(array.to_data().child_data()[0].clone());
            with_child(array, &filled(&items, item, &format!("{path}[]"), defaults)?)?
        }
        _ => Arc::clone(array),
    };
    let default = defaults.iter().find(|(of, _)| of == path);
    let Some((_, value)) = default.filter(|_| !declared.is_nullable() && whole.null_count() > 0) else {
        return Ok(whole);
    };
    let value = value.cast_to(whole.data_type()).and_then(|value| value.to_array()).map_err(Failure::running)?;
    Ok(zip(&is_not_null(&whole)?, &whole, &Scalar::new(value))?)
}

fn retyped(field: &Field, values: &ArrayRef) -> FieldRef {
    Arc::new(field.clone().with_data_type(values.data_type().clone()))
}

/// The same lists or maps of other items.
fn with_child(array: &ArrayRef, child: &ArrayRef) -> Outcome<ArrayRef> {
    use DataType::{FixedSizeList, LargeList, LargeListView, List, ListView, Map};
    let data_type = match array.data_type() {
        List(f) => List(retyped(f, child)),
        LargeList(f) => LargeList(retyped(f, child)),
        FixedSizeList(f, n) => FixedSizeList(retyped(f, child), *n),
        ListView(f) => ListView(retyped(f, child)),
        LargeListView(f) => LargeListView(retyped(f, child)),
        Map(f, sorted) => Map(retyped(f, child), *sorted),
        _ => return Ok(Arc::clone(array)),
    };
    let data = array.to_data().into_builder().data_type(data_type).child_data(vec![child.to_data()]).build()?;
    Ok(make_array(data))
}
