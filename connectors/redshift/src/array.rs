//! PostgreSQL's text of an array as canonical texts.

use std::borrow::Cow;

use outflow_sdk::value::{Decimal, Value};

use crate::cell::{self, Unfit};
use crate::kind::Element;

/// Calls `item` with the canonical text of each item; NULLs are left out.
pub(crate) fn items(text: &str, element: Element, mut item: impl FnMut(&str)) -> Result<(), Unfit> {
    // `[0:2]={…}`: an array that does not begin at 1.
    let text = match text.strip_prefix('[') {
        Some(_) => text
            .split_once('=')
            .map(|(_, rest)| rest)
            .ok_or(Unfit::Malformed)?,
        None => text,
    };
    let inner = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or(Unfit::Malformed)?;
    if inner.is_empty() {
        return Ok(());
    }
    let mut rest = inner;
    let mut plain = String::new();
    loop {
        let after = match rest.strip_prefix('"') {
            Some(inside) => {
                let after = unquote(inside, &mut plain)?;
                item(&canonical(&plain, element)?);
                after
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                if word.starts_with('{') {
                    return Err(Unfit::Nested);
                }
                if word.is_empty() || word.contains(['"', '}']) {
                    return Err(Unfit::Malformed);
                }
                if !word.eq_ignore_ascii_case("null") {
                    item(&canonical(word, element)?);
                }
                after
            }
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(()),
            None => return Err(Unfit::Malformed),
        }
    }
}

/// Reads to the closing quote; gives what follows it.
fn unquote<'a>(inside: &'a str, out: &mut String) -> Result<&'a str, Unfit> {
    out.clear();
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok(inside.get(at + 1..).unwrap_or_default()),
            '\\' => out.push(characters.next().ok_or(Unfit::Malformed)?.1),
            other => out.push(other),
        }
    }
    Err(Unfit::Malformed)
}

fn canonical(text: &str, element: Element) -> Result<Cow<'_, str>, Unfit> {
    Ok(match element {
        Element::Text => Cow::Borrowed(text),
        Element::Padded => Cow::Borrowed(text.trim_end_matches(' ')),
        Element::Number => Decimal::parse(text).ok_or(Unfit::NotANumber)?.to_string().into(),
        Element::Boolean => cell::boolean(text)?.to_string().into(),
        Element::Date => cell::canonical_date(text)?.into(),
        Element::Timestamp => cell::canonical_timestamp(text)?.into(),
        Element::Json => Value::json(text)
            .map_err(|_| Unfit::Malformed)?
            .to_string()
            .into(),
        Element::Bytes => Cow::Borrowed(text.strip_prefix("\\x").unwrap_or(text)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, element: Element) -> Result<Vec<String>, Unfit> {
        let mut found = Vec::new();
        items(text, element, |item| found.push(item.to_owned())).map(|()| found)
    }

    #[test]
    fn items_are_canonical_and_nulls_left_out() {
        assert_eq!(
            read(r#"{a,"b, \"c\"",NULL,"NULL","",é}"#, Element::Text),
            Ok(["a", "b, \"c\"", "NULL", "", "é"].map(String::from).to_vec())
        );
        assert_eq!(read("{}", Element::Text), Ok(vec![]));
        assert_eq!(
            read("[0:1]={1.50,2}", Element::Number),
            Ok(vec!["1.5".into(), "2".into()])
        );
        assert_eq!(
            read("{t,f}", Element::Boolean),
            Ok(vec!["true".into(), "false".into()])
        );
        assert_eq!(
            read("{\"2026-01-01 00:00:00+00\"}", Element::Timestamp),
            Ok(vec!["2026-01-01T00:00:00Z".into()])
        );
        assert_eq!(
            read("{\"{\\\"b\\\": 1}\"}", Element::Json),
            Ok(vec!["{\"b\":1}".into()])
        );
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(read("{{1,2},{3,4}}", Element::Number), Err(Unfit::Nested));
        assert_eq!(read("{NaN}", Element::Number), Err(Unfit::NotANumber));
        for text in ["", "a", "{", "{a", "{\"a}", "{a,}", "{\"a\"b}", "{,}"] {
            assert_eq!(read(text, Element::Text), Err(Unfit::Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn quoted_items_come_back(texts in prop::collection::vec("\\PC{0,8}", 0..5)) {
            let quoted: Vec<String> = texts
                .iter()
                .map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
                .collect();
            prop_assert_eq!(read(&format!("{{{}}}", quoted.join(",")), Element::Text), Ok(texts));
        }

        #[test]
        fn no_text_makes_it_stumble(text in "[{}\",\\\\a=é\\[]{0,12}") {
            let _ = read(&text, Element::Text);
        }
    }
}
