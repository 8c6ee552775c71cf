//! Values that matched no rule a moment ago.
//!
//! It exists because clients repeat themselves: the fields of a request's head are mostly those of the one before, and looking at them is
//! most of what an inspection costs. Which rules match a value depends on the value and its part alone, never on settings or on
//! other values, so what matched nothing once matches nothing again.
//!
//! Nothing of a value is kept: only its tag, 128 bits of SipHash-1-3 under a key that each thread draws for itself. To pass as
//! remembered, another value would have to have the tag of one that is, by a function whose key and whose results nobody outside
//! sees: a chance of one in 2^128 for each try. Who sends many different values only makes the memory useless for a while.

use std::cell::RefCell;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::parts::Part;

/// How many values a thread remembers: 32 KiB of them.
const PLACES: usize = 2048;

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::new());
}

/// What identifies a value of a part. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u128);

/// The harmless values of one thread.
struct Memory {
    key: SipHasher13,
    places: Box<[u128]>,
}

impl Memory {
    fn new() -> Self {
        Self {
            key: SipHasher13::new_with_key(&rand::random()),
            places: vec![0; PLACES].into(),
        }
    }

    fn tag(&self, part: Part, value: &[u8]) -> Tag {
        let mut hasher = self.key;
        hasher.write_u8(part as u8);
        hasher.write(value);
        Tag(hasher.finish128().as_u128().max(1))
    }

    fn place(&mut self, tag: Tag) -> Option<&mut u128> {
        let place = usize::try_from(tag.0 % PLACES as u128).ok()?;
        self.places.get_mut(place)
    }
}

/// Whether this value of this part is known to match nothing; if not, by what to [`remember`] it. About 40 ns, and 1 ns for each byte.
pub(super) fn ask(part: Part, value: &[u8]) -> Result<(), Tag> {
    MEMORY.with_borrow_mut(|memory| {
        let tag = memory.tag(part, value);
        match memory.place(tag) {
            Some(known) if *known == tag.0 => Ok(()),
            _ => Err(tag),
        }
    })
}

/// The value with this tag matched nothing. Takes the place of whatever was there. Meant for the thread that has asked.
pub(super) fn remember(tag: Tag) {
    MEMORY.with_borrow_mut(|memory| {
        if let Some(place) = memory.place(tag) {
            *place = tag.0;
        }
    });
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::inspection::{InspectionSettings, Inspector, Parts};

    #[test]
    fn a_value_is_known_once_it_is_remembered_and_only_in_its_part() {
        let tag = ask(Part::Headers, b"text/html").expect_err("nothing is known yet");
        assert_eq!(ask(Part::Headers, b"text/html"), Err(tag));
        remember(tag);
        assert_eq!(ask(Part::Headers, b"text/html"), Ok(()));
        assert!(ask(Part::Query, b"text/html").is_err());
        assert!(ask(Part::Headers, b"text/htmL").is_err());
        assert!(ask(Part::Headers, b"text/html\0").is_err());
    }

    #[test]
    fn a_flood_of_values_takes_places_and_no_more_memory() {
        for number in 0..4 * PLACES {
            if let Err(tag) = ask(Part::Headers, number.to_string().as_bytes()) {
                remember(tag);
            }
        }
        let known = (0..4 * PLACES)
            .filter(|number| ask(Part::Headers, number.to_string().as_bytes()).is_ok())
            .count();
        assert!((1..=PLACES).contains(&known), "{known}");
    }

    #[test]
    fn an_attack_is_found_as_often_as_it_comes() {
        let inspector = Inspector::new(&InspectionSettings::default());
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("text/html"));
        headers.insert("referer", HeaderValue::from_static("' OR 1=1 --"));
        let parts = Parts {
            path: b"/search",
            query: b"q=1' UNION SELECT password FROM users --",
            headers: &headers,
            body: None,
        };
        let first = inspector.inspect(&parts);
        let fields = |part| first.findings.iter().any(|finding| finding.part == part);
        assert!(fields(Part::Query) && fields(Part::Headers), "{first:?}");
        assert_eq!(inspector.inspect(&parts).findings, first.findings);
    }

    #[test]
    fn each_thread_has_a_key_of_its_own() {
        let tag_of = || ask(Part::Headers, b"a value").expect_err("nothing is known yet");
        let other = std::thread::spawn(tag_of).join().unwrap();
        assert_ne!(tag_of(), other);
    }
}
