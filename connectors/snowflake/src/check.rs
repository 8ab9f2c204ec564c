//! What `check` tells about a connection: who is connected where, whether a model could run, and whether
//! the role could do harm.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use arrow::datatypes::FieldRef;
use arrow::util::display::array_value_to_string;
use outflow_sdk::ConnectorError;
use outflow_sdk::source::Advice;
use serde_json::Value;

use crate::decode::Decoder;
use crate::failure::{Doing, astray};
use crate::names::quoted;
use crate::result::QueryResult;
use crate::session::Session;

/// Roles looked at for what they may do: those of the session and what they inherit.
const ROLES: usize = 12;
/// Roles that may do anything.
const POWERFUL: [&str; 4] = ["ACCOUNTADMIN", "SYSADMIN", "SECURITYADMIN", "ORGADMIN"];
/// What changes data.
const WRITING: [&str; 5] = ["INSERT", "UPDATE", "DELETE", "TRUNCATE", "OWNERSHIP"];
/// Where there is data to change.
const HOLDS_DATA: [&str; 7] = [
    "TABLE",
    "VIEW",
    "EXTERNAL TABLE",
    "DYNAMIC TABLE",
    "ICEBERG TABLE",
    "SCHEMA",
    "DATABASE",
];

/// Rows of a small result, as texts.
struct Rows(Vec<RecordBatch>);

impl Rows {
    /// The rows that come with the answer; what a look around needs is among them.
    async fn of(session: &Session, sql: &str) -> Result<Self, ConnectorError> {
        let answer = session.run(sql, false, Doing::Looking).await?;
        let amiss = |what: &str| astray(session.settings(), Doing::Looking, what);
        let result = QueryResult::new(&answer).map_err(amiss)?;
        let mut decoder = Decoder::new(session.settings().address(), result.columns, result.format);
        decoder.whole(result.inline).map(Self)
    }

    /// One column of every row; none for NULL and for a column that is not there.
    fn column(&self, name: &str) -> Vec<Option<String>> {
        let mut cells = Vec::new();
        for batch in &self.0 {
            let schema = batch.schema();
            let named = |field: &FieldRef| field.name().eq_ignore_ascii_case(name);
            let array = schema
                .fields()
                .iter()
                .position(named)
                .and_then(|at| batch.columns().get(at));
            cells.extend((0..batch.num_rows()).map(|row| {
                let array = array.filter(|array| array.is_valid(row))?;
                array_value_to_string(array, row).ok()
            }));
        }
        cells
    }

    /// One column of the first row.
    fn first(&self, name: &str) -> Option<String> {
        self.column(name).into_iter().next().flatten()
    }
}

/// Looks around in a session.
pub(crate) async fn advice(session: &Session) -> Result<Vec<Advice>, ConnectorError> {
    let rows = Rows::of(
        session,
        "SELECT CURRENT_USER() AS \"USER\", CURRENT_ROLE() AS \"ROLE\", CURRENT_WAREHOUSE() AS \"WAREHOUSE\", \
         CURRENT_DATABASE() AS \"DATABASE\", CURRENT_SCHEMA() AS \"SCHEMA\"",
    )
    .await?;
    let role = rows.first("ROLE");
    let warehouse = rows.first("WAREHOUSE");
    let mut message = format!(
        "{}: user '{}' with role {}",
        session.settings().address(),
        rows.first("USER").as_deref().unwrap_or_default(),
        role.as_deref().unwrap_or("(none)")
    );
    for (what, name) in [
        ("warehouse", warehouse.clone()),
        ("database", rows.first("DATABASE")),
        ("schema", rows.first("SCHEMA")),
    ] {
        message.push_str(&format!(", {what} {}", name.as_deref().unwrap_or("(none)")));
    }
    let mut advice = vec![Advice {
        code: "identity",
        message,
    }];
    advice.extend(about_warehouse(session, warehouse.as_deref()).await);
    if let Some(role) = &role {
        advice.extend(can_write(session, role).await);
    }
    Ok(advice)
}

