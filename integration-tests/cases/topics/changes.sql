INSERT INTO people VALUES (2);
DELETE FROM people WHERE id = 1;
UPDATE `a$b_c ё` SET id = 2;
INSERT INTO `жжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжжж` VALUES (2);
CREATE TABLE `é.x-y` (id INT NOT NULL PRIMARY KEY);
INSERT INTO `é.x-y` VALUES (1);
