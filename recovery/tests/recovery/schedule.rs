//! The schedule: what a house does by itself.

use std::sync::Arc;

use sallyport_recovery::{Chore, KeptFile, Shelf};
use sallyport_telemetry::health::State;
use sallyport_telemetry::{Health, Identity, metrics};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::server::{Log, Server, wait_until};

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
    for kind in ["base", "wal", "restore_drill"] {
        let series =
            format!("sallyport_backup_last_success_timestamp_seconds{{kind=\"{kind}\"}} 0\n");
        assert!(!told.contains(&series), "{kind}");
    }
}
