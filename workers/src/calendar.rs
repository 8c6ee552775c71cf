//! What is due by the calendar: an app's schedules, declared for each bot, and the handler of `schedule.*`.
//!
//! Declaring is repeated every minute, which says that a worker of this release is there; which release's schedules
//! count is decided by the queue. What a schedule does is the app's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sallyport_kit::{App, ChatKind, ScheduleSpec};
use sallyport_queue::calendar::{Calendar, CalendarError};
use sallyport_queue::{
    Claimed, CronSet, Declares, Key, Missed, NewCron, NewMessage, PayloadFormat, Priority,
    Schedules,
};
use sallyport_telemetry::Chain;
use sallyport_telemetry::trace::SpanContext;

use crate::bots::{Bot, Bots, unknown_bot};
use crate::conversation::{verdict_of, verdict_of_failure};
use crate::pool::{Handled, Handler, KindPolicy, Run};
use crate::services::{AttemptServices, Shared};

/// How often a worker says that it is there; much more often than the queue forgets it.
const EVERY: Duration = Duration::from_secs(60);
/// Version of the payload, which is empty: the kind says everything.
const VERSION: u16 = 1;

/// Does what an app's schedule is for.
pub(crate) struct Scheduled {
    bots: Bots,
    shared: Arc<Shared>,
    name: &'static str,
    policy: KindPolicy,
}

impl Scheduled {
    pub(crate) fn new(bots: Bots, shared: Arc<Shared>, schedule: &ScheduleSpec) -> Self {
        Self {
            bots,
            shared,
            name: schedule.name,
            policy: KindPolicy {
                deadline: schedule.deadline,
                attempts_max: schedule.attempts_max,
                newest_version: Some(VERSION),
                ..KindPolicy::default()
            },
        }
    }

    async fn run(&self, bot: &Arc<Bot>, message: &Arc<Claimed>, run: Run) -> Handled {
        // Whoever is spoken to is spoken to in private.
        let services = Arc::new(AttemptServices::new(
            &self.shared,
            bot,
            message,
            run,
            ChatKind::Private,
        ));
        let ended = bot
            .app
            .keep(self.name, bot.us(), Arc::clone(&services) as Arc<_>)
            .await;
        let mut collected = services.close().await;
        let verdict = match collected.judge(ended) {
            Ok(outcome) => verdict_of(outcome),
            Err(failure) => return verdict_of_failure(&failure).into(),
        };
        if verdict.outcome().is_none() {
            return verdict.into();
        }
        collected.handled(&bot.name, verdict)
    }
}

#[async_trait]
impl Handler for Scheduled {
    fn policy(&self) -> &KindPolicy {
        &self.policy
    }

    async fn handle(&self, message: Arc<Claimed>, run: Run) -> Handled {
        match self.bots.get(&message.bot) {
            Some(bot) => Box::pin(self.run(bot, &message, run)).await,
            None => unknown_bot(),
        }
    }
}

/// The queue's kind of an app's schedule.
pub(crate) fn kind(app: &App, schedule: &ScheduleSpec) -> String {
    format!("schedule.{}.{}", app.name(), schedule.name)
}

/// What one bot declares.
pub(crate) struct Declaration {
    declared_by: String,
    release: i64,
    crons: Vec<NewCron>,
}

impl Declaration {
    /// The schedules of the bot's app.
    ///
    /// # Errors
    /// When one of them has a calendar that cannot be read.
    pub(crate) fn of(bot: &Bot, version: &str) -> Result<Self, CalendarError> {
        let schedules = bot.app.schedules();
        let crons = schedules.iter().map(|schedule| cron(bot, schedule));
        Ok(Self {
            declared_by: bot.name.clone(),
            release: release_of(version),
            crons: crons.collect::<Result<_, _>>()?,
        })
    }
}

/// Declares for ever.
pub(crate) async fn declare(schedules: Schedules, declarations: Vec<Declaration>) {
    let mut first: Vec<(Declaration, Declares)> = declarations
        .into_iter()
        .map(|declaration| (declaration, Declares::First))
        .collect();
    loop {
        for (declaration, declares) in &mut first {
            let set = CronSet {
                declared_by: &declaration.declared_by,
                release: declaration.release,
                crons: &declaration.crons,
            };
            match schedules.declare(&set, *declares).await {
                Ok(_) => *declares = Declares::Again,
                Err(error) => {
                    tracing::warn!(name: "schedules.undeclared", { bot = declaration.declared_by, error = %Chain(&error) }, "Schedules could not be declared and are declared again in a minute");
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn cron(bot: &Bot, schedule: &ScheduleSpec) -> Result<NewCron, CalendarError> {
    let name = format!("{}/{}", bot.name, schedule.name);
    Ok(NewCron {
        calendar: Calendar::new(schedule.cron, schedule.zone)?,
        missed: match schedule.missed {
            sallyport_kit::Missed::Once => Missed::Once,
            sallyport_kit::Missed::Skip => Missed::Skip,
            sallyport_kit::Missed::All { at_most } => Missed::All { at_most },
        },
        message: NewMessage {
            bot: bot.name.clone(),
            tenant: bot.tenant.clone(),
            source: String::new(),
            delivery_id: None,
            kind: kind(&bot.app, schedule),
            kind_version: VERSION,
            key: Key::from(format!("schedule:{name}")),
            priority: Priority::Background,
            payload: Bytes::from_static(b"{}"),
            payload_format: PayloadFormat::Json,
            subject: None,
            cause: None,
            trace: SpanContext::new_root(true),
            edge_spans: None,
            delay: None,
            expires_in: None,
            unique: None,
        },
        name,
    })
}

/// A number that grows with `major.minor.patch`; what follows does not count.
fn release_of(version: &str) -> i64 {
    let numbers = version.split(['.', '-', '+']).take(3);
    numbers
        .map(|number| number.parse::<u16>().unwrap_or_default())
        .chain(std::iter::repeat(0))
        .take(3)
        .fold(0, |release, number| (release << 16) | i64::from(number))
}

#[cfg(test)]
mod tests {
    use super::release_of;

    #[test]
    fn a_later_version_has_a_greater_number() {
        let releases = ["0.1.0", "0.1.1", "0.2.0-rc.1", "0.10.0", "1.0.0+abc"].map(release_of);

        assert!(
            releases.windows(2).all(|pair| pair[0] < pair[1]),
            "{releases:?}"
        );
        assert_eq!(release_of("unknown"), 0);
    }
}
