//! Real servers execute DDL; the statements that they write to their binlogs must lead the parser to the same tables that
//! `information_schema` shows after each of them.
//!
//! `ddl/*.sql` hold one statement a line, `\n` standing for a line break. A statement that its server refuses fails the
//! test.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Row, Value};
use tidegate_integration_tests::{MariaDb, MySql, MySqlOptions, MySqlServer};
use tidegate_mysql_ddl::{Dialect, Options, Schemas, SqlMode};
use tidegate_relational::{Column, Table};

const COMMON: &str = include_str!("ddl/common.sql");
const MARIADB: &str = include_str!("ddl/mariadb.sql");
const MYSQL: &str = include_str!("ddl/mysql.sql");

#[tokio::test]
async fn tables_are_those_of_mariadb() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default()).await?;
    check(&server, Dialect::MariaDb, &[COMMON, MARIADB]).await
}

#[tokio::test]
async fn tables_are_those_of_mysql() -> Result<()> {
    let server = MySql::start(MySqlOptions::default()).await?;
    check(&server, Dialect::MySql, &[COMMON, MYSQL]).await
}

async fn check(server: &MySqlServer, dialect: Dialect, corpora: &[&str]) -> Result<()> {
    let mut conn = server.connect("").await?;
    let mut schemas = Schemas::new(Options {
        dialect,
        ..Options::default()
    });
    let charset: Option<String> = conn.query_first("SELECT @@character_set_server").await?;
    let variable = format!("SET character_set_server={}", charset.unwrap_or_default());
    schemas.apply("", &variable)?;
    let lines = corpora.iter().flat_map(|corpus| corpus.lines());
    let mut problems = Vec::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let statement = line.replace("\\n", "\n");
        let before = position(&mut conn).await?;
        if let Err(error) = conn.query_drop(&statement).await {
            problems.push(format!("refused: {line}\n    {error}"));
            continue;
        }
        let mode: Option<String> = conn.query_first("SELECT @@sql_mode").await?;
        schemas.set_sql_mode(SqlMode::parse(&mode.unwrap_or_default()));
        let logged = logged(&mut conn, &before).await?;
        for (database, sql) in &logged {
            if let Err(error) = schemas.apply(database, sql) {
                problems.push(format!("not understood: {line}\n    {error}"));
            }
        }
        let theirs = their_tables(&mut conn, dialect).await?;
        let ours: BTreeMap<String, Vec<String>> = schemas
            .tables()
            .map(|table| {
                let name = table.id.to_string();
                let has_key = theirs
                    .get(&name)
                    .is_some_and(|lines| lines.last().is_some_and(|line| line.starts_with("key ")));
                let lines = our_lines(table, has_key, dialect);
                (name, lines)
            })
            .collect();
        if theirs != ours {
            problems.push(format!(
                "{line}\n    logged {logged:?}\n{}",
                difference(&theirs, &ours)
            ));
            adopt(&mut conn, &mut schemas, &theirs).await?;
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
    Ok(())
}

/// Goes on from the server's tables, so that one difference is reported once.
async fn adopt(
    conn: &mut Conn,
    schemas: &mut Schemas,
    theirs: &BTreeMap<String, Vec<String>>,
) -> Result<()> {
    let known: Vec<_> = schemas.tables().map(|table| table.id.clone()).collect();
    for id in known {
        schemas.remove(&id);
    }
    for name in theirs.keys() {
        let (database, table) = name.split_once('.').context("a database")?;
        let sql = format!(
            "SHOW CREATE TABLE `{database}`.`{}`",
            table.replace('`', "``")
        );
        if let Some((_, text)) = conn.query_first::<(String, String), _>(sql).await? {
            schemas.apply(database, &text)?;
        }
    }
    Ok(())
}

fn difference(
    theirs: &BTreeMap<String, Vec<String>>,
    ours: &BTreeMap<String, Vec<String>>,
) -> String {
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let differences = names.into_iter().filter_map(|name| {
        let (their, our) = (theirs.get(name), ours.get(name));
        let text = format!("    {name}:\n      server {their:?}\n      ours   {our:?}\n");
        (their != our).then_some(text)
    });
    differences.collect()
}

/// File and offset that the server writes to next.
async fn position(conn: &mut Conn) -> Result<(String, u64)> {
    let row: Option<Row> = match conn.query_first("SHOW MASTER STATUS").await {
        Ok(row) => row,
        Err(_) => conn.query_first("SHOW BINARY LOG STATUS").await?,
    };
    let row = row.context("no binlog")?;
    Ok((row.get(0).context("file")?, row.get(1).context("offset")?))
}

/// Database and text of the statements that were logged since.
async fn logged(conn: &mut Conn, from: &(String, u64)) -> Result<Vec<(String, String)>> {
    let sql = format!("SHOW BINLOG EVENTS IN '{}' FROM {}", from.0, from.1);
    let rows: Vec<Row> = conn.query(sql).await?;
    let mut statements = Vec::new();
    for row in rows {
        let kind: String = row.get(2).unwrap_or_default();
        let info: String = row.get(5).unwrap_or_default();
        if kind != "Query" || ["BEGIN", "COMMIT"].contains(&info.as_str()) {
            continue;
        }
        // "use `db`; statement"
        let parts = info
            .strip_prefix("use `")
            .and_then(|rest| rest.split_once("`; "));
        statements.push(match parts {
            Some((database, sql)) => (database.to_owned(), sql.to_owned()),
            None => (String::new(), info),
        });
    }
    Ok(statements)
}

const COLUMNS: &str = "SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, c.IS_NULLABLE, \
     c.CHARACTER_SET_NAME, c.EXTRA, c.CHARACTER_MAXIMUM_LENGTH FROM information_schema.COLUMNS c \
     JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME \
     WHERE t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND c.TABLE_SCHEMA LIKE 'ddl%' ORDER BY 1, 2, c.ORDINAL_POSITION";

const KEYS: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, NULLABLE FROM information_schema.STATISTICS \
     WHERE TABLE_SCHEMA LIKE 'ddl%' AND NON_UNIQUE = 0 ORDER BY 1, 2, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX";

async fn their_tables(conn: &mut Conn, dialect: Dialect) -> Result<BTreeMap<String, Vec<String>>> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in conn.query::<Row, _>(COLUMNS).await? {
        let text = |index: usize| match row.as_ref(index) {
            Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            Some(Value::NULL) | None => String::new(),
            Some(other) => other.as_sql(true).trim_matches('\'').to_owned(),
        };
        let line = their_line(&[3, 4, 5, 6, 7, 8].map(text), dialect);
        let name = format!("{}.{}", text(0), text(1));
        let line = format!("{} {line}", text(2));
        tables.entry(name).or_default().push(line);
    }
    let mut primary: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in conn.query::<Row, _>(KEYS).await? {
        let text = |index: usize| row.get_opt::<String, _>(index).and_then(Result::ok);
        if text(2).as_deref() == Some("PRIMARY") {
            let name = format!(
                "{}.{}",
                text(0).unwrap_or_default(),
                text(1).unwrap_or_default()
            );
            primary.entry(name).or_default().extend(text(3));
        }
    }
    for (name, lines) in &mut tables {
        if let Some(key) = primary.get(name) {
            lines.push(format!("key {}", key.join(",")));
        }
    }
    Ok(tables)
}

