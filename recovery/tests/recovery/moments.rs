//! Restoring a moment, and every moment that is refused.

use jiff::SignedDuration;
use sallyport_recovery::{PlanError, RestoreError, Target, Trouble, restore};
use sallyport_security::Secret;

use crate::server::{Log, Server};

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_comes_back_as_it_was_one_moment_before() {
    let server = Server::start(Log::Archived).await;
    server.accept(20).await;
    server
        .execute("insert into leases (partition, owner, token) values (256, 'w', 4)")
        .await;
    server.back_up().await;
    server.accept(30).await;
    let (moment, waiting) = (
        server.now().await,
        server.number("select count(*) from queue").await,
    );
    server.accept(10).await;
    server.execute("drop table messages cascade").await;

    server.lose_the_cluster();
    let restored = server.restore(Target::At(moment)).await.unwrap();
    server.up();

    assert!(restored.last_transaction.unwrap() <= moment);
    assert_eq!(server.number("select count(*) from messages").await, 50);
    assert_eq!(server.number("select count(*) from queue").await, waiting);
    assert_eq!(
        server
            .number("select count(*) from queue q join messages m using (day, id)")
            .await,
        waiting
    );
    let waits = "select count(*) from house where (name, value) = ('paused', 'true')";
    assert_eq!(server.number(waits).await, 1);
    let leased = "select count(*) from leases where owner is not null";
    assert_eq!(server.number(leased).await, 0);
    let paused = "select count(*) from pauses where kind = ''";
    assert_eq!(server.number(paused).await, 1);
    let history = "select count(*) from house where name = 'history' and value like '%:2'";
    assert_eq!(server.number(history).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_can_itself_be_taken_back() {
    let server = Server::start(Log::Archived).await;
    server.back_up().await;
    server.accept(10).await;
    let before = server.now().await;
    server.accept(10).await;
    let after = server.now().await;
    server.accept(1).await;
    let broken = server.lose_the_cluster();

    server.restore(Target::At(before)).await.unwrap();
    server.up();
    assert_eq!(server.number("select count(*) from messages").await, 10);
    server.down();
    std::fs::remove_dir_all(broken).unwrap();
    std::fs::rename(server.cluster(), server.beside("second")).unwrap();
    let mut request = server.request(Target::At(after));
    request.timeline = Some(1);
    let restored = restore(&server.place(), &request).await.unwrap();
    server.up();

    assert_eq!(restored.timeline, 3, "the number of a branch is given once");
    assert_eq!(server.number("select count(*) from messages").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_line_is_followed_after_a_restore() {
    let server = Server::start(Log::Archived).await;
    server.back_up().await;
    server.accept(10).await;
    server.lose_the_cluster();
    server.restore(Target::Latest).await.unwrap();
    server.up();
    server.accept(10).await;
    server.down();
    std::fs::rename(server.cluster(), server.beside("second")).unwrap();

    server.restore(Target::Latest).await.unwrap();
    server.up();

    assert_eq!(server.number("select count(*) from messages").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_archived_comes_from_the_broken_cluster() {
    let server = Server::start(Log::Archived).await;
    server.back_up().await;
    std::fs::remove_file(server.beside("archive-wal")).unwrap();
    server.accept(10).await;
    let broken = server.break_down();

    let mut request = server.request(Target::Latest);
    request.more_log = Some(broken.join("pg_wal"));
    restore(&server.place(), &request).await.unwrap();
    server.up();

    assert_eq!(server.number("select count(*) from messages").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_outside_the_archive_are_refused_with_what_is_possible() {
    let server = Server::start(Log::Archived).await;
    let too_early = server.now().await;
    let made = server.back_up().await;
    server.accept(2).await;
    let too_late = server.now().await + SignedDuration::from_hours(1);
    server.lose_the_cluster();

    let early = server.restore(Target::At(too_early)).await.unwrap_err();
    let late = server.restore(Target::At(too_late)).await.unwrap_err();

    let earliest = made.manifest.ended_at;
    assert!(
        matches!(early, RestoreError::Plan(PlanError::TooEarly { earliest: told, .. }) if told == earliest)
    );
    let RestoreError::Plan(PlanError::TooLate { latest, .. }) = late else {
        panic!("{late:?}");
    };
    assert!(latest > earliest && latest < too_late);
    assert!(!server.cluster().exists(), "nothing was written");
    server.restore(Target::At(latest)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_and_a_full_folder_are_refused() {
    let server = Server::start(Log::Archived).await;
    server.back_up().await;

    let running = server.restore(Target::Latest).await.unwrap_err();
    server.down();
    let full = server.restore(Target::Latest).await.unwrap_err();

    assert!(matches!(running, RestoreError::Running { .. }), "{running}");
    assert!(matches!(full, RestoreError::NotEmpty { .. }), "{full}");
    assert!(server.cluster().join("PG_VERSION").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_says_so_and_changes_nothing() {
    let server = Server::start(Log::Archived).await;
    server.back_up().await;
    server.lose_the_cluster();
    let mut request = server.request(Target::Latest);
    request.settings_into = Some(server.beside("settings"));
    let mut place = server.place();

    place.settings.password = Secret::new("another");
    let wrong = restore(&place, &request).await.unwrap_err();
    place.settings.password = Secret::default();
    let none = restore(&place, &request).await.unwrap_err();

    assert!(matches!(
        wrong,
        RestoreError::Plan(PlanError::Trouble(Trouble::WrongPassword))
    ));
    assert!(matches!(
        none,
        RestoreError::Plan(PlanError::Trouble(Trouble::NoPassword))
    ));
    assert!(!server.cluster().exists() && !server.beside("settings").exists());
    restore(&server.place(), &request).await.unwrap();
    let kept = std::fs::read(server.beside("settings/config/.env")).unwrap();
    assert_eq!(kept, b"OPS_TOKEN=secret");
}
