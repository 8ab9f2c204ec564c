//! Names and types of a model's columns, without running it.

use futures::StreamExt;
use outflow_sdk::ConnectorError;
use tokio_postgres::SimpleQueryMessage;

use crate::config::Settings;
use crate::dialect::Dialect;
use crate::failure::{Doing, classify};
use crate::kind::Typed;
use crate::query::Query;
use crate::session::Session;

/// The columns of a query.
///
/// The statement is prepared outside a transaction: looking up a type that the driver does not know may
/// fail on Redshift, and would abort one. There, a column whose type cannot be had that way is text.
///
/// # Errors
/// Whatever keeps the server from understanding the query, with its own position.
pub(crate) async fn columns(
    session: &Session,
    settings: &Settings,
    query: &Query,
) -> Result<Vec<Typed>, ConnectorError> {
    let failed = |error: &tokio_postgres::Error| classify(error, settings, Doing::Querying(query, None, 0));
    match session.client().prepare(&query.select(None)).await {
        Ok(statement) => Ok(statement
            .columns()
            .iter()
            .map(|column| Typed::new(column.name(), column.type_(), column.type_modifier()))
            .collect()),
        Err(error) if settings.dialect == Dialect::Redshift && error.as_db_error().is_some() => {
            let names = names(session, query).await.map_err(|error| failed(&error))?;
            one_by_one(session, settings, query, names).await
        }
        Err(error) => Err(failed(&error)),
    }
}

/// Whether the role may run the query, which preparing it does not ask: runs it for no row.
///
/// # Errors
/// Whatever keeps the server from running the query.
pub(crate) async fn permitted(
    session: &Session,
    settings: &Settings,
    query: &Query,
) -> Result<(), ConnectorError> {
    match names(session, query).await {
        Ok(_) => Ok(()),
        Err(error) => Err(classify(&error, settings, Doing::Querying(query, None, 0))),
    }
}

/// The names alone: of a result without rows.
async fn names(session: &Session, query: &Query) -> Result<Vec<String>, tokio_postgres::Error> {
    let sql = format!("{} LIMIT 0", query.select(None));
    let mut messages = std::pin::pin!(session.client().simple_query_raw(&sql).await?);
    let mut names = Vec::new();
    while let Some(message) = messages.next().await {
        if let SimpleQueryMessage::RowDescription(columns) = message? {
            names = columns.iter().map(|column| column.name().to_owned()).collect();
        }
    }
    Ok(names)
}

async fn one_by_one(
    session: &Session,
    settings: &Settings,
    query: &Query,
    names: Vec<String>,
) -> Result<Vec<Typed>, ConnectorError> {
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let wanted = [name];
        let typed = match session.client().prepare(&query.select(Some(&wanted))).await {
            Ok(statement) => statement
                .columns()
                .first()
                .map(|column| Typed::new(column.name(), column.type_(), column.type_modifier())),
            Err(error) if error.as_db_error().is_some() => None,
            Err(error) => {
                let doing = Doing::Querying(query, Some(&wanted), 0);
                return Err(classify(&error, settings, doing));
            }
        };
        let [name] = wanted;
        columns.push(typed.unwrap_or_else(|| Typed::unknown(&name)));
    }
    Ok(columns)
}
