//! `cargo bench --bench peers`: Ruddle beside every Redis-compatible server of this machine.
//!
//! It starts the release binary and each peer on PATH, puts them in turn under the same load, and prints Markdown
//! tables to standard output, progress to standard error. The first figure that counts is the CPU time that a server
//! uses for an operation: on a machine that also runs the load generator, throughput says as much of the generator.
//!
//! Life cycle: [`options`] says what to measure, [`load`], [`exchange`], [`footprint`], [`growth`], [`snapshots`] and
//! [`background`] measure it with the help of [`server`] (processes) and [`client`] (a connection), [`report`] writes it down. A new load case is a line in
//! `options::CASES`, a new peer a name in `server::PEERS`. Runs on Linux, whose accounting of processes it reads.

mod background;
mod client;
mod exchange;
mod footprint;
mod growth;
mod load;
mod options;
mod report;
mod server;
mod snapshots;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use options::{Options, Plan};
use report::Report;
use server::Program;

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if !options.bench {
        eprintln!("peers: measures only under `cargo bench`");
        return Ok(ExitCode::SUCCESS);
    }
    let programs = Program::find_all()?;
    let mut report = Report::default();
    report.heading(&programs);
    for part in [
        load_cases,
        hand_over,
        memory,
        growth_by_size,
        start_up,
        inserts,
        saves,
        rewrites,
    ] {
        // A part that fails costs its own tables alone.
        if let Err(error) = part(&programs, &options.plan(), &mut report) {
            report.failure(&error);
        }
        print!("{}", std::mem::take(&mut report.text));
    }
    eprintln!(
        "peers: {} limits missed, {} parts failed",
        report.misses, report.failures
    );
    let failed = report.failures > 0 || (options.assert && report.misses > 0);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn load_cases(programs: &[Program], plan: &Plan, report: &mut Report) -> Result<()> {
    if !plan.cases.is_empty() {
        let results = load::measure(programs, plan)?;
        report.load(programs, plan, &results);
    }
    Ok(())
}

fn hand_over(programs: &[Program], plan: &Plan, report: &mut Report) -> Result<()> {
    if let Some(rounds) = plan.hand_over_rounds {
        let hand_overs = exchange::hand_overs(programs, rounds)?;
        report.hand_overs(programs, &hand_overs);
    }
    Ok(())
}

fn memory(programs: &[Program], plan: &Plan, report: &mut Report) -> Result<()> {
    if let Some(keys) = plan.memory_keys {
        let bytes = footprint::memory_per_element(programs, keys)?;
        report.memory(programs, keys, &bytes);
    }
    Ok(())
}

fn growth_by_size(programs: &[Program], plan: &Plan, report: &mut Report) -> Result<()> {
    if !plan.growth_sizes.is_empty() {
        let growth = growth::measure(&programs[0], plan.growth_sizes)?;
        report.growth(plan.growth_sizes, &growth);
    }
    Ok(())
}

fn start_up(programs: &[Program], plan: &Plan, report: &mut Report) -> Result<()> {
    if let Some(samples) = plan.start_samples {
        let starts = footprint::start_up(programs, samples)?;
        report.start(programs, &starts);
    }
    Ok(())
}

fn inserts(programs: &[Program], plan: &Plan, report: &mut Report) -> Result<()> {
    if let Some(keys) = plan.insert_keys {
        let inserts = footprint::inserts(programs, keys, plan.insert_runs)?;
        report.inserts(programs, plan, keys, &inserts);
    }
    Ok(())
}

fn saves(programs: &[Program], plan: &Plan, report: &mut Report) -> Result<()> {
    if let Some(keys) = plan.save_keys {
        let saves = snapshots::measure(programs, keys, plan.save_rounds)?;
        report.saves(programs, plan, keys, &saves);
    }
    Ok(())
}

fn rewrites(programs: &[Program], plan: &Plan, report: &mut Report) -> Result<()> {
    if let Some(keys) = plan.save_keys {
        let rewrites = background::rewrites(programs, keys)?;
        report.rewrites(programs, keys, &rewrites);
    }
    Ok(())
}
