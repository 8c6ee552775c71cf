//! What can go wrong in every operation of this room. What is particular to one stands beside it.

use std::path::PathBuf;

use crate::disk::DiskError;

/// Trouble that backing up, restoring and drilling have in common.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A file or folder could not be read or written: the operator's to mend.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A file is not what it was when it was written. Nothing that depends on it is used.
    #[error("{} is damaged: {reason}", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// How that was seen.
        reason: String,
    },
    /// Somebody else is at work in the folder.
    #[error("another backup, restore or drill is at work in {}", directory.display())]
    Busy {
        /// The folder.
        directory: PathBuf,
    },
    /// The programs of the server's version are not installed where we look.
    #[error(
        "no programs of PostgreSQL {major} were found in {looked}; install them, or set backup.programs"
    )]
    NoPrograms {
        /// The server's major version.
        major: u32,
        /// The folders.
        looked: String,
    },
    /// A program could not be started.
    #[error("{program} could not be started")]
    Start {
        /// Which.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program ended with a failure.
    #[error("{program} failed: {said}")]
    Program {
        /// Which.
        program: String,
        /// The end of what it wrote to standard error.
        said: String,
    },
    /// The database is away, or refused a question.
    #[error("the database could not be asked: {doing}")]
    Postgres {
        /// What for.
        doing: &'static str,
        /// What happened.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The connection string of the database cannot be used here.
    #[error("the connection string of the database cannot be used for a backup: {reason}")]
    Url {
        /// Why.
        reason: String,
    },
    /// A scratch server did not come up.
    #[error("the restored server did not start: {said}")]
    NotUp {
        /// The end of its log.
        said: String,
    },
    /// Something took longer than it may.
    #[error("{what} took longer than {seconds} s")]
    Late {
        /// What.
        what: &'static str,
        /// The bound.
        seconds: u64,
    },
    /// A password is needed that nobody gave.
    #[error(
        "the settings of this backup are sealed: set SALLYPORT_BACKUP_PASSWORD (or SALLYPORT_BACKUP_PASSWORD_FILE)"
    )]
    NoPassword,
    /// The password is not the one that the backup was sealed with. Nothing was changed.
    #[error("the backup password is wrong; nothing was changed")]
    WrongPassword,
    /// Something that should be impossible; a bug of ours.
    #[error("{0}")]
    Bug(&'static str),
}

impl Trouble {
    pub(crate) fn postgres(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Postgres { doing, source }
    }

    pub(crate) fn damaged(file: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.into(),
            reason: reason.into(),
        }
    }
}
