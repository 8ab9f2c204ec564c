//! A mapping file as it is written: the types that are decoded, and whose doc comments are the JSON
//! Schema and the reference page.
//!
//! Everything is optional to the decoder, so that one missing or wrong key does not hide what else
//! is wrong; the schema says what is required.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use outflow_sdk::destination::{Mode, Removed};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::forms::{Interval, Limit};
use super::model::{NullPolicy, Priority};
use outflow_sdk::cast::Cast;

/// One sync: a model, the object it keeps equal at a destination, and how. One file per sync in
/// `mappings/`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MappingFile {
    /// The sync's name, unique in the project: letters, digits, `_` and `-`. Its state goes by
    /// this name; a renamed sync starts anew.
    #[schemars(required, example = &"customers_to_crm")]
    pub(crate) sync: Option<String>,
    /// The source to read from, as `outflow.yaml` names it.
    #[schemars(required, example = &"warehouse")]
    pub(crate) source: Option<String>,
    /// The rows: one of `sql`, `file` and `table`.
    #[schemars(required)]
    pub(crate) model: Option<ModelKeys>,
    /// Values that the model's SQL names as `{{ name }}`: text, numbers, `true` or `false`. They are put
    /// in as SQL writes them, text in quotes. `{{ last_success }}` needs no entry: it is the time, as ISO
    /// text in UTC, at which the last run began that left nothing undone, and `1970-01-01T00:00:00Z`
    /// before it and after any change of the mapping.
    pub(crate) vars: Option<BTreeMap<String, Constant>>,
    /// The column, or list of columns, that identifies a row for good. Not an e-mail address: those
    /// change.
    #[schemars(required, example = &"customer_id")]
    pub(crate) key: Option<Names>,
    /// The destination to write to, as `outflow.yaml` names it.
    #[schemars(required, example = &"crm")]
    pub(crate) destination: Option<String>,
    /// The kind of record at the destination, such as HubSpot's `contacts`, `companies` or a custom
    /// object type.
    #[schemars(required, example = &"contacts")]
    pub(crate) object: Option<String>,
    /// The destination field, or list of fields, that identifies a record there. Each must be mapped.
    #[serde(rename = "match")]
    #[schemars(required, example = &"email")]
    pub(crate) match_fields: Option<Names>,
    /// What may be done with records.
    #[schemars(extend("default" = "upsert"))]
    pub(crate) mode: Option<Mode>,
    /// What happens to a record whose row left the model. Required in mode `mirror`, an error in
    /// every other mode.
    pub(crate) removed: Option<Removed>,
    /// When `outflow serve` runs the sync. Without a daemon your own scheduler starts `outflow run`.
    #[schemars(extend("default" = "manual"))]
    pub(crate) schedule: Option<ScheduleEntry>,
    /// Which of several syncs that are due at once `outflow serve` runs first.
    #[schemars(extend("default" = "normal"))]
    pub(crate) priority: Option<Priority>,
    /// How long after a run last went through the sync counts as late, and `alerts` say so. By default
    /// half an interval after it was due, at least 5 minutes and at most an hour; never for a sync that
    /// the clock does not start.
    #[schemars(example = &"3h")]
    pub(crate) late_after: Option<Interval>,
    /// The destination's fields and where their values come from: `FIELD: COLUMN`, or a map.
    #[schemars(required)]
    pub(crate) fields: Option<Fields>,
    /// What must hold before anything is written.
    pub(crate) guards: Option<GuardKeys>,
}

/// Where the rows come from: exactly one of the keys.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelKeys {
    /// One SQL statement in the source's own dialect. It only reads.
    #[schemars(example = &"select * from customers where deleted_at is null")]
    pub(crate) sql: Option<String>,
    /// A file with one SQL statement; a relative path starts at this mapping file.
    #[schemars(example = &"../models/customers.sql")]
    pub(crate) file: Option<String>,
    /// A table or view by name.
    #[schemars(example = &"analytics.customers")]
    pub(crate) table: Option<String>,
}

/// When a sync runs, written as a map: exactly one of `every`, `cron` and `after`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleKeys {
    /// So long after the last start; at once when the daemon starts for the first time.
    pub(crate) every: Option<Interval>,
    /// A cron expression of five fields, or a word such as `@daily`. Where daylight saving time skips
    /// a time of day, it is due right after the gap; where a time of day comes twice, the first counts.
    #[schemars(example = &"30 6 * * 1-5")]
    pub(crate) cron: Option<String>,
    /// The time zone of `cron`, by its IANA name.
    #[schemars(example = &"Europe/Berlin", extend("default" = "UTC"))]
    pub(crate) time_zone: Option<String>,
    /// The sync, or list of syncs, after which this one runs: when each of them has gone through, with
    /// or without rejects, since this one last started.
    pub(crate) after: Option<Names>,
}

