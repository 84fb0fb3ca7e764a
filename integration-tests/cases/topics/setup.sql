CREATE DATABASE topics CHARACTER SET utf8mb4;
CREATE TABLE topics.people (id INT NOT NULL PRIMARY KEY);
INSERT INTO topics.people VALUES (1);
CREATE TABLE topics.`a$b_c ё` (id INT NOT NULL PRIMARY KEY, `größe_€` INT);
INSERT INTO topics.`a$b_c ё` VALUES (1, 1);
CREATE TABLE topics.`жжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжж` (id INT NOT NULL PRIMARY KEY);
INSERT INTO topics.`жжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжж` VALUES (1);
