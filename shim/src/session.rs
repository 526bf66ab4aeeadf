//! session.rs — one DataFusion session: its runtime, its settings, its catalogs, and planning inside it.
use std::cell::Cell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use datafusion::catalog::TableProvider;
use datafusion::common::{ParamValues, TableReference};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use deltalake_core::delta_datafusion::planner::DeltaPlanner;
use futures::FutureExt;

use crate::catalog::{CCatalog, HostCatalog};
use crate::cooperative::CooperativeJoins;
use crate::error::{Failure, Outcome};
use crate::exact;
use crate::factory;
use crate::field;
use crate::memory::{CATALOG, MemoryCatalog, MemorySchema, SCHEMA};
use crate::pool::SharedPool;
use crate::runtime::Engine;
use crate::settings::{self, Opening};
use crate::table::ContractTable;
use crate::twins;
use crate::view::View;

/// How many memory consumers an "out of memory" message names.
const NAMED_CONSUMERS: std::num::NonZeroUsize = std::num::NonZeroUsize::new(5).unwrap();

/// What providers need of their session, without owning it.
#[derive(Default)]
pub struct Shared {
    state: OnceLock<Box<dyn Fn() -> Option<SessionState> + Send + Sync>>,
    catalog: OnceLock<Weak<HostCatalog>>,
    generation: AtomicU64,
}

impl Shared {
    pub fn state(&self) -> Option<SessionState> {
        self.state.get().and_then(|get| get())
    }

    pub fn catalog(&self) -> Option<Arc<HostCatalog>> {
        self.catalog.get().and_then(Weak::upgrade)
    }

    /// Changes whenever a plan of a view may have become stale: the host's epoch, and registrations.
    pub fn now(&self) -> (u64, u64) {
        let epoch = self.catalog().map_or(0, |c| c.host().epoch());
        (epoch, self.generation.load(Ordering::Acquire))
    }

