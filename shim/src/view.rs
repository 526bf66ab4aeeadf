//! view.rs — a view is its SQL: planned when it is used, inside the session as it is then.
//!
//! The plan is kept until the catalog's epoch moves or something is registered. It is handed to the planner as a logical plan,
//! which DataFusion inlines, so that projections and filters go through. `schema()` is the plan's as well, so that a view, a query
//! over it and `information_schema.columns` give one answer; names and kinds of tables are listed without planning (a view takes a
//! millisecond), and a view that does not plan shows what was declared of it, nothing of that proved. Planning is synchronous on
//! purpose: all our providers answer without waiting.
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::ExecutionPlan;
use futures::FutureExt;

use crate::catalog::Hosted;
use crate::error::{Failure, Outcome, Status};
use crate::schema::{difference, relax};
use crate::session::Shared;

/// Views over views over views; more is a mistake, and each level takes stack.
const MAX_DEPTH: usize = 64;

thread_local! {
    /// The views that are being planned on this thread, outermost first.
    static PLANNING: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A name on the stack for as long as this lives, also when planning panics.
struct Planning;

impl Planning {
    fn enter(name: &str) -> Planning {
        PLANNING.with_borrow_mut(|stack| stack.push(name.to_owned()));
        Planning
    }
}

impl Drop for Planning {
    fn drop(&mut self) {
        PLANNING.with_borrow_mut(|stack| stack.pop());
    }
}

/// Where the text of its DDL comes from.
enum Ddl {
    Host(Hosted),
    Statement(String),
}

pub struct View {
    name: String,
    sql: String,
    ddl: Ddl,
    /// As declared; None when the columns are whatever the query gives.
    declared: Option<SchemaRef>,
    presented: Option<SchemaRef>,
    shared: Arc<Shared>,
    kept: Mutex<Option<(u64, u64, Arc<LogicalPlan>)>>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({})", self.name)
    }
}

impl View {
    /// One of the host's catalog.
    pub fn hosted(
        hosted: Hosted,
        name: String,
        sql: String,
        declared: Option<SchemaRef>,
        proved: bool,
        shared: &Arc<Shared>,
    ) -> View {
        let presented = declared.as_ref().map(|d| if proved { Arc::clone(d) } else { relax(d) });
        View {
            name,
            sql,
            ddl: Ddl::Host(hosted),
            declared,
            presented,
            shared: Arc::clone(shared),
            kept: Mutex::default(),
        }
    }

    /// One that the statement `ddl` made: its columns are whatever the query gives.
    pub fn made(name: String, sql: String, ddl: String, shared: &Arc<Shared>) -> View {
        let (ddl, shared) = (Ddl::Statement(ddl), Arc::clone(shared));
        View { name, sql, ddl, declared: None, presented: None, shared, kept: Mutex::default() }
    }

    /// The plan for now; fails when the SQL does not plan or gives other columns than declared.
    pub fn plan(&self) -> Outcome<Arc<LogicalPlan>> {
        let (epoch, generation) = self.shared.now();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((e, g, plan)) = kept
            && (e, g) == (epoch, generation)
        {
            return Ok(plan);
        }
        let plan = Arc::new(self.plan_anew().map_err(|f| f.context(format!("view '{}'", self.name)))?);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((epoch, generation, Arc::clone(&plan)));
        Ok(plan)
    }

    fn plan_anew(&self) -> Outcome<LogicalPlan> {
        let (depth, cycle) = PLANNING.with_borrow(|stack| (stack.len(), stack.contains(&self.name)));
        if cycle {
            return Err(Failure::new(Status::Plan, "the view reads itself"));
        }
        if depth >= MAX_DEPTH {
            return Err(Failure::new(Status::Plan, format!("views are nested deeper than {MAX_DEPTH}")));
        }
        let mut state = self.shared.state().ok_or_else(|| Failure::new(Status::Canceled, "the session is closed"))?;
        if self.declared.is_some() && state.config_options().sql_parser.map_string_types_to_utf8view {
            // VARCHAR is the contract's utf8, whatever a session makes of a user's.
            state.config_mut().options_mut().sql_parser.map_string_types_to_utf8view = false;
        }
        let planned = {
            let _here = Planning::enter(&self.name);
            // The plan is kept, so it must not depend on the statement that asked for it first.
            let _strict = crate::session::Relaxed::unset();
            crate::session::plan_in(&state, &self.sql).now_or_never()
        };
        let plan =
            planned.unwrap_or_else(|| Err(Failure::new(Status::Plan, "a table of the view cannot be had at once")))?;
        self.dress(crate::query::only_query(plan)?)
    }

    /// Compare with the declaration, and let its field metadata reach whoever reads the view.
    fn dress(&self, plan: LogicalPlan) -> Outcome<LogicalPlan> {
        let Some(declared) = &self.declared else { return Ok(plan) };
        if let Some(text) = difference(plan.schema().as_arrow(), declared) {
            return Err(Failure::new(Status::Plan, text));
        }
        let plain = plan
            .schema()
            .fields()
            .iter()
            .zip(declared.fields())
            .all(|(have, want)| want.metadata().iter().all(|(k, v)| have.metadata().get(k) == Some(v)));
        if plain {
            return Ok(plan);
        }
        let columns: Vec<Expr> = declared
            .fields()
            .iter()
            .enumerate()
            .map(|(i, want)| {
                let column = Expr::Column(Column::from(plan.schema().qualified_field(i)));
                column.alias_with_metadata(want.name().clone(), Some(FieldMetadata::from(want.as_ref())))
            })
            .collect();
        LogicalPlanBuilder::from(plan).project(columns).and_then(LogicalPlanBuilder::build).map_err(Failure::planning)
    }
}

#[async_trait]
impl TableProvider for View {
    fn schema(&self) -> SchemaRef {
        match self.plan() {
            Ok(plan) => Arc::clone(plan.schema().inner()),
            Err(_) => self.presented.clone().unwrap_or_else(|| Arc::new(Schema::empty())),
        }
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_table_definition(&self) -> Option<&str> {
        match &self.ddl {
            Ddl::Host(hosted) => hosted.definition(),
            Ddl::Statement(text) => Some(text),
        }
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        self.plan().ok().map(|plan| Cow::Owned(Arc::unwrap_or_clone(plan)))
    }

    /// Reached when the planner could not inline the view, above all because it does not plan.
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.plan().map_err(Failure::into_engine)?;
        ViewTable::new(Arc::unwrap_or_clone(plan), None).scan(state, projection, filters, limit).await
    }
}
