//! What the codes of this connector mean.

use outflow_sdk::codes::{Code, code};

const REPORT: &str = "Report it: this is a bug in Outflow.";
const RUN_AGAIN: &str = "Nothing: the next run tries again.";

/// Codes beside those that every connector shares.
#[rustfmt::skip]
pub(crate) const CODES: &[Code] = &[
    code("bigquery_settings", "The source's settings do not fit together.", "Correct the key the message names."),
    code("not_bigquery", "What answers is not BigQuery.", "Check `base_url:`: scheme and host alone."),
    code("missing_project", "There is no such project.", "Check `project:`: the id, not the name."),
    code("missing_dataset", "There is no such dataset.", "Check its name, project and `location:`."),
    code("not_found", "Something the model names is not there.", "Check the names in the model."),
    code("bytes_billed_limit", "The query would be billed for more than `maximum_bytes_billed:`.", "Raise it, or read less: partitions, columns."),
    code("quota_exceeded", "A quota of the project is used up.", "Wait until it begins anew, or raise it in the console."),
    code("billing_disabled", "The project has no billing for this.", "Enable billing."),
    code("result_too_large", "The result is larger than BigQuery gives.", "Write it to a table before the run, and use `model: { table: … }`."),
    code("query_too_heavy", "The query needs more than BigQuery gives one query.", "Leave out ORDER BY over all rows; join or group less at once."),
    code("rate_limited", "Google asks for fewer requests.", RUN_AGAIN),
    code("warehouse_unavailable", "BigQuery is not available.", RUN_AGAIN),
    code("storage_unavailable", "The Storage Read API gives no rows.", "Run it again; if it stays so, check `storage_base_url:`, proxies and firewalls."),
    code("storage_refused", "The Storage Read API refuses the table.", "Leave `storage_base_url:` out: results then come by REST."),
    code("no_read_sessions", "The principal may not use the Storage Read API, so results come by REST, which is slower.", "Grant roles/bigquery.readSessionUser."),
    code("no_credentials", "There are no credentials.", "Give the source `credentials:`, or run `gcloud auth application-default login`."),
    code("credentials_unreadable", "The credentials lack something of their kind.", "Make new ones."),
    code("credentials_unsupported", "The credentials are of a kind that is not supported.", "Use a service account's key, or a provider whose token is in a file or at an address."),
    code("credentials_refused", "The credentials are refused.", "See the message: deleted, disabled, or not allowed."),
    code("subject_token", "The place of the subject token has none.", "Check the credential source of the workload identity."),
    code("impersonation_refused", "Acting as the service account was refused.", "Grant roles/iam.serviceAccountTokenCreator on it."),
    code("token_unavailable", "No access token could be had.", RUN_AGAIN),
    code("bigquery_signature", "A claim could not be signed.", REPORT),
    code("bigquery_batch", "Rows do not form a batch.", REPORT),
    code("bigquery_reader", "The task that reads the model ended without an answer.", REPORT),
];
