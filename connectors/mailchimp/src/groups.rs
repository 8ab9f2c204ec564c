//! Interests, static segments and marketing permissions of an audience.

use outflow_sdk::{ConnectorError, ErrorKind};
use serde::Deserialize;
use serde_json::json;

use crate::audience::Audience;
use crate::client::{Client, segment};
use crate::status;

/// One interest with the category it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) id: String,
    pub(crate) category: String,
    pub(crate) name: String,
}

impl Interest {
    /// Whether `text` names it: its id, `Category/Name`, or its name alone.
    pub(crate) fn is_called(&self, text: &str) -> bool {
        let text = text.trim();
        self.id == text || fold(&self.name) == fold(text) || fold(&self.full_name()) == fold(text)
    }

    /// `Category/Name`
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.category, self.name)
    }
}

/// The form in which Mailchimp compares names of tags, and we compare all names.
pub(crate) fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

#[derive(Deserialize)]
struct Category {
    id: String,
    #[serde(default)]
    title: String,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    #[serde(default)]
    name: String,
}

/// All interests of an audience, by category.
///
/// # Errors
/// As the exchanges went.
pub(crate) async fn interests(client: &Client, audience: &Audience) -> Result<Vec<Interest>, ConnectorError> {
    let base = format!("{}/interest-categories", audience.path());
    let path = format!("{base}?fields=categories.id,categories.title,total_items");
    let categories: Vec<Category> = client.collect(&path, "categories", "interest categories").await?;
    let mut all = Vec::new();
    for category in categories {
        let path = format!(
            "{base}/{}/interests?fields=interests.id,interests.name,total_items",
            segment(&category.id)
        );
        let interests: Vec<Named> = client.collect(&path, "interests", "interests").await?;
        all.extend(interests.into_iter().map(|interest| Interest {
            id: interest.id,
            category: category.title.clone(),
            name: interest.name,
        }));
    }
    Ok(all)
}

/// A segment, as far as memberships depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
}

impl Segment {
    pub(crate) fn is_static(&self) -> bool {
        self.kind == "static"
    }
}

/// All segments of an audience. Tags are among them: to Mailchimp they are static segments.
///
/// # Errors
/// As the exchange went.
pub(crate) async fn segments(client: &Client, audience: &Audience) -> Result<Vec<Segment>, ConnectorError> {
    let path = format!(
        "{}/segments?fields=segments.id,segments.name,segments.type,total_items",
        audience.path()
    );
    client.collect(&path, "segments", "segments").await
}

/// Creates an empty static segment.
///
/// # Errors
/// `Config` when Mailchimp refuses it, else as the exchange went.
pub(crate) async fn create_segment(
    client: &Client,
    audience: &Audience,
    name: &str,
) -> Result<Segment, ConnectorError> {
    let body = json!({ "name": name, "static_segment": [] }).to_string();
    let path = format!("{}/segments", audience.path());
    let response = client
        .call("POST", &path, "application/json", body.into())
        .await?;
    if response.status == 400 {
        return Err(ConnectorError::new(
            ErrorKind::Config,
            "create_segment_refused",
            format!("Mailchimp refuses to create the segment `{name}`"),
        )
        .with_correlation(status::correlation(&response)));
    }
    client.expect(&response, "a new segment")
}

/// A marketing permission people may give.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Permission {
    #[serde(rename = "marketing_permission_id")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) text: String,
}

#[derive(Deserialize)]
struct Members {
    #[serde(default)]
    members: Vec<Permissions>,
}

#[derive(Deserialize)]
struct Permissions {
    #[serde(default)]
    marketing_permissions: Vec<Permission>,
}

/// The permissions of an audience. Mailchimp lists them nowhere but on members, so an audience
/// without members seems to have none.
///
/// # Errors
/// As the exchange went.
pub(crate) async fn permissions(
    client: &Client,
    audience: &Audience,
) -> Result<Vec<Permission>, ConnectorError> {
    let path = format!(
        "{}/members?count=1&fields=members.marketing_permissions",
        audience.path()
    );
    let response = client.read(&path).await?;
    let found: Members = client.expect(&response, "marketing permissions")?;
    let mut members = found.members.into_iter();
    Ok(members
        .next()
        .map(|member| member.marketing_permissions)
        .unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interests_are_named_in_three_ways() {
        let interest = Interest {
            id: "9143cf3bd1".into(),
            category: "Topics".into(),
            name: "Travel".into(),
        };
        for name in ["9143cf3bd1", "Topics/Travel", "travel", " Travel "] {
            assert!(interest.is_called(name), "{name}");
        }
        for name in ["Topics", "Other/Travel", ""] {
            assert!(!interest.is_called(name), "{name}");
        }
    }
}