/// Sizes of TEXT and BLOB differ without consequence, and MariaDB's JSON is text.
fn family(data_type: &str) -> &str {
    match data_type {
        "tinytext" | "text" | "mediumtext" | "longtext" => "text",
        "tinyblob" | "blob" | "mediumblob" | "longblob" => "blob",
        "geomcollection" => "geometrycollection",
        other => other,
    }
}

fn common_charset(charset: &str) -> &str {
    match charset {
        "utf8" => "utf8mb3",
        other => other,
    }
}

fn their_line(cells: &[String; 6], dialect: Dialect) -> String {
    let [data_type, column_type, nullable, charset, extra, length] = cells;
    let family = family(data_type);
    let arguments = column_type
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(')'))
        .map_or("", |(inner, _)| inner);
    let arguments = match family {
        // Like the original's, our tables of MySQL have 10 for 0.
        "char" | "varchar" | "varbinary" if dialect == Dialect::MySql && length == "0" => "10",
        "char" | "varchar" | "binary" | "varbinary" => length.as_str(),
        "decimal" | "float" | "double" | "bit" | "enum" | "set" | "time" | "datetime"
        | "timestamp" | "vector" => arguments,
        _ => "",
    };
    let modifiers = [
        (column_type.contains(" unsigned"), " unsigned"),
        (column_type.contains(" zerofill"), " zerofill"),
        (nullable == "NO", " not-null"),
        (extra.contains("auto_increment"), " auto_increment"),
    ];
    let modifiers: String = modifiers
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, text)| *text)
        .collect();
    let has_charset = !matches!(family, "varbinary" | "binary" | "blob");
    let charset = if has_charset {
        common_charset(charset)
    } else {
        ""
    };
    format!("{family}({arguments}){modifiers} {charset}")
        .trim_end()
        .to_owned()
}

