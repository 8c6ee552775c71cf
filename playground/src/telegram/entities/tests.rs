//! Markup in, entities out: what the real server accepts, what it refuses, and how it counts.

use proptest::prelude::*;

use super::*;

fn shown(text: &str, parse_mode: &str) -> (String, Vec<(String, u16, u16)>) {
    let formatted = read(text, parse_mode, "").expect("readable");
    let name = |entity: &MessageEntity| serde_json::to_value(entity.type_field).expect("a name");
    let entities = formatted.entities.iter();
    let entities = entities
        .map(|e| {
            (
                name(e).as_str().expect("text").to_owned(),
                e.offset,
                e.length,
            )
        })
        .collect();
    (formatted.text, entities)
}

fn refused(text: &str, parse_mode: &str) -> String {
    read(text, parse_mode, "").expect_err("refused").description
}

fn named(list: &[(&str, u16, u16)]) -> Vec<(String, u16, u16)> {
    list.iter()
        .map(|(name, offset, length)| ((*name).to_owned(), *offset, *length))
        .collect()
}

#[test]
fn html_becomes_entities_counted_in_utf16_units() {
    let (text, entities) = shown("🙂 <b>bold <i>both</i></b> &lt;3 <code>x</code>", "HTML");

    assert_eq!(text, "🙂 bold both <3 x");
    assert_eq!(
        entities,
        named(&[("bold", 3, 9), ("italic", 8, 4), ("code", 16, 1)])
    );
}

#[test]
fn a_code_block_in_html_keeps_its_language() {
    let formatted = read(
        "<pre><code class=\"language-rust\">fn main</code></pre>",
        "html",
        "",
    )
    .expect("readable");

    assert_eq!(formatted.entities.len(), 1);
    assert_eq!(formatted.entities[0].type_field, MessageEntityType::Pre);
    assert_eq!(formatted.entities[0].language.as_deref(), Some("rust"));
}

#[test]
fn html_mistakes_are_named_as_the_real_server_names_them() {
    let prefix = "Bad Request: can't parse entities: ";
    for (text, reason) in [
        (
            "<b>x",
            "Can't find end tag corresponding to start tag \"b\"",
        ),
        ("a <br> b", "Unsupported start tag \"br\" at byte offset 2"),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        (
            "<b>x</i>",
            "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\"",
        ),
        ("1 < 2", "Unsupported start tag \"\" at byte offset 2"),
        ("<b", "Unclosed start tag at byte offset 0"),
        (
            "<span>x</span>",
            "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0",
        ),
    ] {
        assert_eq!(
            refused(text, "HTML"),
            format!("{prefix}{reason}"),
            "for {text}"
        );
    }
}

#[test]
fn markdown_v2_becomes_entities() {
    let (text, entities) = shown(
        "*bold _both_* __under__ ~gone~ ||hidden|| `code`",
        "MarkdownV2",
    );

    assert_eq!(text, "bold both under gone hidden code");
    let expected = [
        ("bold", 0, 9),
        ("italic", 5, 4),
        ("underline", 10, 5),
        ("strikethrough", 16, 4),
        ("spoiler", 21, 6),
        ("code", 28, 4),
    ];
    assert_eq!(entities, named(&expected));
}

#[test]
fn markdown_v2_reads_links_blocks_and_quotations() {
    let formatted = read(
        "[here](https://example.com/a\\)b)\n```rust\nlet x;```",
        "MarkdownV2",
        "",
    )
    .expect("readable");
    assert_eq!(formatted.text, "here\nlet x;");
    assert_eq!(
        formatted.entities[0].url.as_deref(),
        Some("https://example.com/a)b")
    );
    assert_eq!(formatted.entities[1].language.as_deref(), Some("rust"));

    let (text, entities) = shown(">one\n>two\nout", "MarkdownV2");
    assert_eq!(text, "one\ntwo\nout");
    assert_eq!(entities, named(&[("blockquote", 0, 8)]));
}

#[test]
fn markdown_v2_mistakes_are_named_as_the_real_server_names_them() {
    let prefix = "Bad Request: can't parse entities: ";
    for (text, reason) in [
        (
            "ends.",
            "Character '.' is reserved and must be escaped with the preceding '\\'",
        ),
        (
            "a - b",
            "Character '-' is reserved and must be escaped with the preceding '\\'",
        ),
        ("so *bold", "Can't find end of Bold entity at byte offset 3"),
        ("`code", "Can't find end of Code entity at byte offset 0"),
        ("[a](b", "Can't find end of a URL at byte offset 4"),
    ] {
        assert_eq!(
            refused(text, "MarkdownV2"),
            format!("{prefix}{reason}"),
            "for {text}"
        );
    }
}

#[test]
fn given_entities_must_lie_inside_the_text() {
    let outside = r#"[{"type":"bold","offset":1,"length":9}]"#;
    let refusal = read("abc", "", outside).expect_err("refused");
    assert_eq!(
        refusal.description,
        "Bad Request: entity beginning at UTF-16 offset 1 ends after the end of the text at UTF-16 offset 10"
    );

    let middle = r#"[{"type":"bold","offset":1,"length":1}]"#;
    assert!(
        read("🙂", "", middle)
            .expect_err("refused")
            .description
            .contains("middle of a UTF-16 symbol")
    );
}

#[test]
fn commands_mentions_and_links_are_found_but_not_inside_code() {
    let formatted = typed("/ai@ops_bot ask @someone (https://example.com/x).");
    let places: Vec<_> = formatted
        .entities
        .iter()
        .map(|e| (e.type_field, e.offset, e.length))
        .collect();
    assert_eq!(
        places,
        [
            (MessageEntityType::BotCommand, 0, 11),
            (MessageEntityType::Mention, 16, 8),
            (MessageEntityType::Url, 26, 21),
        ]
    );

    let (_, entities) = shown("<code>/start</code>", "HTML");
    assert_eq!(entities, named(&[("code", 0, 6)]));
}

#[test]
fn length_is_counted_after_the_markup_is_read() {
    let fits = format!("<b>{}</b>", "🙂".repeat(2_048));
    assert!(read(&fits, "HTML", "").is_ok());

    let too_long = "a".repeat(4_097);
    assert_eq!(refused(&too_long, ""), "Bad Request: message is too long");
    assert_eq!(refused("  \n ", ""), "Bad Request: text must be non-empty");
}

#[test]
fn white_space_at_the_ends_goes_and_entities_move_along() {
    let (text, entities) = shown("  <b> x </b> ", "HTML");

    assert_eq!((text.as_str(), entities), ("x", named(&[("bold", 0, 1)])));
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic_and_entities_stay_inside(text in "[\\PC\n<>/&*_`|~>!()\\[\\]\\\\]{0,60}", mode in "HTML|MarkdownV2|Markdown|") {
        if let Ok(formatted) = read(&text, &mode, "") {
            let end = units(&formatted.text);
            for entity in &formatted.entities {
                prop_assert!(entity.length > 0);
                prop_assert!(usize::from(entity.offset) + usize::from(entity.length) <= end);
            }
        }
    }

    #[test]
    fn pieces_of_a_paste_fit_and_lose_nothing(text in "[a-z🙂]{0,9000}") {
        let pieces = pieces(&text);
        prop_assert!(pieces.iter().all(|piece| units(piece) <= TEXT_UNITS_MAX));
        prop_assert_eq!(pieces.concat(), text);
    }
}
