INSERT INTO created (t, dt, z) VALUES (5, '2020-01-01', 5);
ALTER TABLE created DROP COLUMN z;
INSERT INTO created (t, dt) VALUES (6, '2020-01-01');
RENAME TABLE keyed TO keyed2;
INSERT INTO keyed2 VALUES (9,10);
DROP TABLE in_latin;
