//! Holds the catalogue to the rules of naming.

use std::collections::HashSet;

use super::{Kind, Label, Metric, Unit};

#[test]
fn no_name_is_given_twice() {
    let names: HashSet<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    let labels: HashSet<_> = Label::ALL.iter().map(|label| label.name()).collect();

    assert_eq!(names.len(), Metric::ALL.len());
    assert_eq!(labels.len(), Label::ALL.len());
}

#[test]
fn names_are_lower_case_words_of_a_known_family() {
    for metric in Metric::ALL {
        let name = metric.name();
        let family = name.split('_').next().unwrap_or_default();

        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        assert!(
            ["sallyport", "http", "db", "messaging", "gen", "process"].contains(&family),
            "{name}"
        );
    }
}

#[test]
fn a_name_says_its_unit_and_whether_it_counts() {
    for metric in Metric::ALL {
        let definition = metric.definition();
        let name = definition.name;

        assert_eq!(
            name.ends_with("_total"),
            definition.kind == Kind::Counter,
            "{name}"
        );
        match definition.unit {
            Unit::Seconds => assert!(
                name.trim_end_matches("_total").ends_with("_seconds"),
                "{name}"
            ),
            Unit::Bytes => assert!(name.ends_with("_bytes"), "{name}"),
            Unit::Tokens | Unit::Count => {}
        }
        assert!(
            definition.help.ends_with('.') && definition.help.len() < 120,
            "{name}"
        );
    }
}

#[test]
fn every_histogram_has_bounds_and_they_ascend() {
    for metric in Metric::ALL {
        if let Kind::Histogram(buckets) = metric.definition().kind {
            assert!(!buckets.bounds().is_empty(), "{}", metric.name());
            assert!(
                buckets.bounds().is_sorted_by(|a, b| a < b),
                "{}",
                metric.name()
            );
        }
    }
}
