//! change.rs — SQL `UPDATE` and `DELETE` of a dataset's rows; `MERGE` has a file of its own.
//!
//! DataFusion (55.2) gives a provider's hooks a filter that it rebuilt from the optimized plan, which may have lost the predicate, so
//! they refuse. Here predicate and assignments are taken from the plan as it was written:
//!
//! ```text
//! unoptimized plan ──▶ predicate, assignments ──▶ proof over the session's version: gate, checks, key ──▶ storage library
//! ```
//! The library gets expressions over the stored columns. What they cannot say exactly (LIMIT, a join, a subquery, something random) is
//! refused. After the commit rows are counted, and a version with another number of rows than was proved is not taken.
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Cast, DmlStatement, Expr, LogicalPlan, LogicalPlanBuilder, Projection, WriteOp, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;

use crate::check::not_row_by_row;
use crate::delta;
use crate::error::{Failure, Outcome, Status};
use crate::exact;
use crate::gate::Gate;
use crate::insert::stand_on;
use crate::merge::Merge;
use crate::proof::{Kept, Proof};
use crate::query::Started;
use crate::schema::{relax, stored};
use crate::session::Core;
use crate::table::ContractTable;
use crate::write::{Onto, WriteOptions};

/// What a statement does to the rows of its table.
struct Change {
    what: &'static str,
    table: ContractTable,
    /// None: every row.
    predicate: Option<Expr>,
    /// Of UPDATE: the columns that get a value, and it.
    assignments: Vec<(String, Expr)>,
}

/// Run the statement when it changes rows of a table; None: it is something else.
pub async fn run(core: &Arc<Core>, state: &SessionState, plan: &LogicalPlan) -> Outcome<Option<Started>> {
    let LogicalPlan::Dml(dml) = plan else { return Ok(None) };
    let what = match dml.op {
        WriteOp::Delete => "DELETE",
        WriteOp::Update => "UPDATE",
        WriteOp::MergeInto(_) => "MERGE",
        _ => return Ok(None),
    };
    let table = target(what, dml)?;
    let name = table.name.clone();
    let n_rows = match &dml.op {
        WriteOp::MergeInto(op) => Merge::read(table, dml, op)?.apply(state).await,
        _ => Change::read(state, what, table, dml)?.apply(core, state).await,
    };
    let n_rows = n_rows.map_err(|f| match f.status {
        Status::Gate | Status::Refused | Status::Drift => f,
        _ => f.context(format!("{what} of '{name}'")),
    })?;
    let schema = Arc::new(Schema::new(vec![Field::new("count", DataType::UInt64, false)]));
    let row = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(UInt64Array::from(vec![n_rows]))])?;
    Ok(Some(Started::Done(schema, vec![row])))
}

/// The table that a statement changes, shown without NOT NULL.
fn target(what: &str, dml: &DmlStatement) -> Outcome<ContractTable> {
    let provider = source_as_provider(&dml.target).map_err(Failure::planning)?;
    match provider.downcast_ref::<ContractTable>() {
        Some(table) if table.base().is_some() => Ok(table.relaxed()),
        Some(table) => Err(table.refusal(what)),
        None => Err(refused(what, &dml.table_name.to_string(), "it is neither a dataset nor a Delta table")),
    }
}

/// How a statement writes onto the version that it reads: that is what it changes, or nothing is.
pub async fn stand_on_read(table: &ContractTable) -> Outcome<Option<WriteOptions>> {
    let Some((base, mut options)) = table.change() else { return Ok(None) };
    stand_on(base, &mut options).await?;
    if options.onto == Onto::Anything {
        options.onto = match table.read_version() {
            Some(version) => Onto::Version(version),
            None if delta::exists(&options.location).await? => Onto::Version(delta::version(&options.location).await?),
            None => Onto::Nothing,
        };
    }
    Ok(Some(options))
}

fn refused(what: &str, table: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(Status::Refused, format!("{what} is refused on table '{table}': {why}"))
}

