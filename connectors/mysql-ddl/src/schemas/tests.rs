use tidegate_relational::Column;

use super::*;

fn schemas(statements: &[&str]) -> Schemas {
    let mut schemas = Schemas::new(Options::default());
    for statement in statements {
        schemas
            .apply("db", statement)
            .unwrap_or_else(|error| panic!("{error}"));
    }
    schemas
}

fn table(statements: &[&str]) -> Table {
    let schemas = schemas(statements);
    let id = TableId::in_database("db", "t");
    (**schemas.table(&id).expect("table t")).clone()
}

/// A column on one line: type, length, scale, nullability, default.
fn line(column: &Column) -> String {
    let number = |number: Option<i32>| number.map_or("-".to_owned(), |number| number.to_string());
    format!(
        "{} {} {} {} {} {}",
        column.type_name,
        number(column.length),
        number(column.scale),
        if column.optional { "null" } else { "not-null" },
        column.jdbc_type,
        match (&column.default_expression, column.has_default) {
            (Some(expression), _) => format!("={expression}"),
            (None, true) => "default".to_owned(),
            (None, false) => "none".to_owned(),
        }
    )
}

/// A column on one line, and its options, as a dialect has them.
fn line_of(dialect: Dialect, definition: &str) -> String {
    let mut schemas = Schemas::new(Options {
        dialect,
        ..Options::default()
    });
    let statement = format!("CREATE TABLE t (c {definition})");
    schemas.apply("db", &statement).expect("a statement");
    let table = schemas.table(&TableId::in_database("db", "t"));
    let column = &table.expect("a table").columns[0];
    format!("{} {}", line(column), column.enum_values.join(","))
}

