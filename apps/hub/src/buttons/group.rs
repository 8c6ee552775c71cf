//! Replaying a group of dead letters: “Replay” asks first, “Send” does it, “Leave” does not.
//!
//! The question counts what is dead *now*, so an old list cannot surprise. Sending twice is harmless: what was replayed is no
//! longer dead.

use sallyport_kit::{Button, Context, DeadGroup, Ended, Failure, GroupRef, Outcome, Reply, Role};

pub(crate) struct OfferReplay;
pub(crate) struct ReplayGroup;
pub(crate) struct LeaveGroup;

impl Button for OfferReplay {
    const NAME: &'static str = "offer_replay";
    type Payload = GroupRef;

    async fn run(&self, context: &Context, group: GroupRef) -> Ended {
        match context.house().dead_group(&group).await? {
            Some(dead) => context.reply(question(context, &dead)?),
            None => context.notice("replayed", &[("count", 0_u64.into())]),
        }
        Ok(Outcome::Done)
    }
}

impl Button for ReplayGroup {
    const NAME: &'static str = "replay_group";
    type Payload = GroupRef;

    async fn run(&self, context: &Context, group: GroupRef) -> Ended {
        let replayed = context.house().replay(&group).await?;
        say_instead(
            context,
            context.text("replayed", &[("count", replayed.count.into())]),
        );
        Ok(Outcome::Done)
    }
}

impl Button for LeaveGroup {
    const NAME: &'static str = "leave_group";
    type Payload = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        say_instead(context, context.text("replay-left", &[]));
        Ok(Outcome::Done)
    }
}

/// "Send 41 answers to 37 people?"
fn question(context: &Context, dead: &DeadGroup) -> Result<Reply, Failure> {
    let text = context.text(
        "replay-question",
        &[("count", dead.count.into()), ("people", dead.people.into())],
    );
    let send = context
        .button::<ReplayGroup>("replay-send", &dead.group)?
        .for_role(Role::Operator);
    let leave = context
        .button::<LeaveGroup>("replay-leave", &())?
        .for_role(Role::Operator);
    Ok(Reply::plain(text).row([send, leave]))
}

/// Puts the outcome where the question was, so that its buttons are gone.
fn say_instead(context: &Context, text: String) {
    match context.message().cloned() {
        Some(question) => context.replace(question, Reply::plain(text)),
        None => context.reply(Reply::plain(text)),
    }
}
