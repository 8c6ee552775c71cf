//! Photos, documents, voices: noted, with an honest sentence on what is kept. Words beside them are a question.

use sallyport_kit::{Album, Context, Ended, Media, Outcome, Rate};

use crate::{commands, conversation};

pub(crate) struct NotedFiles;

impl Media for NotedFiles {
    const RATE: Option<Rate> = Some(commands::QUESTIONS);

    async fn run(&self, context: &Context, album: Album) -> Ended {
        let kind = album
            .files
            .first()
            .map_or("document", |file| file.media.name());
        let count = u64::try_from(album.files.len()).unwrap_or(u64::MAX);
        context.say(
            "file-noted",
            &[("kind", kind.into()), ("count", count.into())],
        );
        match album.caption.filter(|caption| !caption.is_empty()) {
            Some(question) => conversation::ask(context, question),
            None => Ok(Outcome::Done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sallyport_kit::{MediaKind, testing::Scene};

    use crate::tests::stage_with_tables;

    #[tokio::test]
    async fn a_photo_is_noted_and_nothing_is_claimed_about_it() {
        let stage = stage_with_tables().await;

        let told = stage.hears(Scene::sends(MediaKind::Photo, None)).await;

        assert_eq!(
            told.text(),
            "A photo, noted. I cannot look into it: for 7 days I keep that it came, never the file."
        );
    }

    #[tokio::test]
    async fn an_album_is_noted_once_and_its_words_are_one_question() {
        let stage = stage_with_tables().await;
        for message in 1..=3 {
            let caption = (message == 1).then_some("where is this");
            let part = Scene::sends(MediaKind::Photo, caption)
                .in_album("a1")
                .as_message(&message.to_string());
            assert_eq!(stage.hears(part).await.texts(), [""; 0]);
        }

        stage.passes(Duration::from_secs(2));
        let told = stage.runs_tasks().await;

        assert!(told[0].text().starts_with("3 files, noted."), "{told:#?}");
        assert_eq!(told[0].tasks.len(), 1, "one question");
    }
}
