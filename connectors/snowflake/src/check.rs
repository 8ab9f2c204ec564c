//! What `check` tells about a connection: who is connected where, whether a model could run, and whether
//! the role could do harm.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_cast::display::array_value_to_string;
use arrow_schema::FieldRef;
use outflow_sdk::ConnectorError;
use outflow_sdk::source::Advice;
use serde_json::Value;

use crate::fetch::Fetcher;
use crate::names::quoted;
use crate::read::small;
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

/// A session, and what fetches the rows it does not give at once.
#[derive(Clone, Copy)]
pub(crate) struct Looking<'a> {
    pub(crate) session: &'a Arc<Session>,
    pub(crate) fetcher: &'a Fetcher,
}

/// Rows of a small result, as texts.
struct Rows(Vec<RecordBatch>);

impl Rows {
    async fn of(looking: &Looking<'_>, sql: &str) -> Result<Self, ConnectorError> {
        small(looking.session, looking.fetcher, sql).await.map(Self)
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
pub(crate) async fn advice(looking: &Looking<'_>) -> Result<Vec<Advice>, ConnectorError> {
    let session = looking.session;
    let place = session.place();
    let user = Rows::of(looking, "SELECT CURRENT_USER() AS \"USER\"")
        .await?
        .first("USER");
    let mut message = format!(
        "{}: user '{}'",
        session.settings().address(),
        user.as_deref().unwrap_or(session.settings().user())
    );
    for (what, name) in [
        ("role", &place.role_name),
        ("warehouse", &place.warehouse_name),
        ("database", &place.database_name),
        ("schema", &place.schema_name),
    ] {
        message.push_str(&format!(", {what} {}", name.as_deref().unwrap_or("(none)")));
    }
    let mut advice = vec![Advice {
        code: "identity",
        message,
    }];
    advice.extend(about_warehouse(looking, place.warehouse_name.as_deref()).await);
    if let Some(role) = &place.role_name {
        advice.extend(can_write(looking, role).await);
    }
    Ok(advice)
}

/// Whether models could run. What the role may not see is no reason for an error.
async fn about_warehouse(looking: &Looking<'_>, warehouse: Option<&str>) -> Option<Advice> {
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
    let rows = Rows::of(looking, &format!("SHOW WAREHOUSES LIKE '{pattern}'"))
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
async fn can_write(looking: &Looking<'_>, role: &str) -> Option<Advice> {
    let enough = "a role that may only SELECT is enough, and safer";
    let mut waiting = vec![role.to_owned()];
    waiting.extend(secondary_roles(looking).await);
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
        let Ok(grants) = Rows::of(looking, &format!("SHOW GRANTS TO ROLE {}", quoted(&role))).await else {
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
async fn secondary_roles(looking: &Looking<'_>) -> Vec<String> {
    let sql = "SELECT CURRENT_SECONDARY_ROLES() AS \"ROLES\"";
    let Ok(rows) = Rows::of(looking, sql).await else {
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
    looking: &Looking<'_>,
    database: Option<&str>,
) -> Result<Vec<(String, String)>, ConnectorError> {
    let database = database.map_or_else(String::new, |name| format!("{}.", quoted(name)));
    let sql = format!(
        "SELECT TABLE_SCHEMA AS \"SCHEMA\", TABLE_NAME AS \"NAME\" FROM {database}INFORMATION_SCHEMA.TABLES \
         WHERE TABLE_SCHEMA <> 'INFORMATION_SCHEMA' ORDER BY 1, 2 LIMIT 1000"
    );
    let rows = Rows::of(looking, &sql).await?;
    let pairs = rows.column("SCHEMA").into_iter().zip(rows.column("NAME"));
    Ok(pairs
        .filter_map(|(schema, name)| Some((schema?, name?)))
        .collect())
}
