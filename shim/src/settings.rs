//! settings.rs — what the settings of a session are, and SET and RESET as they are meant here.
//!
//! RESET goes back to the value with which the session opened. DataFusion (55.2) goes back to its own default, past preset and
//! profile, leaves some keys as they are, and takes its own directory and limits of spill files when one of them is set.
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::Result;
use datafusion::config::{ConfigEntry, ConfigOptions};
use datafusion::execution::disk_manager::DiskManager;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, ResetVariable, SetVariable, Statement};
use datafusion::prelude::SessionContext;

use crate::error::{Failure, Outcome, Status};
use crate::session::Core;

/// Settings of the runtime environment; all others are `ConfigOptions`.
pub const RUNTIME: &str = "datafusion.runtime.";

/// `cadf_setting_fn`.
pub type SettingFn = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *const c_char, *const c_char);

/// Every setting with its value now.
pub fn entries(state: &SessionState) -> Vec<ConfigEntry> {
    let mut entries = state.config_options().entries();
    entries.extend(state.runtime_env().config_entries());
    entries
}

/// The settings with which a session opened.
pub struct Opening {
    values: HashMap<String, Option<String>>,
    runtime: Arc<RuntimeEnv>,
    limits: Limits,
}

/// As numbers: their texts are rounded. Caches and spill files share theirs with later environments, so they are copied.
struct Limits {
    spill_bytes: u64,
    merge_fan_in: usize,
    metadata_cache: usize,
    statistics_cache: usize,
    list_cache: usize,
    list_cache_ttl: Option<Duration>,
}

impl Opening {
    pub fn new(state: &SessionState) -> Opening {
        let runtime = state.runtime_env();
        let (disk, caches) = (&runtime.disk_manager, &runtime.cache_manager);
        Opening {
            values: entries(state).into_iter().map(|e| (e.key, e.value)).collect(),
            runtime: Arc::clone(runtime),
            limits: Limits {
                spill_bytes: disk.max_temp_directory_size(),
                merge_fan_in: disk.max_spill_merge_fan_in(),
                metadata_cache: caches.get_metadata_cache_limit(),
                statistics_cache: caches.get_file_statistic_cache_limit(),
                list_cache: caches.get_list_files_cache_limit(),
                list_cache_ttl: caches.get_list_files_cache_ttl(),
            },
        }
    }

    /// The environment with one setting as it was; None: there is no such setting.
    fn environment(&self, setting: &str, have: &RuntimeEnv) -> Option<Result<RuntimeEnv>> {
        let limits = &self.limits;
        let builder = RuntimeEnvBuilder::from_runtime_env(have);
        let caches = &have.cache_manager;
        Some(match setting {
            "memory_limit" => builder.with_memory_pool(Arc::clone(&self.runtime.memory_pool)).build(),
            "temp_directory" => with_spilling(have, &self.runtime.disk_manager, |to| {
                let from = &have.disk_manager;
                to.set_max_spill_merge_fan_in(from.max_spill_merge_fan_in());
                to.set_max_temp_directory_size(from.max_temp_directory_size())
            }),
            "max_temp_directory_size" => {
                with_spilling(have, &have.disk_manager, |disk| disk.set_max_temp_directory_size(limits.spill_bytes))
            }
            "max_spill_merge_fan_in" => with_spilling(have, &have.disk_manager, |disk| {
                disk.set_max_spill_merge_fan_in(limits.merge_fan_in);
                Ok(())
            }),
            "metadata_cache_limit" => builder.with_metadata_cache_limit(limits.metadata_cache).build(),
            "file_statistics_cache_limit" => builder.with_file_statistics_cache_limit(limits.statistics_cache).build(),
            "list_files_cache_limit" => with_list_cache(builder, limits.list_cache, caches.get_list_files_cache_ttl()),
            "list_files_cache_ttl" => {
                with_list_cache(builder, caches.get_list_files_cache_limit(), limits.list_cache_ttl)
            }
            _ => return None,
        })
    }
}

fn with_spilling(
    have: &RuntimeEnv,
    disk: &Arc<DiskManager>,
    limit: impl FnOnce(&DiskManager) -> Result<()>,
) -> Result<RuntimeEnv> {
    limit(disk)?;
    Ok(RuntimeEnv { disk_manager: Arc::clone(disk), ..have.clone() })
}

/// With a new cache: an old one keeps its time to live where none is said.
fn with_list_cache(mut builder: RuntimeEnvBuilder, limit: usize, ttl: Option<Duration>) -> Result<RuntimeEnv> {
    builder.cache_manager.list_files_cache = None;
    builder.with_object_list_cache_limit(limit).with_object_list_cache_ttl(ttl).build()
}

/// Put another environment into the session; `make` gives None to leave it as it is.
fn put_runtime(
    context: &SessionContext,
    make: impl FnOnce(&RuntimeEnv) -> Option<Result<RuntimeEnv>>,
) -> Outcome<bool> {
    let state = context.state_ref();
    let mut state = state.write();
    let Some(made) = make(state.runtime_env()) else { return Ok(false) };
    let runtime = Arc::new(made.map_err(Failure::planning)?);
    *state = SessionStateBuilder::from(state.clone()).with_runtime_env(runtime).build();
    Ok(true)
}

