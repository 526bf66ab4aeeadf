//! query.rs — one statement in, one stream of rows out.
//!
//! A task of the runtime drives the plan and hands batches through a short queue; the reader is any thread of the host. When
//! the stream is released or the token fires, the task ends and with it all work. What changes something (DML, COPY, DDL) is
//! done before the door returns, so that its failure has a status and not only an errno.
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::SchemaProvider;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ParamValues, ScalarValue, TableReference};
use datafusion::datasource::source_as_provider;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{CreateExternalTable, DdlStatement, DmlStatement, LogicalPlan, Statement, WriteOp};
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, collect, execute_stream};
use futures::StreamExt;
use futures::future::try_join_all;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::catalog::{self, HostCatalog, Registered};
use crate::change;
use crate::error::{Failure, Outcome, Status};
use crate::ffi::Outgoing;
use crate::files;
use crate::runtime::{Cancel, Engine, caught};
use crate::session::{Core, plan_in, plan_with, refused};
use crate::settings;
use crate::table::ContractTable;

/// Batches that wait for the reader.
const QUEUE_BATCHES: usize = 2;

/// What a started statement gives.
pub enum Started {
    Rows(SchemaRef, SendableRecordBatchStream),
    Done(SchemaRef, Vec<RecordBatch>),
}

