//! Backups, restores and drills as an operator meets them: through the binary, against a Postgres of the story's own.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::house::{House, OWN_SERVER};
use crate::updates;

const PASSWORD: &str = "a backup password";
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// Tables that change although nobody's message does: who beats, who holds what, and what a restore says of itself.
const OF_THE_MOMENT: [&str; 4] = ["workers", "claims", "pauses", "house"];

/// A private Postgres that archives its log, as `make run` has it, and the folder of its backups.
struct Cluster {
    home: tempfile::TempDir,
}

impl Cluster {
    /// A running server and its maintenance URL.
    fn start() -> (Self, String) {
        let home = tempfile::tempdir().unwrap();
        // The server runs as another account when we are root.
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let cluster = Self { home };
        cluster.script("backups", &cluster.backups());
        let url = cluster.up();
        (cluster, url)
    }

    fn up(&self) -> String {
        self.script("start", &self.folder())
    }

    fn down(&self) {
        self.script("stop", &self.folder());
    }

    /// The data folder of the server.
    fn data(&self) -> PathBuf {
        self.folder().join("cluster")
    }

    fn folder(&self) -> PathBuf {
        self.beside("postgres")
    }

    fn backups(&self) -> PathBuf {
        self.beside("backups")
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn script(&self, what: &str, folder: &Path) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(root.join("scripts/postgres"))
            .arg(what)
            .arg(folder)
            .env("SALLYPORT_WAL_ARCHIVE", self.backups().join("wal"))
            .env("SALLYPORT_POSTGRES_BIN", programs())
            .output()
            .unwrap();
        let (told, complaint) = words(&output);
        assert!(output.status.success(), "{what}: {complaint}");
        told.trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.down();
    }
}

/// Where the programs of a private Postgres are.
fn programs() -> String {
    if let Ok(folder) = std::env::var("SALLYPORT_POSTGRES_BIN") {
        return folder;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
    let output = Command::new(script).arg("bin").output().unwrap();
    assert!(
        output.status.success(),
        "no PostgreSQL was found; run `make test`, which gets one"
    );
    words(&output).0.trim().to_owned()
}

/// A house on the cluster, and what an operator types with the variables of backups set.
struct Operator<'a> {
    house: &'a House,
    cluster: &'a Cluster,
}

impl<'a> Operator<'a> {
    fn of(house: &'a House, cluster: &'a Cluster) -> Self {
        Self { house, cluster }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.house.command(arguments);
        command
            .env("SALLYPORT_BACKUP_DIRECTORY", self.cluster.backups())
            .env("SALLYPORT_BACKUP_PASSWORD", PASSWORD)
            .env("SALLYPORT_POSTGRES_BIN", programs());
        command
    }

    /// What it printed on success.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let (told, complaint) = words(&output);
        assert!(output.status.success(), "{arguments:?}: {told}{complaint}");
        told
    }

    /// The complaint with which it failed, exit code 1.
    fn refused(&self, arguments: &[&str]) -> String {
        refused(self.command(arguments))
    }
}

fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    let (told, complaint) = words(&output);
    assert_eq!(output.status.code(), Some(1), "{told}{complaint}");
    complaint
}

fn words(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The rows of every table whose rows are somebody's.
async fn rows(house: &House) -> BTreeMap<String, i64> {
    let database = house.database().await;
    let tables = "select relname::text from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition";
    let mut rows = BTreeMap::new();
    for table in database.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let count = format!("select count(*) from public.{table}");
        rows.insert(table, database.query_one(&count, &[]).await.unwrap().get(0));
    }
    rows.retain(|table, _| !OF_THE_MOMENT.contains(&table.as_str()));
    rows
}

/// The time by Postgres's clock.
async fn now(house: &House) -> Timestamp {
    let row = house.database().await;
    let row = row.query_one("select clock_timestamp()", &[]).await;
    row.unwrap().get(0)
}

async fn until_a_second_after(house: &House, moment: Timestamp) {
    house
        .wait_until("a second has gone by", || async {
            now(house).await.duration_since(moment) > SignedDuration::from_millis(1_050)
        })
        .await;
}

async fn greet(house: &House, chats: std::ops::Range<i64>) {
    for chat in chats {
        let update = updates::text(chat, chat, "/start");
        assert_eq!(house.post_update(&update).await.status(), 200);
    }
}

