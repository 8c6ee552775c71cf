//! What people say, and the tasks that follow from it: the handlers of `telegram.update` and `task.*`.
//!
//! Here a provider's update becomes something that a person said, and what the app made of it becomes the end of the
//! message: replies and tasks to queue, state to commit, a verdict. One function maps failures to verdicts. What an app
//! does with a message, and whether it may, is the kit's and the app's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sallyport_kit::{
    AtOnce, Chat, ChatKind, Failure, Incoming, Outcome, Per, Person, PersonId, Press, RetryAdvice,
    Role, TaskSpec, What,
};
use sallyport_queue::mailboxes::HeadPolicy;
use sallyport_queue::{Claimed, ErrorNote, Limit, NewMessage, Verdict};
use sallyport_telemetry::{Chain, trace};

use crate::bots::{Bot, Bots, unknown_bot};
use crate::buttons;
use crate::channels::telegram::{self, Act, Heard, Meaning};
use crate::pool::{Handled, Handler, KindPolicy, Limits, Run};
use crate::services::{AttemptServices, Draft, Shared, TASK_VERSION};

mod places;

/// A failing message holds its chat at most this long (law L9).
const HOLD: Duration = Duration::from_secs(30);

/// Hears updates and runs tasks, for all bots and apps of this process.
pub struct Conversation {
    bots: Bots,
    shared: Arc<Shared>,
    policy: KindPolicy,
    /// After how long a person is told that their message is still being tried.
    still_trying_after: Duration,
}

/// Why a message came to nothing before an app saw it.
enum NotHeard {
    /// There is nothing in it for an app.
    Settled(Box<Handled>),
    /// Looking it up failed; again later.
    Failed(ErrorNote),
}

impl Conversation {
    /// A handler for updates.
    #[must_use]
    pub fn of_updates(bots: Bots, shared: Arc<Shared>, still_trying_after: Duration) -> Self {
        let policy = KindPolicy {
            head: HeadPolicy::Hold { at_most: HOLD },
            newest_version: Some(sallyport_sources::telegram::KIND_VERSION),
            ..KindPolicy::default()
        };
        Self {
            bots,
            shared,
            policy,
            still_trying_after,
        }
    }

    /// A handler for one kind of an app's tasks.
    #[must_use]
    pub fn of_task(
        bots: Bots,
        shared: Arc<Shared>,
        task: &TaskSpec,
        still_trying_after: Duration,
    ) -> Self {
        let policy = KindPolicy {
            deadline: task.deadline,
            attempts_max: task.attempts_max,
            head: HeadPolicy::Hold { at_most: HOLD },
            newest_version: Some(TASK_VERSION),
            limits: task.at_once.map(limits_of),
            ..KindPolicy::default()
        };
        Self {
            bots,
            shared,
            policy,
            still_trying_after,
        }
    }

