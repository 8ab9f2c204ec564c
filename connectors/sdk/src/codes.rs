//! What the codes of errors and refused rows mean, for the page of codes: each crate lists its own.

/// One code: what it means and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code, as messages, history and JSON have it.
    pub code: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub action: &'static str,
}

/// A code with its meaning and what to do.
pub const fn code(code: &'static str, meaning: &'static str, action: &'static str) -> Code {
    Code {
        code,
        meaning,
        action,
    }
}

const MEND_VALUE: &str = "Mend the value where it comes from, or the mapping (`as:`, `null:`, a template); the row is tried again when it changes.";
const RUN_AGAIN: &str = "Nothing: the next run tries again.";
const REPORT: &str = "Report it: this is a bug in Outflow.";

/// Codes that mean the same in every connector that uses them.
#[rustfmt::skip]
pub const COMMON: &[Code] = &[
    // The way to a server.
    code("unreachable", "The server could not be reached: name, route, port or certificate.", "Check the address in `outflow.yaml`, proxies and firewalls; runs are tried again by themselves."),
    code("no_answer", "A request was sent and no usable answer came.", RUN_AGAIN),
    code("connection_lost", "The connection was cut in the middle.", "Run it again; if it stays so, look at time-outs of the network between."),
    code("invalid_request", "A request could not be written, mostly because of an address in the settings.", "Check `base_url:` and the other addresses of the connection."),
    code("unexpected_answer", "The answer does not follow the server's contract, so nothing of it is used.", "Look for a proxy that changes answers; otherwise report it."),
    code("tls_setup", "TLS could not be set up on this machine.", "Check the machine's certificates and the connection's own, if it names any."),
    code("server_busy", "The server is busy or failing.", RUN_AGAIN),
    // The model.
    code("no_statement", "The model's SQL has no statement in it.", "Write a SELECT."),
    code("several_statements", "The model's SQL has a second statement.", "A model is one SELECT; use WITH for steps before it."),
    code("not_a_query", "The model is no query.", "A model is one SELECT that only reads."),
    code("sql_parameter", "The model's SQL has a parameter, which has no value.", "Write the value itself, or use `vars:`."),
    code("sql_syntax", "The model's SQL cannot be read.", "Correct the SQL at the place the message names."),
    code("sql_invalid", "The model's SQL is no valid query for this source.", "Correct the SQL."),
    code("missing_table", "The model names a table that is not there, or may not be seen.", "Check the name, and that the role may use its schema."),
    code("missing_column", "The model or the mapping names a column that is not there.", "Check the name; the message lists what is near."),
    code("ambiguous_column", "A column's name fits several columns.", "Say whose it is, or rename one with AS."),
    code("table_name", "`table:` is not written as a table's name.", "Write it as the message shows."),
    code("query_failed", "The query failed at the server for a reason of its own.", "Look at the server's log: its words may quote rows and are not repeated here."),
    code("query_timeout", "The query took longer than its time-out.", "Raise the time-out of the source, or make the model faster."),
    code("query_cancelled", "The query was cancelled at the server.", "Find out by whom; run it again."),
    code("value_error", "A row of the model makes the query fail, as by a cast or a division.", "Guard it in the model, as with CASE or NULLIF."),
    code("value_unreadable", "A value of the model cannot be read.", "Turn the column into text in a `sql:` model."),
    code("unsupported_type", "A column has a type that cannot be sent anywhere.", "Leave the column out, or turn it into text in a `sql:` model."),
    code("columns_changed", "The model's columns changed while it was being read; nothing of this read is used.", "Run it again."),
    code("permission_denied", "The role lacks a permission.", "Grant it; the source's README lists what is needed."),
    code("login_failed", "Logging in failed.", "Check the user and the credential of the source."),
    code("login_refused", "The user or its credential is refused.", "Check the user and the credential of the source."),
    code("warehouse_settings", "The source's settings do not fit together.", "Correct the key the message names."),
    code("warehouse_batch", "Rows do not form a batch.", REPORT),
    code("warehouse_reader", "The task that reads the model ended without an answer.", REPORT),
    // What `outflow check` tells of a source.
    code("identity", "Whom the source lets read, and where.", "Nothing: it is told so that it can be checked."),
    code("not_encrypted", "Credentials and rows cross the network in the clear.", "Turn TLS on, as the message says."),
    code("role_can_write", "The role could also write; reading is enough.", "Use a role that only reads."),
    // A mapping and its destination.
    code("unknown_object", "The destination has no such object.", "Check `object:`; `outflow fields CONNECTION` helps."),
    code("unknown_field", "The destination's object has no such field.", "Check the name, create the field, or say `create_fields: true`."),
    code("invalid_field_name", "The destination could not have a field of this name.", "Use a name as the message describes."),
    code("field_to_create", "The field is not there yet; the first run creates it.", "Nothing, if that is meant."),
    code("create_field_refused", "The destination refuses to create the field.", "See the message; the account may have reached a limit."),
    code("text_values", "The field takes certain texts; rows with others will be refused.", "Nothing, if the values fit; else cast or map them."),
    code("type_mismatch", "The mapped value's type does not fit the field.", "Cast it with `as:`, or map another column."),
    code("missing_field", "A field that is needed is not mapped, or not there yet.", "Map a column or a constant to it."),
    code("nothing_to_write", "Nothing but the match is mapped.", "Map another field."),
    code("match_not_unique", "The destination does not find records by this field.", "Match by a field the message names."),
    code("match_not_mapped", "`match:` names a field that is not mapped.", "Map a column to it under `fields:`."),
    code("unsupported_mode", "The destination or object cannot do this `mode:`.", "Use one the message names."),
    code("unsupported_match", "The object is not found by this field.", "Use the field the message names."),
    // Rows.
    code("missing_match", "The match value is empty, so the record cannot be found or created.", MEND_VALUE),
    code("missing_required", "A field that the destination requires is empty or not mapped.", "Map it, or fill it in the model."),
    code("refused", "The destination refuses the row and gives no reason we know.", "Look at the record in the destination; `outflow rejects show` has the exchange's id for its support."),
    code("invalid_value", "The destination refuses a value.", MEND_VALUE),
    code("value_in_use", "Another record already has this value, which must be unique.", "Merge the two records, or correct one of the two rows."),
    code("opted_out", "The person is unsubscribed, bounced or under review, so the row is suppressed.", "Nothing: nobody is subscribed again by a sync."),
    code("too_long", "The value is longer than the field takes.", MEND_VALUE),
    code("too_large", "What is to be sent, or the file to be read, is larger than allowed.", "Make it smaller: fewer or shorter values."),
    code("invalid_email", "The value is no valid e-mail address.", MEND_VALUE),
    code("invalid_option", "The field does not have this option.", "Add the option at the destination, or map another value."),
    code("invalid_number", "The field takes numbers, and this is none or does not fit.", MEND_VALUE),
    code("invalid_boolean", "The field takes true or false.", MEND_VALUE),
    code("invalid_date", "The field takes dates, and this is none or out of range.", MEND_VALUE),
    code("invalid_timestamp", "The field takes instants.", MEND_VALUE),
    code("invalid_phone", "The value is no telephone number as the field takes them.", MEND_VALUE),
    code("invalid_event", "The destination refuses the event.", MEND_VALUE),
    // Jobs.
    code("no_jobs", "The destination gave a job it does not settle.", REPORT),
    code("job_lost", "A job was lost: what it was to do may or may not have happened.", "Run it again; for events see `outflow rejects`."),
];
