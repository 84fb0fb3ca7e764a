//! Changes that are in the log as statements.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{MariaDb, MySql, MySqlOptions};

use crate::pair::Pair;

/// The original warns of a statement that begins with the word and a blank, and shows it without its table's database.
#[tokio::test]
async fn statements_that_change_rows_are_warned_of_once_for_each_table() -> Result<()> {
    for server in [
        MariaDb::start(MySqlOptions::default()).await?,
        MySql::start(MySqlOptions::default()).await?,
    ] {
        let is_mariadb = server.connector_class().contains("MariaDb");
        let tables: Vec<String> = (1..10)
            .map(|number| format!("CREATE TABLE t{number} (id INT PRIMARY KEY, v INT);"))
            .collect();
        let tables = tables.concat();
        let tables =
            format!("{tables} CREATE DATABASE other; CREATE TABLE other.t (id INT PRIMARY KEY)");
        let pair = Pair::streaming(server, &tables).await?;
        // A file without a folder lies in that of the database.
        let mut changes = vec![
            "INSERT\nINTO t1 VALUES (1, 1)",
            "INSERT INTO shop.t1 VALUES (2, 1)",
            "/* why */ UPDATE\tt2 SET v = 2",
            "-- why\nREPLACE INTO t3 VALUES (1, 1)",
            "DELETE/* all */FROM `t4`",
            "UPDATE t5 JOIN t6 ON t5.id = t6.id SET t5.v = 1, t6.v = 1",
            "INSERT INTO t7 VALUES (1, 1)",
            "SELECT * FROM t7 INTO OUTFILE 'rows'",
            "LOAD DATA INFILE 'rows' INTO TABLE shop.t8",
            "INSERT INTO other.t VALUES (1)",
        ];
        if is_mariadb {
            changes.push("SET STATEMENT max_statement_time = 9 FOR DELETE FROM t9 WHERE id = 1");
        }
        let mut session = vec![&b"SET SESSION binlog_format = STATEMENT"[..]];
        session.extend(changes.iter().map(|change| change.as_bytes()));
        pair.exec_bytes("shop", &session).await?;
        pair.marked("mark").await?;
        let warned = pair.log_lines("Received DML");
        let count = |table: &str| {
            let named = format!("table shop.{table} ");
            warned.iter().filter(|line| line.contains(&named)).count()
        };
        let expected = [
            ("t1", 1),
            ("t2", 1),
            ("t3", 1),
            ("t4", 1),
            ("t5", 1),
            ("t6", 1),
            ("t7", 1),
            ("t8", 1),
        ];
        for (table, times) in expected {
            ensure!(count(table) == times, "{table}: {warned:#?}");
        }
        ensure!(count("t9") == usize::from(is_mariadb), "{warned:#?}");
        ensure!(
            !warned.iter().any(|line| line.contains("other.t")),
            "{warned:#?}"
        );
        for line in &warned {
            ensure!(
                line.contains("binlog_format=ROW") && line.contains(".0000"),
                "{line}"
            );
            ensure!(!line.contains("VALUES"), "row values are shown: {line}");
        }
    }
    Ok(())
}

/// Names of any kind as the server spells them, with names in any case and in their own.
#[tokio::test]
async fn tables_have_the_names_that_the_server_gives_them() -> Result<()> {
    let long = "ж".repeat(64);
    for lower_case in ["0", "1"] {
        let options = MySqlOptions::default().arg(format!("--lower-case-table-names={lower_case}"));
        let pair_server = MariaDb::start(options).await?;
        let setup = format!(
            "CREATE TABLE Orders (Id INT PRIMARY KEY); INSERT INTO Orders VALUES (1);
             CREATE TABLE `{long}` (id INT PRIMARY KEY); INSERT INTO `{long}` VALUES (1);
             CREATE TABLE bytes (id INT PRIMARY KEY, v VARBINARY(3) NOT NULL DEFAULT x'80FE')"
        );
        let pair = Pair::streaming(pair_server, &setup).await?;
        let changes = match lower_case {
            "0" => {
                "CREATE TABLE orders (other INT PRIMARY KEY); INSERT INTO orders VALUES (7);
                    ALTER TABLE Orders ADD v INT; INSERT INTO Orders VALUES (2, 2)"
            }
            _ => "ALTER TABLE ORDERS ADD v INT; INSERT INTO oRDERS VALUES (2, 2)",
        };
        pair.server.exec("shop", changes).await?;
        let rows = format!("INSERT INTO `{long}` VALUES (2); INSERT INTO bytes (id) VALUES (1)");
        pair.server.exec("shop", &rows).await?;
        pair.marked("mark").await?;
        let topic = if lower_case == "0" {
            "Orders"
        } else {
            "orders"
        };
        let messages = pair.messages(topic).await?;
        let after: Vec<String> = messages
            .iter()
            .map(|(_, value)| value["after"].to_string())
            .collect();
        ensure!(after == [r#"{"Id":1}"#, r#"{"Id":2,"v":2}"#], "{after:?}");
        if lower_case == "0" {
            let others = pair.messages("orders").await?;
            let after: Vec<String> = others
                .iter()
                .map(|(_, value)| value["after"].to_string())
                .collect();
            ensure!(after == [r#"{"other":7}"#], "{after:?}");
        }
        let rows = pair.rows(&"_".repeat(64)).await?;
        ensure!(
            rows == BTreeMap::from([(1, json!({})), (2, json!({}))]),
            "{rows:?}"
        );
        let rows = pair.rows("bytes").await?;
        ensure!(
            rows == BTreeMap::from([(1, json!({"v": "gP4="}))]),
            "{rows:?}"
        );
    }
    Ok(())
}