    async fn run(&self, bot: &Arc<Bot>, message: &Arc<Claimed>, run: Run) -> Handled {
        let (incoming, press) = match self.incoming(bot, message).await {
            Ok(heard) => heard,
            Err(NotHeard::Settled(handled)) => return *handled,
            Err(NotHeard::Failed(error)) => return Handled::retry(error),
        };
        let services = Arc::new(AttemptServices::new(
            &self.shared,
            bot,
            message,
            run,
            incoming.chat.kind,
        ));
        #[cfg(feature = "fail-points")]
        sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K6).await;
        #[cfg(feature = "fail-points")]
        crate::poison::strike(&message.payload);
        #[cfg(feature = "fail-points")]
        sallyport_telemetry::points::reach(sallyport_telemetry::points::Point::K10).await;
        let ended = bot
            .app
            .handle(incoming.clone(), Arc::clone(&services) as Arc<_>)
            .await;
        let mut collected = services.close().await;
        if let Some(press) = press {
            self.confirm(bot, press, collected.notice.take());
        }
        match collected.judge(ended) {
            Ok(outcome) => {
                let verdict = verdict_of(outcome);
                let keeps =
                    verdict.outcome().is_some() || matches!(verdict, Verdict::Snooze { .. });
                if !keeps {
                    return self.again(bot, message, &incoming, verdict, collected.shows);
                }
                collected.handled(&bot.name, verdict)
            }
            Err(failure) => self.again(
                bot,
                message,
                &incoming,
                verdict_of_failure(&failure),
                collected.shows,
            ),
        }
    }

    /// A failed attempt leaves nothing behind, but a person who has waited for a while is told that it goes on.
    fn again(
        &self,
        bot: &Bot,
        message: &Claimed,
        incoming: &Incoming,
        verdict: Verdict,
        shows: bool,
    ) -> Handled {
        let mut handled = Handled::from(verdict);
        let Verdict::Retry { after, .. } = &handled.verdict else {
            return handled;
        };
        let waited = age(message, message.now());
        let is_late = !shows && waited + *after >= self.still_trying_after;
        if is_late && let Some(say) = bot.app.still_trying(incoming) {
            let draft = Draft {
                bot,
                message,
                to_group: incoming.chat.kind == ChatKind::Group,
            };
            if let Ok(mut telling) = draft.say(say, Vec::new()) {
                telling.source = format!("still-trying:{}", bot.name);
                // Under this name it is queued once, however many attempts follow.
                telling.delivery_id = Some(message.id.to_string());
                handled.outgoing.push(telling);
            }
        }
        handled
    }

    /// What was said, in the kit's words, and the press to confirm if it was one.
    async fn incoming(
        &self,
        bot: &Arc<Bot>,
        message: &Claimed,
    ) -> Result<(Incoming, Option<String>), NotHeard> {
        if message.kind.as_ref() == sallyport_sources::telegram::KIND {
            let heard = self.heard(bot, message)?;
            return self.meet(bot, message, heard).await;
        }
        let mut call: Incoming = serde_json::from_slice(&message.payload)
            .map_err(|error| NotHeard::Failed(ErrorNote::new("schema", error.to_string())))?;
        // The role may have changed since the task was started.
        let sender = places::sender_of(&call.person);
        call.person = self.person(bot, &call.chat, &sender).await?;
        Ok((call, None))
    }

    fn heard(&self, bot: &Bot, message: &Claimed) -> Result<Heard, NotHeard> {
        let settled = |handled: Handled| Err(NotHeard::Settled(Box::new(handled)));
        match telegram::read(&message.payload, bot.api.bot_id()) {
            Meaning::Heard(heard) => Ok(*heard),
            Meaning::Nothing { name } => {
                let mut span = trace::start("ignore", trace::SpanKind::Internal);
                span.set("sallyport.update", name);
                settled(Verdict::Ignored.into())
            }
            Meaning::Reachable { chat, reachable } => {
                settled(places::reachable(&bot.name, &chat, reachable))
            }
            Meaning::Moved { from, to } => settled(places::moved(&bot.name, &from, &to)),
        }
    }

    async fn meet(
        &self,
        bot: &Arc<Bot>,
        message: &Claimed,
        heard: Heard,
    ) -> Result<(Incoming, Option<String>), NotHeard> {
        let person = self.person(bot, &heard.chat, &heard.sender).await?;
        let (what, press) = match heard.act {
            Act::Text(text) => (What::Text { text }, None),
            Act::Edited(text) => (What::Edited { text }, None),
            Act::Media(attachment) => (What::Media(attachment), None),
            Act::Press { press, data } => {
                let button = buttons::look_up(&self.shared.handlers, &bot.name, &data)
                    .await
                    .map_err(|error| NotHeard::Failed(database(&error)))?;
                (What::Button(Press { button }), Some(press))
            }
        };
        let incoming = Incoming {
            us: bot.us(),
            chat: heard.chat,
            person,
            message: heard.message,
            quoted: heard.quoted,
            what,
            at: message.accepted_at,
        };
        Ok((incoming, press))
    }

    async fn person(
        &self,
        bot: &Bot,
        chat: &Chat,
        sender: &telegram::Sender,
    ) -> Result<Person, NotHeard> {
        self.shared
            .persons
            .meet(bot, chat, sender)
            .await
            .map_err(|error| NotHeard::Failed(database(&error)))
    }

    /// Confirms a press, so that the button stops spinning. Nothing depends on it, so nobody waits for it.
    fn confirm(&self, bot: &Arc<Bot>, press: String, notice: Option<String>) {
        let bot = Arc::clone(bot);
        self.shared.tasks.spawn(trace::carry(async move {
            bot.api.answer_press(&press, notice.as_deref()).await.ok();
        }));
    }

    /// What was said, as far as the bytes alone tell: for words about a message that failed.
    fn incoming_unmet(&self, bot: &Bot, message: &Claimed) -> Option<Incoming> {
        if message.kind.as_ref() != sallyport_sources::telegram::KIND {
            return serde_json::from_slice(&message.payload).ok();
        }
        let Meaning::Heard(heard) = telegram::read(&message.payload, bot.api.bot_id()) else {
            return None;
        };
        let what = match heard.act {
            Act::Text(text) => What::Text { text },
            Act::Edited(text) => What::Edited { text },
            Act::Media(attachment) => What::Media(attachment),
            Act::Press { .. } => What::Button(Press { button: None }),
        };
        Some(Incoming {
            us: bot.us(),
            chat: heard.chat,
            person: Person {
                id: PersonId(0),
                subject: heard.sender.subject,
                name: heard.sender.name,
                language: heard.sender.language,
                role: bot.newcomers.max(Role::Member),
                kind: heard.sender.kind,
            },
            message: heard.message,
            quoted: heard.quoted,
            what,
            at: message.accepted_at,
        })
    }
}