/// SET or RESET, done; false: the statement is another.
pub async fn change(core: &Core, plan: &LogicalPlan) -> Outcome<bool> {
    let (key, value) = match plan {
        LogicalPlan::Statement(Statement::SetVariable(SetVariable { variable, value })) => (variable, Some(value)),
        LogicalPlan::Statement(Statement::ResetVariable(ResetVariable { variable })) => (variable, None),
        _ => return Ok(false),
    };
    if core.fixed_settings.iter().any(|fixed| fixed.eq_ignore_ascii_case(key)) {
        let text = format!("setting '{key}' is the catalog's own and stays as it is");
        return Err(Failure::new(Status::Refused, text));
    }
    match (value, key.strip_prefix(RUNTIME)) {
        (Some(value), _) => set(&core.context, key, value).await?,
        (None, Some(setting)) => {
            if !put_runtime(&core.context, |have| core.opening.environment(setting, have))? {
                execute(&core.context, plan.clone()).await?;
            }
        }
        (None, None) => match core.opening.values.get(key) {
            Some(Some(value)) => set(&core.context, key, value).await?,
            _ => execute(&core.context, plan.clone()).await?,
        },
    }
    core.shared.moved();
    Ok(true)
}

/// What the session opens with, or SET says.
pub async fn set(context: &SessionContext, key: &str, value: &str) -> Outcome<()> {
    let before = Arc::clone(&context.runtime_env().disk_manager);
    let set = SetVariable { variable: key.to_owned(), value: value.to_owned() };
    execute(context, LogicalPlan::Statement(Statement::SetVariable(set))).await?;
    let Some(setting) = key.strip_prefix(RUNTIME) else { return Ok(()) };
    put_runtime(context, |have| {
        let made = &have.disk_manager;
        Some(match setting {
            "temp_directory" => with_spilling(have, made, |disk| {
                disk.set_max_spill_merge_fan_in(before.max_spill_merge_fan_in());
                disk.set_max_temp_directory_size(before.max_temp_directory_size())
            }),
            "max_temp_directory_size" => {
                with_spilling(have, &before, |disk| disk.set_max_temp_directory_size(made.max_temp_directory_size()))
            }
            "max_spill_merge_fan_in" => with_spilling(have, &before, |disk| {
                disk.set_max_spill_merge_fan_in(made.max_spill_merge_fan_in());
                Ok(())
            }),
            _ => return None,
        })
    })?;
    Ok(())
}

async fn execute(context: &SessionContext, statement: LogicalPlan) -> Outcome<()> {
    context.execute_logical_plan(statement).await.map(|_| ()).map_err(Failure::planning)
}

/// One setting: its value now, as the engine would have it by itself, and as the session opened.
struct Setting {
    key: String,
    value: Option<String>,
    default: Option<String>,
    opening: Option<String>,
}

/// Tell every setting of the session, in order of key.
pub fn tell(core: &Core, call: Option<SettingFn>, data: *mut c_void) -> Outcome<()> {
    let Some(call) = call else { return Ok(()) };
    let mut defaults: HashMap<String, Option<String>> =
        ConfigOptions::default().entries().into_iter().map(|e| (e.key, e.value)).collect();
    defaults.extend(RuntimeEnv::default().config_entries().into_iter().map(|e| (e.key, e.value)));
    let now: BTreeMap<String, Option<String>> = entries(&core.state()).into_iter().map(|e| (e.key, e.value)).collect();
    let disk = Arc::clone(&core.state().runtime_env().disk_manager);
    let is_own_disk = Arc::ptr_eq(&disk, &core.opening.runtime.disk_manager);
    for (key, value) in now {
        let default = defaults.remove(&key).flatten();
        // The directory of spill files has a name when there is the first of them.
        let opening = match key.strip_prefix(RUNTIME) {
            Some("temp_directory") if is_own_disk => value.clone(),
            _ => core.opening.values.get(&key).cloned().flatten(),
        };
        Setting { key, value, default, opening }.tell(call, data)?;
    }
    Ok(())
}

impl Setting {
    fn tell(&self, call: SettingFn, data: *mut c_void) -> Outcome<()> {
        let text = |s: &str| CString::new(s).map_err(|_| Failure::invalid(format!("setting '{}' has a NUL", self.key)));
        let optional = |s: &Option<String>| s.as_deref().map(text).transpose();
        let (key, value) = (text(&self.key)?, optional(&self.value)?);
        let (default, opening) = (optional(&self.default)?, optional(&self.opening)?);
        let pointer = |s: &Option<CString>| s.as_ref().map_or(std::ptr::null(), |s| s.as_ptr());
        // SAFETY: the texts live for the call, as documented.
        unsafe { call(data, key.as_ptr(), pointer(&value), pointer(&default), pointer(&opening)) };
        Ok(())
    }
}
