//! Tables for people and JSON for programs.

use std::io::{self, Write};

use serde_json::Value as Json;

/// Columns as wide as their widest cell.
#[derive(Debug)]
pub(super) struct Table {
    columns: usize,
    cells: Vec<String>,
}

impl Table {
    pub(super) fn new<const N: usize>(header: [&str; N]) -> Self {
        let mut table = Self {
            columns: N,
            cells: Vec::new(),
        };
        table.row(header);
        table
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        debug_assert_eq!(N, self.columns, "as many cells as the header has");
        self.cells.extend(cells.map(str::to_owned));
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.cells.chunks(self.columns);
        let width = |cell: &String| cell.chars().count();
        let mut widths = vec![0; self.columns];
        for row in rows.clone() {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(width(cell));
            }
        }
        for row in rows {
            let mut line = String::new();
            for (cell, widest) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', widest - width(cell) + 2));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

pub(super) fn write_json(out: &mut dyn Write, json: &Json) -> io::Result<()> {
    writeln!(out, "{json:#}")
}

/// `a=1 b=text` for a flat object; anything else as JSON.
pub(super) fn pairs(json: &Json) -> String {
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match json {
        Json::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{name}={}", text(value)))
            .collect::<Vec<_>>()
            .join(" "),
        other => text(other),
    }
}
