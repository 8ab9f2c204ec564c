//! What the codes of this connector mean.

use outflow_sdk::codes::{Code, code};

const REPORT: &str = "Report it: this is a bug in Outflow.";
const RUN_AGAIN: &str = "Nothing: the next run tries again.";

/// Codes beside those that every connector shares.
#[rustfmt::skip]
pub(crate) const CODES: &[Code] = &[
    code("hubspot_settings", "The destination's settings cannot be used.", "Correct the key the message names; it needs one credential."),
    code("hubspot_mapping", "The mapping's own keys for HubSpot cannot be read.", "Correct the key the message names."),
    code("hubspot_unauthorized", "HubSpot does not accept the credential.", "Create a new service key or token and set it."),
    code("hubspot_forbidden", "The credential may not do this.", "Check the key's or app's scopes."),
    code("hubspot_missing_scopes", "The credential lacks a scope.", "Add one of those the message names."),
    code("hubspot_oauth_client", "HubSpot does not accept the app's client_id and client_secret.", "Copy both again from the app's settings."),
    code("hubspot_oauth_account", "The account that authorised the app is gone.", "Authorise the app in another account and set the new refresh token."),
    code("hubspot_oauth_grant", "HubSpot no longer accepts the refresh token.", "Install the app again and set the new refresh token."),
    code("hubspot_rate_limited", "A limit of requests per second or window is reached.", "Nothing: delivery slows down. If other apps share the account, lower `limits:`."),
    code("hubspot_daily_quota", "The account's requests for today are used up.", "Nothing: it goes on when the quota resets at midnight in the account's time zone."),
    code("hubspot_locked", "HubSpot has locked the records for a moment.", RUN_AGAIN),
    code("hubspot_migrating", "HubSpot is moving the account between data centres.", "Nothing: it takes up to a day."),
    code("hubspot_timeout", "HubSpot did not answer in time.", RUN_AGAIN),
    code("hubspot_unavailable", "HubSpot is unavailable.", RUN_AGAIN),
    code("hubspot_not_found", "HubSpot does not know this address.", "Check `base_url:`, and that the object or list still exists."),
    code("hubspot_redirect", "`base_url:` answers with a redirect.", "Set it to the address it leads to."),
    code("hubspot_unexpected_status", "HubSpot answers with a status this request should never get.", "Check `base_url:` and proxies; otherwise report it."),
    code("hubspot_unexpected_answer", "Something that is not HubSpot answers.", "Check `base_url:` and any proxy on the way."),
    code("hubspot_unreadable_answer", "HubSpot's answer is cut short or no JSON.", RUN_AGAIN),
    code("hubspot_batch_refused", "HubSpot refuses a batch as a whole; it is split until the row is found.", "Nothing."),
    code("hubspot_row_unavailable", "HubSpot could not write this record for reasons of its own.", RUN_AGAIN),
    code("hubspot_fields_changed", "The object's properties changed since the sync began.", "Look with `outflow check`; the next run goes by the new ones."),
    code("hubspot_foreign_route", "A plan names a request that HubSpot does not have.", REPORT),
    code("hubspot_encoding", "A request could not be written.", REPORT),
    code("read_only_field", "The property cannot be written.", "Leave it out of the mapping."),
    code("read_only", "The property cannot be written.", "Leave it out of the mapping."),
    code("required_field", "New records need a property that is not mapped.", "Map a column to it, or use `mode: update`."),
    code("match_not_single", "HubSpot matches by one property.", "Name one field in `match:`."),
    code("match_by_record_id", "The record id finds records but cannot create any.", "Use `mode: update`."),
    code("unknown_list", "There is no such list for this object.", "Name a static list by its exact name or id."),
    code("dynamic_list", "The list chooses its members by filters, so none can be added.", "Create a static list and name that."),
    code("list_of_other_object", "The list holds other objects than this mapping writes.", "Name a list of the same object."),
    code("record_gone", "The record was merged or deleted in HubSpot.", "Nothing, or restore it there."),
    code("gdpr_blocked", "The address was erased for privacy and may not be used again.", "Nothing: the row is suppressed."),
];
