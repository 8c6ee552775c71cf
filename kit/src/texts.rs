//! Every word that a user can see: Fluent files in layers, an app's above the kit's.
//!
//! Texts are looked up by id and language and never fail in front of a person: what a language lacks is said in English, and
//! [`Texts::gaps`] lets a test find it before a person does. Texts are plain; nothing that a stranger wrote can format itself.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};

use crate::Language;

/// Values to put into a text, by name.
pub type Args<'a> = [(&'static str, Arg<'a>)];

/// A value to put into a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg<'a> {
    /// Words, or the name of a variant to select.
    Text(Cow<'a, str>),
    /// A number, which also selects the plural form.
    Number(f64),
}

/// A file with texts that cannot be used. These are the author's mistakes, so they stop the start.
#[derive(Debug, thiserror::Error)]
pub enum TextsError {
    /// A file is not Fluent.
    #[error("the {language:?} texts cannot be read: {reason}")]
    Syntax {
        /// Which file.
        language: Language,
        /// What is wrong with it.
        reason: String,
    },
    /// A file names one text twice.
    #[error("the {language:?} texts name one text twice: {reason}")]
    Twice {
        /// Which file.
        language: Language,
        /// Which text.
        reason: String,
    },
    /// No English, which everything falls back to.
    #[error("there are no English texts")]
    NoEnglish,
}

/// The texts of one app over those of the kit.
#[derive(Clone)]
pub struct Texts {
    /// Searched in order.
    layers: Vec<Arc<Layer>>,
}

/// The texts of one crate.
struct Layer {
    tongues: Vec<Tongue>,
}

/// The texts of one crate in one language.
struct Tongue {
    language: Language,
    bundle: FluentBundle<FluentResource>,
    /// Every text, with the values that it uses.
    messages: BTreeMap<String, BTreeSet<String>>,
}

impl Texts {
    /// Reads an app's texts, one Fluent file per language, and puts them over the kit's own.
    ///
    /// # Errors
    /// A file that is not Fluent, a text named twice, or no English.
    pub fn new(files: &[(Language, &str)]) -> Result<Self, TextsError> {
        let kit = Layer::read(&[
            (Language::English, include_str!("texts/en.ftl")),
            (Language::Russian, include_str!("texts/ru.ftl")),
        ])?;
        Ok(Self {
            layers: vec![Arc::new(Layer::read(files)?), Arc::new(kit)],
        })
    }

    /// The text, in this language or else in English; its id when nobody wrote it.
    #[must_use]
    pub fn get(&self, language: Language, id: &str, args: &Args<'_>) -> String {
        [language, Language::English]
            .into_iter()
            .find_map(|language| {
                self.layers
                    .iter()
                    .find_map(|layer| layer.say(language, id, args))
            })
            .unwrap_or_else(|| id.to_owned())
    }

    /// Whether anybody wrote this text.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.layers.iter().any(|layer| {
            layer
                .english()
                .is_some_and(|tongue| tongue.messages.contains_key(id))
        })
    }

    /// The languages that people can be answered in, English first; the pseudo-locale is not one of them.
    #[must_use]
    pub fn languages(&self) -> Vec<Language> {
        let spoken = |language: &Language| {
            self.layers
                .iter()
                .all(|layer| layer.tongue(*language).is_some())
        };
        [Language::English, Language::Russian, Language::Arabic]
            .into_iter()
            .filter(spoken)
            .collect()
    }

    /// What some language lacks or has too much of, one sentence each. Empty when all is said in every language.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        self.layers.iter().flat_map(|layer| layer.gaps()).collect()
    }
}

impl Layer {
    fn read(files: &[(Language, &str)]) -> Result<Self, TextsError> {
        let mut tongues = files
            .iter()
            .map(|(language, source)| Tongue::read(*language, source))
            .collect::<Result<Vec<_>, _>>()?;
        let english = files
            .iter()
            .find(|(language, _)| *language == Language::English)
            .ok_or(TextsError::NoEnglish)?;
        tongues.push(Tongue::read(Language::Pseudo, english.1)?);
        Ok(Self { tongues })
    }

    fn tongue(&self, language: Language) -> Option<&Tongue> {
        self.tongues
            .iter()
            .find(|tongue| tongue.language == language)
    }

    fn english(&self) -> Option<&Tongue> {
        self.tongue(Language::English)
    }

