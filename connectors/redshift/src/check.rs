//! What `check` tells about a connection: who is connected where, and whether it could do harm.

use outflow_sdk::ConnectorError;
use outflow_sdk::source::Advice;

use crate::config::{Settings, TlsMode};
use crate::dialect::Dialect;
use crate::session::Session;

/// Up to four tables that the role may change.
const WRITABLE: &str = "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg!_%' ESCAPE '!' \
     AND n.nspname <> 'information_schema' \
     AND (has_table_privilege(c.oid, 'INSERT') OR has_table_privilege(c.oid, 'UPDATE') \
     OR has_table_privilege(c.oid, 'DELETE')) ORDER BY 1, 2 LIMIT 4";

/// Looks around in a session.
pub(crate) async fn advice(session: &Session, settings: &Settings) -> Result<Vec<Advice>, ConnectorError> {
    let identity = session
        .one_row(settings, "SELECT current_user, current_database(), version()")
        .await?;
    let told = |at: usize| identity.get(at).cloned().flatten().unwrap_or_default();
    let (user, database, version) = (told(0), told(1), told(2));
    let mut advice = vec![Advice {
        code: "identity",
        message: format!(
            "{}: user '{user}' in database '{database}' of {}, {}",
            settings.address(),
            short(&version),
            protection(settings)
        ),
    }];
    let is_redshift = version.contains("Redshift");
    if is_redshift && settings.dialect == Dialect::Postgres {
        advice.push(Advice {
            code: "is_redshift",
            message: "the server is Redshift: say `type: redshift`, or SUPER and VARBYTE are read as text"
                .into(),
        });
    }
    if settings.tls == TlsMode::Disable && !settings.is_local() {
        advice.push(Advice {
            code: "not_encrypted",
            message:
                "password and rows cross the network in the clear: say `tls: verify-full` or `tls: require`"
                    .into(),
        });
    }
    advice.extend(can_write(session, settings, &user).await?);
    Ok(advice)
}

async fn can_write(
    session: &Session,
    settings: &Settings,
    user: &str,
) -> Result<Option<Advice>, ConnectorError> {
    let superuser = "SELECT usesuper FROM pg_catalog.pg_user WHERE usename = current_user";
    let row = session.one_row(settings, superuser).await?;
    let enough = "a role that may only SELECT is enough, and safer";
    if row.first().is_some_and(|cell| cell.as_deref() == Some("t")) {
        return Ok(Some(Advice {
            code: "role_can_write",
            message: format!("user '{user}' is a superuser: {enough}"),
        }));
    }
    let tables = session.rows(settings, WRITABLE).await?;
    let mut names: Vec<String> = tables
        .iter()
        .map(|row| row.iter().flatten().cloned().collect::<Vec<_>>().join("."))
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    if names.len() > 3 {
        names.truncate(3);
        names.push("more".into());
    }
    Ok(Some(Advice {
        code: "role_can_write",
        message: format!("user '{user}' can change tables ({}): {enough}", names.join(", ")),
    }))
}

/// `PostgreSQL 15.14` of a long story.
fn short(version: &str) -> String {
    if let Some((_, redshift)) = version.split_once("Redshift ") {
        return format!("Redshift {redshift}");
    }
    version
        .split([',', '('])
        .next()
        .unwrap_or_default()
        .split(" on ")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn protection(settings: &Settings) -> &'static str {
    match settings.tls {
        TlsMode::Disable if settings.is_socket() => "by its socket",
        TlsMode::Disable => "not encrypted",
        TlsMode::Require => "encrypted",
        TlsMode::VerifyFull => "encrypted and verified",
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn versions_are_cut_short() {
        assert_eq!(
            short("PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64-pc-linux-gnu"),
            "PostgreSQL 15.14"
        );
        assert_eq!(
            short("PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc, Redshift 1.0.61678"),
            "Redshift 1.0.61678"
        );
    }
}
