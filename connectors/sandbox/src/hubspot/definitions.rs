//! Property definitions: what fields an object type has and what values they take.

use foldhash::HashMap;
use serde::{Deserialize, Serialize};

/// Type of a property's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PropertyType {
    /// Text of at most 65,536 characters.
    String,
    /// A decimal number.
    Number,
    /// `true` or `false`.
    Bool,
    /// One option, or several if the field type is `checkbox`.
    Enumeration,
    /// A calendar date.
    Date,
    /// An instant.
    Datetime,
    /// A phone number; any text.
    PhoneNumber,
}

impl PropertyType {
    /// Field types the vendor allows for it.
    pub(super) fn field_types(self) -> &'static [&'static str] {
        match self {
            PropertyType::String => &[
                "text",
                "textarea",
                "html",
                "file",
                "phonenumber",
                "calculation_equation",
            ],
            PropertyType::PhoneNumber => &["phonenumber"],
            PropertyType::Number => &["number", "calculation_equation"],
            PropertyType::Bool => &["booleancheckbox", "calculation_equation"],
            PropertyType::Enumeration => &[
                "select",
                "radio",
                "checkbox",
                "booleancheckbox",
                "calculation_equation",
            ],
            PropertyType::Date | PropertyType::Datetime => &["date"],
        }
    }
}

/// One option of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyOption {
    /// What people see.
    pub label: String,
    /// What values carry.
    pub value: String,
    /// Place in the list.
    #[serde(default)]
    pub display_order: i32,
    /// Whether forms hide it.
    #[serde(default)]
    pub hidden: bool,
    /// Description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What may be changed about a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModificationMetadata {
    /// Whether it can be archived.
    pub archivable: bool,
    /// Whether its definition is fixed.
    pub read_only_definition: bool,
    /// Whether its values are set by the vendor alone.
    pub read_only_value: bool,
    /// Whether its options are fixed.
    pub read_only_options: bool,
}

/// A property definition, in the form the API gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Property {
    /// Internal name.
    pub name: String,
    /// What people see.
    pub label: String,
    /// Type of its values.
    #[serde(rename = "type")]
    pub value_type: PropertyType,
    /// Form control, which also tells single from multiple choice.
    pub field_type: String,
    /// Description.
    pub description: String,
    /// Group it is shown in.
    pub group_name: String,
    /// Options of an enumeration.
    pub options: Vec<PropertyOption>,
    /// Place in its group.
    pub display_order: i32,
    /// Whether the vendor calculates it.
    pub calculated: bool,
    /// Whether options come from elsewhere.
    pub external_options: bool,
    /// Whether no two records may have the same value.
    pub has_unique_value: bool,
    /// Whether it is hidden in the vendor's pages.
    pub hidden: bool,
    /// Whether it is one of the vendor's own.
    pub hubspot_defined: bool,
    /// Whether forms may use it.
    pub form_field: bool,
    /// Sensitivity of its values.
    pub data_sensitivity: String,
    /// Whether it is archived.
    pub archived: bool,
    /// When it was archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<String>,
    /// When it was created.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// What may be changed.
    pub modification_metadata: ModificationMetadata,
}

impl Property {
    /// A custom property of this type with the usual form control.
    pub fn new(name: impl Into<String>, value_type: PropertyType) -> Self {
        let name = name.into();
        let field_type = match value_type {
            PropertyType::String => "text",
            PropertyType::Number => "number",
            PropertyType::Bool => "booleancheckbox",
            PropertyType::Enumeration => "select",
            PropertyType::Date | PropertyType::Datetime => "date",
            PropertyType::PhoneNumber => "phonenumber",
        };
        Self {
            label: name.clone(),
            name,
            value_type,
            field_type: field_type.into(),
            description: String::new(),
            group_name: String::new(),
            options: Vec::new(),
            display_order: -1,
            calculated: false,
            external_options: false,
            has_unique_value: false,
            hidden: false,
            hubspot_defined: false,
            form_field: false,
            data_sensitivity: "non_sensitive".into(),
            archived: false,
            archived_at: None,
            created_at: String::new(),
            updated_at: String::new(),
            modification_metadata: ModificationMetadata {
                archivable: true,
                read_only_definition: false,
                read_only_value: false,
                read_only_options: false,
            },
        }
    }

    /// A text property.
    pub fn text(name: impl Into<String>) -> Self {
        Self::new(name, PropertyType::String)
    }

    /// A number property.
    pub fn number(name: impl Into<String>) -> Self {
        Self::new(name, PropertyType::Number)
    }

    /// A text property whose values identify records.
    pub fn unique(name: impl Into<String>) -> Self {
        Self {
            has_unique_value: true,
            ..Self::text(name)
        }
    }