/// Without primary key on the server, a unique key may stand in for it.
fn our_lines(table: &Table, has_key: bool, dialect: Dialect) -> Vec<String> {
    let mut lines: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("{} {}", column.name, our_line(column, dialect)))
        .collect();
    if has_key && !table.primary_key.is_empty() {
        lines.push(format!("key {}", table.primary_key.join(",")));
    }
    lines
}

/// `'it\'s'` as servers print it.
fn with_doubled_quotes(options: &str) -> String {
    let mut text = String::new();
    let mut escaped = false;
    for c in options.chars() {
        if escaped && c == '\'' {
            text.pop();
            text.push('\'');
        }
        text.push(c);
        escaped = c == '\\' && !escaped;
    }
    text
}

fn our_line(column: &Column, dialect: Dialect) -> String {
    // Like the original's, our tables keep the word that MariaDB replaces.
    if dialect == Dialect::MariaDb && &*column.type_name == "JSON" {
        let not_null = if column.optional { "" } else { " not-null" };
        return format!("text(){not_null} utf8mb4");
    }
    let mut words = column.type_name.split(' ');
    let first = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let varying = rest.iter().any(|word| word.starts_with("VAR"));
    let lower = first.to_ascii_lowercase();
    let data_type = match first {
        "INT1" | "BOOL" | "BOOLEAN" => "tinyint",
        "INT2" => "smallint",
        "INT3" | "MIDDLEINT" => "mediumint",
        "INTEGER" | "INT4" => "int",
        "INT8" => "bigint",
        "REAL" | "FLOAT8" => "double",
        "FLOAT" | "FLOAT4"
            if column.scale.is_none() && column.length.is_some_and(|length| length > 24) =>
        {
            "double"
        }
        "FLOAT4" => "float",
        "DEC" | "FIXED" | "NUMERIC" => "decimal",
        "LONG" if rest.contains(&"VARBINARY") => "blob",
        "LONG" => "text",
        "CHAR" | "CHARACTER" | "NCHAR" | "NATIONAL" if varying => "varchar",
        "CHARACTER" | "NCHAR" | "NATIONAL" => "char",
        "NVARCHAR" | "VARCHARACTER" => "varchar",
        _ => &lower,
    };
    let family = family(data_type);
    let number = |number: Option<i32>| number.map(|number| number.to_string());
    let arguments = match family {
        "char" | "binary" => number(column.length).or(Some("1".to_owned())),
        "varchar" | "varbinary" | "bit" | "vector" => number(column.length),
        "decimal" => Some(format!(
            "{},{}",
            column.length.unwrap_or_default(),
            column.scale.unwrap_or_default()
        )),
        "float" | "double" if column.scale.is_some() => Some(format!(
            "{},{}",
            column.length.unwrap_or_default(),
            column.scale.unwrap_or_default()
        )),
        "time" | "datetime" | "timestamp" => number(column.length.filter(|digits| *digits > 0)),
        "enum" | "set" => {
            // Like the original's, our tables keep MariaDB's double quotes.
            let options = column.enum_values.iter().map(|option| {
                let inner = option
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'));
                let text = inner.map_or_else(|| option.to_string(), |inner| format!("'{inner}'"));
                // An escape at its end would have no end: backslashes were characters (`NO_BACKSLASH_ESCAPES`), which
                // servers print as escapes.
                let content = text.strip_suffix('\'').unwrap_or_default();
                let backslashes = content.bytes().rev().take_while(|byte| *byte == b'\\');
                if backslashes.count() % 2 == 1 {
                    text.replace('\\', "\\\\")
                } else {
                    text
                }
            });
            Some(with_doubled_quotes(&options.collect::<Vec<_>>().join(",")))
        }
        _ => None,
    };
    let zerofill = rest.contains(&"ZEROFILL");
    // Of MySQL's times, the original has those with `ON UPDATE` count themselves.
    let updates_itself = matches!(family, "datetime" | "timestamp");
    let modifiers = [
        (zerofill || rest.contains(&"UNSIGNED"), " unsigned"),
        (zerofill, " zerofill"),
        (!column.optional, " not-null"),
        (
            column.auto_incremented && !updates_itself,
            " auto_increment",
        ),
    ];
    let modifiers: String = modifiers
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, text)| *text)
        .collect();
    let charset = common_charset(column.charset.as_deref().unwrap_or_default());
    format!(
        "{family}({}){modifiers} {charset}",
        arguments.unwrap_or_default()
    )
    .trim_end()
    .to_owned()
}
