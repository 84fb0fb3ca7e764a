DO $$ BEGIN IF to_regrole('app') IS NULL THEN CREATE ROLE app LOGIN; END IF; END $$;
CREATE TABLE refused_user_insert (id bigint PRIMARY KEY, note text);
GRANT SELECT ON refused_user_insert TO app;
CREATE TABLE refused_user_alter (id bigint PRIMARY KEY);
GRANT ALL ON refused_user_alter TO app;
REVOKE CREATE ON SCHEMA public FROM public;
