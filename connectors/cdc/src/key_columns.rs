//! `message.key.columns`.

use std::sync::Arc;

use tidegate_api::ConnectError;
use tidegate_api::config::invalid_field;

use crate::filters::Patterns;

/// `message.key.columns`: for tables that match, columns that match.
#[derive(Debug, Clone, Default)]
pub struct KeyColumns(Vec<Patterns>);

impl KeyColumns {
    /// `name` is the setting's, for errors.
    ///
    /// # Errors
    /// `Config` if an entry is not `<tables>:<columns>`.
    pub fn new(name: &str, text: &str) -> Result<Self, ConnectError> {
        let mut columns = Vec::new();
        for entry in text
            .split(';')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let (table, names) = entry.split_once(':').filter(|(table, names)| !table.trim().is_empty() && !names.trim().is_empty()).ok_or_else(|| {
                ConnectError::config(invalid_field(name, &format!("{entry} has an invalid format (expecting '^\\s*([^:]+):([^:,]+(,[^:,]+)*)\\s*$')")))
            })?;
            for column in names.split(',') {
                columns.push(Patterns::new(
                    name,
                    &format!("{}\\.{}", table.trim(), column.trim()),
                )?);
            }
        }
        Ok(Self(columns))
    }

    /// Columns in the order of the list; `None` if the table has none.
    pub fn of(&self, table: &tidegate_relational::Table) -> Option<Vec<Arc<str>>> {
        let matching = self.0.iter().flat_map(|pattern| {
            table
                .columns
                .iter()
                .filter(|column| pattern.matches(&format!("{}.{}", table.id, column.name)))
                .map(|column| Arc::clone(&column.name))
        });
        let columns: Vec<_> = matching.collect();
        (!columns.is_empty()).then_some(columns)
    }
}
