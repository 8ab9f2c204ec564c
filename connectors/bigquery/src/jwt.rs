//! The signed claim by which a service account asks for a token
//! (<https://developers.google.com/identity/protocols/oauth2/service-account>).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use outflow_sdk::{ConnectorError, ErrorKind};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;

use crate::credentials::ServiceAccount;

/// Seconds a claim is good for; Google takes no more than an hour.
const LIFETIME: i64 = 3_600;

/// A claim of `account` to `scope`, made at `now` (seconds since 1970).
///
/// # Errors
/// `Auth` when the key is no RSA key in PKCS #8.
pub(crate) fn claim(account: &ServiceAccount, scope: &str, now: i64) -> Result<String, ConnectorError> {
    let key = key(account.private_key.expose()).ok_or_else(|| {
        ConnectorError::new(
            ErrorKind::Auth,
            "credentials_unreadable",
            format!("the private key of {} is none", account.client_email),
        )
        .with_hint("give the key file as Google wrote it, line breaks of `private_key` included")
    })?;
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = &account.private_key_id {
        header["kid"] = json!(id);
    }
    let claims = json!({
        "iss": account.client_email, "scope": scope, "aud": account.token_uri,
        "iat": now, "exp": now + LIFETIME,
    });
    let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| {
        ConnectorError::new(
            ErrorKind::Internal,
            "bigquery_signature",
            "a claim could not be signed",
        )
    })?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn key(pem: &str) -> Option<RsaKeyPair> {
    // A secret store may have turned line breaks into `\n`.
    let pem = pem.replace("\\n", "\n");
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let body: String = body.split_whitespace().collect();
    RsaKeyPair::from_pkcs8(&STANDARD.decode(body).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use outflow_sdk::secret::Secret;
    use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value as Json;

    use super::*;

    /// Made for this test; nobody accepts it.
    const KEY: &str = include_str!("jwt/key_of_no_account.pem");

    fn account(private_key: &str) -> ServiceAccount {
        ServiceAccount {
            client_email: "reader@acme".into(),
            private_key: Secret::new(private_key),
            private_key_id: Some("k1".into()),
            token_uri: "https://tokens".into(),
        }
    }

    #[test]
    fn a_claim_says_who_asks_for_what_and_is_signed() {
        let claim = claim(&account(KEY), "scope", 1_000).unwrap();
        let (signed, signature) = claim.rsplit_once('.').unwrap();
        let public = key(KEY).unwrap().public_key().as_ref().to_vec();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
            .verify(signed.as_bytes(), &signature)
            .unwrap();
        let parts: Vec<Json> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0], json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
        assert_eq!(
            parts[1],
            json!({"iss": "reader@acme", "scope": "scope", "aud": "https://tokens", "iat": 1000, "exp": 4600})
        );
    }

    #[test]
    fn line_breaks_may_be_written_out_and_no_key_is_quoted() {
        assert!(claim(&account(&KEY.replace('\n', "\\n")), "s", 0).is_ok());
        let error = claim(&account("-----BEGIN PRIVATE KEY-----c2VjcmV0"), "s", 0).unwrap_err();
        assert_eq!(
            (error.code, error.kind.clone()),
            ("credentials_unreadable", ErrorKind::Auth)
        );
        assert!(!format!("{error:?}").contains("c2VjcmV0"));
    }
}
