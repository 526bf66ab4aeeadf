//! plain.rs — DataFusion and delta-rs as they are, of the crates that the library is linked with: what bench/catalog.py holds
//! a contract table against.
//!
//! Each line of stdin is a statement; its rows are written to /dev/null as an Arrow stream, as the harness lets the library do,
//! and the answer is a line with the milliseconds that took.
//! `CREATE EXTERNAL TABLE` is the crates' own, with delta-rs's provider for `STORED AS DELTATABLE`.
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use deltalake_core::delta_datafusion::DeltaTableFactory;
use deltalake_core::delta_datafusion::planner::DeltaPlanner;
use futures::TryStreamExt;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(SessionConfig::new().with_information_schema(true))
        .with_query_planner(DeltaPlanner::new())
        .build();
    state.table_factories_mut().insert("DELTATABLE".to_owned(), Arc::new(DeltaTableFactory {}));
    let context = SessionContext::new_with_state(state);
    let runtime = tokio::runtime::Runtime::new()?;
    let mut answers = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let (context, statement) = (context.clone(), line?);
        let null = File::options().write(true).open("/dev/null")?;
        // On a thread of the runtime, where the library runs its queries too.
        let work = runtime.spawn(async move {
            let started = Instant::now();
            let mut rows = context.sql(&statement).await?.execute_stream().await?;
            let mut out = StreamWriter::try_new_buffered(null, &rows.schema())?;
            while let Some(batch) = rows.try_next().await? {
                out.write(&batch)?;
            }
            out.finish()?;
            Ok::<_, datafusion::error::DataFusionError>(started.elapsed())
        });
        writeln!(answers, "{:.3}", runtime.block_on(work)??.as_secs_f64() * 1000.0)?;
        answers.flush()?;
    }
    Ok(())
}
