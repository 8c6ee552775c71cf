//! `/help` lists what this person may use here, with examples to tap.

use sallyport_kit::{Command, CommandLine, Context, Ended, Outcome, Reply};

pub(crate) struct Help;

impl Command for Help {
    const NAME: &'static str = "help";
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        let lines: Vec<String> = context.commands().iter().map(line).collect();
        context.reply(Reply::plain(lines.join("\n")));
        Ok(Outcome::Done)
    }
}

/// `/trace K7QF-3M2X – shows the story behind a code`.
fn line(command: &CommandLine) -> String {
    let call = command
        .example
        .clone()
        .unwrap_or_else(|| format!("/{}", command.name));
    format!("{call} – {}", command.about)
}

#[cfg(test)]
mod tests {
    use sallyport_kit::{Role, testing::Scene};

    use crate::tests::stage;

    #[tokio::test]
    async fn everybody_sees_what_they_may_use_and_nothing_else() {
        let stage = stage();

        let member = stage.hears(Scene::says("/help")).await;
        let operator = stage.hears(Scene::says("/help").by(Role::Operator)).await;

        assert!(member.text().contains("/ai why is the sky blue – "));
        assert!(!member.text().contains("/dead"));
        assert!(operator.text().contains("/dead"));
    }

    #[tokio::test]
    async fn a_group_is_not_shown_what_works_in_private_only() {
        let told = stage()
            .hears(Scene::says("/help").by(Role::Operator).in_group())
            .await;

        assert!(!told.text().contains("/dead"));
    }
}
