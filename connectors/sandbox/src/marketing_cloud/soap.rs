//! The SOAP service: retrieve, create, update, delete and perform, in any prefix and order.

use hyper::StatusCode;
use roxmltree::{Document, Node};

use crate::html::escape;
use crate::server::{Answer, Asked};

use super::account::Account;
use super::extension::{Column, ColumnType, Deleting, Extension};
use super::retrieve::retrieve;

const XML: &str = "text/xml; charset=utf-8";
/// Objects of one request.
const MOST_OBJECTS: usize = 2_500;

/// `POST /Service.asmx`.
pub(super) fn answer(account: &Account, asked: &Asked) -> Answer {
    let text = String::from_utf8_lossy(&asked.body);
    let Ok(document) = Document::parse(&text) else {
        return fault(
            StatusCode::INTERNAL_SERVER_ERROR,
            "soap:Client",
            "Unable to parse the request.",
        );
    };
    let find = |name: &str| document.descendants().find(|node| is(node, name));
    let token = find("fueloauth")
        .and_then(|node| node.text())
        .unwrap_or_default()
        .trim();
    let Some(unit) = account.opened_by(token) else {
        return expired(!token.is_empty());
    };
    let Some(message) = find("Body").and_then(|body| body.first_element_child()) else {
        return fault(
            StatusCode::INTERNAL_SERVER_ERROR,
            "soap:Client",
            "There is no body.",
        );
    };
    // Bare and quoted actions occur.
    let action = asked
        .headers
        .get("soapaction")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .trim_matches('"');
    let body = match (action, message.tag_name().name()) {
        ("Retrieve", "RetrieveRequestMsg") => retrieve(account, unit, message),
        ("Create", "CreateRequest") => create(account, unit, message),
        ("Update", "UpdateRequest") => update(account, unit, message),
        ("Delete", "DeleteRequest") => delete(account, unit, message),
        ("Perform", "PerformRequestMsg") => perform(account, unit, message),
        _ => {
            return fault(
                StatusCode::INTERNAL_SERVER_ERROR,
                "soap:Client",
                "Server did not recognize the value of HTTP Header SOAPAction, or it does not fit the message.",
            );
        }
    };
    Answer::new(StatusCode::OK, XML, envelope(&body))
}

/// The fault of a token that is not or no longer good.
pub(super) fn expired(has_token: bool) -> Answer {
    let text = if has_token {
        "Token Expired"
    } else {
        "Login Failed"
    };
    fault(StatusCode::INTERNAL_SERVER_ERROR, "q0:Security", text)
}

fn fault(status: StatusCode, code: &str, text: &str) -> Answer {
    let body = format!(
        "<soap:Fault><faultcode xmlns:q0=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">{code}</faultcode><faultstring>{text}</faultstring></soap:Fault>"
    );
    Answer::new(status, XML, envelope(&body))
}

fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:wsa=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\"><soap:Header><wsa:Action>Response</wsa:Action></soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
    )
}

/// Whether a node is an element of this local name.
pub(super) fn is(node: &Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

/// Its first child of this local name.
pub(super) fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| is(child, name))
}

/// Text of its first child of this local name, or nothing.
pub(super) fn text(node: Node<'_, '_>, name: &str) -> String {
    let found = child(node, name);
    found.and_then(|node| node.text()).unwrap_or_default().to_owned()
}

