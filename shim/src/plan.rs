//! plan.rs — what a query reads and how it would run; statements of a text, taken apart.
use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer, Whitespace};

use crate::error::{Failure, Outcome, Status};
use crate::query::only_query;
use crate::session::{Core, find, plan_in, resolve};

/// A query's plan, as the optimizer leaves it where `optimized`, and the tables that it scans: "catalog.schema.table", sorted.
pub async fn plan(core: Arc<Core>, sql: String, optimized: bool) -> Outcome<(LogicalPlan, BTreeSet<String>)> {
    let state = core.state();
    let plan = only_query(plan_in(&state, &sql).await?)?;
    let tables = tables(&core, &state, &plan).await?;
    let plan = if optimized { state.optimize(&plan).map_err(Failure::planning)? } else { plan };
    Ok((plan, tables))
}

async fn tables(core: &Core, state: &SessionState, plan: &LogicalPlan) -> Outcome<BTreeSet<String>> {
    let mut scanned = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            scanned.push(scan.table_name.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(Failure::planning)?;
    let mut out = BTreeSet::new();
    for reference in scanned {
        let (catalog, schema, table) = resolve(state, &reference);
        // A recursive query scans itself, and table functions scan what has no name: neither is in a catalog.
        if find(state, &catalog, &schema, &table).await?.is_some() {
            out.insert(canonical(core, catalog, schema, table));
        }
    }
    Ok(out)
}

/// A bare name that the default schema borrowed from `session.memory` is said as what it is.
fn canonical(core: &Core, catalog: String, schema: String, table: String) -> String {
    if let Some(host) = core.shared.catalog()
        && host.name == catalog
        && host.default_schema == schema
        && !host.names(&schema).contains_key(&table)
    {
        return format!("{}.{}.{table}", crate::memory::CATALOG, crate::memory::SCHEMA);
    }
    format!("{catalog}.{schema}.{table}")
}

/// Each statement's text, without the white space, comments and semicolons around it.
pub fn split(sql: &str) -> Outcome<Vec<String>> {
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|e| Failure::new(Status::Syntax, format!("SQL error: {e}")))?;
    let mut places = Places::new(sql);
    let mut out = Vec::new();
    let mut current: Option<(usize, usize)> = None;
    for token in &tokens {
        match &token.token {
            Token::SemiColon | Token::EOF => out.extend(current.take().map(|(a, b)| sql[a..b].to_owned())),
            Token::Whitespace(
                Whitespace::Space
                | Whitespace::Tab
                | Whitespace::Newline
                | Whitespace::SingleLineComment { .. }
                | Whitespace::MultiLineComment(_),
            ) => {}
            _ => {
                let (start, end) = (places.byte(token.span.start), places.byte(token.span.end));
                current = Some(current.map_or((start, end), |(a, _)| (a, end)));
            }
        }
    }
    out.extend(current.map(|(a, b)| sql[a..b].to_owned()));
    Ok(out)
}

/// Line and column, both from 1 and counted in characters, to bytes. Asked in rising order, so one pass is enough.
struct Places<'a> {
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    n_bytes: usize,
    line: u64,
    column: u64,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Places<'a> {
        Places { chars: text.char_indices().peekable(), n_bytes: text.len(), line: 1, column: 1 }
    }

    fn byte(&mut self, at: Location) -> usize {
        while let Some((byte, c)) = self.chars.peek().copied() {
            if (self.line, self.column) >= (at.line, at.column) {
                return byte;
            }
            self.chars.next();
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.n_bytes
    }
}
