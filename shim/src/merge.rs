//! merge.rs — SQL `MERGE`: a dataset's rows as a join with other rows says.
//!
//! ```text
//! table, its rows numbered ──┐                                              ┌──▶ 1. counted: what changes, which row matches twice
//!                            ├──▶ outer join by ON ──▶ the clause of a row ──┤
//! source ────────────────────┘                                              └──▶ 2. the rows as they will be ──▶ proof, gate, commit
//! ```
//! DataFusion (55.2) plans the statement and no provider of the field runs it. The storage library's own merge writes past our gate and reads
//! nested columns as other types, so the rows go the way of an INSERT: where none is changed or deleted, the new ones are appended, else
//! the whole table is written anew. Held are one side of the join, the keys, and a bit for each row of the table.
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Int32Type, SchemaRef, UInt64Type};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, JoinType, Result, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::dml::{MergeIntoAction, MergeIntoClause, MergeIntoClauseKind, MergeIntoOp};
use datafusion::logical_expr::{Case, DmlStatement, Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;

use crate::change::{own, stand_on_read};
use crate::check::not_row_by_row;
use crate::error::{Failure, Outcome, Status};
use crate::exact::exact;
use crate::proof::{Kept, Proof, proved};
use crate::schema::{relax, restamp_batch};
use crate::table::ContractTable;
use crate::write::{Rows, write};

// What the join says of a row besides its columns.
/// The number of the table's row; null: there is none.
const ROW: &str = "(row)";
/// True; null: no row of the source.
const SOURCE: &str = "(source)";
/// The first clause that holds; null: none.
const CLAUSE: &str = "(clause)";
/// Before the names of the table's columns that ON compares.
const KEY: &str = "(key) ";

pub struct Merge {
    table: ContractTable,
    /// How the statement calls the table's columns.
    named: TableReference,
    source: LogicalPlan,
    on: Expr,
    clauses: Vec<MergeIntoClause>,
}

impl Merge {
    pub fn read(table: ContractTable, dml: &DmlStatement, op: &MergeIntoOp) -> Outcome<Merge> {
        let named = dml.table_name.clone();
        for expr in op.exprs() {
            if let Some(why) = not_row_by_row(expr) {
                return Err(table.refuse("MERGE", why));
            }
        }
        for clause in &op.clauses {
            if let Some(why) = invisible(&named, clause) {
                return Err(table.refuse("MERGE", why));
            }
        }
        let source = dml.input.as_ref().clone();
        Ok(Merge { table, named, source, on: op.on.clone(), clauses: op.clauses.clone() })
    }

    /// How many rows came, changed or went.
    pub async fn apply(self, state: &SessionState) -> Outcome<u64> {
        let counted = self.count(state).await?;
        if counted.n_changed() == 0 {
            return Ok(0);
        }
        let Some(mut options) = stand_on_read(&self.table).await? else { return Ok(0) };
        let appends = counted.n_updated == 0 && counted.n_deleted == 0;
        let rules = self.table.rules();
        let proof = Proof::new(state, &self.table.name, &self.table.declared, rules)?;
        let kept = match appends && !options.overwrite {
            true => self.table.scan_keys(state).await.map_err(Failure::planning)?,
            false => None,
        };
        let kept = kept.map(|plan| Kept { plan, context: state.task_ctx() });
        options.overwrite |= !appends;
        let rows = self.rows(state, counted, appends).await?;
        let written = write(state.clone(), options, Rows::Stream(proved(proof, rows, kept))).await?;
        self.table.report(written.version);
        Ok(counted.n_changed())
    }

    async fn count(&self, state: &SessionState) -> Outcome<Counts> {
        let mut rows =
            execute_stream(self.plan(state, Vec::new()).await?, state.task_ctx()).map_err(Failure::running)?;
        let mut watch = self.watch(false);
        while let Some(batch) = rows.next().await {
            watch.pass(&batch.map_err(Failure::running)?)?;
        }
        Ok(watch.counts)
    }

    /// The rows to write, which are refused where the join is another than the one that was counted.
    async fn rows(&self, state: &SessionState, counted: Counts, only_new: bool) -> Outcome<SendableRecordBatchStream> {
        let schema = relax(&self.table.declared);
        let values = schema.fields().iter().map(|field| self.value(field)).collect();
        let joined = execute_stream(self.plan(state, values).await?, state.task_ctx()).map_err(Failure::running)?;
        let watch = self.watch(only_new);
        let (name, columns) = (self.table.name.clone(), Arc::clone(&schema));
        let stream = futures::stream::unfold(Some((joined, watch)), move |going| {
            let (name, columns) = (name.clone(), Arc::clone(&columns));
            async move {
                let (mut joined, mut watch) = going?;
                let next = match joined.next().await {
                    Some(Ok(batch)) => watch.keep(&batch, &columns).map_err(Failure::into_engine),
                    Some(Err(e)) => Err(e),
                    None if watch.counts == counted => return None,
                    None => {
                        let text = format!("the rows that are merged into '{name}' are others each time they are read");
                        Err(Failure::new(Status::Conflict, text).into_engine())
                    }
                };
                let then = next.is_ok().then_some((joined, watch));
                Some((next, then))
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    fn watch(&self, only_new: bool) -> Watch {
        let acts = self.clauses.iter().map(|clause| match clause.action {
            MergeIntoAction::Insert { .. } => Act::Insert,
            MergeIntoAction::Update(_) => Act::Update,
            MergeIntoAction::Delete => Act::Delete,
        });
        let changes_matched = self.clauses.iter().any(|clause| clause.kind == MergeIntoClauseKind::Matched);
        let table = self.table.name.clone();
        Watch { table, acts: acts.collect(), changes_matched, only_new, seen: Vec::new(), counts: Counts::default() }
    }

    /// The join: `values`, then what is known of each row.
    async fn plan(&self, state: &SessionState, values: Vec<Expr>) -> Outcome<Arc<dyn ExecutionPlan>> {
        let plan = self.joined(values).map_err(Failure::planning)?;
        state.create_physical_plan(&plan).await.map_err(Failure::planning)
    }

    fn joined(&self, mut values: Vec<Expr>) -> Result<LogicalPlan> {
        let table = provider_as_source(Arc::new(self.table.clone()));
        let table = LogicalPlanBuilder::scan(self.named.clone(), table, None)?;
        let table = table.window([row_number().alias(ROW)])?.build()?;
        let columns = self.source.schema().columns().into_iter().map(Expr::Column);
        let source = LogicalPlanBuilder::from(self.source.clone()).project(columns.chain([lit(true).alias(SOURCE)]))?;
        let has_new = self.clauses.iter().any(|clause| clause.kind.is_not_matched_by_target());
        let side = if has_new { JoinType::Full } else { JoinType::Right };
        let joined = source.join_on(table, side, [self.on.clone()])?;
        let columns: Vec<Expr> = joined.schema().columns().into_iter().map(Expr::Column).collect();
        let joined = joined.project(columns.into_iter().chain([self.clause().alias(CLAUSE)]))?;
        let joined = joined.filter(own(ROW).is_not_null().or(own(CLAUSE).is_not_null()))?;
        values.extend([own(ROW), own(SOURCE), own(CLAUSE)]);
        values.extend(self.keys().map(|column| Expr::Column(column.clone()).alias(format!("{KEY}{}", column.name))));
        joined.project(values)?.build()
    }

    /// The table's columns that ON compares, in its order: they name a row.
    fn keys(&self) -> impl Iterator<Item = &Column> {
        let mut used: Vec<&Column> = self.on.column_refs().into_iter().filter(|c| is_of(&self.named, c)).collect();
        used.sort_by_key(|column| self.table.declared.index_of(&column.name).unwrap_or(usize::MAX));
        used.into_iter()
    }

    /// The index of the first clause that holds of a row of the join.
    fn clause(&self) -> Expr {
        let cases = self.clauses.iter().zip(0i32..).map(|(clause, index)| {
            let (row, source) = (own(ROW), own(SOURCE));
            let mut holds = match clause.kind.canonical() {
                MergeIntoClauseKind::Matched => row.is_not_null().and(source.is_not_null()),
                MergeIntoClauseKind::NotMatchedBySource => source.is_null(),
                _ => row.is_null(),
            };
            if let Some(predicate) = &clause.predicate {
                holds = holds.and(predicate.clone());
            }
            (Box::new(holds), Box::new(lit(index)))
        });
        Expr::Case(Case::new(None, cases.collect(), None))
    }

    /// What a column of the table becomes.
    fn value(&self, field: &Field) -> Expr {
        let mut cases = Vec::new();
        for (clause, index) in self.clauses.iter().zip(0i32..) {
            let value = match &clause.action {
                MergeIntoAction::Delete => None,
                MergeIntoAction::Update(set) => {
                    set.iter().find(|(name, _)| name == field.name()).map(|(_, v)| v.clone())
                }
                MergeIntoAction::Insert { columns, values } => Some(self.inserted(field, columns, values)),
            };
            if let Some(value) = value {
                let value = exact(&self.table.name, field.name(), value, field.data_type());
                cases.push((Box::new(own(CLAUSE).eq(lit(index))), Box::new(value)));
            }
        }
        let stays = Expr::Column(Column::new(Some(self.named.clone()), field.name()));
        match cases.is_empty() {
            true => stays.alias(field.name()),
            false => Expr::Case(Case::new(None, cases, Some(Box::new(stays)))).alias(field.name()),
        }
    }

    fn inserted(&self, field: &Field, columns: &[String], values: &[Expr]) -> Expr {
        let at = match columns.is_empty() {
            true => self.table.declared.index_of(field.name()).ok(),
            false => columns.iter().position(|name| name == field.name()),
        };
        let given = at.and_then(|at| values.get(at)).or_else(|| self.table.get_column_default(field.name()));
        given.cloned().unwrap_or_else(|| lit(ScalarValue::Null))
    }
}

fn is_of(table: &TableReference, column: &Column) -> bool {
    column.relation.as_ref() == Some(table)
}

/// Why a clause names what is not there for its rows; None: it does not.
fn invisible(table: &TableReference, clause: &MergeIntoClause) -> Option<String> {
    let values: Vec<&Expr> = match &clause.action {
        MergeIntoAction::Update(set) => set.iter().map(|(_, value)| value).collect(),
        MergeIntoAction::Insert { values, .. } => values.iter().collect(),
        MergeIntoAction::Delete => Vec::new(),
    };
    let (of_table, what) = match clause.kind.canonical() {
        MergeIntoClauseKind::NotMatchedByTarget => (true, "WHEN NOT MATCHED has no row of the table"),
        MergeIntoClauseKind::NotMatchedBySource => (false, "WHEN NOT MATCHED BY SOURCE has no row of the source"),
        MergeIntoClauseKind::Matched | MergeIntoClauseKind::NotMatched => return None,
    };
    let used = clause.predicate.iter().chain(values).flat_map(Expr::column_refs);
    let mut absent: Vec<String> = used.filter(|c| is_of(table, c) == of_table).map(Column::flat_name).collect();
    absent.sort();
    absent.first().map(|column| format!("{what}, and so no '{column}'"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Insert,
    Update,
    Delete,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    n_inserted: u64,
    n_updated: u64,
    n_deleted: u64,
}

impl Counts {
    fn n_changed(&self) -> u64 {
        self.n_inserted + self.n_updated + self.n_deleted
    }
}

/// Follows the rows of one run of the join.
struct Watch {
    /// For messages.
    table: String,
    /// Of each clause.
    acts: Vec<Act>,
    changes_matched: bool,
    /// Rows that are there already stay where they are.
    only_new: bool,
    /// A bit for each row of the table: whether it has matched.
    seen: Vec<u64>,
    counts: Counts,
}

impl Watch {
    /// Which rows are written.
    fn pass(&mut self, batch: &RecordBatch) -> Outcome<BooleanArray> {
        let column =
            |name: &str| batch.column_by_name(name).ok_or_else(|| Failure::invalid(format!("no column {name}")));
        let rows = column(ROW)?.as_primitive::<UInt64Type>();
        let sources = column(SOURCE)?.as_boolean();
        let clauses = column(CLAUSE)?.as_primitive::<Int32Type>();
        let mut kept = Vec::with_capacity(batch.num_rows());
        for at in 0..batch.num_rows() {
            let is_match = rows.is_valid(at) && sources.is_valid(at);
            let again = is_match && self.has_matched(rows.value(at));
            if again && self.changes_matched {
                return Err(self.twice(batch, at)?);
            }
            let act = clauses.is_valid(at).then(|| usize::try_from(clauses.value(at)).ok()).flatten();
            kept.push(match act.and_then(|index| self.acts.get(index)) {
                Some(Act::Insert) => {
                    self.counts.n_inserted += 1;
                    true
                }
                Some(Act::Update) => {
                    self.counts.n_updated += 1;
                    true
                }
                Some(Act::Delete) => {
                    self.counts.n_deleted += 1;
                    false
                }
                None => !again && !self.only_new,
            });
        }
        Ok(BooleanArray::from(kept))
    }

    /// The rows to write, with the table's columns alone, which come first.
    fn keep(&mut self, batch: &RecordBatch, columns: &SchemaRef) -> Outcome<RecordBatch> {
        let kept = self.pass(batch)?;
        let of_table: Vec<usize> = (0..columns.fields().len()).collect();
        restamp_batch(&filter_record_batch(&batch.project(&of_table)?, &kept)?, columns)
    }

    /// Whether this row of the table matched before.
    fn has_matched(&mut self, row: u64) -> bool {
        let (word, bit) = (usize::try_from(row / 64).unwrap_or(usize::MAX), 1 << (row % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let before = self.seen[word] & bit != 0;
        self.seen[word] |= bit;
        before
    }
    /// That a row matched a second time; it is named by what ON compares.
    fn twice(&self, batch: &RecordBatch, at: usize) -> Outcome<Failure> {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            if let Some(name) = field.name().strip_prefix(KEY) {
                names.push(name.to_owned());
                values.push(ScalarValue::try_from_array(column, at).map_err(Failure::running)?.to_string());
            }
        }
        let which = match names.is_empty() {
            true => "one row of the table".to_owned(),
            false => format!("the row with ({}) = ({})", names.join(", "), values.join(", ")),
        };
        let text = format!("MERGE of '{}': two rows of the source match {which}: leave one of them", self.table);
        Ok(Failure::new(Status::Gate, text))
    }
}
