//! Following the endpoints of a Kubernetes service: a list of them first, then every change as it comes.
//!
//! It exists so that a group knows within moments which pods there are, which are ready and which are about to end. The API server
//! is asked with the rights of the edge's service account, which needs no more than to list and watch endpoint slices. While it
//! is away the members of before stay, since pods do not need it to answer. What slices mean is for [`slices`], how they
//! are asked for is for [`client`].

use std::future::pending;
use std::time::{Duration, Instant};

use sallyport_queue::retry::{Backoff, backoff};
use sallyport_telemetry::Event;
use tokio::time::sleep;

use super::LookupError;
use super::group::Group;
use crate::events::upstreams::LookedUp;
use crate::settings::KubernetesSettings;

mod client;
mod error;
mod slices;
mod wire;

use client::ApiServer;
pub(crate) use error::KubernetesError;
use slices::Slices;
use wire::Change;

/// Between tries. An API server that comes back is not met by all edges at once.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(30),
};
/// Whoever tells for so long is well; a watch that ends sooner is followed by a pause, or an odd server would be asked without one.
const STEADY_AFTER: Duration = Duration::from_secs(30);

/// Follows the service of the group, if it has one. Never returns. Cancel safe: what is known is in the group.
pub(super) async fn follow(group: &Group) {
    let Some(settings) = &group.settings.kubernetes else {
        return pending().await;
    };
    let mut following = Following {
        group,
        settings,
        slices: Slices::of(&settings.port),
        version: None,
        failures: 0,
    };
    let mut tries = 0_u16;
    loop {
        let began = Instant::now();
        let looked = following.look().await;
        let was_steady = began.elapsed() >= STEADY_AFTER;
        if was_steady {
            tries = 0;
        }
        let has_failed = looked.is_err();
        if let Err(error) = looked {
            following.failed(error);
        }
        if has_failed || !was_steady {
            tries = tries.saturating_add(1);
            let pause = backoff(&BACKOFF, tries, &mut rand::rng());
            sleep(pause).await;
        }
    }
}

struct Following<'g> {
    group: &'g Group,
    settings: &'g KubernetesSettings,
    slices: Slices,
    /// What of the cluster's history is known; nothing: all is to be asked for.
    version: Option<String>,
    /// In a row.
    failures: u16,
}

impl Following<'_> {
    /// Lists the slices if nothing of them is known, and takes in their changes for as long as the API server tells them.
    async fn look(&mut self) -> Result<(), KubernetesError> {
        let server = ApiServer::reach(self.settings).await?;
        if self.version.is_none() {
            let list = server.list().await?;
            self.slices.replace(list.slices())?;
            self.version = Some(list.metadata.resource_version);
            self.show();
        }
        let since = self.version.clone().unwrap_or_default();
        let Some(mut watch) = server.watch(&since).await? else {
            self.version = None;
            return Ok(());
        };
        self.tell(None);
        while let Some(change) = watch.next().await? {
            match change {
                Change::Set(slice) => {
                    let version = self.slices.set(slice)?;
                    self.reached(version);
                }
                Change::Deleted(metadata) => {
                    self.slices.delete(&metadata.name);
                    self.reached(metadata.resource_version);
                }
                Change::Bookmark(metadata) => self.version = Some(metadata.resource_version),
                Change::Gone => {
                    self.version = None;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn reached(&mut self, version: String) {
        self.version = Some(version);
        self.show();
    }

    /// Nobody is an answer like any other: a service without pods must not be looked for at addresses that others have by now.
    fn show(&self) {
        let addresses = self.slices.addresses();
        self.group.become_these(&addresses);
    }

    fn failed(&mut self, error: KubernetesError) {
        if error.is_an_answer() {
            // Asking on from there might be answered the same for ever.
            self.version = None;
        }
        self.failures = self.failures.saturating_add(1);
        self.tell(Some(&LookupError::Kubernetes(error)));
    }

    fn tell(&mut self, error: Option<&LookupError>) {
        LookedUp {
            group: &self.group.name,
            error,
            failures: self.failures,
        }
        .emit(&self.group.meters);
        if error.is_none() {
            self.failures = 0;
        }
    }
}
