//! A data extension and its columns: found by its key, created, extended.

use outflow_sdk::destination::{Field, FieldType, MappedField};
use outflow_sdk::{ConnectorError, ErrorKind};

use crate::client::{Client, harmless, segment};
use crate::config::{NewExtension, Sendable, SubscriberField};
use crate::soap::{self, Element};
use crate::status;
use crate::values::Kind;

/// Length of key columns we create: an index takes 900 bytes.
const KEY_LENGTH: u32 = 254;
/// Length of other text columns we create: the longest there is.
const TEXT_LENGTH: u32 = 4_000;
/// Digits of number columns we create, in all and after the point.
const DIGITS: (u32, u32) = (28, 10);

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) primary: bool,
    pub(crate) has_default: bool,
}

/// A data extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    /// The external key, as Marketing Cloud spells it.
    pub(crate) key: String,
    /// Marketing Cloud's own id, unless the data extension is still to be created.
    pub(crate) id: Option<String>,
    pub(crate) columns: Vec<Column>,
    /// The column that leads to the subscriber, and what of the subscriber it holds.
    pub(crate) sendable: Option<Sendable>,
}

impl Column {
    /// A column for a mapped field that is to be created.
    pub(crate) fn planned(field: &MappedField, primary: bool, is_email: bool) -> Self {
        let kind = match field.value_type {
            _ if is_email => Kind::Email,
            _ if primary => match field.value_type {
                Some(FieldType::Number) => Kind::Decimal {
                    precision: 18,
                    scale: 0,
                },
                _ => Kind::Text(Some(KEY_LENGTH)),
            },
            Some(FieldType::Number) => Kind::Decimal {
                precision: DIGITS.0,
                scale: DIGITS.1,
            },
            Some(FieldType::Bool) => Kind::Boolean,
            Some(FieldType::Date | FieldType::Timestamp) => Kind::Date,
            _ => Kind::Text(Some(TEXT_LENGTH)),
        };
        Self {
            name: field.name.clone(),
            kind,
            required: primary,
            primary,
            has_default: false,
        }
    }

    fn read(element: &Element) -> Option<(u64, Self)> {
        let number = |name: &str| element.text_of(name).and_then(|text| text.parse::<u32>().ok());
        let is = |name: &str| {
            element
                .text_of(name)
                .is_some_and(|text| text.eq_ignore_ascii_case("true"))
        };
        let primary = is("IsPrimaryKey");
        let column = Self {
            name: element.text_of("Name")?.to_owned(),
            kind: Kind::of(
                element.text_of("FieldType")?,
                number("MaxLength"),
                number("Scale"),
            ),
            required: is("IsRequired") || primary,
            primary,
            has_default: element.text_of("DefaultValue").is_some(),
        };
        Some((number("Ordinal").map_or(u64::MAX, u64::from), column))
    }

    fn write(&self) -> String {
        let (name, length, scale) = match self.kind {
            Kind::Text(length) => ("Text", length, None),
            Kind::Number => ("Number", None, None),
            Kind::Decimal { precision, scale } => ("Decimal", Some(precision), Some(scale)),
            Kind::Date => ("Date", None, None),
            Kind::Boolean => ("Boolean", None, None),
            Kind::Email => ("EmailAddress", None, None),
            Kind::Phone => ("Phone", None, None),
            Kind::Locale => ("Locale", None, None),
        };
        let mut out = soap::leaf("Name", &self.name);
        if let Some(length) = length {
            out += &soap::leaf("MaxLength", &length.to_string());
        }
        out += &soap::leaf("IsRequired", &self.required.to_string());
        out += &soap::leaf("IsPrimaryKey", &self.primary.to_string());
        out += &soap::leaf("FieldType", name);
        if let Some(scale) = scale {
            out += &soap::leaf("Scale", &scale.to_string());
        }
        format!("<Field>{out}</Field>")
    }

    /// As `describe` shows it.
    pub(crate) fn field(&self) -> Field {
        Field {
            name: self.name.clone(),
            label: self.name.clone(),
            field_type: self.kind.field_type(),
            options: Vec::new(),
            max_length: self.kind.max_length(),
            writable: true,
            unique: self.primary,
            required: self.required,
        }
    }
}

impl Extension {
    /// The column of this name; upper and lower case count for nothing.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        let exact = self.columns.iter().find(|column| column.name == name);
        exact.or_else(|| {
            let mut columns = self.columns.iter();
            columns.find(|column| column.name.eq_ignore_ascii_case(name))
        })
    }

    /// How REST paths name the data extension. A slash in a segment is read differently on the way by
    /// one server and another, so a key that has one is left for the id.
    pub(crate) fn segment(&self) -> String {
        let is_plain = !self.key.contains(['/', '\\']);
        match &self.id {
            Some(id) if !is_plain => segment(id),
            _ => format!("key:{}", segment(&self.key)),
        }
    }

    /// The names of the primary key's columns.
    pub(crate) fn primary_key(&self) -> impl Iterator<Item = &str> {
        let primary = self.columns.iter().filter(|column| column.primary);
        primary.map(|column| column.name.as_str())
    }
}