impl Change {
    fn read(state: &SessionState, what: &'static str, table: ContractTable, dml: &DmlStatement) -> Outcome<Change> {
        let refuse = |why: String| refused(what, &table.name, why);
        let mut input = dml.input.as_ref();
        let mut values = None;
        if what == "UPDATE" {
            let LogicalPlan::Projection(Projection { expr, input: inner, .. }) = input else {
                return Err(refuse("it is not a plain UPDATE".to_owned()));
            };
            values = Some(expr);
            input = inner;
        }
        let mut condition = None;
        if let LogicalPlan::Filter(filter) = input {
            condition = Some(&filter.predicate);
            input = &filter.input;
        }
        if let LogicalPlan::SubqueryAlias(alias) = input {
            input = &alias.input;
        }
        match input {
            LogicalPlan::TableScan(scan)
                if scan.table_name == dml.table_name && scan.fetch.is_none() && scan.filters.is_empty() => {}
            LogicalPlan::Limit(_) => return Err(refuse("LIMIT does not say which rows".to_owned())),
            _ => return Err(refuse("it reads more than the table".to_owned())),
        }

        let columns = Arc::new(DFSchema::try_from(relax(&table.declared)).map_err(Failure::planning)?);
        let folded = SimplifyContext::builder()
            .with_schema(Arc::clone(&columns))
            .with_query_execution_start_time(Some(chrono::Utc::now()))
            .with_config_options(Arc::clone(state.config().options()))
            .build();
        let folded = ExprSimplifier::new(folded);
        let plain = |expr: &Expr| -> Outcome<Expr> {
            let bare = own_columns(expr.clone()).map_err(|why| refuse(why.to_owned()))?;
            let typed = folded.coerce(bare, &columns).map_err(Failure::planning)?;
            folded.simplify(typed).map_err(Failure::planning)
        };
        let predicate = match condition.map(plain).transpose()? {
            Some(Expr::Literal(ScalarValue::Boolean(Some(true)), _)) => None,
            other => other,
        };
        let mut assignments = Vec::new();
        for (value, field) in values.into_iter().flatten().zip(columns.fields()) {
            let value = value.clone().unalias();
            if !matches!(&value, Expr::Column(column) if column.name == *field.name()) {
                // A parameter got its value after the statement was planned, and may be of another type.
                let value = plain(&Expr::Cast(Cast::new(Box::new(value), field.data_type().clone()))).map_err(|f| {
                    match f.status {
                        Status::Refused => f,
                        _ => f.context(format!("{what} of '{}': column '{}'", table.name, field.name())),
                    }
                })?;
                assignments.push((field.name().clone(), value));
            }
        }
        Ok(Change { what, table, predicate, assignments })
    }

    async fn apply(self, core: &Arc<Core>, state: &SessionState) -> Outcome<u64> {
        let n_before = self.count(state, None).await?;
        let n_changed = self.prove(state).await?;
        let is_delete = self.what == "DELETE";
        if n_changed == 0 || (!is_delete && self.assignments.is_empty()) {
            return Ok(n_changed);
        }
        let Some(options) = stand_on_read(&self.table).await? else { return Ok(0) };
        let predicate = self.predicate.clone().map(|p| self.over_stored(p)).transpose()?;
        let version = if is_delete {
            delta::delete(core, &options, predicate).await
        } else {
            let assignments = self.assignments.iter();
            let assignments = assignments.map(|(name, value)| Ok((name.clone(), self.over_stored(value.clone())?)));
            delta::update(core, &options, predicate, assignments.collect::<Outcome<_>>()?).await
        };
        let version = version.map_err(|f| match f.text.contains("Unable to convert expression to string") {
            true => refused(self.what, &self.table.name, "the storage library has no words for the condition"),
            false => f,
        })?;

        let n_wanted = if is_delete { n_before - n_changed } else { n_before };
        let n_after = delta::count(state, &options.location, version).await?;
        if n_after != n_wanted {
            let text = format!("version {version} has {n_after} rows where {n_wanted} should be: it is not taken");
            return Err(Failure::new(Status::Execution, text));
        }
        self.table.report(version);
        Ok(n_changed)
    }

