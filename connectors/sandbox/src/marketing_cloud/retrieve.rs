//! SOAP retrieve: data extensions, their columns and subscribers. An answer has the properties asked for and no other.

use roxmltree::Node;

use super::account::Account;
use super::extension::{Column, ColumnType, Extension};
use super::soap::{child, is, leaf, text};
use super::subscribers::Subscriber;

/// What a data extension can be asked for; the twin holds no more than some of it.
const OF_EXTENSION: [&str; 20] = [
    "ObjectID",
    "CustomerKey",
    "Name",
    "Description",
    "IsSendable",
    "IsTestable",
    "SendableDataExtensionField.Name",
    "SendableSubscriberField.Name",
    "Template.CustomerKey",
    "CategoryID",
    "DataRetentionPeriodLength",
    "DataRetentionPeriodUnitOfMeasure",
    "RowBasedRetention",
    "ResetRetentionPeriodOnImport",
    "DeleteAtEndOfRetentionPeriod",
    "RetainUntil",
    "CreatedDate",
    "ModifiedDate",
    "Status",
    "Client.ID",
];
/// What a column can be asked for.
const OF_COLUMN: [&str; 14] = [
    "ObjectID",
    "CustomerKey",
    "Name",
    "FieldType",
    "MaxLength",
    "Scale",
    "IsRequired",
    "IsPrimaryKey",
    "Ordinal",
    "DefaultValue",
    "DataExtension.CustomerKey",
    "StorageType",
    "CreatedDate",
    "ModifiedDate",
];

/// What a subscriber can be asked for.
const OF_SUBSCRIBER: [&str; 8] = [
    "ID",
    "SubscriberKey",
    "EmailAddress",
    "Status",
    "UnsubscribedDate",
    "EmailTypePreference",
    "CreatedDate",
    "Client.ID",
];

/// Answers a `RetrieveRequestMsg`.
pub(super) fn retrieve(account: &Account, unit: u64, message: Node<'_, '_>) -> String {
    let mut state = account.state();
    let id = state.uuid();
    let request = child(message, "RetrieveRequest").unwrap_or(message);
    let own = state
        .extensions
        .iter()
        .filter(|extension| extension.account == unit);
    let found = if text(request, "ObjectType") == "Subscriber" {
        subscribers(request, &state.subscribers)
    } else {
        found(request, own)
    };
    let status = found.as_ref().map_or_else(String::as_str, |_| "OK");
    let mut out = String::from("<RetrieveResponseMsg xmlns=\"http://exacttarget.com/wsdl/partnerAPI\">");
    leaf(&mut out, "OverallStatus", status);
    leaf(&mut out, "RequestID", &id);
    out + found.as_deref().unwrap_or_default() + "</RetrieveResponseMsg>"
}

/// The results; else the status that says what is wrong with the request.
fn found<'e>(
    request: Node<'_, '_>,
    extensions: impl Iterator<Item = &'e Extension>,
) -> Result<String, String> {
    let object = text(request, "ObjectType");
    let filter = child(request, "Filter");
    let mut out = String::new();
    match object.as_str() {
        "DataExtension" => {
            let wanted = Wanted::read(request, &object, &OF_EXTENSION)?;
            for extension in extensions {
                if fits(filter, &|property| of_extension(extension, property))? {
                    write_extension(&mut out, &wanted, extension);
                }
            }
        }
        "DataExtensionField" => {
            let wanted = Wanted::read(request, &object, &OF_COLUMN)?;
            for extension in extensions {
                // Columns come in no order of their own.
                for (at, column) in extension.columns.iter().enumerate().rev() {
                    if fits(filter, &|property| of_column(extension, column, property))? {
                        write_column(&mut out, &wanted, extension, at, column);
                    }
                }
            }
        }
        other => {
            return Err(format!(
                "Error: Unable to find a handler for object type: {other}. Object types are case-sensitive, check spelling."
            ));
        }
    }
    Ok(out)
}

/// The subscribers that pass the filter; else the status that says what is wrong with the request.
fn subscribers(request: Node<'_, '_>, all: &[Subscriber]) -> Result<String, String> {
    let wanted = Wanted::read(request, "Subscriber", &OF_SUBSCRIBER)?;
    let filter = child(request, "Filter");
    let mut out = String::new();
    for (at, subscriber) in all.iter().enumerate() {
        if !fits(filter, &|property| subscriber.property(property))? {
            continue;
        }
        wanted.begin(&mut out, "Subscriber", "");
        wanted.leaf(&mut out, "ID", &at.to_string());
        for property in ["EmailAddress", "SubscriberKey", "Status"] {
            wanted.leaf(
                &mut out,
                property,
                &subscriber.property(property).unwrap_or_default(),
            );
        }
        out.push_str("</Results>");
    }
    Ok(out)
}

/// The properties asked for.
struct Wanted(Vec<String>);

impl Wanted {
    fn read(request: Node<'_, '_>, object: &str, known: &[&str]) -> Result<Self, String> {
        let asked = request.children().filter(|node| is(node, "Properties"));
        let asked: Vec<String> = asked
            .filter_map(|node| node.text())
            .map(|text| text.trim().to_owned())
            .collect();
        let unknown: Vec<&str> = asked
            .iter()
            .map(String::as_str)
            .filter(|name| !known.contains(name))
            .collect();
        if unknown.is_empty() {
            return Ok(Self(asked));
        }
        Err(format!(
            "Error: The Request Property(s) {} do not match with the fields of {object} retrieve",
            unknown.join(", ")
        ))
    }

