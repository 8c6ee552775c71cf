//! Plain words are questions: all of them in a private chat, in groups those that mention the bot or reply to it.

use sallyport_kit::{Context, Ended, Outcome, Rate, Text};

use crate::{commands, conversation};

pub(crate) struct Question;

impl Text for Question {
    const RATE: Option<Rate> = Some(commands::QUESTIONS);

    async fn run(&self, context: &Context, question: String) -> Ended {
        if question.is_empty()
            && context
                .quoted()
                .is_none_or(|quoted| quoted.by_us || quoted.text.is_none())
        {
            context.say("ai-usage", &[]);
            return Ok(Outcome::Done);
        }
        conversation::ask(context, question)
    }
}

#[cfg(test)]
mod tests {
    use sallyport_kit::testing::{ModelScript, Scene};

    use crate::tests::{stage, stage_with_tables};

    #[tokio::test]
    async fn plain_words_in_private_are_a_question() {
        let stage = stage_with_tables().await;
        stage.model_says(ModelScript::Says(vec!["Light scatters. ", "Blue most."]));

        stage.hears(Scene::says("why is the sky blue")).await;
        let answered = stage.runs_tasks().await;

        assert_eq!(
            answered[0].answers[0].previews,
            ["Light scatters. ", "Light scatters. Blue most."]
        );
        assert_eq!(answered[0].text(), "Light scatters. Blue most.");
    }

    #[tokio::test]
    async fn plain_words_in_a_group_are_nobodys_business() {
        assert!(
            stage()
                .hears(Scene::says("why is the sky blue").in_group())
                .await
                .is_silence()
        );
    }

    #[tokio::test]
    async fn a_mention_in_a_group_is_a_question() {
        let told = stage()
            .hears(Scene::says("@sallybot why is the sky blue").in_group())
            .await;

        assert_eq!(told.tasks.len(), 1);
    }
}
