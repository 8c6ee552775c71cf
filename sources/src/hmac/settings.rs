//! How a sender signs, as an operator writes it down.
//!
//! It exists to refuse what looks like protection and is none: a time that is not signed, an id that is signed but not sent, a scheme
//! under which nobody could tell a replay from a new delivery without anybody having decided what then.

use std::time::Duration;

use http::HeaderName;
use sallyport_security::signature::MacHash;
use serde::{Deserialize, Deserializer};
use validator::{Validate, ValidationError};

use super::{Scheme, Template};
use crate::window::Window;

/// How a sender signs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "makes_sense"))]
pub struct Settings {
    /// The header that holds the signature.
    #[serde(deserialize_with = "header")]
    pub header: HeaderName,
    /// What stands before the signature, for example `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// The hash.
    #[serde(default)]
    pub algorithm: HashName,
    /// The letters in which the signature is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// What is signed: `{body}`, and around it text, `{timestamp}`, `{id}`, `{url}`.
    #[serde(default = "default_signed")]
    pub signed: String,
    /// The header that holds the time of signing, in seconds since 1970.
    #[serde(default, deserialize_with = "some_header")]
    pub timestamp_header: Option<HeaderName>,
    /// How far that time may be from now, before or after; 300 if nothing is said.
    pub window_seconds: Option<u64>,
    /// The header that holds the delivery's id, which stays the same when the sender sends again. One that is not in `signed` can be
    /// changed by whoever replays a request, for as long as the window is open, or for ever where there is none.
    #[serde(default, deserialize_with = "some_header")]
    pub id_header: Option<HeaderName>,
    /// What becomes of a request whose signed bytes came before, when there is neither time nor id: must be said then, and only then.
    pub identical: Option<Identical>,
    /// What `{url}` stands for: the hook's address as the sender was told it.
    pub url: Option<String>,
    /// JSON pointer, through objects, to the string or number within which deliveries stay in order; without it all of them do.
    pub key_path: Option<String>,
    /// How the secrets are written.
    #[serde(default)]
    pub secret_encoding: SecretEncoding,
}

fn default_signed() -> String {
    "{body}".to_owned()
}

/// Five minutes, as for everybody who names a window.
const WINDOW_SECONDS: u64 = 300;

/// The hash under a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashName {
    /// For senders that offer nothing newer.
    Sha1,
    /// What nearly everybody uses.
    #[default]
    Sha256,
    /// The longest.
    Sha512,
}

/// The letters of a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal digits in lower case.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// How secrets are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretEncoding {
    /// Their text is the key.
    #[default]
    Text,
    /// Hexadecimal digits.
    Hex,
    /// Base64 with padding.
    Base64,
}

/// What becomes of a request whose signed bytes came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identical {
    /// It is a replay, stored once in seven days. Right where every body differs.
    Once,
    /// It is stored every time, and so is every replay. Right where the same words may be meant twice.
    EveryTime,
}

/// Why settings make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    /// Braces that do not match, or a word in them that is not known.
    #[error("signed must be text around {{body}}, {{timestamp}}, {{id}} and {{url}}")]
    Template,
    /// What is signed would not prove the body.
    #[error("signed must hold {{body}} once, and nothing else twice")]
    BodyOnce,
    /// It could be cut in two ways.
    #[error("something must stand between {{timestamp}} and {{id}} in signed")]
    Touching,
    /// One without the other.
    #[error("url and {{url}} in signed go together")]
    Url,
    /// A time that is not signed proves nothing.
    #[error("timestamp_header and {{timestamp}} in signed go together")]
    Timestamp,
    /// A window without a time, or one of no use.
    #[error("window_seconds must be 1–86400 and goes with timestamp_header")]
    Window,
    /// There is nowhere to take it from.
    #[error("id_header must be set for {{id}} in signed")]
    Id,
    /// One header cannot hold two things.
    #[error("header, timestamp_header and id_header must be three different ones")]
    Headers,
    /// It could not stand in a header.
    #[error("prefix must be at most 32 visible characters of ASCII")]
    Prefix,
    /// Nobody decided, or there is nothing to decide.
    #[error(
        "identical must be set when there is neither timestamp_header nor id_header, and only then"
    )]
    Identical,
    /// No JSON pointer.
    #[error("key_path must be a JSON pointer like /repository/id")]
    KeyPath,
}

