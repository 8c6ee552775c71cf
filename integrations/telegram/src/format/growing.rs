//! Closing what a half-written Markdown text leaves open.
//!
//! Exists for previews of streamed answers. It only looks at the last block: an open fence closes by itself in
//! CommonMark, and inline marks never reach over an empty line. A wrong guess costs a preview one odd mark, never a
//! refusal, since the result is formatted like any other text.

/// The marks that can be left open, longer before shorter.
const MARKS: [&str; 5] = ["**", "__", "~~", "*", "_"];

/// `markdown` with the inline marks closed that are open at its end.
pub(super) fn closed(markdown: &str) -> String {
    let body = markdown.trim_end();
    if inside_fence(body) {
        return body.to_owned();
    }
    let last_block = body.rsplit("\n\n").next().unwrap_or(body);
    let open = open_marks(last_block);
    let mut text = body.to_owned();
    for mark in &open {
        // A mark with nothing behind it yet would show as itself: leave it out instead of closing it.
        if let Some(rest) = text.strip_suffix(mark.as_str()) {
            text.truncate(rest.trim_end().len());
        } else {
            text.push_str(mark);
        }
    }
    text
}

fn inside_fence(text: &str) -> bool {
    let fences = text
        .lines()
        .filter(|line| line.trim_start().starts_with("```"))
        .count();
    fences % 2 == 1
}

/// The open marks, innermost first.
fn open_marks(block: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut rest = block;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let backticks = run_of(rest, '`');
        if backticks > 0 {
            let mark = "`".repeat(backticks);
            toggle(&mut open, &mark);
            rest = rest.get(backticks..).unwrap_or_default();
            before = '`';
            continue;
        }
        let in_code = open.last().is_some_and(|mark| mark.starts_with('`'));
        let mark = MARKS
            .iter()
            .find(|mark| rest.starts_with(**mark))
            .filter(|mark| !in_code && is_mark(rest, mark, before));
        let step = match mark {
            Some(mark) => {
                toggle(&mut open, mark);
                mark.len()
            }
            None if next == '\\' => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            None => next.len_utf8(),
        };
        before = rest
            .get(..step)
            .and_then(|s| s.chars().last())
            .unwrap_or(' ');
        rest = rest.get(step..).unwrap_or_default();
    }
    open.reverse();
    open
}

fn run_of(text: &str, wanted: char) -> usize {
    text.chars().take_while(|c| *c == wanted).count()
}

/// A mark between two spaces is a bullet or a multiplication; an underscore inside a word is part of the word.
fn is_mark(rest: &str, mark: &str, before: char) -> bool {
    let after = rest.get(mark.len()..).and_then(|s| s.chars().next());
    let after_is_space = after.is_some_and(char::is_whitespace);
    let inside_word = before.is_alphanumeric() && after.is_some_and(char::is_alphanumeric);
    let alone = before.is_whitespace() && after_is_space;
    !(alone || mark.starts_with('_') && inside_word)
}

fn toggle(open: &mut Vec<String>, mark: &str) {
    match open.iter().rposition(|other| other == mark) {
        Some(position) => open.truncate(position),
        None => open.push(mark.to_owned()),
    }
}
