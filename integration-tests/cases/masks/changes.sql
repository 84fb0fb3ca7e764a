INSERT INTO t SELECT id + 10, secret, note, n, d, e, long_one, short_one, bin, b FROM t ORDER BY id;
UPDATE t SET secret = 'changed', note = NULL WHERE id = 1;
UPDATE k SET name = 'another name';
DELETE FROM k;
DELETE FROM t WHERE id = 3;
