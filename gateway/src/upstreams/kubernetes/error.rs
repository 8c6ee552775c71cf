//! Why the API server did not tell what was asked.
//!
//! It exists so that an operator reads which of the many parts is wrong: the pod's files, the way there, the rights, the answer. No
//! token is ever part of it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;

/// What the API server says is shortened to so many characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// Why the endpoints of a service are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubernetesError {
    /// The settings do not say where the API server is, and neither did the environment.
    #[error("no API server or no namespace is known: set api_server and namespace")]
    NotInACluster,
    /// A file of the service account cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The token file holds what cannot be a token.
    #[error("there is no token in {}", .0.display())]
    Token(PathBuf),
    /// The file of authorities holds none.
    #[error("there is no certificate of an authority in {}", .0.display())]
    Authorities(PathBuf),
    /// The client could not be made.
    #[error("the API server cannot be asked")]
    Client(#[source] reqwest::Error),
    /// It could not be reached, or shows the wrong certificate.
    #[error("the API server does not answer")]
    Unreachable(#[source] reqwest::Error),
    /// It took too long.
    #[error("the API server did not answer within {} s", .0.as_secs())]
    Deadline(Duration),
    /// It will not tell.
    #[error("the API server answers {status}: {message}")]
    Refused {
        /// How it said so.
        status: StatusCode,
        /// What it said, shortened.
        message: String,
    },
    /// The connection broke in the middle of an answer.
    #[error("the connection to the API server broke")]
    Broken(#[source] reqwest::Error),
    /// A watch goes on for longer than was asked, without a word.
    #[error("the API server fell silent")]
    Silent,
    /// It tells more than is taken.
    #[error("the API server tells more than {0}")]
    TooMuch(&'static str),
    /// It tells what is no endpoint slice.
    #[error("the API server's answer is malformed")]
    Malformed(#[source] serde_json::Error),
}

impl KubernetesError {
    /// Whether the API server is there, and what it says is the trouble.
    pub(super) fn is_an_answer(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::TooMuch(_) | Self::Malformed(_) => true,
            Self::NotInACluster
            | Self::File { .. }
            | Self::Token(_)
            | Self::Authorities(_)
            | Self::Client(_)
            | Self::Unreachable(_)
            | Self::Deadline(_)
            | Self::Broken(_)
            | Self::Silent => false,
        }
    }
}

/// What the API server says in a form fit for a log line.
pub(super) fn shortened(message: &str) -> String {
    let plain = |char: char| if char.is_control() { ' ' } else { char };
    message.chars().take(MESSAGE_CHARS_MAX).map(plain).collect()
}
