//! The languages in which people are answered.

use serde::{Deserialize, Serialize};
use unic_langid::{LanguageIdentifier, langid};

/// A language. English is the one that every text has.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English, the fallback.
    #[default]
    English,
    /// Russian.
    Russian,
    /// Arabic.
    Arabic,
    /// English words made to run from right to left, generated, for tests.
    Pseudo,
}

impl Language {
    /// Reads the language code that a provider sends (`ru`, `ru-RU`, `en_GB`); the unknown is answered in English.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        let primary = code.split(['-', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "ru" => Self::Russian,
            "ar" => Self::Arabic,
            "qps" => Self::Pseudo,
            _ => Self::English,
        }
    }

    /// The two-letter code, as menus want it. The pseudo-locale has three.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
            Self::Arabic => "ar",
            Self::Pseudo => "qps",
        }
    }

    /// Whether it runs from right to left, so that inserted words must be isolated.
    #[must_use]
    pub fn is_right_to_left(self) -> bool {
        match self {
            Self::Arabic | Self::Pseudo => true,
            Self::English | Self::Russian => false,
        }
    }

    /// The identifier by which plural rules are chosen.
    pub(crate) fn identifier(self) -> LanguageIdentifier {
        match self {
            Self::English | Self::Pseudo => langid!("en"),
            Self::Russian => langid!("ru"),
            Self::Arabic => langid!("ar"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_does_not_hide_the_language() {
        assert_eq!(Language::from_code("ru-RU"), Language::Russian);
        assert_eq!(Language::from_code("AR_eg"), Language::Arabic);
    }

    #[test]
    fn an_unknown_language_is_answered_in_english() {
        assert_eq!(Language::from_code("tlh"), Language::English);
        assert_eq!(Language::from_code(""), Language::English);
    }
}
