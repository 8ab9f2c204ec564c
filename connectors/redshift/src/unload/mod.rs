//! Reads by way of S3: Redshift writes the rows there (UNLOAD), each slice its own files, and they are
//! read from there.
//!
//! Three counts must agree before a read is complete: the server's own of the statement, the manifest's,
//! and that of the rows that were decoded. Files are the manifest's, no more and no less, of the sizes it
//! names. Whatever else happens, the read is an error and nothing of it is used.

mod bucket;
mod convert;
mod files;
mod manifest;
mod place;

use std::sync::Arc;

use arrow_schema::Schema;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::names::project;
use outflow_sdk::source::ReadRequest;
use outflow_sdk::tag::Tag;
use outflow_sdk::{ConnectorError, ErrorKind};
use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;

use crate::config::Settings;
use crate::failure::{Doing, classify};
use crate::kind::Typed;
use crate::layout;
use crate::query::Query;
use crate::session::Session;
use crate::unload_settings::UnloadSettings;

use bucket::{Bucket, NoFile};
use files::Folder;
use manifest::{Manifest, Unusable};
use place::Place;

pub(crate) use files::FileReader;

/// Largest files that Redshift writes, so that few megabytes are held at a time.
const FILE_SIZE: &str = "32 MB";

/// The way by S3 of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Unload {
    place: Place,
    bucket: Arc<Bucket>,
}

/// What became of a read.
pub(crate) enum Unloaded {
    /// Its rows are in files.
    Files(FileReader),
    /// The model has a column that UNLOAD cannot write: it is read in this session.
    NotWritable(Box<Session>),
}

impl Unload {
    /// The way that settings describe.
    ///
    /// # Errors
    /// `Config` when a setting cannot be.
    pub(crate) fn new(settings: UnloadSettings, context: &OpenContext) -> Result<Self, ConnectorError> {
        let place = Place::new(settings, context)?;
        let bucket = Arc::new(Bucket::new(&place)?);
        Ok(Self { place, bucket })
    }

    /// Whether the bucket can be used from here.
    ///
    /// # Errors
    /// What is wrong with it, the key or the way there.
    pub(crate) async fn check(&self) -> Result<String, ConnectorError> {
        self.bucket.check(&self.place.folder).await?;
        Ok(self.place.address())
    }

    /// Unloads a model in a session, which is closed before the files are read.
    ///
    /// # Errors
    /// Whatever goes wrong until the files are there; nothing was given out yet, so it may be tried again.
    pub(crate) async fn start(
        &self,
        settings: &Settings,
        mut session: Session,
        query: &Query,
        request: &ReadRequest,
    ) -> Result<Unloaded, ConnectorError> {
        session.set_busy(true);
        let all = layout::columns(&session, settings, query).await?;
        let columns = wanted(query, all, &request.columns)?;
        if !columns.iter().all(convert::is_writable) {
            session.set_busy(false);
            return Ok(Unloaded::NotWritable(Box::new(session)));
        }
        let runtime = Handle::try_current().map_err(|_| {
            ConnectorError::new(
                ErrorKind::Internal,
                "warehouse_reader",
                "there is no runtime to read in",
            )
        })?;
        let folder = Folder::new(Arc::clone(&self.bucket), self.folder(request), runtime);
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        self.run(settings, &session, query, &names, request, folder.name())
            .await?;
        let (query_id, counted) = last_unload(&session, settings).await?;
        session.set_busy(false);
        drop(session);
        let manifest = self.manifest(query, folder.name(), counted).await?;
        let schema = Schema::new(columns.iter().map(Typed::field).collect::<Vec<_>>());
        Ok(Unloaded::Files(FileReader {
            label: query.label.clone(),
            folder,
            manifest,
            columns: columns.into(),
            schema: Arc::new(schema),
            query_id,
        }))
    }

    /// A folder that no other read, and no other try of this one, has.
    fn folder(&self, request: &ReadRequest) -> String {
        let tag = Tag::new(&request.sync, &request.run_id).name();
        let own = format!("{tag}-{:016x}", rand::random::<u64>());
        match self.place.folder.as_str() {
            "" => own,
            folder => format!("{folder}/{own}"),
        }
    }