/// How many messages each of these chats shows.
async fn shown(house: &House, chats: std::ops::Range<i64>) -> Vec<usize> {
    let mut shown = Vec::new();
    for chat in chats {
        shown.push(house.sent(chat).await.len());
    }
    shown
}

fn flip_a_byte(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(file, bytes).unwrap();
}

/// A house on a cluster of its own, with the schema and nothing in it.
async fn empty_house() -> (House, Cluster) {
    let (cluster, server) = Cluster::start();
    let house = House::build_on(&server, &[]).await;
    Operator::of(&house, &cluster).done(&["migrate"]);
    (house, cluster)
}

/// A house in which five people were answered and six wait, because only the edge runs.
async fn a_house_with_six_waiting(server: &str) -> House {
    let mut house = House::build_on(server, &OWN_SERVER).await;
    house.start_playground().await;
    house.start_server().await;
    greet(&house, 601..606).await;
    house.wait_until_idle().await;
    assert!(house.stop_server(STOP_DEADLINE).await.success());
    house.start_gateway().await;
    greet(&house, 611..617).await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_is_taken_back_and_nothing_is_sent_before_a_person_says_so() {
    let (cluster, server) = Cluster::start();
    let mut house = a_house_with_six_waiting(&server).await;
    let data = cluster.data().display().to_string();
    let operator = Operator::of(&house, &cluster);
    operator.done(&["backup"]);
    greet(&house, 621..625).await;
    let (before, moment) = (rows(&house).await, now(&house).await);
    until_a_second_after(&house, moment).await;
    let database = house.database().await;
    let drop_it = "drop table messages cascade";
    database.batch_execute(drop_it).await.unwrap();
    drop(database);

    let running = operator.refused(&["restore", "--latest", "--into", &data]);
    assert!(
        running.contains(&format!("a server is running over {data}")),
        "{running}"
    );
    assert!(house.stop_server(STOP_DEADLINE).await.success());
    cluster.down();
    std::fs::rename(cluster.data(), cluster.beside("broken")).unwrap();
    let settings = cluster.beside("settings").display().to_string();
    let at = moment.to_string();
    let operator = Operator::of(&house, &cluster);
    let told = operator.done(&[
        "restore",
        "--to",
        &at,
        "--into",
        &data,
        "--settings",
        &settings,
    ]);
    assert!(
        told.contains("(timeline 2)") && told.contains("sallyport queue resume --everything"),
        "{told}"
    );
    cluster.up();

    assert_eq!(rows(&house).await, before);
    let sealed = std::fs::read_to_string(cluster.beside("settings/variables.env")).unwrap();
    assert!(sealed.contains(&format!("TELEGRAM_OPS_WEBHOOK_SECRET={}", house.secret)));
    assert!(!sealed.contains(PASSWORD));
    nothing_is_sent_until_resumed(&mut house, &cluster).await;
}

async fn nothing_is_sent_until_resumed(house: &mut House, cluster: &Cluster) {
    house.start_server().await;
    greet(house, 631..632).await;
    let started = now(house).await;
    until_a_second_after(house, started).await;
    until_a_second_after(house, now(house).await).await;
    assert_eq!(shown(house, 611..617).await, [0; 6]);
    assert_eq!(shown(house, 621..625).await, [0; 4]);
    assert_eq!(shown(house, 631..632).await, [0]);

    let operator = Operator::of(house, cluster);
    let told = operator.done(&["queue", "resume", "--everything", "--why", "looked at it"]);
    assert!(
        told.contains("sallyport restore: the database was restored"),
        "{told}"
    );
    house.wait_until_idle().await;

    assert_eq!(shown(house, 601..606).await, [1; 5], "nobody hears twice");
    assert_eq!(shown(house, 611..617).await, [1; 6]);
    assert_eq!(shown(house, 621..625).await, [1; 4]);
    assert_eq!(shown(house, 631..632).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_restored_is_refused_in_words_and_changes_nothing() {
    let (house, cluster) = empty_house().await;
    let operator = Operator::of(&house, &cluster);
    let (data, into) = (cluster.data(), cluster.beside("restored"));
    let data = data.display().to_string();
    let target = into.display().to_string();
    let nothing = operator.refused(&["drill"]);
    assert!(nothing.contains("there is no backup in"), "{nothing}");
    let made = operator.done(&["backup"]);
    let earliest = made.split("restorable from ").nth(1).unwrap();
    let earliest = earliest.split(", ").next().unwrap();
    cluster.down();

    let full = operator.refused(&["restore", "--latest", "--into", &data]);
    assert!(
        full.contains(&format!("{data} is not empty; move it away first")),
        "{full}"
    );
    let early = ["restore", "--to", "2020-01-01T00:00:00Z", "--into", &target];
    let early = operator.refused(&early);
    let wanted = format!("the earliest moment that can be restored is {earliest}");
    assert!(early.contains(&wanted), "{early}");
    let settings = cluster.beside("settings").display().to_string();
    let latest = ["restore", "--latest", "--into", &target];
    let mut wrong = operator.command(&latest);
    wrong.args(["--settings", &settings]);
    wrong.env("SALLYPORT_BACKUP_PASSWORD", "another");
    let wrong = refused(wrong);
    assert!(
        wrong.contains("the backup password is wrong; nothing was changed"),
        "{wrong}"
    );
    let id = made.split(':').next().unwrap();
    let damaged = cluster.backups().join("base").join(id);
    let damaged = damaged.join("data/base/1/1259");
    flip_a_byte(&damaged);
    let named = format!("{} is damaged", damaged.display());
    let told = operator.refused(&latest);
    assert!(told.contains(&named), "{told}");
    let told = operator.refused(&["drill"]);
    assert!(
        told.contains("cannot be relied on") && told.contains(&named),
        "{told}"
    );
    assert!(!into.exists() && !cluster.beside("settings").exists());

    flip_a_byte(&damaged);
    let told = operator.done(&["drill"]);
    assert!(
        told.contains("is sound") && told.contains("RPO ") && told.contains("RTO "),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_backup_counts_as_none_and_the_next_one_works() {
    let (house, cluster) = empty_house().await;
    let operator = Operator::of(&house, &cluster);
    let begun = || {
        let folders = std::fs::read_dir(cluster.backups().join("base"));
        let folders = folders.into_iter().flatten();
        folders.map(|folder| folder.unwrap().path())
    };

    for reached in ["", "data", "data/base/1/1259", "data/global/pg_control"] {
        let before: Vec<PathBuf> = begun().collect();
        let mut backup = operator.command(&["backup"]).spawn().unwrap();
        house
            .wait_until("the backup is under way", || async {
                begun().any(|folder| !before.contains(&folder) && folder.join(reached).exists())
            })
            .await;
        backup.kill().unwrap();
        backup.wait().unwrap();

        assert_eq!(operator.done(&["backup", "--list"]), "", "{reached}");
        let nothing = operator.refused(&["drill"]);
        assert!(nothing.contains("there is no backup in"), "{nothing}");
    }
    operator.done(&["backup"]);

    assert_eq!(operator.done(&["backup", "--list"]).lines().count(), 1);
    assert_eq!(begun().count(), 1, "what was begun is cleared away");
    assert!(operator.done(&["drill"]).contains("is sound"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_may_only_replicate_backs_up_and_says_what_it_lacks() {
    let (house, cluster) = empty_house().await;
    let operator = Operator::of(&house, &cluster);
    let database = house.database().await;
    let make = "create role keeper login replication";
    database.batch_execute(make).await.unwrap();
    let login = house.database_url.replace("postgres@", "keeper@");
    let start = || {
        let mut command = operator.command(&["backup"]);
        command.env("SALLYPORT_BACKUP_DATABASE_URL", &login);
        command.stderr(Stdio::piped()).spawn().unwrap()
    };

    // It may not end the segment that it waits for; Postgres does within a minute, and the story at once.
    let mut backup = start();
    house
        .wait_until("the backup has ended", || {
            let ended = backup.try_wait().unwrap().is_some();
            let switch = database.batch_execute("select pg_switch_wal()");
            async move { switch.await.is_ok() && ended }
        })
        .await;
    let (_, complaint) = words(&backup.wait_with_output().unwrap());
    assert!(
        complaint.contains("The rows could not be counted"),
        "{complaint}"
    );
    let grants = "grant pg_read_all_data, sallyport_workers to keeper;
        grant execute on function pg_create_restore_point(text), pg_switch_wal() to keeper";
    database.batch_execute(grants).await.unwrap();
    let complete = start().wait_with_output().unwrap();
    assert_eq!(words(&complete).1, "");

    assert!(operator.done(&["drill"]).contains("is sound"));
}
