//! Who may call: API keys over Basic and Bearer, OAuth access tokens over Bearer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::options::{Options, WrongDataCenter};
use super::problem::Problem;

/// The credentials of an account; they can change while it runs.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) keys: Vec<String>,
    pub(super) tokens: Vec<String>,
}

impl Credentials {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            keys: options.api_keys.clone(),
            tokens: options.access_tokens.clone(),
        }
    }

    /// Takes a key or a token away.
    pub(super) fn revoke(&mut self, secret: &str) {
        self.keys.retain(|key| key != secret);
        self.tokens.retain(|token| token != secret);
    }

    /// Checks an `Authorization` header.
    ///
    /// # Errors
    /// There is none, or nobody has what it says.
    pub(super) fn check(&self, header: Option<&str>, options: &Options) -> Result<(), Problem> {
        let (scheme, rest) = header
            .and_then(|header| header.split_once(' '))
            .ok_or_else(Problem::key_missing)?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            let pair = STANDARD
                .decode(rest)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = pair.ok_or_else(Problem::key_invalid)?;
            let key = pair.split_once(':').map_or("", |(_, key)| key);
            if key.is_empty() {
                return Err(Problem::key_missing());
            }
            self.check_key(key, options)
        } else if scheme.eq_ignore_ascii_case("bearer") {
            if self.is_token(rest) {
                return Ok(());
            }
            self.check_key(rest, options)
        } else {
            Err(Problem::key_missing())
        }
    }

    pub(super) fn is_token(&self, token: &str) -> bool {
        self.tokens.iter().any(|known| known == token)
    }

    fn check_key(&self, key: &str, options: &Options) -> Result<(), Problem> {
        let home = |known: &&String| {
            known
                .rsplit_once('-')
                .is_some_and(|(_, center)| center == options.data_center)
        };
        if self.keys.iter().filter(home).any(|known| known == key) {
            return Ok(());
        }
        // A key is known by what stands before the hyphen; what follows names its data centre.
        let secret = |key: &str| key.split_once('-').map(|(secret, _)| secret.to_owned());
        let elsewhere = secret(key).is_some_and(|wanted| {
            self.keys
                .iter()
                .any(|known| secret(known).as_ref() == Some(&wanted))
        });
        if elsewhere && options.wrong_data_center == WrongDataCenter::Forbidden {
            Err(Problem::wrong_data_center())
        } else {
            Err(Problem::key_invalid())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef-us1";

    fn check(header: &str, options: &Options) -> Result<(), &'static str> {
        Credentials::new(options)
            .check(Some(header), options)
            .map_err(|problem| problem.title)
    }

    #[test]
    fn keys_come_by_basic_with_any_user_or_by_bearer() {
        let options = Options::default();
        // "anystring:" and the key.
        let basic = "Basic YW55c3RyaW5nOjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmLXVzMQ==";
        assert_eq!(check(basic, &options), Ok(()));
        assert_eq!(check(&format!("Bearer {KEY}"), &options), Ok(()));
        assert_eq!(check("Bearer sandbox-token", &options), Ok(()));
    }

    #[test]
    fn nothing_and_something_wrong_are_told_apart() {
        let options = Options::default();
        assert_eq!(check("Bearer nope", &options), Err("API Key Invalid"));
        assert_eq!(check("Basic !!", &options), Err("API Key Invalid"));
        assert_eq!(check("OAuth sandbox-token", &options), Err("API Key Missing"));
        let none = Credentials::new(&options).check(None, &options);
        assert_eq!(none.unwrap_err().title, "API Key Missing");
    }

    #[test]
    fn a_key_of_another_data_centre_is_refused_one_way_or_the_other() {
        let mut options = Options::default();
        let wrong = format!("Bearer {}", KEY.replace("us1", "us2"));
        assert_eq!(check(&wrong, &options), Err("API Key Invalid"));
        options.wrong_data_center = WrongDataCenter::Forbidden;
        assert_eq!(check(&wrong, &options), Err("Wrong Datacenter"));
        assert_eq!(check("Bearer ffff-us1", &options), Err("API Key Invalid"));
    }
}
