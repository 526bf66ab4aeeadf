//! table.rs — a dataset of the catalog as the engine sees it: exactly the contract's columns, whatever storage has.
//!
//! The provider is made without I/O; storage is opened by the first scan and kept for the life of the provider, which is one
//! catalog epoch. The projection goes down into storage; filters go down as hints for skipping files. Where a row may be a
//! whole file, filters are also applied here, so that no `FilterExec` gathers rows above.
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, DFSchemaRef, Result, ScalarValue};
use datafusion::datasource::MemTable;
use datafusion::datasource::sink::DataSinkExec;
use datafusion::execution::SessionState;
use datafusion::logical_expr::dml::{InsertOp, MergeIntoClause};
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use tokio::sync::OnceCell;

use crate::catalog::Hosted;
use crate::complete::Defaults;
use crate::delta::{self, OpenTable};
use crate::endless::Endless;
use crate::error::{Failure, Outcome, Status};
use crate::floats::{Numbers, has_nan, numbers, with_doubted_floats};
use crate::hint::{is_hint, is_plain, with_filters};
use crate::insert::{Base, InsertSink, Place};
use crate::insert_memory::MemoryRows;
use crate::listing::{Group, Listing};
use crate::nans::Nans;
use crate::present::{Input, PresentExec, Source};
use crate::proof::Proof;
use crate::rules::Rules;
use crate::schema::{has_bundles, index_by_name, relax, relax_but};
use crate::stream::StreamTable;
use crate::write::WriteOptions;

#[derive(Debug)]
pub enum Storage {
    Empty,
    Delta {
        location: String,
        version: Option<u64>,
        /// In place of `version`, the newest one that was committed by then.
        as_of_us: Option<i64>,
        /// No statement changes it.
        is_fixed: bool,
        opened: OnceCell<OpenTable>,
        /// Set when the files are those that were proved, and their columns the contract's.
        compared: OnceCell<()>,
    },
    /// Made by SQL: always the newest version, and empty until the first INSERT makes the table.
    LiveDelta {
        location: String,
        partition_by: Vec<String>,
    },
    Stream(StreamTable),
    Files {
        listing: Listing,
    },
    Memory(Arc<MemoryRows>),
    /// A file or pipe that is read from its start to whenever it ends.
    Endless(Endless),
    /// Listed, but any use fails with this text.
    Broken(String),
}

#[derive(Debug, Clone)]
pub struct ContractTable {
    /// "schema.table", for messages.
    pub name: String,
    /// What the contract says; the gate of writes.
    pub declared: SchemaRef,
    /// What the optimizer may believe.
    schema: SchemaRef,
    storage: Arc<Storage>,
    /// SQL over the columns; every scan applies it.
    predicate: Option<String>,
    bundles: bool,
    hosted: Option<Hosted>,
    /// The statement that made it, where the host did not.
    statement: Option<String>,
    /// What INSERT puts where no value is given.
    defaults: HashMap<String, Expr>,
    /// What SQL must keep to when it writes.
    rules: Arc<Rules>,
    /// Whether every row that is there keeps to the checks.
    checks_hold: bool,
    /// Float columns that hold no NaN by those, once a scan has asked.
    numbers: Arc<OnceLock<Arc<HashSet<String>>>>,
    /// What scans have found of other float columns.
    nans: Arc<Nans>,
}

/// The rows that a batch should have, given the columns that are read.
type BatchRows<'a> = Box<dyn Fn(&Schema) -> Option<usize> + Send + Sync + 'a>;

/// A provider of storage, and what holds of its plans (as in `present::Input`).
struct Inner<'a> {
    provider: Arc<dyn TableProvider>,
    /// The state that it is scanned in; None: the session's.
    state: Option<Arc<SessionState>>,
    batch_rows: BatchRows<'a>,
    takes_filters: bool,
    /// Rows say nothing of what is null: JSON.
    leaves_out_nulls: bool,
    numbers: Arc<HashSet<String>>,
}

impl Inner<'_> {
    fn plain(provider: Arc<dyn TableProvider>) -> Inner<'static> {
        Inner {
            provider,
            state: None,
            batch_rows: Box::new(|_| None),
            takes_filters: true,
            leaves_out_nulls: false,
            numbers: Arc::default(),
        }
    }
}

/// What a scan reads and keeps.
struct Asked<'a> {
    /// The columns that go out first, then what predicates need besides; indices into the table's schema.
    columns: &'a [usize],
    n_out: usize,
    hints: &'a [Expr],
    applied: &'a [Expr],
    limit: Option<usize>,
}

