//! That a renewal on disk is noticed, however the files are exchanged, and that a bad one changes nothing.

use std::fs;
use std::os::unix::fs::symlink;

use rcgen::KeyPair;
use tokio_util::task::TaskTracker;

use super::*;
use crate::file_watch::LOOK_EVERY;

/// A folder as Kubernetes mounts secrets: the files are links into a folder that is a link itself.
struct Mount {
    folder: tempfile::TempDir,
}

impl Mount {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in ["chain.pem", "key.pem"] {
            symlink(Path::new("now").join(file), folder.path().join(file)).unwrap();
        }
        Self { folder }
    }

    /// Exchanges both files at once.
    fn publish(&self, version: &str, chain: &str, key: &str) {
        let folder = self.folder.path();
        fs::create_dir(folder.join(version)).unwrap();
        fs::write(folder.join(version).join("chain.pem"), chain).unwrap();
        fs::write(folder.join(version).join("key.pem"), key).unwrap();
        symlink(version, folder.join("next")).unwrap();
        fs::rename(folder.join("next"), folder.join("now")).unwrap();
    }

    fn files(&self) -> CertificateFiles {
        let file = |name| self.folder.path().join(name);
        CertificateFiles {
            configured: vec![Files::new(file("chain.pem"), file("key.pem"))],
            given: Vec::new(),
            development: None,
        }
    }
}

fn made() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn fingerprint(certificates: &Certificates) -> String {
    certificates.facts()[0].fingerprint.clone()
}

#[tokio::test(start_paused = true)]
async fn a_renewal_is_served_within_seconds_and_a_bad_one_is_not() {
    let mount = Mount::new();
    let (chain, key) = made();
    mount.publish("1", &chain, &key);
    let certificates = mount.files().load().unwrap();
    let first = fingerprint(&certificates);
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    tasks.spawn(mount.files().watch(certificates.clone(), stop.clone()));
    tokio::time::sleep(LOOK_EVERY * 2).await;

    let (chain, key) = made();
    let foreign = KeyPair::generate().unwrap().serialize_pem();
    mount.publish("2", &chain, &foreign);
    tokio::time::sleep(LOOK_EVERY * 5).await;
    assert_eq!(fingerprint(&certificates), first);

    mount.publish("3", &chain, &key);
    tokio::time::sleep(LOOK_EVERY * 4).await;
    assert_ne!(fingerprint(&certificates), first);

    let second = fingerprint(&certificates);
    fs::remove_file(mount.folder.path().join("now")).unwrap();
    tokio::time::sleep(LOOK_EVERY * 5).await;
    assert_eq!(fingerprint(&certificates), second);

    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test(start_paused = true)]
async fn the_certificate_of_an_authority_takes_the_place_of_the_development_one_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name| folder.path().join(name);
    let (chain, key) = made();
    fs::write(file("dev.pem"), chain + &key).unwrap();
    let files = || CertificateFiles {
        configured: Vec::new(),
        given: vec![Files::whole(file("given.pem"))],
        development: Some(Files::whole(file("dev.pem"))),
    };
    let certificates = files().load().unwrap();
    let development = fingerprint(&certificates);
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    tasks.spawn(files().watch(certificates.clone(), stop.clone()));
    tokio::time::sleep(LOOK_EVERY * 2).await;

    let (chain, key) = made();
    fs::write(file("given.pem"), key + &chain).unwrap();
    tokio::time::sleep(LOOK_EVERY * 4).await;

    assert_ne!(fingerprint(&certificates), development);
    assert_eq!(certificates.facts().len(), 1);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[test]
fn files_that_cannot_be_read_stop_the_start_with_their_name() {
    let mount = Mount::new();

    let error = mount.files().load().unwrap_err();

    assert!(format!("{error:#}").contains("chain.pem"), "{error:#}");
}
