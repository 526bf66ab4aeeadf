//! memory.rs — `session.memory`: what lives as long as the session, outside of the host's catalog.
//!
//! A view that SQL creates is kept as its text, not as the plan that DataFusion made of it: a kept plan would go on answering
//! from tables as they were (run on 55: it outlived the drop of its base).
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{CatalogProvider, SchemaProvider, Session, TableProvider};
use datafusion::common::{Constraint, Result};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::unparser::expr_to_sql;

use crate::session::Shared;
use crate::view::View;

pub const CATALOG: &str = "session";
pub const SCHEMA: &str = "memory";

pub struct MemorySchema {
    tables: RwLock<HashMap<String, Arc<dyn TableProvider>>>,
    shared: Arc<Shared>,
}

impl fmt::Debug for MemorySchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemorySchema")
    }
}

impl MemorySchema {
    pub fn new(shared: Arc<Shared>) -> MemorySchema {
        MemorySchema { tables: RwLock::new(HashMap::new()), shared }
    }

    fn get(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub fn put(&self, name: String, table: Arc<dyn TableProvider>) -> Option<Arc<dyn TableProvider>> {
        self.shared.moved();
        self.tables.write().unwrap_or_else(PoisonError::into_inner).insert(name, table)
    }

    pub fn remove(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.shared.moved();
        self.tables.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }
}

/// The query inside of `CREATE VIEW … AS …`.
fn query_of(definition: &str) -> Option<String> {
    let statement = DFParser::parse_sql(definition).ok()?.pop_front()?;
    match statement {
        Statement::Statement(inner) => match *inner {
            ast::Statement::CreateView(view) if view.columns.is_empty() => Some(view.query.to_string()),
            _ => None,
        },
        _ => None,
    }
}

#[async_trait]
impl SchemaProvider for MemorySchema {
    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.tables.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        names.sort();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.get(name))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.get(name).map(|t| t.table_type()))
    }

    fn register_table(&self, name: String, table: Arc<dyn TableProvider>) -> Result<Option<Arc<dyn TableProvider>>> {
        let ddl = table.downcast_ref::<ViewTable>().and_then(|v| v.definition().cloned());
        let view = ddl.and_then(|ddl| Some((query_of(&ddl)?, ddl)));
        let table = match view {
            Some((sql, ddl)) => {
                let name = format!("{SCHEMA}.{name}");
                Arc::new(View::made(name, sql, ddl, &self.shared)) as Arc<dyn TableProvider>
            }
            None if table.is::<MemTable>() => Arc::new(Made::new(&name, table, &self.shared)),
            None => table,
        };
        Ok(self.put(name, table))
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.remove(name))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// A table that SQL made in memory. Its declared keys stay a declaration: DataFusion would take them for proved and drop a
/// DISTINCT. Its DDL is the host's words for its columns, made when it is first asked for.
struct Made {
    name: String,
    table: Arc<dyn TableProvider>,
    shared: Arc<Shared>,
    definition: OnceLock<Option<String>>,
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Made({})", self.name)
    }
}

impl Made {
    fn new(name: &str, table: Arc<dyn TableProvider>, shared: &Arc<Shared>) -> Made {
        Made { name: name.to_owned(), table, shared: Arc::clone(shared), definition: OnceLock::new() }
    }

    /// Keys and defaults: a pair of the key's kind for each of its columns, and of "default.COLUMN" for each literal. None: a default
    /// that is no literal.
    fn declared(&self) -> Option<Vec<(String, String)>> {
        let schema = self.table.schema();
        let mut said = Vec::new();
        for (number, constraint) in self.table.constraints().into_iter().flat_map(|all| all.iter()).enumerate() {
            let (kind, columns) = match constraint {
                Constraint::PrimaryKey(columns) => ("primary_key".to_owned(), columns),
                Constraint::Unique(columns) => (format!("unique.{number}"), columns),
            };
            said.extend(columns.iter().map(|i| (kind.clone(), schema.field(*i).name().clone())));
        }
        for field in schema.fields() {
            if let Some(default) = self.table.get_column_default(field.name()) {
                let Expr::Literal(..) = default else { return None };
                said.push((format!("default.{}", field.name()), expr_to_sql(default).ok()?.to_string()));
            }
        }
        Some(said)
    }
}

#[async_trait]
impl TableProvider for Made {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn get_table_definition(&self) -> Option<&str> {
        let ask = || self.shared.catalog()?.host().made(&self.name, &self.table.schema(), &self.declared()?);
        self.definition.get_or_init(ask).as_deref()
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.table.get_column_default(column)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.scan(state, projection, filters, limit).await
    }

    async fn insert_into(
        &self,
        state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.insert_into(state, input, op).await
    }
}

#[derive(Debug)]
pub struct MemoryCatalog {
    schema: Arc<MemorySchema>,
}

impl MemoryCatalog {
    pub fn new(schema: Arc<MemorySchema>) -> MemoryCatalog {
        MemoryCatalog { schema }
    }
}

impl CatalogProvider for MemoryCatalog {
    fn schema_names(&self) -> Vec<String> {
        vec![SCHEMA.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        (name == SCHEMA).then(|| Arc::clone(&self.schema) as Arc<dyn SchemaProvider>)
    }
}
