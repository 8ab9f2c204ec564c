//! `outflow.yaml`: connections, secrets and the state's folder.

use super::{Folder, MAPPING, PROJECT, of_project, rendered};

fn crm(settings: &str) -> String {
    of_project(&format!(
        "sources:\n  files: {{ type: files, path: . }}\ndestinations:\n  crm: {{ type: crm, {settings} }}\n"
    ))
}

#[test]
fn a_good_project_has_no_problem() {
    let folder = Folder::new(&[("outflow.yaml", PROJECT), ("mappings/customers.yaml", MAPPING)]);
    let loaded = folder.load(false);
    assert_eq!(rendered(&loaded), "");
    let project = loaded.project.unwrap();
    assert_eq!(project.state, folder.path().join(".outflow"));
    assert_eq!(project.sources["files"].type_name, "files");
    assert_eq!(project.destinations.keys().collect::<Vec<_>>(), ["crm", "mail"]);
    assert_eq!(project.syncs.len(), 1);
    assert!(loaded.excluded.is_empty());
}

#[test]
fn a_literal_secret_is_refused_and_not_shown() {
    let shown = crm("token: pat-na1-literal, careful: maybe, colour: pat-na1-other");
    insta::assert_snapshot!(shown, @r#"
    outflow.yaml:4:28: error[literal_secret]: `destinations.crm.token` holds a secret in the file itself
     4 |   crm: { type: crm, token: ***, careful: maybe, colour: *** }
       |                            ^^^
       hint: write `"${env:TOKEN}"` or `"${file:/path}"` instead, and replace the secret that stood here: it may have been copied
    outflow.yaml:4:54: error[wrong_type]: `destinations.crm.careful` must be true or false
     4 |   crm: { type: crm, token: ***, careful: maybe, colour: *** }
       |                                          ^^^^^
    outflow.yaml:4:61: error[unknown_key]: `colour` is no key in `destinations.crm`
     4 |   crm: { type: crm, token: ***, careful: maybe, colour: *** }
       |                                                 ^^^^^^
       hint: known keys: `type`, `token`, `oauth`, `base_url`, `port`, `tier`, `careful`
    "#);
    assert!(!shown.contains("pat-na1"));
    // Not even where it stands under a key nobody knows, in a list, or over several lines.
    let shown = of_project(
        "sources:\n  files: { type: files, path: . }\ndestinations:\n  crm:\n    type: crm\n    tokn: pat-na1-literal\n    token: [pat-na1-literal]\n    oauth: { client_id: x, client_secret: 'pat-na1\n      pat-na1-literal' }\n  new: { type: crn, token: pat-na1-literal }\n",
    );
    insta::assert_snapshot!(shown, @r#"
    outflow.yaml:6:5: error[unknown_key]: `tokn` is no key in `destinations.crm`
     6 |     tokn: ***
       |     ^^^^
       hint: did you mean `token`?
    outflow.yaml:7:5: error[wrong_type]: `destinations.crm.token` must be text, not a list
     7 |     token: [***]
       |     ^^^^^
    outflow.yaml:8:43: error[literal_secret]: `destinations.crm.oauth.client_secret` holds a secret in the file itself
     8 |     oauth: { client_id: x, client_secret: ***
       |                                           ^^^
       hint: write `"${env:CLIENT_SECRET}"` or `"${file:/path}"` instead, and replace the secret that stood here: it may have been copied
    outflow.yaml:10:16: error[unknown_type]: there is no type `crn`
     10 |   new: { type: crn, token: *** }
        |                ^^^
       hint: did you mean `crm`?
    "#);
    assert!(!shown.contains("pat-na1"));
}

#[test]
fn a_secret_that_is_not_there_stops_its_connection_online() {
    insta::assert_snapshot!(crm("token: \"${env:NOT_SET}\""), @r#"
    outflow.yaml:4:28: error[unset_env]: the environment variable `NOT_SET` is not set
     4 |   crm: { type: crm, token: "${env:NOT_SET}" }
       |                            ^^^^^^^^^^^^^^^^^
       hint: set it before starting, for example `export NOT_SET=…`
    "#);
    insta::assert_snapshot!(crm("token: \"${file:/nowhere/token}\""), @r#"
    outflow.yaml:4:28: error[unreadable_secret]: the file `/nowhere/token` cannot be used: there is no such file
     4 |   crm: { type: crm, token: "${file:/nowhere/token}" }
       |                            ^^^^^^^^^^^^^^^^^^^^^^^^^
       hint: write the value, and nothing else, into that file
    "#);
}

#[test]
fn offline_it_is_a_warning_and_the_project_is_there() {
    let project = PROJECT.replace("CRM_TOKEN", "NOT_SET");
    let folder = Folder::new(&[("outflow.yaml", &project), ("mappings/customers.yaml", MAPPING)]);
    let loaded = folder.load(true);
    insta::assert_snapshot!(rendered(&loaded), @r#"
    outflow.yaml:5:28: warning[unset_env]: the environment variable `NOT_SET` is not set
     5 |   crm: { type: crm, token: "${env:NOT_SET}" }
       |                            ^^^^^^^^^^^^^^^^^
       hint: set it before starting, for example `export NOT_SET=…`
    "#);
    assert!(!loaded.has_errors());
    assert_eq!(loaded.project.unwrap().syncs.len(), 1);
}

#[test]
fn other_values_may_refer_too() {
    let good = "token: \"${env:CRM_TOKEN}\", base_url: \"https://${env:HOST}/x\", port: \"${env:PORT}\"";
    assert_eq!(crm(good), "");
    insta::assert_snapshot!(crm("token: \"${env:CRM_TOKEN}\", port: \"${env:HOST}\""), @r#"
    outflow.yaml:4:54: error[wrong_type]: the value that `destinations.crm.port` refers to must be a whole number
     4 |   crm: { type: crm, token: "${env:CRM_TOKEN}", port: "${env:HOST}" }
       |                                                      ^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(crm("token: \"${env:CRM_TOKEN}\", base_url: \"https://${HOST}\""), @r#"
    outflow.yaml:4:58: error[bad_reference]: `${HOST}` is no reference
     4 |   crm: { type: crm, token: "${env:CRM_TOKEN}", base_url: "https://${HOST}" }
       |                                                          ^^^^^^^^^^^^^^^^^^
       hint: write `${env:HOST}`; `$${` stands for a literal `${`
    "#);
}

#[test]
fn a_connector_that_repeats_a_secret_is_silenced() {
    let shown = crm("token: \"${env:CRM_TOKEN}\", base_url: \"https://broken\"");
    insta::assert_snapshot!(shown, @r#"
    outflow.yaml:4:3: error[crm_settings]: cannot use *** at https://broken
     4 |   crm: { type: crm, token: "${env:CRM_TOKEN}", base_url: "https://broken" }
       |   ^^^
    "#);
    assert!(!shown.contains("very-secret"));
}

#[test]
fn every_wrong_setting_has_its_place() {
    insta::assert_snapshot!(
        crm("token: \"${env:CRM_TOKEN}\", tier: profesional, port: \"80\", careful: yes, base_url: [a], bas_url: b"),
        @r#"
    outflow.yaml:4:54: error[unknown_word]: `destinations.crm.tier` cannot be `profesional`
     4 |   crm: { type: crm, token: "${env:CRM_TOKEN}", tier: profesional, port: "80", careful: yes, base_url: [***], bas_url: **
       |                                                      ^^^^^^^^^^^
       hint: did you mean `professional`?
    outflow.yaml:4:73: error[wrong_type]: `destinations.crm.port` must be a whole number, not text
     4 | e: crm, token: "${env:CRM_TOKEN}", tier: profesional, port: "80", careful: yes, base_url: [***], bas_url: *** }
       |                                                             ^^^^
       hint: remove the quotes
    outflow.yaml:4:88: error[wrong_type]: `destinations.crm.careful` must be true or false
     4 | "${env:CRM_TOKEN}", tier: profesional, port: "80", careful: yes, base_url: [***], bas_url: *** }
       |                                                             ^^^
       hint: write `true` or `false`
    outflow.yaml:4:93: error[wrong_type]: `destinations.crm.base_url` must be text, not a list
     4 | v:CRM_TOKEN}", tier: profesional, port: "80", careful: yes, base_url: [***], bas_url: *** }
       |                                                             ^^^^^^^^
    outflow.yaml:4:108: error[unknown_key]: `bas_url` is no key in `destinations.crm`
     4 | er: profesional, port: "80", careful: yes, base_url: [***], bas_url: *** }
       |                                                             ^^^^^^^
       hint: did you mean `base_url`?
    "#
    );
    insta::assert_snapshot!(crm("token: \"${env:CRM_TOKEN}\", port: 0"), @r#"
    outflow.yaml:4:54: error[out_of_range]: `destinations.crm.port` must be at least 1
     4 |   crm: { type: crm, token: "${env:CRM_TOKEN}", port: 0 }
       |                                                      ^
    "#);
    insta::assert_snapshot!(crm("token: \"${env:CRM_TOKEN}\", port: 70000"), @r#"
    outflow.yaml:4:54: error[out_of_range]: `destinations.crm.port` must be at most 65535
     4 |   crm: { type: crm, token: "${env:CRM_TOKEN}", port: 70000 }
       |                                                      ^^^^^
    "#);
    insta::assert_snapshot!(crm("token: "), @"
    outflow.yaml:4:21: error[no_value]: `destinations.crm.token` has no value
     4 |   crm: { type: crm, token:  }
       |                     ^^^^^
       hint: give it a value or remove the key
    ");
    insta::assert_snapshot!(crm("oauth: { client_id: 5 }"), @"
    outflow.yaml:4:21: error[missing_key]: the key `client_secret` is missing in `destinations.crm.oauth`
     4 |   crm: { type: crm, oauth: { client_id: 5 } }
       |                     ^^^^^
       hint: The app's secret
    ");
    insta::assert_snapshot!(crm("careful: false"), @"
    outflow.yaml:4:3: error[crm_settings]: no credential
     4 |   crm: { type: crm, careful: false }
       |   ^^^
       hint: set `token:` or `oauth:`
    ");
}

#[test]
fn a_connection_needs_a_type_that_exists() {
    insta::assert_snapshot!(of_project("sources:\n  files: { type: fils, path: . }\ndestinations: { crm: { token: x } }\n"), @"
    outflow.yaml:2:18: error[unknown_word]: `sources.files.type` cannot be `fils`
     2 |   files: { type: fils, path: . }
       |                  ^^^^
       hint: did you mean `files`?
    outflow.yaml:3:17: error[missing_key]: the key `type` is missing in `destinations.crm`
     3 | destinations: { crm: { token: *** } }
       |                 ^^^
       hint: known: `crm`, `mail`, `tables`
    ");
    insta::assert_snapshot!(of_project("sources:\n  files: { type: warehouse }\ndestinations: {}\n"), @"
    outflow.yaml:2:3: error[missing_key]: the key `path` is missing in `sources.files`
     2 |   files: { type: warehouse }
       |   ^^^^^
       hint: The folder
    outflow.yaml:2:18: error[unknown_word]: `sources.files.type` cannot be `warehouse`
     2 |   files: { type: warehouse }
       |                  ^^^^^^^^^
       hint: the one word it can be is `files`
    mappings/customers.yaml:6:14: error[unknown_connection]: `outflow.yaml` has no destination `crm`
     6 | destination: crm
       |              ^^^
       hint: add it to `destinations:` in `outflow.yaml`
    ");
    insta::assert_snapshot!(of_project("sources:\n  files:\n  other: text\ndestinations: {}\n"), @"
    outflow.yaml:2:3: error[no_value]: `sources.files` has no value
     2 |   files:
       |   ^^^^^
       hint: give it a value or remove the key
    outflow.yaml:3:10: error[wrong_type]: `sources.other` must be a map of keys, not a single value
     3 |   other: ***
       |          ^^^
    mappings/customers.yaml:6:14: error[unknown_connection]: `outflow.yaml` has no destination `crm`
     6 | destination: crm
       |              ^^^
       hint: add it to `destinations:` in `outflow.yaml`
    ");
}

#[test]
fn names_are_plain() {
    insta::assert_snapshot!(of_project("sources:\n  my files: { type: files, path: . }\ndestinations: {}\n"), @"
    outflow.yaml:2:3: error[bad_name]: `my files` cannot be a connection's name: only letters, digits, `_` and `-` may be in it
     2 |   my files: { type: files, path: . }
       |   ^^^^^^^^
    mappings/customers.yaml:3:9: error[unknown_connection]: `outflow.yaml` has no source `files`
     3 | source: files
       |         ^^^^^
       hint: known: `my files`
    mappings/customers.yaml:6:14: error[unknown_connection]: `outflow.yaml` has no destination `crm`
     6 | destination: crm
       |              ^^^
       hint: add it to `destinations:` in `outflow.yaml`
    ");
}

#[test]
fn keys_of_later_versions_are_not_taken_silently() {
    insta::assert_snapshot!(of_project(&format!("{PROJECT}report_to: {{ folder: s3://bucket/reports }}\nvars: {{ a: b }}\nsource: x\n")), @"
    outflow.yaml:7:22: error[bad_folder]: `report_to.folder` must be a folder of this machine
     7 | report_to: { folder: s3://bucket/reports }
       |                      ^^^^^^^^^^^^^^^^^^^
       hint: copy the folder to where it is read, or mount that place here
    outflow.yaml:8:1: error[not_supported]: `vars` is not supported by this version
     8 | vars: { a: *** }
       | ^^^^
       hint: remove it; write `${env:NAME}` where the value is used
    outflow.yaml:9:1: error[unknown_key]: `source` is no key
     9 | source: ***
       | ^^^^^^
       hint: did you mean `sources`?
    ");
}

#[test]
fn sources_and_destinations_must_be_there() {
    insta::assert_snapshot!(of_project("state: .outflow\n"), @"
    outflow.yaml:1:1: error[missing_key]: the key `sources` is missing
     1 | state: .outflow
       | ^
       hint: Where models are read from, by a name of your choice
    outflow.yaml:1:1: error[missing_key]: the key `destinations` is missing
     1 | state: .outflow
       | ^
       hint: Where records are written to, by a name of your choice
    mappings/customers.yaml:3:9: error[unknown_connection]: `outflow.yaml` has no source `files`
     3 | source: files
       |         ^^^^^
       hint: add it to `sources:` in `outflow.yaml`
    mappings/customers.yaml:6:14: error[unknown_connection]: `outflow.yaml` has no destination `crm`
     6 | destination: crm
       |              ^^^
       hint: add it to `destinations:` in `outflow.yaml`
    ");
}

#[test]
fn the_state_is_a_folder() {
    insta::assert_snapshot!(of_project(&format!("{PROJECT}state: postgres://db/outflow\n")), @"
    outflow.yaml:7:8: error[not_supported]: `state` must be a folder: postgres:// is not supported by this version
     7 | state: postgres://db/outflow
       |        ^^^^^^^^^^^^^^^^^^^^^
       hint: write `state: .outflow`
    ");
    insta::assert_snapshot!(of_project(&format!("{PROJECT}state: \"\"\n")), @r#"
    outflow.yaml:7:8: error[bad_state]: `state` must be a folder
     7 | state: ""
       |        ^^
       hint: write `state: .outflow`
    "#);
}

#[test]
fn a_broken_connection_takes_only_its_own_syncs() {
    let project = PROJECT.replace("path: ./data", "path: ./data, colour: red");
    let good = PROJECT.replace("  files:", "  other: { type: files, path: . }\n  files:");
    let second = MAPPING
        .replace("sync: customers", "sync: others")
        .replace("source: files", "source: other");
    let files = [("mappings/a.yaml", MAPPING), ("mappings/b.yaml", second.as_str())];
    let broken = good.replace("path: ./data", "path: ./data, colour: red");
    assert_ne!(project, broken);
    let folder = Folder::new(&files);
    folder.write("outflow.yaml", broken.as_bytes());
    let loaded = folder.load(false);
    insta::assert_snapshot!(rendered(&loaded), @"
    outflow.yaml:4:39: error[unknown_key]: `colour` is no key in `sources.files`
     4 |   files: { type: files, path: ./data, colour: *** }
       |                                       ^^^^^^
       hint: known keys: `type`, `path`, `csv`
    ");
    let project = loaded.project.unwrap();
    assert_eq!(
        project
            .syncs
            .iter()
            .map(|sync| sync.name.as_str())
            .collect::<Vec<_>>(),
        ["others"]
    );
    assert_eq!(loaded.excluded, ["customers"]);
}

#[test]
fn an_absent_value_excuses_its_own_connection_alone() {
    let project = "sources:\n  files: { type: files, path: . }\ndestinations:\n  crm: { type: crm, careful: true }\n  mail: { type: mail, api_key: \"${env:NOT_SET}\" }\n";
    let folder = Folder::new(&[("outflow.yaml", project), ("mappings/customers.yaml", MAPPING)]);
    let loaded = folder.load(true);
    let codes: Vec<_> = loaded
        .problems
        .iter()
        .map(|problem| (problem.code, problem.is_error()))
        .collect();
    assert_eq!(codes, [("crm_settings", true), ("unset_env", false)]);
    // A whole address that is absent is none a connector could open: a warning, and its syncs wait.
    let project = PROJECT.replace(
        "CRM_TOKEN}\"",
        "CRM_TOKEN}\", port: \"${env:NOT_SET}\", base_url: broken",
    );
    let folder = Folder::new(&[("outflow.yaml", &project), ("mappings/customers.yaml", MAPPING)]);
    let loaded = folder.load(true);
    assert!(!loaded.has_errors(), "{}", rendered(&loaded));
    assert_eq!(loaded.excluded, ["customers"]);
}

#[test]
fn a_secret_in_the_place_of_a_key_is_not_shown() {
    for settings in [
        "pat-na1-literal",
        "'pat na1 literal': x",
        "token: \"${env:CRM_TOKEN}\", plainliteral",
    ] {
        let shown = crm(settings);
        assert!(
            shown.contains("error[unknown_key]: this is no key here"),
            "{shown}"
        );
        assert!(!shown.contains("literal"), "{shown}");
    }
}
