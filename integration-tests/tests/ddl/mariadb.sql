USE ddl1
CREATE SEQUENCE sq START WITH 1 INCREMENT BY 1
CREATE TABLE inet (a inet4, b inet6 not null default '::', c uuid, d int default nextval(sq), e uuid default uuid(), f int default (next value for sq), g bigint default next value for ddl1.sq not null)
ALTER SEQUENCE sq RESTART 10
ALTER TABLE inet ADD IF NOT EXISTS a int, ADD COLUMN IF NOT EXISTS h inet4 AFTER a
ALTER TABLE inet MODIFY COLUMN IF EXISTS nope int, CHANGE IF EXISTS nope2 nope3 int, DROP COLUMN IF EXISTS nope4, ALTER COLUMN IF EXISTS nope5 SET DEFAULT 3
ALTER TABLE IF EXISTS nothing ADD a int
ALTER TABLE IF EXISTS inet WAIT 5 ADD i int
ALTER ONLINE TABLE inet NOWAIT DROP i
ALTER IGNORE TABLE inet ADD PRIMARY KEY IF NOT EXISTS (g), ADD UNIQUE KEY IF NOT EXISTS ug (a)
CREATE OR REPLACE TABLE inet (x int, y int)
DROP SEQUENCE sq
CREATE OR REPLACE TABLE inet LIKE t
CREATE OR REPLACE TABLE inet AS SELECT 1 AS one, 'a' AS two
CREATE TABLE virt (a int, b int as (a + 1) persistent, c int generated always as (a) virtual invisible, d int invisible, e int without system versioning, f varchar(100) compressed, g text compressed=zlib default 'x') with system versioning
CREATE TABLE vers1 (a int) WITH SYSTEM VERSIONING
CREATE TABLE vers2 (a int, s timestamp(6) generated always as row start, e timestamp(6) generated always as row end invisible, period for system_time (s, e)) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION p0 HISTORY, PARTITION pn CURRENT)
SET system_versioning_alter_history = KEEP
ALTER TABLE vers1 ADD b int
ALTER TABLE vers1 DROP SYSTEM VERSIONING
ALTER TABLE vers1 ADD SYSTEM VERSIONING
CREATE TABLE vers3 (a int, s timestamp(6) as row start, e timestamp(6) as row end, period for system_time (s, e)) WITH SYSTEM VERSIONING
ALTER TABLE vers3 DROP COLUMN s, DROP COLUMN e, DROP PERIOD FOR SYSTEM_TIME, DROP SYSTEM VERSIONING
ALTER TABLE vers1 DROP SYSTEM VERSIONING, ADD c int
CREATE TABLE period1 (id int, s date, e date, period for app (s, e), primary key (id, app without overlaps))
ALTER TABLE period1 DROP PRIMARY KEY, DROP PERIOD FOR app
ALTER TABLE period1 ADD PERIOD FOR app2 (s, e)
CREATE TABLE defaults (a blob default 'x', b text default concat('a', 'b'), c int default (1 + 2), d date default (current_date), e datetime default (current_timestamp + interval 1 day), f int default pi() not null, g json, h varchar(20) default user(), i varchar(5) charset utf8mb4 collate uca1400_ai_ci)
CREATE TABLE ref_ids (p point ref_system_id=0, q geometry ref_system_id = 4326 not null)
SET sql_mode = ORACLE
CREATE TABLE oracle1 (a varchar2(10), b number(10,2), c number, d clob, e date, f blob, g raw(16), h mariadb_schema.date)
CREATE PACKAGE pk AS PROCEDURE p(); END
DROP PACKAGE pk
SET sql_mode = DEFAULT
CREATE TABLE opts (a int) engine=innodb `page_compressed`=1 `page_compression_level`=3 encrypted=no with system versioning
CREATE TABLE opts2 (a int, b int, key k (a) ignored) engine=aria transactional=1 page_checksum=1
ALTER TABLE opts2 ALTER INDEX k NOT IGNORED, DROP INDEX IF EXISTS nope, DROP FOREIGN KEY IF EXISTS nope, DROP CONSTRAINT IF EXISTS nope
CREATE TABLE conv (a int, b varchar(3)) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))
ALTER TABLE conv CONVERT PARTITION p1 TO TABLE conv_p1
ALTER TABLE conv CONVERT TABLE conv_p1 TO PARTITION p1 VALUES LESS THAN (20)
ALTER TABLE conv DROP PARTITION p1
ALTER TABLE conv ADD x int
ALTER TABLE conv ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))
RENAME TABLE IF EXISTS nothing TO nothing2, opts2 NOWAIT TO opts3
RENAME TABLES opts3 WAIT 3 TO opts2
DROP TABLE IF EXISTS opts2, nothing WAIT 5
DROP TABLES opts NOWAIT
CREATE TABLE exec2 (a int /*M! , b int */ /*M!100100 , c int */ /*!99999 , d int */ /*!999999 , e int */ /*M!999999 , f int */)
SET STATEMENT max_statement_time = 10 FOR CREATE TABLE sst (a int)
SET STATEMENT sort_buffer_size = 100000, lock_wait_timeout = (10) FOR ALTER TABLE sst ADD b varchar(3)
CREATE OR REPLACE UNIQUE INDEX iu ON sst (a)
CREATE OR REPLACE DATABASE ddl5 CHARACTER SET cp1251 COMMENT 'x'
CREATE TABLE ddl5.t (a varchar(5))
CREATE TABLE ddl1.qual (qual.a int, ddl1.qual.b int)
BEGIN NOT ATOMIC CREATE TABLE compound (a int); ALTER TABLE compound ADD b int; END
CREATE OR REPLACE VIEW vv AS SELECT 1