fn names(columns: &Schema) -> impl Iterator<Item = &str> {
    columns.fields().iter().map(|f| f.name().as_str())
}

impl ContractTable {
    pub fn new(
        name: String,
        declared: SchemaRef,
        proved_not_null: bool,
        storage: Storage,
        predicate: Option<String>,
        hosted: Option<Hosted>,
    ) -> ContractTable {
        let schema = match &storage {
            _ if proved_not_null => Arc::clone(&declared),
            Storage::Files { listing, .. } => relax_but(&declared, listing.partition_columns()),
            _ => relax(&declared),
        };
        let bundles = has_bundles(&schema);
        let storage = Arc::new(storage);
        let (defaults, rules) = (HashMap::new(), Arc::default());
        ContractTable {
            name,
            declared,
            schema,
            storage,
            predicate,
            bundles,
            hosted,
            statement: None,
            defaults,
            rules,
            checks_hold: false,
            numbers: Arc::default(),
            nans: Arc::default(),
        }
    }

    pub fn broken(name: String, declared: SchemaRef, why: String) -> ContractTable {
        ContractTable::new(name, declared, false, Storage::Broken(why), None, None)
    }

    pub fn with_defaults(mut self, defaults: HashMap<String, Expr>) -> ContractTable {
        self.defaults = defaults;
        self
    }

    pub fn with_rules(mut self, rules: Rules) -> ContractTable {
        self.rules = Arc::new(rules);
        if let Some(write) = self.write_options() {
            let own = delta::partition_checks(&self.declared, &write.partition_by);
            Arc::make_mut(&mut self.rules).checks.extend(own);
        }
        self
    }

    /// The checks were proved of the rows that are there.
    pub fn with_proved_checks(self, checks_hold: bool) -> ContractTable {
        ContractTable { checks_hold, ..self }
    }

    pub fn with_statement(mut self, sql: Option<String>) -> ContractTable {
        self.statement = sql;
        self
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What SQL would change; None: it changes nothing here.
    pub fn base(&self) -> Option<Base> {
        match self.storage.as_ref() {
            Storage::Delta { is_fixed: true, .. } => None,
            Storage::Delta { version: Some(version), .. } => Some(Base::At(*version)),
            Storage::Delta { version: None, .. } | Storage::LiveDelta { .. } => Some(Base::Newest),
            Storage::Empty if self.rules.place.is_some() => Some(Base::Nothing),
            _ => None,
        }
    }

    /// Why SQL does not do `what` with its rows.
    pub fn refuse(&self, what: &str, why: impl std::fmt::Display) -> Failure {
        Failure::new(Status::Refused, format!("{what} is refused on table '{}': {why}", self.name))
    }

    /// The same, for a statement that rows of its storage never take.
    pub fn refusal(&self, what: &str) -> Failure {
        if let Some(failure) = self.failure() {
            return failure;
        }
        self.refuse(
            what,
            match self.storage.as_ref() {
                Storage::Empty => "its rows are given another way, or no run is published that they could follow",
                Storage::Stream(_) => "its rows are made when they are read",
                Storage::Endless(_) => "a stream is read, and not written",
                Storage::Files { .. } => "its rows are files, and INSERT INTO adds new ones",
                Storage::Memory(_) => "its rows are in memory, and INSERT is what changes them",
                Storage::Delta { .. } | Storage::LiveDelta { .. } | Storage::Broken(_) => {
                    "it says nothing of these rows"
                }
            },
        )
    }

    /// The same table over other files.
    pub fn over(&self, listing: Listing) -> ContractTable {
        let storage = Arc::new(Storage::Files { listing });
        ContractTable { storage, hosted: None, ..self.relaxed() }
    }

    /// The version that scans of this table read, where it stays the same from one to the next.
    pub fn read_version(&self) -> Option<u64> {
        match self.storage.as_ref() {
            Storage::Delta { opened, .. } => opened.get().and_then(OpenTable::version),
            _ => None,
        }
    }

    /// How and where SQL writes.
    fn write_options(&self) -> Option<WriteOptions> {
        let (location, partition_by) = match self.storage.as_ref() {
            Storage::Delta { location, .. } => (location, &self.rules.write.partition_by),
            Storage::LiveDelta { location, partition_by } => (location, partition_by),
            Storage::Empty => (self.rules.place.as_ref()?, &self.rules.write.partition_by),
            _ => return None,
        };
        Some(WriteOptions {
            dataset: self.name.clone(),
            location: location.clone(),
            schema: Arc::clone(&self.declared),
            partition_by: partition_by.clone(),
            sorts: true,
            ..self.rules.write.clone()
        })
    }

    /// Where a change of rows starts from, and how it is written; None: nothing is changed here.
    pub fn change(&self) -> Option<(Base, WriteOptions)> {
        self.base().zip(self.write_options())
    }

    /// The columns of all keys, of every row; None: there is no key.
    pub async fn scan_keys(&self, state: &SessionState) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let keys = self.rules.key_columns().into_iter().map(|name| self.schema.index_of(name));
        let keys = keys.collect::<std::result::Result<Vec<_>, _>>()?;
        match keys.is_empty() {
            true => Ok(None),
            false => Ok(Some(self.scan(state, Some(&keys), &[], None).await?)),
        }
    }

