//! field.rs — a field of a null struct is null.
//!
//! Arrow keeps the values of a struct's fields apart from the struct's own nulls, and what lies under a null is anything: for
//! a field that is NOT NULL, Parquet's reader makes something up. DataFusion 55 answers `place['path']` with it, where the
//! place is null (apache/datafusion#25120, mended after 55.2).
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, StructArray};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};

/// DataFusion's `get_field`, and null where the struct is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FieldOrNull(GetFieldFunc);

#[derive(Debug)]
struct Rewrite;

pub fn register(state: &mut SessionState) -> Result<()> {
    state.register_function_rewrite(Arc::new(Rewrite))
}

fn field_or_null(args: Vec<Expr>) -> Expr {
    let function = ScalarUDF::new_from_impl(FieldOrNull(GetFieldFunc::new()));
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), args))
}

impl FunctionRewrite for Rewrite {
    fn name(&self) -> &'static str {
        "field_or_null"
    }

    /// Where nothing can be null, DataFusion's own stays: readers know it, and read that field alone.
    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        match expr {
            Expr::ScalarFunction(call) if call.func.inner().is::<GetFieldFunc>() && may_be_null(&call, schema)? => {
                Ok(Transformed::yes(field_or_null(call.args)))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

/// Whether a struct on the way to the field may be null.
fn may_be_null(call: &ScalarFunction, schema: &DFSchema) -> Result<bool> {
    Ok(call.args.len() > 2 || call.args[0].nullable(schema)?)
}

impl ScalarUDFImpl for FieldOrNull {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.0.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.0.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.0.return_field_from_args(args)
    }

    /// `named_struct('x', a)['x']` is a, and of several steps one call is made: a call of ours.
    fn simplify(&self, args: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(match self.0.simplify(args, context)? {
            ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)) if call.func.inner().is::<GetFieldFunc>() => {
                ExprSimplifyResult::Simplified(field_or_null(call.args))
            }
            other => other,
        })
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.0.placement(args)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let names = args.args.split_off(1);
        let mut value = args.args.remove(0);
        for name in names {
            let step = ScalarFunctionArgs { args: vec![value.clone(), name], ..args.clone() };
            value = masked(self.0.invoke_with_args(step)?, &value)?;
        }
        Ok(value)
    }
}

/// `field` with the nulls of the struct that it is of.
fn masked(field: ColumnarValue, of: &ColumnarValue) -> Result<ColumnarValue> {
    let ColumnarValue::Array(values) = &field else { return Ok(field) };
    let parent = of.to_array(values.len())?;
    let nulls = parent.as_any().downcast_ref::<StructArray>().and_then(Array::nulls);
    match nulls {
        Some(nulls) if nulls.null_count() > 0 => {
            Ok(ColumnarValue::Array(nullif(values, &BooleanArray::new(!nulls.inner(), None))?))
        }
        _ => Ok(field),
    }
}
