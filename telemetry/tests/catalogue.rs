//! Holds the house to its catalogue, by reading the sources: every metric that the catalogue names is used somewhere, and every
//! log line that has a name has one of the agreed form.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sallyport_telemetry::Metric;

/// Sources of the house, without the catalogue itself, tests and benches.
fn sources() -> io::Result<Vec<(PathBuf, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let skipped = name.starts_with('.')
                || ["target", "tests", "benches", "catalogue"].contains(&&*name);
            if path.is_dir() && !skipped {
                folders.push(path);
            } else if name.ends_with(".rs") && !["tests.rs", "catalogue.rs"].contains(&&*name) {
                let text = fs::read_to_string(&path)?;
                let product = text
                    .split("#[cfg(test)]\nmod tests {")
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                // What a doc comment shows is not yet emitted.
                let product = product
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect::<Vec<_>>();
                sources.push((
                    path.strip_prefix(&root).unwrap_or(&path).to_owned(),
                    product.join("\n"),
                ));
            }
        }
    }
    Ok(sources)
}

/// Whether the text names exactly this metric: `Metric::Connections` is no use of `Metric::ConnectionsOpen`'s neighbour.
fn names(text: &str, metric: &str) -> bool {
    text.match_indices(metric).any(|(at, _)| {
        let next = text.as_bytes().get(at + metric.len());
        !next.is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_')
    })
}

#[test]
fn every_metric_of_the_catalogue_is_emitted_somewhere() {
    let sources = sources().unwrap();

    let unused: Vec<_> = Metric::ALL
        .iter()
        .map(|metric| format!("Metric::{metric:?}"))
        .filter(|metric| !sources.iter().any(|(_, text)| names(text, metric)))
        .collect();

    assert!(unused.is_empty(), "no source emits {unused:?}");
}

#[test]
fn the_names_of_log_lines_are_areas_and_things() {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    for (path, text) in sources().unwrap() {
        let events = text
            .split("!(")
            .skip(1)
            .filter_map(|call| call.trim_start().strip_prefix("name: \""));
        for name in events.filter_map(|rest| rest.split('"').next()) {
            let parts: Vec<_> = name.split('.').collect();
            assert!(
                parts.len() >= 2 && parts.iter().all(|part| word(part)),
                "{name} in {}",
                path.display()
            );
        }
    }
}

#[test]
fn the_scan_sees_the_house() {
    let sources = sources().unwrap();

    for expected in ["telemetry/src/probe.rs", "recorder/src/events.rs"] {
        assert!(
            sources.iter().any(|(path, _)| path == Path::new(expected)),
            "{expected}"
        );
    }
    assert!(names("Metric::Connections,", "Metric::Connections"));
    assert!(!names("Metric::ConnectionsOpen", "Metric::Connections"));
}
