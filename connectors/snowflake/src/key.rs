//! Key-pair log-in: a private key in PEM form, and tokens signed with it.
//!
//! The token is a JSON Web Token whose issuer names account, user and the fingerprint of the public key:
//! <https://docs.snowflake.com/en/developer-guide/sql-api/authenticating>.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use outflow_sdk::secret::Secret;
use outflow_sdk::{ConnectorError, ErrorKind};
use pkcs8::EncryptedPrivateKeyInfoRef;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;

/// Life of a token; it is used at once, and one hour is the most Snowflake takes.
const LIFE_SECONDS: i64 = 600;
/// `AlgorithmIdentifier` of RSA keys (RFC 8017, A.1), in DER.
const RSA_ENCRYPTION: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// A user's private key.
pub(crate) struct KeyPair {
    pair: RsaKeyPair,
    /// SHA-256 of the public key as Snowflake shows it in `DESCRIBE USER`.
    fingerprint: String,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("KeyPair(…)")
    }
}

impl KeyPair {
    /// Reads a key: PKCS#8, with a passphrase or without, or PKCS#1.
    ///
    /// # Errors
    /// `Config`, and how to get a key that can be used.
    pub(crate) fn parse(
        pem: &Secret,
        passphrase: Option<&Secret>,
        connection: &str,
    ) -> Result<Self, ConnectorError> {
        let wrong = |what: &str, hint: &str| {
            ConnectorError::config(
                "private_key",
                format!("source '{connection}': its `private_key` {what}"),
            )
            .with_hint(hint)
        };
        let (label, der) = unwrap_pem(pem.expose()).map_err(|what| wrong(what, MAKE_A_KEY))?;
        let unfit = |_| {
            wrong(
                "is no RSA key of 2048 bits or more",
                "make one as Snowflake's documentation says: openssl genrsa 2048 | openssl pkcs8 -topk8 -nocrypt",
            )
        };
        let pair = match (label, passphrase) {
            ("PRIVATE KEY", _) => RsaKeyPair::from_pkcs8(&der).map_err(unfit)?,
            ("RSA PRIVATE KEY", _) => RsaKeyPair::from_der(&der).map_err(unfit)?,
            ("ENCRYPTED PRIVATE KEY", None) => {
                return Err(wrong(
                    "has a passphrase, and none is given",
                    "write it as `private_key_passphrase: \"${env:…}\"`",
                ));
            }
            ("ENCRYPTED PRIVATE KEY", Some(passphrase)) => {
                let sealed = EncryptedPrivateKeyInfoRef::try_from(der.as_slice())
                    .map_err(|_| wrong("is damaged", MAKE_A_KEY))?;
                let opened = sealed.decrypt(passphrase.expose()).map_err(|_| {
                    wrong(
                        "does not open with its passphrase",
                        "check `private_key_passphrase:`; keys sealed with anything but AES or 3DES and SHA-2 \
                         must be sealed anew: openssl pkcs8 -topk8 -v2 aes256 -in OLD -out NEW",
                    )
                })?;
                RsaKeyPair::from_pkcs8(opened.as_bytes()).map_err(unfit)?
            }
            (other, _) => return Err(wrong(&format!("is a {}", other.to_lowercase()), MAKE_A_KEY)),
        };
        let fingerprint = STANDARD.encode(digest(&SHA256, &public_key(pair.public_key().as_ref())));
        Ok(Self { pair, fingerprint })
    }

    /// A token that logs `user` in to `account`.
    ///
    /// # Errors
    /// `Internal` when the machine has no randomness.
    pub(crate) fn token(&self, account: &str, user: &str, now: Timestamp) -> Result<String, ConnectorError> {
        let subject = format!("{}.{}", account.to_uppercase(), user.to_uppercase());
        let seconds = now.as_second();
        let claims = json!({
            "iss": format!("{subject}.SHA256:{}", self.fingerprint),
            "sub": subject,
            "iat": seconds,
            "exp": seconds + LIFE_SECONDS,
        });
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let mut token = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                token.as_bytes(),
                &mut signature,
            )
            .map_err(|_| ConnectorError::new(ErrorKind::Internal, "sign", "a token could not be signed"))?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }
}

const MAKE_A_KEY: &str = "give the whole file that openssl wrote, with its BEGIN and END lines: \
                          `private_key: \"${file:/run/secrets/snowflake.p8}\"`";