/// The name of the first thing in a plan that would change data, schema or session.
fn change(plan: &LogicalPlan) -> Option<String> {
    let mut found = None;
    let walked = plan.apply_with_subqueries(|node| {
        found = match node {
            LogicalPlan::Ddl(ddl) => Some(ddl.name().to_owned()),
            LogicalPlan::Dml(DmlStatement { op: WriteOp::MergeInto(_), .. }) => Some("Merge Into".to_owned()),
            LogicalPlan::Dml(dml) => Some(dml.op.to_string()),
            LogicalPlan::Copy(_) => Some("COPY".to_owned()),
            LogicalPlan::Statement(Statement::Prepare(_) | Statement::Execute(_) | Statement::Deallocate(_)) => None,
            LogicalPlan::Statement(statement) => Some(statement.name().to_owned()),
            _ => None,
        };
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    if walked.is_err() {
        return Some("a statement that cannot be read".to_owned());
    }
    found
}

pub fn changes_something(plan: &LogicalPlan) -> bool {
    change(plan).is_some()
}

/// The plan of a view, a model, or whatever else has rows and does nothing.
pub fn only_query(plan: LogicalPlan) -> Outcome<LogicalPlan> {
    if changes_something(&plan) {
        return Err(Failure::new(Status::Plan, "a statement that changes something is no query"));
    }
    Ok(plan)
}

/// A table whose files turn out to be others than those that were proved is no longer called proved, and what was begun with it is
/// done again without that. Each table says so once, so this ends.
async fn anew<T, F: Future<Output = Outcome<T>>>(core: &Core, once: impl Fn() -> F) -> Outcome<T> {
    loop {
        let before = core.shared.now();
        match once().await {
            Err(failure) if failure.status == Status::Drift && core.shared.now().0 != before.0 => {}
            other => return other,
        }
    }
}

/// Plan and start one statement.
pub async fn start(core: &Arc<Core>, sql: &str, params: Option<ParamValues>) -> Outcome<Started> {
    anew(core, || start_once(core, sql, params.clone())).await
}

/// The same, for a reader elsewhere. To be awaited on the engine: the task of the rows goes on where this ends, without
/// another thread.
pub async fn stream(
    core: Arc<Core>,
    sql: String,
    params: Option<ParamValues>,
    cancel: Option<Cancel>,
) -> Outcome<QueryStream> {
    let started = start(&core, &sql, params).await?;
    Ok(QueryStream::new(Arc::clone(&core.engine), started, cancel))
}

/// Plan a query down to the files that it would read, and look whether they are there; none of it runs.
pub async fn probe(core: Arc<Core>, sql: String) -> Outcome<()> {
    let once = || async {
        let state = core.state();
        let plan = plan_in(&state, &sql).await?;
        look_at_files(&state, &plan).await?;
        let physical = state.create_physical_plan(&plan).await.map_err(Failure::planning)?;
        files::look_at_all(&state, &physical).await
    };
    anew(&core, once).await
}

async fn plan_of(state: &SessionState, sql: &str, params: Option<ParamValues>) -> Outcome<LogicalPlan> {
    let mut plan = plan_with(state, sql, params).await?;
    if let LogicalPlan::Ddl(DdlStatement::CreateExternalTable(command)) = &mut plan {
        // DataFusion (55.2) keeps a text of its own, without the columns.
        command.definition = Some(sql.trim().trim_end_matches(';').to_owned());
    }
    Ok(plan)
}

/// `CREATE EXTERNAL TABLE` of the host's, which a read-only session has too; nothing else.
pub async fn declare(core: Arc<Core>, sql: String) -> Outcome<()> {
    let plan = plan_of(&core.state(), &sql, None).await?;
    if !matches!(plan, LogicalPlan::Ddl(DdlStatement::CreateExternalTable(_))) {
        return Err(Failure::invalid(format!("not CREATE EXTERNAL TABLE: {sql}")));
    }
    core.context.execute_logical_plan(plan).await.map_err(Failure::planning)?;
    Ok(())
}

/// What the statement will have done to a name of the session's own; None: nothing, or the name is as it should be.
fn registration(core: &Core, plan: &LogicalPlan) -> Option<(TableReference, Registered)> {
    let LogicalPlan::Ddl(statement) = plan else { return None };
    let (name, what, unless) = match statement {
        DdlStatement::CreateExternalTable(c) => (&c.name, Registered::Table, c.if_not_exists.then_some(true)),
        DdlStatement::CreateMemoryTable(c) => (&c.name, Registered::Table, c.if_not_exists.then_some(true)),
        DdlStatement::CreateView(c) => (&c.name, Registered::View, None),
        DdlStatement::DropTable(d) => (&d.name, Registered::NoMore, Some(false)),
        DdlStatement::DropView(d) => (&d.name, Registered::NoMore, Some(false)),
        _ => return None,
    };
    let exists = core.context.table_exist(name.clone()).unwrap_or(false);
    (unless != Some(exists)).then(|| (name.clone(), what))
}

async fn start_once(core: &Arc<Core>, sql: &str, params: Option<ParamValues>) -> Outcome<Started> {
    let state = core.state();
    let plan = plan_of(&state, sql, params).await?;
    let registration = registration(core, &plan);
    let started = start_plan(core, state, plan).await?;
    if let Some((name, what)) = registration {
        catalog::registered(&core.state(), &name, what);
    }
    Ok(started)
}

/// What few statements do is boxed, so that the future of a query stays small: it is copied on its way to the engine.
async fn start_plan(core: &Arc<Core>, state: SessionState, plan: LogicalPlan) -> Outcome<Started> {
    look_at_files(&state, &plan).await?;
    let change = change(&plan);
    if core.read_only
        && let Some(what) = &change
    {
        return Err(refused(what));
    }
    let at_once = change.is_some() || matches!(plan, LogicalPlan::Statement(_));
    refuse_other_catalogs(&plan)?;
    refuse_drop_of_catalog(core, &plan)?;
    if let LogicalPlan::Ddl(DdlStatement::DropTable(drop)) = &plan
        && Box::pin(forget_columns(core, &drop.name)).await?
    {
        return Ok(Started::Done(Arc::new(Schema::empty()), Vec::new()));
    }
    if Box::pin(settings::change(core, &plan)).await? {
        return Ok(Started::Done(Arc::new(Schema::empty()), Vec::new()));
    }
    if let LogicalPlan::Ddl(DdlStatement::CreateExternalTable(command)) = &plan
        && Box::pin(replace_external(core, command)).await?
    {
        return Ok(Started::Done(Arc::new(Schema::empty()), Vec::new()));
    }
    let (state, plan) = match plan {
        // Done here, or unfolded: EXECUTE to the prepared plan.
        LogicalPlan::Ddl(_) | LogicalPlan::Statement(_) => {
            Box::pin(core.context.execute_logical_plan(plan)).await.map_err(Failure::planning)?.into_parts()
        }
        query => (state, query),
    };
    if let Some(done) = Box::pin(change::run(core, &state, &plan)).await? {
        return Ok(done);
    }
    let physical = state.create_physical_plan(&plan).await.map_err(Failure::planning)?;
    let schema = physical.schema();
    if change.is_none() && is_known(physical.as_ref()) {
        let rows = collect(physical, small_context(&state)).await.map_err(Failure::running)?;
        return Ok(Started::Done(schema, rows));
    }
    let context = state.task_ctx();
    if at_once || changes_something(&plan) {
        let rows = collect(physical, context).await.map_err(Failure::running)?;
        if change.is_some() {
            core.shared.moved();
        }
        return Ok(Started::Done(schema, rows));
    }
    let stream = execute_stream(physical, context).map_err(Failure::running)?;
    Ok(Started::Rows(schema, stream))
}

/// Whether a plan reads nothing and makes one row, such as a `count(*)` that footers or a log have answered.
fn is_known(plan: &dyn ExecutionPlan) -> bool {
    match plan.downcast_ref::<ProjectionExec>() {
        Some(projection) => is_known(projection.input().as_ref()),
        None => plan.is::<PlaceholderRowExec>(),
    }
}

/// What a plan runs in that looks for no function by its name: all others are given copies of the session's tables of functions.
fn small_context(state: &SessionState) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        None,
        state.session_id().to_owned(),
        state.config().clone(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::clone(state.runtime_env()),
    ))
}

