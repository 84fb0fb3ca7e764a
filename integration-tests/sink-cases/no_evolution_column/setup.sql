CREATE TABLE no_evolution_column_t (id bigint PRIMARY KEY, a text);
