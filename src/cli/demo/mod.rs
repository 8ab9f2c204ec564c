//! `outflow demo`: the whole story on generated data, against local twins of HubSpot, Mailchimp and
//! Marketing Cloud, checked as it is told: a demo that does not hold what it says fails.

mod carried;
mod people;
mod project;
mod proof;
mod shop;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use outflow_sandbox::hubspot::Rate;
use outflow_sandbox::mailchimp;

use super::arguments::Globals;
use super::failure::Failure;
use super::forecast::{RequestLines, forecast};
use super::open::{self, Opened};
use super::output::{Output, Tone, count, counted};
use super::plan::summary;
use super::sandbox::{self, PORTS, Settings, TwinOptions, Twins};
use super::stop::Stop;
use super::{plan_rows, run};
use crate::project::SyncSpec;
use crate::state::Access;
use crate::sync::error::Exit;
use crate::sync::report::RunReport;
use crate::sync::run::Runner;

/// Sets of ports that are tried.
const TRIES: u16 = 50;
/// Ports from one set to the next.
const APART: u16 = 10;
const _: () = assert!(APART >= PORTS);

/// Arguments of `outflow demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow demo\n  \
    outflow demo my-folder\n\n\
    Writes a project with generated customers into the folder and syncs it to twins of HubSpot, Mailchimp\n\
    and Marketing Cloud that run on this machine. Nothing leaves the machine. It may be repeated; it then\n\
    starts afresh.")]
pub(crate) struct DemoArgs {
    /// Folder of the demo's project [default: -C, else ./outflow-demo]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Tells the story.
pub(crate) async fn run(
    args: &DemoArgs,
    globals: &Globals,
    out: &mut Output,
    stop: &Stop,
) -> Result<Exit, Failure> {
    let dir = match (&args.folder, globals.named_dir()) {
        (Some(folder), Some(base)) => base.join(folder),
        (Some(folder), None) => folder.clone(),
        (None, Some(base)) => base.clone(),
        (None, None) => PathBuf::from("outflow-demo"),
    };
    let earlier = project::clear(&dir)?;
    let (twins, port) = start_twins(&dir, earlier.map(|settings| settings.port)).await?;
    project::write(&dir, port, &twins)?;
    project::prepare(&twins)?;
    shop::create(&dir)?;
    out.line(format_args!(
        "{} is a project now: outflow.yaml, four mappings, an SQLite database, two CSV files.\n\
         Twins of HubSpot, Mailchimp and Marketing Cloud with their real limits listen on\n  {}, {} and {}.",
        dir.display(),
        twins.hubspot.base_url(),
        twins.mailchimp.base_url(),
        twins.marketing_cloud.base_url()
    ));
    let opened = Opened::load(&dir)?;
    if !opened.broken().is_empty() {
        let problems = opened.broken().into_iter().cloned().collect();
        return Err(Failure::problems(problems));
    }
    let runner = open::runner(&opened, Access::Write, stop)?;
    let story = Story {
        opened: &opened,
        runner: &runner,
        twins: &twins,
        dir: &dir,
    };
    story.tell(out).await?;
    drop(runner);
    twins.save()?;
    goodbye(&dir, out);
    Ok(Exit::Done)
}

/// The twins on the ports of an earlier demo, the usual ones, or the next that are free; and the first
/// of their ports.
async fn start_twins(dir: &Path, earlier: Option<u16>) -> Result<(Twins, u16), Failure> {
    let usual = (0..TRIES).map(|at| sandbox::DEFAULT_PORT + at * APART);
    let mut taken = None;
    for port in earlier.into_iter().chain(usual) {
        let options = TwinOptions {
            port,
            rate: Some(Rate::professional()),
            log: true,
            data: Some(dir.join(project::TWIN_DATA)),
            ..TwinOptions::default()
        };
        match Twins::start(&options).await {
            Err(reason) if reason.is_port_taken() => taken = Some(reason),
            started => return Ok((started?, port)),
        }
    }
    Err(taken.map_or_else(|| Failure::bug("no port was tried"), Failure::from))
}

struct Story<'a> {
    opened: &'a Opened,
    runner: &'a Runner,
    twins: &'a Twins,
    dir: &'a Path,
}

