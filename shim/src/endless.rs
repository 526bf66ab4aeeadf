//! endless.rs — a file or pipe of CSV or JSON lines that may never end, as a table.
//!
//! Rows go on as soon as they are whole: DataFusion's own stream table (55) waits until a batch is full, so that a pipe that
//! pauses shows nothing. A CSV header is read, and shown to the host, before the first row.
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use crate::catalog::{Found, handshake};
use crate::error::{Failure, Outcome, Status};
use crate::listing::ScanOptions;
use crate::named::unreadable;
use crate::schema::{new_batch, relax};

const CHUNK_BYTES: usize = 64 << 10;
const MAX_LINE_BYTES: usize = 64 << 20;
/// Batches that wait between the file and the plan.
const QUEUE_BATCHES: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Encoding {
    Csv { has_header: bool, delimiter: u8 },
    Json,
}

#[derive(Debug, Clone)]
pub struct Endless {
    path: PathBuf,
    encoding: Encoding,
    declared: SchemaRef,
}

impl Endless {
    pub fn new(location: String, format: &str, options: &ScanOptions, declared: SchemaRef) -> Outcome<Endless> {
        let encoding = match format.to_lowercase().as_str() {
            "csv" => {
                let delimiter = options.format_value("delimiter").unwrap_or(",").as_bytes();
                let [delimiter] = delimiter else {
                    return Err(Failure::invalid("option 'format.delimiter' is not one character of ASCII"));
                };
                Encoding::Csv { has_header: options.format_value("has_header") != Some("false"), delimiter: *delimiter }
            }
            "json" | "ndjson" => Encoding::Json,
            other => return Err(Failure::invalid(format!("a file of format {other} cannot be read as a stream"))),
        };
        let path = location.strip_prefix("file://").unwrap_or(&location).into();
        Ok(Endless { path, encoding, declared })
    }

    pub fn is_json(&self) -> bool {
        matches!(self.encoding, Encoding::Json)
    }

    pub fn provider(&self, state: &SessionState, name: &str) -> Arc<dyn TableProvider> {
        let schema = relax(&self.declared);
        Arc::new(EndlessTable(Arc::new(Reading {
            from: self.clone(),
            schema,
            name: name.to_owned(),
            state: state.clone(),
        })))
    }
}

#[derive(Debug)]
struct EndlessTable(Arc<Reading>);

/// One table's stream, and whom to ask about its columns.
#[derive(Debug)]
struct Reading {
    from: Endless,
    schema: SchemaRef,
    name: String,
    state: SessionState,
}

#[async_trait]
impl TableProvider for EndlessTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let part: Arc<dyn PartitionStream> = Arc::new(Part(Arc::clone(&self.0)));
        Ok(Arc::new(StreamingTableExec::try_new(self.schema(), vec![part], projection, None, true, limit)?))
    }
}

#[derive(Debug)]
struct Part(Arc<Reading>);

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.0.schema), QUEUE_BATCHES);
        let (reading, sender) = (Arc::clone(&self.0), builder.tx());
        let batch_rows = context.session_config().batch_size();
        builder.spawn_blocking(move || {
            let send = |batch| sender.blocking_send(Ok(batch)).is_ok();
            reading.run(batch_rows, send).map_err(|e| e.context(format!("table '{}'", reading.name)).into_engine())
        });
        builder.build()
    }
}

/// Bytes that were read and not yet decoded.
struct Lines {
    file: File,
    pending: Vec<u8>,
    has_quotes: bool,
    is_at_end: bool,
}

impl Lines {
    /// Whole records as they come; None at the end.
    fn next(&mut self) -> Outcome<Option<Vec<u8>>> {
        loop {
            let n = if self.is_at_end { self.pending.len() } else { self.whole() };
            if n > 0 {
                let rest = self.pending.split_off(n);
                return Ok(Some(std::mem::replace(&mut self.pending, rest)));
            }
            if self.is_at_end {
                return Ok(None);
            }
            if self.pending.len() > MAX_LINE_BYTES {
                let text = format!("a record of the stream has more than {MAX_LINE_BYTES} bytes");
                return Err(Failure::new(Status::Resources, text));
            }
            let mut chunk = vec![0; CHUNK_BYTES];
            let n = self.file.read(&mut chunk).map_err(|e| Failure::new(Status::Io, e.to_string()))?;
            self.is_at_end = n == 0;
            self.pending.extend_from_slice(&chunk[..n]);
        }
    }

