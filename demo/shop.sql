-- The sample shop.

CREATE TABLE customers (
	id serial PRIMARY KEY,
	name varchar(100) NOT NULL,
	email varchar(100) UNIQUE NOT NULL,
	created_at timestamp DEFAULT CURRENT_TIMESTAMP,
	updated_at timestamp DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE orders (
	id serial PRIMARY KEY,
	customer_id int REFERENCES customers (id),
	order_date timestamp DEFAULT CURRENT_TIMESTAMP,
	total_amount decimal(10, 2) NOT NULL,
	status varchar(20) NOT NULL
);

CREATE FUNCTION keep_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.updated_at = CURRENT_TIMESTAMP;
	RETURN NEW;
END;
$$;

CREATE TRIGGER customers_updated_at BEFORE UPDATE ON customers
	FOR EACH ROW EXECUTE FUNCTION keep_updated_at();

INSERT INTO customers (name, email) VALUES
	('张三', 'zhangsan@example.com'),
	('李四', 'lisi@example.com'),
	('王五', 'wangwu@example.com');

INSERT INTO orders (customer_id, total_amount, status) VALUES
	(1, 100.50, 'COMPLETED'),
	(2, 200.75, 'PENDING'),
	(3, 150.25, 'PROCESSING');