/// Writes an element with text.
pub(super) fn leaf(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    escape(out, text);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// The type `xsi:type` names, without its prefix.
fn object_type<'a>(node: Node<'a, '_>) -> &'a str {
    let mut attributes = node.attributes();
    let named = attributes
        .find(|attribute| attribute.name() == "type")
        .map_or("", |attribute| attribute.value());
    named.rsplit(':').next().unwrap_or(named)
}

/// What became of one object.
struct Done {
    error: Option<(u32, String)>,
    message: &'static str,
}

fn done(message: &'static str) -> Done {
    Done { error: None, message }
}

fn error(code: u32, text: impl Into<String>) -> Done {
    Done {
        error: Some((code, text.into())),
        message: "",
    }
}

/// The answer to a change of several objects.
fn changed(name: &str, kind: &str, id: &str, results: &[Done]) -> String {
    let failed = results.iter().filter(|done| done.error.is_some()).count();
    let overall = match failed {
        0 => "OK",
        failed if failed == results.len() => "Error",
        _ => "Has Errors",
    };
    let mut out = format!("<{name} xmlns=\"http://exacttarget.com/wsdl/partnerAPI\">");
    for (ordinal, one) in results.iter().enumerate() {
        out.push_str(&format!("<Results xsi:type=\"{kind}\">"));
        match &one.error {
            None => {
                leaf(&mut out, "StatusCode", "OK");
                leaf(&mut out, "StatusMessage", one.message);
            }
            Some((_, text)) => {
                leaf(&mut out, "StatusCode", "Error");
                leaf(&mut out, "StatusMessage", text);
            }
        }
        leaf(&mut out, "OrdinalID", &ordinal.to_string());
        if let Some((code, _)) = &one.error {
            leaf(&mut out, "ErrorCode", &code.to_string());
        }
        out.push_str("</Results>");
    }
    leaf(&mut out, "RequestID", id);
    leaf(&mut out, "OverallStatus", overall);
    out + &format!("</{name}>")
}

fn objects<'a, 'i>(message: Node<'a, 'i>) -> Vec<Node<'a, 'i>> {
    message
        .children()
        .filter(|node| is(node, "Objects"))
        .take(MOST_OBJECTS)
        .collect()
}

fn create(account: &Account, unit: u64, message: Node<'_, '_>) -> String {
    let mut state = account.state();
    let request = state.uuid();
    let mut results = Vec::new();
    for object in objects(message) {
        if object_type(object) != "DataExtension" {
            results.push(error(2, "Only data extensions can be created here."));
            continue;
        }
        let (key, name) = (text(object, "CustomerKey"), text(object, "Name"));
        if state.extension(unit, &key).is_some() || key.is_empty() || name.is_empty() {
            results.push(error(310_000, "Updating an existing Data Extension definition when doing an add-only operation is not allowed."));
            continue;
        }
        match fields_of(object) {
            Ok(columns) if !columns.is_empty() => {
                let id = state.uuid();
                let mut extension = Extension::new(id, &key, &name, unit, columns);
                let named = |name: &str| child(object, name).map(|node| text(node, "Name"));
                extension.sendable =
                    named("SendableDataExtensionField").zip(named("SendableSubscriberField"));
                state.extensions.push(extension);
                results.push(done("Data Extension created."));
            }
            Ok(_) => results.push(error(310_001, "A data extension needs fields.")),
            Err(text) => results.push(error(310_002, text)),
        }
    }
    changed("CreateResponse", "DataExtensionCreateResult", &request, &results)
}

fn fields_of(object: Node<'_, '_>) -> Result<Vec<Column>, String> {
    let mut columns: Vec<Column> = Vec::new();
    for field in child(object, "Fields")
        .iter()
        .flat_map(|fields| fields.children())
        .filter(|node| is(node, "Field"))
    {
        let name = text(field, "Name");
        let kind =
            ColumnType::parse(&text(field, "FieldType")).ok_or_else(|| format!("Unknown type of {name}."))?;
        let flag = |name: &str| text(field, name).eq_ignore_ascii_case("true");
        let primary = flag("IsPrimaryKey");
        if name.is_empty()
            || name.starts_with('_')
            || columns.iter().any(|known| known.name.eq_ignore_ascii_case(&name))
        {
            return Err(format!("The name {name} cannot be used."));
        }
        let length = text(field, "MaxLength").parse().ok();
        let too_long = kind == ColumnType::Text && length.is_some_and(|length| length > 4_000);
        if too_long || (primary && kind == ColumnType::Text && length.is_none()) {
            return Err(format!("The length of {name} cannot be used."));
        }
        columns.push(Column {
            name,
            kind,
            length,
            scale: text(field, "Scale").parse().unwrap_or(0),
            required: flag("IsRequired") || primary,
            primary,
        });
    }
    Ok(columns)
}

fn update(account: &Account, unit: u64, message: Node<'_, '_>) -> String {
    let mut state = account.state();
    let id = state.uuid();
    let mut results = Vec::new();
    for object in objects(message) {
        let key = text(object, "CustomerKey");
        let fields = fields_of(object);
        results.push(match (state.extension(unit, &key), fields) {
            (None, _) => error(310_003, "The data extension does not exist."),
            (_, Err(text)) => error(310_002, text),
            (Some(extension), Ok(columns)) => {
                let rows = extension.count() > 0;
                if columns
                    .iter()
                    .any(|column| column.primary || (column.required && rows))
                {
                    error(310_004, "A field that rows must have cannot be added.")
                } else {
                    for column in columns {
                        if extension.column(&column.name).is_none() {
                            extension.add(column);
                        }
                    }
                    done("Data Extension updated.")
                }
            }
        });
    }
    changed("UpdateResponse", "DataExtensionUpdateResult", &id, &results)
}

fn delete(account: &Account, unit: u64, message: Node<'_, '_>) -> String {
    let mut state = account.state();
    let id = state.uuid();
    let mut results = Vec::new();
    for object in objects(message) {
        if object_type(object) != "DataExtensionObject" {
            results.push(error(2, "Only rows can be deleted here."));
            continue;
        }
        let keys: Vec<(String, String)> = child(object, "Keys")
            .iter()
            .flat_map(|keys| keys.children())
            .filter(|node| is(node, "Key"))
            .map(|node| (text(node, "Name"), text(node, "Value")))
            .collect();
        results.push(match state.extension(unit, &text(object, "CustomerKey")) {
            None => error(310_003, "The data extension does not exist."),
            Some(extension) => match extension.delete(&keys) {
                Ok(()) => done("Deleted DataExtensionObject"),
                Err(Deleting::NotFound) => error(310_007, "No matching row found / invalid key"),
                Err(Deleting::Key) => error(310_005, "All primary key fields must be given."),
            },
        });
    }
    changed("DeleteResponse", "DataExtensionDeleteResult", &id, &results)
}

fn perform(account: &Account, unit: u64, message: Node<'_, '_>) -> String {
    let mut state = account.state();
    let id = state.uuid();
    let definition = message.descendants().find(|node| is(node, "Definition"));
    let key = definition
        .map(|node| text(node, "CustomerKey"))
        .unwrap_or_default();
    let cleared = match state
        .extension(unit, &key)
        .filter(|_| text(message, "Action") == "ClearData")
    {
        Some(extension) => {
            extension.clear();
            true
        }
        None => false,
    };
    let status = if cleared { "OK" } else { "Error" };
    let mut out = String::from(
        "<PerformResponseMsg xmlns=\"http://exacttarget.com/wsdl/partnerAPI\"><Results><Result>",
    );
    leaf(&mut out, "StatusCode", status);
    out.push_str("</Result></Results>");
    leaf(&mut out, "OverallStatus", status);
    leaf(&mut out, "OverallStatusMessage", "");
    leaf(&mut out, "RequestID", &id);
    out + "</PerformResponseMsg>"
}