    /// The first line alone.
    fn first(&mut self) -> Outcome<Option<Vec<u8>>> {
        let Some(mut records) = self.next()? else { return Ok(None) };
        let n = records.iter().position(|b| *b == b'\n').map_or(records.len(), |i| i + 1);
        let mut rest = records.split_off(n);
        rest.append(&mut self.pending);
        self.pending = rest;
        Ok(Some(records))
    }

    /// Bytes up to the last line end that is outside of quotes.
    fn whole(&self) -> usize {
        let (mut in_quotes, mut n) = (false, 0);
        for (i, byte) in self.pending.iter().enumerate() {
            match byte {
                b'"' if self.has_quotes => in_quotes = !in_quotes,
                b'\n' if !in_quotes => n = i + 1,
                _ => {}
            }
        }
        n
    }
}

/// Either decoder of Arrow: bytes in, batches out.
enum Decoder {
    Csv(Box<arrow::csv::reader::Decoder>),
    Json(arrow::json::reader::Decoder),
}

impl Decoder {
    fn decode(&mut self, bytes: &[u8]) -> arrow::error::Result<usize> {
        match self {
            Decoder::Csv(decoder) => decoder.decode(bytes),
            Decoder::Json(decoder) => decoder.decode(bytes),
        }
    }

    fn flush(&mut self) -> arrow::error::Result<Option<RecordBatch>> {
        match self {
            Decoder::Csv(decoder) => decoder.flush(),
            Decoder::Json(decoder) => decoder.flush(),
        }
    }
}

impl Reading {
    fn run(&self, batch_rows: usize, mut send: impl FnMut(RecordBatch) -> bool) -> Outcome<()> {
        let path = self.from.path.display();
        let file = File::open(&self.from.path).map_err(|e| Failure::new(Status::Io, format!("open '{path}': {e}")))?;
        let has_quotes = self.from.encoding != Encoding::Json;
        let format = if has_quotes { "csv" } else { "ndjson" };
        let wrong = |e: ArrowError| unreadable(format!("file '{path}'"), format, e.into());
        let mut lines = Lines { file, pending: Vec::new(), has_quotes, is_at_end: false };
        let Some(mut decoder) = self.decoder(&mut lines, batch_rows)? else { return Ok(()) };
        while let Some(records) = lines.next()? {
            let mut rest = records.as_slice();
            while !rest.is_empty() {
                let n = decoder.decode(rest).map_err(wrong)?;
                rest = &rest[n..];
                if (n == 0 || rest.is_empty())
                    && let Some(batch) = decoder.flush().map_err(wrong)?
                    && !send(self.arrange(&batch)?)
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// None: the stream ended before its header.
    fn decoder(&self, lines: &mut Lines, batch_rows: usize) -> Outcome<Option<Decoder>> {
        Ok(Some(match self.from.encoding {
            Encoding::Csv { has_header, delimiter } => {
                let columns = if has_header {
                    let Some(header) = lines.first()? else { return Ok(None) };
                    self.header(&header, delimiter)?
                } else {
                    Arc::clone(&self.schema)
                };
                let builder = arrow::csv::ReaderBuilder::new(columns);
                Decoder::Csv(Box::new(builder.with_delimiter(delimiter).with_batch_size(batch_rows).build_decoder()))
            }
            Encoding::Json => {
                let builder = arrow::json::ReaderBuilder::new(Arc::clone(&self.schema));
                Decoder::Json(builder.with_strict_mode(true).with_batch_size(batch_rows).build_decoder()?)
            }
        }))
    }

    /// The columns in the header's order, if the host takes them.
    fn header(&self, line: &[u8], delimiter: u8) -> Outcome<SchemaRef> {
        let format = Format::default().with_header(true).with_delimiter(delimiter);
        let (names, _) = format.infer_schema(line, Some(0))?;
        let column = |field: &FieldRef| match self.schema.field_with_name(field.name()) {
            Ok(declared) => Arc::new(declared.clone()),
            Err(_) => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        };
        let found = Arc::new(Schema::new(names.fields().iter().map(column).collect::<Vec<FieldRef>>()));
        let source = self.from.path.to_string_lossy();
        let expected = &self.from.declared;
        handshake(&self.state, &Found { name: &self.name, source: &source, format: "csv", expected, found: &found })?;
        Ok(found)
    }

    /// The columns in the declared order.
    fn arrange(&self, batch: &RecordBatch) -> Outcome<RecordBatch> {
        let n_rows = batch.num_rows();
        let column = |field: &FieldRef| -> ArrayRef {
            let found = batch.column_by_name(field.name());
            found.map_or_else(|| new_null_array(field.data_type(), n_rows), Arc::clone)
        };
        new_batch(Arc::clone(&self.schema), self.schema.fields().iter().map(column).collect(), n_rows)
    }
}
