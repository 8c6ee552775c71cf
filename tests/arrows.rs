//! The arrows between the crates are the ones that `docs/ARCHITECTURE.md` draws, and no others.
//!
//! A new arrow is a decision record first and a line here second.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each crate and the crates of ours that it may see.
const ARROWS: [(&str, &[&str]); 17] = [
    ("telemetry", &[]),
    ("config", &[]),
    ("kit", &[]),
    ("playground", &[]),
    ("postgres", &["telemetry"]),
    ("redis", &["telemetry"]),
    ("security", &["postgres", "redis", "telemetry"]),
    ("recorder", &["postgres", "telemetry"]),
    ("queue", &["postgres", "redis", "telemetry"]),
    ("recovery", &["postgres", "security", "telemetry"]),
    ("sources", &["security"]),
    ("gateway", &["sources", "queue", "security", "telemetry"]),
    ("telegram", &["security", "telemetry"]),
    ("ai", &["security", "telemetry"]),
    ("webhook", &["security", "telemetry"]),
    ("hub", &["kit"]),
    (
        "workers",
        &[
            "kit",
            "sources",
            "queue",
            "telegram",
            "ai",
            "webhook",
            "postgres",
            "redis",
            "recorder",
            "security",
            "telemetry",
        ],
    ),
];

#[test]
fn no_crate_sees_another_but_along_the_drawn_arrows() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> = ARROWS
        .iter()
        .map(|(name, sees)| (*name, sees.iter().copied().collect()))
        .collect();

    for (name, sees) in arrows() {
        let known = allowed
            .get(name.as_str())
            .unwrap_or_else(|| panic!("{name} is not drawn"));
        let undrawn: Vec<_> = sees
            .iter()
            .filter(|other| !known.contains(other.as_str()))
            .collect();
        assert!(undrawn.is_empty(), "{name} may not see {undrawn:?}");
    }
}

#[test]
fn every_library_opens_with_what_it_is_for() {
    for package in packages() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let library = manifest.replace("Cargo.toml", "src/lib.rs");
        if let Ok(source) = std::fs::read_to_string(&library) {
            assert!(
                source.starts_with("//! "),
                "{library} must open with what it is and what it refuses to know"
            );
        }
    }
}

/// What each library crate of ours depends on, without the prefix. Dev-dependencies count: a test is no way around a wall.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let ours = |name: &str| name.strip_prefix("sallyport-").map(str::to_owned);
    packages()
        .iter()
        .filter_map(|package| {
            let name = ours(package["name"].as_str()?)?;
            let sees = package["dependencies"].as_array()?.iter();
            let sees = sees.filter_map(|dependency| ours(dependency["name"].as_str()?));
            // A crate may name itself to switch on its own test helpers.
            let sees = sees.filter(|other| *other != name).collect();
            Some((name, sees))
        })
        .collect()
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}