    /// That the rows which the statement makes are the contract's; how many they are.
    async fn prove(&self, state: &SessionState) -> Outcome<u64> {
        if self.what == "DELETE" {
            return self.count(state, self.predicate.clone()).await;
        }
        let declared = Arc::clone(&self.table.declared);
        let gate = Gate::new(self.table.name.clone(), Arc::clone(&declared), declared);
        let rules = self.table.rules().touched(|column| self.assignments.iter().any(|(name, _)| name == column));
        let mut proof = Proof::new(state, &self.table.name, &self.table.declared, &rules)?;
        let changed = self.table.declared.fields().iter().map(|field| {
            let set = self.assignments.iter().find(|(name, _)| name == field.name());
            set.map_or_else(|| own(field.name()), |(_, value)| value.clone()).alias(field.name())
        });
        let mut rows = self.rows(state, self.predicate.clone(), changed.collect()).await?;
        let mut n_rows = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(Failure::running)?;
            gate.check_batch(&batch, n_rows)?;
            proof.add(&batch)?;
            n_rows += batch.num_rows() as u64;
        }
        let keys: Vec<Expr> = rules.key_columns().into_iter().map(own).collect();
        if let Some(predicate) = &self.predicate
            && !keys.is_empty()
        {
            let others = Expr::IsNotTrue(Box::new(predicate.clone()));
            let plan = self.plan(state, Some(others), keys).await?;
            proof.finish(Some(Kept { plan, context: state.task_ctx() })).await?;
        }
        Ok(n_rows)
    }

    async fn count(&self, state: &SessionState, predicate: Option<Expr>) -> Outcome<u64> {
        let mut rows = self.rows(state, predicate, vec![lit(1).alias("row")]).await?;
        let mut n_rows = 0;
        while let Some(batch) = rows.next().await {
            n_rows += batch.map_err(Failure::running)?.num_rows() as u64;
        }
        Ok(n_rows)
    }

    async fn plan(
        &self,
        state: &SessionState,
        predicate: Option<Expr>,
        columns: Vec<Expr>,
    ) -> Outcome<Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
        let source = provider_as_source(Arc::new(self.table.clone()));
        let mut plan = LogicalPlanBuilder::scan("changed", source, None).map_err(Failure::planning)?;
        if let Some(predicate) = predicate {
            plan = plan.filter(predicate).map_err(Failure::planning)?;
        }
        let plan = plan.project(columns).and_then(LogicalPlanBuilder::build).map_err(Failure::planning)?;
        state.create_physical_plan(&plan).await.map_err(Failure::planning)
    }

    async fn rows(
        &self,
        state: &SessionState,
        predicate: Option<Expr>,
        columns: Vec<Expr>,
    ) -> Outcome<SendableRecordBatchStream> {
        let plan = self.plan(state, predicate, columns).await?;
        execute_stream(plan, state.task_ctx()).map_err(Failure::running)
    }

    /// The expression over columns as storage has them.
    fn over_stored(&self, expr: Expr) -> Outcome<Expr> {
        let kept: SchemaRef = stored(&self.table.declared)?;
        let moved = exact::plain(expr).map_err(Failure::planning)?.transform(|e| match &e {
            Expr::Column(column) => {
                let (have, want) =
                    (kept.field_with_name(&column.name)?, self.table.declared.field_with_name(&column.name)?);
                if want.data_type().is_nested() {
                    let why = format!("column '{}' is nested, and the storage library reads it otherwise", column.name);
                    return Err(refused(self.what, &self.table.name, why).into_engine());
                }
                match have.data_type() == want.data_type() {
                    true => Ok(Transformed::no(e)),
                    false => Ok(Transformed::yes(Expr::Cast(Cast::new(Box::new(e), want.data_type().clone())))),
                }
            }
            _ => Ok(Transformed::no(e)),
        });
        moved.map(|t| t.data).map_err(Failure::planning)
    }
}

pub fn own(column: &str) -> Expr {
    Expr::Column(Column::new_unqualified(column))
}

/// The expression over the bare columns of the table; an error says why it is not evaluated row by row.
fn own_columns(expr: Expr) -> Result<Expr, &'static str> {
    if let Some(why) = not_row_by_row(&expr) {
        return Err(why);
    }
    let bare = expr.transform(|e| match e {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))),
        other => Ok(Transformed::no(other)),
    });
    bare.map(|t| t.data.unalias_nested().data).map_err(|_| "it cannot be read")
}
