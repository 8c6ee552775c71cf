//! How much of public attacks the input inspection blocks, how little of harmless text, and what a request costs.
//!
//! It exists because both numbers are promises (`docs/inspection.md`), and either is easy to reach without the other. Run it by `make waf`,
//! which fetches the corpora; it exits with an error when a gate fails. `--misses` lists what was judged wrongly in the seen
//! half of the corpora; the unseen half is never shown. `--replay FILE` judges recorded requests instead, in the corpora's format,
//! and says which rules would block what: a dry run, under the settings of `--settings FILE` (JSON) or the defaults.

#![expect(
    clippy::print_stdout,
    reason = "a measurement's result is what it prints"
)]

mod corpus;
mod replay;
mod scores;
mod timings;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sallyport_security::inspection::{InspectionSettings, Inspector, Mode, Modes};

fn main() -> Result<()> {
    let mut folder = PathBuf::from(".data/waf");
    let (mut misses, mut recorded, mut settings) = (false, None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--misses" => misses = true,
            "--replay" => recorded = arguments.next(),
            "--settings" => settings = arguments.next(),
            path => folder = PathBuf::from(path),
        }
    }
    match recorded {
        Some(file) => replay::run(Path::new(&file), settings.as_deref().map(Path::new)),
        None => measure(&folder, misses),
    }
}

/// What is measured: every part blocks.
fn strict() -> InspectionSettings {
    InspectionSettings {
        modes: Modes {
            path: Mode::Block,
            query: Mode::Block,
            headers: Mode::Block,
            cookies: Mode::Block,
            body: Mode::Block,
        },
        ..InspectionSettings::default()
    }
}

fn measure(folder: &Path, misses: bool) -> Result<()> {
    let inspector = Inspector::new(&strict());
    let read = |name: &str| {
        let file = folder.join(name);
        corpus::read(&file).with_context(|| format!("reading {}", file.display()))
    };
    let (attacks, benign) = (read("attacks.jsonl")?, read("benign.jsonl")?);
    let blocked = scores::attacks(&inspector, &attacks, misses);
    let passed = scores::benign(&inspector, &benign, misses);
    let quick = timings::run(&inspector, &benign);
    let failed: Vec<String> = [blocked, passed, quick].concat();
    for gate in &failed {
        println!("FAILED {gate}");
    }
    ensure!(failed.is_empty(), "{} gates failed", failed.len());
    println!("all gates passed");
    Ok(())
}
