//! How answers are compared, and which differences are meant.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::super::case::Kind;
use super::answers::Line;
use super::diffs::{Diff, diffs, values};

/// A statement and what came before it.
struct Context<'a> {
    own: &'a Line,
    their: &'a Line,
    /// Its words in upper case, without comments and quotes, with one blank between them.
    words: String,
    /// Those of the statements before it in its scenario.
    before: Vec<String>,
    /// Whether one of these has left the original with another table than ours.
    is_astray: bool,
    /// Whether one of these, or this, was not sent in UTF-8.
    encoded: bool,
}

impl Context<'_> {
    fn says(&self, words: &str) -> bool {
        format!(" {} ", self.words).contains(&format!(" {words} "))
    }

    fn said(&self, words: &str) -> bool {
        let before = self.before.iter();
        self.says(words)
            || before
                .map(|text| format!(" {text} "))
                .any(|text| text.contains(words))
    }

    fn has_mode(&self, mode: &str) -> bool {
        self.own.mode.split(',').any(|name| name == mode)
    }

    /// Whether words of the statement stand in executable comments.
    fn executes_comments(&self) -> bool {
        let texts = self.own.sql.split("/*").skip(1);
        texts
            .filter_map(|text| text.strip_prefix("M!").or(text.strip_prefix('!')))
            .any(|text| {
                let content = text.split("*/").next().unwrap_or_default();
                let content = content.trim_start_matches(|c: char| c.is_ascii_digit());
                !content.trim().is_empty()
            })
    }
}

/// A difference that is meant: where, what it covers, and why.
struct Rule {
    servers: &'static [Kind],
    because: &'static str,
    covers: fn(&Context<'_>, &Diff<'_>) -> bool,
}

const BOTH: &[Kind] = &[Kind::MariaDb, Kind::MySql];
const MARIADB: &[Kind] = &[Kind::MariaDb];
const MYSQL: &[Kind] = &[Kind::MySql];

const TYPE: [&str; 3] = ["jdbcType", "typeName", "typeExpression"];
const NULLABLE: [&str; 2] = ["optional", "hasDefaultValue"];
const CHARSETS: [&str; 2] = ["charsetName", "defaultCharsetName"];

fn is(diff: &Diff<'_>, leaves: &[&str]) -> bool {
    leaves.contains(&diff.leaf())
}

/// Ours is NOT NULL.
fn is_not_null(diff: &Diff<'_>) -> bool {
    is(diff, &NULLABLE) && diff.own("optional") == false && diff.their("optional") == true
}

/// Ours has more records.
fn is_longer(diff: &Diff<'_>) -> bool {
    let length = |value: &Value| value.as_array().map_or(0, Vec::len);
    length(diff.ours) > length(diff.theirs)
}

