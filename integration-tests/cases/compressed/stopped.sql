SET SESSION binlog_transaction_compression=ON;
INSERT INTO a (id) VALUES (7), (8);
ALTER TABLE a DROP COLUMN n;
BEGIN; INSERT INTO a (id) VALUES (9); INSERT INTO b (v) VALUES ('while stopped'); COMMIT;
