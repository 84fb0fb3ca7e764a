INSERT INTO v SELECT id + 10, three, plain FROM v ORDER BY id;
UPDATE v SET three = STRING_TO_VECTOR('[1e21,1.5e-7,0.3]') WHERE id = 2;
DELETE FROM v WHERE id = 3;
