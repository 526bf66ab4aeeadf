//! twins.rs — no filter is pushed through a node whose columns share a name.
//!
//! Operators of DataFusion 55.2 pass filters on to their inputs by the name of the column (`ChildFilterDescription`,
//! `schema.index_of`). Between joins both sides' columns stand side by side, `a.id` and `f.id` as two columns `id`, and what
//! was meant for the second one was applied to the first: a filter of the query, or one that a join or top-k makes while it
//! runs, and rows were missing.
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNode;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// DataFusion's rules in their order.
pub fn rules() -> Vec<Rule> {
    let wrap = |rule: Rule| match rule.name() {
        "FilterPushdown" | "FilterPushdown(Post)" => Arc::new(BelowTwins(rule)) as Rule,
        _ => rule,
    };
    PhysicalOptimizer::new().rules.into_iter().map(wrap).collect()
}

/// The rule, for each of the largest parts of a plan whose columns can be told apart by name everywhere below its first node.
#[derive(Debug)]
struct BelowTwins(Rule);

impl PhysicalOptimizerRule for BelowTwins {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let mut is_plain = true;
        for input in plan.children() {
            is_plain &= !input.exists(|node| Ok(has_twins(node)))?;
        }
        if is_plain {
            return self.0.optimize(plan, config);
        }
        let inputs = plan.children().into_iter().map(|input| self.optimize(Arc::clone(input), config));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        replace_children_if_necessary(plan, inputs)
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

fn has_twins(node: &Arc<dyn ExecutionPlan>) -> bool {
    let schema = node.schema();
    let mut names = HashSet::with_capacity(schema.fields().len());
    !schema.fields().iter().all(|field| names.insert(field.name().as_str()))
}
