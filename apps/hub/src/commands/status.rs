//! `/status` says how the house is: the verdict to everybody, the rest to operators.

use sallyport_kit::{Command, Context, Ended, Outcome, Reply, Role};

pub(crate) struct Status;

impl Command for Status {
    const NAME: &'static str = "status";
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        let report = context.house().status().await;
        let shown = if context.may(Role::Operator) {
            usize::MAX
        } else {
            1
        };
        let lines: Vec<String> = context
            .status_lines(&report)
            .into_iter()
            .take(shown)
            .collect();
        context.reply(Reply::plain(lines.join("\n")));
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use sallyport_kit::testing::Scene;

    use super::*;
    use crate::tests::stage;

    #[tokio::test]
    async fn a_member_reads_the_verdict_only() {
        let told = stage().hears(Scene::says("/status")).await;

        assert_eq!(told.text(), "Working. Nothing waits.");
    }

    #[tokio::test]
    async fn an_operator_reads_everything_in_34_columns() {
        let told = stage()
            .hears(Scene::says("/status").by(Role::Operator))
            .await;

        assert!(told.text().starts_with(
            "Working. Nothing waits.\nQueue 0 · oldest – · dead 0\nPostgres up 1 ms\n"
        ));
        assert!(told.text().lines().all(|line| line.chars().count() <= 34));
    }

    #[tokio::test]
    async fn an_operator_who_hides_their_name_reads_the_verdict_only() {
        let hidden = Scene::says("/status")
            .by(Role::Operator)
            .by_kind(sallyport_kit::PersonKind::AnonymousAdmin)
            .in_group();

        let told = stage().hears(hidden).await;

        assert_eq!(told.text(), "Working. Nothing waits.");
    }
}
