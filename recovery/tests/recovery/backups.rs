//! What a backup keeps, what it removes, and what a kill leaves.

use sallyport_recovery::{BackupError, Shelf, Target, Trouble, backup};

use crate::server::{Log, PASSWORD, Server, wait_until};

fn backups(server: &Server) -> Vec<String> {
    let folder = std::fs::read_dir(server.shelf().join("base")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_knows_its_rows_and_hides_its_secrets() {
    let server = Server::start(Log::Archived).await;
    server.accept(12).await;

    let manifest = server.back_up().await.manifest;

    assert!(manifest.archived && manifest.has_settings());
    assert_eq!(manifest.counts.get("messages"), Some(&12));
    assert_eq!(manifest.counts.get("queue"), Some(&6));
    let folder = server.shelf().join("base").join(&manifest.id);
    let sealed = std::fs::read_to_string(folder.join("settings.sealed")).unwrap();
    assert!(!sealed.contains("OPS_TOKEN") && !sealed.contains(PASSWORD));
    assert!(sealed.contains("\"rounds\":600000"), "{sealed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_backups_go_and_the_log_of_the_kept_ones_stays() {
    let server = Server::start(Log::Archived).await;
    let mut place = server.place();
    place.settings.keep_count_min = 1;
    let first = server.back_up().await.manifest;
    server.accept(10).await;
    let second = backup(&place, &[]).await.unwrap();
    assert_eq!(second.expired, Vec::<String>::new(), "both are young");
    let old = age(&server, &first.id);
    server.accept(10).await;

    let third = backup(&place, &[]).await.unwrap();

    // The first is nine days old, and still the way to the moments before the second.
    assert_eq!(backups(&server).len(), 3);
    assert_eq!(third.expired, Vec::<String>::new());
    age(&server, &second.manifest.id);
    let fourth = backup(&place, &[]).await.unwrap();
    assert_eq!(fourth.expired, [old]);
    assert!(fourth.segments_removed > 0);
    server.lose_the_cluster();
    server.restore(Target::Latest).await.unwrap();
    server.up();
    assert_eq!(server.number("select count(*) from messages").await, 20);
}

/// Makes a backup nine days older than it is, by its manifest. Returns its name.
fn age(server: &Server, id: &str) -> String {
    let path = server.shelf().join("base").join(id).join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let signed: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut manifest: sallyport_recovery::Manifest =
        serde_json::from_value(signed["manifest"].clone()).unwrap();
    manifest.ended_at -= jiff::SignedDuration::from_hours(24 * 9);
    let body = serde_json::to_string(&manifest).unwrap();
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
    id.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_are_one_too_many() {
    let server = Server::start(Log::Archived).await;
    let place = server.place();

    let (one, other) = tokio::join!(backup(&place, &[]), backup(&place, &[]));

    let refused = [one, other].into_iter().filter_map(Result::err);
    let refused: Vec<_> = refused.collect();
    assert!(
        matches!(
            refused.as_slice(),
            [BackupError::Trouble(Trouble::Busy { .. })]
        ),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_cut_off_counts_as_none_and_is_cleared_away() {
    let server = Server::start(Log::Archived).await;
    let base = server.shelf().join("base");
    let (place, begun) = (server.place(), base.clone());
    let files = move || std::fs::read_dir(&begun).is_ok_and(|mut some| some.next().is_some());
    {
        // As a kill would: the future is dropped, and with it the program, as soon as there is something on disk.
        let cut_off = backup(&place, &[]);
        tokio::select! {
            _ = cut_off => panic!("the backup was faster than a look at its folder"),
            () = wait_until("it has begun", || async { files() }) => {}
        }
    }
    assert_eq!(backups(&server).len(), 1);
    assert!(
        Shelf::at(server.shelf())
            .standing()
            .unwrap()
            .newest
            .is_none()
    );

    let made = server.back_up().await.manifest;

    assert_eq!(backups(&server), [made.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_archive_the_moment_of_the_backup_can_be_restored() {
    let server = Server::start(Log::Forgotten).await;
    server.accept(10).await;

    let manifest = server.back_up().await.manifest;
    server.accept(10).await;
    server.lose_the_cluster();
    server.restore(Target::Latest).await.unwrap();
    server.up();

    assert!(!manifest.archived);
    assert_eq!(server.number("select count(*) from messages").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_archived_once_and_never_replaced_by_another() {
    let server = Server::start(Log::Archived).await;
    server.back_up().await;
    let archive = server.archive();
    let segment = server.beside("000000010000000000000007");
    let run = |content: &str| {
        std::fs::write(&segment, content).unwrap();
        let script = server.beside("archive-wal");
        let mut command = std::process::Command::new(script);
        command
            .arg(&archive)
            .arg(&segment)
            .arg("0000000A000000000000000A");
        command.status().unwrap().success()
    };

    assert!(run("one"));
    assert!(run("one"), "the same again");
    assert!(!run("two"), "another under the same name");
}
