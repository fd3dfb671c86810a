-- The sample shop.  It may be loaded again: what is there stays as it is.

SET client_min_messages = warning;
BEGIN;

CREATE TABLE IF NOT EXISTS customers (
	id serial PRIMARY KEY,
	name varchar(100) NOT NULL,
	email varchar(100) UNIQUE NOT NULL,
	created_at timestamp DEFAULT CURRENT_TIMESTAMP,
	updated_at timestamp DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE IF NOT EXISTS orders (
	id serial PRIMARY KEY,
	customer_id int REFERENCES customers (id),
	order_date timestamp DEFAULT CURRENT_TIMESTAMP,
	total_amount decimal(10, 2) NOT NULL,
	status varchar(20) NOT NULL
);

CREATE OR REPLACE FUNCTION keep_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.updated_at = CURRENT_TIMESTAMP;
	RETURN NEW;
END;
$$;

CREATE OR REPLACE TRIGGER customers_updated_at BEFORE UPDATE ON customers
	FOR EACH ROW EXECUTE FUNCTION keep_updated_at();

-- Customers and their orders come together, when there are none.
WITH people AS (
	INSERT INTO customers (name, email)
	SELECT name, email FROM (VALUES
		('张三', 'zhangsan@example.com'),
		('李四', 'lisi@example.com'),
		('王五', 'wangwu@example.com')) AS new (name, email)
	WHERE NOT EXISTS (SELECT FROM customers)
	RETURNING id, email
)
INSERT INTO orders (customer_id, total_amount, status)
SELECT people.id, total_amount, status FROM (VALUES
	('zhangsan@example.com', 100.50, 'COMPLETED'),
	('lisi@example.com', 200.75, 'PENDING'),
	('wangwu@example.com', 150.25, 'PROCESSING')) AS new (email, total_amount, status)
JOIN people USING (email) ORDER BY people.id;

COMMIT;