/// Label and content of a PEM text. Environment variables often hold `\n` for a line's end, or no line ends.
fn unwrap_pem(text: &str) -> Result<(&str, Vec<u8>), &'static str> {
    let not_pem = "is not in PEM form";
    let (_, rest) = text.split_once("-----BEGIN ").ok_or(not_pem)?;
    let (label, rest) = rest.split_once("-----").ok_or(not_pem)?;
    let (body, _) = rest.split_once("-----END ").ok_or(not_pem)?;
    if body.contains("Proc-Type:") {
        return Err(
            "is sealed in a form of old; seal it anew: openssl pkcs8 -topk8 -v2 aes256 -in OLD -out NEW",
        );
    }
    let plain: String = body
        .replace("\\n", "")
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let der = STANDARD.decode(plain).map_err(|_| "is damaged")?;
    Ok((label, der))
}

/// `SubjectPublicKeyInfo` (RFC 5280) of an RSA key, of which Snowflake takes the fingerprint.
fn public_key(rsa_public_key: &[u8]) -> Vec<u8> {
    let mut bits = vec![0];
    bits.extend_from_slice(rsa_public_key);
    let mut content = RSA_ENCRYPTION.to_vec();
    content.extend(der(0x03, &bits));
    der(0x30, &content)
}

/// One DER value.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut value = vec![tag];
    match significant.as_slice() {
        [] => value.push(0),
        [short] if *short < 0x80 => value.push(*short),
        long => {
            value.push(0x80 | long.len() as u8);
            value.extend_from_slice(long);
        }
    }
    value.extend_from_slice(content);
    value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    // Made by OpenSSL, for these tests alone; fingerprint.txt as Snowflake's documentation makes it.
    const PLAIN: &str = include_str!("../tests/keys/plain.p8");
    const PKCS1: &str = include_str!("../tests/keys/pkcs1.pem");
    const AES: &str = include_str!("../tests/keys/aes256.p8");
    const DES3: &str = include_str!("../tests/keys/des3.p8");
    const SHORT: &str = include_str!("../tests/keys/short.p8");
    const PUBLIC: &str = include_str!("../tests/keys/public.pem");
    const FINGERPRINT: &str = include_str!("../tests/keys/fingerprint.txt");
    const PASSPHRASE: &str = "kept-in-a-test";

    fn parse(pem: &str, passphrase: Option<&str>) -> Result<KeyPair, ConnectorError> {
        KeyPair::parse(&Secret::new(pem), passphrase.map(Secret::new).as_ref(), "wh")
    }

    #[test]
    fn every_form_openssl_writes_is_the_same_key() {
        let in_one_line = PLAIN.replace('\n', "\\n");
        for (pem, passphrase) in [
            (PLAIN, None),
            (&in_one_line, None),
            (PKCS1, None),
            (AES, Some(PASSPHRASE)),
            (DES3, Some(PASSPHRASE)),
        ] {
            assert_eq!(parse(pem, passphrase).unwrap().fingerprint, FINGERPRINT.trim());
        }
    }

    #[test]
    fn a_key_that_cannot_be_used_says_why_and_is_not_quoted() {
        let cut = PLAIN.replace("MII", "M!I");
        for (pem, passphrase, words) in [
            ("secret-text", None, "is not in PEM form"),
            (&cut, None, "is damaged"),
            (AES, None, "has a passphrase, and none is given"),
            (AES, Some("wrong"), "does not open with its passphrase"),
            (PUBLIC, None, "is a public key"),
            (SHORT, None, "no RSA key of 2048 bits or more"),
        ] {
            let error = parse(pem, passphrase).unwrap_err();
            assert!(error.message.contains(words), "{error}");
            let told = format!("{error:?}");
            assert!(!told.contains("MII") && !told.contains("secret-text"), "{told}");
        }
        assert_eq!(format!("{:?}", parse(PLAIN, None).unwrap()), "KeyPair(…)");
    }

    #[test]
    fn a_token_names_account_user_and_key_and_is_signed_by_it() {
        let pair = parse(PLAIN, None).unwrap();
        let now = Timestamp::from_second(1_764_000_000).unwrap();
        let token = pair.token("myorg-test", "outflow", now).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.pair.public_key().as_ref());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        key.verify(signed.as_bytes(), &signature).unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let read = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(read(header)["alg"], "RS256");
        let claims = read(claims);
        assert_eq!(claims["sub"], "MYORG-TEST.OUTFLOW");
        let issuer = format!("MYORG-TEST.OUTFLOW.SHA256:{}", FINGERPRINT.trim());
        assert_eq!(claims["iss"], issuer);
        assert_eq!(claims["exp"], 1_764_000_600);
    }
}
