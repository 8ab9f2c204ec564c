//! What a request says about a member, read against the schema.

use serde_json::{Map, Value};

use super::audience::Audience;
use super::member::{EmailType, Location, Status};
use super::merge_field::MergeId;
use super::options::Options;
use super::problem::{FieldError, Problem};
use super::query::{BAD_TIME, time};
use super::values::{self, Bad, Write};

/// Reads the keys of one JSON object and collects what does not fit the schema.
#[derive(Debug)]
pub(super) struct Reader<'v> {
    map: &'v Map<String, Value>,
    /// Whether `null` counts as absent, as in the members of a batch.
    nulls_absent: bool,
    pub(super) errors: Vec<FieldError>,
}

impl<'v> Reader<'v> {
    pub(super) fn new(map: &'v Map<String, Value>, nulls_absent: bool) -> Self {
        Self {
            map,
            nulls_absent,
            errors: Vec::new(),
        }
    }

    pub(super) fn error(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(field, message));
    }

    /// The value of a key, `null` dealt with.
    pub(super) fn value(&mut self, key: &str) -> Option<&'v Value> {
        self.map
            .get(key)
            .filter(|value| !(self.nulls_absent && value.is_null()))
    }

    fn of<T>(&mut self, key: &str, wanted: &str, read: impl FnOnce(&'v Value) -> Option<T>) -> Option<T> {
        let value = self.value(key)?;
        let got = read(value);
        if got.is_none() {
            self.error(key, describes(wanted, value));
        }
        got
    }

    pub(super) fn text(&mut self, key: &str) -> Option<&'v str> {
        self.of(key, "string", Value::as_str)
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.of(key, "boolean", Value::as_bool)
    }

    pub(super) fn whole(&mut self, key: &str) -> Option<u64> {
        self.of(key, "integer", Value::as_u64)
    }

    pub(super) fn object(&mut self, key: &str) -> Option<&'v Map<String, Value>> {
        self.of(key, "object", Value::as_object)
    }

    pub(super) fn array(&mut self, key: &str) -> Option<&'v [Value]> {
        self.of(key, "array", |value| value.as_array().map(Vec::as_slice))
    }

    /// An array of strings.
    pub(super) fn texts(&mut self, key: &str) -> Option<Vec<&'v str>> {
        let items = self.array(key)?;
        let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
        if texts.is_none() {
            self.error(key, "Schema describes string for every item");
        }
        texts
    }

    /// One of several words.
    pub(super) fn word<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(key)?;
        let word = parse(text);
        if word.is_none() {
            self.error(key, "The value you selected is not a valid choice.");
        }
        word
    }

    /// An instant; `Some(None)` is the empty string.
    #[expect(clippy::option_option, reason = "absent and empty are different things here")]
    pub(super) fn time(&mut self, key: &str) -> Option<Option<i64>> {
        let text = self.text(key)?;
        let instant = time(text);
        if instant.is_none() {
            self.error(key, BAD_TIME);
        }
        instant
    }

    /// A key that must be there and not empty.
    pub(super) fn needed(&mut self, key: &str) -> Option<&'v str> {
        let before = self.errors.len();
        let text = self.text(key).filter(|text| !text.is_empty());
        if text.is_none() && self.errors.len() == before {
            self.error(key, "This value should not be blank.");
        }
        text
    }

    /// # Errors
    /// What did not fit.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::schema(self.errors))
        }
    }
}

/// The words for a value of the wrong kind.
pub(super) fn describes(wanted: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "NULL",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "double",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("Schema describes {wanted}, {found} found instead")
}

/// The body as a JSON object.
///
/// # Errors
/// It is none.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(Problem::field("", describes("object", &other))),
        Err(_) => Err(Problem::json()),
    }
}

/// What a request says about a member; what it does not mention is absent.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) email: Option<String>,
    pub(super) status: Option<Status>,
    pub(super) status_if_new: Option<Status>,
    pub(super) email_type: Option<EmailType>,
    pub(super) merge: Vec<(MergeId, Write)>,
    pub(super) interests: Vec<(String, bool)>,
    pub(super) permissions: Vec<(String, bool)>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) language: Option<String>,
    pub(super) vip: Option<bool>,
    pub(super) location: Option<Location>,
    pub(super) ip_signup: Option<String>,
    pub(super) ip_opt: Option<String>,
    pub(super) timestamp_signup: Option<Option<i64>>,
    pub(super) timestamp_opt: Option<Option<i64>>,
}

