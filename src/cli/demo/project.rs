//! The demo's project files, and clearing away those of an earlier demo.

use std::io;
use std::path::Path;

use outflow_sandbox::mailchimp::{self, MergeField, MergeType};
use outflow_sandbox::marketing_cloud::{self, Column, ColumnType};

use super::super::failure::Failure;
use super::super::sandbox::{Settings, TOKEN, Twins};
use super::people::STAGES;
use super::settings;

/// Where the twins keep what they have, below the demo's folder.
pub(super) const TWIN_DATA: &str = "sandbox/data";

/// What a demo makes, and clears away when it is repeated.
const FOLDERS: [&str; 5] = ["data", "models", "mappings", "sandbox", ".outflow"];

const CUSTOMERS_SQL: &str = include_str!("files/customers.sql");
const HUBSPOT_YAML: &str = include_str!("files/customers_hubspot.yaml");
const MAILCHIMP_YAML: &str = include_str!("files/customers_mailchimp.yaml");
const MARKETING_CLOUD_YAML: &str = include_str!("files/customers_marketing_cloud.yaml");
const COMPANIES_YAML: &str = include_str!("files/companies.yaml");
const OUTFLOW_YAML: &str = include_str!("files/outflow.yaml");

/// Makes room in `dir`: an earlier demo there is cleared away, anything else is left alone.
///
/// # Errors
/// When the folder holds something that no demo made.
pub(super) fn clear(dir: &Path) -> Result<Option<Settings>, Failure> {
    let earlier = Settings::read(dir)?;
    if earlier.is_none() && holds_something(dir) {
        return Err(Failure::config(
            "demo_folder",
            "the folder is not empty and was not made by the demo, so it is left alone",
        )
        .at(dir.display().to_string())
        .hint("name another folder: outflow demo DIR"));
    }
    for folder in FOLDERS {
        match std::fs::remove_dir_all(dir.join(folder)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(not_written(dir, &error)),
        }
    }
    Ok(earlier)
}

fn holds_something(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
}

/// Writes the project.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn write(dir: &Path, port: u16, twins: &Twins) -> Result<(), Failure> {
    let outflow = OUTFLOW_YAML
        .replace("{hubspot}", &twins.hubspot.base_url())
        .replace("{mailchimp}", &twins.mailchimp.base_url())
        .replace("{marketing_cloud}", &twins.marketing_cloud.base_url());
    let keys = mailchimp::Options::default().api_keys;
    let secret = marketing_cloud::Options::default().client_secret;
    let files = [
        ("outflow.yaml", outflow.as_str()),
        ("models/customers.sql", CUSTOMERS_SQL),
        ("mappings/customers_hubspot.yaml", HUBSPOT_YAML),
        ("mappings/customers_mailchimp.yaml", MAILCHIMP_YAML),
        ("mappings/customers_marketing_cloud.yaml", MARKETING_CLOUD_YAML),
        ("mappings/companies.yaml", COMPANIES_YAML),
        ("sandbox/token", TOKEN),
        ("sandbox/mailchimp_key", keys.first().map_or("", String::as_str)),
        ("sandbox/marketing_cloud_secret", secret.as_str()),
    ];
    let all = || {
        for (name, text) in files {
            let path = dir.join(name);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, text)?;
        }
        settings(port).write(dir)
    };
    all().map_err(|error: io::Error| not_written(dir, &error))
}

/// What marketers have set up before the first sync: a dropdown in Mailchimp, a data extension in
/// Marketing Cloud.
///
/// # Errors
/// When the twins had something before, which is a bug.
pub(super) fn prepare(twins: &Twins) -> Result<(), Failure> {
    let stage = MergeField::new("STAGE", "Stage", MergeType::Dropdown).choices(&STAGES);
    twins
        .mailchimp
        .define_merge_field(mailchimp::AUDIENCE, stage)
        .map_err(|error| Failure::bug(error.to_string()))?;
    let columns = vec![
        Column::new("SubscriberKey", ColumnType::Text)
            .length(36, 0)
            .primary(),
        Column::new("Email", ColumnType::EmailAddress),
        Column::new("FirstName", ColumnType::Text),
        Column::new("LastName", ColumnType::Text),
    ];
    twins.marketing_cloud.define("customers", columns);
    Ok(())
}

/// The demo's folder cannot be written.
pub(super) fn not_written(dir: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::config(
        "demo_folder",
        format!("the demo's files cannot be written: {error}"),
    )
    .at(dir.display().to_string())
    .hint("name a folder that can be written: outflow demo DIR")
}