fn makes_sense(settings: &Settings) -> Result<(), ValidationError> {
    let judged = settings.scheme().map(drop);
    judged.map_err(|why| ValidationError::new("nonsense").with_message(why.to_string().into()))
}

impl Settings {
    /// What they say.
    ///
    /// # Errors
    /// The first contradiction.
    pub(super) fn scheme(&self) -> Result<Scheme, Nonsense> {
        let visible = |byte: u8| byte.is_ascii_graphic();
        if self.prefix.len() > 32 || !self.prefix.bytes().all(visible) {
            return Err(Nonsense::Prefix);
        }
        let template = Template::new(&self.signed, self.url.as_deref())?;
        if template.has_timestamp() != self.timestamp_header.is_some() {
            return Err(Nonsense::Timestamp);
        }
        if template.has_id() && self.id_header.is_none() {
            return Err(Nonsense::Id);
        }
        self.check_headers()?;
        Ok(Scheme {
            header: self.header.clone(),
            prefix: self.prefix.clone(),
            hash: match self.algorithm {
                HashName::Sha1 => MacHash::Sha1,
                HashName::Sha256 => MacHash::Sha256,
                HashName::Sha512 => MacHash::Sha512,
            },
            encoding: self.encoding,
            template,
            timestamp: self.timestamp_header.clone().zip(self.window()?),
            id_header: self.id_header.clone(),
            key_path: self.key_path.as_deref().map(names_of).transpose()?,
            identical: self.what_becomes_of_identical()?,
            secret_encoding: self.secret_encoding,
        })
    }

    fn check_headers(&self) -> Result<(), Nonsense> {
        let others = [&self.timestamp_header, &self.id_header];
        let shared = others
            .iter()
            .any(|other| other.as_ref() == Some(&self.header));
        let both = self.id_header.is_some() && self.timestamp_header == self.id_header;
        if shared || both {
            return Err(Nonsense::Headers);
        }
        Ok(())
    }

    fn window(&self) -> Result<Option<Window>, Nonsense> {
        if self.timestamp_header.is_none() {
            return match self.window_seconds {
                Some(_) => Err(Nonsense::Window),
                None => Ok(None),
            };
        }
        let seconds = self.window_seconds.unwrap_or(WINDOW_SECONDS);
        if !(1..=86_400).contains(&seconds) {
            return Err(Nonsense::Window);
        }
        Ok(Some(Window::new(Duration::from_secs(seconds))))
    }

    fn what_becomes_of_identical(&self) -> Result<Identical, Nonsense> {
        let told_apart = self.timestamp_header.is_some() || self.id_header.is_some();
        match self.identical {
            // Signed at the same second and of the same bytes: a replay.
            None if told_apart => Ok(Identical::Once),
            Some(decided) if !told_apart => Ok(decided),
            None | Some(_) => Err(Nonsense::Identical),
        }
    }
}

/// The names of a JSON pointer, RFC 6901.
fn names_of(pointer: &str) -> Result<Vec<String>, Nonsense> {
    let names = pointer.strip_prefix('/').ok_or(Nonsense::KeyPath)?;
    let names = names.split('/').map(unescaped);
    names.collect::<Option<_>>().ok_or(Nonsense::KeyPath)
}

fn unescaped(name: &str) -> Option<String> {
    let mut pieces = name.split('~');
    let mut whole = pieces.next()?.to_owned();
    for piece in pieces {
        let (escape, rest) = piece.split_at_checked(1)?;
        whole.push(match escape {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        whole.push_str(rest);
    }
    Some(whole)
}

/// Reads the name of a header.
pub(crate) fn header<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderName, D::Error> {
    let name = String::deserialize(deserializer)?;
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_odd| serde::de::Error::custom("must be the name of a header"))
}

fn some_header<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderName>, D::Error> {
    header(deserializer).map(Some)
}
