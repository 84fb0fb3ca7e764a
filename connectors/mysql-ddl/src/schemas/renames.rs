//! Tables that were renamed and whose definition is not known: those of a schema history that keeps captured tables alone.

use tidegate_relational::TableId;

use super::Schemas;
use crate::parser::Parser;

impl Schemas {
    /// What was said of a table whose definition is not known when it got this name: `RENAME TABLE a TO b`.
    pub fn unknown_rename(&self, id: &TableId) -> Option<&str> {
        self.unknown_renames.get(&self.key(id)).map(String::as_str)
    }

    /// All names that tables without a known definition have got.
    pub fn unknown_renames(&self) -> impl Iterator<Item = (&TableId, &str)> {
        let renames = self.unknown_renames.iter();
        renames.map(|(id, statement)| (id, statement.as_str()))
    }

    /// Forgets those that nobody will ask for.
    pub fn retain_unknown_renames(&mut self, is_wanted: impl Fn(&TableId) -> bool) {
        self.unknown_renames.retain(|id, _| is_wanted(id));
    }

    /// Statements that end what is known of a table are all told: where `to` is known, a temporary table has got its name
    /// (MariaDB logs that in the same words), or `IF EXISTS` has found nothing to rename.
    pub(super) fn renamed_unknown(&mut self, from: &TableId, to: &TableId, statement: String) {
        if self.table(to).is_some() {
            return;
        }
        self.unknown_renames.remove(&self.key(from));
        self.unknown_renames.insert(self.key(to), statement);
    }

    /// `ALTER TABLE a … RENAME TO b` of a table that is not known.
    pub(super) fn altered_unknown(
        &mut self,
        parser: &mut Parser<'_>,
        id: &TableId,
        database: &str,
    ) {
        while !parser.is_done() {
            if parser.eat(&["RENAME"]) && !parser.at_any(&["COLUMN", "INDEX", "KEY"]) {
                parser.eat_any(&["TO", "AS"]);
                parser.eat_symbol("=");
                if let Ok(to) = parser.table(database) {
                    self.renamed_unknown(id, &to, parser.sql.to_owned());
                }
                return;
            }
            if parser.skip_clause().is_err() || !parser.eat_symbol(",") {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renames_of_unknown_tables_are_remembered_until_the_name_is_known_again() {
        let mut schemas = Schemas::default();
        let apply = |schemas: &mut Schemas, sql: &str| {
            schemas.apply("d", sql).expect("a statement");
        };
        let id = |name: &str| TableId::in_database("d", name);
        let note =
            |schemas: &Schemas, name: &str| schemas.unknown_rename(&id(name)).map(str::to_owned);
        apply(&mut schemas, "CREATE TABLE t (id INT)");
        apply(&mut schemas, "RENAME TABLE t TO o, `g` TO t");
        assert_eq!(
            note(&schemas, "t").as_deref(),
            Some("RENAME TABLE `g` TO t")
        );
        assert_eq!(note(&schemas, "o"), None);
        apply(&mut schemas, "RENAME TABLE t TO u");
        assert_eq!(note(&schemas, "t"), None);
        assert_eq!(note(&schemas, "u").as_deref(), Some("RENAME TABLE t TO u"));
        apply(&mut schemas, "CREATE TABLE u (id INT)");
        assert_eq!(note(&schemas, "u"), None);
        apply(
            &mut schemas,
            "ALTER TABLE x ADD a INT, RENAME COLUMN b TO c, RENAME AS e.y",
        );
        let other = schemas.unknown_rename(&TableId::in_database("e", "y"));
        assert!(other.is_some_and(|statement| statement.starts_with("ALTER TABLE x ADD")));
        apply(&mut schemas, "DROP TABLE e.y");
        assert_eq!(schemas.unknown_renames().count(), 0);
        apply(&mut schemas, "RENAME TABLE x TO t");
        assert!(note(&schemas, "t").is_some());
        schemas.retain_unknown_renames(|known| *known != id("t"));
        apply(&mut schemas, "ALTER TABLE x RENAME y");
        apply(&mut schemas, "DROP DATABASE d");
        assert_eq!(schemas.unknown_renames().count(), 0);
        apply(&mut schemas, "ALTER TABLE x ADD a INT, RENAME INDEX b TO c");
        assert_eq!(schemas.unknown_renames().count(), 0);
    }

    #[test]
    fn temporary_tables_do_not_take_the_names_of_known_ones() {
        for rename in [
            "RENAME TABLE IF EXISTS x TO t",
            "RENAME TABLE x TO t",
            "RENAME TABLE o TO p, x TO t",
            "ALTER TABLE x RENAME TO t",
            "ALTER TABLE x ADD a INT, RENAME t",
            "ALTER TABLE IF EXISTS nope RENAME TO t",
        ] {
            let mut schemas = Schemas::default();
            let id = TableId::in_database("d", "t");
            for sql in [
                "CREATE TABLE t (id INT)",
                "CREATE TEMPORARY TABLE x (v INT)",
                rename,
            ] {
                schemas.apply("d", sql).expect(sql);
            }
            let columns = schemas.table(&id).map(|table| table.columns.len());
            assert_eq!(columns, Some(1), "{rename}");
            assert_eq!(schemas.unknown_rename(&id), None, "{rename}");
        }
    }
}