#[test]
fn dialects_describe_columns_as_their_originals_do() {
    use Dialect::{MariaDb, MySql};
    for (dialect, definition, expected) in [
        (
            MariaDb,
            r#"ENUM("s",'m')"#,
            r#"ENUM 1 - null 1 default "s",'m'"#,
        ),
        (
            MariaDb,
            r#"SET("a","b")"#,
            r#"SET 3 - null 1 default "a","b""#,
        ),
        (MySql, r#"ENUM("s",'m')"#, "ENUM 1 - null 1 default 's','m'"),
        (MySql, r#"ENUM("it's")"#, "ENUM 1 - null 1 default 'it''s'"),
        (
            MySql,
            "ENUM('a') BINARY",
            "ENUM BINARY 1 - null 1 default 'a'",
        ),
        (
            MySql,
            "CHARACTER(3) BINARY",
            "CHARACTER BINARY 3 - null 1 default ",
        ),
        (
            MariaDb,
            "CHARACTER(3) BINARY",
            "CHARACTER 3 - null 1 default ",
        ),
        (MariaDb, "LONG BINARY", "LONG - - null 12 default "),
        (MySql, "CHAR(3) BINARY ASCII", "CHAR 3 - null 1 default "),
        (
            MariaDb,
            "TEXT CHARACTER SET latin1 BINARY",
            "TEXT BINARY - - null 12 default ",
        ),
        (
            MySql,
            r#"VARCHAR(9) DEFAULT "it's""#,
            "VARCHAR 9 - null 12 =it''s ",
        ),
        (
            MySql,
            "VARCHAR(9) DEFAULT _latin1'it''s'",
            "VARCHAR 9 - null 12 =it''s ",
        ),
        (MySql, "CHAR(0)", "CHAR 10 - null 1 default "),
        (MySql, "VARCHAR(0)", "VARCHAR 10 - null 12 default "),
        (MySql, "VARBINARY(0)", "VARBINARY 10 - null -3 default "),
        (MySql, "BINARY(0)", "BINARY 0 - null -2 default "),
        (MariaDb, "CHAR(0)", "CHAR 0 - null 1 default "),
        (
            MariaDb,
            "INT ZEROFILL",
            "INT UNSIGNED ZEROFILL - - null 4 default ",
        ),
        (
            MariaDb,
            "INT(5) ZEROFILL",
            "INT UNSIGNED ZEROFILL 5 - null 4 default ",
        ),
        (
            MariaDb,
            "FLOAT ZEROFILL",
            "FLOAT UNSIGNED ZEROFILL - - null 6 default ",
        ),
        (
            MariaDb,
            "DECIMAL(5,2) ZEROFILL",
            "DECIMAL UNSIGNED ZEROFILL 5 2 null 3 default ",
        ),
        (
            MariaDb,
            "INT DEFAULT nextval(s) PRIMARY KEY",
            "INT - - not-null 4 none ",
        ),
        (
            MariaDb,
            "INT NOT NULL DEFAULT nextval(s), PRIMARY KEY (c)",
            "INT - - not-null 4 none ",
        ),
        (
            MariaDb,
            "INT DEFAULT (next value for s) PRIMARY KEY",
            "INT - - not-null 4 none ",
        ),
        (
            MySql,
            "BINARY(16) DEFAULT (uuid_to_bin(uuid())) PRIMARY KEY",
            "BINARY 16 - not-null -2 none ",
        ),
        (MariaDb, "INT DEFAULT +5", "INT - - null 4 =+5 "),
        (
            MariaDb,
            "DATETIME DEFAULT LOCALTIME()",
            "DATETIME - - null 93 =LOCALTIME() ",
        ),
        (
            MariaDb,
            "DATE DEFAULT CURDATE()",
            "DATE - - null 91 =CURDATE() ",
        ),
        (
            MariaDb,
            "VARCHAR(5) DEFAULT x'5A'",
            "VARCHAR 5 - null 12 default ",
        ),
        (MariaDb, "BIT(4) DEFAULT 0b11", "BIT 4 - null -7 default "),
        (MariaDb, "YEAR DEFAULT 12", "YEAR - - null 4 =12 "),
        (
            MySql,
            "VARBINARY(4) DEFAULT 0xABCD",
            "VARBINARY 4 - null -3 =0xABCD ",
        ),
        (
            MySql,
            "VARBINARY(4) DEFAULT 0xABC",
            "VARBINARY 4 - null -3 =0x0ABC ",
        ),
        (
            MySql,
            "VARBINARY(8) DEFAULT '0xAB'",
            r"VARBINARY 8 - null -3 =0\xAB ",
        ),
        (MySql, "INT DEFAULT 0b101", "INT - - null 4 =5 "),
        (MySql, "INT DEFAULT 0x41", "INT - - null 4 =65 "),
        (MySql, "BIT(8) DEFAULT 0b101", "BIT 8 - null -7 =101 "),
    ] {
        assert_eq!(line_of(dialect, definition), expected, "{definition}");
    }
}

#[test]
fn column_definitions_are_read() {
    fn check(definition: &str, expected: &str) {
        let table = table(&[&format!("CREATE TABLE t (c {definition})")]);
        assert_eq!(line(&table.columns[0]), expected, "{definition}");
    }
    check("int", "INT - - null 4 default");
    check(
        "INT(11) UNSIGNED ZEROFILL NOT NULL",
        "INT UNSIGNED ZEROFILL 11 - not-null 4 none",
    );
    check(
        "bigint(20) NOT NULL AUTO_INCREMENT",
        "BIGINT 20 - not-null -5 none",
    );
    check("varchar(20) DEFAULT 'it''s'", "VARCHAR 20 - null 12 =it''s");
    check(
        "char(3) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL DEFAULT ''",
        "CHAR 3 - not-null 1 =",
    );
    check(
        "decimal(10,2) NOT NULL DEFAULT 0.00",
        "DECIMAL 10 2 not-null 3 =0.00",
    );
    check("numeric", "NUMERIC 10 0 null 2 default");
    check("double precision", "DOUBLE PRECISION - - null 8 default");
    check("float(7,3) DEFAULT -1.5", "FLOAT 7 3 null 6 =-1.5");
    check(
        "timestamp(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6)",
        "TIMESTAMP 6 - not-null 2014 =1970-01-01 00:00:00",
    );
    check("datetime DEFAULT NULL", "DATETIME - - null 93 default");
    check(
        "enum('a','b') NOT NULL DEFAULT 'a'",
        "ENUM 1 - not-null 1 =a",
    );
    check("set('a','b','c')", "SET 5 - null 1 default");
    check("bit(5) DEFAULT b'101'", "BIT 5 - null -7 =101");
    check("tinyint(1) DEFAULT TRUE", "TINYINT 1 - null 5 =TRUE");
    check("char(36) DEFAULT (uuid())", "CHAR 36 - null 1 default");
    check(
        "varchar(9) DEFAULT _utf8mb4'x'",
        "VARCHAR 9 - null 12 =_utf8mb4'x'",
    );
    check(
        "int GENERATED ALWAYS AS (1 + (2)) STORED",
        "INT - - null 4 default",
    );
    check(
        "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`c`))",
        "LONGTEXT - - null 12 default",
    );
    check("int COMMENT 'a, b) c' NOT NULL", "INT - - not-null 4 none");
    check("serial", "BIGINT UNSIGNED - - not-null -5 none");
    check("year(4)", "YEAR 4 - null 4 default");
    check("int PRIMARY KEY", "INT - - not-null 4 none");
}

#[test]
fn tables_of_show_create_are_read_whole() {
    let table = table(&[
        "CREATE TABLE `t` (\n  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,\n  `a.b` varchar(10) COLLATE latin1_bin DEFAULT NULL,\n  \
         `v` int(11) GENERATED ALWAYS AS (`id` * 2) VIRTUAL,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`a.b`(5) DESC),\n  KEY `k` (`v`) USING BTREE COMMENT 'x',\n  \
         CONSTRAINT `f` FOREIGN KEY (`id`) REFERENCES `other` (`id`) ON DELETE CASCADE,\n  CONSTRAINT `c` CHECK (`id` > 0)\n) \
         ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COMMENT='text; more' /*!50100 PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10)) */",
    ]);
    let names: Vec<_> = table.columns.iter().map(|column| &*column.name).collect();
    assert_eq!(names, ["id", "a.b", "v"]);
    assert_eq!(table.primary_key, [Arc::from("id")]);
    assert_eq!(table.default_charset.as_deref(), Some("utf8mb4"));
    assert_eq!(table.columns[1].charset.as_deref(), Some("latin1"));
    assert!(table.columns[0].auto_incremented && table.columns[0].charset.is_none());
}

#[test]
fn alterations_are_applied_in_order() {
    fn check(alter: &str, columns: &str, key: &str) {
        let table = table(&[
            "CREATE TABLE t (a int PRIMARY KEY, b varchar(5), c int)",
            &format!("ALTER TABLE t {alter}"),
        ]);
        let names: Vec<_> = table.columns.iter().map(|column| &*column.name).collect();
        assert_eq!(names.join(","), columns, "{alter}");
        assert_eq!(table.primary_key.join(","), key, "{alter}");
    }
    check("ADD COLUMN d int", "a,b,c,d", "a");
    check("ADD d int FIRST", "d,a,b,c", "a");
    check("ADD d int AFTER a, DROP COLUMN c", "a,d,b", "a");
    check("ADD c int, ADD B int AFTER c", "a,c,B", "a");
    check(
        "ADD (d int, e decimal(5,2) DEFAULT 1, KEY k (d))",
        "a,b,c,d,e",
        "a",
    );
    check("CHANGE a x bigint NOT NULL", "x,b,c", "x");
    check("MODIFY COLUMN c bigint AFTER a", "a,c,b", "a");
    check("DROP PRIMARY KEY, MODIFY c int PRIMARY KEY", "a,b,c", "c");
    check("RENAME COLUMN b TO z", "a,z,c", "a");
    check("DROP PRIMARY KEY, ADD PRIMARY KEY (a, c)", "a,b,c", "a,c");
    check("DROP a", "b,c", "");
    check(
        "ADD INDEX i (b), ALGORITHM=INPLACE, LOCK=NONE",
        "a,b,c",
        "a",
    );
    check(
        "ADD COLUMN IF NOT EXISTS b int, MODIFY COLUMN IF EXISTS nope int",
        "a,b,c",
        "a",
    );
    check("ALTER COLUMN c SET DEFAULT 5", "a,b,c", "a");
    check(
        "ADD CONSTRAINT f FOREIGN KEY (c) REFERENCES o (x) ON DELETE SET NULL ON UPDATE CASCADE",
        "a,b,c",
        "a",
    );
    check("ADD PARTITION PARTITIONS 2", "a,b,c", "a");
    check(
        "ENGINE=InnoDB ROW_FORMAT=COMPRESSED, COMMENT='x, y'",
        "a,b,c",
        "a",
    );
}

#[test]
fn a_column_that_is_added_again_is_the_new_one() {
    let table = table(&[
        "CREATE TABLE t (a int, b int)",
        "ALTER TABLE t ADD a varchar(5) NOT NULL",
    ]);
    let lines: Vec<_> = table.columns.iter().map(line).collect();
    assert_eq!(
        lines,
        ["VARCHAR 5 - not-null 12 none", "INT - - null 4 default"]
    );
}

#[test]
fn charsets_come_from_the_nearest_place() {
    fn check(statements: &[&str], charset: &str) {
        assert_eq!(
            table(statements).columns[0].charset.as_deref(),
            Some(charset),
            "{statements:?}"
        );
    }
    let create = "CREATE TABLE t (c varchar(5))";
    check(&["SET character_set_server=latin2", create], "latin2");
    check(
        &[
            "SET character_set_server=latin2",
            "CREATE DATABASE db CHARACTER SET greek",
            create,
        ],
        "greek",
    );
    check(
        &["CREATE DATABASE db COLLATE utf8mb4_bin", create],
        "utf8mb4",
    );
    check(
        &["CREATE TABLE t (c varchar(5)) DEFAULT CHARSET=sjis"],
        "sjis",
    );
    check(
        &["CREATE TABLE t (c varchar(5) CHARACTER SET ascii) CHARSET=sjis"],
        "ascii",
    );
    check(
        &[create, "ALTER TABLE t CONVERT TO CHARACTER SET koi8r"],
        "koi8r",
    );
    check(&["CREATE TABLE t (c nvarchar(5)) CHARSET=sjis"], "utf8");
}

#[test]
fn keys_come_from_unique_indexes_if_need_be() {
    fn check(statements: &[&str], key: &str) {
        assert_eq!(
            table(statements).primary_key.join(","),
            key,
            "{statements:?}"
        );
    }
    check(
        &["CREATE TABLE t (a int, b int NOT NULL, UNIQUE (a), UNIQUE u (b))"],
        "b",
    );
    check(&["CREATE TABLE t (a int NOT NULL UNIQUE)"], "a");
    check(
        &[
            "CREATE TABLE t (a int NOT NULL)",
            "CREATE UNIQUE INDEX i ON t (a)",
        ],
        "a",
    );
    check(
        &[
            "CREATE TABLE t (a int NOT NULL)",
            "ALTER TABLE t ADD UNIQUE (a)",
        ],
        "a",
    );
    check(&["CREATE TABLE t (a int, UNIQUE (a))"], "");
}

#[test]
fn partitions_behind_a_column_are_no_attributes_of_it() {
    #[track_caller]
    fn check(clauses: &str, columns: &str) {
        let create = "CREATE TABLE t (id INT PRIMARY KEY, v INT) COMMENT 'c'";
        let table = table(&[create, &format!("ALTER TABLE t {clauses}")]);
        let names = table.columns.iter().map(|column| {
            let null = if column.optional { "" } else { "!" };
            format!("{}{null}", column.name)
        });
        assert_eq!(names.collect::<Vec<_>>().join(","), columns, "{clauses}");
        assert_eq!(table.primary_key.join(","), "id", "{clauses}");
    }
    check("ADD x INT PARTITION BY KEY (id)", "id!,v,x");
    check(
        "ADD x INT COMMENT 'c' PARTITION BY LINEAR KEY (id) PARTITIONS 3",
        "id!,v,x",
    );
    check("ADD x INT FIRST PARTITION BY KEY ()", "x,id!,v");
    check(
        "ADD x INT NOT NULL AFTER id partition\nby key (id)",
        "id!,x!,v",
    );
    check("MODIFY v BIGINT PARTITION BY KEY ALGORITHM=2 (id)", "id!,v");
    check("CHANGE v w INT DEFAULT 3 PARTITION BY KEY (id)", "id!,w");
    check(
        "COMMENT 'x', ADD (x INT, y INT) PARTITION BY KEY (id)",
        "id!,v,x,y",
    );
    check(
        "ADD x INT PARTITION BY RANGE (id) SUBPARTITION BY KEY (id) (PARTITION p VALUES LESS THAN (9))",
        "id!,v,x",
    );
    check("ADD x INT REMOVE PARTITIONING", "id!,v,x");
}

#[test]
fn unique_indexes_alter_tables_without_a_primary_key() {
    #[track_caller]
    fn check(table: &str, index: &str, key: Option<&str>) {
        let mut schemas = schemas(&[table]);
        let events = schemas.apply("db", index).unwrap();
        let keys: Vec<String> = events
            .iter()
            .filter_map(|event| match &event.kind {
                DdlEventKind::Table(TableChange::Alter { table, .. }) => {
                    Some(table.primary_key.join(","))
                }
                _ => None,
            })
            .collect();
        assert_eq!(keys.first().map(String::as_str), key, "{table} {index}");
        assert_eq!(events.len(), 1);
    }
    let create = "CREATE TABLE t (a INT NOT NULL, b INT, c VARCHAR(9) NOT NULL)";
    check(create, "CREATE UNIQUE INDEX i ON t (a)", Some("a"));
    check(create, "CREATE UNIQUE INDEX i ON t (b)", Some(""));
    check(create, "CREATE UNIQUE INDEX i ON t (a, b)", Some(""));
    check(create, "CREATE UNIQUE INDEX i ON t (c(5))", Some("c"));
    check(create, "CREATE UNIQUE INDEX i ON t ((a + 1))", None);
    check(create, "CREATE INDEX i ON t (a)", None);
    check(
        "CREATE TABLE t (a INT NOT NULL, b INT PRIMARY KEY)",
        "CREATE UNIQUE INDEX i ON t (a)",
        None,
    );
}

#[test]
fn tables_come_go_and_change_their_names() {
    let has = |statements: &[&str], name: &str| {
        schemas(statements)
            .table(&TableId::in_database("db", name))
            .is_some()
    };
    let create = "CREATE TABLE db.t (a int)";
    assert!(!has(&[create, "DROP TABLE IF EXISTS x, t CASCADE"], "t"));
    assert!(has(&[create, "RENAME TABLE t TO u, x TO y"], "u"));
    assert!(has(&[create, "ALTER TABLE t RENAME TO `u`"], "u"));
    assert!(has(&[create, "CREATE TABLE u LIKE t"], "u"));
    assert!(!has(&[create, "DROP DATABASE db"], "t"));
    let replaced = table(&[create, "CREATE OR REPLACE TABLE t (b bigint, c int)"]);
    assert_eq!(&*replaced.columns[0].name, "b");
}

#[test]
fn changes_are_reported_with_their_statements() {
    let mut schemas = schemas(&["CREATE TABLE a (x int)", "CREATE TABLE b (x int)"]);
    let events = schemas
        .apply("db", "/* c */ DROP TABLE `a`, other.b; ")
        .expect("parsed");
    let texts: Vec<_> = events
        .iter()
        .map(|event| (event.database.as_str(), event.statement.as_str()))
        .collect();
    assert_eq!(
        texts,
        [
            ("db", "DROP TABLE `db`.`a`"),
            ("other", "DROP TABLE `other`.`b`")
        ]
    );
    let events = schemas.apply("db", "RENAME TABLE b TO c").expect("parsed");
    assert_eq!(events[0].statement, "RENAME TABLE b TO c");
    let events = schemas.apply("db", "TRUNCATE TABLE c;").expect("parsed");
    assert_eq!(
        events[0].kind,
        DdlEventKind::Truncate(TableId::in_database("db", "c"))
    );
    let events = schemas
        .apply("db", "GRANT ALL ON *.* TO x")
        .expect("parsed");
    assert_eq!(events, [other("db", "GRANT ALL ON *.* TO x")]);
}

/// The texts that are recorded for a statement.
#[track_caller]
fn check_texts(dialect: Dialect, sql: &str, expected: &[&str]) {
    let mut schemas = Schemas::new(Options {
        dialect,
        ..Options::default()
    });
    schemas
        .apply("db", "CREATE TABLE z (id INT NOT NULL)")
        .expect("parsed");
    let events = schemas.apply("db", sql).expect("parsed");
    let texts: Vec<&str> = events.iter().map(|event| &*event.statement).collect();
    assert_eq!(texts, expected, "{sql}");
}

#[test]
fn recorded_statements_end_with_their_last_word() {
    fn check(sql: &str, expected: &str) {
        check_texts(Dialect::MariaDb, sql, &[expected]);
    }
    check(
        "CREATE TABLE y (id INT PRIMARY KEY) /*!50100 PARTITION BY KEY (id) PARTITIONS 2 */",
        "CREATE TABLE y (id INT PRIMARY KEY)",
    );
    check(
        "CREATE TABLE y (id INT) /*! ENGINE=InnoDB */ COMMENT 'c' /*!40000 CHARSET=latin1 */ -- end",
        "CREATE TABLE y (id INT) /*! ENGINE=InnoDB */ COMMENT 'c'",
    );
    check(
        "/*!40000 ALTER */ TABLE z ADD y INT;",
        "/*!40000 ALTER */ TABLE z ADD y INT",
    );
    check("/*! DROP DATABASE x */", "/*! DROP DATABASE x */");
    check(
        "CREATE DATABASE x /*!40100 CHARACTER SET latin1 */ -- end",
        "CREATE DATABASE x /*!40100 CHARACTER SET latin1 */",
    );
    check(
        "/*! ALTER\n*/ TABLE z ADD y /*!40000 INT",
        "/*! ALTER\n*/ TABLE z ADD y /*!40000 INT",
    );
    check_texts(
        Dialect::MySql,
        "CREATE TABLE y (id INT) /*!50100 PARTITION BY HASH (id) */ ; -- end",
        &["CREATE TABLE y (id INT) /*!50100 PARTITION BY HASH (id) */"],
    );
    check(
        "SET STATEMENT lock_wait_timeout=5 FOR ALTER TABLE z ADD q INT",
        "ALTER TABLE z ADD q INT",
    );
    check(
        "SET STATEMENT lock_wait_timeout=(5) FOR /* why */ CREATE DATABASE x # end",
        "CREATE DATABASE x",
    );
}

#[test]
fn primary_keys_take_the_place_of_unique_ones() {
    for (clause, key) in [
        ("MODIFY v INT PRIMARY KEY", "v"),
        ("ADD x INT PRIMARY KEY FIRST", "x"),
        ("ADD x INT NOT NULL UNIQUE", "id"),
    ] {
        let table = table(&[
            "CREATE TABLE t (id INT NOT NULL UNIQUE, v INT)",
            &format!("ALTER TABLE t {clause}"),
        ]);
        assert_eq!(table.primary_key.join(","), key, "{clause}");
    }
}

#[test]
fn renames_of_unknown_tables_are_recorded_one_by_one() {
    let mut schemas = Schemas::default();
    schemas
        .apply("db", "CREATE TABLE t (id INT)")
        .expect("parsed");
    let sql = "RENAME TABLE IF EXISTS t TO u, nope TO other.x";
    let events = schemas.apply("db", sql).expect("parsed");
    assert_eq!(events.len(), 2);
    let id = TableId::in_database("other", "x");
    assert_eq!(events[1].kind, DdlEventKind::Renamed(id));
    assert_eq!(events[1].database, "other");
    assert_eq!(
        events[1].statement,
        "RENAME TABLE IF EXISTS nope TO other.x"
    );
}

#[test]
fn each_table_of_a_list_has_the_words_before_the_list() {
    fn check(sql: &str, expected: &[&str]) {
        check_texts(Dialect::MariaDb, sql, expected);
    }
    check(
        "DROP TABLE /* why */ z, a.b restrict",
        &[
            "DROP TABLE /* why */ `db`.`z` restrict",
            "DROP TABLE /* why */ `a`.`b` restrict",
        ],
    );
    check(
        "drop tables\nif exists z WAIT 5",
        &["drop tables\nif exists `db`.`z`"],
    );
    check(
        "SET STATEMENT a=1 FOR DROP TABLE z NOWAIT",
        &["DROP TABLE `db`.`z`"],
    );
    check(
        "rename  tables if exists z /* c */ to y # end",
        &["rename  tables if exists z /* c */ to y"],
    );
}

#[test]
fn statements_without_effect_are_recorded_whole() {
    for sql in [
        "DROP SEQUENCE `s` /* generated by server */",
        "/* why */ CREATE INDEX i ON z (id) /*! COMMENT 'c' */",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1; ",
        "SET STATEMENT lock_wait_timeout=5 FOR CREATE SERVER s FOREIGN DATA WRAPPER mysql",
        "ALTER TABLE unknown ADD x INT -- end",
    ] {
        check_texts(Dialect::MariaDb, sql, &[sql.trim_end()]);
        check_texts(Dialect::MySql, sql, &[sql.trim_end()]);
    }
}

#[test]
fn recorded_statements_of_mysql_have_strings_in_single_quotes() {
    let sql = "ALTER TABLE z ADD e ENUM(\"s\",'m') COMMENT \"it's\" /* \"c\" */, ADD x INT";
    check_texts(Dialect::MariaDb, sql, &[sql]);
    check_texts(
        Dialect::MySql,
        sql,
        &["ALTER TABLE z ADD e ENUM('s','m') COMMENT 'it''s' /* \"c\" */, ADD x INT"],
    );
    let mut schemas = Schemas::new(Options {
        dialect: Dialect::MySql,
        ..Options::default()
    });
    schemas.set_sql_mode(SqlMode::parse("ANSI_QUOTES"));
    let sql = "CREATE TABLE \"t\" (\"id\" INT)";
    let events = schemas.apply("db", sql).expect("parsed");
    assert_eq!(events[0].statement, sql);
}

#[test]
fn databases_come_and_go() {
    fn check(sql: &str, kind: DdlEventKind) {
        let events = schemas(&[]).apply("db", sql).expect("parsed");
        let event = DdlEvent {
            kind,
            ..other("x", sql)
        };
        assert_eq!(events, [event], "{sql}");
    }
    check(
        "CREATE DATABASE x CHARACTER SET latin1",
        DdlEventKind::Database,
    );
    check("CREATE OR REPLACE SCHEMA x", DdlEventKind::Database);
    check("DROP DATABASE IF EXISTS x", DdlEventKind::Database);
    check("ALTER DATABASE x CHARACTER SET latin1", DdlEventKind::Other);
}

#[test]
fn what_changes_no_table_is_never_an_error() {
    for statement in [
        "CREATE PROCEDURE p() BEGIN SELECT 1; DROP TABLE t; END",
        "CREATE DEFINER=`root`@`%` TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
        "CREATE ALGORITHM=UNDEFINED VIEW v AS SELECT ((1)",
        "ANALYZE TABLE t",
        "XA START 'a'",
        "CREATE USER x IDENTIFIED BY 'y'",
        "ALTER TABLE unknown FROBNICATE (",
        "SET STATEMENT max_statement_time=1 FOR ANALYZE TABLE t",
        "",
        ";;",
    ] {
        let mut schemas = Schemas::new(Options::default());
        schemas
            .apply("db", statement)
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

#[test]
fn unreadable_changes_say_where() {
    let error = Schemas::new(Options::default())
        .apply("db", "CREATE TABLE t (a int")
        .expect_err("unfinished");
    assert_eq!(error.position, 21);
    let mut known = schemas(&["CREATE TABLE t (a int)"]);
    let error = known
        .apply("db", "ALTER TABLE t CHANGE x y int")
        .expect_err("no column");
    assert!(
        error
            .reason
            .contains("Trying to change column x in db.t table, which does not exist")
    );
}

proptest::proptest! {
    /// Whatever the text, there is an answer.
    #[test]
    fn no_text_makes_it_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "CREATE", "ALTER", "TABLE", "t", "(", ")", ",", "a", "int", "varchar", "'x'", "`y`", "PRIMARY", "KEY", "ADD", "DROP",
            "COLUMN", "CHANGE", "MODIFY", "RENAME", "TO", "DEFAULT", "NOT", "NULL", ";", "/*!", "*/", "=", ".", "5", "UNIQUE", "é",
        ]), 0..30)) {
        let mut schemas = schemas(&["CREATE TABLE t (a int, y int)"]);
        drop(schemas.apply("db", &words.join(" ")));
    }
}

