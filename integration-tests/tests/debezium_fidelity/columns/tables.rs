//! Tables out of columns, and the statements that make and fill them in four ways: before the connectors start, by CREATE
//! TABLE, by ADD COLUMN and by MODIFY COLUMN while they stream.

use std::fmt::Write as _;

use super::candidates::{Candidate, cells};

/// How a table's columns came to be; the letter begins its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Snapshot,
    Create,
    Add,
    Modify,
}

impl Origin {
    pub(crate) const ALL: [Self; 4] = [Self::Snapshot, Self::Create, Self::Add, Self::Modify];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Create => "create",
            Self::Add => "add",
            Self::Modify => "modify",
        }
    }

    pub(crate) fn table(self, group: usize) -> String {
        let letter: String = self.name().chars().take(1).collect();
        format!("{letter}{group}")
    }
}

/// Columns of one table.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) columns: Vec<&'a Candidate>,
}

/// Of a table, at most: InnoDB keeps 8,126 bytes in a page, and each of `VARCHAR(60)` up to 242 of them.
pub(crate) const COLUMNS: usize = 32;
/// Servers take rows of 65,535 bytes.
const WIDTH: usize = 30_000;
/// Rows of the tables that have all cells.
const ROWS: usize = 8;

/// Tables of the columns of one session each, in their order.
pub(crate) fn groups<'a>(columns: &[&'a Candidate], size: usize) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut width = 0;
    for column in columns {
        let fits = groups.last().is_some_and(|group| {
            let names = || group.columns.iter().map(|other| other.plain_name());
            group.columns[0].session == column.session
                && group.columns.len() < size
                && width + column.width() < WIDTH
                // `ſ` and `s`, `İ` and `i` are one name to some.
                && names().all(|name| name.to_lowercase() != column.plain_name().to_lowercase())
        });
        if !fits {
            groups.push(Group {
                columns: Vec::new(),
            });
            width = 0;
        }
        width += column.width();
        if let Some(group) = groups.last_mut() {
            group.columns.push(column);
        }
    }
    groups
}

/// What sessions have that fill tables; the time makes `CURRENT_TIMESTAMP` the same in each run.
pub(crate) const FILLING: &str =
    "SET sql_mode='', NAMES utf8mb4, time_zone='+00:00', timestamp=1700000000;\n";

/// What the session of a table's statements sets, and what takes it back.
fn within_session(session: &str, statements: &str) -> String {
    if session.is_empty() {
        return statements.to_owned();
    }
    format!(
        "SET @mode = @@sql_mode, @client = @@character_set_client, @results = @@character_set_results, \
         @connection = @@collation_connection, @server = @@collation_server, @database = @@collation_database, \
         @zone = @@time_zone, @names = @@lc_time_names;\n\
         SET {session};\n{statements}\
         SET sql_mode = @mode, character_set_client = @client, character_set_results = @results, \
         collation_connection = @connection, collation_server = @server, collation_database = @database, \
         time_zone = @zone, lc_time_names = @names;\n"
    )
}

impl<'a> Group<'a> {
    pub(crate) fn single(column: &'a Candidate) -> Self {
        Self {
            columns: vec![column],
        }
    }

    /// A statement that makes the table for the session alone, and one that shows how it was made.
    pub(crate) fn shown(&self, number: usize) -> (String, String) {
        let create = FILLING.to_owned() + &self.make(Origin::Snapshot, number);
        let table = Origin::Snapshot.table(number);
        (
            format!(
                "CREATE DATABASE IF NOT EXISTS trial CHARACTER SET utf8mb4; USE trial;{}",
                create.replace("CREATE TABLE", "CREATE TEMPORARY TABLE")
            ),
            format!("SHOW CREATE TABLE {table}"),
        )
    }

