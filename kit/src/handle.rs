//! What happens to one message, in order: gathered, routed, too late?, too fast?, run.

use std::{sync::Arc, time::Duration};

use crate::{
    Album, App, Attachment, Context, Incoming, Misread, Outcome, Reply, Role, Say, Services, What,
    away,
    erased::Terms,
    pace::Pace,
    route::{Own, Routed, Target, Word},
    trigger::Ended,
    whole::{self, Gathered},
};

/// Whether lateness and rates still apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limits {
    Apply,
    /// It has waited, or was chosen: its place is reserved.
    AreMet,
}

impl App {
    /// Handles one message, or one task that is due. Cancel safe: what was collected by then is not committed.
    ///
    /// # Errors
    /// When it could not be handled; the failure says whether trying again makes sense.
    pub async fn handle(&self, incoming: Incoming, services: Arc<dyn Services>) -> Ended {
        let context = Context::new(Arc::clone(&self.shell), incoming, services);
        match whole::gather(&context).await? {
            Gathered::Kept => Ok(Outcome::Done),
            Gathered::Whole(incoming, files) => {
                self.dispatch(&context.about(*incoming), files, Limits::Apply)
                    .await
            }
        }
    }

    /// What to tell the person whose message failed for good, with the code to quote; `None` when nobody waits for an answer.
    #[must_use]
    pub fn farewell(&self, incoming: &Incoming, code: &str) -> Option<Say> {
        self.word(incoming, "failed", &[("code", code.into())])
    }

    /// What to tell the person whose message is still being tried after a while; `None` when nobody waits for an answer.
    #[must_use]
    pub fn still_trying(&self, incoming: &Incoming) -> Option<Say> {
        self.word(incoming, "still-trying", &[])
    }

    fn word(&self, incoming: &Incoming, id: &str, args: &crate::Args<'_>) -> Option<Say> {
        let waits = match self.route(incoming, incoming.at) {
            Routed::Run(..) | Routed::Own(_) => true,
            Routed::Tell(_) | Routed::Silent => false,
        };
        let text = self.shell.texts.get(incoming.person.language, id, args);
        waits.then(|| Say::answering(incoming, Reply::plain(text).quoting(), None))
    }

    async fn dispatch(&self, context: &Context, files: Vec<Attachment>, limits: Limits) -> Ended {
        match self.route(context.incoming(), context.now()) {
            Routed::Run(target, terms) => self.admit(context, target, files, terms, limits).await,
            Routed::Own(own) => Box::pin(self.own(context, own)).await,
            Routed::Tell(word) => Ok(self.tell(context, &word)),
            Routed::Silent => Ok(Outcome::Ignored),
        }
    }

    /// Runs it unless it is too late or too fast.
    async fn admit(
        &self,
        context: &Context,
        target: Target,
        files: Vec<Attachment>,
        terms: Terms,
        limits: Limits,
    ) -> Ended {
        if limits == Limits::Apply {
            if context.incoming().age(context.now()) > terms.late_after {
                return self.too_late(context, &target).await;
            }
            match self.pace(context, &target, terms) {
                Pace::Go => {}
                Pace::Wait(wait) => return wait_for(context, wait),
                Pace::ComeBack { at, first } => return Ok(come_back(context, at, first)),
            }
        }
        self.run(context, target, files).await
    }

    /// What people wait for is offered to them once more; what they changed or pressed is not.
    async fn too_late(&self, context: &Context, target: &Target) -> Ended {
        match target {
            Target::Command { .. }
            | Target::Text { .. }
            | Target::Media { .. }
            | Target::Task { .. } => away::note(context).await,
            Target::Edit { .. } | Target::Button { .. } => Ok(Outcome::Expired),
        }
    }

    fn pace(&self, context: &Context, target: &Target, terms: Terms) -> Pace {
        let Some(rate) = terms.rate else {
            return Pace::Go;
        };
        let name = match target {
            Target::Command { place, .. } => self
                .commands
                .get(*place)
                .map_or("", |command| command.name()),
            Target::Text { .. } => "words",
            Target::Media { .. } => "files",
            Target::Edit { .. } | Target::Task { .. } | Target::Button { .. } => return Pace::Go,
        };
        context.take_place(name, rate)
    }

