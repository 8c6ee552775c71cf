//! What a process finds around it: the environment, `.env`, the generated secrets of its folder, and from these its settings.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use sallyport_config::{Effective, Environment, Mistake};

use crate::cli::Places;
use crate::cluster;
use crate::commands::Misconfigured;
use crate::dev_secrets;
use crate::settings::{self, Settings};

/// Reads the settings of this process, making the development secrets first if there are none.
///
/// # Errors
/// [`Misconfigured`] with every mistake, or that the data folder cannot be written.
pub(crate) fn settings(places: &Places) -> anyhow::Result<(Settings, Vec<Effective>)> {
    let environment = environment(places)?;
    let loaded = settings::load(places.config.as_deref(), environment.clone());
    let (mut settings, effective) = loaded.map_err(Misconfigured)?;
    cluster::complete(&mut settings.gateway, &environment).map_err(Misconfigured)?;
    let spool = &mut settings.stores.queue.spool.directory;
    if spool.as_os_str().is_empty() {
        *spool = places.data.join("spool");
    }
    read_deny_file(&mut settings).map_err(|mistake| Misconfigured(vec![mistake]))?;
    read_authorities(&mut settings).map_err(|mistake| Misconfigured(vec![mistake]))?;
    read_documents(&mut settings).map_err(|mistake| Misconfigured(vec![mistake]))?;
    Ok((settings, effective))
}

/// Takes in the networks that the edge's settings keep in a file of their own.
fn read_deny_file(settings: &mut Settings) -> Result<(), Mistake> {
    let addresses = &mut settings.gateway.addresses;
    let path = addresses.deny_file.clone();
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|error| mistake(&path, None, format!("cannot be read: {error}")))?;
    addresses
        .read_deny_file(&text)
        .map_err(|error| mistake(&path, Some(error.line), error.complaint))
}

/// The same for the authorities of client certificates.
fn read_authorities(settings: &mut Settings) -> Result<(), Mistake> {
    for asked in settings.gateway.client_certificates() {
        let path = asked.authorities.clone();
        let pem = std::fs::read(&path)
            .map_err(|error| mistake(&path, None, format!("cannot be read: {error}")))?;
        asked
            .read_authorities(&pem)
            .map_err(|error| mistake(&path, None, error.to_string()))?;
    }
    Ok(())
}

/// Whether settings mean the document of the workers' own API, rather than a file.
pub(crate) fn is_built_in(document: &Path) -> bool {
    document == Path::new("builtin:ops")
}

/// The same for the documents of APIs.
fn read_documents(settings: &mut Settings) -> Result<(), Mistake> {
    for asked in settings.gateway.openapi_documents() {
        let path = asked.document.clone();
        let text = match is_built_in(&path) {
            true => sallyport_workers::api::document().into_bytes(),
            false => std::fs::read(&path)
                .map_err(|error| mistake(&path, None, format!("cannot be read: {error}")))?,
        };
        asked
            .read_document(&text)
            .map_err(|error| mistake(&path, None, error.to_string()))?;
    }
    Ok(())
}

/// Something is wrong with a file that the settings name.
fn mistake(path: &Path, line: Option<usize>, reason: String) -> Mistake {
    Mistake {
        file: path.display().to_string(),
        line,
        key: String::new(),
        reason,
    }
}

/// The same for who may have lost everything but a backup: where the database was is not needed to bring it back.
pub(crate) fn settings_after_a_loss(places: &Places) -> anyhow::Result<Settings> {
    let environment = environment(places)?.with_dotenv("DATABASE_URL=postgresql://localhost/lost");
    let loaded = settings::load(places.config.as_deref(), environment);
    let (settings, _) = loaded.map_err(Misconfigured)?;
    Ok(settings)
}

/// The file of variables in the working directory.
const DOTENV: &str = ".env";

/// The files that variables are read from.
pub(crate) fn dotenv_files(places: &Places) -> [PathBuf; 2] {
    [PathBuf::from(DOTENV), dev_secrets::path(&places.data)]
}

/// The process's variables, then `.env` of the working directory, then the generated secrets: earlier ones win.
pub(crate) fn environment(places: &Places) -> anyhow::Result<Environment> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    let variables = std::env::vars();
    let dotenv = std::fs::read_to_string(DOTENV).unwrap_or_default();
    let generated = dev_secrets::ensure(&places.data)?;
    Ok(Environment::new(variables)
        .with_dotenv(&dotenv)
        .with_dotenv(&generated))
}

/// Arms the points at which a test wants to stop this process, as `SALLYPORT_FAIL_POINTS` names them.
#[cfg(feature = "fail-points")]
pub(crate) fn arm_fail_points() -> Result<(), sallyport_telemetry::points::PlanError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the points are armed before any setting is read"
    )]
    let plan = std::env::var("SALLYPORT_FAIL_POINTS").unwrap_or_default();
    sallyport_telemetry::points::arm(&plan)
}

/// Whether a person reads our output.
pub(crate) fn is_a_terminal() -> bool {
    std::io::stdout().is_terminal()
}
