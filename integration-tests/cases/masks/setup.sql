CREATE DATABASE masks CHARACTER SET utf8mb4; USE masks;
CREATE TABLE t (id INT NOT NULL PRIMARY KEY, secret VARCHAR(100), note TEXT, n INT, d DATE, e ENUM('one','two') DEFAULT 'two', long_one VARCHAR(50) NOT NULL DEFAULT 'default', short_one CHAR(3), bin VARBINARY(20), b BLOB);
CREATE TABLE k (name VARCHAR(20) NOT NULL PRIMARY KEY, v VARCHAR(3));
INSERT INTO t VALUES (1,'hidden','a note',5,'2020-02-02','one','long text','abc',x'0102030405',x'0102030405060708'),
 (2,NULL,NULL,NULL,NULL,NULL,'äöüß€',NULL,NULL,NULL),
 (3,'','',0,'2020-02-02','two','','','','');
INSERT INTO k VALUES ('a long name','v');
