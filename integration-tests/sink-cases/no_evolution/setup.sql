CREATE TABLE no_evolution_t (id bigint PRIMARY KEY, a text, extra int DEFAULT 3);
