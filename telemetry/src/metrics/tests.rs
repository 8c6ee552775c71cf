//! Series as Prometheus reads them.

use std::time::Duration;

use super::*;
use crate::catalogue::Label;

#[test]
fn a_handle_is_exposed_as_zero_before_anything_happens() {
    let _handle = counter(Metric::IntakeDuplicates, &[(Label::Source, "zero")]);

    assert!(
        install()
            .render()
            .contains("sallyport_intake_duplicates_total{source=\"zero\"} 0")
    );
}

#[test]
fn two_handles_with_the_same_labels_are_one_series() {
    let labels = [(Label::Source, "same"), (Label::Sink, "postgres")];
    counter(Metric::IntakeAccepted, &labels).increment();
    Counters::new(Metric::IntakeAccepted)
        .of(&["same", "postgres"])
        .add(2);

    assert!(
        install()
            .render()
            .contains("sallyport_intake_accepted_total{source=\"same\",sink=\"postgres\"} 3")
    );
}

#[test]
fn an_empty_label_is_left_out() {
    histogram(
        Metric::DbClientOperationDuration,
        &[(Label::DbOperationName, "claim"), (Label::ErrorType, "")],
    )
    .record(Duration::from_millis(3));

    let text = install().render();
    assert!(text.contains("db_client_operation_duration_seconds_bucket{db_operation_name=\"claim\",le=\"0.005\"} 1"), "{text}");
    assert!(text.contains("db_client_operation_duration_seconds_bucket{db_operation_name=\"claim\",le=\"0.001\"} 0"), "{text}");
}

#[test]
fn a_stranger_cannot_blow_up_a_family() {
    let family = Counters::new(Metric::SignatureChecks);

    for number in 0..10 * VALUES_MAX {
        family
            .of(&[&format!("stranger-{number}"), "bad"])
            .increment();
    }

    let text = install().render();
    let series = text
        .lines()
        .filter(|line| line.contains("sallyport_signature_checks_total{source=\""))
        .count();
    assert_eq!(series, VALUES_MAX + 1, "the hundred and the rest");
    let rest = format!(
        "sallyport_signature_checks_total{{source=\"{OTHER}\",outcome=\"bad\"}} {}",
        9 * VALUES_MAX
    );
    assert!(text.contains(&rest), "{text}");
}

#[test]
fn a_held_gauge_falls_again() {
    let active = gauge(
        Metric::HttpServerActiveRequests,
        &[(Label::HttpRequestMethod, "POST")],
    );

    let (one, other) = (active.hold(), active.hold());
    assert!(
        install()
            .render()
            .contains("http_server_active_requests{http_request_method=\"POST\"} 2")
    );
    drop((one, other));

    assert!(
        install()
            .render()
            .contains("http_server_active_requests{http_request_method=\"POST\"} 0")
    );
}

#[test]
fn a_family_may_be_exposed_before_anything_happens() {
    let _family = Counters::with(Metric::Connections, [["accepted"], ["limit"]]);

    assert!(
        install()
            .render()
            .contains("sallyport_connections_total{outcome=\"limit\"} 0")
    );
}
