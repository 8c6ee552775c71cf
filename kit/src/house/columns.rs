//! Fitting words into a phone's chat bubble.
//!
//! A column is a character here: the reports hold names, numbers and short words in scripts of single width.

/// The width of a phone's chat bubble in columns.
pub(super) const COLUMNS: usize = 34;

/// What stands between two facts on one line.
const BETWEEN: &str = " · ";

/// Puts facts on lines, as many as fit on each; a fact that is too long by itself is broken between its words.
pub(super) fn wrap(facts: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for fact in facts {
        let last = lines.last().map_or(usize::MAX, |line| width(line));
        match lines.last_mut() {
            Some(line) if last.saturating_add(width(BETWEEN) + width(fact)) <= COLUMNS => {
                line.push_str(BETWEEN);
                line.push_str(fact);
            }
            _ => lines.extend(break_words(fact)),
        }
    }
    lines
}

/// Puts the words of one fact on lines.
pub(super) fn break_words(fact: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in fact.split_whitespace().map(|word| fit(word, COLUMNS)) {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(&word),
            Some(line) if width(line) + 1 + width(&word) <= COLUMNS => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// Cuts a text to so many columns, the cut shown.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(columns.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_line_is_wider_than_a_phone(facts in prop::collection::vec("\\PC{0,80}", 0..12)) {
            for line in wrap(&facts) {
                prop_assert!(width(&line) <= COLUMNS, "{line:?}");
            }
        }

        #[test]
        fn short_facts_are_never_cut(facts in prop::collection::vec("[a-z]{1,10}", 1..12)) {
            let shown = wrap(&facts).join(" ");
            for fact in facts {
                prop_assert!(shown.contains(&fact));
            }
        }
    }
}
