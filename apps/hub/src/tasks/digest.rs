//! Tells an owner what failed for good in the last day and what is paused, and the owner's webhook as well. Says nothing when there is
//! nothing to say.
//!
//! Twice is harmless: it reads, and what it says is committed with its end.

use std::time::Duration;

use sallyport_kit::{
    Context, DeadCount, Ended, Lately, Outcome, PausedNow, Reply, Task, Timestamp,
};
use serde::{Deserialize, Serialize};

/// What a digest looks back over.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// More lines than this do not fit a chat; `/dead` shows the rest.
const LINES_MAX: usize = 8;
/// More entries than this are no digest for a machine either.
const ENTRIES_MAX: usize = 100;
/// The name of the webhook that digests go to.
pub(crate) const DIGEST_WEBHOOK: &str = "digest";
/// What a receiver is told that it is.
const EVENT: &str = "digest.daily";

pub(crate) struct Digest;

/// Which digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DigestDue {
    /// What happened from then on.
    pub(crate) since: Timestamp,
}

impl DigestDue {
    /// The digest of the day before `now`.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self {
            since: now.checked_sub(DAY).unwrap_or(now),
        }
    }
}

impl Task for Digest {
    const NAME: &'static str = "digest";
    const KEY: &'static str = "digest";
    /// From then on the next one tells the same.
    const LATE_AFTER: Duration = DAY;
    type Payload = DigestDue;

    async fn run(&self, context: &Context, due: DigestDue) -> Ended {
        let lately = context.house().lately(due.since).await?;
        if !lately.is_quiet() {
            context.reply(Reply::plain(told(context, &lately)));
            if context.webhook(DIGEST_WEBHOOK).await?.is_some() {
                context.post(DIGEST_WEBHOOK, EVENT, &Told::of(&due, &lately))?;
            }
        }
        Ok(Outcome::Done)
    }
}

/// A digest as a receiver reads it. Fields are only added.
#[derive(Debug, Serialize)]
struct Told<'a> {
    since: Timestamp,
    dead: Vec<ToldDead<'a>>,
    paused: Vec<ToldPause<'a>>,
}

#[derive(Debug, Serialize)]
struct ToldDead<'a> {
    kind: &'a str,
    error: &'a str,
    count: u64,
}

#[derive(Debug, Serialize)]
struct ToldPause<'a> {
    /// Everything, where there is none.
    kind: Option<&'a str>,
    since: Timestamp,
    by: &'a str,
    why: &'a str,
}

impl<'a> Told<'a> {
    fn of(due: &DigestDue, lately: &'a Lately) -> Self {
        let dead = lately.dead.iter().take(ENTRIES_MAX);
        let paused = lately.paused.iter().take(ENTRIES_MAX);
        Self {
            since: due.since,
            dead: dead
                .map(|dead| ToldDead {
                    kind: &dead.kind,
                    error: &dead.error_kind,
                    count: dead.count,
                })
                .collect(),
            paused: paused
                .map(|pause| ToldPause {
                    kind: pause.kind.as_deref(),
                    since: pause.since,
                    by: &pause.by,
                    why: &pause.why,
                })
                .collect(),
        }
    }
}

fn told(context: &Context, lately: &Lately) -> String {
    let mut lines = vec![context.text("digest", &[])];
    lines.extend(
        lately
            .dead
            .iter()
            .take(LINES_MAX)
            .map(|dead| died(context, dead)),
    );
    if !lately.dead.is_empty() {
        lines.push(context.text("digest-see-dead", &[]));
    }
    lines.extend(
        lately
            .paused
            .iter()
            .take(LINES_MAX)
            .map(|paused| stands(context, paused)),
    );
    lines.join("\n")
}

fn died(context: &Context, dead: &DeadCount) -> String {
    context.text(
        "digest-dead",
        &[
            ("count", dead.count.into()),
            ("kind", (&dead.kind).into()),
            ("error", (&dead.error_kind).into()),
        ],
    )
}

fn stands(context: &Context, paused: &PausedNow) -> String {
    let everything = context.text("digest-everything", &[]);
    context.text(
        "digest-paused",
        &[
            ("what", paused.kind.as_ref().unwrap_or(&everything).into()),
            (
                "since",
                paused.since.strftime("%m-%d %H:%M UTC").to_string().into(),
            ),
            ("by", (&paused.by).into()),
            ("why", (&paused.why).into()),
        ],
    )
}

#[cfg(test)]
mod tests {
    use sallyport_kit::{Language, Role, testing::Scene};

    use super::*;
    use crate::tests::stage;

    fn trouble() -> Lately {
        Lately {
            dead: vec![DeadCount {
                kind: "telegram.send".into(),
                error_kind: "entities".into(),
                count: 41,
            }],
            paused: vec![PausedNow {
                kind: None,
                since: "2026-11-20T02:10:00Z".parse().unwrap(),
                by: "anna".into(),
                why: "restored".into(),
            }],
        }
    }

    #[tokio::test]
    async fn every_owner_hears_each_morning_what_failed_and_is_paused() {
        let stage = stage();
        stage.house().lately_is(trouble());
        stage.is_owned_by(Scene::somebody().by(Role::Owner));
        stage.is_owned_by(
            Scene::somebody()
                .by(Role::Owner)
                .by_person(8)
                .reading(Language::Russian),
        );

        let kept = stage.keeps("daily").await;
        assert_eq!(kept.tasks.len(), 2, "{kept:?}");
        assert!(
            kept.tasks.iter().all(|task| task.once.is_some()),
            "one waits at most"
        );
        let told = stage.runs_tasks().await;

        assert_eq!(
            told[0].text(),
            "The last day:\n41 × telegram.send failed for good: entities\nSee /dead.\nPaused since 11-20 02:10 UTC by anna: everything (restored)"
        );
        assert!(
            told[1].text().starts_with("За последние сутки:"),
            "{}",
            told[1].text()
        );
    }

    #[tokio::test]
    async fn an_owner_with_a_webhook_has_it_told_as_well() {
        let stage = stage();
        stage.house().lately_is(trouble());
        let owner = || Scene::somebody().by(Role::Owner);
        stage.is_owned_by(owner());
        stage
            .hears(Scene::says("/webhook https://hooks.example/").by(Role::Owner))
            .await;

        stage.keeps("daily").await;
        let told = stage.runs_tasks().await;

        let [posted] = told[0].posted.as_slice() else {
            panic!("{told:?}");
        };
        assert_eq!(
            (posted.to.name.as_str(), posted.kind.as_str()),
            ("hub.digest", "digest.daily")
        );
        assert_eq!(
            posted.data["dead"],
            serde_json::json!([{"kind": "telegram.send", "error": "entities", "count": 41}])
        );
        assert_eq!(posted.data["paused"][0]["kind"], serde_json::Value::Null);
    }

    #[tokio::test]
    async fn without_one_nothing_is_posted() {
        let stage = stage();
        stage.house().lately_is(trouble());
        stage.is_owned_by(Scene::somebody().by(Role::Owner));

        stage.keeps("daily").await;

        assert!(stage.runs_tasks().await[0].posted.is_empty());
    }

    #[tokio::test]
    async fn in_a_good_house_nobody_hears_anything() {
        let stage = stage();
        stage.is_owned_by(Scene::somebody().by(Role::Owner));

        stage.keeps("daily").await;
        let told = stage.runs_tasks().await;

        assert!(told[0].texts().is_empty());
        assert!(matches!(told[0].ended, Ok(Outcome::Done)));
    }
}
