//! `/start` greets. With the code that the server printed, it makes the opener the bot's owner.
//!
//! Guests may use it, because on a fresh bot everybody is one; without the code they read that the bot is private.

use sallyport_kit::{Claim, Command, Context, Ended, Outcome, Rate, Role};

pub(crate) struct Start;

impl Command for Start {
    const NAME: &'static str = "start";
    const ACCESS: Role = Role::Guest;
    /// A person taps it once; a guesser of codes would like to more often.
    const RATE: Option<Rate> = Some(Rate::per_minute(20));
    type Arguments = Option<String>;

    async fn run(&self, context: &Context, payload: Option<String>) -> Ended {
        if let Some(code) = payload
            && context.claim_ownership(&code).await? == Claim::Granted
        {
            context.say("start-owner", &[("name", (&context.person().name).into())]);
            return Ok(Outcome::Done);
        }
        if !context.may(Role::Member) {
            return Ok(context.turn_away());
        }
        context.say(
            "start-greeting",
            &[("name", (&context.person().name).into())],
        );
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use sallyport_kit::{Language, testing::Scene};

    use super::*;
    use crate::tests::stage;

    #[tokio::test]
    async fn a_member_is_greeted_by_name_and_shown_the_way() {
        let told = stage().hears(Scene::says("/start")).await;

        assert_eq!(
            told.text(),
            "Hello, Ada. Ask me anything, or see what I can do: /help"
        );
    }

    #[tokio::test]
    async fn an_unknown_payload_greets_normally() {
        let told = stage().hears(Scene::says("/start from-a-friend")).await;

        assert!(told.text().starts_with("Hello, Ada."));
    }

    #[tokio::test]
    async fn whoever_brings_the_printed_code_becomes_the_owner_once() {
        let stage = stage();
        stage.claim_code("k7qf3m2x");

        let first = stage
            .hears(Scene::says("/start k7qf3m2x").by(Role::Guest))
            .await;
        let second = stage
            .hears(
                Scene::says("/start k7qf3m2x")
                    .by(Role::Guest)
                    .by_person(8)
                    .as_message("2"),
            )
            .await;

        assert!(first.text().starts_with("This bot is yours now, Ada."));
        assert!(second.text().starts_with("This bot is private."));
    }

    #[tokio::test]
    async fn a_guest_reads_once_an_hour_that_the_bot_is_private() {
        let stage = stage();

        let first = stage.hears(Scene::says("/start").by(Role::Guest)).await;
        let second = stage
            .hears(Scene::says("/start").by(Role::Guest).as_message("2"))
            .await;

        assert_eq!(
            first.text(),
            "This bot is private. Your id is 123456; its owner can let you in."
        );
        assert!(second.is_silence());
    }

    #[tokio::test]
    async fn a_russian_is_greeted_in_russian() {
        let told = stage()
            .hears(Scene::says("/start").reading(Language::Russian))
            .await;

        assert!(told.text().starts_with("Здравствуйте, Ada."));
    }
}
