//! What `outflow serve` reads of `outflow.yaml`: callers, hooks, alerts, limits.

use super::{Folder, MAPPING, PROJECT, of_project};
use crate::project::{DaemonLimits, HookProfile, Role, Trouble};

const SERVED: &str = r#"
daemon: { runs: 8 }
http:
  tokens:
    eye: { role: viewer, token: "${env:CRM_TOKEN}" }
    head: { role: admin, token: "${env:MAIL_KEY}" }
hooks:
  nightly: { profile: dbt_cloud, secret: "${env:CRM_TOKEN}", syncs: customers }
alerts:
  team: { type: slack, url: "${env:CRM_TOKEN}", on: [late], syncs: [customers] }
"#;

#[test]
fn callers_hooks_alerts_and_limits_are_read() {
    let outflow = format!("{PROJECT}{SERVED}");
    let mapping = format!("{MAPPING}priority: high\nlate_after: 3h\n");
    let loaded = Folder::new(&[("outflow.yaml", &outflow), ("mappings/m.yaml", &mapping)]).load(false);
    assert!(!loaded.has_errors(), "{}", super::rendered(&loaded));
    let project = loaded.project.unwrap();
    let limits = DaemonLimits {
        runs: 8,
        ..DaemonLimits::default()
    };
    assert_eq!(project.daemon, limits);
    let roles: Vec<(&str, Role)> = project
        .tokens
        .iter()
        .map(|token| (token.name.as_str(), token.role))
        .collect();
    assert_eq!(roles, [("eye", Role::Viewer), ("head", Role::Admin)]);
    let hook = &project.hooks[0];
    assert_eq!(
        (hook.name.as_str(), hook.profile),
        ("nightly", HookProfile::DbtCloud)
    );
    assert_eq!(hook.syncs, ["customers"]);
    let target = &project.alerts[0];
    assert!(target.wants("customers", Trouble::Late) && !target.wants("customers", Trouble::Failed));
    assert!(!target.wants("other", Trouble::Late));
    let late_after = project.syncs[0].late_after.unwrap();
    assert_eq!(late_after.as_secs(), 3 * 3_600);
}

#[test]
fn what_is_wrong_with_them_is_said_at_its_place() {
    for (by, expected) in [
        (("role: viewer", "role: viewr"), "did you mean `viewer`?"),
        (
            ("token: \"${env:CRM_TOKEN}\" }", "token: pat-1 }"),
            "error[literal_secret]",
        ),
        (
            ("\"${env:MAIL_KEY}\" }\nhooks", "\"${env:CRM_TOKEN}\" }\nhooks"),
            "error[repeated_token]",
        ),
        (
            ("syncs: customers", "syncs: custmers"),
            "did you mean `customers`?",
        ),
        (
            ("syncs: [customers]", "syncs: [nobody]"),
            "which `alerts.team` names",
        ),
        (("profile: dbt_cloud", "profile: dbt"), "dbt_cloud"),
        (("profile: dbt_cloud, ", ""), "the key `profile` is missing"),
        (("on: [late]", "on: [broken]"), "late"),
        (("runs: 8", "runs: 0"), "daemon.runs"),
        (("  nightly:", "  \"ni ghtly\":"), "error[bad_name]"),
    ] {
        let served = SERVED.replacen(by.0, by.1, 1);
        assert_ne!(served, SERVED, "{by:?}");
        let said = of_project(&format!("{PROJECT}{served}"));
        assert!(
            said.contains("error[") && said.contains(expected),
            "{by:?}\n{said}"
        );
        assert!(!said.contains("pat-na1-very-secret"), "{said}");
    }
}

#[test]
fn a_token_that_is_not_set_leaves_the_syncs_usable_but_is_an_error() {
    let outflow =
        format!("{PROJECT}http: {{ tokens: {{ a: {{ role: viewer, token: \"${{env:NOT_SET}}\" }} }} }}\n");
    let loaded = Folder::new(&[("outflow.yaml", &outflow), ("mappings/m.yaml", MAPPING)]).load(false);
    assert!(loaded.has_errors());
    assert_eq!(
        loaded.project.unwrap().syncs.len(),
        1,
        "`outflow run` needs no tokens"
    );
}
