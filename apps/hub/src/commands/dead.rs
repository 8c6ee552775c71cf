//! `/dead` shows what failed for good, grouped by what went wrong, and offers to send each group again.

use sallyport_kit::{Command, Context, DeadGroup, Ended, Failure, Outcome, Reply, Role, Scopes};

use crate::buttons::OfferReplay;

/// More groups than this do not fit a chat; the newest come first.
const GROUPS_MAX: usize = 8;

pub(crate) struct Dead;

impl Command for Dead {
    const NAME: &'static str = "dead";
    const ACCESS: Role = Role::Operator;
    const SCOPES: Scopes = Scopes::PrivateOnly;
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        let groups = context.house().dead_letters().await?;
        if groups.is_empty() {
            context.say("dead-none", &[]);
        }
        for group in groups.iter().take(GROUPS_MAX) {
            context.reply(shown(context, group)?);
        }
        Ok(Outcome::Done)
    }
}

/// One group: what went wrong, how many, when, and a way to look into the newest.
fn shown(context: &Context, group: &DeadGroup) -> Result<Reply, Failure> {
    let text = context.text(
        "dead-group",
        &[
            ("kind", (&group.group.kind).into()),
            ("error", (&group.error).into()),
            ("count", group.count.into()),
            (
                "first",
                group.first.strftime("%m-%d %H:%M").to_string().into(),
            ),
            (
                "last",
                group.last.strftime("%m-%d %H:%M").to_string().into(),
            ),
            ("code", (&group.newest_code).into()),
        ],
    );
    let replay = context
        .button::<OfferReplay>("dead-replay", &group.group)?
        .for_role(Role::Operator);
    Ok(Reply::plain(text).row([replay]))
}

#[cfg(test)]
mod tests {
    use sallyport_kit::{GroupRef, testing::Scene};

    use super::*;
    use crate::tests::stage;

    fn group() -> DeadGroup {
        DeadGroup {
            group: GroupRef {
                kind: "telegram.send".into(),
                error_kind: "entities".into(),
            },
            error: "Bad Request: can't parse entities".into(),
            count: 41,
            people: 37,
            first: "2026-11-20T02:10:00Z".parse().unwrap(),
            last: "2026-11-20T02:31:00Z".parse().unwrap(),
            newest_code: "K7QF-3M2X".into(),
        }
    }

    #[tokio::test]
    async fn nothing_dead_is_said_in_a_few_words() {
        assert_eq!(
            stage()
                .hears(Scene::says("/dead").by(Role::Operator))
                .await
                .text(),
            "No dead letters."
        );
    }

    #[tokio::test]
    async fn a_group_is_replayed_after_a_question_and_only_once() {
        let stage = stage();
        stage.house().has_dead(group());
        let operator = || Scene::somebody().by(Role::Operator);

        let listed = stage.hears(Scene::says("/dead").by(Role::Operator)).await;
        assert!(
            listed
                .text()
                .contains("41, first 11-20 02:10, last 11-20 02:31, newest /trace K7QF-3M2X"),
            "{}",
            listed.text()
        );

        let offered = stage.presses(operator(), &listed.said[0], "Replay").await;
        assert_eq!(offered.text(), "Send 41 answers to 37 people?");

        let sent = stage.presses(operator(), &offered.said[0], "Send").await;
        let again = stage.presses(operator(), &offered.said[0], "Send").await;
        assert_eq!(sent.text(), "41 are on their way again.");
        assert_eq!(again.text(), "Nothing is left of this group.");
    }

    #[tokio::test]
    async fn a_member_may_not_look() {
        assert_eq!(
            stage().hears(Scene::says("/dead")).await.text(),
            "/dead is for the bot's operators."
        );
    }
}