const RULES: &[Rule] = &[
    Rule {
        servers: BOTH,
        because: "the original cannot read the statement",
        covers: |context, _| context.their.failed,
    },
    Rule {
        servers: BOTH,
        because: "the original reads all statements as UTF-8",
        covers: |context, _| context.encoded,
    },
    Rule {
        servers: MARIADB,
        because: "the original takes executable comments for comments",
        covers: |context, _| context.executes_comments(),
    },
    Rule {
        servers: MYSQL,
        because: "the original cuts texts that begin or end in executable comments there",
        covers: |context, diff| {
            let texts = diff.ours.as_str().zip(diff.theirs.as_str());
            diff.leaf() == "ddl"
                && context.executes_comments()
                && texts.is_some_and(|(ours, theirs)| ours.contains(theirs))
        },
    },
    Rule {
        servers: BOTH,
        because: "the original follows no NO_BACKSLASH_ESCAPES",
        covers: |context, _| {
            context.has_mode("NO_BACKSLASH_ESCAPES") && context.own.sql.contains('\\')
        },
    },
    Rule {
        servers: BOTH,
        because: "the original follows no REAL_AS_FLOAT",
        covers: |context, diff| {
            context.has_mode("REAL_AS_FLOAT") && is(diff, &TYPE) && diff.their("typeName") == "REAL"
        },
    },
    Rule {
        servers: MARIADB,
        because: "the original follows no ORACLE",
        covers: |context, diff| context.has_mode("ORACLE") && is(diff, &TYPE),
    },
    Rule {
        servers: MARIADB,
        because: "the original does not take doubled quotes of names in ANSI_QUOTES for one",
        covers: |context, diff| {
            let name = diff.ours.as_str().map(|name| name.replace('"', "\"\""));
            context.has_mode("ANSI_QUOTES")
                && diff.leaf() == "name"
                && name.as_deref() == diff.theirs.as_str()
        },
    },
    Rule {
        servers: BOTH,
        because: "the original does not say what ALTER TABLE has renamed",
        covers: |context, diff| {
            diff.leaf() == "previousId" && context.says("RENAME") && diff.theirs.is_null()
        },
    },
    Rule {
        servers: MARIADB,
        because: "the original takes another character set for the server's",
        covers: |_, diff| {
            let record = diff.around.get(2).map(|(own, _)| &own["databaseName"]);
            is(diff, &CHARSETS)
                && diff.ours == "latin1"
                && diff.theirs == "utf8mb4"
                && record.is_some_and(|database| database != "ddl_texts")
        },
    },
    Rule {
        servers: BOTH,
        because: "the original takes no character set from the collation of a table or database",
        covers: |context, diff| is(diff, &CHARSETS) && context.said("COLLATE"),
    },
    Rule {
        servers: BOTH,
        because: "the original does not change the character set of a table",
        covers: |context, diff| {
            let says_set = context.says("CHARACTER SET") || context.says("CHARSET");
            diff.leaf() == "defaultCharsetName" && context.says("ALTER") && says_set
        },
    },
    Rule {
        servers: MYSQL,
        because: "the original does not convert columns to the character set of the database",
        covers: |context, diff| {
            is(diff, &CHARSETS) && context.says("CONVERT TO CHARACTER SET DEFAULT")
        },
    },
    Rule {
        servers: BOTH,
        because: "text in the character set binary is bytes",
        covers: |_, diff| {
            (is(diff, &TYPE) || is(diff, &CHARSETS))
                && diff.own("charsetName").is_null()
                && diff.their("charsetName") == "binary"
        },
    },
    Rule {
        servers: MYSQL,
        because: "the original does not know ASCII and UNICODE",
        covers: |context, diff| {
            diff.leaf() == "charsetName" && (context.says("ASCII") || context.says("UNICODE"))
        },
    },
    Rule {
        servers: MYSQL,
        because: "the original takes national text with BINARY for other types",
        covers: |context, diff| {
            (is(diff, &TYPE) || is(diff, &CHARSETS))
                && context.says("NATIONAL")
                && context.says("BINARY")
        },
    },
    Rule {
        servers: BOTH,
        because: "the original loses the options of ENUM and SET with BINARY",
        covers: |context, diff| diff.leaf() == "enumValues" && context.says("BINARY"),
    },
    Rule {
        servers: MARIADB,
        because: "columns that are added in parentheses are nullable for the original",
        covers: |context, diff| {
            is_not_null(diff) && context.says("ADD") && context.says("NOT NULL")
        },
    },
    Rule {
        servers: BOTH,
        because: "columns of a key that change are nullable for the original",
        covers: |context, diff| {
            let keys = diff.own_table("primaryKeyColumnNames").as_array();
            let is_key = keys.is_some_and(|keys| keys.contains(diff.own("name")));
            let changes = context.says("MODIFY") || context.says("CHANGE");
            is_not_null(diff) && is_key && changes
        },
    },
    Rule {
        servers: BOTH,
        because: "the original loses columns that take each other's names",
        covers: |context, diff| {
            diff.leaf() == "columns" && context.words.matches("RENAME COLUMN").count() > 1
        },
    },
    Rule {
        servers: MYSQL,
        because: "the original's key keeps the case of a column's former name",
        covers: |_, diff| {
            let texts = diff.ours.as_str().zip(diff.theirs.as_str());
            diff.leaf() == "primaryKeyColumnNames"
                && texts.is_some_and(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs))
        },
    },
    Rule {
        servers: MYSQL,
        because: "SET DEFAULT NULL is the text null for the original",
        covers: |context, diff| diff.theirs == "null" && context.says("SET DEFAULT NULL"),
    },
    Rule {
        servers: MYSQL,
        because: "the original records unique indexes from behind the first word",
        covers: |context, diff| {
            let ours = diff
                .ours
                .as_str()
                .and_then(|text| text.strip_prefix("CREATE"));
            diff.leaf() == "ddl"
                && context.says("UNIQUE INDEX")
                && ours.map(str::trim_start) == diff.theirs.as_str()
        },
    },
    Rule {
        servers: BOTH,
        because: "the original keeps no unique indexes where it keeps captured tables alone",
        covers: |context, diff| {
            diff.path.first() == Some(&"tables") && context.says("UNIQUE INDEX") && is_longer(diff)
        },
    },
    Rule {
        servers: BOTH,
        because: "the original does not know the index PRIMARY",
        covers: |context, _| context.own.sql.contains("`PRIMARY`"),
    },
    Rule {
        servers: BOTH,
        because: "a captured table's name that goes to another is in our history",
        covers: |context, diff| {
            !diff.is_of_all()
                && diff.leaf() == "history"
                && context.says("RENAME")
                && is_longer(diff)
        },
    },
    Rule {
        servers: MYSQL,
        because: "the original drops the tables that an event will drop",
        covers: |context, _| context.says("EVENT") && context.says("DO DROP TABLE"),
    },
    Rule {
        servers: BOTH,
        because: "the original does not quote names that begin or end with a quote",
        covers: |_, diff| {
            let names = diff.ours.as_str().is_some_and(|id| id.contains("\"\"\""));
            is(diff, &["id", "previousId"]) && names
        },
    },
    Rule {
        servers: BOTH,
        because: "a default has the text that stands for its value",
        covers: |context, diff| {
            let sql = &context.own.sql;
            diff.leaf() == "defaultValueExpression" && (sql.contains('"') || sql.contains("' '"))
        },
    },
    Rule {
        servers: MARIADB,
        because: "options with quotes stand in single quotes",
        covers: |context, diff| diff.leaf() == "enumValues" && context.own.sql.contains('"'),
    },
    Rule {
        servers: MARIADB,
        because: "the original does not replace tables that it knows",
        covers: |context, _| context.says("CREATE OR REPLACE TABLE"),
    },
    Rule {
        servers: MARIADB,
        because: "columns of periods are nullable for the original",
        covers: |context, diff| is_not_null(diff) && context.says("PERIOD FOR"),
    },
    Rule {
        servers: MARIADB,
        because: "the original adds columns that exist",
        covers: |context, diff| is(diff, &TYPE) && context.says("ADD COLUMN IF NOT EXISTS"),
    },
    Rule {
        servers: MYSQL,
        because: "a vector without a length has the server's",
        covers: |_, diff| diff.leaf() == "length" && diff.own("typeName") == "VECTOR",
    },
    Rule {
        servers: BOTH,
        because: "the original's table is another one, because of a statement before",
        covers: |context, diff| context.is_astray && diff.leaf() != "ddl",
    },
];

