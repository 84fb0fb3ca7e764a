CREATE TABLE notes (note text PRIMARY KEY);
CREATE TABLE refused_type (id bigint PRIMARY KEY, note date);
CREATE TABLE refused_foreign_key (id bigint PRIMARY KEY, note text REFERENCES notes);
CREATE TABLE refused_unique (id bigint PRIMARY KEY, note text UNIQUE);
CREATE TABLE refused_null (id bigint PRIMARY KEY, note text, must int NOT NULL);
CREATE TABLE refused_long (id bigint PRIMARY KEY, note varchar(3));
CREATE TABLE refused_check (id bigint PRIMARY KEY, note text CHECK (length(note) < 3));
INSERT INTO refused_unique VALUES (7, 'value');
