//! `/new` begins a new conversation: the model forgets what was said in this chat. Twice is harmless.

use sallyport_kit::{Command, Context, Ended, Outcome};

use crate::conversation;

pub(crate) struct New;

impl Command for New {
    const NAME: &'static str = "new";
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        conversation::forget(context);
        context.say("new-forgotten", &[]);
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use sallyport_kit::testing::{ModelScript, Scene};

    use crate::tests::stage_with_tables;

    #[tokio::test]
    async fn the_model_remembers_until_it_is_told_to_forget() {
        let stage = stage_with_tables().await;
        stage.model_says(ModelScript::Says(vec!["Blue."]));
        stage
            .hears(Scene::says("what colour is the sky").as_message("1"))
            .await;
        stage.runs_tasks().await;

        stage.hears(Scene::says("why").as_message("2")).await;
        stage.runs_tasks().await;
        let remembered = stage.asked().unwrap().turns.len();

        stage.hears(Scene::says("/new").as_message("3")).await;
        stage.hears(Scene::says("why").as_message("4")).await;
        stage.runs_tasks().await;

        assert_eq!(remembered, 2);
        assert_eq!(stage.asked().unwrap().turns, []);
        assert!(matches!(stage.asked(), Some(prompt) if prompt.question == "why"));
    }
}
