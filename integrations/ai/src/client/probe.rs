//! The status check: is the provider there, and does it take our key?
//!
//! It asks for the list of models, because that costs nothing. The list itself is not read: which names exist says
//! nothing about health, and hosts differ in whether they have one at all.

use std::time::Duration;

use tokio::time::Instant;

use super::Inner;
use super::transport::{retry_after, unreachable};
use crate::error::{ModelError, ModelErrorKind};
use crate::wire::Refusal;
use async_openai::config::Config;

/// A provider that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// From sending the request to its answer's head.
    pub latency: Duration,
}

pub(super) async fn probe(inner: &Inner) -> Result<Probe, ModelError> {
    let started = Instant::now();
    let request = inner
        .http
        .get(inner.endpoint.url("/models"))
        .headers(inner.endpoint.headers())
        .send();
    let deadline = Duration::from_millis(inner.settings.probe_ms);
    let response = tokio::time::timeout(deadline, request)
        .await
        .map_err(|_| ModelError::new(ModelErrorKind::Unreachable))?
        .map_err(unreachable)?;
    let status = response.status();
    // A host without a list of models answers 404 or 405, and is there all the same.
    if status.is_server_error() || matches!(status.as_u16(), 401 | 402 | 403 | 429) {
        let wait = retry_after(response.headers());
        return Err(ModelError::answered(
            status.as_u16(),
            &Refusal::default(),
            wait,
        ));
    }
    Ok(Probe {
        latency: started.elapsed(),
    })
}