    /// Tell the host of a version that SQL made.
    pub fn report(&self, version: u64) {
        if let Some(hosted) = &self.hosted {
            hosted.report(version);
        }
    }

    /// The same table over the same storage, shown without NOT NULL.
    pub fn relaxed(&self) -> ContractTable {
        ContractTable { schema: relax(&self.declared), ..self.clone() }
    }

    /// Why this table cannot be used, if so.
    pub fn failure(&self) -> Option<Failure> {
        match self.storage.as_ref() {
            Storage::Broken(why) => Some(Failure::new(Status::Plan, format!("table '{}': {why}", self.name))),
            _ => None,
        }
    }

    /// The parts of storage; none: no rows.
    async fn inner(&self, state: &SessionState) -> Result<Vec<Inner<'_>>> {
        let context = |e: Failure| e.context(format!("table '{}'", self.name)).into_engine();
        // A version that is named was there; what else is not there was never made.
        let missing = |e: Failure, is_named: bool| match e.status {
            Status::NotFound if !is_named => {
                Failure::new(e.status, format!("{}: make it, or say in the contract where it is", e.text))
            }
            _ => e,
        };
        Ok(match self.storage.as_ref() {
            Storage::Empty => Vec::new(),
            Storage::Broken(_) => match self.failure() {
                Some(failure) => return Err(failure.into_engine()),
                None => Vec::new(),
            },
            Storage::Delta { location, version, as_of_us, opened, compared, .. } => {
                let open = || delta::open_at(state, location, *version, *as_of_us);
                let table = opened.get_or_try_init(open).await;
                let table = table.map_err(|e| context(missing(e, version.is_some() || as_of_us.is_some())))?;
                let is_proved = Arc::ptr_eq(&self.schema, &self.declared);
                if !is_proved {
                    table.check_drift(&self.declared, is_proved).map_err(context)?;
                } else if compared.get().is_none() {
                    self.compare(table).map_err(context)?;
                    table.check_drift(&self.declared, is_proved).map_err(context)?;
                    let _ = compared.set(());
                }
                // Another statement may have reset the runtime environment since the table was opened.
                table.register(state).map_err(context)?;
                let provider = Arc::clone(&table.provider);
                vec![Inner {
                    batch_rows: Box::new(|columns| table.batch_rows(names(columns))),
                    numbers: if is_proved { self.numbers(state)? } else { Arc::default() },
                    ..Inner::plain(provider)
                }]
            }
            Storage::LiveDelta { location, .. } => {
                if !delta::exists(location).await.map_err(context)? {
                    return Ok(Vec::new());
                }
                let table = delta::open(state, location, None).await.map_err(context)?;
                table.check_drift(&self.declared, false).map_err(context)?;
                let provider = Arc::clone(&table.provider);
                let batch_rows: BatchRows = Box::new(move |columns| table.batch_rows(names(columns)));
                vec![Inner { batch_rows, ..Inner::plain(provider) }]
            }
            Storage::Stream(table) => vec![Inner::plain(Arc::new(StreamTable::clone(table)))],
            Storage::Endless(endless) => {
                let leaves_out_nulls = endless.is_json();
                vec![Inner { leaves_out_nulls, ..Inner::plain(endless.provider(state, &self.name)) }]
            }
            Storage::Files { listing, .. } => {
                let groups = listing.open(state).await.map_err(context)?;
                let takes_filters = listing.takes_filters();
                let leaves_out_nulls = listing.format() == "ndjson";
                let part = |g: &Group| {
                    let state = Some(Arc::clone(&g.state));
                    Inner { state, takes_filters, leaves_out_nulls, ..Inner::plain(Arc::clone(&g.provider)) }
                };
                groups.iter().map(part).collect()
            }
            Storage::Memory(rows) => {
                let partitions = vec![rows.now().to_vec()];
                vec![Inner::plain(Arc::new(MemTable::try_new(Arc::clone(&self.declared), partitions)?))]
            }
        })
    }

    /// The float columns of which statistics say everything.
    fn numbers(&self, state: &SessionState) -> Result<Arc<HashSet<String>>> {
        if let Some(known) = self.numbers.get() {
            return Ok(Arc::clone(known));
        }
        let has_floats = self.declared.fields().iter().any(|f| has_nan(f.data_type()));
        let found = match self.checks_hold && has_floats {
            true => Arc::new(numbers(state, &self.declared, &self.rules.checks)?),
            false => Arc::default(),
        };
        Ok(Arc::clone(self.numbers.get_or_init(|| found)))
    }

    /// An error when the files are not those whose rows were proved: the plan believes what is not known of them. The host does
    /// not say it again, so the statement can be planned anew.
    fn compare(&self, table: &OpenTable) -> Outcome<()> {
        let Some(hosted) = &self.hosted else { return Ok(()) };
        if hosted.are_proved(table.version().unwrap_or(0), &table.files()?) {
            return Ok(());
        }
        Err(Failure::new(Status::Drift, "its files are not those that were proved: plan the statement again"))
    }

    /// Whether the optimizer is told what was proved of the table's files.
    pub fn is_believed(&self) -> bool {
        Arc::ptr_eq(&self.schema, &self.declared) && matches!(self.storage.as_ref(), Storage::Delta { .. })
    }

    /// Open the table; an error when what is believed of it was proved of other files.
    pub async fn look_at_files(&self, state: &SessionState) -> Outcome<()> {
        self.inner(state).await.map_err(Failure::planning)?;
        Ok(())
    }

    /// Where its files lie, as their paths begin; None: nowhere.
    pub fn root(&self) -> Option<object_store::path::Path> {
        match self.storage.as_ref() {
            Storage::Delta { location, .. } => {
                let url = delta::location_url(location).ok()?;
                object_store::path::Path::from_url_path(url.path()).ok()
            }
            Storage::Files { listing, .. } => listing.root(),
            _ => None,
        }
    }

    /// The files that were opened, as `delta::files_text` says them; None: not a Delta table of the catalog.
    pub fn files(&self) -> Outcome<Option<(u64, String)>> {
        match self.storage.as_ref() {
            Storage::Delta { opened, .. } => {
                opened.get().map(|t| Ok((t.version().unwrap_or(0), t.files()?))).transpose()
            }
            _ => Ok(None),
        }
    }

    /// `predicate` as an expression over the columns.
    fn predicate(&self, state: &SessionState) -> Result<Option<Expr>> {
        let Some(sql) = &self.predicate else { return Ok(None) };
        let columns = DFSchema::try_from(Arc::clone(&self.schema))?;
        let expr = state.create_logical_expr(sql, &columns).map_err(|e| {
            Failure::planning(e).context(format!("table '{}': predicate '{sql}'", self.name)).into_engine()
        })?;
        Ok(Some(expr))
    }
}

