//! A PostgreSQL server, as itself and through the dialect of Redshift.

use super::{Bench, Case, MISSPELT_MODEL, of_the_mapping};
use crate::postgres::Postgres;

const TABLES: &str = "\
CREATE SCHEMA shop;
CREATE TABLE shop.people (id bigint, email text, name text);
CREATE TABLE shop.private (id bigint, email text, name text);
CREATE ROLE reader LOGIN PASSWORD 'a-reader-s-password';
GRANT USAGE ON SCHEMA shop TO reader;
GRANT SELECT ON shop.people TO reader";

pub async fn postgres() {
    let server = Postgres::start("postgres");
    server.sql(TABLES);
    for type_name in ["postgres", "redshift"] {
        let mut bench = Bench::new().await;
        bench.write("secret", "a-reader-s-password");
        bench.write("other", "another-password");
        let connection = format!(
            "type: {type_name}\nhost: 127.0.0.1\nport: {}\ndatabase: {}\nuser: reader\n\
             password: \"${{file:secret}}\"\ntls: disable",
            server.port(),
            server.database()
        );
        for (what, before, after, exit) in [
            ("a wrong host", "host: 127.0.0.1", "host: no-such-host.invalid", 4),
            ("a wrong user", "user: reader", "user: nobody_here", 3),
            ("a wrong password", "file:secret", "file:other", 3),
        ] {
            bench.check(&Case {
                what,
                connection: &connection.replace(before, after),
                mapping: ("", ""),
                exit,
            });
        }
        of_the_mapping(&mut bench, &connection);
        for (what, mapping, exit) in [
            ("a missing column of the model's SQL", MISSPELT_MODEL, 4),
            ("a missing permission", ("shop.people", "shop.private"), 3),
        ] {
            bench.check(&Case {
                what,
                connection: &connection,
                mapping,
                exit,
            });
        }
        bench.compare(type_name);
    }
}
