-- What the recorded logs have: see README.md. Row events end at 256 bytes, so that one statement has several.
CREATE DATABASE shop;
CREATE DATABASE other;
USE shop;
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(30));
CREATE TABLE pair (a INT, b INT, v INT, PRIMARY KEY (a, b));
CREATE TABLE loose (v INT);
CREATE TABLE hidden (id INT PRIMARY KEY, v INT);
CREATE TABLE other.t (id INT PRIMARY KEY);
CREATE TABLE old (id INT PRIMARY KEY, v INT) ENGINE=MyISAM;

-- Keys that change, one row in one event and many rows in several.
INSERT INTO t VALUES (1, 'a');
UPDATE t SET id = 2;
INSERT INTO t VALUES (3, 'a name'), (4, 'another name'), (5, 'a third name'), (6, 'a fourth name'), (7, 'a fifth name');
UPDATE t SET id = id + 1000;
UPDATE t SET v = concat(v, '.');
DELETE FROM t WHERE id > 1004;

-- One transaction, several tables, two of which are not captured.
BEGIN;
INSERT INTO hidden VALUES (1, 1), (2, 2);
INSERT INTO pair VALUES (1, 1, 1), (1, 2, 2), (2, 1, 3);
INSERT INTO other.t VALUES (1);
UPDATE pair SET a = a + 10, b = b + 10;
INSERT INTO loose VALUES (1), (2), (3);
UPDATE hidden SET id = id + 10;
UPDATE loose SET v = v + 1;
UPDATE pair, t SET pair.v = pair.v + 1, t.v = 'both' WHERE t.id = 1003;
DELETE FROM loose WHERE v > 2;
DELETE FROM pair WHERE a = 12;
COMMIT;

-- Tables change between rows.
ALTER TABLE t ADD COLUMN w INT DEFAULT 5;
INSERT INTO t (id, v) VALUES (20, 'twenty'), (21, 'twenty-one');
RENAME TABLE pair TO pairs, loose TO looser;
UPDATE pairs SET a = a + 1;
TRUNCATE TABLE looser;
INSERT INTO looser VALUES (7), (8);
CREATE TABLE one (id INT PRIMARY KEY);
CREATE TABLE two (id INT PRIMARY KEY);
INSERT INTO one VALUES (1);
DROP TABLE one, two;

-- A table with its rows in one statement, and the transaction behind it.
CREATE TABLE made (PRIMARY KEY (id)) AS SELECT id, v FROM t;
UPDATE t SET id = id + 5000 WHERE id < 1000;
UPDATE made SET id = id + 100000;

-- A part that is taken back, and a table without transactions.
BEGIN;
INSERT INTO t (id, v) VALUES (30, 'stays');
SAVEPOINT before_it;
INSERT INTO t (id, v) VALUES (31, 'goes');
ROLLBACK TO SAVEPOINT before_it;
INSERT INTO t (id, v) VALUES (32, 'stays');
COMMIT;
INSERT INTO old VALUES (3, 3);

FLUSH BINARY LOGS;

-- XA: rows outside of BEGIN, and others behind them.
XA START 'x1';
INSERT INTO t (id, v) VALUES (40, 'forty'), (41, 'forty-one'), (42, 'forty-two');
UPDATE t SET id = id + 100 WHERE id BETWEEN 40 AND 42;
XA END 'x1';
XA PREPARE 'x1';
XA COMMIT 'x1';
UPDATE made SET id = id + 20000 WHERE v LIKE 'a%';
INSERT INTO made VALUES (50, 'fifty'), (51, 'fifty-one'), (52, 'fifty-two'), (53, 'fifty-three');
XA START 'x2';
INSERT INTO t (id, v) VALUES (60, 'sixty'), (61, 'sixty-one');
DELETE FROM t WHERE id BETWEEN 140 AND 142;
XA END 'x2';
XA COMMIT 'x2' ONE PHASE;
INSERT INTO pairs VALUES (1, 1, 1), (1, 2, 2), (2, 1, 3);
XA START 'x3';
INSERT INTO t (id, v) VALUES (70, 'prepared, then taken back');
XA END 'x3';
XA PREPARE 'x3';
XA ROLLBACK 'x3';
INSERT INTO t (id, v) VALUES (80, 'eighty');
DROP DATABASE other;
DELETE FROM t;
INSERT INTO looser VALUES (9);