    fn has(&self, property: &str) -> bool {
        self.0.iter().any(|wanted| wanted == property)
    }

    /// Writes a property if it was asked for.
    fn leaf(&self, out: &mut String, property: &str, value: &str) {
        if self.has(property) {
            leaf(out, property, value);
        }
    }

    /// What every object begins with; its id is nil when it was not asked for.
    fn begin(&self, out: &mut String, kind: &str, id: &str) {
        out.push_str(&format!(
            "<Results xsi:type=\"{kind}\"><PartnerKey xsi:nil=\"true\" />"
        ));
        if self.has("ObjectID") {
            leaf(out, "ObjectID", id);
        } else {
            out.push_str("<ObjectID xsi:nil=\"true\" />");
        }
    }
}

/// Whether an object passes a filter: comparisons for equality, joined by AND and OR.
fn fits(filter: Option<Node<'_, '_>>, value: &impl Fn(&str) -> Option<String>) -> Result<bool, String> {
    let Some(filter) = filter else {
        return Ok(true);
    };
    if let Some(left) = child(filter, "LeftOperand") {
        let left = fits(Some(left), value)?;
        let right = fits(child(filter, "RightOperand"), value)?;
        return match text(filter, "LogicalOperator").as_str() {
            "AND" => Ok(left && right),
            "OR" => Ok(left || right),
            other => Err(format!("Error: The logical operator {other} cannot be used.")),
        };
    }
    let property = text(filter, "Property");
    let held =
        value(&property).ok_or_else(|| format!("Error: The Filter Property {property} cannot be used."))?;
    let given = filter.children().filter(|node| is(node, "Value"));
    let mut given = given.map(|node| node.text().unwrap_or_default());
    match text(filter, "SimpleOperator").as_str() {
        "equals" => Ok(given
            .next()
            .is_some_and(|given| given.eq_ignore_ascii_case(&held))),
        "notEquals" => Ok(given
            .next()
            .is_some_and(|given| !given.eq_ignore_ascii_case(&held))),
        "IN" => Ok(given.any(|given| given.eq_ignore_ascii_case(&held))),
        other => Err(format!("Error: The operator {other} cannot be used.")),
    }
}

fn word(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

fn of_extension(extension: &Extension, property: &str) -> Option<String> {
    Some(match property {
        "ObjectID" => extension.id.clone(),
        "CustomerKey" => extension.key.clone(),
        "Name" => extension.name.clone(),
        "IsSendable" => word(extension.sendable.is_some()).to_owned(),
        _ => return None,
    })
}

fn of_column(extension: &Extension, column: &Column, property: &str) -> Option<String> {
    Some(match property {
        "DataExtension.CustomerKey" => extension.key.clone(),
        "CustomerKey" => column_key(extension, column),
        "Name" => column.name.clone(),
        "IsPrimaryKey" => word(column.primary).to_owned(),
        "FieldType" => column.kind.word().to_owned(),
        _ => return None,
    })
}

fn column_key(extension: &Extension, column: &Column) -> String {
    format!("[{}].[{}]", extension.key, column.name)
}

fn write_extension(out: &mut String, wanted: &Wanted, extension: &Extension) {
    wanted.begin(out, "DataExtension", &extension.id);
    wanted.leaf(out, "CustomerKey", &extension.key);
    wanted.leaf(out, "Name", &extension.name);
    wanted.leaf(out, "IsSendable", word(extension.sendable.is_some()));
    if let Some((column, subscriber)) = &extension.sendable {
        if wanted.has("SendableDataExtensionField.Name") {
            out.push_str(
                "<SendableDataExtensionField><PartnerKey xsi:nil=\"true\" /><ObjectID xsi:nil=\"true\" />",
            );
            leaf(out, "Name", column);
            out.push_str("</SendableDataExtensionField>");
        }
        if wanted.has("SendableSubscriberField.Name") {
            out.push_str("<SendableSubscriberField>");
            leaf(out, "Name", subscriber);
            out.push_str("</SendableSubscriberField>");
        }
    }
    out.push_str("</Results>");
}

fn write_column(out: &mut String, wanted: &Wanted, extension: &Extension, at: usize, column: &Column) {
    wanted.begin(out, "DataExtensionField", &format!("{}-{at}", extension.id));
    wanted.leaf(out, "CustomerKey", &column_key(extension, column));
    wanted.leaf(out, "Name", &column.name);
    wanted.leaf(out, "DefaultValue", "");
    let length = match column.kind {
        ColumnType::EmailAddress => Some(254),
        ColumnType::Text | ColumnType::Decimal => column.length,
        _ => None,
    };
    if let Some(length) = length {
        wanted.leaf(out, "MaxLength", &length.to_string());
    }
    wanted.leaf(out, "IsRequired", word(column.required));
    wanted.leaf(out, "Ordinal", &at.to_string());
    wanted.leaf(out, "IsPrimaryKey", word(column.primary));
    wanted.leaf(out, "FieldType", column.kind.word());
    if wanted.has("DataExtension.CustomerKey") {
        out.push_str("<DataExtension><PartnerKey xsi:nil=\"true\" /><ObjectID xsi:nil=\"true\" />");
        leaf(out, "CustomerKey", &extension.key);
        out.push_str("</DataExtension>");
    }
    if matches!(column.kind, ColumnType::Number | ColumnType::Decimal) {
        wanted.leaf(out, "Scale", &column.scale.to_string());
    }
    out.push_str("</Results>");
}
