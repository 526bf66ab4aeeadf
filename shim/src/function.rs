//! function.rs — scalar functions in C over Arrow arrays.
use std::ffi::{c_char, c_void};
use std::fmt;
use std::hash::{Hash, Hasher};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{CError, Failure, Outcome, Status};
use crate::ffi::{array_from, give_array, take_array};
use crate::schema::restamp;
use crate::text;

type CallFn = unsafe extern "C" fn(
    *mut c_void,
    *const *const FFI_ArrowArray,
    usize,
    i64,
    *mut FFI_ArrowArray,
    *mut CError,
) -> i32;

/// `struct cadf_scalar_function`.
#[repr(C)]
pub struct CScalarFunction {
    pub name: *const c_char,
    pub arg_types: *const *const FFI_ArrowSchema,
    pub arg_names: *const *const c_char,
    pub n_args: usize,
    pub return_type: *const FFI_ArrowSchema,
    pub volatility: i32,
    pub doc: *const c_char,
    pub syntax: *const c_char,
    pub data: *mut c_void,
    pub call: Option<CallFn>,
}

struct CFunction {
    name: String,
    arg_types: Vec<DataType>,
    return_type: DataType,
    signature: Signature,
    documentation: Documentation,
    data: *mut c_void,
    call: CallFn,
}

// SAFETY: the header says that callbacks are called from any thread.
unsafe impl Send for CFunction {}
unsafe impl Sync for CFunction {}

impl fmt::Debug for CFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CFunction({})", self.name)
    }
}

impl PartialEq for CFunction {
    fn eq(&self, other: &CFunction) -> bool {
        self.name == other.name
            && self.signature == other.signature
            && std::ptr::eq(self.data, other.data)
            && std::ptr::fn_addr_eq(self.call, other.call)
    }
}

impl Eq for CFunction {}

impl Hash for CFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

fn data_type(schema: *const FFI_ArrowSchema, what: &str) -> Outcome<DataType> {
    if schema.is_null() {
        return Err(Failure::invalid(format!("{what} is missing")));
    }
    // SAFETY: borrowed for the call.
    let schema = unsafe { &*schema };
    if crate::ffi::is_released(schema) {
        return Err(Failure::invalid(format!("{what} is missing")));
    }
    match Field::try_from(schema) {
        Ok(field) => Ok(field.data_type().clone()),
        Err(e) => Err(Failure::invalid(format!("{what}: {e}"))),
    }
}

pub fn import(function: &CScalarFunction) -> Outcome<ScalarUDF> {
    let name = text::required(function.name, "the function's name")?;
    let call = function.call.ok_or_else(|| Failure::invalid(format!("function '{name}' has no call")))?;
    let arg_names = text::list(function.arg_names, function.n_args, "argument names")?;
    let mut arg_types = Vec::with_capacity(function.n_args);
    for (i, arg) in arg_names.iter().enumerate() {
        if function.arg_types.is_null() {
            return Err(Failure::invalid(format!("function '{name}': argument types are missing")));
        }
        // SAFETY: `n_args` pointers.
        let schema = unsafe { *function.arg_types.add(i) };
        arg_types.push(data_type(schema, &format!("function '{name}': type of argument '{arg}'"))?);
    }
    let return_type = data_type(function.return_type, &format!("function '{name}': return type"))?;
    let volatility = match function.volatility {
        0 => Volatility::Immutable,
        1 => Volatility::Stable,
        2 => Volatility::Volatile,
        other => return Err(Failure::invalid(format!("function '{name}': volatility {other} is unknown"))),
    };
    let signature = if arg_types.is_empty() {
        Signature::nullary(volatility)
    } else {
        Signature::exact(arg_types.clone(), volatility)
    };
    let doc = text::optional(function.doc, "doc")?.unwrap_or_default();
    let syntax =
        text::optional(function.syntax, "syntax")?.unwrap_or_else(|| format!("{name}({})", arg_names.join(", ")));
    let mut documentation = Documentation::builder(DocSection::default(), doc, syntax);
    for (arg, data_type) in arg_names.iter().zip(&arg_types) {
        documentation = documentation.with_argument(arg.clone(), data_type.to_string());
    }
    Ok(ScalarUDF::from(CFunction {
        name,
        arg_types,
        return_type,
        signature,
        documentation: documentation.build(),
        data: function.data,
        call,
    }))
}

impl CFunction {
    fn invoke(&self, args: &[ArrayRef], n_rows: usize) -> Outcome<ArrayRef> {
        let mut exported = Vec::with_capacity(args.len());
        for (arg, data_type) in args.iter().zip(&self.arg_types) {
            exported.push(give_array(restamp(arg, data_type)?.as_ref()));
        }
        let pointers: Vec<*const FFI_ArrowArray> = exported.iter().map(std::ptr::from_ref).collect();
        let mut ret = FFI_ArrowArray::empty();
        let mut err = CError::empty();
        let rows = i64::try_from(n_rows).map_err(|_| Failure::new(Status::Resources, "too many rows"))?;
        // SAFETY: as documented for `struct cadf_scalar_function`; the arrays live until the end of this function.
        let code = unsafe { (self.call)(self.data, pointers.as_ptr(), pointers.len(), rows, &mut ret, &mut err) };
        if code != 0 {
            let text = err.message();
            let text = if text.is_empty() { format!("status {code}") } else { text };
            return Err(Failure::new(Status::from_code(code), format!("function '{}': {text}", self.name)));
        }
        let what = format!("result of function '{}'", self.name);
        if ret.is_released() {
            return Err(Failure::new(Status::Execution, format!("{what} is missing")));
        }
        let data = take_array(ret, self.return_type.clone(), &what)?;
        if data.len() != n_rows {
            return Err(Failure::new(Status::Execution, format!("{what} has {} rows, not {n_rows}", data.len())));
        }
        Ok(array_from(data))
    }
}

impl ScalarUDFImpl for CFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.return_type.clone())
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // Constants are computed once, unless each row asks anew.
        let constant = self.signature.volatility != Volatility::Volatile
            && !call.args.is_empty()
            && call.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let n_rows = if constant { 1 } else { call.number_rows };
        let args = call.args.iter().map(|a| a.to_array(n_rows)).collect::<Result<Vec<_>>>()?;
        let result = self.invoke(&args, n_rows).map_err(Failure::into_engine)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}
