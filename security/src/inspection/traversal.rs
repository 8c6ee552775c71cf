//! Parent folders in a value: the one question about paths that a pattern answers badly.

/// How often a value goes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Climb {
    /// Segments of two or more dots.
    pub(super) parents: usize,
    /// Segments of one dot, which hide the others from simple filters.
    pub(super) selves: usize,
}

impl Climb {
    /// Counts the dot segments of a normal form. A segment begins at the start, after a slash or a backslash, or after a sign that
    /// separates a path from what stands before it, and ends at a slash, a backslash, `;/` (a parameter of nothing) or the end.
    pub(super) fn of(normal: &[u8]) -> Self {
        let mut climb = Self::default();
        let mut opened = true;
        let mut rest = normal;
        while let Some((first, tail)) = rest.split_first() {
            if *first != b'.' {
                opened = opens(*first);
                rest = tail;
                continue;
            }
            let dots = rest.iter().take_while(|byte| **byte == b'.').count();
            let after = rest.get(dots..).unwrap_or_default();
            let closed = matches!(after, [] | [b'/' | b'\\', ..] | [b';', b'/', ..]);
            if opened && closed {
                let separated = !after.is_empty() || dots < normal.len();
                climb.parents += usize::from(dots > 1 && separated);
                climb.selves += usize::from(dots == 1 && !after.is_empty());
            }
            opened = false;
            rest = after;
        }
        climb
    }
}

fn opens(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'/' | b'\\' | b'=' | b':' | b';' | b'"' | b'\'' | b'(' | b','
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_dots_are_counted_where_a_path_could_begin() {
        let climbs = |value: &str| {
            (
                Climb::of(value.as_bytes()).parents,
                Climb::of(value.as_bytes()).selves,
            )
        };

        assert_eq!(climbs("../../a"), (2, 0));
        assert_eq!(climbs("a/..\\..;/b"), (2, 0));
        assert_eq!(climbs("file=....//"), (1, 0));
        assert_eq!(climbs("./a/./b"), (0, 2));
        assert_eq!(climbs("a/.."), (1, 0));
        assert_eq!(climbs("wait.../see"), (0, 0));
        assert_eq!(climbs("x := ...; y"), (0, 0));
        assert_eq!(climbs("1..2 a.b/c"), (0, 0));
        assert_eq!(climbs(".."), (0, 0));
    }
}
