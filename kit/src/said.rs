//! Reading what was written: a command for us, a command for another bot, or words, with or without a mention of us.

use crate::Us;

/// The longest word after a slash that providers accept.
const COMMAND_CHARACTERS_MAX: usize = 32;

/// What was written, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// `/name words`, or `/name@us words`.
    Command {
        /// Lower case.
        name: String,
        /// What follows, trimmed.
        words: String,
    },
    /// `/name@other words`.
    ForAnother,
    /// Anything else.
    Words {
        /// Without the mention of us, trimmed.
        text: String,
        /// Whether we were mentioned.
        mentioned: bool,
    },
}

impl Said {
    pub(crate) fn read(text: &str, us: &Us) -> Self {
        let (text, mentioned) = without_mention(text.trim(), &us.username);
        match command(&text) {
            Some((_, Some(addressee), _)) if !addressee.eq_ignore_ascii_case(&us.username) => {
                Self::ForAnother
            }
            Some((name, _, words)) => Self::Command {
                name: name.to_ascii_lowercase(),
                words: words.to_owned(),
            },
            None => Self::Words { text, mentioned },
        }
    }
}

/// Splits `/name@addressee words`; `None` when it is no command, such as a path or a lone slash.
fn command(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let rest = text.strip_prefix('/')?;
    let (head, words) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (name, addressee) = match head.split_once('@') {
        Some((name, addressee)) => (name, Some(addressee)),
        None => (head, None),
    };
    let is_name = !name.is_empty()
        && name.len() <= COMMAND_CHARACTERS_MAX
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_');
    is_name.then_some((name, addressee, words.trim()))
}

/// Takes out every `@us` that stands alone, with the comma or colon after a leading one. A mention right behind a command
/// (`/status@us`) belongs to the command.
fn without_mention(text: &str, username: &str) -> (String, bool) {
    let mention = format!("@{}", username.to_ascii_lowercase());
    let lower = text.to_ascii_lowercase();
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    let mut mentioned = false;
    for (start, _) in lower.match_indices(&mention) {
        let end = start + mention.len();
        let stands_alone =
            !username.is_empty() && !is_word_before(text, start) && !is_word_at(text, end);
        if let (true, Some(before)) = (stands_alone, text.get(from..start)) {
            kept.push_str(before);
            from = end;
            mentioned = true;
        }
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    let kept = if mentioned {
        kept.trim_start_matches([',', ':']).trim()
    } else {
        kept.trim()
    };
    (kept.to_owned(), mentioned)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn is_word_before(text: &str, position: usize) -> bool {
    text.get(..position)
        .and_then(|before| before.chars().next_back())
        .is_some_and(is_word)
}

fn is_word_at(text: &str, position: usize) -> bool {
    text.get(position..)
        .and_then(|after| after.chars().next())
        .is_some_and(is_word)
}

#[cfg(test)]
mod tests;
