-- One row a customer, as an analyst would write it: base data, demographics, and what the customer
-- bought in three channels up to a day. `getvariable('cut')` is that day; customers whose first
-- sale is later are not known yet.
WITH sales AS (
    SELECT 'store' AS channel, ss_customer_sk AS customer_sk, ss_ticket_number AS number,
           ss_item_sk AS item_sk, ss_sold_date_sk AS date_sk, ss_net_paid AS net_paid
    FROM store_sales
    UNION ALL
    SELECT 'catalog', cs_bill_customer_sk, cs_order_number, cs_item_sk, cs_sold_date_sk, cs_net_paid
    FROM catalog_sales
    UNION ALL
    SELECT 'web', ws_bill_customer_sk, ws_order_number, ws_item_sk, ws_sold_date_sk, ws_net_paid
    FROM web_sales
),
known AS (
    SELECT sales.*, d_date, i_category
    FROM sales
    JOIN date_dim ON d_date_sk = date_sk
    JOIN item ON i_item_sk = item_sk
    WHERE d_date <= getvariable('cut') AND customer_sk IS NOT NULL
),
totals AS (
    SELECT customer_sk,
           sum(net_paid)::DECIMAL(18,2) AS lifetime_value,
           count(DISTINCT channel || number) AS orders,
           max(d_date) AS last_purchase_on
    FROM known
    GROUP BY customer_sk
),
categories AS (
    SELECT customer_sk, i_category,
           row_number() OVER (
               PARTITION BY customer_sk ORDER BY coalesce(sum(net_paid), 0) DESC, i_category
           ) AS place
    FROM known
    WHERE i_category IS NOT NULL
    GROUP BY customer_sk, i_category
),
channels AS (
    SELECT customer_sk, channel,
           row_number() OVER (
               PARTITION BY customer_sk ORDER BY count(DISTINCT number) DESC, channel
           ) AS place
    FROM known
    GROUP BY customer_sk, channel
)
SELECT c_customer_sk AS customer_sk,
       c_customer_id AS customer_number,
       c_email_address AS email,
       c_first_name AS first_name,
       c_last_name AS last_name,
       try_cast(printf('%04d-%02d-%02d', c_birth_year, c_birth_month, c_birth_day) AS DATE) AS birth_date,
       c_birth_country AS country,
       ca_city AS city,
       ca_state AS state,
       c_preferred_cust_flag = 'Y' AS is_preferred,
       lifetime_value,
       coalesce(orders, 0) AS orders,
       last_purchase_on,
       categories.i_category AS favourite_category,
       channels.channel AS preferred_channel,
       cd_credit_rating AS credit_rating,
       cd_education_status AS education,
       ib_lower_bound AS income_from,
       ib_upper_bound AS income_to
FROM customer
LEFT JOIN customer_address ON ca_address_sk = c_current_addr_sk
LEFT JOIN customer_demographics ON cd_demo_sk = c_current_cdemo_sk
LEFT JOIN household_demographics ON hd_demo_sk = c_current_hdemo_sk
LEFT JOIN income_band ON ib_income_band_sk = hd_income_band_sk
LEFT JOIN totals ON totals.customer_sk = c_customer_sk
LEFT JOIN categories ON categories.customer_sk = c_customer_sk AND categories.place = 1
LEFT JOIN channels ON channels.customer_sk = c_customer_sk AND channels.place = 1
LEFT JOIN date_dim first_sale ON first_sale.d_date_sk = c_first_sales_date_sk
WHERE (first_sale.d_date IS NULL OR first_sale.d_date <= getvariable('cut'))
  AND NOT EXISTS (
      FROM customer older
      WHERE lower(older.c_email_address) = lower(customer.c_email_address)
        AND older.c_customer_sk < customer.c_customer_sk
  )
ORDER BY c_customer_sk
