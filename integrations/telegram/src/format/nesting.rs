//! Telegram's rules of which entity may hold which.
//!
//! They are stricter than Markdown's: nothing in code, code in nothing but a quotation, no quotation in a quotation, no
//! link in a link. A message that breaks one is refused as a whole, so entities are cut until they fit.

use std::ops::Range;

use super::{Entity, Style};

/// Makes the entities obey Telegram's rules of nesting: nothing in code, code in nothing but a quotation, no quotation
/// in a quotation, no link in a link, only links that Telegram would open.
pub(super) fn tidy(text: &str, entities: Vec<Entity>) -> Vec<Entity> {
    let (code, decorated): (Vec<_>, Vec<_>) = entities
        .into_iter()
        .partition(|entity| entity.style.is_code());
    let holes: Vec<Range<usize>> = code.iter().map(|e| e.offset..e.end()).collect();
    let quotes: Vec<Range<usize>> = ranges(&decorated, |style| *style == Style::Blockquote);
    let links: Vec<Range<usize>> = ranges(&decorated, |style| matches!(style, Style::Link(_)));

    let mut kept = code;
    for entity in decorated {
        match &entity.style {
            Style::Blockquote if is_inside(&entity, &quotes) => {}
            Style::Blockquote => kept.push(entity),
            Style::Link(url) if is_inside(&entity, &links) || !opens(url) => {}
            _ => kept.extend(without_holes(&entity, &holes)),
        }
    }
    let space = Space::of(text);
    let mut kept: Vec<Entity> = kept
        .into_iter()
        .filter_map(|entity| space.shrink(entity))
        .collect();
    kept.sort_by_key(|entity| {
        let depth = entity.style.depth();
        (entity.offset, std::cmp::Reverse(entity.length), depth)
    });
    kept.dedup();
    kept
}

fn ranges(entities: &[Entity], wanted: impl Fn(&Style) -> bool) -> Vec<Range<usize>> {
    entities
        .iter()
        .filter(|entity| wanted(&entity.style))
        .map(|entity| entity.offset..entity.end())
        .collect()
}

/// Whether another range truly holds this one.
fn is_inside(entity: &Entity, others: &[Range<usize>]) -> bool {
    others.iter().any(|other| {
        other.start <= entity.offset && entity.end() <= other.end && other.len() > entity.length
    })
}

fn opens(url: &str) -> bool {
    ["http://", "https://", "tg://", "mailto:"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
}

fn without_holes(entity: &Entity, holes: &[Range<usize>]) -> Vec<Entity> {
    let mut pieces = Vec::new();
    let mut from = entity.offset;
    let piece = |from: usize, to: usize| Entity {
        style: entity.style.clone(),
        offset: from,
        length: to - from,
    };
    for hole in holes {
        if hole.end <= from || hole.start >= entity.end() {
            continue;
        }
        if hole.start > from {
            pieces.push(piece(from, hole.start));
        }
        from = hole.end;
    }
    if from < entity.end() {
        pieces.push(piece(from, entity.end()));
    }
    pieces
}

/// Which UTF-16 units are white space. Telegram cuts space off the ends of entities; done here, the numbers we send
/// are the numbers it keeps.
struct Space(Vec<bool>);

impl Space {
    fn of(text: &str) -> Self {
        let mut units = Vec::with_capacity(text.len());
        for character in text.chars() {
            units.extend(std::iter::repeat_n(
                character.is_whitespace(),
                character.len_utf16(),
            ));
        }
        Self(units)
    }

    fn shrink(&self, entity: Entity) -> Option<Entity> {
        let covered = self.0.get(entity.offset..entity.end())?;
        let leading = covered.iter().take_while(|space| **space).count();
        let trailing = covered.iter().rev().take_while(|space| **space).count();
        let length = entity.length.checked_sub(leading + trailing)?;
        (length > 0).then_some(Entity {
            style: entity.style,
            offset: entity.offset + leading,
            length,
        })
    }
}
