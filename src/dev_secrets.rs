//! Secrets that nobody configured, made once for this folder: `.data/dev.env`, readable by its owner alone.
//!
//! They exist so that `make run` needs no set-up and a person can still `curl` the edge with the right token. A variable that is
//! set elsewhere wins, so a real deployment never reads this file's values.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rand::distr::{Alphanumeric, SampleString};
use sallyport_security::private_file;

/// Each generated variable, with the line that explains it in the file.
const SECRETS: [(&str, &str); 3] = [
    (
        "TELEGRAM_OPS_WEBHOOK_SECRET",
        "what Telegram sends in X-Telegram-Bot-Api-Secret-Token to /telegram/ops",
    ),
    ("OPS_TOKEN", "bearer token of /ops/… and /health/status"),
    (
        "SALLYPORT_WEBHOOK_SECRET",
        "what the signing keys of webhooks that we send grow from",
    ),
];

/// Characters of a secret: 43 of 62 letters and digits are 256 bits.
const SECRET_CHARACTERS: usize = 43;

/// Where the file lies below a data folder.
pub(crate) fn path(data: &Path) -> PathBuf {
    data.join("dev.env")
}

/// Returns the file's text, with every secret in it; missing ones are made and written first.
pub(crate) fn ensure(data: &Path) -> anyhow::Result<String> {
    let path = path(data);
    let mut text = fs::read_to_string(&path).unwrap_or_default();
    let is_there = |text: &str, name: &str| {
        text.lines()
            .any(|line| line.starts_with(&format!("{name}=")))
    };
    let missing: Vec<_> = SECRETS
        .iter()
        .filter(|(name, _)| !is_there(&text, name))
        .collect();
    if missing.is_empty() {
        return Ok(text);
    }
    for (name, meaning) in missing {
        let secret = Alphanumeric.sample_string(&mut rand::rng(), SECRET_CHARACTERS);
        text.push_str(&format!("# {meaning}\n{name}={secret}\n"));
    }
    write_private(&path, text.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
    Ok(text)
}

/// Writes a file that only its owner may read, and makes its folder first.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(private_file::write(path, bytes)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_are_private() {
        let data = tempfile::tempdir().unwrap();

        let first = ensure(data.path()).unwrap();
        let second = ensure(data.path()).unwrap();

        assert_eq!(first, second);
        assert!(first.contains("\nOPS_TOKEN="));
        let mode = fs::metadata(path(data.path()))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_secret_that_somebody_wrote_is_kept() {
        let data = tempfile::tempdir().unwrap();
        fs::write(path(data.path()), "OPS_TOKEN=mine\n").unwrap();

        let text = ensure(data.path()).unwrap();

        assert!(text.starts_with("OPS_TOKEN=mine\n"));
        assert!(text.contains("TELEGRAM_OPS_WEBHOOK_SECRET="));
    }
}
