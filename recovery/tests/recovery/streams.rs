//! Receiving the log from a server that archives nothing itself.

use std::path::PathBuf;

use sallyport_recovery::{Target, follow};

use crate::server::{Log, Server, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_received_is_restored_to_the_last_second() {
    let server = Server::start(Log::Forgotten).await;
    let place = server.place();
    let following = follow(&place);
    let story = async {
        let stream = server.shelf().join("stream");
        wait_until("receiving has begun", || async { has_partial(&stream) }).await;
        let manifest = server.back_up().await.manifest;
        assert!(manifest.archived);
        server.accept(10).await;
        // The slot knows how far the receiver has synced.
        wait_until("everything was received", || async {
            let behind = "select count(*) from pg_replication_slots where restart_lsn is null or (select flush_lsn from pg_stat_replication where application_name like 'sallyport%' limit 1) < pg_current_wal_flush_lsn()";
            server.number(behind).await == 0
        })
        .await;
    };
    tokio::select! {
        ended = following => panic!("{ended:?}"),
        () = story => {}
    }
    server.lose_the_cluster();

    server.restore(Target::Latest).await.unwrap();
    server.up();

    assert_eq!(server.number("select count(*) from messages").await, 10);
}

fn has_partial(stream: &PathBuf) -> bool {
    std::fs::read_dir(stream).is_ok_and(|files| {
        files
            .flatten()
            .any(|file| file.file_name().to_string_lossy().ends_with(".partial"))
    })
}
