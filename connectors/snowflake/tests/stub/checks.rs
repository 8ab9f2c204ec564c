//! What a check tells of a good connection.

use crate::account::table::Table;
use crate::account::{Options, Running};
use crate::messages::address;
use crate::shared::{account, source};

#[tokio::test]
async fn a_check_tells_who_is_where_and_what_could_go_wrong() {
    let running = account(Options::default()).await;
    let told = |running: &Running| {
        let source = source(running);
        async move {
            let advice = source.check().await.unwrap();
            advice
                .into_iter()
                .map(|advice| (advice.code, advice.message))
                .collect::<Vec<_>>()
        }
    };
    let found = told(&running).await;
    let identity = format!(
        "{}: user 'OUTFLOW', role READER, warehouse LOADING, database DB, schema (none)",
        address(&running)
    );
    assert_eq!(found, [("identity", identity)]);

    let text = |name| (name, "text", 0, 0);
    let row = |cells: [&str; 3]| cells.iter().map(|cell| Some((*cell).to_owned())).collect();
    let warehouses = Table::new(
        &[text("name"), text("state"), text("auto_resume")],
        vec![row(["LOADING", "SUSPENDED", "false"])],
    );
    running.account.table("#WAREHOUSES", warehouses);
    let grants = Table::new(
        &[text("privilege"), text("granted_on"), text("name")],
        vec![
            row(["SELECT", "TABLE", "DB.SHOP.PEOPLE"]),
            row(["INSERT", "TABLE", "DB.SHOP.PEOPLE"]),
            row(["USAGE", "WAREHOUSE", "LOADING"]),
            row(["OWNERSHIP", "TASK", "DB.SHOP.T"]),
        ],
    );
    running.account.table("#GRANTS", grants);
    let found = told(&running).await;
    assert_eq!(
        found.get(1..).unwrap(),
        [
            (
                "warehouse_suspended",
                "warehouse LOADING is suspended and does not start by itself: ALTER WAREHOUSE \"LOADING\" SET \
                 AUTO_RESUME = TRUE"
                    .to_owned()
            ),
            (
                "role_can_write",
                "role READER can change data (DB.SHOP.PEOPLE): a role that may only SELECT is enough, and safer"
                    .to_owned()
            ),
        ]
    );
    let grants = Table::new(
        &[text("privilege"), text("granted_on"), text("name")],
        vec![row(["USAGE", "ROLE", "SYSADMIN"])],
    );
    running.account.table("#GRANTS", grants);
    let found = told(&running).await;
    assert!(
        found[2]
            .1
            .starts_with("role SYSADMIN can change the whole account"),
        "{found:?}"
    );
}
