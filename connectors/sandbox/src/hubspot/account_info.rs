//! Account information: the probe of a credential.

use hyper::Method;
use serde_json::json;

use super::call::{Call, Handled, Reply};
use super::errors::ApiError;

/// `GET /account-info/{version}/details`; needs no scope.
pub(super) fn handle(call: &Call<'_>) -> Handled {
    if call.method != Method::GET {
        return Err(ApiError::no_method());
    }
    let options = &call.account.options;
    let offset_seconds = jiff::Timestamp::from_millisecond(call.now).map_or(0, |instant| {
        i64::from(call.account.zone.to_offset(instant).seconds())
    });
    let minutes = offset_seconds.abs() / 60;
    let sign = if offset_seconds < 0 { '-' } else { '+' };
    Ok(Reply::ok(&json!({
        "portalId": options.hub_id,
        "accountType": "DEVELOPER_TEST",
        "timeZone": options.time_zone,
        "companyCurrency": "EUR",
        "additionalCurrencies": [],
        "utcOffset": format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60),
        "utcOffsetMilliseconds": offset_seconds * 1000,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    })))
}
