//! A few named fields of a JSON object, found in one walk and kept as raw text.
//!
//! It exists so that every provider reads as little of a stranger's JSON as order and identity need, and refuses what two readers
//! could understand differently: of a field that stands there twice, one takes the first and another the last.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::delivery::plain;
use crate::{ReadError, strict};

/// The values of the top-level fields of `body` to which the JSON pointers `wanted` lead, for example `/id`.
///
/// # Errors
/// It is no JSON object, not everybody can read it, or a wanted field stands there more than once.
pub(crate) fn of_body<'b, const N: usize>(
    body: &'b [u8],
    wanted: [&'static str; N],
) -> Result<[Option<&'b RawValue>; N], ReadError> {
    let names = wanted.map(name_in);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let found = Wanted(names)
        .deserialize(&mut reader)
        .and_then(|found| reader.end().map(|()| found))
        .map_err(ReadError::NotAnObject)?;
    strict::check(body).map_err(ReadError::Unreadable)?;
    match found.repeated.and_then(|place| wanted.get(place)) {
        Some(pointer) => Err(ReadError::Repeated {
            name: name_in(pointer),
            pointer,
        }),
        None => Ok(found.values),
    }
}

/// The values of the fields `names` of a part of a body. Nothing is refused any more: what is no object, or has one of them
/// twice, has none.
pub(crate) fn of<'b, const N: usize>(
    part: Option<&'b RawValue>,
    names: [&str; N],
) -> [Option<&'b RawValue>; N] {
    part.and_then(|part| {
        let mut reader = serde_json::Deserializer::from_str(part.get());
        let found = Wanted(names).deserialize(&mut reader).ok()?;
        found.repeated.is_none().then_some(found.values)
    })
    .unwrap_or([None; N])
}

/// The string that a value is.
pub(crate) fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// The whole number that a value is.
pub(crate) fn integer(value: Option<&RawValue>) -> Option<i64> {
    serde_json::from_str(value?.get()).ok()
}

/// The id that a value is, a whole number or a string, as it may stand in a key.
pub(crate) fn id(value: Option<&RawValue>) -> Option<String> {
    let id = integer(value)
        .map(|number| number.to_string())
        .or_else(|| text(value).filter(|text| !text.is_empty()))?;
    Some(plain(&id))
}

fn name_in(pointer: &'static str) -> &'static str {
    pointer.strip_prefix('/').unwrap_or(pointer)
}

/// A field's name as bytes: JSON may spell names that are no valid Unicode, and they hurt nobody.
pub(crate) struct FieldName<'a>(Cow<'a, [u8]>);

impl AsRef<[u8]> for FieldName<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for FieldName<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(FieldNameVisitor)
    }
}

struct FieldNameVisitor;

impl<'de> Visitor<'de> for FieldNameVisitor {
    type Value = FieldName<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(FieldName(Cow::Borrowed(name.as_bytes())))
    }

    fn visit_borrowed_bytes<E: serde::de::Error>(self, name: &'de [u8]) -> Result<Self::Value, E> {
        Ok(FieldName(Cow::Borrowed(name)))
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(FieldName(Cow::Owned(name.as_bytes().to_vec())))
    }

    fn visit_bytes<E: serde::de::Error>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(FieldName(Cow::Owned(name.to_vec())))
    }
}

/// The names that are looked for.
struct Wanted<'n, const N: usize>([&'n str; N]);

/// What was found of them, in the same order.
struct Found<'de, const N: usize> {
    values: [Option<&'de RawValue>; N],
    /// The place of one that was found twice.
    repeated: Option<usize>,
}

impl<'de, const N: usize> DeserializeSeed<'de> for Wanted<'_, N> {
    type Value = Found<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Wanted<'_, N> {
    type Value = Found<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Found {
            values: [None; N],
            repeated: None,
        };
        while let Some(name) = map.next_key::<FieldName<'de>>()? {
            let place = self
                .0
                .iter()
                .position(|wanted| wanted.as_bytes() == name.as_ref());
            let Some((place, slot)) =
                place.and_then(|place| Some((place, found.values.get_mut(place)?)))
            else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value: &RawValue = map.next_value()?;
            if slot.replace(value).is_some() {
                found.repeated = Some(place);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_fields_are_found_wherever_they_stand() {
        let body = br#"{"a":{"id":1},"\u0069d":"x","\ud800":0}"#;
        let refused = of_body(body, ["/id"]);
        assert!(matches!(refused, Err(ReadError::Unreadable(_))));

        let body = br#"{"a":{"id":1,"name":"n","none":null},"\u0069d":"x"} "#;
        let [id_there, part, missing] = of_body(body, ["/id", "/a", "/b"]).unwrap();
        let [number, name, none] = of(part, ["id", "name", "none"]);

        assert_eq!(text(id_there).as_deref(), Some("x"));
        assert_eq!(integer(number), Some(1));
        assert_eq!((id(number), id(name)), (Some("1".into()), Some("n".into())));
        assert_eq!((id(none), text(none)), (None, None));
        assert!(missing.is_none());
        assert!(of(id_there, ["id"]).iter().all(Option::is_none));
    }

    #[test]
    fn a_wanted_field_that_stands_there_twice_is_refused_and_deeper_down_counts_as_none() {
        let refused = of_body(br#"{"id":1,"x":2,"\u0069d":1}"#, ["/x", "/id"]);
        assert!(matches!(
            refused,
            Err(ReadError::Repeated {
                name: "id",
                pointer: "/id"
            })
        ));

        let [part] = of_body(br#"{"x":1,"x2":1,"a":{"id":1,"id":2}}"#, ["/a"]).unwrap();
        assert!(of(part, ["id"]).iter().all(Option::is_none));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in [
            "",
            "null",
            "[]",
            "\"id\"",
            "{\"id\":",
            "{} {}",
            "\u{feff}{}",
        ] {
            let refused = of_body(body.as_bytes(), ["/id"]);
            assert!(matches!(refused, Err(ReadError::NotAnObject(_))), "{body}");
        }
    }
}