    /// A single choice; labels are the values with a capital letter.
    pub fn choice(name: impl Into<String>, values: &[&str]) -> Self {
        Self {
            options: options(values),
            ..Self::new(name, PropertyType::Enumeration)
        }
    }

    /// A multiple choice.
    pub fn choices(name: impl Into<String>, values: &[&str]) -> Self {
        Self {
            field_type: "checkbox".into(),
            ..Self::choice(name, values)
        }
    }

    /// Sets the label.
    #[must_use]
    pub fn labelled(mut self, label: &str) -> Self {
        self.label = label.into();
        self
    }

    /// Makes the values the vendor's own to set.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.modification_metadata.read_only_value = true;
        self
    }

    /// Whether several options may be chosen.
    pub fn is_multiple(&self) -> bool {
        self.value_type == PropertyType::Enumeration && self.field_type == "checkbox"
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.calculated || self.modification_metadata.read_only_value
    }
}

fn options(values: &[&str]) -> Vec<PropertyOption> {
    (0i32..)
        .zip(values)
        .map(|(display_order, value)| {
            let mut letters = value.chars();
            let label = letters
                .next()
                .map(|first| first.to_uppercase().chain(letters).collect())
                .unwrap_or_default();
            PropertyOption {
                label,
                value: (*value).into(),
                display_order,
                hidden: false,
                description: None,
            }
        })
        .collect()
}

/// A group of properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) display_order: i32,
    pub(super) archived: bool,
}

/// A value the twin derives instead of storing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Derived {
    Created,
    Modified,
    Id,
    Source,
    SourceId,
    SourceLabel,
}

fn derived(name: &str) -> Option<Derived> {
    Some(match name {
        "createdate" | "hs_createdate" => Derived::Created,
        "lastmodifieddate" | "hs_lastmodifieddate" => Derived::Modified,
        "hs_object_id" | "hs_all_contact_vids" => Derived::Id,
        "hs_object_source" => Derived::Source,
        "hs_object_source_id" => Derived::SourceId,
        "hs_object_source_label" => Derived::SourceLabel,
        _ => return None,
    })
}

/// Number of a property within its object type; never reused.
pub(super) type PropertyId = u16;

#[derive(Clone, Debug)]
struct Entry {
    property: Property,
    derived: Option<Derived>,
    member: Box<str>,
}

/// The properties of one object type, archived ones included.
#[derive(Clone, Debug, Default)]
pub(super) struct Definitions {
    all: Vec<Entry>,
    by_name: HashMap<String, PropertyId>,
    pub(super) groups: Vec<Group>,
}

impl Definitions {
    /// Adds a definition, or replaces the one of that name in place.
    pub(super) fn put(&mut self, property: Property) -> PropertyId {
        if let Some(&id) = self.by_name.get(&property.name) {
            if let Some(entry) = self.all.get_mut(usize::from(id)) {
                entry.property = property;
            }
            return id;
        }
        let id = PropertyId::try_from(self.all.len()).unwrap_or(PropertyId::MAX);
        self.by_name.insert(property.name.clone(), id);
        let derived = derived(&property.name).filter(|_| property.hubspot_defined);
        // Names are lower-case letters, digits and underscores: nothing to escape.
        let member = format!(",\"{}\":\"", property.name).into_boxed_str();
        self.all.push(Entry {
            property,
            derived,
            member,
        });
        id
    }

    /// The number of a property, archived or not.
    pub(super) fn find(&self, name: &str) -> Option<PropertyId> {
        self.by_name.get(name).copied()
    }

    /// The number and definition of a property in use.
    pub(super) fn live(&self, name: &str) -> Option<(PropertyId, &Property)> {
        let id = self.find(name)?;
        self.get(id)
            .filter(|property| !property.archived)
            .map(|property| (id, property))
    }

    #[inline]
    pub(super) fn get(&self, id: PropertyId) -> Option<&Property> {
        self.all.get(usize::from(id)).map(|entry| &entry.property)
    }

    pub(super) fn get_mut(&mut self, id: PropertyId) -> Option<&mut Property> {
        self.all.get_mut(usize::from(id)).map(|entry| &mut entry.property)
    }

    #[inline]
    pub(super) fn derived(&self, id: PropertyId) -> Option<Derived> {
        self.all.get(usize::from(id)).and_then(|entry| entry.derived)
    }

    pub(super) fn name(&self, id: PropertyId) -> &str {
        self.get(id).map_or("", |property| &property.name)
    }

    /// How an answer begins a member with a text: `,"name":"`.
    #[inline]
    pub(super) fn member(&self, id: PropertyId) -> &str {
        self.all.get(usize::from(id)).map_or("", |entry| &entry.member)
    }

    /// How many there are; numbers are below.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Property> {
        self.all.iter().map(|entry| &entry.property)
    }
}
