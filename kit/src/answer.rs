//! An answer that appears while it is written: with its first sentence, then edited, then final.
//!
//! Pace, splitting and closing half-written formatting belong to the channel; what belongs here is that nobody sees half a
//! first sentence.

use crate::{AnswerSink, Context, Failure, Reply};

/// Without a sentence's end the answer appears with this many characters.
const FIRST_CHARACTERS_MAX: usize = 200;

/// A streamed answer. Dropping it unfinished leaves what is shown for the next attempt to go on with.
pub struct Answer {
    sink: Box<dyn AnswerSink>,
    context: Context,
    written: String,
    shown: bool,
}

impl Answer {
    pub(crate) fn new(sink: Box<dyn AnswerSink>, context: Context) -> Self {
        Self {
            sink,
            context,
            written: String::new(),
            shown: false,
        }
    }

    /// Adds a piece. What is written so far shows from the first whole sentence on.
    ///
    /// # Errors
    /// A passing failure when the message could not be created.
    pub async fn write(&mut self, piece: &str) -> Result<(), Failure> {
        self.written.push_str(piece);
        if self.shown || has_sentence(&self.written) {
            self.shown = true;
            self.sink.preview(&self.written).await?;
        }
        Ok(())
    }

    /// What is written so far.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Ends with what is written.
    pub fn finish(self) {
        let whole = Reply::markdown(self.written.as_str());
        self.sink.finish(whole);
    }

    /// Ends with something else: what is written with a note, or another text altogether.
    pub fn finish_with(self, mut reply: Reply) {
        let person = self.context.person().id;
        for button in reply.buttons.iter_mut().flatten() {
            button.who.get_or_insert(crate::Who::Person(person));
        }
        self.sink.finish(reply);
    }
}

/// Whether the text holds a whole first sentence, or enough to be worth showing.
fn has_sentence(text: &str) -> bool {
    let ends =
        |pair: [char; 2]| matches!(pair[0], '.' | '!' | '?' | '…') && pair[1].is_whitespace();
    let pairs = text.chars().zip(text.chars().skip(1));
    let full_width = |character: char| matches!(character, '。' | '！' | '？' | '\n');
    pairs.map(|(first, second)| [first, second]).any(ends)
        || text.trim_start().chars().any(full_width)
        || text.chars().count() >= FIRST_CHARACTERS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_sentence_counts_once_something_follows_it() {
        assert!(!has_sentence("Light scatters"));
        assert!(!has_sentence("It is 3.5 metres"));
        assert!(has_sentence("Light scatters. "));
        assert!(has_sentence("天空是蓝色的。"));
    }

    #[test]
    fn a_long_beginning_is_shown_without_a_sentence() {
        assert!(has_sentence(&"a".repeat(FIRST_CHARACTERS_MAX)));
    }
}