/// Where a member's object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The body of a call about one member.
    Alone,
    /// One of the members of a batch: `null` is absent, and permissions cannot be set.
    Batch,
}

impl Draft {
    /// Reads a member's object. Properties nobody knows are ignored, as are unknown merge tags.
    ///
    /// # Errors
    /// Something does not fit the schema, or a merge value its field. Schema problems come first.
    pub(super) fn read(
        map: &Map<String, Value>,
        place: Place,
        audience: &Audience,
        options: &Options,
    ) -> Result<Self, Problem> {
        let mut reader = Reader::new(map, place == Place::Batch);
        let own = |text: &str| text.to_owned();
        let mut draft = Self {
            email: reader.text("email_address").map(own),
            status: reader.word("status", Status::writable),
            status_if_new: reader.word("status_if_new", Status::writable),
            email_type: reader.word("email_type", |text| match text {
                "html" | "" => Some(EmailType::Html),
                "text" => Some(EmailType::Text),
                _ => None,
            }),
            language: reader.text("language").map(own),
            vip: reader.flag("vip"),
            location: location(&mut reader),
            ip_signup: reader.text("ip_signup").map(own),
            ip_opt: reader.text("ip_opt").map(own),
            timestamp_signup: reader.time("timestamp_signup"),
            timestamp_opt: reader.time("timestamp_opt"),
            tags: reader
                .texts("tags")
                .map(|tags| tags.into_iter().map(own).collect()),
            ..Self::default()
        };
        draft.read_interests(&mut reader, audience);
        if place == Place::Alone {
            draft.read_permissions(&mut reader, audience);
        }
        let bad = draft.read_merge_fields(&mut reader, audience, options);
        reader.finish()?;
        if bad.is_empty() {
            Ok(draft)
        } else {
            Err(Problem::merge_fields(bad))
        }
    }

    fn read_merge_fields(
        &mut self,
        reader: &mut Reader<'_>,
        audience: &Audience,
        options: &Options,
    ) -> Vec<FieldError> {
        let mut bad = Vec::new();
        let Some(sent) = reader.object("merge_fields") else {
            return bad;
        };
        self.merge.reserve(sent.len());
        for (tag, value) in sent {
            let Some(field) = audience.fields.iter().find(|field| field.tag == *tag) else {
                continue;
            };
            match values::read(field, value, options) {
                Ok(write) => self.merge.push((field.merge_id, write)),
                Err(Bad::Value(message)) => bad.push(FieldError::new(tag.as_str(), message)),
                Err(Bad::Schema) => reader.error(
                    &format!("merge_fields.{tag}"),
                    "Data did not match any of the schemas described in anyOf.",
                ),
            }
        }
        bad
    }

    fn read_interests(&mut self, reader: &mut Reader<'_>, audience: &Audience) {
        let Some(sent) = reader.object("interests") else {
            return;
        };
        for (id, value) in sent {
            let field = format!("interests.{id}");
            if !audience.interests.iter().any(|interest| interest.id == *id) {
                reader.error(&field, "There is no interest with this id in this list.");
            } else if let Some(on) = value.as_bool() {
                self.interests.push((id.clone(), on));
            } else {
                reader.error(&field, describes("boolean", value));
            }
        }
    }

    fn read_permissions(&mut self, reader: &mut Reader<'_>, audience: &Audience) {
        for item in reader.array("marketing_permissions").unwrap_or_default() {
            let id = item.get("marketing_permission_id").and_then(Value::as_str);
            let on = item.get("enabled").and_then(Value::as_bool);
            let known = |id: &str| audience.permissions.iter().any(|known| known.id == id);
            match (id, on) {
                (Some(id), Some(on)) if known(id) => self.permissions.push((id.to_owned(), on)),
                _ => reader.error(
                    "marketing_permissions",
                    "Each item needs the id of a permission of this list and enabled.",
                ),
            }
        }
    }
}

/// Numbers, or numbers in strings.
fn location(reader: &mut Reader<'_>) -> Option<Location> {
    let sent = reader.object("location")?;
    let part = |name: &str| match sent.get(name) {
        None => Some(0.0),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        Some(_) => None,
    };
    let (latitude, longitude) = (part("latitude"), part("longitude"));
    match (latitude, longitude) {
        (Some(latitude), Some(longitude)) => Some(Location { latitude, longitude }),
        _ => {
            reader.error("location", "Schema describes number");
            None
        }
    }
}