/// Open what the plan reads before the optimizer sees it: it may answer from a NOT NULL alone, and then nobody would look whether the
/// files are those that it was proved of. Scans find them open.
async fn look_at_files(state: &SessionState, plan: &LogicalPlan) -> Outcome<()> {
    let mut scanned = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            scanned.push(source_as_provider(&scan.source)?);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(Failure::planning)?;
    let tables = scanned.iter().filter_map(|t| t.downcast_ref::<ContractTable>());
    let believed: Vec<_> = tables.filter(|table| table.is_believed()).collect();
    try_join_all(believed.iter().map(|table| table.look_at_files(state))).await?;
    Ok(())
}

/// One catalog a session, with the schemas that it says it has.
fn refuse_other_catalogs(plan: &LogicalPlan) -> Outcome<()> {
    let what = match plan {
        LogicalPlan::Ddl(DdlStatement::CreateCatalog(_)) => "CREATE DATABASE",
        LogicalPlan::Ddl(DdlStatement::CreateCatalogSchema(_)) => "CREATE SCHEMA",
        LogicalPlan::Ddl(DdlStatement::DropCatalogSchema(_)) => "DROP SCHEMA",
        _ => return Ok(()),
    };
    Err(Failure::new(Status::Refused, format!("{what} is refused: the session's catalog and its schemas are fixed")))
}

/// DataFusion would say that the table does not exist.
fn refuse_drop_of_catalog(core: &Core, plan: &LogicalPlan) -> Outcome<()> {
    let name = match plan {
        LogicalPlan::Ddl(DdlStatement::DropTable(drop)) => &drop.name,
        LogicalPlan::Ddl(DdlStatement::DropView(drop)) => &drop.name,
        _ => return Ok(()),
    };
    let (catalog, schema, table) = crate::session::resolve(&core.state(), name);
    match core.shared.catalog() {
        Some(host) if host.name == catalog && host.is_fixed(&schema, &table) => {
            Err(Failure::new(Status::Refused, format!("table '{schema}.{table}' belongs to the catalog")))
        }
        _ => Ok(()),
    }
}

/// DROP TABLE of a table over files forgets the columns that the host keeps under its name, also where only an earlier session
/// had the table: then nothing else is to be done.
async fn forget_columns(core: &Core, name: &TableReference) -> Outcome<bool> {
    let state = core.state();
    let (_, _, table) = crate::session::resolve(&state, name);
    match core.memory.table(&table).await.map_err(Failure::planning)? {
        Some(provider) if provider.downcast_ref::<ContractTable>().is_none() => Ok(false),
        Some(_) => {
            catalog::dropped(&state, name);
            Ok(false)
        }
        None => Ok(catalog::dropped(&state, name)),
    }
}

/// Whether the name is one of which the host keeps columns, and no table of the session stands before it.
fn gives_way(core: &Core, state: &SessionState, name: &TableReference) -> bool {
    let (catalog, schema, table) = crate::session::resolve(state, name);
    let is_kept = |host: Arc<HostCatalog>| host.name == catalog && !host.is_fixed(&schema, &table);
    core.shared.catalog().is_some_and(is_kept) && !core.memory.table_exist(&table)
}

/// `CREATE EXTERNAL TABLE` over a table that is there, of which it says OR REPLACE or that gives way: the new one is made before
/// the old one goes. DataFusion (55.2) drops first, so that a failing replacement leaves no table.
async fn replace_external(core: &Core, command: &CreateExternalTable) -> Outcome<bool> {
    let exists = core.context.table_exist(command.name.clone()).map_err(Failure::planning)?;
    let state = core.state();
    let replaces = command.or_replace || gives_way(core, &state, &command.name);
    if !replaces || command.if_not_exists || command.temporary || !exists {
        return Ok(false);
    }
    let Some(factory) = state.table_factories().get(&command.file_type.to_uppercase()) else { return Ok(false) };
    let table = factory.create(&state, command).await.map_err(Failure::planning)?;
    core.context.register_table(command.name.clone(), table).map_err(Failure::planning)?;
    core.shared.moved();
    Ok(true)
}

