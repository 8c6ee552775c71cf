//! Work by the calendar: a trigger that no person pulls, and what its handler gets.
//!
//! Nobody spoke, so there is no chat. Whoever is to hear of it is asked for ([`HouseContext::owners`]) and spoken to with
//! the verbs of every other context. When it is due, and that it happens once, is the business of the queue.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::{
    App, Attempt, Context, Ended, Failure, House, Incoming, Outcome, Reading, Services, TaskCall,
    Us, What, app::Shell, erased::Packed,
};

/// Work that is due by the calendar of a place. Like every handler it must be safe to run twice.
pub trait Schedule: Send + Sync + 'static {
    /// Its name, part of the queue's kind `schedule.<app>.<name>`: messages of it may outlive a deployment.
    const NAME: &'static str;
    /// When: five cron fields, such as `0 9 * * 1-5`.
    const CRON: &'static str;
    /// The time zone whose clock it follows, such as `Europe/Berlin`.
    const ZONE: &'static str = "UTC";
    /// What becomes of times at which nobody was there.
    const MISSED: Missed = Missed::Once;
    /// One attempt may take this long.
    const DEADLINE: Duration = Duration::from_secs(60);
    /// How often it is tried.
    const ATTEMPTS_MAX: u16 = 5;

    /// Does it.
    fn run(&self, context: &HouseContext) -> impl Future<Output = Ended> + Send;
}

/// What becomes of times at which nobody was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// All of them together become one.
    Once,
    /// Nothing.
    Skip,
    /// Each is made up for; of more than this many the latest. At most 100.
    All {
        /// How many.
        at_most: u16,
    },
}

/// How the queue is to treat a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleSpec {
    /// Its name; the queue's kind is `schedule.<app>.<name>`.
    pub name: &'static str,
    /// Five cron fields.
    pub cron: &'static str,
    /// The time zone of them.
    pub zone: &'static str,
    /// What becomes of missed times.
    pub missed: Missed,
    /// One attempt may take this long.
    pub deadline: Duration,
    /// How often it is tried.
    pub attempts_max: u16,
}

/// What a handler gets when nobody spoke. What is said, started and remembered through it, and through the contexts that
/// it gives, is committed once, together with the end of the message.
pub struct HouseContext {
    shell: Arc<Shell>,
    name: &'static str,
    us: Us,
    services: Arc<dyn Services>,
}

impl HouseContext {
    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.services.now()
    }

    /// Which attempt this is.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.services.attempt()
    }

    /// Asks about the house itself.
    #[must_use]
    pub fn house(&self) -> &dyn House {
        self.services.house()
    }

    /// The owners of the bot, each as somebody to speak to, in their private chat and language. An owner who cannot be
    /// written to is left out.
    ///
    /// # Errors
    /// A passing failure when they cannot be looked up.
    pub async fn owners(&self) -> Result<Vec<Context>, Failure> {
        let owners = self.services.owners().await?;
        let context = |(person, chat)| {
            let incoming = Incoming {
                us: self.us.clone(),
                chat,
                person,
                message: None,
                quoted: None,
                what: What::Task(TaskCall {
                    name: self.name.to_owned(),
                    payload: serde_json::Value::Null,
                }),
                at: self.now(),
            };
            Context::new(
                Arc::clone(&self.shell),
                incoming,
                Arc::clone(&self.services),
            )
        };
        Ok(owners.into_iter().map(context).collect())
    }

    /// A connection for reading the app's own tables; hold it shortly.
    ///
    /// # Errors
    /// A passing failure when none is free in time.
    pub async fn read(&self) -> Result<Reading, Failure> {
        self.services.read().await
    }
}

pub(crate) trait AnySchedule: Send + Sync {
    fn spec(&self) -> ScheduleSpec;
    fn run<'a>(&'a self, context: &'a HouseContext) -> BoxFuture<'a, Ended>;
}

impl<S: Schedule> AnySchedule for Packed<S> {
    fn spec(&self) -> ScheduleSpec {
        ScheduleSpec {
            name: S::NAME,
            cron: S::CRON,
            zone: S::ZONE,
            missed: S::MISSED,
            deadline: S::DEADLINE,
            attempts_max: S::ATTEMPTS_MAX,
        }
    }

    fn run<'a>(&'a self, context: &'a HouseContext) -> BoxFuture<'a, Ended> {
        Box::pin(self.0.run(context))
    }
}

impl App {
    /// Adds work by the calendar.
    #[must_use]
    pub fn schedule<S: Schedule>(mut self, schedule: S) -> Self {
        self.schedules.push(Box::new(Packed(schedule)));
        self
    }

    /// What is due by the calendar, and how the queue is to treat it.
    #[must_use]
    pub fn schedules(&self) -> Vec<ScheduleSpec> {
        self.schedules
            .iter()
            .map(|schedule| schedule.spec())
            .collect()
    }

    /// Does what a schedule of this name is for; ignored when there is none any more. Cancel safe: what was collected by
    /// then is not committed.
    ///
    /// # Errors
    /// When it could not be done; the failure says whether trying again makes sense.
    pub async fn keep(&self, name: &str, us: Us, services: Arc<dyn Services>) -> Ended {
        let mut schedules = self.schedules.iter();
        let Some(schedule) = schedules.find(|schedule| schedule.spec().name == name) else {
            return Ok(Outcome::Ignored);
        };
        let context = HouseContext {
            shell: Arc::clone(&self.shell),
            name: schedule.spec().name,
            us,
            services,
        };
        schedule.run(&context).await
    }
}
