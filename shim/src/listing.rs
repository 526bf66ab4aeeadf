//! listing.rs — a table over plain files.
use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::SessionState;

use crate::error::{Failure, Outcome};

#[derive(Debug, Clone)]
pub struct Listing {
    /// A directory, a file or a URL; a pattern with `*` is taken as one.
    pub location: String,
    /// parquet, csv, ndjson, arrow or avro.
    pub format: String,
    /// `file_extension`, `partition_columns` (names, comma between), and what the format understands.
    pub options: Vec<(String, String)>,
    pub schema: SchemaRef,
}

impl Listing {
    pub async fn open(&self, state: &SessionState) -> Outcome<Arc<dyn TableProvider>> {
        let url = ListingTableUrl::parse(&self.location).map_err(Failure::planning)?;
        let name = if self.format.eq_ignore_ascii_case("ndjson") { "json" } else { self.format.as_str() };
        let factory = state
            .get_file_format_factory(name)
            .ok_or_else(|| Failure::invalid(format!("file format '{}' is unknown", self.format)))?;

        let (mut extension, mut partition_names) = (None, Vec::new());
        let mut format_options = HashMap::new();
        for (key, value) in &self.options {
            match key.as_str() {
                "file_extension" => extension = Some(value.clone()),
                "partition_columns" => {
                    partition_names = value.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect();
                }
                _ if key.starts_with("format.") => drop(format_options.insert(key.clone(), value.clone())),
                _ => drop(format_options.insert(format!("format.{key}"), value.clone())),
            }
        }
        let format = factory.create(state, &format_options).map_err(Failure::planning)?;

        let mut partitions: Vec<(String, DataType)> = Vec::new();
        for name in &partition_names {
            let field = self
                .schema
                .field_with_name(name)
                .map_err(|_| Failure::invalid(format!("partition column '{name}' is not declared")))?;
            partitions.push((name.clone(), field.data_type().clone()));
        }
        let fields: Vec<_> =
            self.schema.fields().iter().filter(|f| !partition_names.contains(f.name())).cloned().collect();

        // Without an extension every stray file of the directory would be read as data.
        let extension = match extension {
            Some(extension) => extension,
            None if url.is_collection() => format!(".{}", format.get_ext()),
            None => String::new(),
        };
        let options = ListingOptions::new(format).with_file_extension(extension).with_table_partition_cols(partitions);
        let config =
            ListingTableConfig::new(url).with_listing_options(options).with_schema(Arc::new(Schema::new(fields)));
        Ok(Arc::new(ListingTable::try_new(config).map_err(Failure::planning)?))
    }
}