/// Rows on their way to C.
pub struct QueryStream {
    schema: SchemaRef,
    rows: Rows,
    cancel: Option<Cancel>,
}

enum Rows {
    /// Those of a statement that is done.
    Here(VecDeque<RecordBatch>),
    Coming(Running),
}

/// A task of the engine that makes rows.
struct Running {
    /// Batches, then None; nothing follows a failure.
    receiver: Receiver<Outcome<Option<RecordBatch>>>,
    task: Option<JoinHandle<()>>,
    engine: Arc<Engine>,
}

impl QueryStream {
    fn new(engine: Arc<Engine>, started: Started, cancel: Option<Cancel>) -> QueryStream {
        let (schema, rows) = match started {
            Started::Rows(schema, stream) => (schema, Rows::Coming(Running::new(engine, stream, cancel.clone()))),
            Started::Done(schema, rows) => (schema, Rows::Here(rows.into())),
        };
        QueryStream { schema, rows, cancel }
    }
}

impl Running {
    fn new(engine: Arc<Engine>, rows: SendableRecordBatchStream, cancel: Option<Cancel>) -> Running {
        let (sender, receiver) = channel(QUEUE_BATCHES);
        let task = engine.handle().spawn(give_rows(rows, cancel, sender));
        Running { receiver, task: Some(task), engine }
    }
}

/// Batches into a queue, and their end or what went wrong as the last word: whoever reads need not wait for the task as well.
async fn give_rows(
    mut rows: SendableRecordBatchStream,
    cancel: Option<Cancel>,
    sender: Sender<Outcome<Option<RecordBatch>>>,
) {
    loop {
        let next = caught(async {
            match &cancel {
                Some(cancel) => tokio::select! {
                    biased;
                    () = cancel.fired() => Err(Failure::canceled()),
                    next = rows.next() => next.transpose().map_err(Failure::running),
                },
                None => rows.next().await.transpose().map_err(Failure::running),
            }
        });
        let next = next.await;
        let is_last = !matches!(next, Ok(Some(_)));
        if sender.send(next).await.is_err() || is_last {
            return;
        }
    }
}

impl Outgoing for QueryStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next(&mut self) -> Outcome<Option<RecordBatch>> {
        match &mut self.rows {
            Rows::Here(_) if self.cancel.as_ref().is_some_and(Cancel::is_fired) => Err(Failure::canceled()),
            Rows::Here(batches) => Ok(batches.pop_front()),
            Rows::Coming(running) => running.next(self.cancel.as_ref()),
        }
    }
}

impl Running {
    fn next(&mut self, cancel: Option<&Cancel>) -> Outcome<Option<RecordBatch>> {
        let receiver = &mut self.receiver;
        let next = self.engine.handle().block_on(async {
            match cancel {
                Some(cancel) => tokio::select! {
                    biased;
                    () = cancel.fired() => Some(Err(Failure::canceled())),
                    next = receiver.recv() => next,
                },
                None => receiver.recv().await,
            }
        });
        match next {
            Some(Ok(Some(batch))) => Ok(Some(batch)),
            Some(Ok(None)) => {
                self.task = None;
                Ok(None)
            }
            Some(Err(failure)) => {
                if let Some(task) = self.task.take() {
                    task.abort();
                }
                self.receiver.close();
                Err(failure)
            }
            // Nothing more to say, or a task that ended without its last word.
            None => self.task.take().map_or(Ok(None), |_| Err(Failure::canceled())),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// Parameters from the one row of a struct array: the field "x" binds `$x`, "1" binds `$1`.
pub fn params(row: &RecordBatch) -> Outcome<ParamValues> {
    if row.num_rows() != 1 {
        return Err(Failure::invalid(format!("parameters must be one row, not {}", row.num_rows())));
    }
    let mut values = HashMap::new();
    for (column, field) in row.columns().iter().zip(row.schema().fields()) {
        let value = ScalarValue::try_from_array(column, 0)
            .map_err(|e| Failure::invalid(format!("parameter '{}': {}", field.name(), e.strip_backtrace())))?;
        if values.insert(field.name().clone(), value).is_some() {
            return Err(Failure::new(Status::Invalid, format!("parameter '{}' is given twice", field.name())));
        }
    }
    Ok(ParamValues::from(values))
}
