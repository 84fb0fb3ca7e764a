SET time_zone='+00:00';
INSERT INTO single VALUES (901,'while stopped','x');
UPDATE other SET v = 'stopped';
