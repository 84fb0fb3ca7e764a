CREATE TABLE dead_letters_refused_rows (id bigint PRIMARY KEY, n text, note varchar(5));
