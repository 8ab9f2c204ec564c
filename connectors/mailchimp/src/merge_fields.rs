//! Merge fields: what an audience's fields are, and creating those that are missing.

use outflow_sdk::destination::{Field, FieldType};
use outflow_sdk::{ConnectorError, ErrorKind};
use serde::Deserialize;
use serde_json::json;

use crate::audience::{self, Audience};
use crate::client::Client;
use crate::status;
use crate::values::{MAX_BYTES, MergeKind};

/// Longest merge tag.
const TAG_LENGTH: usize = 10;

/// A merge field, as far as values depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct MergeField {
    pub(crate) tag: String,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) required: bool,
    pub(crate) options: FieldOptions,
}

/// Options of a merge field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct FieldOptions {
    pub(crate) choices: Option<Vec<String>>,
    pub(crate) phone_format: Option<String>,
}

impl MergeField {
    /// A field that does not exist yet, as [`create`] will make it for values of `value_type`.
    pub(crate) fn planned(tag: &str, value_type: Option<FieldType>) -> Self {
        let kind = match value_type {
            Some(FieldType::Number) => "number",
            Some(FieldType::Date) => "date",
            _ => "text",
        };
        Self {
            tag: tag.to_owned(),
            name: label_of(tag),
            kind: kind.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn choices(&self) -> &[String] {
        self.options.choices.as_deref().unwrap_or_default()
    }

    /// How its values are checked and written.
    pub(crate) fn value_kind(&self) -> MergeKind {
        match self.kind.as_str() {
            "number" => MergeKind::Number,
            "date" => MergeKind::Date,
            "birthday" => MergeKind::Birthday,
            "address" => MergeKind::Address,
            "phone" => MergeKind::Phone {
                us: self.options.phone_format.as_deref() == Some("US"),
            },
            "zip" => MergeKind::Zip,
            "url" | "imageurl" => MergeKind::Url,
            "radio" | "dropdown" if !self.choices().is_empty() => MergeKind::Choice(self.choices().to_vec()),
            _ => MergeKind::Text,
        }
    }

    /// The field as every destination describes it.
    pub(crate) fn field(&self) -> Field {
        let field_type = match self.value_kind() {
            MergeKind::Number => FieldType::Number,
            MergeKind::Date => FieldType::Date,
            MergeKind::Choice(_) => FieldType::Choice,
            _ => FieldType::Text,
        };
        Field {
            name: self.tag.clone(),
            label: self.name.clone(),
            field_type,
            options: self.choices().to_vec(),
            max_length: (field_type == FieldType::Text && self.kind != "address").then_some(MAX_BYTES),
            writable: true,
            unique: false,
            // Members are written without the check of required fields.
            required: false,
        }
    }
}

/// `LAST_ORDER` → `Last order`.
fn label_of(tag: &str) -> String {
    let mut label = tag.replace('_', " ").to_lowercase();
    if let Some(first) = label.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    label
}

/// Whether Mailchimp keeps `tag` as it is when a field is created with it.
pub(crate) fn is_tag(tag: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !tag.is_empty() && tag.len() <= TAG_LENGTH && tag.bytes().all(plain)
}

/// The audience a mapping names, and all its merge fields: both asked for at once where the audience is
/// named by its id.
///
/// # Errors
/// As [`audience::find`] and [`list`].
pub(crate) async fn find_with_audience(
    client: &Client,
    wanted: Option<&str>,
) -> Result<(Audience, Vec<MergeField>), ConnectorError> {
    let found = match wanted.filter(|wanted| audience::is_id(wanted)) {
        Some(id) => {
            let guess = Audience::of_id(id);
            let (found, fields) = tokio::join!(audience::find(client, wanted), list(client, &guess));
            let found = found?;
            if found.id == id {
                return Ok((found, fields?));
            }
            // It was a name that looks like an id.
            found
        }
        None => audience::find(client, wanted).await?,
    };
    let fields = list(client, &found).await?;
    Ok((found, fields))
}

/// All merge fields of an audience.
///
/// # Errors
/// As the exchange went.
pub(crate) async fn list(client: &Client, audience: &Audience) -> Result<Vec<MergeField>, ConnectorError> {
    let path = format!(
        "{}/merge-fields?exclude_fields=_links,merge_fields._links",
        audience.path()
    );
    client.collect(&path, "merge_fields", "merge fields").await
}

/// Creates one merge field.
///
/// # Errors
/// `Config` when Mailchimp refuses the definition or changes its tag, else as the exchange went.
pub(crate) async fn create(
    client: &Client,
    audience: &Audience,
    field: &MergeField,
) -> Result<MergeField, ConnectorError> {
    let body = json!({
        "tag": field.tag, "name": field.name, "type": field.kind, "required": false, "public": false,
    });
    let path = format!("{}/merge-fields", audience.path());
    let body = body.to_string().into();
    let response = client.call("POST", &path, "application/json", body).await?;
    if response.status == 400 {
        return Err(ConnectorError::config(
            "create_field_refused",
            format!("Mailchimp refuses to create the merge field `{}`", field.tag),
        )
        .with_hint("the plan limits how many fields an audience may have (30 or 80); remove one or map fewer")
        .with_correlation(status::correlation(&response)));
    }
    let created: MergeField = client.expect(&response, "a new merge field")?;
    if created.tag == field.tag {
        return Ok(created);
    }
    // The tag is one Mailchimp made up; repeating it would repeat a text of theirs.
    Err(ConnectorError::new(
        ErrorKind::Config,
        "create_field_refused",
        format!(
            "Mailchimp created the merge field `{}` under another tag",
            field.tag
        ),
    )
    .with_hint("look at the audience's fields in Mailchimp and map the tag it has there"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn field(value: serde_json::Value) -> MergeField {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_definition_tells_how_to_write_values() {
        let us = json!({ "type": "phone", "options": { "phone_format": "US" } });
        let open = json!({ "type": "phone", "options": { "phone_format": "none" } });
        let choice = json!({ "type": "dropdown", "options": { "choices": ["a"] } });
        for (definition, expected) in [
            (
                json!({ "type": "text", "options": { "size": 25 } }),
                MergeKind::Text,
            ),
            (json!({ "type": "number", "options": {} }), MergeKind::Number),
            (
                json!({ "type": "date", "options": { "date_format": "MM/DD/YYYY" } }),
                MergeKind::Date,
            ),
            (json!({ "type": "birthday" }), MergeKind::Birthday),
            (
                json!({ "type": "address", "options": { "default_country": 164 } }),
                MergeKind::Address,
            ),
            (us, MergeKind::Phone { us: true }),
            (open, MergeKind::Phone { us: false }),
            (json!({ "type": "zip" }), MergeKind::Zip),
            (json!({ "type": "imageurl" }), MergeKind::Url),
            (choice, MergeKind::Choice(vec!["a".into()])),
            (json!({ "type": "radio" }), MergeKind::Text),
            (json!({ "type": "something new" }), MergeKind::Text),
        ] {
            assert_eq!(field(definition.clone()).value_kind(), expected, "{definition}");
        }
    }

    #[test]
    fn planned_fields_follow_their_values() {
        let planned = MergeField::planned("LAST_ORDER", Some(FieldType::Date));
        assert_eq!(
            (planned.kind.as_str(), planned.name.as_str()),
            ("date", "Last order")
        );
        assert_eq!(MergeField::planned("LTV", Some(FieldType::Number)).kind, "number");
        assert_eq!(MergeField::planned("VIP", Some(FieldType::Bool)).kind, "text");
    }

    #[test]
    fn tags_are_short_and_upper_case() {
        for good in ["FNAME", "LTV_2", "A", "ABCDEFGHIJ"] {
            assert!(is_tag(good), "{good}");
        }
        for bad in ["", "fname", "ABCDEFGHIJK", "A B", "GRÖSSE", "A-B"] {
            assert!(!is_tag(bad), "{bad}");
        }
    }
}
