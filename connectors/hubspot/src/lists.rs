//! Static lists (HubSpot calls them segments): finding the one a mapping names.

use outflow_sdk::ConnectorError;
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;

use crate::client::{Client, UNRESERVED};

/// How a mapping names membership of a list: `list:<name or id>`.
pub(crate) const FIELD_PREFIX: &str = "list:";

/// A list, as far as memberships depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List {
    pub(crate) list_id: String,
    #[serde(default)]
    pub(crate) object_type_id: String,
    #[serde(default)]
    pub(crate) processing_type: String,
}

#[derive(Deserialize)]
struct Found {
    list: List,
}

impl List {
    /// Whether members are chosen by filters, so that nobody can be added or removed.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.processing_type == "DYNAMIC"
    }
}

/// The list with this id, else with this name among the lists of `type_id`.
///
/// # Errors
/// As the exchange went; a list that does not exist is `None`.
pub(crate) async fn find(
    client: &Client,
    type_id: Option<&str>,
    wanted: &str,
) -> Result<Option<List>, ConnectorError> {
    let base = client.version.path("crm/lists");
    let is_id = !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_digit());
    if is_id && let Some(list) = get(client, &format!("{base}/{wanted}")).await? {
        return Ok(Some(list));
    }
    match type_id {
        Some(type_id) if !wanted.is_empty() => {
            let name = utf8_percent_encode(wanted, UNRESERVED);
            get(client, &format!("{base}/object-type-id/{type_id}/name/{name}")).await
        }
        _ => Ok(None),
    }
}

async fn get(client: &Client, path: &str) -> Result<Option<List>, ConnectorError> {
    let response = client.read(path).await?;
    if matches!(response.status, 400 | 404) {
        return Ok(None);
    }
    let found: Found = client.expect(&response, "a list")?;
    Ok(Some(found.list))
}