    pub fn moved(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

/// `struct cadf_options`, owned.
pub struct Options {
    pub settings: Vec<(String, String)>,
    pub memory_limit_bytes: u64,
    /// Of these, what those who can spill may hold together; 0: all.
    pub spillable_bytes: u64,
    /// Free memory beyond these goes back to the machine after each write; 0: in the allocator's own time.
    pub keep_bytes: u64,
    pub spill_dir: Option<String>,
    pub spill_limit_bytes: u64,
    pub n_threads: u32,
    pub read_only: bool,
    /// Settings that no statement may change.
    pub fixed_settings: Vec<String>,
    pub catalog: Option<CCatalog>,
}

/// A session behind its handle; streams keep the engine alive, not this.
pub struct Core {
    // Before the engine: providers and callbacks go while the runtime is still there.
    pub context: SessionContext,
    pub memory: Arc<MemorySchema>,
    pub shared: Arc<Shared>,
    _catalog: Option<Arc<HostCatalog>>,
    pub keep_bytes: u64,
    pub read_only: bool,
    pub fixed_settings: Vec<String>,
    pub opening: Opening,
    pub engine: Arc<Engine>,
}

impl Core {
    pub fn open(options: &Options) -> Outcome<Core> {
        let engine = Arc::new(Engine::new(options.n_threads as usize)?);
        let shared = Arc::new(Shared::default());
        let memory = Arc::new(MemorySchema::new(Arc::clone(&shared)));
        let catalog = match &options.catalog {
            Some(calls) => Some(Arc::new(HostCatalog::new(calls, Arc::clone(&shared), Arc::clone(&memory))?)),
            None => None,
        };

        let mut config = SessionConfig::new()
            .with_information_schema(true)
            .with_create_default_catalog_and_schema(false)
            // delta-rs turns these off in its own sessions: the pushed-down IN list panics on dictionary keys.
            .set_usize("datafusion.optimizer.hash_join_inlist_pushdown_max_size", 0)
            .set_usize("datafusion.optimizer.hash_join_inlist_pushdown_max_distinct_values", 0);
        config = match &catalog {
            Some(catalog) => config.with_default_catalog_and_schema(&catalog.name, &catalog.default_schema),
            None => config.with_default_catalog_and_schema(CATALOG, SCHEMA),
        };
        let mut runtime_settings = Vec::new();
        for (key, value) in &options.settings {
            if key.starts_with(settings::RUNTIME) {
                runtime_settings.push((key, value));
                continue;
            }
            config
                .options_mut()
                .set(key, value)
                .map_err(|e| Failure::invalid(format!("setting '{key}': {}", e.strip_backtrace())))?;
        }

        let runtime_env = Arc::new(environment(options)?.build().map_err(Failure::planning)?);
        let mut state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(config)
            .with_runtime_env(runtime_env)
            // Plans of delta-rs operations have nodes that only its planner knows; for all others it is the default one.
            .with_query_planner(DeltaPlanner::new())
            .with_physical_optimizer_rules(twins::rules())
            .with_physical_optimizer_rule(Arc::new(CooperativeJoins))
            .build();
        factory::register(&mut state);
        field::register(&mut state).map_err(Failure::planning)?;
        let context = SessionContext::new_with_state(state);
        context.register_catalog(CATALOG, Arc::new(MemoryCatalog::new(Arc::clone(&memory))));
        if let Some(catalog) = &catalog {
            context.register_catalog(catalog.name.clone(), Arc::clone(catalog) as _);
            let _ = shared.catalog.set(Arc::downgrade(catalog));
        }
        let weak = context.state_weak_ref();
        let _ = shared.state.set(Box::new(move || weak.upgrade().map(|state| state.read().clone())));

        // Settings of the environment have no other door than SQL's.
        for (key, value) in runtime_settings {
            let set = engine.run({
                let (context, key, value) = (context.clone(), key.clone(), value.clone());
                async move { settings::set(&context, &key, &value).await }
            });
            set.map_err(|e| Failure::invalid(format!("setting '{key}': {}", e.text)))?;
        }
        let opening = Opening::new(&context.state());
        Ok(Core {
            context,
            memory,
            shared,
            _catalog: catalog,
            read_only: options.read_only,
            keep_bytes: options.keep_bytes,
            fixed_settings: options.fixed_settings.clone(),
            opening,
            engine,
        })
    }

    pub fn state(&self) -> SessionState {
        self.context.state()
    }

    pub fn refuse_when_read_only(&self, what: &str) -> Outcome<()> {
        if self.read_only {
            return Err(refused(what));
        }
        Ok(())
    }
}

pub fn refused(what: &str) -> Failure {
    Failure::new(crate::error::Status::Refused, format!("{what} is refused: the session is read-only"))
}

fn environment(options: &Options) -> Outcome<RuntimeEnvBuilder> {
    // The list of a directory's files is not cached: by default it would be kept for ever, and new files stay unseen.
    let mut builder = RuntimeEnvBuilder::new().with_object_list_cache_limit(0);
    if options.memory_limit_bytes > 0 {
        let limit = usize::try_from(options.memory_limit_bytes).unwrap_or(usize::MAX);
        let pool: Arc<dyn MemoryPool> = match options.spillable_bytes {
            0 => Arc::new(TrackConsumersPool::new(FairSpillPool::new(limit), NAMED_CONSUMERS)),
            bytes => {
                let spillable = usize::try_from(bytes).unwrap_or(usize::MAX);
                Arc::new(TrackConsumersPool::new(SharedPool::new(limit, spillable), NAMED_CONSUMERS))
            }
        };
        builder = builder.with_memory_pool(pool);
    }
    let mut disk = DiskManagerBuilder::default();
    if let Some(directory) = &options.spill_dir {
        disk.set_mode(DiskManagerMode::Directories(vec![directory.into()]));
    }
    if options.spill_limit_bytes > 0 {
        disk.set_max_temp_directory_size(options.spill_limit_bytes);
    }
    Ok(builder.with_disk_manager_builder(disk))
}

/// Parse one statement.
pub fn parse(state: &SessionState, sql: &str) -> Outcome<Statement> {
    let dialect = state.config_options().sql_parser.dialect;
    let text = sql.trim();
    if text.is_empty() {
        return Err(Failure::new(crate::error::Status::Syntax, "the statement is empty"));
    }
    state.sql_to_statement(text, &dialect).map_err(|e| {
        let mut failure = Failure::planning(e);
        // More than one statement, or none: the text is wrong, not what it means.
        if failure.status == crate::error::Status::Plan {
            failure.status = crate::error::Status::Syntax;
        }
        failure
    })
}

/// Plan SQL with values for its parameters.
pub async fn plan_with(state: &SessionState, sql: &str, params: Option<ParamValues>) -> Outcome<LogicalPlan> {
    let plan = plan_in(state, sql).await?;
    match params {
        Some(params) => plan.with_param_values(params).map_err(Failure::planning),
        None => Ok(plan),
    }
}

/// Plan SQL. The tables it names are looked at first, so that a broken one fails with its own reason and not as an unknown
/// column or an endless loop.
pub async fn plan_in(state: &SessionState, sql: &str) -> Outcome<LogicalPlan> {
    let statement = parse(state, sql)?;
    if !only_describes(&statement) {
        check_references(state, &statement).await?;
    }
    check_assignments(&statement)?;
    if !gives_values(&statement) {
        return state.statement_to_plan(statement).await.map_err(Failure::planning);
    }
    exact::plan(state, statement)
}

/// Plan a statement of which values are cast to a table's columns: DataFusion (55.2) has no cast to a NOT NULL inside of a list or
/// struct, so the table is shown without them, and the gate sees to them.
pub fn planned(state: &SessionState, statement: Statement) -> Outcome<LogicalPlan> {
    let planned = {
        let _open = Relaxed::set();
        state.statement_to_plan(statement).now_or_never()
    };
    match planned {
        Some(plan) => plan.map_err(Failure::planning),
        None => Err(Failure::new(crate::error::Status::Plan, "a table of the statement cannot be had at once")),
    }
}

thread_local! {
    static RELAXED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, tables of the catalog are shown without NOT NULL on this thread, or with it again.
pub struct Relaxed {
    before: bool,
}

impl Relaxed {
    fn set() -> Relaxed {
        Relaxed { before: RELAXED.replace(true) }
    }

    pub fn unset() -> Relaxed {
        Relaxed { before: RELAXED.replace(false) }
    }
}

impl Drop for Relaxed {
    fn drop(&mut self) {
        RELAXED.set(self.before);
    }
}

pub fn is_relaxed() -> bool {
    RELAXED.get()
}

/// The SQL statement, also inside of EXPLAIN and PREPARE.
pub fn innermost(statement: &Statement) -> Option<&ast::Statement> {
    let mut inner = match statement {
        Statement::Explain(explain) => return innermost(&explain.statement),
        Statement::Statement(inner) => inner.as_ref(),
        _ => return None,
    };
    while let ast::Statement::Explain { statement, .. } | ast::Statement::Prepare { statement, .. } = inner {
        inner = statement;
    }
    Some(inner)
}

pub fn innermost_mut(statement: &mut Statement) -> Option<&mut ast::Statement> {
    let mut inner = match statement {
        Statement::Explain(explain) => return innermost_mut(&mut explain.statement),
        Statement::Statement(inner) => inner.as_mut(),
        _ => return None,
    };
    while let ast::Statement::Explain { statement, .. } | ast::Statement::Prepare { statement, .. } = inner {
        inner = statement;
    }
    Some(inner)
}

/// Whether rows get values that are cast to a table's columns.
fn gives_values(statement: &Statement) -> bool {
    matches!(innermost(statement), Some(ast::Statement::Insert(_) | ast::Statement::Update(_)))
}

/// DataFusion (55.2) takes one of two values for a column without a word, and the last part of `a.b` for a column of the table.
fn check_assignments(statement: &Statement) -> Outcome<()> {
    let Some(ast::Statement::Update(update)) = innermost(statement) else { return Ok(()) };
    let refuse = |text: String| Err(Failure::new(crate::error::Status::Plan, text));
    let mut seen = HashSet::new();
    for assignment in &update.assignments {
        let ast::AssignmentTarget::ColumnName(name) = &assignment.target else {
            return refuse("UPDATE sets one column a time".to_owned());
        };
        let [ast::ObjectNamePart::Identifier(column)] = name.0.as_slice() else {
            return refuse(format!("UPDATE sets whole columns of its table, named alone: not '{name}'"));
        };
        let column = if column.quote_style.is_some() { column.value.clone() } else { column.value.to_lowercase() };
        if !seen.insert(column.clone()) {
            return refuse(format!("UPDATE sets column '{column}' twice"));
        }
    }
    Ok(())
}

/// DESCRIBE and the like answer from declarations, for broken tables too; what CREATE EXTERNAL TABLE names is what it makes.
fn only_describes(statement: &Statement) -> bool {
    let Statement::Statement(inner) = statement else { return matches!(statement, Statement::CreateExternalTable(_)) };
    matches!(
        inner.as_ref(),
        ast::Statement::ExplainTable { .. }
            | ast::Statement::ShowColumns { .. }
            | ast::Statement::ShowCreate { .. }
            | ast::Statement::Drop { .. }
    )
}

pub fn resolve(state: &SessionState, reference: &TableReference) -> (String, String, String) {
    let defaults = &state.config_options().catalog;
    let resolved = reference.clone().resolve(&defaults.default_catalog, &defaults.default_schema);
    (resolved.catalog.to_string(), resolved.schema.to_string(), resolved.table.to_string())
}

pub async fn find(
    state: &SessionState,
    catalog: &str,
    schema: &str,
    table: &str,
) -> Outcome<Option<Arc<dyn TableProvider>>> {
    let Some(provider) = state.catalog_list().catalog(catalog).and_then(|c| c.schema(schema)) else {
        return Ok(None);
    };
    provider.table(table).await.map_err(Failure::planning)
}

async fn check_references(state: &SessionState, statement: &Statement) -> Outcome<()> {
    let mut seen = HashSet::new();
    for reference in state.resolve_table_references(statement).map_err(Failure::planning)? {
        let (catalog, schema, table) = resolve(state, &reference);
        if let Some(provider) = find(state, &catalog, &schema, &table).await?
            && seen.insert((catalog, schema, table))
        {
            check_provider(provider.as_ref())?;
        }
    }
    Ok(())
}

fn check_provider(provider: &dyn TableProvider) -> Outcome<()> {
    if let Some(table) = provider.downcast_ref::<ContractTable>()
        && let Some(failure) = table.failure()
    {
        return Err(failure);
    }
    if let Some(view) = provider.downcast_ref::<View>() {
        view.plan()?;
    }
    Ok(())
}