/// What must hold before anything is written. A guard that does not hold stops the run with exit
/// code 6 and changes nothing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuardKeys {
    /// The most rows that may leave the model in one run: a number, or a share of the known rows
    /// such as `5%`. Without it, more than 100 rows and 5 % stop the run.
    pub(crate) max_removed: Option<Limit>,
    /// The fewest rows the model must have.
    pub(crate) min_rows: Option<u64>,
}

/// One destination field, written as a map: exactly one of `column`, `value` and `template`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldKeys {
    /// The column that holds the value.
    #[schemars(length(min = 1))]
    pub(crate) column: Option<String>,
    /// The same value for every row: text, a number, `true` or `false`.
    pub(crate) value: Option<Constant>,
    /// Text made from columns, in Jinja's syntax.
    #[schemars(example = &"{{ first_name }} {{ last_name }}")]
    pub(crate) template: Option<String>,
    /// The kind the value is turned into. A value that cannot be turned rejects its row.
    #[serde(rename = "as")]
    pub(crate) cast: Option<Cast>,
    /// Digits after the point; rounds half away from zero. Belongs to `as: number`.
    #[schemars(range(max = 38))]
    pub(crate) scale: Option<u8>,
    /// What a NULL does.
    #[schemars(extend("default" = "clear"))]
    pub(crate) null: Option<NullPolicy>,
}

/// A name or a list of names.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Names(pub(crate) Vec<String>);

/// `schedule:`, a word or cron expression, or a map.
#[derive(Debug)]
pub(crate) enum ScheduleEntry {
    Text(String),
    Keys(ScheduleKeys),
}

/// One of `fields:`, a column's name or a map.
#[derive(Debug)]
pub(crate) enum FieldEntry {
    Column(String),
    Keys(FieldKeys),
}

/// `fields:` in the file's order.
#[derive(Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<(String, FieldEntry)>);

/// A constant. Its exact text is read from the file: a JSON number would round it.
#[derive(Debug)]
pub(crate) struct Constant;

impl<'de> Deserialize<'de> for Constant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Constant)
    }
}

impl JsonSchema for Constant {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Constant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Names;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name or a list of names")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Names, E> {
                Ok(Names(vec![name.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Names, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(Names)
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for Names {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Names".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1, "maxItems": 100 },
            ]
        })
    }
}

impl<'de> Deserialize<'de> for ScheduleEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrKeys;
        impl<'de> Visitor<'de> for TextOrKeys {
            type Value = ScheduleEntry;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a schedule")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<ScheduleEntry, E> {
                Ok(ScheduleEntry::Text(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ScheduleEntry, A::Error> {
                ScheduleKeys::deserialize(MapAccessDeserializer::new(map)).map(ScheduleEntry::Keys)
            }
        }
        deserializer.deserialize_any(TextOrKeys)
    }
}

impl JsonSchema for ScheduleEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Schedule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = generator.subschema_for::<ScheduleKeys>();
        json_schema!({
            "oneOf": [
                {
                    "type": "string",
                    "description": "`manual`, a cron expression of five fields (UTC), or `@hourly`, `@daily`, `@weekly`, `@monthly`",
                    "examples": ["@hourly", "30 6 * * 1-5", "manual"],
                },
                keys,
            ]
        })
    }
}

impl<'de> Deserialize<'de> for FieldEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ColumnOrKeys;
        impl<'de> Visitor<'de> for ColumnOrKeys {
            type Value = FieldEntry;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a column or a map")
            }
            fn visit_str<E: Error>(self, column: &str) -> Result<FieldEntry, E> {
                Ok(FieldEntry::Column(column.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FieldEntry, A::Error> {
                FieldKeys::deserialize(MapAccessDeserializer::new(map)).map(FieldEntry::Keys)
            }
        }
        deserializer.deserialize_any(ColumnOrKeys)
    }
}

impl JsonSchema for FieldEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Field".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = generator.subschema_for::<FieldKeys>();
        json_schema!({
            "oneOf": [{ "type": "string", "minLength": 1, "description": "A column." }, keys]
        })
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of fields")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl JsonSchema for Fields {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Fields".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let field = generator.subschema_for::<FieldEntry>();
        json_schema!({ "type": "object", "additionalProperties": field, "minProperties": 1 })
    }
}
