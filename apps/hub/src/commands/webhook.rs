//! `/webhook` says where the owner's daily digest goes besides this chat and how the last one went; with a URL it sends it there from
//! now on, with `off` nowhere. The key that its receiver needs is shown once, here: in a private chat.
//!
//! Running it twice is harmless: the key that is shown is the one that is kept, since both are committed together.

use sallyport_kit::{
    Args, Command, Context, Ended, LastPosting, Outcome, Rate, Role, Scopes, Timestamp,
    Webhook as Seen, WebhookProblem,
};

use crate::tasks::DIGEST_WEBHOOK;

const OFF: &str = "off";

pub(crate) struct Webhook;

impl Command for Webhook {
    const NAME: &'static str = "webhook";
    const ACCESS: Role = Role::Owner;
    const SCOPES: Scopes = Scopes::PrivateOnly;
    /// Typing errors included.
    const RATE: Option<Rate> = Some(Rate::per_minute(10));
    type Arguments = String;

    async fn run(&self, context: &Context, words: String) -> Ended {
        match words.as_str() {
            "" => match context.webhook(DIGEST_WEBHOOK).await? {
                Some(webhook) => show(context, &webhook),
                None => context.say("webhook-none", &[]),
            },
            off if off.eq_ignore_ascii_case(OFF) => {
                context.forget_webhook(DIGEST_WEBHOOK);
                context.say("webhook-off", &[]);
            }
            url => match context.point_webhook(DIGEST_WEBHOOK, url) {
                Ok(new) => context.say(
                    "webhook-set",
                    &[("host", (&new.host).into()), ("key", (&new.key).into())],
                ),
                Err(problem) => refuse(context, &problem),
            },
        }
        Ok(Outcome::Done)
    }
}

fn show(context: &Context, webhook: &Seen) {
    let say = |id: &str, at: &Timestamp, why: &str| {
        let at = at.strftime("%m-%d %H:%M UTC").to_string();
        let args: &Args<'_> = &[
            ("host", (&webhook.host).into()),
            ("at", at.into()),
            ("why", why.into()),
        ];
        context.say(id, args);
    };
    match &webhook.last {
        LastPosting::None => context.say("webhook-untried", &[("host", (&webhook.host).into())]),
        LastPosting::Taken { at } => say("webhook-taken", at, ""),
        LastPosting::Failed { at, why } => say("webhook-failed", at, why),
        LastPosting::Ended { at } => say("webhook-ended", at, ""),
    }
}

/// What is wrong, and what to write instead.
fn refuse(context: &Context, problem: &WebhookProblem) {
    let plain = |id: &str| context.say(id, &[]);
    match problem {
        WebhookProblem::NotSetUp => plain("webhook-not-set-up"),
        WebhookProblem::NotAUrl => plain("webhook-no-url"),
        WebhookProblem::TooLong => plain("webhook-too-long"),
        WebhookProblem::Characters => plain("webhook-characters"),
        WebhookProblem::Scheme => plain("webhook-scheme"),
        WebhookProblem::UserInfo => plain("webhook-user"),
        WebhookProblem::Fragment => plain("webhook-fragment"),
        WebhookProblem::Spelling { usual } => {
            context.say("webhook-spelling", &[("usual", usual.into())]);
        }
        WebhookProblem::Port { allowed } => {
            let ports: Vec<String> = allowed.iter().map(u16::to_string).collect();
            context.say("webhook-port", &[("ports", ports.join(", ").into())]);
        }
        WebhookProblem::Address => plain("webhook-address"),
    }
}

#[cfg(test)]
mod tests {
    use sallyport_kit::{Language, testing::Scene};

    use super::*;
    use crate::tests::stage;

    fn owner(words: &str) -> Scene {
        Scene::says(words).by(Role::Owner)
    }

    #[tokio::test]
    async fn the_owner_points_it_somewhere_sees_the_key_once_and_the_host_ever_after() {
        let stage = stage();

        let none = stage.hears(owner("/webhook")).await;
        let set = stage
            .hears(owner("/webhook https://hooks.example/secret-path"))
            .await;
        let seen = stage.hears(owner("/webhook")).await;
        stage.hears(owner("/webhook off")).await;
        let off = stage.hears(owner("/webhook")).await;

        assert!(
            none.text().starts_with("The digest goes nowhere else."),
            "{}",
            none.text()
        );
        assert!(set.text().contains("whsec_of-the-stage"), "{}", set.text());
        assert_eq!(
            seen.text(),
            "The digest also goes to hooks.example. Nothing was sent there yet."
        );
        assert!(!seen.text().contains("secret-path"));
        assert_eq!(off.text(), none.text());
    }

    #[tokio::test]
    async fn it_says_how_the_last_one_went() {
        let stage = stage();
        stage.hears(owner("/webhook https://hooks.example/")).await;
        let at: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
        let cases = [
            (
                LastPosting::Taken { at },
                "The last one was taken at 11-20 09:00 UTC.",
            ),
            (
                LastPosting::Failed {
                    at,
                    why: "redirected".into(),
                },
                "is not followed",
            ),
            (
                LastPosting::Failed {
                    at,
                    why: "something_new".into(),
                },
                "did not take it",
            ),
            (
                LastPosting::Ended { at },
                "said at 11-20 09:00 UTC that it wants no more",
            ),
        ];
        for (last, words) in cases {
            stage.last_posting_was(&last);
            let told = stage.hears(owner("/webhook")).await;
            assert!(told.text().contains(words), "{last:?}: {}", told.text());
        }
    }

    #[tokio::test]
    async fn every_mistake_has_an_answer_of_its_own_in_every_language() {
        let stage = stage();
        let problems = [
            WebhookProblem::NotSetUp,
            WebhookProblem::NotAUrl,
            WebhookProblem::TooLong,
            WebhookProblem::Characters,
            WebhookProblem::Scheme,
            WebhookProblem::UserInfo,
            WebhookProblem::Fragment,
            WebhookProblem::Spelling {
                usual: "127.0.0.1".into(),
            },
            WebhookProblem::Port {
                allowed: vec![443, 8_443],
            },
            WebhookProblem::Address,
        ];
        for language in [Language::English, Language::Russian] {
            let mut answers = std::collections::BTreeSet::new();
            for problem in &problems {
                stage.refuses_urls(problem.clone());
                let told = stage.hears(owner("/webhook x").reading(language)).await;
                answers.insert(told.text().to_owned());
            }
            assert_eq!(answers.len(), problems.len(), "{answers:?}");
        }
    }

    #[tokio::test]
    async fn it_is_the_owners_alone() {
        let told = stage()
            .hears(Scene::says("/webhook").by(Role::Operator))
            .await;

        assert!(told.text().contains("owner"), "{}", told.text());
    }
}
