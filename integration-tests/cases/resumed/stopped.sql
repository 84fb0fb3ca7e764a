BEGIN; INSERT INTO a VALUES (10,'ten'),(11,'eleven'),(12,'twelve'); INSERT INTO b VALUES (10,'ten'),(11,'eleven'); UPDATE a SET v = 'changed' WHERE id IN (10,12); DELETE FROM b WHERE id = 11; COMMIT;
INSERT INTO a VALUES (13,'thirteen'),(14,'fourteen');
