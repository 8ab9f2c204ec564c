//! Where rows are unloaded to.

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::secret::Secret;

use crate::unload_settings::UnloadSettings;

/// Where rows are unloaded to, and how to get there.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) bucket: String,
    /// The folder in it, without slashes around; empty for the bucket itself.
    pub(crate) folder: String,
    pub(crate) iam_role: String,
    pub(crate) region: String,
    pub(crate) key: Option<Key>,
    pub(crate) endpoint: Option<String>,
}

/// An access key of AWS.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: Secret,
    pub(crate) secret: Secret,
    pub(crate) session_token: Option<Secret>,
}

impl Place {
    /// What the settings say.
    ///
    /// # Errors
    /// `Config` when a setting cannot be, or keys are there by halves.
    pub(crate) fn new(settings: UnloadSettings, context: &OpenContext) -> Result<Self, ConnectorError> {
        let wrong = |what: &str, hint: &str| {
            ConnectorError::config(
                "warehouse_settings",
                format!("source '{}' has {what}", context.connection),
            )
            .with_hint(hint)
        };
        let address = settings.to.strip_prefix("s3://").unwrap_or_default();
        let (bucket, folder) = address.split_once('/').unwrap_or((address, ""));
        let folder = folder.trim_end_matches('/');
        if !is_bucket(bucket) || !(folder.is_empty() || is_folder(folder)) {
            return Err(wrong(
                "an `unload.to` that is no place in S3",
                "write `s3://BUCKET` or `s3://BUCKET/FOLDER`, with letters, digits and `-_./=` in FOLDER",
            ));
        }
        let role = &settings.iam_role;
        if !(role == "default" || role.starts_with("arn:") && role.bytes().all(is_of_arn)) {
            return Err(wrong(
                "an `unload.iam_role` that is no role",
                "write `default`, or the ARN of a role that the cluster may take",
            ));
        }
        if settings.region.is_empty() || !settings.region.bytes().all(|byte| is_word(byte) || byte == b'-') {
            return Err(wrong(
                "an `unload.region` that is no region",
                "write the bucket's, such as `eu-west-1`",
            ));
        }
        let key = match (settings.access_key_id, settings.secret_access_key) {
            (Some(id), Some(secret)) => Some(Key {
                id,
                secret,
                session_token: settings.session_token,
            }),
            (None, None) if settings.session_token.is_none() => None,
            _ => {
                return Err(wrong(
                    "half an access key in `unload`",
                    "write both `access_key_id` and `secret_access_key`, or neither",
                ));
            }
        };
        Ok(Self {
            bucket: bucket.to_owned(),
            folder: folder.to_owned(),
            iam_role: settings.iam_role,
            region: settings.region,
            key,
            endpoint: settings.endpoint,
        })
    }

    /// The place as messages name it.
    pub(crate) fn address(&self) -> String {
        match self.folder.as_str() {
            "" => format!("s3://{}", self.bucket),
            folder => format!("s3://{}/{folder}", self.bucket),
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_bucket(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
}

/// Redshift takes files whose names begin with a dot or an underscore for hidden ones.
fn is_folder(name: &str) -> bool {
    name.split('/').all(|part| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part
                .bytes()
                .all(|byte| is_word(byte) || matches!(byte, b'-' | b'.' | b'='))
    })
}

fn is_of_arn(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b':' | b'/' | b'-' | b'+' | b'=' | b',' | b'.' | b'@')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn place(changes: serde_json::Value) -> Result<Place, ConnectorError> {
        let mut settings =
            json!({"to": "s3://acme-unload/out/flow/", "iam_role": "default", "region": "eu-west-1"});
        for (key, value) in changes.as_object().unwrap() {
            settings[key] = value.clone();
        }
        let context = OpenContext {
            root: "/project".into(),
            connection: "wh".into(),
        };
        Place::new(serde_json::from_value(settings).unwrap(), &context)
    }

    #[test]
    fn a_place_is_a_bucket_and_a_folder() {
        let found = place(json!({})).unwrap();
        assert_eq!(
            (found.bucket.as_str(), found.folder.as_str()),
            ("acme-unload", "out/flow")
        );
        assert_eq!(found.address(), "s3://acme-unload/out/flow");
        assert_eq!(place(json!({"to": "s3://acme"})).unwrap().address(), "s3://acme");
    }

    #[test]
    fn what_could_end_the_statement_it_stands_in_is_refused() {
        for (changes, words) in [
            (json!({"to": "acme-unload"}), "unload.to"),
            (json!({"to": "s3://Acme"}), "unload.to"),
            (json!({"to": "s3://acme/it's"}), "unload.to"),
            (json!({"to": "s3://acme/a//b"}), "unload.to"),
            (json!({"to": "s3://acme/_hidden"}), "unload.to"),
            (json!({"iam_role": "role"}), "iam_role"),
            (json!({"iam_role": "arn:aws:iam::1:role/x' x"}), "iam_role"),
            (json!({"region": "eu' x"}), "region"),
            (json!({"region": ""}), "region"),
            (json!({"access_key_id": "a"}), "half an access key"),
            (json!({"session_token": "a"}), "half an access key"),
        ] {
            let error = place(changes.clone()).unwrap_err();
            assert!(error.message.contains(words), "{changes}: {error}");
            assert!(error.hint.is_some());
        }
    }

    #[test]
    fn keys_do_not_print() {
        let place = place(json!({"access_key_id": "AKIAHIDDEN", "secret_access_key": "hidden"})).unwrap();
        let shown = format!("{place:?}");
        assert!(!shown.to_lowercase().contains("hidden"), "{shown}");
    }
}