    fn say(&self, language: Language, id: &str, args: &Args<'_>) -> Option<String> {
        self.tongue(language)?.say(id, args)
    }

    fn gaps(&self) -> Vec<String> {
        let Some(english) = self.english() else {
            return Vec::new();
        };
        let gaps_of = |tongue: &Tongue| tongue.gaps(english);
        self.tongues.iter().flat_map(gaps_of).collect()
    }
}

impl Tongue {
    fn read(language: Language, source: &str) -> Result<Self, TextsError> {
        let resource = FluentResource::try_new(source.to_owned()).map_err(|(_, errors)| {
            TextsError::Syntax {
                language,
                reason: format!("{errors:?}"),
            }
        })?;
        let messages = messages(source);
        let mut bundle = FluentBundle::new_concurrent(vec![language.identifier()]);
        bundle.set_use_isolating(language.is_right_to_left());
        if language == Language::Pseudo {
            bundle.set_transform(Some(right_to_left));
        }
        bundle
            .add_resource(resource)
            .map_err(|errors| TextsError::Twice {
                language,
                reason: format!("{errors:?}"),
            })?;
        Ok(Self {
            language,
            bundle,
            messages,
        })
    }

    /// Where this language says less, or more, than English.
    fn gaps(&self, english: &Tongue) -> Vec<String> {
        let language = self.language;
        let mut gaps = Vec::new();
        for (id, values) in &english.messages {
            match self.messages.get(id) {
                None => gaps.push(format!("{language:?} lacks {id}")),
                Some(own) if own != values => {
                    gaps.push(format!(
                        "{language:?} uses {own:?} in {id}, English {values:?}"
                    ));
                }
                Some(_) => {}
            }
        }
        let idle = self
            .messages
            .keys()
            .filter(|id| !english.messages.contains_key(*id));
        gaps.extend(idle.map(|id| format!("{language:?} has {id}, English has not")));
        gaps
    }

    fn say(&self, id: &str, args: &Args<'_>) -> Option<String> {
        let pattern = self.bundle.get_message(id)?.value()?;
        let mut values = FluentArgs::with_capacity(args.len());
        for (name, value) in args {
            values.set(*name, value.to_fluent());
        }
        // A missing argument is written as its name in braces; the tests over all texts find that, a person still gets the rest.
        let mut mistakes = Vec::new();
        Some(
            self.bundle
                .format_pattern(pattern, Some(&values), &mut mistakes)
                .into_owned(),
        )
    }
}

/// The ids of a Fluent file, each with the values that its text uses. Fluent's grammar puts an id at the beginning of a line,
/// before an equals sign; the lines of its text are indented, or close a brace.
fn messages(source: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut messages = BTreeMap::<String, BTreeSet<String>>::new();
    let mut current = String::new();
    for line in source.lines().filter(|line| !line.starts_with('#')) {
        if let Some(id) = identifier(line) {
            current = id.to_owned();
            messages.entry(current.clone()).or_default();
        }
        if let Some(values) = messages.get_mut(&current) {
            values.extend(line.split('$').skip(1).map(leading_word));
        }
    }
    messages
}

fn identifier(line: &str) -> Option<&str> {
    let name = line.split_once('=')?.0.trim_end();
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    (begins && !name.contains(char::is_whitespace)).then_some(name)
}

fn leading_word(text: &str) -> String {
    let is_word = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    text.chars().take_while(is_word).collect()
}

/// Makes a text of the pseudo-locale run from right to left, by the control characters that override direction.
fn right_to_left(text: &str) -> Cow<'_, str> {
    Cow::Owned(format!("\u{202e}{text}\u{202c}"))
}

impl Arg<'_> {
    fn to_fluent(&self) -> FluentValue<'_> {
        match self {
            Self::Text(text) => FluentValue::from(text.as_ref()),
            Self::Number(number) => FluentValue::from(*number),
        }
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Arg<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<u64> for Arg<'_> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts beyond 2^53 are not shown to people"
    )]
    fn from(number: u64) -> Self {
        Self::Number(number as f64)
    }
}

impl From<u32> for Arg<'_> {
    fn from(number: u32) -> Self {
        Self::Number(f64::from(number))
    }
}

impl From<u16> for Arg<'_> {
    fn from(number: u16) -> Self {
        Self::Number(f64::from(number))
    }
}

#[cfg(test)]
mod tests;
