//! Signature Version 4 of AWS: one request, signed with an access key.

use bytes::Bytes;
use jiff::Timestamp;
use outflow_sdk::secret::Secret;
use ring::digest::{SHA256, digest};
use ring::hmac;

/// An access key of AWS.
#[derive(Clone, Debug)]
pub(crate) struct AccessKey<'a> {
    pub(crate) id: &'a Secret,
    pub(crate) secret: &'a Secret,
    pub(crate) session_token: Option<&'a Secret>,
}

/// What is signed: a request without query, to the root of a host.
pub(crate) struct Unsigned<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    /// The path; already encoded.
    pub(crate) path: &'a str,
    /// Further headers that are signed, with lower-case names.
    pub(crate) headers: &'a [(&'static str, String)],
    pub(crate) body: &'a Bytes,
}

/// The headers that carry the signature: `x-amz-date`, `authorization` and, with a session token,
/// `x-amz-security-token`.
pub(crate) fn sign(
    request: &Unsigned<'_>,
    key: &AccessKey<'_>,
    region: &str,
    service: &str,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = time.get(..8).unwrap_or_default();
    let mut signed: Vec<(&'static str, String)> = request.headers.to_vec();
    signed.push(("host", request.host.to_owned()));
    signed.push(("x-amz-date", time.clone()));
    if let Some(token) = key.session_token {
        signed.push(("x-amz-security-token", token.expose().to_owned()));
    }
    signed.sort_unstable();
    let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = signed
        .iter()
        .map(|(name, value)| format!("{name}:{}\n", value.trim()))
        .collect();
    let canonical = format!(
        "{}\n{}\n\n{lines}\n{names}\n{}",
        request.method,
        request.path,
        hex(digest(&SHA256, request.body).as_ref())
    );
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex(digest(&SHA256, canonical.as_bytes()).as_ref())
    );
    let mut derived = hmac_of(format!("AWS4{}", key.secret.expose()).as_bytes(), day);
    for part in [region, service, "aws4_request"] {
        derived = hmac_of(derived.as_ref(), part);
    }
    let signature = hex(hmac_of(derived.as_ref(), &to_sign).as_ref());
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        key.id.expose()
    );
    let mut headers: Vec<_> = signed
        .into_iter()
        .filter(|(name, _)| name.starts_with("x-amz-"))
        .collect();
    headers.push(("authorization", authorization));
    headers
}

fn hmac_of(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The key and time of AWS's published test suite.
    fn signature(method: &str, headers: &[(&'static str, String)], body: &'static str) -> String {
        let id = Secret::new("AKIDEXAMPLE");
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let key = AccessKey {
            id: &id,
            secret: &secret,
            session_token: None,
        };
        let body = Bytes::from_static(body.as_bytes());
        let request = Unsigned {
            method,
            host: "example.amazonaws.com",
            path: "/",
            headers,
            body: &body,
        };
        let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
        let headers = sign(&request, &key, "us-east-1", "service", now);
        let (_, authorization) = headers
            .into_iter()
            .find(|(name, _)| *name == "authorization")
            .unwrap();
        authorization
    }

    #[test]
    fn signatures_are_those_of_the_published_test_suite() {
        assert_eq!(
            signature("GET", &[], ""),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        assert!(
            signature("POST", &[], "")
                .ends_with("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")
        );
        let form = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        assert!(
            signature("POST", &form, "Param1=value1")
                .ends_with("ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a")
        );
    }

    #[test]
    fn a_session_token_is_signed_and_sent() {
        let (id, secret, token) = (Secret::new("A"), Secret::new("B"), Secret::new("T"));
        let key = AccessKey {
            id: &id,
            secret: &secret,
            session_token: Some(&token),
        };
        let request = Unsigned {
            method: "POST",
            host: "h",
            path: "/",
            headers: &[],
            body: &Bytes::new(),
        };
        let headers = sign(&request, &key, "r", "s", Timestamp::UNIX_EPOCH);
        assert!(headers.contains(&("x-amz-security-token", "T".into())));
        let (_, authorization) = headers.last().unwrap();
        assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"));
        assert!(!format!("{key:?}").contains('B'));
    }
}
