//! Audiences (Mailchimp's API calls them lists): finding the one a mapping names.

use outflow_sdk::ConnectorError;
use serde::Deserialize;

use crate::client::{Client, segment};
use crate::status;

/// An audience, as far as a sync depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Audience {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    /// Whether members answer marketing permissions (GDPR fields).
    #[serde(default)]
    pub(crate) marketing_permissions: bool,
}

impl Audience {
    /// An audience of which nothing but the id is known.
    pub(crate) fn of_id(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: String::new(),
            marketing_permissions: false,
        }
    }

    /// `/3.0/lists/a1b2c3d4e5`
    pub(crate) fn path(&self) -> String {
        format!("/3.0/lists/{}", segment(&self.id))
    }
}

/// The audience with this id, else with this name; without either, the account's only one.
///
/// # Errors
/// `Config` when none or several fit, else as the exchange went.
pub(crate) async fn find(client: &Client, wanted: Option<&str>) -> Result<Audience, ConnectorError> {
    if let Some(id) = wanted.filter(|wanted| is_id(wanted)) {
        let path = format!("/3.0/lists/{id}?fields=id,name,marketing_permissions");
        let response = client.read(&path).await?;
        if !status::is_not_found(&response) {
            return client.expect(&response, "the audience");
        }
    }
    let path = "/3.0/lists?fields=lists.id,lists.name,lists.marketing_permissions,total_items";
    let all: Vec<Audience> = client.collect(path, "lists", "audiences").await?;
    choose(&all, wanted)
}

/// Whether a text can be an audience's id.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn choose(all: &[Audience], wanted: Option<&str>) -> Result<Audience, ConnectorError> {
    let error = |code, message: String| ConnectorError::config(code, message).with_hint(known(all));
    let Some(wanted) = wanted else {
        return match all {
            [only] => Ok(only.clone()),
            [] => Err(error(
                "audience_missing",
                "the Mailchimp account has no audience".into(),
            )),
            _ => Err(error(
                "audience_missing",
                "the Mailchimp account has several audiences, and none is named".into(),
            )),
        };
    };
    let exact: Vec<&Audience> = all.iter().filter(|audience| audience.name == wanted).collect();
    let folded = wanted.trim().to_lowercase();
    let alike: Vec<&Audience> = if exact.is_empty() {
        all.iter()
            .filter(|audience| audience.name.trim().to_lowercase() == folded)
            .collect()
    } else {
        exact
    };
    match alike.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(error(
            "unknown_audience",
            format!("the Mailchimp account has no audience `{wanted}`"),
        )),
        _ => Err(error(
            "ambiguous_audience",
            format!("several Mailchimp audiences are called `{wanted}`; name one by its id"),
        )),
    }
}

/// What can be named, for the hint.
fn known(all: &[Audience]) -> String {
    if all.is_empty() {
        return "create an audience in Mailchimp first".into();
    }
    let names: Vec<String> = all
        .iter()
        .take(10)
        .map(|audience| format!("`{}` ({})", audience.name, audience.id))
        .collect();
    format!("set `audience:` to one of {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn audience(id: &str, name: &str) -> Audience {
        Audience {
            id: id.into(),
            name: name.into(),
            marketing_permissions: false,
        }
    }

    #[test]
    fn the_only_audience_needs_no_name() {
        let only = audience("a1b2c3d4e5", "News");
        assert_eq!(choose(std::slice::from_ref(&only), None).unwrap(), only);
    }

    #[test]
    fn names_match_exactly_or_else_without_case() {
        let all = [
            audience("1", "News"),
            audience("2", "NEWS"),
            audience("3", "Shop"),
        ];
        assert_eq!(choose(&all, Some("NEWS")).unwrap().id, "2");
        assert_eq!(choose(&all, Some(" shop ")).unwrap().id, "3");
        assert_eq!(choose(&all, Some("news")).unwrap_err().code, "ambiguous_audience");
    }

    #[test]
    fn what_cannot_be_found_says_what_can() {
        let all = [audience("a1", "News"), audience("b2", "Shop")];
        let unknown = choose(&all, Some("Newz")).unwrap_err();
        assert_eq!(unknown.code, "unknown_audience");
        assert_eq!(
            unknown.hint.as_deref(),
            Some("set `audience:` to one of `News` (a1), `Shop` (b2)")
        );
        assert_eq!(choose(&all, None).unwrap_err().code, "audience_missing");
        let none = choose(&[], None).unwrap_err();
        assert!(none.hint.unwrap().contains("create an audience"));
    }
}
