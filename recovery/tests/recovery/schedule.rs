//! The schedule: what a house does by itself.

use std::sync::Arc;

use sallyport_recovery::{Chore, KeptFile, Shelf, Target};
use sallyport_telemetry::health::State;
use sallyport_telemetry::{Health, Identity, metrics};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::server::{Log, Server, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_house_is_backed_up_on_its_new_line_at_once() {
    let server = Server::start(Log::Archived).await;
    server.back_up().await;
    server.lose_the_cluster();
    server.restore(Target::Latest).await.unwrap();
    server.up();
    server.execute("select pg_switch_wal()").await;
    wait_until("the new line is archived", || async {
        let files = std::fs::read_dir(server.archive()).unwrap();
        let mut names = files.map(|file| file.unwrap().file_name());
        names.any(|name| name.to_string_lossy().starts_with("000000020000"))
    })
    .await;
    let shelf = Shelf::at(server.shelf());
    let chore = Chore {
        place: server.place(),
        keeper: Arc::new(|| Ok(Vec::new())),
        component: Health::new(Identity::new("0.1.0", "abc", "test")).component("backup", false),
    };
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());

    tasks.spawn(chore.run(stop.clone()));

    wait_until("a backup stands on the new line", || async {
        let newest = shelf.standing().unwrap().newest.unwrap();
        newest.server.timeline == 2
    })
    .await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_without_a_backup_makes_one_drills_it_and_says_so() {
    let server = Server::start(Log::Archived).await;
    let exposition = metrics::install();
    let health = Health::new(Identity::new("0.1.0", "abc", "test"));
    let component = health.component("backup", false);
    let chore = Chore {
        place: server.place(),
        keeper: Arc::new(|| {
            Ok(vec![KeptFile {
                name: ".env".to_owned(),
                bytes: b"A=1".to_vec(),
            }])
        }),
        component: component.clone(),
    };
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());

    tasks.spawn(chore.run(stop.clone()));
    wait_until("the health page says so", || async {
        component.state() == State::Up
    })
    .await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;

    let standing = Shelf::at(server.shelf()).standing().unwrap();
    assert!(standing.newest.unwrap().has_settings());
    assert!(standing.drill.unwrap().passed());
    let told = exposition.render();
    assert!(told.contains("sallyport_restore_drill_findings 0\n"));
    for kind in ["base", "wal", "restore_drill"] {
        let series =
            format!("sallyport_backup_last_success_timestamp_seconds{{kind=\"{kind}\"}} 0\n");
        assert!(!told.contains(&series), "{kind}");
    }
}