/// The data extension with this external key.
///
/// # Errors
/// As the exchange went.
pub(crate) async fn find(client: &Client, key: &str) -> Result<Option<Extension>, ConnectorError> {
    let properties = [
        "ObjectID",
        "CustomerKey",
        "Name",
        "IsSendable",
        "SendableDataExtensionField.Name",
        "SendableSubscriberField.Name",
    ];
    let found = client
        .retrieve("DataExtension", &properties, "CustomerKey", key)
        .await?;
    let Some((found, known)) = found
        .iter()
        .find_map(|found| Some((found, found.text_of("CustomerKey")?)))
    else {
        return Ok(None);
    };
    let columns = columns(client, known).await?;
    Ok(Some(Extension {
        key: known.to_owned(),
        id: found.text_of("ObjectID").map(str::to_owned),
        columns,
        sendable: sendable(found),
    }))
}

/// How a data extension leads to its subscribers. The names of what it leads to vary between accounts:
/// `_SubscriberKey`, `Subscriber Key`, `_EmailAddress`, `Email Address`.
fn sendable(found: &Element) -> Option<Sendable> {
    let name = |part: &str| found.child(part)?.text_of("Name");
    let leads_to = name("SendableSubscriberField")?.to_lowercase();
    let subscriber = match leads_to.replace(['_', ' '], "").as_str() {
        "subscriberkey" => SubscriberField::SubscriberKey,
        "emailaddress" => SubscriberField::EmailAddress,
        _ => return None,
    };
    Some(Sendable {
        column: name("SendableDataExtensionField")?.to_owned(),
        subscriber,
    })
}

/// The key of a data extension called like this, for a hint.
pub(crate) async fn key_by_name(client: &Client, name: &str) -> Option<String> {
    let found = client
        .retrieve("DataExtension", &["CustomerKey", "Name"], "Name", name)
        .await
        .ok()?;
    found.first()?.text_of("CustomerKey").map(str::to_owned)
}

async fn columns(client: &Client, key: &str) -> Result<Vec<Column>, ConnectorError> {
    let properties = [
        "Name",
        "FieldType",
        "MaxLength",
        "Scale",
        "IsRequired",
        "IsPrimaryKey",
        "Ordinal",
        "DefaultValue",
    ];
    let found = client
        .retrieve(
            "DataExtensionField",
            &properties,
            "DataExtension.CustomerKey",
            key,
        )
        .await?;
    let mut columns: Vec<(u64, Column)> = found.iter().filter_map(Column::read).collect();
    columns.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
    Ok(columns.into_iter().map(|(_, column)| column).collect())
}

/// Creates a data extension with these columns.
///
/// # Errors
/// `Config` when Marketing Cloud refuses it, else as the exchange went.
pub(crate) async fn create(
    client: &Client,
    key: &str,
    new: &NewExtension,
    columns: &[Column],
) -> Result<(), ConnectorError> {
    let mut object = soap::leaf("CustomerKey", key) + &soap::leaf("Name", new.name.as_deref().unwrap_or(key));
    if let Some(folder) = new.folder {
        object += &soap::leaf("CategoryID", &folder.to_string());
    }
    object += &soap::leaf("IsSendable", &new.sendable.is_some().to_string());
    if let Some(sendable) = &new.sendable {
        let subscriber = match sendable.subscriber {
            SubscriberField::SubscriberKey => "Subscriber Key",
            SubscriberField::EmailAddress => "Email Address",
        };
        object += &format!(
            "<SendableDataExtensionField>{}</SendableDataExtensionField>\
             <SendableSubscriberField>{}</SendableSubscriberField>",
            soap::leaf("Name", &sendable.column),
            soap::leaf("Name", subscriber)
        );
    }
    let fields: String = columns.iter().map(Column::write).collect();
    let body = format!(
        "<CreateRequest xmlns=\"http://exacttarget.com/wsdl/partnerAPI\"><Options/>\
         <Objects xsi:type=\"DataExtension\">{object}<Fields>{fields}</Fields></Objects></CreateRequest>"
    );
    let what = format!("create the data extension `{key}`");
    change(client, "Create", "CreateResponse", &body, &what).await
}

/// Adds columns to a data extension.
///
/// # Errors
/// `Config` when Marketing Cloud refuses them, else as the exchange went.
pub(crate) async fn add(client: &Client, key: &str, columns: &[Column]) -> Result<(), ConnectorError> {
    let fields: String = columns.iter().map(Column::write).collect();
    let body = format!(
        "<UpdateRequest xmlns=\"http://exacttarget.com/wsdl/partnerAPI\"><Options/>\
         <Objects xsi:type=\"DataExtension\">{}<Fields>{fields}</Fields></Objects></UpdateRequest>",
        soap::leaf("CustomerKey", key)
    );
    let what = format!("add columns to the data extension `{key}`");
    change(client, "Update", "UpdateResponse", &body, &what).await
}

async fn change(
    client: &Client,
    action: &str,
    answer: &str,
    body: &str,
    what: &str,
) -> Result<(), ConnectorError> {
    // What was created although its answer got lost is found when this is asked again.
    let response = client.soap(action, body).await.map_err(harmless)?;
    let message = status::message(&response, answer).map_err(harmless)?;
    if message.text_of("OverallStatus") == Some("OK") {
        return Ok(());
    }
    Err(ConnectorError::new(
        ErrorKind::Config,
        "marketing_cloud_schema",
        format!("Marketing Cloud does not {what}"),
    )
    .with_hint("create it in Contact Builder, or give the installed package the scope data_extensions_write"))
}