#[async_trait]
impl TableProvider for ContractTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_table_definition(&self) -> Option<&str> {
        self.hosted.as_ref().and_then(Hosted::definition).or(self.statement.as_deref())
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.defaults.get(column)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| match is_plain(filter) {
                true if self.bundles => TableProviderFilterPushDown::Exact,
                true => TableProviderFilterPushDown::Inexact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let state = concrete(state)?;
        let asked = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let inners = self.inner(state).await?;
        if inners.is_empty() {
            return Ok(Arc::new(EmptyExec::new(Arc::new(self.schema.project(&asked)?))));
        }

        let own = self.predicate(state)?;
        let hints: Vec<Expr> = filters.iter().map(|f| unnormalize_col(f.clone())).chain(own.clone()).collect();
        let mut applied: Vec<Expr> = own.into_iter().collect();
        if self.bundles {
            applied.extend(filters.iter().map(|f| unnormalize_col(f.clone())));
        }

        let mut columns = asked.clone();
        for expr in &applied {
            for column in expr.column_refs() {
                let index = self.schema.index_of(&column.name)?;
                if !columns.contains(&index) {
                    columns.push(index);
                }
            }
        }
        let limit = if applied.is_empty() { limit } else { None };
        let asked = Asked { columns: &columns, n_out: asked.len(), hints: &hints, applied: &applied, limit };
        let mut parts = Vec::with_capacity(inners.len());
        for inner in &inners {
            parts.push(self.present(state, inner, &asked).await?);
        }
        if parts.len() == 1 {
            return Ok(parts.swap_remove(0));
        }
        UnionExec::try_new(parts)
    }

