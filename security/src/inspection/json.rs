//! The leaves of a JSON body, and the limits that it has to keep.
//!
//! It exists on serde_json, the reader that the workers use behind the edge, so that both agree on what a body says (ASVS 1.5.3).
//! The body is walked once and nothing of it is built.

use std::collections::HashSet;
use std::fmt;
use std::io::Write as _;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::rules::RuleId;
use super::settings::{DuplicateKeys, JsonSettings};

/// Bytes of one key in a pointer.
const KEY_BYTES_MAX: usize = 48;

/// Walks a body and shows each key and each string with its pointer.
///
/// # Errors
/// The rule of the first limit that is broken; what stood before it was shown.
pub(super) fn walk(
    body: &[u8],
    limits: &JsonSettings,
    show: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), RuleId> {
    let mut walking = Walking {
        limits,
        show,
        pointer: Vec::new(),
        depth: 0,
        keys: 0,
        broken: None,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let walked = walking
        .value()
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    walked.map_err(|_| walking.broken.unwrap_or(RuleId::JsonMalformed))
}

struct Walking<'w> {
    limits: &'w JsonSettings,
    show: &'w mut dyn FnMut(&[u8], &[u8]),
    pointer: Vec<u8>,
    depth: usize,
    keys: usize,
    broken: Option<RuleId>,
}

impl<'w> Walking<'w> {
    fn value<'a>(&'a mut self) -> Value<'a, 'w> {
        Value(self)
    }

    fn breaks<T, E: serde::de::Error>(&mut self, rule: RuleId) -> Result<T, E> {
        self.broken = Some(rule);
        Err(E::custom("a limit is broken"))
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > self.limits.depth_max {
            return self.breaks(RuleId::JsonDepth);
        }
        Ok(())
    }

    fn enter_key<E: serde::de::Error>(&mut self, key: &str) -> Result<(), E> {
        self.keys += 1;
        if self.keys > self.limits.keys_max {
            return self.breaks(RuleId::JsonKeys);
        }
        self.pointer.push(b'/');
        self.pointer.extend(key.bytes().take(KEY_BYTES_MAX));
        (self.show)(&self.pointer, key.as_bytes());
        Ok(())
    }
}

/// Any value.
struct Value<'a, 'w>(&'a mut Walking<'w>);

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.0.show)(&self.0.pointer, text.as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        self.0.enter()?;
        let length = self.0.pointer.len();
        for index in 0_usize.. {
            write!(self.0.pointer, "/{index}").map_err(A::Error::custom)?;
            let read = elements.next_element_seed(self.0.value())?;
            self.0.pointer.truncate(length);
            if read.is_none() {
                break;
            }
        }
        self.0.depth -= 1;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.enter()?;
        let length = self.0.pointer.len();
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key_seed(Key(self.0))? {
            if key.is_some_and(|key| !seen.insert(key)) {
                return self.0.breaks(RuleId::JsonDuplicateKey);
            }
            entries.next_value_seed(self.0.value())?;
            self.0.pointer.truncate(length);
        }
        self.0.depth -= 1;
        Ok(())
    }
}

/// A key. Its text is kept only where it may not come twice.
struct Key<'a, 'w>(&'a mut Walking<'w>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_, '_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        self.0.enter_key(key)?;
        let refused = self.0.limits.duplicate_keys == DuplicateKeys::Refuse;
        Ok(refused.then(|| key.to_owned()))
    }
}

#[cfg(test)]
mod tests;
