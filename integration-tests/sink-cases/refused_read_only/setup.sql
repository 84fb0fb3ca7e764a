CREATE TABLE refused_read_only_t (id bigint PRIMARY KEY, note text);
DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET default_transaction_read_only = on'; END $$;
