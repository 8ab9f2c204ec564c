//! TLS, sockets and ways to log in.

use outflow_sdk::ErrorKind;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::shared::{cluster, column, postgres, redshift, refused, settings, sql, with};

const ENCRYPTED: &str = "select ssl as a from pg_stat_ssl where pid = pg_backend_pid()";

async fn is_encrypted(changes: Json) -> bool {
    let array = column(&postgres(with(settings(cluster()), changes)), ENCRYPTED).await;
    arrow_array::cast::AsArray::as_boolean(array.as_ref()).value(0)
}

fn pem(name: &str) -> Json {
    json!(cluster().folder.join(name))
}

#[tokio::test]
async fn connections_are_protected_as_told() {
    assert!(!is_encrypted(json!({})).await, "this machine");
    assert!(is_encrypted(json!({"tls": "require"})).await);
    let verified = json!({"tls": "verify-full", "host": "localhost", "ca_file": pem("ca.pem")});
    assert!(is_encrypted(verified).await);
    // With a file of authorities the chain is checked, the host is not.
    assert!(is_encrypted(json!({"tls": "require", "ca_file": pem("ca.pem")})).await);
    let socket = json!({"host": cluster().folder});
    assert!(!is_encrypted(socket).await);
}

#[tokio::test]
async fn a_server_that_cannot_prove_itself_is_refused() {
    for (changes, words) in [
        (
            json!({"tls": "verify-full", "host": "localhost"}),
            "not signed by an authority",
        ),
        (
            json!({"tls": "verify-full", "ca_file": pem("ca.pem")}),
            "made out to another host",
        ),
        (
            json!({"tls": "require", "ca_file": pem("other-ca.pem")}),
            "not signed by an authority",
        ),
        (
            json!({"tls": "verify-full", "ca_file": pem("no-such.pem")}),
            "no-such.pem cannot be read",
        ),
        (
            json!({"tls": "require", "ca_file": pem("password")}),
            "no certificate",
        ),
    ] {
        let source = postgres(with(settings(cluster()), changes.clone()));
        let error = refused(&source, sql("select 1 as a")).await;
        assert_eq!(error.kind, ErrorKind::Config, "{changes}: {error:?}");
        assert!(error.message.contains(words), "{changes}: {error}");
        assert!(error.hint.is_some());
    }
}

/// A server that answers the first message with `answer` and waits for the client to go.
async fn answering(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut hello = [0; 1024];
            let _ = client.read(&mut hello).await;
            let _ = client.write_all(answer).await;
            let _ = client.read(&mut hello).await;
        }
    });
    port
}

#[tokio::test]
async fn a_password_stored_as_sha256_is_explained() {
    // Authentication request 13 of Redshift, with its salt.
    let port = answering(b"R\0\0\0\x0c\0\0\0\x0dsalt").await;
    let source = redshift(with(settings(cluster()), json!({"port": port})));
    let error = source.check().await.unwrap_err();
    assert_eq!(
        (error.code, error.kind.clone()),
        ("password_sha256", ErrorKind::Auth),
        "{error}"
    );
    assert!(error.message.contains("stored as SHA-256"), "{error}");
    assert!(error.hint.unwrap().contains("MD5"));
}

#[tokio::test]
async fn a_server_without_tls_and_one_that_is_none_are_told_apart() {
    let port = answering(b"N").await;
    let source = postgres(with(settings(cluster()), json!({"port": port, "tls": "require"})));
    let error = source.check().await.unwrap_err();
    assert_eq!(
        (error.code, error.kind.clone()),
        ("tls_unsupported", ErrorKind::Config),
        "{error}"
    );
    let port = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let source = postgres(with(settings(cluster()), json!({"port": port})));
    let error = source.check().await.unwrap_err();
    assert_eq!(error.code, "unreachable", "{error}");
}
