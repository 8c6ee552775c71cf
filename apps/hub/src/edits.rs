//! An edited question: before it is answered the new words replace the old ones, after that the answer itself is replaced.
//!
//! Both are the same here: the question gets a new version and is asked again, and whoever answers an old version finds that out
//! before asking a model. Edits of anything that was no question are nobody's business.

use sallyport_kit::{Context, Edit, Ended};

use crate::conversation;

pub(crate) struct EditedQuestion;

impl Edit for EditedQuestion {
    async fn run(&self, context: &Context, text: String) -> Ended {
        conversation::ask_instead(context, text).await
    }
}

#[cfg(test)]
mod tests {
    use sallyport_kit::testing::{ModelScript, Scene};

    use crate::tests::stage_with_tables;

    #[tokio::test]
    async fn an_edit_before_the_answer_replaces_the_question() {
        let stage = stage_with_tables().await;
        stage.model_says(ModelScript::Says(vec!["Green."]));
        stage.hears(Scene::says("/ai what colour is the sky")).await;

        stage.hears(Scene::edits("/ai what colour is grass")).await;
        let answers: Vec<_> = stage
            .runs_tasks()
            .await
            .into_iter()
            .flat_map(|told| told.answers)
            .collect();

        assert_eq!(stage.asked().unwrap().question, "what colour is grass");
        assert_eq!(answers.len(), 1, "one answer, although it was asked twice");
    }

    #[tokio::test]
    async fn an_edit_after_the_answer_edits_the_answer() {
        let stage = stage_with_tables().await;
        stage.model_says(ModelScript::Says(vec!["Blue."]));
        stage.hears(Scene::says("/ai what colour is the sky")).await;
        let first = stage.runs_tasks().await;

        stage.model_says(ModelScript::Says(vec!["Green."]));
        stage.hears(Scene::edits("/ai what colour is grass")).await;
        let second = stage.runs_tasks().await;

        assert_eq!(second[0].text(), "Green.");
        assert_eq!(
            first[0].answers[0].slot, second[0].answers[0].slot,
            "the same message on the screen"
        );
        assert_eq!(
            stage.asked().unwrap().turns,
            [],
            "the replaced question is not remembered"
        );
    }

    #[tokio::test]
    async fn an_edit_of_something_else_is_nobodys_business() {
        let stage = stage_with_tables().await;

        assert!(
            stage
                .hears(Scene::edits("never mind").as_message("99"))
                .await
                .is_silence()
        );
    }
}
