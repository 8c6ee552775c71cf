//! What a sender signs, written as `{timestamp}.{body}`.
//!
//! It exists so that the words for it are read once, at the start, and what they say can be judged: a signature over pieces that could
//! be cut in two ways proves nothing about either.

use super::Nonsense;

/// The pieces of what is signed, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Id,
    Timestamp,
    Body,
}

/// The longest template; real ones have a few dozen bytes.
const BYTES_MAX: usize = 1024;

impl Template {
    /// Reads a template; `{url}` becomes `url`.
    pub(super) fn new(text: &str, url: Option<&str>) -> Result<Self, Nonsense> {
        if text.len() > BYTES_MAX {
            return Err(Nonsense::Template);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(Nonsense::Template)?;
            if before.contains('}') {
                return Err(Nonsense::Template);
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(match name {
                "body" => Piece::Body,
                "timestamp" => Piece::Timestamp,
                "id" => Piece::Id,
                "url" => Piece::Text(url.ok_or(Nonsense::Url)?.to_owned()),
                _ => return Err(Nonsense::Template),
            });
            rest = after;
        }
        if rest.contains('}') {
            return Err(Nonsense::Template);
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if url.is_some() && !text.contains("{url}") {
            return Err(Nonsense::Url);
        }
        Self(pieces).judged()
    }

    /// Each piece at most once, the body exactly once, and no two that a stranger fills side by side: `12` and `3` would sign as `1` and
    /// `23`. The body is an object and begins with a brace, which neither time nor id ends with by itself.
    fn judged(self) -> Result<Self, Nonsense> {
        let count = |piece: &Piece| self.0.iter().filter(|other| *other == piece).count();
        if count(&Piece::Body) != 1 || count(&Piece::Timestamp) > 1 || count(&Piece::Id) > 1 {
            return Err(Nonsense::BodyOnce);
        }
        let filled = |piece: &Piece| matches!(piece, Piece::Id | Piece::Timestamp);
        let touches = self.0.windows(2).any(|pair| pair.iter().all(filled));
        if touches {
            return Err(Nonsense::Touching);
        }
        Ok(self)
    }

    /// Whether the time is signed.
    pub(super) fn has_timestamp(&self) -> bool {
        self.0.contains(&Piece::Timestamp)
    }

    /// Whether the id is signed.
    pub(super) fn has_id(&self) -> bool {
        self.0.contains(&Piece::Id)
    }

    /// The pieces with what stands for them.
    pub(super) fn filled<'a>(
        &'a self,
        id: &'a str,
        timestamp: &'a str,
        body: &'a [u8],
    ) -> Vec<&'a [u8]> {
        let bytes = |piece: &'a Piece| match piece {
            Piece::Text(text) => text.as_bytes(),
            Piece::Id => id.as_bytes(),
            Piece::Timestamp => timestamp.as_bytes(),
            Piece::Body => body,
        };
        self.0.iter().map(bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> Vec<u8> {
        let template = Template::new(
            template,
            Some("https://h/x").filter(|_| template.contains("url")),
        );
        template.unwrap().filled("m1", "17", b"{}").concat()
    }

    #[test]
    fn a_template_is_filled_piece_by_piece() {
        assert_eq!(filled("{body}"), b"{}");
        assert_eq!(filled("v0:{timestamp}:{body}"), b"v0:17:{}");
        assert_eq!(filled("{id}.{timestamp}.{body}"), b"m1.17.{}");
        assert_eq!(filled("{timestamp}{body}"), b"17{}");
        assert_eq!(filled("{url}{body}!"), b"https://h/x{}!");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for (text, why) in [
            ("", Nonsense::BodyOnce),
            ("{timestamp}", Nonsense::BodyOnce),
            ("{body}{body}", Nonsense::BodyOnce),
            ("{id}{id}{body}", Nonsense::BodyOnce),
            ("{id}{timestamp}.{body}", Nonsense::Touching),
            ("{Body}", Nonsense::Template),
            ("{body", Nonsense::Template),
            ("body}", Nonsense::Template),
            ("}{body}", Nonsense::Template),
            ("{url}{body}", Nonsense::Url),
        ] {
            assert_eq!(Template::new(text, None), Err(why), "{text}");
        }
        assert_eq!(
            Template::new("{body}", Some("https://h")),
            Err(Nonsense::Url)
        );
    }
}
