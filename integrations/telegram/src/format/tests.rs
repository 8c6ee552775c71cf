//! Markdown as people and models write it, and the properties that keep Telegram from refusing it.

use proptest::prelude::*;

use super::{Entity, Formatted, Style, format_complete, format_growing};
use crate::split::units;

fn styles(formatted: &Formatted) -> Vec<(Style, String)> {
    formatted
        .entities
        .iter()
        .map(|entity| (entity.style.clone(), covered(formatted, entity)))
        .collect()
}

fn covered(formatted: &Formatted, entity: &Entity) -> String {
    let wide: Vec<u16> = formatted.text.encode_utf16().collect();
    String::from_utf16(&wide[entity.offset..entity.end()]).expect("entities end between characters")
}

#[test]
fn bold_italic_and_struck_out_words_become_entities() {
    let formatted = format_complete("A **bold**, an *odd* and a ~~gone~~ word");

    assert_eq!(formatted.text, "A bold, an odd and a gone word");
    assert_eq!(
        styles(&formatted),
        [
            (Style::Bold, "bold".to_owned()),
            (Style::Italic, "odd".to_owned()),
            (Style::Strikethrough, "gone".to_owned()),
        ]
    );
}

#[test]
fn offsets_count_utf16_units_so_an_emoji_counts_twice() {
    let formatted = format_complete("🦀 **x**");

    assert_eq!(formatted.entities[0].offset, 3);
}

#[test]
fn code_inside_bold_cuts_the_bold_in_two() {
    let formatted = format_complete("**run `make` now**");

    assert_eq!(
        styles(&formatted),
        [
            (Style::Bold, "run".to_owned()),
            (Style::Code, "make".to_owned()),
            (Style::Bold, "now".to_owned()),
        ]
    );
}

#[test]
fn a_fence_keeps_its_language_and_its_lines() {
    let formatted = format_complete("See:\n\n```rust\nfn a() {}\n```\nDone");

    assert_eq!(formatted.text, "See:\n\nfn a() {}\n\nDone");
    assert_eq!(
        styles(&formatted),
        [(Style::Pre(Some("rust".to_owned())), "fn a() {}".to_owned())]
    );
}

#[test]
fn lists_headings_and_rules_become_what_a_chat_can_show() {
    let formatted = format_complete("# Title\n\n- one\n- two\n  1. deep\n\n---\nend");

    assert_eq!(
        formatted.text,
        "Title\n\n• one\n• two\n  1. deep\n\n———\n\nend"
    );
}

#[test]
fn a_link_that_telegram_would_not_open_stays_words() {
    let formatted = format_complete("[a](javascript:x) [b](https://example.org)");

    assert_eq!(
        styles(&formatted),
        [(
            Style::Link("https://example.org".to_owned()),
            "b".to_owned()
        )]
    );
}

#[test]
fn html_stays_visible_text() {
    assert_eq!(format_complete("<b>x</b> & y").text, "<b>x</b> & y");
}

#[test]
fn a_half_written_bold_word_is_bold_in_a_preview() {
    let formatted = format_growing("It is **very imp");

    assert_eq!(formatted.text, "It is very imp");
    assert_eq!(styles(&formatted), [(Style::Bold, "very imp".to_owned())]);
}

#[test]
fn a_mark_that_has_nothing_behind_it_yet_is_not_shown() {
    assert_eq!(format_growing("It is **").text, "It is");
    assert_eq!(format_growing("Use `").text, "Use");
}

#[test]
fn an_open_fence_is_code_in_a_preview() {
    let formatted = format_growing("```sh\nmake r");

    assert_eq!(
        styles(&formatted),
        [(Style::Pre(Some("sh".to_owned())), "make r".to_owned())]
    );
}

#[test]
fn underscores_inside_a_word_are_left_alone() {
    assert_eq!(
        format_growing("call snake_case_na").text,
        "call snake_case_na"
    );
}

fn markdownish() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        proptest::collection::vec(
            prop_oneof![
                Just("**"),
                Just("*"),
                Just("_"),
                Just("~~"),
                Just("`"),
                Just("```\n"),
                Just("> "),
                Just("- "),
                Just("1. "),
                Just("\n"),
                Just("\n\n"),
                Just("["),
                Just("](https://a.b)"),
                Just("# "),
                Just(" "),
                Just("🦀"),
                Just("слово"),
                Just("word"),
                Just("שלום"),
                Just("\\"),
            ],
            0..40,
        )
        .prop_map(|pieces| pieces.concat()),
    ]
}

fn check(formatted: &Formatted) -> Result<(), TestCaseError> {
    let wide: Vec<u16> = formatted.text.encode_utf16().collect();
    prop_assert_eq!(wide.len(), units(&formatted.text));
    for entity in &formatted.entities {
        prop_assert!(entity.length > 0 && entity.end() <= wide.len());
        let text = String::from_utf16(&wide[entity.offset..entity.end()]);
        prop_assert!(text.is_ok_and(|text| text.trim() == text));
    }
    for (index, one) in formatted.entities.iter().enumerate() {
        for other in &formatted.entities[index + 1..] {
            prop_assert!(one.offset <= other.offset);
            let apart = one.end() <= other.offset;
            let nested = other.end() <= one.end();
            prop_assert!(apart || nested, "{:?} and {:?} overlap in part", one, other);
            if !apart {
                prop_assert!(!one.style.is_code(), "{:?} holds {:?}", one, other);
                prop_assert!(!other.style.is_code() || one.style == Style::Blockquote);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_is_written_the_entities_obey_telegrams_rules(markdown in markdownish()) {
        check(&format_complete(&markdown))?;
    }

    #[test]
    fn every_beginning_of_a_text_can_be_shown(markdown in markdownish(), cut in 0usize..200) {
        let start: String = markdown.chars().take(cut).collect();
        check(&format_growing(&start))?;
    }
}
