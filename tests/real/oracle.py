"""What must be at HubSpot, worked out from the base tables without the model.

Every attribute has a question of its own, and what the model does with windows and one wide join is
done here row by row in Python. Values are texts as HubSpot shows them: numbers without trailing
zeros, dates YYYY-MM-DD, booleans true and false, e-mails in lower case; NULL is absent.
"""

from collections import defaultdict
from datetime import date

SALES = {
    "store": ("store_sales", "ss_customer_sk", "ss_ticket_number", "ss_item_sk", "ss_sold_date_sk", "ss_net_paid"),
    "catalog": ("catalog_sales", "cs_bill_customer_sk", "cs_order_number", "cs_item_sk", "cs_sold_date_sk", "cs_net_paid"),
    "web": ("web_sales", "ws_bill_customer_sk", "ws_order_number", "ws_item_sk", "ws_sold_date_sk", "ws_net_paid"),
}

PLAIN = {
    "customer_sk": "SELECT c_customer_sk, c_customer_sk FROM customer",
    "customer_number": "SELECT c_customer_sk, c_customer_id FROM customer",
    "email": "SELECT c_customer_sk, lower(c_email_address) FROM customer",
    "firstname": "SELECT c_customer_sk, c_first_name FROM customer",
    "lastname": "SELECT c_customer_sk, c_last_name FROM customer",
    "country": "SELECT c_customer_sk, c_birth_country FROM customer",
    "city": "SELECT c_customer_sk, ca_city FROM customer, customer_address WHERE c_current_addr_sk = ca_address_sk",
    "state": "SELECT c_customer_sk, ca_state FROM customer, customer_address WHERE c_current_addr_sk = ca_address_sk",
    "is_preferred": "SELECT c_customer_sk, CASE c_preferred_cust_flag WHEN 'Y' THEN 'true' WHEN 'N' THEN 'false' END FROM customer",
    "credit_rating": "SELECT c_customer_sk, cd_credit_rating FROM customer, customer_demographics WHERE c_current_cdemo_sk = cd_demo_sk",
    "education": "SELECT c_customer_sk, cd_education_status FROM customer, customer_demographics WHERE c_current_cdemo_sk = cd_demo_sk",
    "income_from": "SELECT c_customer_sk, ib_lower_bound FROM customer, household_demographics, income_band "
                   "WHERE c_current_hdemo_sk = hd_demo_sk AND hd_income_band_sk = ib_income_band_sk",
    "income_to": "SELECT c_customer_sk, ib_upper_bound FROM customer, household_demographics, income_band "
                 "WHERE c_current_hdemo_sk = hd_demo_sk AND hd_income_band_sk = ib_income_band_sk",
}


def expected(database, cut: str) -> dict:
    """{customer_sk: {property: text}} of every customer known on a day, e-mail or not."""
    known = database.execute(
        "SELECT c_customer_sk FROM customer WHERE c_customer_sk NOT IN (SELECT c_customer_sk FROM customer, date_dim "
        f"WHERE c_first_sales_date_sk = d_date_sk AND d_date > '{cut}')"
    ).fetchall()
    owners = {}
    for key, email in database.execute(f"{PLAIN['email']} ORDER BY c_customer_sk DESC").fetchall():
        owners[email or key] = key  # the lowest key stays
    owning = set(owners.values())
    customers = {key: {"orders": "0"} for (key,) in known if key in owning}
    for name, query in PLAIN.items():
        _put(customers, name, ((key, None if value is None else str(value)) for key, value in database.execute(query).fetchall()))
    _put(customers, "birth_date", _birth_dates(database))
    _put_sales(customers, database, cut)
    return customers


def _put(customers: dict, name: str, values) -> None:
    for key, value in values:
        if value not in (None, "") and key in customers:
            customers[key][name] = value


def _birth_dates(database):
    parts = database.execute("SELECT c_customer_sk, c_birth_year, c_birth_month, c_birth_day FROM customer").fetchall()
    for key, *day in parts:
        try:
            yield key, date(*day).isoformat()
        except (TypeError, ValueError):  # a part is NULL, or there is no such day
            yield key, None


def _put_sales(customers: dict, database, cut: str) -> None:
    cents, last = {}, {}
    by_category = defaultdict(lambda: defaultdict(int))
    by_channel = defaultdict(lambda: defaultdict(set))
    for channel, (table, customer, number, item, day, net_paid) in SALES.items():
        database.execute(
            f"SELECT {customer}, {number}, d_date, i_category, ({net_paid} * 100)::BIGINT FROM {table}, date_dim, item "
            f"WHERE {day} = d_date_sk AND {item} = i_item_sk AND {customer} IS NOT NULL AND d_date < DATE '{cut}' + 1"
        )
        while rows := database.fetchmany(100_000):
            for key, order, sold_on, category, paid in rows:
                if paid is not None:
                    cents[key] = cents.get(key, 0) + paid
                last[key] = max(last.get(key, sold_on), sold_on)
                by_channel[key][channel].add(order)
                if category is not None:
                    by_category[key][category] += paid or 0

    _put(customers, "lifetime_value", ((key, _money(value)) for key, value in cents.items()))
    _put(customers, "last_purchase_on", ((key, value.isoformat()) for key, value in last.items()))
    _put(customers, "orders",
         ((key, str(sum(map(len, channels.values())))) for key, channels in by_channel.items()))
    _put(customers, "favourite_category",
         ((key, min(sums, key=lambda name: (-sums[name], name))) for key, sums in by_category.items()))
    _put(customers, "preferred_channel",
         ((key, min(orders, key=lambda name: (-len(orders[name]), name))) for key, orders in by_channel.items()))


def _money(cents: int) -> str:
    """Cents as a number without trailing zeros."""
    whole, part = divmod(cents, 100)
    return f"{whole}.{part:02}".rstrip("0").rstrip(".")