/// Whether models could run. What the role may not see is no reason for an error.
async fn about_warehouse(session: &Session, warehouse: Option<&str>) -> Option<Advice> {
    let Some(name) = warehouse else {
        return Some(Advice {
            code: "no_warehouse",
            message:
                "there is no warehouse to run models: name one as `warehouse:`, and GRANT USAGE ON WAREHOUSE \
                      … TO ROLE …"
                    .into(),
        });
    };
    let pattern = name
        .replace('\\', "\\\\\\\\")
        .replace('\'', "\\'")
        .replace('_', "\\\\_");
    let rows = Rows::of(session, &format!("SHOW WAREHOUSES LIKE '{pattern}'"))
        .await
        .ok()?;
    let suspended = rows.first("state")?.eq_ignore_ascii_case("suspended");
    let resumes = rows
        .first("auto_resume")
        .is_none_or(|resumes| resumes.eq_ignore_ascii_case("true"));
    (suspended && !resumes).then(|| Advice {
        code: "warehouse_suspended",
        message: format!(
            "warehouse {name} is suspended and does not start by itself: ALTER WAREHOUSE {} SET AUTO_RESUME = TRUE",
            quoted(name)
        ),
    })
}

/// Whether the session's roles, or those they inherit, may change data.
async fn can_write(session: &Session, role: &str) -> Option<Advice> {
    let enough = "a role that may only SELECT is enough, and safer";
    let mut waiting = vec![role.to_owned()];
    waiting.extend(secondary_roles(session).await);
    let mut seen = BTreeSet::new();
    let mut writable: Vec<String> = Vec::new();
    while let Some(role) = waiting.pop().filter(|_| seen.len() < ROLES) {
        if !seen.insert(role.clone()) {
            continue;
        }
        if POWERFUL.contains(&role.as_str()) {
            return Some(Advice {
                code: "role_can_write",
                message: format!("role {role} can change the whole account: {enough}"),
            });
        }
        let Ok(grants) = Rows::of(session, &format!("SHOW GRANTS TO ROLE {}", quoted(&role))).await else {
            continue;
        };
        let columns = ["privilege", "granted_on", "name"].map(|name| grants.column(name));
        let [privileges, kinds, names] = columns;
        for ((privilege, kind), name) in privileges.into_iter().zip(kinds).zip(names) {
            let (Some(privilege), Some(kind), Some(name)) = (privilege, kind, name) else {
                continue;
            };
            let kind = kind.replace('_', " ");
            if kind == "ROLE" && privilege == "USAGE" {
                waiting.push(name);
            } else if WRITING.contains(&privilege.as_str()) && HOLDS_DATA.contains(&kind.as_str()) {
                writable.push(name);
            }
        }
    }
    writable.sort_unstable();
    writable.dedup();
    if writable.is_empty() {
        return None;
    }
    if writable.len() > 3 {
        writable.truncate(3);
        writable.push("more".into());
    }
    Some(Advice {
        code: "role_can_write",
        message: format!("role {role} can change data ({}): {enough}", writable.join(", ")),
    })
}

/// Roles that are active besides the session's own.
async fn secondary_roles(session: &Session) -> Vec<String> {
    let sql = "SELECT CURRENT_SECONDARY_ROLES() AS \"ROLES\"";
    let Ok(rows) = Rows::of(session, sql).await else {
        return Vec::new();
    };
    let told: Option<Value> = rows
        .first("ROLES")
        .and_then(|text| serde_json::from_str(&text).ok());
    told.as_ref()
        .and_then(|told| told["roles"].as_str())
        .unwrap_or_default()
        .split(',')
        .filter(|role| !role.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Schemas and names of tables and views the role may see, for suggestions.
pub(crate) async fn tables(
    session: &Session,
    database: Option<&str>,
) -> Result<Vec<(String, String)>, ConnectorError> {
    let database = database.map_or_else(String::new, |name| format!("{}.", quoted(name)));
    let sql = format!(
        "SELECT TABLE_SCHEMA AS \"SCHEMA\", TABLE_NAME AS \"NAME\" FROM {database}INFORMATION_SCHEMA.TABLES \
         WHERE TABLE_SCHEMA <> 'INFORMATION_SCHEMA' ORDER BY 1, 2 LIMIT 1000"
    );
    let rows = Rows::of(session, &sql).await?;
    let pairs = rows.column("SCHEMA").into_iter().zip(rows.column("NAME"));
    Ok(pairs
        .filter_map(|(schema, name)| Some((schema?, name?)))
        .collect())
}
