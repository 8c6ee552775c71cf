//! The task that keeps a group up to date: looks its name up or follows its service, looks at the pages of its members, and counts them.
//!
//! It exists so that no request waits for any of that. One task per group; it ends with the edge, or when other settings have taken
//! the place of its group's.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sallyport_telemetry::Event;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::group::Group;
use super::{health, kubernetes, lookup};
use crate::events::upstreams::{LookedUp, What};
use crate::settings::DnsSettings;

/// How often the members are counted. Also the longest that the end of a rest goes unnoticed where no request asks.
const CENSUS_EVERY: Duration = Duration::from_secs(1);

/// Keeps the group until `stop`, or until it is retired. The name is looked up and the pages are looked at for the first time at
/// once.
pub(super) async fn keep(group: Arc<Group>, stop: CancellationToken) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = group.retired.cancelled() => {}
        () = keep_on(&group) => {}
        () = kubernetes::follow(&group) => {}
    }
}

async fn keep_on(group: &Group) {
    let settings = &group.settings;
    let mut census = every(CENSUS_EVERY);
    let mut names = settings.dns.as_ref().map(Names::new);
    let mut looks = settings
        .health
        .as_ref()
        .map(|health| every(Duration::from_millis(health.every_ms)));
    loop {
        tokio::select! {
            biased;
            () = due(&mut names) => look_up(group, &mut names).await,
            () = next(&mut looks) => look_at_all(group).await,
            _ = census.tick() => count(group),
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The next tick, if there is any.
async fn next(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => pending().await,
    }
}

/// The name of a group, and when it is looked up next.
struct Names<'s> {
    settings: &'s DnsSettings,
    next: Pin<Box<Sleep>>,
    /// In a row.
    failures: u16,
}

impl<'s> Names<'s> {
    /// The first time is now.
    fn new(settings: &'s DnsSettings) -> Self {
        Self {
            settings,
            next: Box::pin(sleep(Duration::ZERO)),
            failures: 0,
        }
    }
}

/// The moment for a lookup, if there is any.
async fn due(names: &mut Option<Names<'_>>) {
    match names {
        Some(names) => names.next.as_mut().await,
        None => pending().await,
    }
}

/// A failed lookup, and one that finds nobody, leaves the members of the last good one.
async fn look_up(group: &Group, names: &mut Option<Names<'_>>) {
    let Some(names) = names else {
        return;
    };
    let found = lookup::find(names.settings).await;
    LookedUp {
        group: &group.name,
        error: found.as_ref().err(),
        failures: names.failures,
    }
    .emit(&group.meters);
    let good_for = match found {
        Ok(found) => {
            names.failures = 0;
            group.become_these(&found.addresses);
            found.good_for
        }
        Err(_told) => {
            names.failures = names.failures.saturating_add(1);
            None
        }
    };
    let next = Instant::now() + names.settings.next_after(good_for);
    names.next.as_mut().reset(next);
}

/// Looks at all pages at the same time; a look that is cut off by the end of the task changes nothing.
async fn look_at_all(group: &Group) {
    let Some(settings) = &group.settings.health else {
        return;
    };
    let members = group.members();
    let mut looking = JoinSet::new();
    for member in members.iter().cloned() {
        let settings = settings.clone();
        looking.spawn(async move {
            let is_well = health::is_well(member.address, &settings).await;
            (member, is_well)
        });
    }
    while let Some(looked) = looking.join_next().await {
        let Ok((member, is_well)) = looked else {
            continue;
        };
        match member.looked_at(is_well, settings) {
            Some(true) => group.tell(member.address, What::Down),
            Some(false) => group.tell(member.address, What::Up),
            None => {}
        }
    }
}

fn count(group: &Group) {
    let now = group.now();
    let members = group.members();
    for member in members.iter().filter(|member| member.is_back(now)) {
        group.tell(member.address, What::Back);
    }
    let states = members
        .iter()
        .map(|member| (member.state(now), member.in_flight()));
    group.meters.census(states);
}
