//! `outflow demo`: the whole story on generated data, against a local HubSpot twin, checked as it is
//! told: a demo that does not hold what it says fails.

mod people;
mod project;
mod proof;
mod shop;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use outflow_sandbox::hubspot::{Rate, Twin};

use super::arguments::Globals;
use super::failure::Failure;
use super::forecast::{RequestLines, forecast};
use super::open::{self, Opened};
use super::output::{Output, Tone, count, counted};
use super::plan::summary;
use super::sandbox::{self, Settings};
use super::stop::Stop;
use super::{plan_rows, run};
use crate::project::SyncSpec;
use crate::state::Access;
use crate::sync::error::Exit;
use crate::sync::report::RunReport;
use crate::sync::run::Runner;

/// Arguments of `outflow demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow demo\n  \
    outflow demo my-folder\n\n\
    Writes a project with generated customers into the folder and syncs it to a twin of HubSpot that\n\
    runs on this machine. Nothing leaves the machine. It may be repeated; it then starts afresh.")]
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
    let twin = start_twin(&dir, earlier.map(|settings| settings.port)).await?;
    let port = port_of(&twin);
    project::write(&dir, port)?;
    shop::create(&dir)?;
    out.line(format_args!(
        "{} is a project now: outflow.yaml, two mappings, an SQLite database, two CSV files.",
        dir.display()
    ));
    out.line(format_args!(
        "A twin of HubSpot with its real limits listens on {}.",
        twin.base_url()
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
        twin: &twin,
        dir: &dir,
    };
    story.tell(out).await?;
    drop(runner);
    twin.save()
        .map_err(|error| Failure::config("demo", format!("the twin's records cannot be saved: {error}")))?;
    goodbye(&dir, out);
    Ok(Exit::Done)
}

/// The demo's usual port, or a free one when it is taken.
async fn start_twin(dir: &Path, earlier: Option<u16>) -> Result<Twin, Failure> {
    let wanted = earlier.unwrap_or(sandbox::DEFAULT_PORT);
    let data = dir.join(project::TWIN_DATA);
    for port in [wanted, sandbox::DEFAULT_PORT, 0] {
        let options = sandbox::options(port, Some(Rate::professional()), Some(data.clone()));
        match Twin::start(options).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port != 0 => {}
            started => return started.map_err(|error| sandbox::not_started(port, &error)),
        }
    }
    Err(Failure::bug("no port was tried"))
}

fn port_of(twin: &Twin) -> u16 {
    let url = twin.base_url();
    url.rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .unwrap_or_default()
}

struct Story<'a> {
    opened: &'a Opened,
    runner: &'a Runner,
    twin: &'a Twin,
    dir: &'a Path,
}

impl Story<'_> {
    async fn tell(&self, out: &mut Output) -> Result<(), Failure> {
        out.headline("1. First sync: everything is new");
        let first = self.sync_all(out).await?;
        proof::first_run(&first, self.twin)?;

        out.headline("2. The shop goes on");
        for line in shop::change(self.dir)? {
            out.line(format_args!("   {line}"));
        }

        out.headline("3. outflow plan: what a run would send, field by field");
        self.plan(out).await?;

        out.headline("4. Second sync: only these rows, only these fields");
        self.twin.clear_requests();
        let second = self.sync_all(out).await?;
        out.line("");
        for line in proof::second_run(&second, self.twin)? {
            out.line(format_args!("   {line}"));
        }

        out.headline("5. Third sync: nothing has changed");
        self.twin.clear_requests();
        let third = self.sync_all(out).await?;
        proof::third_run(&third, self.twin)?;
        let zero = out.paint(Tone::Success, "0 requests");
        out.line(format_args!(
            "\n   HubSpot saw {zero}. The two refused rows sleep until they change, and the run says so: `outflow run`\n   exits 1 while a reject is open."
        ));

        out.headline("What a marketer sees in HubSpot now");
        out.table(&proof::contacts(self.twin)?);
        Ok(())
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
        for report in &reports {
            run::tell_rejects(out, &self.runner.stage.store, &report.sync)?;
        }
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
        "   {customers} customers and {companies} are in the twin. Serve it again, and look at its page:"
    ));
    let dir = dir.display();
    out.line(format_args!("     outflow sandbox -C {dir}"));
    out.line("   Then, in another terminal:");
    for (command, why) in [
        ("status", "how fresh each sync is"),
        ("rejects customers", "the two refused rows"),
        ("explain customers 42", "the customer whose address changed"),
        ("run", "sends whatever you change in the folder's data"),
    ] {
        let command = format!("outflow {command} -C {dir}");
        out.line(format_args!("     {command:<50} # {why}"));
    }
    out.line("   Your own data: `outflow init` in an empty folder.");
}

/// The settings of a demo's twin.
fn settings(port: u16) -> Settings {
    Settings {
        port,
        data: project::TWIN_DATA.into(),
    }
}
