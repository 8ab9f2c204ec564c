//! BigQuery: the emulator for what it can say, the connector's stand-in for credentials and permissions.

use serde_json::json;

use super::{Bench, Case, MISSPELT_MODEL, of_the_mapping};
use crate::bigquery_rest::{Asked, Data, Reply, Rest};
use crate::bigquery_server::{PROJECT, Server};

const KEY: &str = include_str!("../../../connectors/bigquery/src/jwt/key_of_no_account.pem");

type Refusal = fn(&Asked) -> Option<Reply>;

pub async fn bigquery() {
    let emulator = Server::start();
    emulator.dataset("shop");
    emulator.table("shop", "people", "id:INTEGER,email:STRING,name:STRING");
    let mut bench = Bench::new().await;
    let connection = |url: &str| format!("type: bigquery\nproject: {PROJECT}\nbase_url: \"{url}\"");
    bench.check(&Case {
        what: "a wrong host",
        connection: &connection("http://no-such-host.invalid"),
        mapping: ("", ""),
        exit: 4,
    });
    of_the_mapping(
        &mut bench,
        &connection(&format!("http://127.0.0.1:{}", emulator.rest)),
    );
    drop(emulator);
    let cases: [(&str, Refusal, _, _); 5] = [
        ("a wrong user (stand-in)", refused_token, ("", ""), 3),
        ("a wrong key (stand-in)", refused_signature, ("", ""), 3),
        (
            "no permission to run queries (stand-in)",
            refused_job,
            ("", ""),
            3,
        ),
        (
            "a missing column of the model's SQL (stand-in)",
            refused_column,
            MISSPELT_MODEL,
            4,
        ),
        ("a missing permission (stand-in)", refused_table, ("", ""), 3),
    ];
    for (what, refusal, mapping, exit) in cases {
        let stub = Rest::start(Data::people(1), refusal).await;
        let key = json!({"type": "service_account", "client_email": "reader@acme.iam.gserviceaccount.com",
            "private_key": KEY, "token_uri": format!("http://127.0.0.1:{}/token", stub.port)});
        bench.write("key.json", &key.to_string());
        let url = format!("http://127.0.0.1:{}", stub.port);
        bench.check(&Case {
            what,
            connection: &format!("{}\ncredentials: \"${{file:key.json}}\"", connection(&url)),
            mapping,
            exit,
        });
    }
    bench.compare("bigquery");
}

/// What the server of tokens says of a grant (RFC 6749, section 5.2).
fn grant_refused(asked: &Asked, description: &str) -> Option<Reply> {
    let body = json!({"error": "invalid_grant", "error_description": description});
    (asked.route == "token").then(|| Reply::text(400, body.to_string()))
}

fn refused_token(asked: &Asked) -> Option<Reply> {
    grant_refused(asked, "Invalid grant: account not found")
}

fn refused_signature(asked: &Asked) -> Option<Reply> {
    grant_refused(asked, "Invalid JWT Signature.")
}

fn refused_job(asked: &Asked) -> Option<Reply> {
    let words =
        "Access Denied: Project acme: User does not have bigquery.jobs.create permission in project acme.";
    (asked.route == "query").then(|| Reply::refusal(403, "accessDenied", words))
}

fn refused_column(asked: &Asked) -> Option<Reply> {
    let words = "Unrecognized name: emial; Did you mean email? at [2:3]";
    (asked.route == "dry_run").then(|| Reply::refusal(400, "invalidQuery", words))
}

fn refused_table(asked: &Asked) -> Option<Reply> {
    let words = "Access Denied: Table acme:shop.people: Permission bigquery.tables.get denied on table \
                 acme:shop.people (or it may not exist).";
    (asked.route == "table").then(|| Reply::refusal(403, "accessDenied", words))
}