    fn session(&self) -> &'static str {
        self.columns[0].session
    }

    /// Makes the table, by one statement or two.
    pub(crate) fn make(&self, origin: Origin, group: usize) -> String {
        let table = origin.table(group);
        let columns = |prefix: &str| {
            let all = self.columns.iter();
            all.map(|column| format!("{prefix}{}", column.sql()))
                .collect::<Vec<_>>()
                .join(",\n ")
        };
        let statements = match origin {
            Origin::Snapshot | Origin::Create => {
                format!(
                    "CREATE TABLE {table} (id INT PRIMARY KEY,\n {});\n",
                    columns("")
                )
            }
            Origin::Add => format!(
                "CREATE TABLE {table} (id INT PRIMARY KEY);\nALTER TABLE {table} {};\n",
                columns("ADD COLUMN ")
            ),
            Origin::Modify => {
                let names = self.columns.iter();
                let before: Vec<String> = names
                    .map(|column| format!("{} {}", column.name, before(column)))
                    .collect();
                format!(
                    "CREATE TABLE {table} (id INT PRIMARY KEY,\n {});\nALTER TABLE {table} {};\n",
                    before.join(",\n "),
                    columns("MODIFY COLUMN ")
                )
            }
        };
        within_session(self.session(), &statements)
    }

    /// A row of defaults, one of nulls and, but for columns that were altered, rows of cells.
    fn fill(&self, origin: Origin, group: usize) -> String {
        let table = origin.table(group);
        let columns: Vec<&&Candidate> = self
            .columns
            .iter()
            .filter(|column| !column.is_generated())
            .collect();
        let names: Vec<String> = columns
            .iter()
            .map(|column| format!(", {}", quoted(column)))
            .collect();
        let names = names.concat();
        let mut sql = String::new();
        let mut row = |id: usize, cell: &dyn Fn(&Candidate) -> String| {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| format!(", {}", cell(column)))
                .collect();
            let cells = cells.concat();
            writeln!(
                sql,
                "INSERT IGNORE INTO {table} (id{names}) VALUES ({id}{cells});"
            )
            .expect("a string grows");
        };
        row(1, &|column| {
            let has_cell = column.is_not_null() && !has_default(column);
            if has_cell {
                cell(column, 0)
            } else {
                "DEFAULT".to_owned()
            }
        });
        row(2, &|column| {
            let is_null = !column.is_not_null();
            if is_null {
                "NULL".to_owned()
            } else {
                cell(column, 0)
            }
        });
        if matches!(origin, Origin::Snapshot | Origin::Create) {
            for number in 3..=ROWS {
                row(number, &|column| cell(column, number - 3));
            }
        }
        sql
    }
}

/// What a column is before `MODIFY`.
fn before(column: &Candidate) -> &str {
    if column.is_generated() {
        &column.definition
    } else {
        "INT DEFAULT 3 COMMENT 'before'"
    }
}

fn quoted(column: &Candidate) -> String {
    format!("`{}`", column.plain_name().replace('`', "``"))
}

fn has_default(column: &Candidate) -> bool {
    let definition = column.definition.to_ascii_uppercase();
    definition.contains("DEFAULT ") || definition.contains("SERIAL")
}

/// The cell of a row, cells going round.
fn cell(column: &Candidate, number: usize) -> String {
    let cells = cells(column.class);
    cells[number % cells.len()].clone()
}

/// Before the connectors start.
pub(crate) fn setup(database: &str, groups: &[Group<'_>]) -> String {
    let mut sql =
        format!("{FILLING}CREATE DATABASE {database} CHARACTER SET utf8mb4;\nUSE {database};\n");
    for (number, group) in groups.iter().enumerate() {
        sql.push_str(&group.make(Origin::Snapshot, number));
        sql.push_str(&group.fill(Origin::Snapshot, number));
    }
    sql
}

/// While they stream.
pub(crate) fn changes(groups: &[Group<'_>]) -> String {
    let mut sql = FILLING.to_owned();
    for (number, group) in groups.iter().enumerate() {
        for origin in [Origin::Create, Origin::Add, Origin::Modify] {
            sql.push_str(&group.make(origin, number));
            sql.push_str(&group.fill(origin, number));
        }
    }
    sql
}

/// One column in a table of its own, as a server is asked whether it takes it: statement by statement.
pub(crate) fn trial(column: &Candidate) -> Vec<String> {
    let group = Group::single(column);
    let mut statements = vec![FILLING.to_owned()];
    for origin in Origin::ALL {
        statements.push(
            group
                .make(origin, 0)
                .replace("CREATE TABLE", "CREATE TEMPORARY TABLE"),
        );
        statements.push(group.fill(origin, 0));
    }
    let tables: Vec<String> = Origin::ALL.map(|origin| origin.table(0)).to_vec();
    statements.push(format!("DROP TEMPORARY TABLE {}", tables.join(", ")));
    statements
}
