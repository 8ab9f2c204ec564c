//! Merge fields: what an audience knows about its members.

use serde::{Deserialize, Serialize};

/// Number of a merge field within its audience; never reused.
pub(super) type MergeId = u32;

/// What values a merge field takes. It cannot be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MergeType {
    /// Text of up to 255 bytes.
    #[default]
    Text,
    /// A number.
    Number,
    /// A postal address.
    Address,
    /// A telephone number.
    Phone,
    /// A day.
    Date,
    /// An absolute address on the web.
    Url,
    /// An absolute address of an image.
    #[serde(rename = "imageurl")]
    ImageUrl,
    /// One of several choices.
    Radio,
    /// One of several choices.
    Dropdown,
    /// A month and a day.
    Birthday,
    /// Five digits.
    Zip,
}

impl MergeType {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "text" => MergeType::Text,
            "number" => MergeType::Number,
            "address" => MergeType::Address,
            "phone" => MergeType::Phone,
            "date" => MergeType::Date,
            "url" => MergeType::Url,
            "imageurl" => MergeType::ImageUrl,
            "radio" => MergeType::Radio,
            "dropdown" => MergeType::Dropdown,
            "birthday" => MergeType::Birthday,
            "zip" => MergeType::Zip,
            _ => return None,
        })
    }

    pub(super) fn has_choices(self) -> bool {
        matches!(self, MergeType::Radio | MergeType::Dropdown)
    }
}

/// What a type leaves open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeOptions {
    /// Country of addresses that name none, by the vendor's numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_country: Option<u64>,
    /// `US`, or `none` for any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_format: Option<String>,
    /// How dates are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_format: Option<String>,
    /// The choices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<String>>,
    /// Width of a form's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl MergeOptions {
    /// What a type has when nothing is said.
    pub(super) fn fill(&mut self, kind: MergeType) {
        let asked = std::mem::take(self);
        *self = match kind {
            MergeType::Text => Self {
                size: asked.size.or(Some(25)),
                ..Self::default()
            },
            MergeType::Address => Self {
                default_country: asked.default_country.or(Some(UNITED_STATES)),
                ..Self::default()
            },
            MergeType::Phone => Self {
                phone_format: asked.phone_format.or_else(|| Some("none".into())),
                ..Self::default()
            },
            MergeType::Date => Self {
                date_format: asked.date_format.or_else(|| Some("MM/DD/YYYY".into())),
                ..Self::default()
            },
            MergeType::Birthday => Self {
                date_format: asked.date_format.or_else(|| Some("MM/DD".into())),
                ..Self::default()
            },
            MergeType::Radio | MergeType::Dropdown => Self {
                choices: asked.choices.or_else(|| Some(Vec::new())),
                ..Self::default()
            },
            MergeType::Number | MergeType::Url | MergeType::ImageUrl | MergeType::Zip => Self::default(),
        };
    }
}

/// The vendor's number for the United States.
const UNITED_STATES: u64 = 164;

/// One merge field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeField {
    /// Its number.
    pub merge_id: u32,
    /// Its name in requests, in capitals.
    pub tag: String,
    /// Its name for people.
    pub name: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: MergeType,
    /// Whether every member needs a value.
    pub required: bool,
    /// What campaigns show instead of nothing.
    pub default_value: String,
    /// Whether forms show it.
    pub public: bool,
    /// Its place in forms.
    pub display_order: u64,
    /// What its type leaves open.
    pub options: MergeOptions,
    /// What forms say about it.
    pub help_text: String,
}

impl MergeField {
    /// A field that is not required.
    pub fn new(tag: &str, name: &str, kind: MergeType) -> Self {
        let mut options = MergeOptions::default();
        options.fill(kind);
        Self {
            tag: tag.into(),
            name: name.into(),
            kind,
            options,
            ..Self::default()
        }
    }

    /// Every member needs a value.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The choices of a `radio` or `dropdown` field.
    #[must_use]
    pub fn choices(mut self, choices: &[&str]) -> Self {
        self.options.choices = Some(choices.iter().map(|choice| (*choice).into()).collect());
        self
    }
}

/// The fields of a new audience, as the vendor makes them.
pub(super) fn defaults() -> Vec<MergeField> {
    let mut fields = vec![
        MergeField::new("FNAME", "First Name", MergeType::Text),
        MergeField::new("LNAME", "Last Name", MergeType::Text),
        MergeField::new("ADDRESS", "Address", MergeType::Address),
        MergeField::new("PHONE", "Phone Number", MergeType::Phone),
    ];
    for (number, field) in (1..).zip(&mut fields) {
        field.merge_id = number;
        field.display_order = u64::from(number) + 1;
    }
    fields
}
