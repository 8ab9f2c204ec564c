//! `unload:`, as it is written.

use outflow_sdk::secret::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

/// Reads by way of S3: Redshift writes a model's rows there as Parquet files (UNLOAD), all slices at once,
/// and Outflow reads and removes them. Worth it from some ten million rows on. Every model of the source
/// goes this way, but for those with a column that UNLOAD cannot write as Parquet, such as VARBYTE,
/// GEOMETRY or TIME. The container image has it; other builds need `--features unload`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnloadSettings {
    /// The bucket, and perhaps a folder in it. Every read has a folder of its own below it, which is
    /// removed when the read has ended; give the bucket a rule that expires what a crash leaves.
    #[schemars(example = &"s3://acme-unload/outflow")]
    pub to: String,
    /// The role by which Redshift writes there: its ARN, or `default`.
    #[schemars(example = &"arn:aws:iam::123456789012:role/redshift-unload")]
    pub iam_role: String,
    /// Region of the bucket.
    #[schemars(example = &"eu-west-1")]
    pub region: String,
    /// Access key id that may read, list and delete there. Without keys, those of the environment, of the
    /// container or of the machine's role.
    #[serde(default)]
    pub access_key_id: Option<Secret>,
    /// Secret access key.
    #[serde(default)]
    pub secret_access_key: Option<Secret>,
    /// Session token that goes with temporary keys.
    #[serde(default)]
    pub session_token: Option<Secret>,
    /// Address of S3 in place of the region's, such as that of a VPC endpoint.
    #[serde(default)]
    #[schemars(url)]
    pub endpoint: Option<String>,
}