/// What a comparison has found.
#[derive(Debug, Default)]
pub(super) struct Compared {
    statements: usize,
    equal: usize,
    /// Statements, by the first rule that covers a difference of theirs.
    meant: BTreeMap<&'static str, usize>,
    pub(super) differences: Vec<String>,
}

impl Compared {
    pub(super) fn counts(&self) -> String {
        format!(
            "{} statements compared, {} equal, {} meant, {} different\n{:#?}",
            self.statements,
            self.equal,
            (self.statements - self.equal).saturating_sub(self.differences.len()),
            self.differences.len(),
            self.meant,
        )
    }
}

/// Compares what both wrote for the same statements.
///
/// # Errors
/// If the statements are not the same.
pub(super) fn compare(kind: Kind, ours: &[Line], theirs: &[Line]) -> Result<Compared> {
    let mut compared = Compared::default();
    let same = ours.iter().zip(theirs);
    let same = same.take_while(|(own, their)| own.sql == their.sql).count();
    ensure!(
        same == ours.len() && same == theirs.len(),
        "statement {same} is another one than was recorded: {:?} instead of {:?}",
        ours.get(same).map(|line| &line.sql),
        theirs.get(same).map(|line| &line.sql),
    );
    let rules: Vec<&Rule> = RULES
        .iter()
        .filter(|rule| rule.servers.contains(&kind))
        .collect();
    let (mut scenario, mut before) = (usize::MAX, Vec::new());
    let (mut is_astray, mut encoded) = (false, false);
    for (own, their) in ours.iter().zip(theirs) {
        if own.scenario != scenario {
            (scenario, is_astray, encoded) = (own.scenario, false, false);
            before.clear();
        }
        encoded |= own.encoded;
        let context = Context {
            own,
            their,
            words: words(&own.sql),
            before: before.clone(),
            is_astray,
            encoded,
        };
        is_astray |= compare_one(&context, &rules, &mut compared);
        before.push(context.words);
    }
    let unused = rules
        .iter()
        .filter(|rule| !compared.meant.contains_key(rule.because));
    let unused = unused.map(|rule| {
        format!(
            "no statement of {} differs because {}: remove the rule",
            kind.name(),
            rule.because
        )
    });
    compared.differences.extend(unused.collect::<Vec<_>>());
    Ok(compared)
}

