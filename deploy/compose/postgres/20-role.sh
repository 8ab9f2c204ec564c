#!/bin/sh
# The password comes by the environment, so this is no SQL file.
set -eu
psql --set ON_ERROR_STOP=1 --set password="$POSTGRES_PASSWORD" --username postgres --dbname "$POSTGRES_DB" <<'SQL'
create role outflow login password :'password' connection limit 10;
alter role outflow set default_transaction_read_only to on;
grant select on all tables in schema public to outflow;
SQL
