//! Where long texts are cut, and that nothing gets lost at the cuts.

use proptest::prelude::*;

use super::{TEXT_UNITS_MAX, split, units};
use crate::format::{Style, format_complete, plain};

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn a_text_of_exactly_the_limit_is_one_message() {
    assert_eq!(
        split(&plain(&"x".repeat(TEXT_UNITS_MAX)), TEXT_UNITS_MAX).len(),
        1
    );
    assert_eq!(
        split(&plain(&"x".repeat(TEXT_UNITS_MAX + 1)), TEXT_UNITS_MAX).len(),
        2
    );
}

#[test]
fn an_emoji_is_never_cut_in_half() {
    let parts = split(&plain(&"🦀".repeat(5)), 3);

    assert!(parts.iter().all(|part| part.text == "🦀"));
    assert_eq!(parts.len(), 5);
}

#[test]
fn a_cut_prefers_the_gap_between_paragraphs() {
    let text = format!(
        "{}\n\n{} {}",
        "a".repeat(60),
        "b".repeat(20),
        "c".repeat(40)
    );

    let parts = split(&plain(&text), 100);

    assert_eq!(parts[0].text, "a".repeat(60));
    assert!(parts[1].text.starts_with('b'));
}

#[test]
fn code_that_is_cut_is_code_in_both_parts() {
    let text = format_complete(&format!("```\n{}\n```", "line\n".repeat(50)));

    let parts = split(&text, 100);

    assert!(parts.len() > 1);
    for part in parts {
        assert_eq!(part.entities.len(), 1);
        assert_eq!(part.entities[0].style, Style::Pre(None));
    }
}

#[test]
fn a_blank_text_has_no_parts() {
    assert_eq!(split(&plain(" \n "), TEXT_UNITS_MAX), []);
}

proptest! {
    #[test]
    fn parts_fit_and_together_say_everything(
        text in "[a-zé🦀 \n.]{0,400}",
        bold in 0usize..400,
        limit in 2usize..120,
    ) {
        let cut: String = text.chars().take(bold).collect();
        let formatted = format_complete(&format!("**{cut}** {text}"));

        let parts = split(&formatted, limit);

        let together: String = parts.iter().map(|part| part.text.as_str()).collect();
        prop_assert_eq!(without_space(&together), without_space(&formatted.text));
        for part in &parts {
            prop_assert!(units(&part.text) <= limit);
            prop_assert!(!part.is_blank());
            for entity in &part.entities {
                prop_assert!(entity.end() <= units(&part.text));
            }
        }
    }
}
