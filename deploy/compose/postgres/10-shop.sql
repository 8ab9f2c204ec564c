-- A small shop, and a role that may only read it.
create table customers (
    customer_id bigint primary key,
    email text not null,
    first_name text,
    last_name text,
    city text
);
create table orders (
    order_id bigint primary key,
    customer_id bigint not null references customers,
    amount numeric(12, 2) not null
);
insert into customers
select id, 'customer' || id || '@example.com', 'First ' || id, 'Last ' || id, (array['Berlin', 'Oslo', 'Lyon'])[1 + id % 3]
from generate_series(1, 500) id;
insert into orders
select id, 1 + id % 500, (id % 97) + 0.5 from generate_series(1, 3000) id;
