//! SOAP: envelopes for Marketing Cloud's partner API, and its answers as trees of local names.
//!
//! Prefixes and the order of header and body vary between servers, so answers are read by local
//! name. Nothing of an answer is trusted to be small, shallow or well-formed.

use std::borrow::Cow;

use outflow_sdk::secret::Secret;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

/// Deepest nesting that is read.
const DEEPEST: usize = 64;

/// Most elements that are read: a full page of 2,500 objects has some ten thousands.
const MOST: usize = 200_000;

/// One element of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its name without prefix.
    pub(crate) name: String,
    /// Its text, that of its children left out.
    pub(crate) text: String,
    /// Its children.
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name; none when it is empty or not there.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        let text = self.child(name)?.text.trim();
        (!text.is_empty()).then_some(text)
    }

    /// All children of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// The body of an answer; none when it is no SOAP envelope.
pub(crate) fn body(bytes: &[u8]) -> Option<Element> {
    let mut envelope = parse(bytes)?;
    if envelope.name != "Envelope" {
        return None;
    }
    let at = envelope.children.iter().position(|child| child.name == "Body")?;
    Some(envelope.children.swap_remove(at))
}

fn parse(bytes: &[u8]) -> Option<Element> {
    let mut reader = Reader::from_reader(bytes);
    let mut open: Vec<Element> = vec![Element::default()];
    let mut count = 0usize;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                count += 1;
                if open.len() > DEEPEST || count > MOST {
                    return None;
                }
                open.push(element(&start));
            }
            Event::Empty(start) => {
                count += 1;
                if count > MOST {
                    return None;
                }
                open.last_mut()?.children.push(element(&start));
            }
            Event::End(_) => {
                let done = open.pop()?;
                open.last_mut()?.children.push(done);
            }
            Event::Text(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
            Event::CData(text) => open.last_mut()?.text.push_str(&text.decode().ok()?),
            Event::GeneralRef(reference) => open.last_mut()?.text.push_str(&resolved(&reference)?),
            // A document type could define entities that grow without end.
            Event::DocType(_) => return None,
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
    let root = open.pop()?;
    if !open.is_empty() {
        return None;
    }
    root.children.into_iter().next()
}

fn element(start: &BytesStart<'_>) -> Element {
    Element {
        name: String::from_utf8_lossy(start.local_name().as_ref()).into_owned(),
        ..Element::default()
    }
}

fn resolved(reference: &BytesRef<'_>) -> Option<Cow<'static, str>> {
    if let Some(character) = reference.resolve_char_ref().ok()? {
        return Some(character.to_string().into());
    }
    let name = reference.decode().ok()?;
    resolve_predefined_entity(&name).map(Cow::Borrowed)
}

/// Whether XML 1.0 can hold the text.
pub(crate) fn can_hold(text: &str) -> bool {
    text.chars().all(
        |c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..),
    )
}

/// `text` as the content of an element.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    quick_xml::escape::escape(text)
}

/// An element with text.
pub(crate) fn leaf(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

/// An envelope around a body, with the token that opens it.
pub(crate) fn envelope(token: &Secret, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <s:Header><fueloauth xmlns=\"http://exacttarget.com\">{}</fueloauth></s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>",
        escape(token.expose())
    )
}

/// A request for objects whose property equals one of some values.
pub(crate) fn retrieve(object: &str, properties: &[&str], property: &str, values: &[&str]) -> String {
    let properties: String = properties.iter().map(|name| leaf("Properties", name)).collect();
    let operator = if values.len() == 1 { "equals" } else { "IN" };
    let values: String = values.iter().map(|value| leaf("Value", value)).collect();
    format!(
        "<RetrieveRequestMsg xmlns=\"http://exacttarget.com/wsdl/partnerAPI\"><RetrieveRequest>{}{properties}\
         <Filter xsi:type=\"SimpleFilterPart\">{}<SimpleOperator>{operator}</SimpleOperator>{values}</Filter>\
         </RetrieveRequest></RetrieveRequestMsg>",
        leaf("ObjectType", object),
        leaf("Property", property)
    )
}

/// A request for the next page of an earlier one.
pub(crate) fn retrieve_more(object: &str, request_id: &str) -> String {
    format!(
        "<RetrieveRequestMsg xmlns=\"http://exacttarget.com/wsdl/partnerAPI\"><RetrieveRequest>{}{}\
         </RetrieveRequest></RetrieveRequestMsg>",
        leaf("ContinueRequest", request_id),
        leaf("ObjectType", object)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_answer_is_read_by_local_names_whatever_its_prefixes_and_order() {
        for text in [
            "<soap:Envelope xmlns:soap='x'><soap:Body><R><S>a &amp; b&#33;</S></R></soap:Body></soap:Envelope>",
            "<e:Envelope><e:Body><n:R xmlns:n='y'><n:S><![CDATA[a & b!]]></n:S></n:R></e:Body><e:Header/></e:Envelope>",
        ] {
            let body = body(text.as_bytes()).unwrap();
            assert_eq!(body.child("R").unwrap().text_of("S"), Some("a & b!"));
            assert_eq!(body.child("R").unwrap().text_of("T"), None);
        }
    }

    #[test]
    fn what_is_no_envelope_is_none() {
        let deep = "<Envelope><Body>".to_owned() + &"<a>".repeat(100);
        for text in [
            "",
            "{}",
            "<html></html>",
            "<Envelope>",
            "<Envelope/>",
            "<Envelope><Body></Envelope>",
            "<!DOCTYPE x [<!ENTITY a 'b'>]><Envelope><Body>&a;</Body></Envelope>",
            "<Envelope><Body>&unknown;</Body></Envelope>",
            "\u{0}\u{1}",
            &deep,
        ] {
            assert_eq!(body(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn an_answer_of_endless_elements_is_not_read_to_its_end() {
        let many = |count: usize| format!("<Envelope><Body>{}</Body></Envelope>", "<a/>".repeat(count));
        assert!(body(many(1_000).as_bytes()).is_some());
        assert_eq!(body(many(MOST + 1).as_bytes()), None);
    }

    #[test]
    fn values_cannot_leave_their_element() {
        let value = "</Value><Evil a=\"1\">&";
        let request = retrieve("DataExtension", &["Name"], "CustomerKey", &[value]);
        let token = Secret::new("t<k");
        let parsed = body(envelope(&token, &request).as_bytes()).unwrap();
        let filter = parsed
            .child("RetrieveRequestMsg")
            .and_then(|message| message.child("RetrieveRequest"))
            .and_then(|request| request.child("Filter"))
            .unwrap();
        assert_eq!(filter.text_of("Value"), Some(value));
        assert!(can_hold("ä\n😀") && !can_hold("a\u{1}b") && !can_hold("\u{ffff}"));
    }
}
