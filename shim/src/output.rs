//! output.rs — rows as bytes on a file descriptor, in one of seven formats.
//!
//! Everything streams. The table is the exception by nature: its column widths come from the first `TABLE_SAMPLE_ROWS` rows,
//! later cells that are wider are cut. NULL is said as NULL, bytes as hexadecimal, control characters as escapes.
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::csv::WriterBuilder as CsvBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use arrow::json::writer::{JsonArray, LineDelimited, WriterBuilder as JsonBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use unicode_width::UnicodeWidthChar;

use crate::error::{Failure, Outcome, Status};
use crate::ffi::Incoming;

const TABLE_SAMPLE_ROWS: usize = 1000;
const MIN_CELL_WIDTH: usize = 4;
const BUFFER_BYTES: usize = 256 << 10;
const PARQUET_ROW_GROUP_BYTES: usize = 64 << 20;

/// The descriptor stays the caller's.
struct Output(ManuallyDrop<File>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn failed(e: impl std::error::Error + Send + Sync + 'static) -> Failure {
    let mut failure = Failure::from_error(&e, crate::error::Phase::Running);
    // Whatever fails here fails on its way out, unless it is about the rows.
    if failure.text.contains("os error") {
        failure.status = Status::Io;
    }
    failure.context("write output")
}

/// Rows written.
pub fn write(rows: &mut Incoming, format: &str, fd: i32, width: u32) -> Outcome<i64> {
    if fd < 0 {
        return Err(Failure::invalid("the file descriptor is negative"));
    }
    // SAFETY: the caller lends an open descriptor; ManuallyDrop keeps us from closing it.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, Output(file));
    let n_rows = match format {
        "table" => table(rows, &mut out, width as usize),
        "json" => json(rows, &mut out),
        "ndjson" => ndjson(rows, &mut out),
        "csv" => separated(rows, &mut out, b','),
        "tsv" => separated(rows, &mut out, b'\t'),
        "arrow" => ipc(rows, &mut out),
        "parquet" => parquet_file(rows, &mut out),
        other => Err(Failure::invalid(format!(
            "output format '{other}' is unknown: table, json, ndjson, csv, tsv, arrow, parquet"
        ))),
    }?;
    out.flush().map_err(failed)?;
    i64::try_from(n_rows).map_err(|_| Failure::new(Status::Resources, "too many rows"))
}

/// Hand every batch to `each`; the number of rows.
fn for_each(rows: &mut Incoming, mut each: impl FnMut(&RecordBatch) -> Outcome<()>) -> Outcome<usize> {
    let schema = rows.schema();
    let mut n_rows = 0;
    while let Some(batch) = rows.next(&schema)? {
        n_rows += batch.num_rows();
        each(&batch)?;
    }
    Ok(n_rows)
}

fn json(rows: &mut Incoming, out: &mut impl Write) -> Outcome<usize> {
    let mut writer = JsonBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut *out);
    let n_rows = for_each(rows, |batch| writer.write(batch).map_err(failed))?;
    writer.finish().map_err(failed)?;
    drop(writer);
    out.write_all(b"\n").map_err(failed)?;
    Ok(n_rows)
}

fn ndjson(rows: &mut Incoming, out: &mut impl Write) -> Outcome<usize> {
    let mut writer = JsonBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut *out);
    let n_rows = for_each(rows, |batch| writer.write(batch).map_err(failed))?;
    writer.finish().map_err(failed)?;
    Ok(n_rows)
}

fn is_flat(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_flat(value),
        other => !other.is_nested(),
    }
}

/// Nested columns as JSON text: a cell of a separated file holds one text.
fn flatten(batch: &RecordBatch, schema: &SchemaRef) -> Outcome<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(batch.schema().fields()) {
        if is_flat(field.data_type()) {
            columns.push(Arc::clone(column));
            continue;
        }
        let options = arrow::json::writer::EncoderOptions::default().with_explicit_nulls(true);
        let mut encoder = arrow::json::writer::make_encoder(field, column, &options).map_err(failed)?;
        let mut cells = Vec::with_capacity(column.len());
        for i in 0..column.len() {
            if encoder.is_null(i) {
                cells.push(None);
                continue;
            }
            let mut text = Vec::new();
            encoder.encode(i, &mut text);
            cells.push(Some(String::from_utf8_lossy(&text).into_owned()));
        }
        columns.push(Arc::new(StringArray::from(cells)));
    }
    crate::schema::new_batch(Arc::clone(schema), columns, batch.num_rows())
}

