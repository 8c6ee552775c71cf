//! The hub as a whole: its list, its words, and the stage on which its commands are tested.

use sallyport_kit::{
    ChatKind, Language, Role,
    testing::{Scene, Stage},
};

use super::*;

/// A stage for commands that remember nothing.
pub(crate) fn stage() -> Stage {
    Stage::new(app(&Settings::default()).unwrap())
}

/// A stage with the hub's tables.
pub(crate) async fn stage_with_tables() -> Stage {
    Stage::with_tables(app(&Settings::default()).unwrap()).await
}

#[test]
fn every_text_is_written_in_every_language() {
    assert_eq!(texts().unwrap().gaps(), Vec::<String>::new());
    assert_eq!(
        texts().unwrap().languages(),
        [Language::English, Language::Russian]
    );
}

#[test]
fn every_command_says_what_it_is_for() {
    let app = app(&Settings::default()).unwrap();
    for language in [Language::English, Language::Russian] {
        for line in app.menu(language, ChatKind::Private, Role::Owner) {
            assert_ne!(line.about, format!("about-{}", line.name));
            assert!(
                (1..=256).contains(&line.about.chars().count()),
                "menus take 1–256 characters"
            );
        }
    }
}

#[test]
fn the_menu_of_a_group_is_shorter_than_that_of_a_private_chat() {
    let app = app(&Settings::default()).unwrap();
    let menu = |kind| app.menu(Language::English, kind, Role::Operator).len();

    assert!(menu(ChatKind::Group) < menu(ChatKind::Private));
}

#[tokio::test]
async fn every_command_speaks_right_to_left_languages_with_names_isolated() {
    let stage = stage();
    for command in [
        "/start", "/help", "/status", "/ai", "/trace", "/dead", "/webhook",
    ] {
        let scene = Scene::says(command).by(Role::Owner);
        let told = stage.hears(scene.reading(Language::Pseudo)).await;
        assert!(
            told.text().contains('\u{202e}'),
            "{command}: {}",
            told.text()
        );
    }

    let greeted = stage
        .hears(Scene::says("/start").reading(Language::Pseudo))
        .await;
    assert!(
        greeted.text().contains("\u{2068}Ada\u{2069}"),
        "{}",
        greeted.text()
    );
}
