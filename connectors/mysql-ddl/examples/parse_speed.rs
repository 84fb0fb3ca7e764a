//! Time that statements take: `cargo run --release -p tidegate-mysql-ddl --example parse_speed`.

#![expect(clippy::print_stdout, reason = "the figures are its output")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tidegate_mysql_ddl::{DdlError, Options, Schemas};

const TABLES: u32 = 1_000;
const COLUMNS: u32 = 50;

fn main() -> Result<(), DdlError> {
    let mut schemas = Schemas::new(Options::default());
    let creates: Vec<String> = (0..TABLES).map(create).collect();
    measure("CREATE TABLE of 50 columns", &mut schemas, &creates)?;
    let alters: Vec<String> = (0..TABLES)
        .map(|table| format!("ALTER TABLE t{table} ADD added INT NOT NULL DEFAULT 1 AFTER c10, MODIFY c2 VARCHAR(80) FIRST"))
        .collect();
    measure("ALTER TABLE of two clauses", &mut schemas, &alters)?;
    let others = vec![format!("INSERT INTO t VALUES ('{}')", "x".repeat(1_000)); 1_000];
    measure(
        "statements of 1 kB that concern no table",
        &mut schemas,
        &others,
    )
}

fn create(table: u32) -> String {
    let mut sql =
        format!("CREATE TABLE `t{table}` (\n  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,\n");
    for column in 0..COLUMNS {
        let kind = match column % 4 {
            0 => "int(11) DEFAULT NULL",
            1 => "varchar(64) COLLATE utf8mb4_bin NOT NULL DEFAULT 'x'",
            2 => "decimal(19,6) unsigned DEFAULT 0.000000 COMMENT 'an amount, in units'",
            _ => "enum('NEW','OPEN','DONE') NOT NULL",
        };
        // Writing to a string cannot fail.
        writeln!(sql, "  `c{column}` {kind},").ok();
    }
    sql.push_str("  PRIMARY KEY (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4");
    sql
}

fn measure(name: &str, schemas: &mut Schemas, statements: &[String]) -> Result<(), DdlError> {
    let begin = Instant::now();
    for sql in statements {
        schemas.apply("db", sql)?;
    }
    let taken: Duration = begin.elapsed();
    let count = u32::try_from(statements.len()).unwrap_or(u32::MAX);
    let bytes: usize = statements.iter().map(String::len).sum();
    println!(
        "{name}: {:?} each, {} bytes each",
        taken / count.max(1),
        bytes / statements.len().max(1)
    );
    Ok(())
}
