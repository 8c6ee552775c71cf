//! A single flipped byte anywhere is found, and the file is named.

use std::path::{Path, PathBuf};

use sallyport_recovery::{Target, drill};

use crate::server::{Log, Server};

fn flip(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 0x10;
    std::fs::write(file, bytes).unwrap();
}

/// Flips a byte, tries both a restore and a drill, and flips it back.
async fn is_refused(server: &Server, file: &Path, at: usize) {
    let whole = std::fs::read(file).unwrap();
    flip(file, at);

    let refusal = server.restore(Target::Latest).await.unwrap_err();
    let report = drill(&server.place()).await.unwrap();

    let name = file.display().to_string();
    let told = sallyport_telemetry::Chain(&refusal).to_string();
    assert!(told.contains(&name), "byte {at}: {told}");
    assert!(!report.passed(), "byte {at} of {name}");
    assert!(report.findings[0].contains(&name), "{report:?}");
    assert!(!server.cluster().exists(), "nothing was written");
    std::fs::write(file, whole).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_refused_by_the_name_of_its_file() {
    let server = Server::start(Log::Archived).await;
    server.accept(10).await;
    let manifest = server.back_up().await.manifest;
    server.accept(10).await;
    server.lose_the_cluster();
    let folder = server.shelf().join("base").join(&manifest.id);
    let streamed = first_in(&folder.join("data/pg_wal"), "0000");
    let archived = first_of_needed(&server.archive(), &streamed);
    let files = [
        folder.join("data/base/1/1259"),
        folder.join("data/global/pg_control"),
        folder.join("data/backup_label"),
        folder.join("data/backup_manifest"),
        streamed,
        folder.join("settings.sealed"),
        folder.join("manifest.json"),
        archived,
    ];

    for file in &files {
        let middle = std::fs::metadata(file).unwrap().len() / 2;
        for at in [0, usize::try_from(middle).unwrap(), usize::MAX] {
            is_refused(&server, file, at).await;
        }
    }

    server.restore(Target::Latest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_and_a_foreign_file_are_refused() {
    let server = Server::start(Log::Archived).await;
    let manifest = server.back_up().await.manifest;
    server.lose_the_cluster();
    let data = server.shelf().join("base").join(&manifest.id).join("data");

    std::fs::write(data.join("base/1/99999"), "stranger").unwrap();
    let stranger = server.restore(Target::Latest).await.unwrap_err();
    std::fs::remove_file(data.join("base/1/99999")).unwrap();
    std::fs::remove_file(data.join("base/1/1259")).unwrap();
    let missing = server.restore(Target::Latest).await.unwrap_err();

    assert!(stranger.to_string().contains("base/1/99999"), "{stranger}");
    assert!(missing.to_string().contains("base/1/1259"), "{missing}");
}

fn first_in(folder: &Path, prefix: &str) -> PathBuf {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| name(path).starts_with(prefix))
        .collect();
    files.sort();
    files.remove(0)
}

fn first_of_needed(archive: &Path, streamed: &Path) -> PathBuf {
    first_in(archive, &format!("{}-", name(streamed)))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
