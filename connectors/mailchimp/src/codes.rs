//! What the codes of this connector mean.

use outflow_sdk::codes::{Code, code};

const REPORT: &str = "Report it: this is a bug in Outflow.";
const RUN_AGAIN: &str = "Nothing: the next run tries again.";
const MEND_VALUE: &str =
    "Mend the value where it comes from, or the mapping; the row is tried again when it changes.";

/// Codes beside those that every connector shares.
#[rustfmt::skip]
pub(crate) const CODES: &[Code] = &[
    code("mailchimp_settings", "The destination's settings cannot be used.", "Correct the key the message names; it needs one credential."),
    code("mailchimp_mapping", "The mapping's own keys for Mailchimp cannot be read.", "Correct the key the message names."),
    code("mailchimp_unauthorized", "Mailchimp does not accept the credential.", "Create a new API key in the account and set it."),
    code("mailchimp_oauth_token", "Mailchimp does not accept the OAuth access token.", "Authorise the app again and set the new `access_token`."),
    code("mailchimp_wrong_data_centre", "The API key belongs to another data centre.", "Copy the key again with what follows its hyphen."),
    code("mailchimp_disabled", "The account is disabled.", "Log in to Mailchimp to see why."),
    code("mailchimp_compliance", "Mailchimp has disabled this call for the account for reasons of compliance.", "Log in to Mailchimp to see why."),
    code("mailchimp_forbidden", "The credential may not do this.", "The key's user must be a manager or admin of the account."),
    code("mailchimp_rate_limited", "The limit of requests at once is reached.", "Nothing: delivery slows down. Everything that uses the account shares it; lower `limits: { concurrency }`."),
    code("mailchimp_throttled", "Mailchimp turns requests away at high volume.", "Nothing; if it goes on, look for a proxy or firewall on the way."),
    code("mailchimp_timeout", "Mailchimp did not answer in time.", RUN_AGAIN),
    code("mailchimp_unavailable", "Mailchimp is unavailable.", RUN_AGAIN),
    code("mailchimp_not_found", "Mailchimp does not know this address.", "Check `base_url:`, and that the audience and its segments still exist."),
    code("mailchimp_https", "Mailchimp takes requests over HTTPS alone.", "Let `base_url:` start with https://."),
    code("mailchimp_redirect", "`base_url:` answers with a redirect.", "Set it to the address it leads to."),
    code("mailchimp_unexpected_status", "Mailchimp answers with a status this request should never get.", "Check `base_url:` and proxies; otherwise report it."),
    code("mailchimp_unexpected_answer", "An answer is not what Mailchimp's documentation says.", "Check `base_url:` and proxies; otherwise report it."),
    code("mailchimp_unreadable_answer", "Mailchimp's answer is cut short or not what its documentation says.", RUN_AGAIN),
    code("mailchimp_batch_refused", "Mailchimp refuses a batch as a whole; it is split until the row is found.", "Nothing."),
    code("mailchimp_row_unavailable", "Mailchimp could not write the member for reasons of its own.", RUN_AGAIN),
    code("mailchimp_fields_changed", "The audience's fields changed since the sync began.", "Look with `outflow check`; the next run goes by the new ones."),
    code("mailchimp_foreign_route", "A plan names a request that Mailchimp does not have.", REPORT),
    code("audience_missing", "The mapping names no audience, and the account has none or several.", "Name one in `audience:`."),
    code("unknown_audience", "The account has no such audience.", "Check `audience:`."),
    code("ambiguous_audience", "Several audiences have this name.", "Name one by its id."),
    code("status_if_new_missing", "The sync can create members and does not say what consent they have.", "Set `status_if_new:`, or use `mode: update`."),
    code("delete_not_confirmed", "`removed: delete` deletes people for good.", "Use `removed: archive`, or confirm with `yes_delete_permanently: true`."),
    code("tags_only_added", "Tags that leave the `tags` column stay on the member.", "List the sync's own tags in `owned_tags:`, or map them one by one."),
    code("owned_tags_unused", "`owned_tags` belongs to the field `tags`, which is not mapped.", "Map a list column to `tags`, or remove it."),
    code("overlapping_fields", "Two fields of the mapping write the same thing.", "Map each tag, interest, segment and permission once."),
    code("half_a_location", "Latitude and longitude belong together.", "Map both, or neither."),
    code("unknown_segment", "The audience has no such segment.", "Create a static segment, or say `create_fields: true`."),
    code("dynamic_segment", "The segment chooses its members by conditions.", "Name a static segment, or use a tag."),
    code("create_segment_refused", "Mailchimp refuses to create the segment.", "See the message."),
    code("segment_refused", "Mailchimp does not add the member to the segment.", "Look at the member in Mailchimp."),
    code("unknown_interest", "The audience has no such interest.", "Check the group's and interest's names."),
    code("ambiguous_interest", "Several interests have this name.", "Write it with its group, as the message lists them."),
    code("no_permissions", "The audience has no marketing permissions (GDPR fields).", "Turn them on in the audience's settings, or leave the field out."),
    code("unknown_permission", "The audience has no such marketing permission.", "Check its text."),
    code("unknown_member", "The audience has no member with this address, so it has no events either.", "Sync the members first."),
    code("invalid_event_name", "An event's name must have 2 to 30 characters.", MEND_VALUE),
    code("archived", "The member is archived and may have unsubscribed before, so the row is suppressed.", "Nothing, or bring archived members back with `revive_archived: true`."),
    code("compliance", "The person unsubscribed, bounced or is under review, so Mailchimp does not subscribe them.", "Nothing: the row is suppressed."),
    code("forgotten", "The person was deleted for good; Mailchimp takes them back only through their own sign-up.", "Nothing: the row is suppressed."),
    code("fake_email", "The address looks fake to Mailchimp.", MEND_VALUE),
    code("signup_throttled", "The address signed up to many lists lately.", RUN_AGAIN),
    code("invalid_status", "The value is no subscription status.", MEND_VALUE),
    code("invalid_birthday", "The field takes a month and a day.", MEND_VALUE),
    code("invalid_address", "The field takes an object with addr1, city, state and zip.", MEND_VALUE),
    code("invalid_zip", "The field takes US zip codes of five digits.", MEND_VALUE),
    code("invalid_url", "The field takes addresses that begin with http:// or https://.", MEND_VALUE),
    code("invalid_ip", "The field takes IP addresses.", MEND_VALUE),
    code("invalid_email_type", "The field takes html or text.", MEND_VALUE),
    code("invalid_language", "The field takes language codes such as en or pt_BR.", MEND_VALUE),
    code("invalid_tags", "The field takes a list of tag names.", MEND_VALUE),
];
