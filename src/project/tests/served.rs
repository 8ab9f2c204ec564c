//! What `outflow serve` reads of `outflow.yaml`: callers, hooks, alerts, limits.

use super::{Folder, MAPPING, PROJECT, of_project};
use crate::{AlertWay, DaemonLimits, HookProfile, MailEncryption, Role, Trouble};

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
  mail:
    type: email
    server: smtp.example.com
    user: outflow
    password: "${env:MAIL_KEY}"
    from: Outflow <outflow@example.com>
    to: ops@example.com
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
    let AlertWay::Email(mail) = &project.alerts[0].way else {
        panic!("mail goes by e-mail")
    };
    assert_eq!(
        (mail.port, mail.tls, mail.to.len()),
        (587, MailEncryption::Starttls, 1)
    );
    let target = &project.alerts[1];
    assert!(target.wants("customers", Trouble::Late) && !target.wants("customers", Trouble::Failed));
    assert!(!target.wants("other", Trouble::Late));
    let late_after = project.syncs[0].late_after.unwrap();
    assert_eq!(late_after.as_secs(), 3 * 3_600);
}

#[test]
fn tokens_that_are_not_there_offline_are_not_taken_for_one_another() {
    let unset = SERVED
        .replacen("CRM_TOKEN", "VIEWERS_TOKEN", 1)
        .replacen("MAIL_KEY", "ADMINS_TOKEN", 1);
    let outflow = format!("{PROJECT}{unset}");
    let folder = Folder::new(&[("outflow.yaml", &outflow), ("mappings/m.yaml", MAPPING)]);
    let loaded = folder.load(true);
    assert!(!loaded.has_errors(), "{}", super::rendered(&loaded));
    assert!(folder.load(false).has_errors(), "they are missing online");
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
        (("type: slack", "type: slak"), "did you mean `slack`?"),
        (("type: slack, ", ""), "known: `slack`, `webhook`, `email`"),
        (
            ("    server: smtp.example.com\n", ""),
            "the key `server` is missing in `alerts.mail`",
        ),
        (
            ("    type: email\n", "    type: email\n    url: x\n"),
            "`url` is no key in `alerts.mail`",
        ),
        (
            ("password: \"${env:MAIL_KEY}\"", "password: hunter2"),
            "error[literal_secret]",
        ),
        (("    user: outflow\n", ""), "needs both `user` and `password`"),
        (
            ("to: ops@example.com", "to: ops"),
            "`alerts.mail.to.0` is no e-mail address",
        ),
        (
            ("    user: outflow\n", "    user: outflow\n    tls: none\n"),
            "is another machine",
        ),
        (
            ("    user: outflow\n", "    user: outflow\n    port: 0\n"),
            "alerts.mail.port",
        ),
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
