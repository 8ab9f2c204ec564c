//! What the codes of this connector mean.

use outflow_sdk::codes::{Code, code};

/// Codes beside those that every connector shares.
#[rustfmt::skip]
pub(crate) const CODES: &[Code] = &[
    code("is_redshift", "The server is Redshift, and the source says `type: postgres`.", "Say `type: redshift`: some types are read better."),
    code("password_sha256", "The server wants a way to log in that is not supported: the user's password is stored as SHA-256.", "Store it as MD5, or log in with `iam:`."),
    code("tls_unsupported", "The server speaks no TLS.", "Turn it on at the server, or write `tls: disable` where the network is trusted."),
    code("tls_failed", "The server's certificate is not accepted, or TLS failed.", "Name its authority in `ca_file:`, and check the host's name."),
    code("ca_file", "`ca_file:` cannot be read.", "It is a PEM file with certificates."),
    code("missing_database", "There is no such database.", "Check `database:`."),
    code("model_writes", "The model would write.", "Leave out what writes, or call no function that does."),
    code("usage_limit", "The warehouse's usage limit is reached.", "Raise the limit, or wait until its period ends."),
    code("conflict", "The query collided with another transaction.", "Nothing: the next run tries again."),
    code("server_restarting", "The server is shutting down or starting.", "Nothing: the next run tries again."),
    code("value_encoding", "A column holds text that is not UTF-8.", "Convert it in a `sql:` model."),
    code("iam_unavailable", "AWS does not hand out database credentials now.", "Nothing: the next run tries again."),
    code("iam_endpoint", "`iam.endpoint` is no address.", "Write it like `https://host`."),
    code("iam_answer", "AWS's answer holds no database credentials.", "Check `iam.endpoint` and any proxy."),
    code("iam_refused", "AWS refuses database credentials.", "See the message: key, clock, region, or a missing permission such as redshift:GetClusterCredentials."),
    code("iam_exchange", "No way to AWS was set up.", "Report it: this is a bug in Outflow."),
    code("unload", "Rows come by way of a bucket of S3.", "Nothing: it is told so that it can be checked."),
    code("no_unload", "`unload:` is set, and this build leaves it out.", "Build Outflow with `--features unload`, or remove `unload:`."),
    code("unload_bucket", "`unload:` names no bucket that can be used.", "Check `to:`, `region:` and `endpoint:` of `unload:`."),
    code("missing_bucket", "The bucket of `unload:` is not there.", "Check `to:`, `region:` and `endpoint:` of `unload:`."),
    code("bucket_denied", "The access key of `unload:` may not read the bucket.", "Give it s3:GetObject, s3:DeleteObject and s3:ListBucket."),
    code("bucket_unreachable", "The bucket of `unload:` gives no usable answer.", "Nothing: the next run tries again. If it stays so, check `region:`, `endpoint:`, proxies and firewalls."),
    code("unload_denied", "Redshift may not write to the bucket of `unload:`.", "Associate the role with the cluster, and give it s3:PutObject."),
    code("unload_file_missing", "A file that Redshift wrote is not there; nothing of the read is used.", "Look for what else removes files from the folder."),
    code("unload_file_damaged", "A file is not what Redshift said it is; nothing of the read is used.", "Nothing: the next run reads anew. If it stays so, leave `unload:` out."),
];
