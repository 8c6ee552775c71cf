//! Words in every language, and what is said when one is missing.

use super::*;
use crate::tests::ENGLISH;

fn texts(english: &str, russian: &str) -> Texts {
    Texts::new(&[(Language::English, english), (Language::Russian, russian)]).unwrap()
}

#[test]
fn the_kits_own_texts_are_written_in_every_language() {
    assert_eq!(texts(ENGLISH, ENGLISH).gaps(), Vec::<String>::new());
}

#[test]
fn a_gap_is_found_and_said_in_english_until_it_is_closed() {
    let texts = texts("hello = Hello\nbye = Bye", "hello = Привет");

    assert_eq!(texts.gaps(), ["Russian lacks bye"]);
    assert_eq!(texts.get(Language::Russian, "bye", &[]), "Bye");
}

#[test]
fn a_value_that_one_language_forgets_is_a_gap() {
    let texts = texts("hello = Hello, { $name }", "hello = Привет");

    assert_eq!(
        texts.gaps(),
        [r#"Russian uses {} in hello, English {"name"}"#]
    );
}

#[test]
fn an_app_may_say_better_what_the_kit_says() {
    let texts = texts("still-trying = One moment.", "still-trying = Минуту.");

    assert_eq!(
        texts.get(Language::English, "still-trying", &[]),
        "One moment."
    );
}

#[test]
fn what_nobody_wrote_is_shown_by_its_id() {
    assert_eq!(
        texts("", "").get(Language::English, "nobody-wrote-this", &[]),
        "nobody-wrote-this"
    );
}

#[test]
fn the_pseudo_locale_runs_from_right_to_left_and_isolates_names() {
    let texts = texts("hello = Hello, { $name }", "hello = Привет, { $name }");

    let said = texts.get(Language::Pseudo, "hello", &[("name", "Ada".into())]);

    assert!(said.starts_with('\u{202e}'), "{said:?}");
    assert!(said.contains("\u{2068}Ada\u{2069}"), "{said:?}");
}

#[test]
fn plain_texts_carry_no_invisible_characters() {
    let said = texts("", "").get(
        Language::English,
        "unknown-command",
        &[("command", "x".into())],
    );

    assert_eq!(said, "I don't know /x. Try /help.");
}

#[test]
fn russian_counts_by_its_own_rules() {
    let attempts = |count: u16| {
        texts("", "").get(
            Language::Russian,
            "story-attempts",
            &[("count", count.into())],
        )
    };

    assert_eq!(
        [attempts(1), attempts(3), attempts(5)],
        ["1 попытка", "3 попытки", "5 попыток"]
    );
}

#[test]
fn a_file_that_is_not_fluent_stops_the_start() {
    assert!(matches!(
        Texts::new(&[(Language::English, "= nothing")]),
        Err(TextsError::Syntax { .. })
    ));
    assert!(matches!(
        Texts::new(&[(Language::Russian, "")]),
        Err(TextsError::NoEnglish)
    ));
}