fn separated(rows: &mut Incoming, out: &mut impl Write, separator: u8) -> Outcome<usize> {
    if rows.schema().fields().is_empty() {
        return for_each(rows, |_| Ok(()));
    }
    let fields: Vec<Field> = rows
        .schema()
        .fields()
        .iter()
        .map(|f| {
            let data_type = if is_flat(f.data_type()) { f.data_type().clone() } else { DataType::Utf8 };
            Field::new(f.name(), data_type, true)
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let mut writer = CsvBuilder::new().with_delimiter(separator).with_header(true).build(out);
    // The header stands without rows too.
    writer.write(&RecordBatch::new_empty(Arc::clone(&schema))).map_err(failed)?;
    for_each(rows, |batch| writer.write(&flatten(batch, &schema)?).map_err(failed))
}

fn ipc(rows: &mut Incoming, out: &mut impl Write) -> Outcome<usize> {
    let mut writer = StreamWriter::try_new(out, &rows.schema()).map_err(failed)?;
    let n_rows = for_each(rows, |batch| writer.write(batch).map_err(failed))?;
    writer.finish().map_err(failed)?;
    Ok(n_rows)
}

fn parquet_file(rows: &mut Incoming, out: &mut (impl Write + Send)) -> Outcome<usize> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_bytes(Some(PARQUET_ROW_GROUP_BYTES))
        .build();
    let mut writer = ArrowWriter::try_new(out, rows.schema(), Some(properties)).map_err(failed)?;
    let n_rows = for_each(rows, |batch| writer.write(batch).map_err(failed))?;
    writer.close().map_err(failed)?;
    Ok(n_rows)
}

struct Column {
    title: String,
    width: usize,
    right: bool,
}

fn table(rows: &mut Incoming, out: &mut impl Write, limit: usize) -> Outcome<usize> {
    let mut columns: Vec<Column> = rows
        .schema()
        .fields()
        .iter()
        .map(|f| {
            let title = visible(f.name()).replace('\n', "\\n");
            Column { width: text_width(&title), title, right: f.data_type().is_numeric() }
        })
        .collect();
    if columns.is_empty() {
        // A statement without rows, or only row counts: there is nothing to draw.
        return for_each(rows, |_| Ok(()));
    }
    let mut sample: Vec<Vec<String>> = Vec::new();
    let mut started = false;
    let n_rows = for_each(rows, |batch| {
        let options = FormatOptions::default().with_null("NULL").with_display_error(true);
        let formatters = batch
            .columns()
            .iter()
            .map(|c| ArrayFormatter::try_new(c.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        for i in 0..batch.num_rows() {
            let cells: Vec<String> = formatters.iter().map(|f| visible(&f.value(i).to_string())).collect();
            if started {
                row(out, &columns, &cells)?;
                continue;
            }
            sample.push(cells);
            if sample.len() == TABLE_SAMPLE_ROWS {
                head(out, &mut columns, &sample, limit)?;
                started = true;
                sample.clear();
            }
        }
        Ok(())
    })?;
    if !started {
        head(out, &mut columns, &sample, limit)?;
    }
    rule(out, &columns)?;
    Ok(n_rows)
}

/// Fix the widths, then write the title and the rows so far.
fn head(out: &mut impl Write, columns: &mut [Column], sample: &[Vec<String>], limit: usize) -> Outcome<()> {
    for (i, column) in columns.iter_mut().enumerate() {
        let lines = sample.iter().filter_map(|row| row.get(i)).flat_map(|cell| cell.split('\n'));
        let widest = lines.map(text_width).max();
        column.width = column.width.max(widest.unwrap_or(0)).max(1);
    }
    if limit > 0 {
        shrink(columns, limit);
    }
    rule(out, columns)?;
    let titles: Vec<String> = columns.iter().map(|c| c.title.clone()).collect();
    line(out, columns, &titles)?;
    rule(out, columns)?;
    for cells in sample {
        row(out, columns, cells)?;
    }
    Ok(())
}

/// Take width from the widest columns until the line fits, as far as cells stay readable.
fn shrink(columns: &mut [Column], limit: usize) {
    let borders = 3 * columns.len() + 1;
    let room = limit.saturating_sub(borders);
    while columns.iter().map(|c| c.width).sum::<usize>() > room {
        let over = columns.iter().map(|c| c.width).sum::<usize>() - room;
        let Some(widest) = columns.iter_mut().max_by_key(|c| c.width) else { return };
        if widest.width <= MIN_CELL_WIDTH {
            return;
        }
        let step = over.min(widest.width - MIN_CELL_WIDTH).min(widest.width / 4 + 1).max(1);
        widest.width -= step;
    }
}

fn rule(out: &mut impl Write, columns: &[Column]) -> Outcome<()> {
    let mut text = String::from("+");
    for column in columns {
        text.push_str(&"-".repeat(column.width + 2));
        text.push('+');
    }
    text.push('\n');
    out.write_all(text.as_bytes()).map_err(failed)
}

/// A cell of several lines, a plan for example, makes its row that high.
fn row(out: &mut impl Write, columns: &[Column], cells: &[String]) -> Outcome<()> {
    let height = cells.iter().map(|c| c.matches('\n').count() + 1).max().unwrap_or(1);
    if height == 1 {
        return line(out, columns, cells);
    }
    let parts: Vec<Vec<&str>> = cells.iter().map(|c| c.trim_end_matches('\n').split('\n').collect()).collect();
    let height = parts.iter().map(Vec::len).max().unwrap_or(1);
    for i in 0..height {
        let cut: Vec<String> = parts.iter().map(|p| p.get(i).copied().unwrap_or("").to_owned()).collect();
        line(out, columns, &cut)?;
    }
    Ok(())
}

fn line(out: &mut impl Write, columns: &[Column], cells: &[String]) -> Outcome<()> {
    let mut text = String::from("|");
    for (column, cell) in columns.iter().zip(cells) {
        let cell = fit(cell, column.width);
        let pad = " ".repeat(column.width - text_width(&cell));
        text.push(' ');
        if column.right {
            text.push_str(&pad);
            text.push_str(&cell);
        } else {
            text.push_str(&cell);
            text.push_str(&pad);
        }
        text.push_str(" |");
    }
    text.push('\n');
    out.write_all(text.as_bytes()).map_err(failed)
}

/// A character that would move the cursor, or hide text, is written as an escape.
fn visible(text: &str) -> String {
    if !text.chars().any(is_unruly) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unruly(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

fn is_unruly(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn text_width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

fn fit(text: &str, width: usize) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        used += w;
        out.push(c);
    }
    out.push('…');
    out
}
