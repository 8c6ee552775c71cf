//! `/ai` asks a model; in reply to a message it asks about that message. The answer comes later, in reply to the question.
//!
//! Running it twice is harmless: the question is kept under its message, and one that is answered is not asked again.

use std::time::Duration;

use sallyport_kit::{Command, Context, Ended, Outcome, QUESTIONS_LATE_AFTER, Rate};

use crate::conversation;

/// How many questions a person may ask; `/ai` and plain words count apart.
pub(crate) const QUESTIONS: Rate = Rate::per_minute(10);

pub(crate) struct Ai;

impl Command for Ai {
    const NAME: &'static str = "ai";
    const RATE: Option<Rate> = Some(QUESTIONS);
    const LATE_AFTER: Duration = QUESTIONS_LATE_AFTER;
    type Arguments = String;

    async fn run(&self, context: &Context, question: String) -> Ended {
        let about_something = context.quoted().is_some_and(|quoted| quoted.text.is_some());
        if question.is_empty() && !about_something {
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
    async fn without_a_question_it_says_how_to_ask() {
        let told = stage().hears(Scene::says("/ai@sallybot").in_group()).await;

        assert_eq!(
            told.text(),
            "Write the question behind it: /ai why is the sky blue"
        );
    }

    #[tokio::test]
    async fn a_reply_to_a_message_asks_about_that_message() {
        let stage = stage_with_tables().await;
        stage.model_says(ModelScript::Says(vec!["It is a joke."]));

        stage
            .hears(
                Scene::says("/ai explain")
                    .replying_to("A horse walks into a bar.")
                    .in_group(),
            )
            .await;
        stage.runs_tasks().await;

        let asked = stage.asked().unwrap().question;
        assert!(
            asked.contains("explain") && asked.contains("A horse walks into a bar."),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn the_eleventh_question_in_a_minute_is_promised_and_answered() {
        let stage = stage_with_tables().await;
        stage.model_says(ModelScript::Says(vec!["Because."]));
        for message in 1..=10 {
            stage
                .hears(Scene::says("/ai why").as_message(&message.to_string()))
                .await;
        }

        let told = stage
            .hears(Scene::says("/ai why not").as_message("11"))
            .await;
        assert_eq!(told.text(), "I'll answer in 6 s.");

        let answers: Vec<_> = stage
            .runs_tasks()
            .await
            .into_iter()
            .flat_map(|told| told.answers)
            .collect();
        assert_eq!(answers.len(), 11);
    }
}