    async fn insert_into(
        &self,
        state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let overwrite = match op {
            InsertOp::Append => false,
            InsertOp::Overwrite => true,
            InsertOp::Replace => return Err(refused("REPLACE", &self.name)),
        };
        let session = concrete(state)?;
        let place = self.place(session, overwrite).await.map_err(Failure::into_engine)?;
        let proof = Proof::new(session, &self.name, &self.declared, &self.rules).map_err(Failure::into_engine)?;
        let kept = match place.keeps_rows() {
            true => self.scan_keys(session).await?,
            false => None,
        };
        let sink = InsertSink::new(self.clone(), place, proof, kept, session.clone());
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }

    /// DataFusion 55 hands over a filter that it rebuilt from the optimized plan: where the predicate was folded away, every
    /// row would go.
    async fn delete_from(&self, _: &dyn Session, _: Vec<Expr>) -> Result<Arc<dyn ExecutionPlan>> {
        Err(refused("DELETE", &self.name))
    }

    async fn update(&self, _: &dyn Session, _: Vec<(String, Expr)>, _: Vec<Expr>) -> Result<Arc<dyn ExecutionPlan>> {
        Err(refused("UPDATE", &self.name))
    }

    /// Our SQL door reads the statement before this is asked; EXPLAIN asks.
    async fn merge_into(
        &self,
        _: &dyn Session,
        _: Arc<dyn ExecutionPlan>,
        _: DFSchemaRef,
        _: Expr,
        _: Vec<MergeIntoClause>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(refused("MERGE", &self.name))
    }

    async fn truncate(&self, _: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let failure = match self.base() {
            Some(_) => self.refuse("TRUNCATE", "DELETE without a condition removes all rows"),
            None => self.refusal("TRUNCATE"),
        };
        Err(failure.into_engine())
    }
}

impl ContractTable {
    /// Where an INSERT puts its rows. What is there is opened first, so that rows do not go to another table's files.
    async fn place(&self, state: &SessionState, overwrite: bool) -> Outcome<Place> {
        match self.storage.as_ref() {
            Storage::Files { .. } if overwrite => Err(self.refusal("INSERT OVERWRITE")),
            Storage::Files { listing } => {
                let target = listing.target(state).await.map_err(|f| self.refuse("INSERT", f.text))?;
                let has_rows = listing.has_files(state).await;
                let has_rows = has_rows.map_err(|f| f.context(format!("table '{}'", self.name)))?;
                Ok(Place::Files { target: Box::new(target), has_rows })
            }
            Storage::Memory(rows) => Ok(Place::Memory { rows: Arc::clone(rows), base: rows.now(), overwrite }),
            _ => {
                let (mut base, mut options) = self.change().ok_or_else(|| self.refusal("INSERT"))?;
                match base {
                    Base::Newest if !delta::exists(&options.location).await? => base = Base::Nothing,
                    _ => drop(self.inner(state).await.map_err(Failure::planning)?),
                }
                options.overwrite = overwrite;
                Ok(Place::Delta { base, options: Box::new(options) })
            }
        }
    }

    pub fn listing(&self) -> Option<&Listing> {
        match self.storage.as_ref() {
            Storage::Files { listing } => Some(listing),
            _ => None,
        }
    }

