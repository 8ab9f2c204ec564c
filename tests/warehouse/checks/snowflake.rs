//! Snowflake: fakesnow for what it can say, the connector's stand-in for credentials and permissions.

use super::{Bench, Case, MISSPELT_MODEL, of_the_mapping};
use crate::fakesnow::Fakesnow;
use crate::snowflake_account::table::Table;
use crate::snowflake_account::{Account, Options};

pub async fn snowflake() {
    let emulator = Fakesnow::start();
    emulator.sql("CREATE TABLE DB.SHOP.PEOPLE (ID BIGINT, EMAIL VARCHAR, NAME VARCHAR)");
    let mut bench = Bench::new().await;
    bench.write("secret", "secret-password-7c1d");
    bench.write("other", "another-password");
    bench.write(
        "key.p8",
        include_str!("../../../connectors/snowflake/tests/keys/plain.p8"),
    );
    bench.write(
        "other.p8",
        include_str!("../../../connectors/snowflake/tests/keys/other.p8"),
    );
    let connection = |url: &str, credential: &str| {
        format!(
            "type: snowflake\naccount: myorg-test\nuser: outflow\n{credential}\nrole: reader\nwarehouse: loading\n\
             database: db\nbase_url: \"{url}\""
        )
    };
    let (password, key) = ("password: \"${file:secret}\"", "private_key: \"${file:key.p8}\"");
    bench.check(&Case {
        what: "a wrong host",
        connection: &connection("http://no-such-host.invalid", key),
        mapping: ("", ""),
        exit: 4,
    });
    of_the_mapping(
        &mut bench,
        &connection(&format!("http://127.0.0.1:{}", emulator.port), key),
    );
    drop(emulator);
    let stub = Account::start(Options::default()).await;
    let columns = [
        ("ID", "fixed", 38, 0),
        ("EMAIL", "text", 0, 0),
        ("NAME", "text", 0, 0),
    ];
    stub.account.table("PEOPLE", Table::new(&columns, Vec::new()));
    stub.account.refuse(
        "PRIVATE",
        "003001",
        "42501",
        "SQL access control error:\nInsufficient privileges to operate on table 'PRIVATE'",
    );
    for (what, connection, mapping, exit) in [
        (
            "a wrong user (stand-in)",
            connection(&stub.base_url, password).replace("user: outflow", "user: nobody_here"),
            ("", ""),
            3,
        ),
        (
            "a wrong password (stand-in)",
            connection(&stub.base_url, password).replace("file:secret", "file:other"),
            ("", ""),
            3,
        ),
        (
            "a wrong key (stand-in)",
            connection(&stub.base_url, key).replace("key.p8", "other.p8"),
            ("", ""),
            3,
        ),
        (
            "a missing column of the model's SQL (stand-in)",
            connection(&stub.base_url, key),
            MISSPELT_MODEL,
            4,
        ),
        (
            "a missing permission (stand-in)",
            connection(&stub.base_url, key),
            ("shop.people", "shop.private"),
            3,
        ),
    ] {
        bench.check(&Case {
            what,
            connection: &connection,
            mapping,
            exit,
        });
    }
    bench.compare("snowflake");
}
