SELECT status, count(*) AS orders, sum(total_amount) AS revenue
FROM orders GROUP BY status ORDER BY status;

SELECT o.id, c.name, o.total_amount, o.status, o.order_date
FROM orders o JOIN customers c ON c.id = o.customer_id
ORDER BY o.id DESC LIMIT 5;