    /// A plan over one part of storage that yields the columns as they are declared.
    async fn present(
        &self,
        state: &SessionState,
        inner: &Inner<'_>,
        asked: &Asked<'_>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let middle = Arc::new(self.schema.project(asked.columns)?);
        let stored = inner.provider.schema();
        let by_name = index_by_name(&stored);
        let mut wanted: Vec<usize> = Vec::with_capacity(asked.columns.len());
        let mut sources = Vec::with_capacity(asked.columns.len());
        let mut filled: Vec<&str> = Vec::new();
        for field in middle.fields() {
            match by_name.get(field.name().as_str()) {
                Some(index) => {
                    let at = wanted.iter().position(|w| w == index).unwrap_or_else(|| {
                        wanted.push(*index);
                        wanted.len() - 1
                    });
                    let is_same = stored.field(*index).data_type() == field.data_type();
                    let defaults = match is_same && !inner.leaves_out_nulls {
                        true => Vec::new(),
                        false => self.defaults_of(state, field.name())?,
                    };
                    sources.push(match defaults.is_empty() {
                        true => Source::Input(at, None),
                        false if inner.leaves_out_nulls => {
                            filled.push(field.name().as_str());
                            let declared = Arc::new(self.declared.field_with_name(field.name())?.clone());
                            Source::Filled(at, declared, Arc::new(defaults))
                        }
                        false => Source::Input(at, Some(Arc::new(defaults))),
                    });
                }
                None => sources.push(self.completion(state, field)?),
            }
        }

        let is_hint = |hint: &&Expr| {
            is_hint(hint, &self.schema, &stored, &inner.numbers)
                && hint.column_refs().iter().all(|column| !filled.contains(&column.name()))
        };
        let hints: Vec<Expr> = asked.hints.iter().filter(is_hint).cloned().collect();
        let own_state = inner.state.as_deref().unwrap_or(state);
        let plan = inner.provider.scan(own_state, Some(&wanted), &hints, asked.limit).await?;
        let mut plan = with_doubted_floats(plan);
        if !inner.takes_filters {
            plan = with_filters(plan, &hints, own_state)?;
        }

        let middle_columns = DFSchema::try_from(Arc::clone(&middle))?;
        let predicates = asked
            .applied
            .iter()
            .map(|expr| state.create_physical_expr(expr.clone(), &middle_columns))
            .collect::<Result<Vec<_>>>()?;
        let output = (0..asked.n_out).collect();
        let batch_rows = (inner.batch_rows)(&middle);
        let keeps = self.listing().is_none_or(Listing::is_caching);
        let nans = if keeps { Arc::clone(&self.nans) } else { Arc::default() };
        let numbers = Numbers::new(Arc::clone(&inner.numbers), nans);
        let table = Arc::from(self.name.as_str());
        let input = Input { plan, batch_rows, takes_filters: inner.takes_filters, numbers, table };
        Ok(Arc::new(PresentExec::new(input, middle, sources, predicates, output)?))
    }

    /// What stands for a column that storage lacks.
    fn completion(&self, state: &SessionState, field: &Field) -> Result<Source> {
        if let Some(default) = self.defaults.get(field.name()) {
            return Ok(Source::Value(literal(state, default)?.cast_to(field.data_type())?));
        }
        if field.is_nullable() && self.is_optional(field) {
            return Ok(Source::Absent);
        }
        let text = format!("table '{}': column '{}' is not in storage", self.name, field.name());
        Err(Failure::new(Status::Execution, text).into_engine())
    }

    /// The defaults of a column and of what lies inside, by path.
    fn defaults_of(&self, state: &SessionState, column: &str) -> Result<Defaults> {
        let is_of = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[', '{']);
        let own = self.defaults.iter().filter(|(path, _)| path.strip_prefix(column).is_some_and(is_of));
        own.map(|(path, default)| Ok((path.clone(), literal(state, default)?))).collect()
    }

    /// A column that older files may lack; the contract must allow null itself, not only the relaxed schema.
    fn is_optional(&self, field: &Field) -> bool {
        self.declared.field_with_name(field.name()).is_ok_and(Field::is_nullable)
    }
}

/// The value of a default.
fn literal(state: &SessionState, default: &Expr) -> Result<ScalarValue> {
    let expr = state.create_physical_expr(default.clone(), &DFSchema::empty())?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let one = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
    ScalarValue::try_from_array(&expr.evaluate(&one)?.into_array(1)?, 0)
}

fn refused(what: &str, table: &str) -> datafusion::error::DataFusionError {
    Failure::new(Status::Refused, format!("{what} is refused on table '{table}'")).into_engine()
}

/// Storage needs a whole session state; anything else would make delta-rs fall back to a session of its own.
pub fn concrete(state: &dyn Session) -> Result<&SessionState> {
    state
        .as_any()
        .downcast_ref::<SessionState>()
        .ok_or_else(|| Failure::new(Status::Execution, "a scan outside of the session: no session state").into_engine())
}
