CREATE DATABASE ddl1
CREATE DATABASE ddl2 CHARACTER SET latin2
CREATE DATABASE IF NOT EXISTS ddl3 DEFAULT COLLATE = utf8mb4_bin
CREATE SCHEMA `ddl-4` /*!40100 DEFAULT CHARACTER SET greek */
USE ddl1
CREATE TABLE ints (a tinyint, b smallint unsigned, c mediumint zerofill, d int(5), e integer signed, f bigint unsigned zerofill, g int1, h int2, i int3, j int4, k int8, l middleint, m bool, n boolean not null default true, o bit, p bit(17), q year, r year(4), s serial)
CREATE TABLE floats (a float, b float(7,3), c float(30), d double, e double precision, f double(10,2) unsigned, g real, h decimal, i decimal(5), j dec(5,2), k fixed(6,3), l numeric(8,4) unsigned zerofill, m float4, n float8, o float(10))
CREATE TABLE texts (a char, b char(3), c varchar(5), d character(4), e character varying(6), f nchar(3), g nchar varchar(4), h national char(5), i national varchar(6), j national char varying(7), k nvarchar(8), l long, m long varchar, n tinytext, o text, p mediumtext, q longtext, r text(300), s char varying(9), t varcharacter(3), u nchar varying(4), v national character(2), w long char varying)
CREATE TABLE texts2 (a char(5) binary, b char(5) character set latin1, c varchar(5) charset utf8mb4 collate utf8mb4_bin, d char(5) collate latin2_bin, e char(3) ascii, f char(3) unicode, g varchar(4) byte, h text byte, i char(3) character set binary, j text charset binary, k enum('a','b') charset latin1, l set('x','y') collate utf8mb4_bin, m char(0)) charset koi8r
CREATE TABLE bytes (a binary, b binary(4), c varbinary(5), d tinyblob, e blob, f mediumblob, g longblob, h blob(10), i long varbinary)
CREATE TABLE times (a date, b time, c time(3), d datetime, e datetime(6), f timestamp null, g timestamp(2) null, h timestamp not null default current_timestamp on update current_timestamp, i datetime default now() on update now(), j datetime(3) default current_timestamp(3) on update current_timestamp(3), k timestamp null default localtime, l datetime default localtimestamp())
CREATE TABLE spaces (a geometry, b point not null, c linestring, d polygon, e multipoint, f multilinestring, g multipolygon, h geometrycollection, i json)
CREATE TABLE sets (a enum('a','b ','c''d','e,f'), b set("x","y's"), c enum(x'61', 'z') default 'z', d enum('\\','q\'r'), e enum('(',')') not null)
CREATE TABLE `we ird``name` (`a b` int, `c``d` int, `select` int, `é` varchar(3), 1a int, `5` int, comment int, `key` int, status int, `a.b` int)
CREATE TABLE attributes (a int not null comment 'x, y) not null' default 5, b int unique key comment "a 'quoted'", c int null default null, d int default -1, e int default +1, f varchar(9) default _utf8mb4'x' null, g char(3) default 'a' 'b', h bit(3) default b'101', i int default 0x10, j decimal(5,2) default '1.5', k varchar(10) default 'it''s' not null, l varchar(10) default "q", m double default 1e3, n date default '2020-01-01', o bool default false, q int default 1 check (q > 0), r varbinary(3) default x'4142')
CREATE TABLE gen (a int, b int generated always as (a + 1) virtual, c int as (a * (2 + 3)) stored, d varchar(20) as (concat('a,)', a)) virtual comment 'v', e int generated always as (if(a, 1, 2)) stored unique)
CREATE TABLE expressions (a char(36) default (uuid()), b int default (1 + 2), c datetime default (now()) not null, d varchar(30) default (concat('a', "b,)")))
CREATE TABLE keys1 (a int, b int not null, c varchar(100), primary key (b, a), key k (c(10) desc), unique key u using btree (a, c(5)), index (a) comment 'i', fulltext key ft (c), constraint ck check (a > 0))
CREATE TABLE keys2 (id bigint auto_increment, a int, primary key using btree (id) key_block_size=8, constraint unique u2 (a), constraint u3 unique index (a, id))
CREATE TABLE keys3 (id int auto_increment primary key, p int, foreign key (p) references keys2 (a) on delete set null on update cascade, constraint fk foreign key fkn (p) references keys3 (id) match full on delete no action)
CREATE TABLE keys4 (a int key, b int not null unique, g geometry not null, spatial index (g))
CREATE TABLE keys5 (PRIMARY KEY (B, A), a int, b int)
CREATE TABLE refs (a int references keys3 (id) on delete set null on update set default, b int not null references keys3 (id) on delete cascade)
CREATE TABLE refs2 (a int not null, b int unsigned not null comment 'c' primary key auto_increment) auto_increment = 100 avg_row_length 50 checksum 1 comment 'table, (comment' delay_key_write=1 max_rows=10 min_rows 1 pack_keys default row_format dynamic stats_auto_recalc=1 stats_persistent default stats_sample_pages 3
CREATE TABLE options1 (a varchar(5)) engine innodb default character set = latin1 collate latin1_bin comment='x'
CREATE TABLE options2 (a varchar(5)) collate utf8mb4_bin engine=myisam
CREATE TABLE options3 (a varchar(5)) charset=binary
CREATE TABLE options4 (a varchar(5)) collate=sjis_bin, charset=sjis, comment 'y', engine = memory
DROP TABLE IF EXISTS options4
CREATE TABLE ddl2.latin (a varchar(5), b char(3), c text collate utf8mb4_bin)
CREATE TABLE ddl3.t (a varchar(5))
CREATE TABLE `ddl-4`.`t.u` (a varchar(5))
ALTER DATABASE ddl2 CHARACTER SET hebrew
CREATE TABLE ddl2.hebrew (a varchar(5))
CREATE TABLE ddl2.copy LIKE ddl2.latin
CREATE TABLE ddl2.copy2 (LIKE ddl2.hebrew)
CREATE TABLE ddl2.copy3 SELECT * FROM ddl2.latin
CREATE TABLE ddl2.copy4 (z int, key (z)) charset latin1 AS SELECT a, 1 as n FROM ddl2.latin
CREATE TABLE IF NOT EXISTS ddl2.copy (other int)
ALTER TABLE ddl2.latin CONVERT TO CHARACTER SET utf8mb4
ALTER TABLE ddl2.latin CONVERT TO CHARACTER SET latin1 COLLATE latin1_bin, ADD d varchar(4)
ALTER TABLE ddl2.latin CONVERT TO CHARSET DEFAULT
ALTER TABLE ddl2.latin DEFAULT CHARACTER SET koi8u, ADD e varchar(4)
ALTER TABLE ddl2.latin COLLATE cp1251_bin
ALTER TABLE ddl2.latin ADD f varchar(4), ADD g varchar(3) charset ascii
ALTER TABLE ddl2.latin MODIFY a varchar(8)
ALTER TABLE ddl2.latin engine=innodb charset latin2 comment 'z' row_format=dynamic
ALTER TABLE ddl2.latin ADD h text
CREATE TABLE t (a int primary key, b varchar(5), c int)
ALTER TABLE t ADD COLUMN d int
ALTER TABLE t ADD e int FIRST
ALTER TABLE t ADD f int AFTER a, DROP COLUMN c
ALTER TABLE t ADD (g int, h decimal(5,2) default 1), ADD KEY kg (g)
ALTER TABLE t CHANGE a x bigint NOT NULL
ALTER TABLE t MODIFY COLUMN x bigint unsigned AFTER b
ALTER TABLE t DROP b, ADD b varchar(9) FIRST
ALTER TABLE t ADD b bigint AFTER x, DROP b
ALTER TABLE t CHANGE g h int, CHANGE h g decimal(6,3)
ALTER TABLE t RENAME COLUMN g TO h, RENAME COLUMN h TO g
ALTER TABLE t ADD y int AFTER z, CHANGE f z int
ALTER TABLE t ADD y3 int AFTER zz, CHANGE z zz int, RENAME INDEX kg TO kg2, DROP e, ADD e int
ALTER TABLE t MODIFY e bigint AFTER y2, CHANGE y y2 int FIRST, ALGORITHM=COPY, LOCK=SHARED
ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (x, e)
ALTER TABLE t DROP PRIMARY KEY
ALTER TABLE t ADD COLUMN id int auto_increment primary key FIRST, ORDER BY x DESC, e
ALTER TABLE t CHANGE id id2 int auto_increment
ALTER TABLE t MODIFY id2 int, DROP INDEX `PRIMARY`
ALTER TABLE t ADD CONSTRAINT pk PRIMARY KEY USING BTREE (id2)
DROP INDEX `PRIMARY` ON t
ALTER TABLE t ADD PRIMARY KEY (ID2), ADD UNIQUE KEY (x), ADD CONSTRAINT cu UNIQUE u9 (e)
ALTER TABLE t ALTER COLUMN e SET DEFAULT 5, ALTER x DROP DEFAULT, ALTER y2 SET DEFAULT (1 + 1)
ALTER TABLE t ADD CONSTRAINT c1 CHECK (x > 0), ADD CHECK (e <> 5)
ALTER TABLE t DROP CONSTRAINT c1, ADD CONSTRAINT c2 CHECK (x > 1)
ALTER TABLE t DROP CONSTRAINT c2
ALTER TABLE t RENAME TO u
ALTER TABLE u RENAME AS ddl2.u, ADD late int
ALTER TABLE ddl2.u RENAME ddl1.t
ALTER TABLE t FORCE
ALTER TABLE t DISABLE KEYS, ENABLE KEYS
ALTER TABLE t DROP id2, DROP x
RENAME TABLE t TO tmp_t, keys1 TO t, tmp_t TO keys1
RENAME TABLE `we ird``name` TO ddl2.`we ird`
DROP TABLE keys4, ddl2.copy RESTRICT
DROP TABLE IF EXISTS nothing, refs2 CASCADE
CREATE TABLE u1 (a int not null, b int)
CREATE UNIQUE INDEX i1 USING BTREE ON u1 (a DESC) COMMENT 'x'
CREATE UNIQUE INDEX i2 ON u1 (b, a)
CREATE INDEX i3 ON u1 (b) ALGORITHM=INPLACE LOCK=NONE
DROP INDEX i1 ON u1
CREATE TEMPORARY TABLE u1 (tmp int)
ALTER TABLE u1 ADD tmp2 int
DROP TEMPORARY TABLE u1
CREATE TEMPORARY TABLE other_tmp SELECT 1 AS one
DROP TABLE other_tmp
CREATE TABLE part (a int not null, b int, d date not null, key (b)) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10) COMMENT = 'x', PARTITION p1 VALUES LESS THAN MAXVALUE)
ALTER TABLE part REORGANIZE PARTITION p1 INTO (PARTITION p1 VALUES LESS THAN (20), PARTITION p2 VALUES LESS THAN MAXVALUE)
ALTER TABLE part DROP PARTITION p0, p1
ALTER TABLE part TRUNCATE PARTITION p2
ALTER TABLE part ADD x int PARTITION BY HASH (a) PARTITIONS 3
ALTER TABLE part ADD PARTITION PARTITIONS 2
ALTER TABLE part COALESCE PARTITION 2
ALTER TABLE part REMOVE PARTITIONING
ALTER TABLE part PARTITION BY LIST COLUMNS (a, d) (PARTITION pa VALUES IN ((1, '2020-01-01'), (2, '2020-01-02')))
CREATE TABLE part2 (a int primary key, c varchar(5)) /*!50100 PARTITION BY KEY () PARTITIONS 4 */
CREATE TABLE part3 (a int, d date) PARTITION BY RANGE (to_days(d)) SUBPARTITION BY HASH (a) SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (737000) ENGINE = InnoDB, PARTITION pm VALUES LESS THAN MAXVALUE)
CREATE TABLE exec1 (a int /*!50100 , b varchar(3) */ /* c int, */ , /*!40000 d int NOT NULL */ -- e int,\n , # f int\n g int) /*!40100 DEFAULT CHARSET=latin1 */
ALTER TABLE exec1 /*!50100 ADD h int, */ ADD i int /*! AFTER g */
/* before */ ALTER /* in */ TABLE /**/ exec1 DROP /*x*/ i -- behind
CREATE TABLE case1 (Id INT, Name VARCHAR(3), PRIMARY KEY (ID))
ALTER TABLE case1 DROP COLUMN NAME, CHANGE ID iD BIGINT
SET sql_mode = 'ANSI_QUOTES'
CREATE TABLE "ansi ""q" ("a b" int, c varchar(3) default 'x', "d" enum('a','b'))
ALTER TABLE "ansi ""q" ADD "e" int AFTER "a b"
SET sql_mode = 'NO_BACKSLASH_ESCAPES'
CREATE TABLE noback (a varchar(5) default '\', b int comment '\', c enum('\','x'))
SET sql_mode = 'REAL_AS_FLOAT'
CREATE TABLE realfloat (a real, b real(5,2))
SET sql_mode = DEFAULT
CREATE VIEW v AS SELECT a FROM part WHERE a IN ('(', 1)
CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW v AS SELECT 1 AS "drop table part"
ALTER VIEW v AS SELECT 2
RENAME TABLE v TO v2
DROP VIEW v2
CREATE PROCEDURE p1() BEGIN DROP TABLE part; CREATE TABLE oops (a int); END
CREATE FUNCTION f1(a int) RETURNS int DETERMINISTIC RETURN a + 1
CREATE DEFINER=root@localhost TRIGGER tr1 BEFORE INSERT ON part FOR EACH ROW BEGIN SET NEW.a = 1; END
CREATE EVENT e1 ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DO DROP TABLE IF EXISTS part
ALTER EVENT e1 DISABLE
DROP EVENT e1
DROP TRIGGER tr1
DROP FUNCTION f1
CALL p1()
DROP PROCEDURE p1
CREATE USER u1 IDENTIFIED BY 'pass;word'
GRANT SELECT ON ddl1.* TO u1
CREATE ROLE r1
GRANT r1 TO u1
REVOKE SELECT ON ddl1.* FROM u1
DROP ROLE r1
DROP USER u1
FLUSH TABLES
FLUSH PRIVILEGES
ANALYZE TABLE t
OPTIMIZE TABLE t
CREATE SERVER s1 FOREIGN DATA WRAPPER mysql OPTIONS (USER 'x', HOST '127.0.0.1')
DROP SERVER s1
TRUNCATE TABLE t
TRUNCATE keys1
CREATE TABLE after_all (a int, b int, c int, d int, primary key (a, b, c))
ALTER TABLE after_all DROP PRIMARY KEY, DROP b, ADD PRIMARY KEY (cc, a), CHANGE c cc int not null FIRST
ALTER TABLE after_all RENAME COLUMN cc TO c, ADD cc int
DROP DATABASE ddl3