    async fn run(
        &self,
        settings: &Settings,
        session: &Session,
        query: &Query,
        names: &[String],
        request: &ReadRequest,
        folder: &str,
    ) -> Result<(), ConnectorError> {
        let tag = Tag::new(&request.sync, &request.run_id).name();
        // Without the words that say whose it is: they stand before the whole.
        let bare = Query::new(&request.model, settings.dialect, None)?;
        let select = bare.select(Some(names));
        let sql = format!("/* {tag} */ {}", self.statement(&select, folder));
        let failed = |error: &tokio_postgres::Error| self.refused(error, settings, query, names);
        match session.client().batch_execute(&sql).await {
            // A server that takes writing files for writing: the query in it still only reads.
            Err(error) if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
                let writable = "SET default_transaction_read_only TO off";
                let client = session.client();
                client
                    .batch_execute(writable)
                    .await
                    .map_err(|error| failed(&error))?;
                client.batch_execute(&sql).await.map_err(|error| failed(&error))
            }
            Err(error) => Err(failed(&error)),
            Ok(()) => Ok(()),
        }
    }

    /// The statement (<https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html>).
    fn statement(&self, select: &str, folder: &str) -> String {
        // Within the quotes a backslash escapes.
        let query = select.replace('\\', "\\\\").replace('\'', "''");
        let role = match self.place.iam_role.as_str() {
            "default" => "default".to_owned(),
            arn => format!("'{arn}'"),
        };
        format!(
            "UNLOAD ('{query}') TO 's3://{}/{folder}/' IAM_ROLE {role} FORMAT AS PARQUET MANIFEST VERBOSE \
             MAXFILESIZE {FILE_SIZE} REGION '{}'",
            self.place.bucket, self.place.region
        )
    }

    /// What Redshift says when it may not write, with AWS's words in its own.
    fn refused(
        &self,
        error: &tokio_postgres::Error,
        settings: &Settings,
        query: &Query,
        names: &[String],
    ) -> ConnectorError {
        let words = error
            .as_db_error()
            .map(|refusal| refusal.message().to_lowercase());
        let says = |sign: &str| words.as_ref().is_some_and(|words| words.contains(sign));
        let may_not = says("s3serviceexception") && says("access denied")
            || says("not authorized to assume")
            || says("unauthorizedexception");
        if may_not {
            return ConnectorError::new(
                ErrorKind::Auth,
                "unload_denied",
                format!(
                    "{}: Redshift may not write to {} as {}",
                    query.label,
                    self.place.address(),
                    self.place.iam_role
                ),
            )
            .with_hint(
                "associate the role with the cluster or namespace, and give it s3:PutObject on the folder and \
                 s3:GetBucketLocation; the README of this source has the policy",
            );
        }
        classify(error, settings, Doing::Querying(query, Some(names), 0))
    }

    /// The list of the files, which must hold as many rows as the server counted.
    async fn manifest(&self, query: &Query, folder: &str, counted: u64) -> Result<Manifest, ConnectorError> {
        let text = match self.bucket.small(&format!("{folder}/manifest")).await {
            Ok(text) => text,
            // Of nothing there need be no files.
            Err(NoFile::Missing) if counted == 0 => return Ok(Manifest { files: Vec::new() }),
            Err(why) => {
                let what = format!("the list of files of {}", query.label);
                return Err(self.bucket.told(&what, &why));
            }
        };
        let astray = |what: &str| {
            ConnectorError::new(
                ErrorKind::Contract,
                "unexpected_answer",
                format!(
                    "{}: Redshift's list of files {what}; nothing of this read is used",
                    query.label
                ),
            )
            .with_hint("run it again; if it stays so, leave `unload:` out and report this")
        };
        let manifest =
            Manifest::parse(&text, &self.place.bucket, folder).map_err(|Unusable(what)| astray(what))?;
        if manifest.rows() != counted {
            return Err(astray("has another number of rows than the statement wrote"));
        }
        Ok(manifest)
    }
}

fn wanted(query: &Query, all: Vec<Typed>, wanted: &[String]) -> Result<Vec<Typed>, ConnectorError> {
    let names: Vec<String> = all.iter().map(|column| column.name.clone()).collect();
    let positions = project(&query.label, &names, wanted)?;
    let mut all: Vec<Option<Typed>> = all.into_iter().map(Some).collect();
    Ok(positions
        .into_iter()
        .filter_map(|at| all.get_mut(at)?.take())
        .collect())
}

/// Id and rows of the session's last UNLOAD.
async fn last_unload(
    session: &Session,
    settings: &Settings,
) -> Result<(Option<String>, u64), ConnectorError> {
    let sql = "SELECT pg_last_unload_id(), pg_last_unload_count()";
    let mut row = session.one_row(settings, sql).await?.into_iter();
    let id = row.next().flatten();
    let counted = row.next().flatten().and_then(|count| count.parse().ok());
    let counted = counted.ok_or_else(|| {
        ConnectorError::new(
            ErrorKind::Contract,
            "unexpected_answer",
            format!(
                "{}: the server does not tell how many rows it wrote",
                settings.address()
            ),
        )
        .with_hint("leave `unload:` out, and report this")
    })?;
    Ok((id, counted))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_stays_inside_its_quotes() {
        let settings = json!({"to": "s3://acme/out", "iam_role": "arn:aws:iam::1:role/r", "region": "eu-west-1",
            "access_key_id": "a", "secret_access_key": "b"});
        let context = OpenContext {
            root: "/".into(),
            connection: "wh".into(),
        };
        let unload = Unload::new(serde_json::from_value(settings).unwrap(), &context).unwrap();
        assert_eq!(
            unload.statement("SELECT 'it''s' || '\\\\' AS \"a\"", "out/run"),
            "UNLOAD ('SELECT ''it''''s'' || ''\\\\\\\\'' AS \"a\"') TO 's3://acme/out/run/' \
             IAM_ROLE 'arn:aws:iam::1:role/r' FORMAT AS PARQUET MANIFEST VERBOSE MAXFILESIZE 32 MB \
             REGION 'eu-west-1'"
        );
    }
}
