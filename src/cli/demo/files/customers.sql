-- One row per customer: an SQLite table, joined with its orders and with a CSV file.
select c.customer_id, c.email, c.first_name, c.last_name, c.city, c.country, c.stage, c.birthday,
       o.lifetime_value, o.orders, o.last_order, l.tier
from customers c
left join (
  select customer_id, sum(amount) as lifetime_value, count(*) as orders, max(ordered_on) as last_order
  from orders
  group by customer_id
) o on o.customer_id = c.customer_id
left join (
  select cast(customer_id as integer) as customer_id, tier -- CSV columns are text
  from loyalty
) l on l.customer_id = c.customer_id
