//! Facts about the engine's crates that decided how this crate wraps them, where no package of another language can show
//! them; the others are in `tests/traps`. A fact that no longer holds fails here, so that it can be looked at again.
use std::fs;
use std::path::{Path, PathBuf};

use datafusion::prelude::SessionContext;
use deltalake_core::{DeltaTable, DeltaTableBuilder};
use url::Url;

const LOG: &str = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":3}}
{"metaData":{"id":"5e6c7f4e-0000-4000-8000-000000000000","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"v\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":[],"configuration":{"delta.constraints.positive":"v > 0"},"createdTime":1700000000000}}
"#;

/// An empty Delta table of one column `v` with the CHECK `v > 0`. No builder of the library makes one with a CHECK, so
/// the log is written by hand.
fn checked_table(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let log = folder.join("_delta_log");
    fs::create_dir_all(&log).unwrap();
    fs::write(log.join("00000000000000000000.json"), LOG).unwrap();
    folder
}

async fn open(folder: &Path) -> DeltaTable {
    let url = Url::from_directory_path(folder).unwrap();
    DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap()
}

async fn count(context: &SessionContext, sql: &str) -> usize {
    context.sql(sql).await.unwrap().count().await.unwrap()
}

/// 0.6, 0.11: the storage library's sink for SQL INSERT commits rows that break a CHECK of the table; and the provider
/// that took them goes on showing the table as it was opened. (`insert.rs` is the sink that proves rows.)
#[test]
fn sql_insert_skips_the_checks_of_a_delta_table() {
    let folder = checked_table("insert");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let table = open(&folder).await;
        let provider = table.table_provider().with_log_store(table.log_store()).await.unwrap();
        let context = SessionContext::new();
        context.register_table("t", provider).unwrap();
        context.sql("insert into t values (1), (-5)").await.unwrap().collect().await.unwrap();
        assert_eq!(count(&context, "select * from t").await, 0, "the provider shows what it wrote");

        let now = open(&folder).await;
        assert_eq!(now.version(), Some(1), "the rows were not committed");
        let provider = now.table_provider().with_log_store(now.log_store()).await.unwrap();
        let context = SessionContext::new();
        context.register_table("t", provider).unwrap();
        assert_eq!(
            count(&context, "select * from t where v < 0").await,
            1,
            "the row that breaks the CHECK is not there"
        );
    });
    fs::remove_dir_all(&folder).unwrap();
}
