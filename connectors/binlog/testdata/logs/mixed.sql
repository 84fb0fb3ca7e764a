-- Transactions with tables that have none, which MySQL refuses where every transaction has an id.
USE shop;
BEGIN;
INSERT INTO t (id, v) VALUES (33, 'goes');
INSERT INTO old VALUES (1, 1), (2, 2);
SAVEPOINT second;
UPDATE old SET id = id + 10;
ROLLBACK TO SAVEPOINT second;
ROLLBACK;
INSERT INTO t (id, v) VALUES (90, 'after');