    async fn run(&self, context: &Context, target: Target, files: Vec<Attachment>) -> Ended {
        let future = match target {
            Target::Command { place, words } => match self
                .commands
                .get(place)
                .map(|command| command.run(context, &words))
            {
                Some(Ok(future)) => Some(future),
                Some(Err(misread)) => return Ok(refuse(context, misread)),
                None => None,
            },
            Target::Text { place, text } => self
                .texts
                .get(place)
                .map(|trigger| trigger.run(context, text)),
            Target::Media { place, caption } => self
                .media
                .get(place)
                .map(|trigger| trigger.run(context, Album { files, caption })),
            Target::Edit { place, text } => self
                .edits
                .get(place)
                .map(|trigger| trigger.run(context, text)),
            Target::Task { place } => match (self.tasks.get(place), &context.incoming().what) {
                (Some(task), What::Task(call)) => Some(task.run(context, call.payload.clone())?),
                _ => None,
            },
            Target::Button { place } => match (self.buttons.get(place), context.pressed()) {
                (Some(button), Some(pressed)) => {
                    Some(button.run(context, pressed.payload.clone())?)
                }
                _ => None,
            },
        };
        match future {
            Some(future) => future.await,
            None => Ok(Outcome::Ignored),
        }
    }

    async fn own(&self, context: &Context, own: Own) -> Ended {
        let call = match &context.incoming().what {
            What::Task(call) => Some(call),
            What::Text { .. }
            | What::Edited { .. }
            | What::Media(_)
            | What::Button(_)
            | What::Other { .. } => None,
        };
        match (own, call) {
            (Own::Again, Some(call)) => {
                let what = serde_json::from_value(call.payload.clone())?;
                let again = Incoming {
                    what,
                    ..context.incoming().clone()
                };
                let files = again.file().cloned().into_iter().collect();
                self.dispatch(&context.about(again), files, Limits::AreMet)
                    .await
            }
            (Own::Gather, Some(call)) => match whole::finish(context, call).await? {
                Ok(Gathered::Whole(incoming, files)) => {
                    self.dispatch(&context.about(*incoming), files, Limits::Apply)
                        .await
                }
                Ok(Gathered::Kept) => Ok(Outcome::Done),
                Err(outcome) => Ok(outcome),
            },
            (Own::Away, _) => match context.pressed() {
                Some(pressed) => away::choose(context, &pressed.payload).await,
                None => Ok(Outcome::Ignored),
            },
            (Own::Again | Own::Gather, None) => Ok(Outcome::Ignored),
        }
    }

    fn tell(&self, context: &Context, word: &Word) -> Outcome {
        match word {
            Word::UnknownCommand {
                command,
                near: Some(near),
            } => {
                context.say(
                    "unknown-command-near",
                    &[("command", command.into()), ("near", (*near).into())],
                );
            }
            Word::UnknownCommand {
                command,
                near: None,
            } => context.say("unknown-command", &[("command", command.into())]),
            Word::UnknownWords => context.say("unknown-words", &[]),
            Word::NotForYou { command, access } => {
                let role = if *access == Role::Owner {
                    "owner"
                } else {
                    "operator"
                };
                context.say(
                    "not-for-you",
                    &[("command", (*command).into()), ("role", role.into())],
                );
            }
            Word::NotKnown => context.say("not-known", &[]),
            Word::OnlyPrivate { command } => {
                context.say("only-private", &[("command", (*command).into())])
            }
            Word::PrivateBot => return context.turn_away(),
            Word::ButtonExpired => context.notice("button-expired", &[]),
            Word::ButtonNotYours => context.notice("button-not-yours", &[]),
        }
        Outcome::Done
    }
}

/// Promises an answer in a moment, and keeps the promise.
fn wait_for(context: &Context, wait: Duration) -> Ended {
    let seconds = wait.as_millis().div_ceil(1000);
    context.say(
        "wait-short",
        &[("seconds", u64::try_from(seconds).unwrap_or(u64::MAX).into())],
    );
    context.again(context.incoming(), wait)?;
    Ok(Outcome::Done)
}

fn come_back(context: &Context, at: jiff::Timestamp, first: bool) -> Outcome {
    if first {
        context.say("wait-long", &[("time", away::clock(at).into())]);
    }
    Outcome::Cancel {
        why: "too fast".to_owned(),
    }
}

fn refuse(context: &Context, misread: Misread) -> Outcome {
    context.say(misread.text, &[]);
    Outcome::Done
}

#[cfg(test)]
mod tests;