#[async_trait]
impl Handler for Conversation {
    fn policy(&self) -> &KindPolicy {
        &self.policy
    }

    async fn handle(&self, message: Arc<Claimed>, run: Run) -> Handled {
        match self.bots.get(&message.bot) {
            Some(bot) => Box::pin(self.run(bot, &message, run)).await,
            None => unknown_bot(),
        }
    }

    fn buried(&self, message: &Claimed, _error: &ErrorNote) -> Vec<NewMessage> {
        let Some(bot) = self.bots.get(&message.bot) else {
            return Vec::new();
        };
        let code = message.trace.trace_id.support_code().to_string();
        let telling = self.incoming_unmet(bot, message).and_then(|incoming| {
            let say = bot.app.farewell(&incoming, &code)?;
            let to_group = incoming.chat.kind == ChatKind::Group;
            Draft {
                bot,
                message,
                to_group,
            }
            .say(say, Vec::new())
            .ok()
        });
        telling.into_iter().collect()
    }
}

/// The group that a task is counted in, by its kind and whose it is.
fn limits_of(at_once: AtOnce) -> Limits {
    Limits::new(move |message| {
        let whose = match at_once.per {
            Per::Person => message.subject.as_deref().unwrap_or(message.key.as_str()),
            Per::Tenant => &message.tenant,
            Per::House => "",
        };
        vec![Limit::at_once(
            format!("{}:{whose}", message.kind),
            at_once.max,
        )]
    })
}

pub(crate) fn verdict_of(outcome: Outcome) -> Verdict {
    match outcome {
        Outcome::Done => Verdict::Done,
        Outcome::Retry { after, why } => Verdict::Retry {
            after,
            error: ErrorNote::new("asked_again", why),
        },
        Outcome::Snooze { wait } => Verdict::Snooze { for_: wait },
        Outcome::Cancel { why } => Verdict::Cancelled { reason: why },
        Outcome::Ignored => Verdict::Ignored,
        Outcome::Expired => Verdict::Expired,
    }
}

/// The one place where a handler's failure becomes a verdict.
pub(crate) fn verdict_of_failure(failure: &Failure) -> Verdict {
    let error = ErrorNote::new(failure.kind(), Chain(failure).to_string());
    match failure.retry() {
        RetryAdvice::Later => Verdict::Retry {
            after: Duration::ZERO,
            error,
        },
        RetryAdvice::After(after) => Verdict::Retry { after, error },
        RetryAdvice::Never => Verdict::Dead { error },
    }
}

fn database(error: &(dyn std::error::Error + 'static)) -> ErrorNote {
    ErrorNote::new("database", Chain(error).to_string())
}

fn age(message: &Claimed, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(message.accepted_at)).unwrap_or_default()
}