const CORPUS: [&str; 3] = [
    include_str!("../../../../integration-tests/tests/ddl/common.sql"),
    include_str!("../../../../integration-tests/tests/ddl/mariadb.sql"),
    include_str!("../../../../integration-tests/tests/ddl/mysql.sql"),
];

fn corpus() -> Vec<String> {
    let lines = CORPUS.iter().flat_map(|file| file.lines());
    lines.map(|line| line.replace("\\n", "\n")).collect()
}

proptest::proptest! {
    /// Statements of the corpus of the real servers, cut off and with characters taken out, put in and exchanged.
    #[test]
    fn damaged_statements_have_an_answer(
        statement in proptest::sample::select(corpus()),
        end in proptest::prelude::any::<proptest::sample::Index>(),
        edits in proptest::collection::vec(
            (
                proptest::prelude::any::<proptest::sample::Index>(),
                0..3_u8,
                proptest::sample::select("()',;`\"\\/*!#-.= é0ax".chars().collect::<Vec<char>>()),
            ),
            0..6,
        ),
        dialect in proptest::sample::select(vec![Dialect::MariaDb, Dialect::MySql]),
        mode in proptest::sample::select(vec!["", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ORACLE"]),
    ) {
        let mut text: Vec<char> = statement.chars().collect();
        text.truncate(end.index(text.len() + 1).max(1));
        for (at, kind, c) in edits {
            let at = at.index(text.len().max(1));
            match kind {
                0 if at < text.len() => drop(text.remove(at)),
                1 if at < text.len() => text[at] = c,
                _ => text.insert(at.min(text.len()), c),
            }
        }
        let mut schemas = Schemas::new(Options { dialect, ..Options::default() });
        schemas.set_sql_mode(crate::SqlMode::parse(mode));
        for known in ["t", "part", "inet", "conv"] {
            drop(schemas.apply("db", &format!("CREATE TABLE {known} (a int primary key, x int, y varchar(3))")));
        }
        drop(schemas.apply("db", &text.into_iter().collect::<String>()));
    }
}

#[test]
fn deep_nesting_is_no_danger() {
    let (open, close) = ("(".repeat(200_000), ")".repeat(200_000));
    let mut schemas = Schemas::default();
    let sql = format!(
        "CREATE TABLE t (a int DEFAULT {open}1{close}, b int AS {open}1{close}, CHECK {open}1{close}, c int)"
    );
    schemas.apply("db", &sql).expect("a statement");
    let table = schemas
        .table(&TableId::in_database("db", "t"))
        .expect("a table");
    assert_eq!(table.columns.len(), 3);
    schemas
        .apply("db", &format!("ALTER TABLE t ADD d int DEFAULT {open}"))
        .expect_err("not closed");
    schemas
        .apply(
            "db",
            &format!("ALTER TABLE t ADD d int {}", "/*! ".repeat(200_000)),
        )
        .expect("a statement");
}

#[test]
fn databases_in_any_case_have_one_charset() {
    let mut schemas = Schemas::new(Options {
        ignore_case: true,
        ..Options::default()
    });
    for statement in [
        "SET character_set_server=utf8mb4",
        "CREATE DATABASE Shop CHARACTER SET latin1",
        "CREATE TABLE shop.t (c varchar(5))",
    ] {
        schemas.apply("", statement).expect(statement);
    }
    let table = schemas.table(&TableId::in_database("SHOP", "T"));
    let charset = &table.expect("a table").columns[0].charset;
    assert_eq!(charset.as_deref(), Some("latin1"));
}

/// Statements that repeat one piece to several megabytes. Each is over in time that grows with its length, or refused.
#[test]
fn statements_of_any_length_have_an_end() {
    const BYTES: usize = 1 << 20;
    let repeated = |start: &str, piece: &str, end: &str| {
        format!("{start}{}{end}", piece.repeat(BYTES / piece.len()))
    };
    let statements = [
        repeated("ALTER TABLE t ", "MODIFY a INT,", "MODIFY a INT"),
        repeated("ALTER TABLE t ", "ADD COLUMN b INT,", "ADD c INT"),
        repeated("ALTER TABLE t ADD (", "b INT,", "c INT)"),
        repeated("ALTER TABLE t ", "ADD UNIQUE (a),", "ADD KEY (a)"),
        repeated("ALTER TABLE t ADD UNIQUE (", "a,", "a)"),
        repeated("ALTER TABLE t ", "DROP x,", "DROP y"),
        repeated("ALTER TABLE t COMMENT ", "'a'", ""),
        repeated("ALTER TABLE t ORDER BY ", "a,", "a"),
        repeated("CREATE TABLE u (", "b INT PRIMARY KEY,", "c INT)"),
        repeated("CREATE TABLE u (a INT,", "UNIQUE (a),", "KEY (a))"),
        repeated("CREATE TABLE u (a INT, PRIMARY KEY (", "a,", "a))"),
        repeated("CREATE TABLE u (a ENUM(", "'',", "''))"),
        repeated("CREATE TABLE u (a INT DEFAULT ", "(", ""),
        repeated("CREATE TABLE u (a INT DEFAULT ", "'a'", ")"),
        repeated("CREATE TABLE u (a INT CHECK ", "()", ")"),
        repeated(
            "CREATE TABLE u (a INT ",
            "REFERENCES b ON DELETE CASCADE ",
            ")",
        ),
        repeated("CREATE TABLE ", "u.", "u (a INT)"),
        repeated("CREATE TABLE ", "/*! ", "u (a INT)"),
        repeated("CREATE TABLE ", "/* */", "u (a INT)"),
        repeated("CREATE TABLE u ", "(", ")"),
        repeated("CREATE TABLE u (a INT) ", "CHARSET ", ""),
        repeated("CREATE TABLE u (a INT) ", "DEFAULT ", ""),
        repeated("CREATE TABLE u (a DECIMAL(", "9", "))"),
        repeated("CREATE TABLE u (a DECIMAL(", "9,", "9))"),
        repeated("DROP TABLE ", "v,", "v CASCADE"),
        repeated("RENAME TABLE ", "t TO v, v TO t,", "t TO v"),
        repeated("SET ", "a = 1,", "b = 2"),
        repeated("", "SET a = 1;", ""),
        repeated("SET STATEMENT ", "a=1,", "b=2 FOR DROP TABLE t"),
        repeated("CREATE DATABASE d ", "COLLATE ", ""),
        repeated("CREATE UNIQUE INDEX i ON t (", "a,", "a)"),
        repeated("", "(", ""),
        repeated("", "/*", ""),
        repeated("", "'", ""),
        repeated("", "`", ""),
        repeated("CREATE ", ".0", ""),
        repeated("CREATE ", "1e", ""),
    ];
    for statement in statements {
        let mut schemas = schemas(&["CREATE TABLE t (a INT)"]);
        let started = std::time::Instant::now();
        drop(schemas.apply("db", &statement));
        let start = statement.get(..40).unwrap_or(&statement);
        let elapsed = started.elapsed();
        assert!(elapsed.as_secs() < 10, "{start}: {elapsed:?}");
    }
}

#[test]
fn numbers_that_no_server_takes_are_bounded() {
    fn check(definition: &str, expected: &str) {
        let table = table(&[&format!("CREATE TABLE t (c {definition})")]);
        assert_eq!(line(&table.columns[0]), expected, "{definition}");
    }
    check(
        "DECIMAL(99999999999,99999999999)",
        "DECIMAL 2147483647 2147483647 null 3 default",
    );
    check(
        "VARCHAR(4294967296)",
        "VARCHAR 2147483647 - null 12 default",
    );
    check(
        "VARCHAR(99999999999999999999999)",
        "VARCHAR 2147483647 - null 12 default",
    );
    check("BIT(1e400)", "BIT 2147483647 - null -7 default");
    let error = Schemas::new(Options::default())
        .apply(
            "db",
            &format!("CREATE TABLE t (c SET({}''))", "'',".repeat(70_000)),
        )
        .expect_err("too many");
    assert!(error.to_string().contains("65535 options"), "{error}");
}

proptest::proptest! {
    /// No text panics, and what is refused names what is wrong.
    #[test]
    fn any_text_is_read_or_refused(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "CREATE", "ALTER", "DROP", "RENAME", "TABLE", "t", "TO", "ADD", "COLUMN", "MODIFY", "CHANGE", "a", "b", "INT",
                "ENUM", "SET", "DECIMAL", "(", ")", ",", ".", ";", "1", "99999999999999999999", "'x'", "'", "`", "\"", "DEFAULT",
                "PRIMARY", "KEY", "UNIQUE", "CHARACTER", "COLLATE", "=", "AFTER", "FIRST", "NULL", "NOT", "REFERENCES", "ON",
                "UPDATE", "DELETE", "AS", "ROW", "LIKE", "PERIOD", "FOR", "CONVERT", "PARTITION", "STATEMENT", "INDEX", "EXISTS",
                "IF", "DATABASE", "USE", "TRUNCATE", "COMMENT", "/*", "*/", "/*!", "--", "#", "\n", "b'1'", "0x", "0xf", "\\", "é",
                "-", "+", "ORDER", "BY", "VECTOR", "CHECK", "CONSTRAINT", "NATIONAL", "SERIAL", "RESTRICT", "1e5", ".5",
            ]),
            0..24,
        ),
        glue in proptest::sample::select(vec![" ", ""]),
    ) {
        let mut schemas = schemas(&["CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(9))"]);
        if let Err(error) = schemas.apply("db", &words.join(glue)) {
            proptest::prop_assert!(!error.reason.is_empty());
        }
    }
}

/// A comment of 1 MB in a statement about 1,000 tables would take 1 GB.
#[test]
fn long_comments_are_not_repeated_for_each_table() {
    fn check(sql: &str, first: &str) {
        let mut known = schemas(&["CREATE TABLE t0 (id INT)", "CREATE TABLE t1 (id INT)"]);
        let long = sql.replace("/**/", &format!("/*{}*/", "x".repeat(5_000)));
        let events = known.apply("db", &long).expect("a statement");
        assert_eq!(events.len(), 2, "{sql}");
        assert_eq!(events[0].statement, first);
        let short = schemas(&["CREATE TABLE t0 (id INT)", "CREATE TABLE t1 (id INT)"])
            .apply("db", sql)
            .expect("a statement");
        assert!(
            short[1].statement.contains("/**/"),
            "{}",
            short[1].statement
        );
    }
    check("DROP /**/ TABLE t0, t1", "DROP TABLE `db`.`t0`");
    check(
        "DROP TABLE IF EXISTS /**/ t0, t1",
        "DROP TABLE IF EXISTS `db`.`t0`",
    );
    check("RENAME TABLE /**/ t0 TO a, t1 TO b", "RENAME TABLE t0 TO a");
}
