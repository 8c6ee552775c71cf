//! What a command takes: a type that refuses nonsense with a helpful text.

use crate::Texts;

/// Why words could not be read as arguments: the id of a text that says what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misread {
    /// The text's id.
    pub text: &'static str,
}

/// A type that a command's words are read into.
pub trait FromText: Sized + Send + 'static {
    /// Reads the words after the command, trimmed.
    ///
    /// # Errors
    /// The text to answer with when the words are not what the command takes.
    fn from_text(words: &str) -> Result<Self, Misread>;
}

/// The command takes no words; what is written after it is overlooked.
impl FromText for () {
    fn from_text(_: &str) -> Result<Self, Misread> {
        Ok(())
    }
}

/// The command takes whatever is written, also nothing.
impl FromText for String {
    fn from_text(words: &str) -> Result<Self, Misread> {
        Ok(words.to_owned())
    }
}

/// The command works with and without.
impl<T: FromText> FromText for Option<T> {
    fn from_text(words: &str) -> Result<Self, Misread> {
        if words.is_empty() {
            Ok(None)
        } else {
            T::from_text(words).map(Some)
        }
    }
}

impl Misread {
    /// Refuses with this text.
    #[must_use]
    pub fn because(text: &'static str) -> Self {
        Self { text }
    }

    /// Whether somebody wrote the text.
    #[must_use]
    pub fn is_written(self, texts: &Texts) -> bool {
        texts.has(self.text)
    }
}
