//! What operators may ask about the house from a chat: how it is, the story behind a code, dead letters, a replay.
//!
//! The facts come from the queue's rows and from asking around; words and layout are the kit's. Persons below operator
//! find only stories that they caused themselves.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sallyport_kit::{
    DeadCount, DeadGroup, Failure, Found, GroupRef, House, Lately, PausedNow, Person, PersonKind,
    Replayed, Role, StatusReport,
};
use sallyport_postgres::Pool;
use sallyport_queue::{Control, DeadLetters, Inspector, MessageId, Scope, StoreError};
use sallyport_redis::Redis;
use sallyport_telemetry::Health;

use crate::bots::Bot;
use crate::channels::telegram::PROVIDER;
use crate::story::{Reference, Story as Told, StoryTeller, Told as Answer};

mod checks;
mod retelling;

/// How long the log of messages is kept (law L12).
const DAYS_KEPT: u16 = 7;

/// Knows the house. Cheap to clone.
#[derive(Clone)]
pub struct HouseKeeper {
    /// The queue's rows.
    pub inspector: Inspector,
    /// What gave up.
    pub dead_letters: DeadLetters,
    /// What is paused.
    pub control: Control,
    /// Stories.
    pub teller: StoryTeller,
    /// For asking whether Postgres answers.
    pub pool: Pool,
    /// Redis, if one is configured.
    pub redis: Option<Redis>,
    /// The models, if any are configured.
    pub models: sallyport_ai::Models,
    /// Who this process is and since when.
    pub health: Health,
}

impl HouseKeeper {
    /// How the house is, as `bot` sees it: everything it leans on is asked side by side, a second each.
    pub async fn status(&self, bot: &Bot) -> StatusReport {
        checks::report(self, bot).await
    }
}

/// The house as one bot's chat sees it.
pub(crate) struct HouseOf {
    keeper: HouseKeeper,
    bot: Arc<Bot>,
}

impl HouseOf {
    pub(crate) fn new(keeper: HouseKeeper, bot: Arc<Bot>) -> Self {
        Self { keeper, bot }
    }

    async fn replayed(&self, dead: &[MessageId]) -> Result<Replayed, Failure> {
        let replayed = self
            .keeper
            .dead_letters
            .replay(dead)
            .await
            .map_err(unreadable)?;
        Ok(Replayed {
            count: replayed.len() as u64,
        })
    }

    async fn told(&self, reference: &str) -> Result<Option<Answer>, Failure> {
        let Ok(reference) = reference.parse::<Reference>() else {
            return Ok(None);
        };
        let told = self.keeper.teller.tell(reference).await;
        told.map(Some).map_err(|error| {
            Failure::passing("database", "The story could not be read").caused_by(error)
        })
    }
}

#[async_trait]
impl House for HouseOf {
    async fn status(&self) -> StatusReport {
        self.keeper.status(&self.bot).await
    }

    async fn story(&self, reference: &str, asker: &Person) -> Result<Found, Failure> {
        Ok(match self.told(reference).await? {
            Some(Answer::Story(story)) if may_read(&story, asker) => {
                Found::Story(Box::new(retelling::retold(&story)))
            }
            Some(Answer::Several(traces)) if asker.role >= Role::Operator => {
                Found::Several(traces.iter().map(ToString::to_string).collect())
            }
            Some(Answer::Nothing) if asker.role >= Role::Operator => {
                Found::TooOld { days: DAYS_KEPT }
            }
            Some(Answer::Story(_) | Answer::Several(_) | Answer::Nothing) | None => Found::Nothing,
        })
    }

    async fn dead_letters(&self) -> Result<Vec<DeadGroup>, Failure> {
        let groups = self
            .keeper
            .dead_letters
            .groups()
            .await
            .map_err(unreadable)?;
        Ok(groups.into_iter().map(retelling::dead_group).collect())
    }

    async fn lately(&self, since: Timestamp) -> Result<Lately, Failure> {
        let dead = self.keeper.dead_letters.since(since).await;
        let paused = self.keeper.control.pauses().await;
        Ok(Lately {
            dead: dead
                .map_err(unreadable)?
                .into_iter()
                .map(|(kind, error_kind, count)| DeadCount {
                    kind,
                    error_kind,
                    count,
                })
                .collect(),
            paused: paused
                .map_err(unreadable)?
                .into_iter()
                .map(|pause| PausedNow {
                    kind: match pause.scope {
                        Scope::Everything => None,
                        Scope::Kind(kind) => Some(kind),
                    },
                    since: pause.since,
                    by: pause.by,
                    why: pause.reason,
                })
                .collect(),
        })
    }

    async fn dead_group(&self, group: &GroupRef) -> Result<Option<DeadGroup>, Failure> {
        let groups = self.dead_letters().await?;
        Ok(groups.into_iter().find(|found| found.group == *group))
    }

    async fn replay(&self, group: &GroupRef) -> Result<Replayed, Failure> {
        let letters = &self.keeper.dead_letters;
        let dead = letters
            .of_group(&group.kind, &group.error_kind)
            .await
            .map_err(unreadable)?;
        // The list is newest first; they go back in the order in which they came.
        let ids: Vec<MessageId> = dead.iter().rev().map(|letter| letter.id).collect();
        self.replayed(&ids).await
    }

    async fn replay_story(&self, reference: &str) -> Result<Replayed, Failure> {
        let Some(Answer::Story(story)) = self.told(reference).await? else {
            return Ok(Replayed { count: 0 });
        };
        let dead = story.dead_messages();
        self.replayed(&dead).await
    }
}

/// Operators read every story; others those in which every message that concerns somebody concerns them. Who hides their
/// name cannot show that a story is theirs.
fn may_read(story: &Told, asker: &Person) -> bool {
    if asker.kind != PersonKind::Human {
        return false;
    }
    if asker.role >= Role::Operator {
        return true;
    }
    let own = format!("{PROVIDER}:{}", asker.subject);
    let mut subjects = story
        .messages
        .iter()
        .filter_map(|message| message.subject.as_ref())
        .peekable();
    subjects.peek().is_some() && subjects.all(|subject| *subject == own)
}

fn unreadable(error: StoreError) -> Failure {
    Failure::passing("database", "The queue's rows could not be read or written").caused_by(error)
}