/// Whether the original's table is another one after the statement.
fn compare_one(context: &Context<'_>, rules: &[&Rule], compared: &mut Compared) -> bool {
    compared.statements += 1;
    let (ours, theirs) = (values(context.own), values(context.their));
    let all = diffs(&ours, &theirs);
    if all.is_empty() {
        compared.equal += 1;
        return false;
    }
    let mut covered = Vec::new();
    let mut open = Vec::new();
    for diff in &all {
        match rules.iter().find(|rule| (rule.covers)(context, diff)) {
            Some(rule) => covered.push(rule.because),
            // Those that keep less have other numbers of changes, too.
            None if !diff.is_of_all()
                && !covered.is_empty()
                && !["ddl", "table"].contains(&diff.leaf()) => {}
            None => open.push(diff.text()),
        }
    }
    covered.sort_unstable();
    covered.dedup();
    for because in covered {
        *compared.meant.entry(because).or_default() += 1;
    }
    if !open.is_empty() {
        compared.differences.push(format!(
            "{}: {:?} {}\n  {}",
            context.own.kind,
            context.own.sql,
            context.own.mode,
            open.join("\n  ")
        ));
    }
    all.iter().any(|diff| diff.path.contains(&"tableChanges"))
        || all
            .iter()
            .any(|diff| matches!(diff.leaf(), "published" | "history"))
}

/// The words of a statement, without comments.
fn words(sql: &str) -> String {
    let mut plain = String::new();
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let comment = match c {
            '/' if rest.starts_with("/*!") || rest.starts_with("/*M!") => None,
            '/' if rest.starts_with("/*") => rest.find("*/").map(|end| end + 2),
            '-' if rest.starts_with("--") => rest.find('\n'),
            '#' => rest.find('\n'),
            _ => None,
        };
        let length = comment.unwrap_or(c.len_utf8());
        plain.push(if comment.is_none() && c.is_alphanumeric() || c == '_' {
            c
        } else {
            ' '
        });
        rest = rest.get(length..).unwrap_or_default();
    }
    let words: Vec<String> = plain.split_whitespace().map(str::to_uppercase).collect();
    words.join(" ")
}
