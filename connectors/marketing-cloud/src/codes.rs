//! What the codes of this connector mean.

use outflow_sdk::codes::{Code, code};

const REPORT: &str = "Report it: this is a bug in Outflow.";
const RUN_AGAIN: &str = "Nothing: the next run tries again.";
const MEND_VALUE: &str =
    "Mend the value where it comes from, or the mapping; the row is tried again when it changes.";

/// Codes beside those that every connector shares.
#[rustfmt::skip]
pub(crate) const CODES: &[Code] = &[
    code("marketing_cloud_settings", "The destination's settings cannot be used.", "Correct the key the message names."),
    code("marketing_cloud_mapping", "The mapping's own keys for Marketing Cloud cannot be read.", "Correct the key the message names."),
    code("marketing_cloud_client", "Marketing Cloud does not accept the client_id and client_secret.", "Copy both again from the installed package's server-to-server component."),
    code("marketing_cloud_package", "The installed package is no server-to-server integration.", "Add an API integration component of that type."),
    code("marketing_cloud_account", "Marketing Cloud gives this client no token for the business unit.", "Check `account_id:`, and that the package is licensed for it."),
    code("marketing_cloud_unauthorized", "Marketing Cloud does not accept its own access token.", "Check that the package is still installed and may use the SOAP API."),
    code("marketing_cloud_forbidden", "The installed package may not do this.", "Give it the scopes the message names."),
    code("marketing_cloud_throttled", "Marketing Cloud turns requests away for a while.", "Nothing: delivery slows down. Everything that uses the tenant shares its rate; lower `limits:`."),
    code("marketing_cloud_fault", "The SOAP service answers with a fault.", RUN_AGAIN),
    code("marketing_cloud_timeout", "Marketing Cloud did not answer in time.", RUN_AGAIN),
    code("marketing_cloud_unavailable", "Marketing Cloud is unavailable.", RUN_AGAIN),
    code("marketing_cloud_storage", "Marketing Cloud could not store the rows just now.", RUN_AGAIN),
    code("marketing_cloud_not_found", "Marketing Cloud does not know this address or object.", "Check `base_url:`, and that the data extension still exists in this business unit."),
    code("marketing_cloud_redirect", "The address answers with a redirect.", "Set `base_url:` to the address it leads to."),
    code("marketing_cloud_too_large", "A request is too large; it is split.", "Nothing."),
    code("marketing_cloud_unexpected_status", "Marketing Cloud answers with a status this request should never get.", "Check `base_url:` and proxies; otherwise report it."),
    code("marketing_cloud_unexpected_answer", "The answer for an access token is not what it should be.", "Check that `base_url:` leads to Marketing Cloud."),
    code("marketing_cloud_unreadable_answer", "An answer is cut short or not what the documentation says.", RUN_AGAIN),
    code("marketing_cloud_foreign_answer", "Something that is not Marketing Cloud answers.", "Check `base_url:`, and for a proxy or firewall on the way."),
    code("marketing_cloud_request", "Marketing Cloud cannot read a request.", REPORT),
    code("marketing_cloud_rows_refused", "Marketing Cloud refuses a request for one of its rows; it is split until the row is found.", "Nothing."),
    code("marketing_cloud_job_refused", "Marketing Cloud refuses a job as a whole.", "See the message; the next run tries again."),
    code("marketing_cloud_job_answer", "An answer about a job is not what the documentation says.", RUN_AGAIN),
    code("marketing_cloud_results", "The results do not say which rows of a job were refused.", RUN_AGAIN),
    code("marketing_cloud_ticket", "A job has no id.", REPORT),
    code("marketing_cloud_schema", "Marketing Cloud does not create the data extension or column.", "Create it in Contact Builder, or give the package the scope data_extensions_write."),
    code("marketing_cloud_schema_changed", "The data extension changed since the sync began.", "Run `outflow check` to see what is missing."),
    code("marketing_cloud_retrieve", "Marketing Cloud does not give what was asked for.", "Give the package the scope list_and_subscribers_read."),
    code("marketing_cloud_contacts_refused", "Marketing Cloud does not delete contacts and does not say which.", RUN_AGAIN),
    code("marketing_cloud_key_changes_hands", "A row takes a key whose old row is being deleted just now.", RUN_AGAIN),
    code("unknown_data_extension", "There is no such data extension, or none is named.", "Write `data_extension:` with its external key."),
    code("no_primary_key", "The data extension has no primary key, so rows could only be added.", "Make a new data extension that has one."),
    code("match_is_not_the_primary_key", "`match:` must be the primary key.", "Write the columns the message names."),
    code("duplicate_field", "Two fields are the same column.", "Remove one of them."),
    code("cannot_clear_required", "`removed: clear` cannot empty a required column.", "Write `removed: delete` or `removed: keep`."),
    code("unknown_sendable_column", "The column that is to lead to the subscriber is not mapped.", "Map it, or name another."),
    code("not_sendable", "`respect_unsubscribes` needs a sendable data extension.", "Make it sendable in Contact Builder, or remove the key."),
    code("unmapped_subscriber", "`respect_unsubscribes` needs the column that leads to the subscriber.", "Map it."),
    code("contacts_without_rows", "`yes_delete_contacts_everywhere` belongs to `mode: mirror` with `removed: delete`.", "Remove it, or write both."),
    code("not_contacts", "`yes_delete_contacts_everywhere` needs a sendable data extension keyed by the subscriber key alone.", "Remove it, or sync to such a data extension."),
    code("event_definition_key", "The mapping names no entry event, or one that cannot be.", "Set `event_definition_key:`."),
    code("unsupported_option", "The key belongs to data extensions.", "Remove it."),
    code("reserved_field", "The field's name is reserved.", "Give it another name."),
    code("row_timeout", "The row was not written in time.", RUN_AGAIN),
    code("duplicate_key", "Another row of the same request has the same key.", "Make keys unique in the model."),
    code("invalid_key", "The primary key's value is empty or cannot be held by its column.", MEND_VALUE),
    code("invalid_text", "The text holds a control character.", MEND_VALUE),
    code("invalid_locale", "The field takes codes such as en-us.", MEND_VALUE),
    code("delete_refused", "Marketing Cloud does not delete the row.", RUN_AGAIN),
    code("contact_delete_refused", "Marketing Cloud does not delete the contact, so its row stays as well.", RUN_AGAIN),
];
