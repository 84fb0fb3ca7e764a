USE ddl1
CREATE TABLE gen2 (a int, b int as (a * (2 + 3)) stored not null, c int column_format fixed default 3)
CREATE TABLE my1 (a int invisible, b int, c int visible, d point not null srid 4326, e json default (json_array()), key fk ((b + 1)), unique key uf ((abs(b))), key iv (b) invisible, key d1 (b desc, c asc))
ALTER TABLE my1 ALTER COLUMN a SET VISIBLE, ALTER COLUMN b SET INVISIBLE, ALTER INDEX iv VISIBLE
ALTER TABLE my1 ADD g int /*!80023 INVISIBLE */ AFTER a, RENAME KEY iv TO iv2, DROP KEY uf
CREATE TABLE my2 (a int, constraint c1 check (a > 1) not enforced, check (a < 10)) autoextend_size = 4M
ALTER TABLE my2 ALTER CHECK c1 ENFORCED
ALTER TABLE my2 DROP CHECK c1
ALTER TABLE my2 ADD COLUMN b int, ALGORITHM=INSTANT
ALTER TABLE my2 ADD CONSTRAINT PRIMARY KEY (b)
ALTER TABLE my2 DROP CONSTRAINT `PRIMARY`
SET sql_generate_invisible_primary_key = ON
CREATE TABLE my3 (a int)
CREATE TABLE my4 AS SELECT 1 AS x
SET sql_generate_invisible_primary_key = OFF
CREATE TABLE my5 (v vector(3), w vector, u vector(5) not null)
ALTER TABLE my5 ADD x vector(4) FIRST
CREATE TABLE my6 AS SELECT a FROM my1 INTERSECT SELECT a FROM my2
CREATE TABLE my7 (a varchar(5)) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_0900_as_cs SECONDARY_ENGINE = NULL
CREATE TABLE my8 (a int, b json, c int generated always as (b->'$.x') stored, index mv ((cast(b->'$.y' as unsigned array))))
ALTER TABLE my8 RENAME COLUMN a TO c2, RENAME COLUMN c TO a
ANALYZE TABLE my8 UPDATE HISTOGRAM ON c2 WITH 4 BUCKETS
CREATE RESOURCE GROUP rg TYPE = USER
DROP RESOURCE GROUP rg
CREATE SPATIAL REFERENCE SYSTEM 990001 NAME 'x' DEFINITION 'GEOGCS["x",DATUM["x",SPHEROID["x",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.017453292519943278],AXIS["Lat",NORTH],AXIS["Lon",EAST]]'
DROP SPATIAL REFERENCE SYSTEM 990001
CREATE UNDO TABLESPACE us ADD DATAFILE 'us.ibu'
ALTER DATABASE ddl2 READ ONLY = 1
ALTER DATABASE ddl2 READ ONLY = 0
CREATE TABLE exec2 (a int /*M! , b int */ /*!80000 , c int */ /*!99999 , d int */)
CREATE TABLE geo (a geomcollection, b geometrycollection)
CREATE USER ur IDENTIFIED BY 'x' PASSWORD HISTORY 3 COMMENT 'drop table my8'
SET DEFAULT ROLE NONE TO ur
ALTER USER ur ACCOUNT LOCK
DROP USER ur
DROP TABLE my6, my7
