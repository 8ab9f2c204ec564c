//! What stands for reads by way of S3 in a build without them: settings that ask for them are refused.

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::source::{ReadEvent, ReadRequest};
use tokio::sync::mpsc;

use crate::config::Settings;
use crate::query::Query;
use crate::session::Session;
use crate::unload_settings::UnloadSettings;

/// There is none.
#[derive(Clone, Debug)]
pub(crate) enum Unload {}

/// There is none.
pub(crate) enum FileReader {}

/// What never becomes of a read.
#[allow(dead_code, clippy::large_enum_variant, reason = "nothing is unloaded here")]
pub(crate) enum Unloaded {
    Files(FileReader),
    NotWritable(Box<Session>),
}

impl Unload {
    pub(crate) fn new(_: UnloadSettings, context: &OpenContext) -> Result<Self, ConnectorError> {
        Err(ConnectorError::config(
            "no_unload",
            format!(
                "source '{}' has `unload`, which this build of Outflow leaves out",
                context.connection
            ),
        )
        .with_hint("build it with `--features unload`, or remove `unload:`: the rows are the same"))
    }

    pub(crate) async fn check(&self) -> Result<String, ConnectorError> {
        match *self {}
    }

    pub(crate) async fn start(
        &self,
        _: &Settings,
        _: Session,
        _: &Query,
        _: &ReadRequest,
    ) -> Result<Unloaded, ConnectorError> {
        match *self {}
    }
}

impl FileReader {
    pub(crate) fn schema(&self) -> &arrow_schema::SchemaRef {
        match *self {}
    }

    pub(crate) async fn run(self, _: mpsc::Sender<Result<ReadEvent, ConnectorError>>) {
        match self {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_build_without_unload_says_so_and_what_to_do() {
        let settings = json!({"to": "s3://acme", "iam_role": "default", "region": "eu-west-1"});
        let context = OpenContext {
            root: "/project".into(),
            connection: "wh".into(),
        };
        let error = Unload::new(serde_json::from_value(settings).unwrap(), &context).unwrap_err();
        assert_eq!(error.code, "no_unload");
        assert!(error.message.contains("source 'wh'"), "{error}");
        assert!(error.hint.unwrap().contains("--features unload"));
    }
}
