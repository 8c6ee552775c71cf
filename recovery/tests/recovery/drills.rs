//! The drill: what it measures, and what it finds.

use sallyport_recovery::{DrillError, PlanError, Shelf, drill};

use crate::server::{Log, Server};

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_proves_the_newest_backup_and_measures_it() {
    let server = Server::start(Log::Archived).await;
    server.accept(40).await;
    server.back_up().await;
    server.accept(10).await;

    let report = drill(&server.place()).await.unwrap();

    assert!(report.passed(), "{report:?}");
    assert!(report.tables_compared > 10 && report.rows_compared >= 40 + 20);
    assert_eq!(report.settings_decrypted, Some(1));
    assert!(report.rpo_seconds > 0.0 && report.rpo_seconds < 60.0);
    assert!(report.rto_seconds > 0.0 && report.rto_seconds <= report.took_seconds);
    let kept = Shelf::at(server.shelf()).standing().unwrap().drill.unwrap();
    assert_eq!((kept.backup, kept.at), (report.backup, report.at));
    assert_eq!(server.number("select count(*) from messages").await, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_finds_a_queue_that_does_not_fit_together() {
    let server = Server::start(Log::Archived).await;
    server.accept(10).await;
    server
        .execute(
            "delete from messages where id = 10;
             insert into endings (message_id, day, outcome, attempt, started_at, worker, claim)
             values (9, current_date, 'done', 1, now(), 'w', 0);
             delete from queue where id = 8;
             update leases set counted = token + 1 where partition = 3;
             select setval('message_order', 5)",
        )
        .await;
    server.back_up().await;

    let report = drill(&server.place()).await.unwrap();

    let wanted = [
        "1 unfinished messages have no row in the log",
        "1 unfinished messages have ended",
        "1 messages neither wait nor ended",
        "1 partitions have no lease, or one that was never counted",
        "messages have a number that the sequence has yet to give",
    ];
    for (finding, wanted) in report.findings.iter().zip(wanted) {
        assert!(finding.contains(wanted), "{report:?}");
    }
    assert_eq!(report.findings.len(), wanted.len(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_manifest_does_not_know_are_found() {
    let server = Server::start(Log::Archived).await;
    server.accept(10).await;
    let made = server.back_up().await.manifest;
    // A backup that lies about its rows: another one's manifest would do the same.
    let path = server
        .shelf()
        .join("base")
        .join(&made.id)
        .join("manifest.json");
    let mut lying = made.clone();
    lying.counts.insert("messages".to_owned(), 11);
    let body = serde_json::to_string(&lying).unwrap();
    let sum = {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(body.as_bytes());
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    std::fs::write(
        path,
        format!("{{\"sha256\":\"{sum}\",\"manifest\":{body}}}"),
    )
    .unwrap();

    let report = drill(&server.place()).await.unwrap();

    assert_eq!(report.findings, ["messages has 10 rows and should have 11"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_without_a_backup_has_nothing_to_drill() {
    let server = Server::start(Log::Archived).await;

    let nothing = drill(&server.place()).await.unwrap_err();

    assert!(matches!(
        nothing,
        DrillError::Plan(PlanError::NoBackup { .. })
    ));
}
