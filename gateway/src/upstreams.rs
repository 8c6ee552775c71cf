//! Upstreams in groups: several that do the same, found by address, by name or by their cluster, the least loaded asked first, those that fail left alone.
//!
//! It exists so that a service behind the edge can have several processes, and lose one, without anybody noticing. What crosses the
//! edge is for [`crate::forward`]; a route with a single `upstream` has nothing of this and costs nothing of it.
//!
//! Reading order: `passage` follows a request → [`Group`] chooses → `member` and `circuit` remember → `keeper` looks upstreams up
//! and at their pages, `kubernetes` is told of them. `stream_idle_timeout` and `websocket` are for answers without an end, on any route.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::settings::UpstreamSettings;

mod circuit;
mod group;
mod health;
mod keeper;
mod kubernetes;
mod lookup;
mod member;
mod nobody;
mod passage;
mod stream_idle_timeout;
mod tally;
pub(crate) mod websocket;

pub(crate) use group::{Failure, Group};
pub(crate) use kubernetes::KubernetesError;
pub(crate) use lookup::LookupError;
pub(crate) use member::State;
pub(crate) use nobody::NoUpstream;
pub(crate) use passage::{Passage, TRIES_MAX, Wish};
pub(crate) use stream_idle_timeout::{StreamConnect, StreamIdleTimeout};

/// All groups, by name.
#[derive(Default)]
pub(crate) struct Upstreams(BTreeMap<String, Arc<Group>>);

impl Upstreams {
    /// The groups of these settings. One that has not changed goes on as it is, and of one that has, the upstreams that stay keep
    /// what is known about them.
    pub(crate) fn new(
        settings: &BTreeMap<String, UpstreamSettings>,
        before: Option<&Self>,
    ) -> Self {
        let group = |(name, settings): (&String, &UpstreamSettings)| {
            let before = before.and_then(|upstreams| upstreams.0.get(name));
            let group = match before {
                Some(before) if before.settings == *settings => Arc::clone(before),
                before => {
                    let origin = before.map_or_else(Instant::now, |before| before.origin());
                    Arc::new(Group::new(
                        name,
                        settings,
                        origin,
                        before.map(|group| &**group),
                    ))
                }
            };
            (name.clone(), group)
        };
        Self(settings.iter().map(group).collect())
    }

    /// The group of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Group>> {
        self.0.get(name)
    }

    /// Begins to look after those groups that `before` did not have, and stops to look after those of `before` that are gone.
    pub(crate) fn keep(
        &self,
        before: Option<&Self>,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let is_in = |upstreams: &Self, group: &Arc<Group>| {
            let same = upstreams.0.get(&group.name);
            same.is_some_and(|same| Arc::ptr_eq(same, group))
        };
        for group in self.0.values() {
            if !before.is_some_and(|before| is_in(before, group)) {
                group.begin();
                tracker.spawn(keeper::keep(Arc::clone(group), stop.clone()));
            }
        }
        let known = before.map(|before| before.0.values()).into_iter().flatten();
        for group in known.filter(|group| !is_in(self, group)) {
            group.retire(self.0.contains_key(&group.name));
        }
    }
}