impl Story<'_> {
    async fn tell(&self, out: &mut Output) -> Result<(), Failure> {
        out.headline("1. First sync: everything is new");
        let first = self.sync_all(out).await?;
        proof::first_run(&first, self.twins)?;

        out.headline("2. The shop goes on");
        for line in shop::change(self.dir)? {
            out.line(format_args!("   {line}"));
        }
        out.line(format_args!("   {}", self.unsubscribe()?));

        out.headline("3. outflow plan: what a run would send, field by field");
        self.plan(out).await?;

        out.headline("4. Second sync: only these rows, only these fields");
        self.twins.clear_requests();
        let second = self.sync_all(out).await?;
        for report in &second {
            run::tell_rejects(out, &self.runner.stage.store, &report.sync)?;
        }
        for sent in proof::second_run(&second, self.twins)? {
            out.line(format_args!("\n   {} got", sent.destination));
            for request in &sent.requests {
                out.line(format_args!("     {}", request.line));
            }
        }

        out.headline("5. Third sync: nothing has changed");
        self.twins.clear_requests();
        let third = self.sync_all(out).await?;
        proof::third_run(&third, self.twins)?;
        let zero = out.paint(Tone::Success, "0 requests");
        out.line(format_args!(
            "\n   The three destinations saw {zero}. Refused rows sleep until they change, and the run says so:\n   \
             `outflow run` exits 1 while a reject is open. A suppressed row is no failure: nobody who unsubscribed is\n   \
             subscribed again."
        ));

        out.headline("What a marketer sees now");
        out.table(&view::table(self.twins)?);
        Ok(())
    }

    /// Somebody unsubscribes in Mailchimp, of which the shop knows nothing.
    fn unsubscribe(&self) -> Result<String, Failure> {
        let customer = people::customer(u64::from(shop::UNSUBSCRIBES));
        self.twins
            .mailchimp
            .unsubscribe(mailchimp::AUDIENCE, &customer.email)
            .map_err(|error| Failure::bug(error.to_string()))?;
        Ok(format!(
            "customer {} follows the link in a mail from Mailchimp and unsubscribes",
            customer.id
        ))
    }

    async fn sync_all(&self, out: &mut Output) -> Result<Vec<RunReport>, Failure> {
        let mut reports = Vec::new();
        for sync in &self.opened.project.syncs {
            let report = self.runner.run(sync).await;
            if let Some(error) = &report.error {
                return Err(self.opened.failure(sync, error));
            }
            reports.push(report);
        }
        out.table(&run::table(reports.iter()));
        Ok(reports)
    }

    async fn plan(&self, out: &mut Output) -> Result<(), Failure> {
        for sync in &self.opened.project.syncs {
            let planned = self.plan_one(sync, out).await;
            self.runner.stage.progress.done(&sync.name);
            planned?;
        }
        Ok(())
    }

    async fn plan_one(&self, sync: &Arc<SyncSpec>, out: &mut Output) -> Result<(), Failure> {
        let mut lines = RequestLines::counting(&sync.name);
        let mut forecast = forecast(&self.runner.stage, &self.runner.quotas, sync, &mut lines)
            .await
            .map_err(|error| self.opened.failure(sync, &error))?;
        summary(sync, &forecast, out);
        plan_rows::show(sync, &mut forecast, 10, out)?;
        Ok(())
    }
}

fn goodbye(dir: &Path, out: &mut Output) {
    let (customers, companies) = (count(shop::CUSTOMERS), counted(shop::COMPANIES, "company"));
    let companies = companies.replace("companys", "companies");
    out.headline("Go on from here");
    out.line(format_args!(
        "   {customers} customers and {companies} are in the twins. Serve them again, and look at their page:"
    ));
    let dir = dir.display();
    out.line(format_args!("     outflow sandbox -C {dir}"));
    out.line("   Then, in another terminal:");
    for (command, why) in [
        ("status", "how fresh each sync is"),
        ("rejects", "the refused rows, and why"),
        (
            "explain customers_mailchimp 42",
            "the customer whose address changed",
        ),
        ("run", "sends whatever you change in the folder's data"),
    ] {
        let command = format!("outflow {command} -C {dir}");
        out.line(format_args!("     {command:<60} # {why}"));
    }
    out.line("   Your own data: `outflow init` in an empty folder.");
}

/// The settings of a demo's twins.
fn settings(port: u16) -> Settings {
    Settings {
        port,
        data: project::TWIN_DATA.into(),
    }
}
