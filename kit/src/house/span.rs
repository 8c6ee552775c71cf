//! Lengths of time in a few characters: one number and one unit.

use std::time::Duration;

use crate::{Language, Texts};

/// `380 ms`, `12 s`, `5 min`, `3 h`, `3 d`, in the person's language.
pub(super) fn say(span: Duration, texts: &Texts, language: Language) -> String {
    let seconds = span.as_secs();
    let (unit, number) = match seconds {
        0 => ("span-ms", u64::from(span.subsec_millis())),
        1..60 => ("span-s", seconds),
        60..3600 => ("span-min", seconds / 60),
        3600..86_400 => ("span-h", seconds / 3600),
        _ => ("span-d", seconds / 86_400),
    };
    texts.get(language, unit, &[("number", number.into())])
}
