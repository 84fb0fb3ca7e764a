CREATE TABLE updates_s_orders (id bigint PRIMARY KEY, note text, amount int); INSERT INTO updates_s_orders VALUES (1, 'old', 0), (2, 'old', 0);
