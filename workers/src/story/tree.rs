//! Makes one tree of rows that were written by several hands: exactly one root, every parent there, parents before
//! children, children by their start.
//!
//! Spans get lost with the worker that held them, so a row may name a parent that nobody knows; such rows go under
//! the root. Rows are strangers' data as far as their ids go, so a circle of parents must not hang anybody.

use std::collections::{HashMap, HashSet};

use super::row::Row;

/// Orders the rows depth first and gives each its depth. `None` for no rows at all.
pub(super) fn arrange(mut rows: Vec<Row>) -> Option<(String, Vec<Row>)> {
    let ids: HashSet<String> = rows.iter().map(|row| row.id.clone()).collect();
    for row in &mut rows {
        let known = row
            .parent
            .as_ref()
            .is_some_and(|parent| ids.contains(parent) && *parent != row.id);
        if !known {
            row.parent = None;
        }
    }
    let root = root_of(&rows)?;
    for row in &mut rows {
        if row.id == root {
            row.parent = None;
        } else if row.parent.is_none() {
            row.parent = Some(root.clone());
        }
    }
    let mut children = by_parent(rows);
    let mut ordered = walk(&root, &mut children);
    // What is left goes round in circles, out of reach of the root.
    let mut lost: Vec<Row> = children.into_values().flatten().collect();
    lost.sort_by(|a, b| {
        a.start_ms
            .total_cmp(&b.start_ms)
            .then_with(|| a.id.cmp(&b.id))
    });
    for mut row in lost {
        row.parent = Some(root.clone());
        row.depth = 1;
        ordered.push(row);
    }
    Some((root, ordered))
}

/// The earliest row without a parent; in a circle of all rows, the earliest one.
fn root_of(rows: &[Row]) -> Option<String> {
    rows.iter()
        .min_by(|a, b| {
            let place = |row: &Row| (row.parent.is_some(), row.start_ms);
            let ((a_child, a_start), (b_child, b_start)) = (place(a), place(b));
            a_child
                .cmp(&b_child)
                .then(a_start.total_cmp(&b_start))
                .then_with(|| a.id.cmp(&b.id))
        })
        .map(|row| row.id.clone())
}

/// Rows by the id of their parent, each group from last to first, so that a stack gives them back in order.
fn by_parent(rows: Vec<Row>) -> HashMap<Option<String>, Vec<Row>> {
    let mut children: HashMap<Option<String>, Vec<Row>> = HashMap::new();
    for row in rows {
        children.entry(row.parent.clone()).or_default().push(row);
    }
    for group in children.values_mut() {
        group.sort_by(|a, b| {
            b.start_ms
                .total_cmp(&a.start_ms)
                .then_with(|| b.id.cmp(&a.id))
        });
    }
    children
}

fn walk(root: &str, children: &mut HashMap<Option<String>, Vec<Row>>) -> Vec<Row> {
    let mut ordered = Vec::new();
    let mut stack: Vec<(u16, Row)> = children
        .remove(&None)
        .into_iter()
        .flatten()
        .filter(|row| row.id == root)
        .map(|row| (0, row))
        .collect();
    while let Some((depth, mut row)) = stack.pop() {
        row.depth = depth;
        let below = children.remove(&Some(row.id.clone())).unwrap_or_default();
        stack.extend(
            below
                .into_iter()
                .map(|child| (depth.saturating_add(1), child)),
        );
        ordered.push(row);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::super::row::RowKind;
    use super::*;

    fn row(id: &str, parent: Option<&str>, start_ms: f64) -> Row {
        let mut row = Row::of_queue(id.to_owned(), RowKind::Internal, id.to_owned(), start_ms);
        row.parent = parent.map(str::to_owned);
        row
    }

    fn shape(rows: Vec<Row>) -> Vec<(String, u16)> {
        arrange(rows)
            .unwrap()
            .1
            .into_iter()
            .map(|row| (row.id, row.depth))
            .collect()
    }

    fn owned(shape: &[(&str, u16)]) -> Vec<(String, u16)> {
        shape
            .iter()
            .map(|(id, depth)| ((*id).to_owned(), *depth))
            .collect()
    }

    #[test]
    fn parents_come_before_children_and_children_by_their_start() {
        let rows = vec![
            row("late", Some("a"), 5.0),
            row("b", Some("late"), 6.0),
            row("early", Some("a"), 1.0),
            row("a", None, 0.0),
        ];

        assert_eq!(
            shape(rows),
            owned(&[("a", 0), ("early", 1), ("late", 1), ("b", 2)])
        );
    }

    #[test]
    fn a_row_without_a_known_parent_goes_under_the_earliest_one() {
        let rows = vec![
            row("orphan", Some("lost"), 3.0),
            row("first", Some("gone"), 1.0),
            row("own", Some("own"), 2.0),
        ];

        assert_eq!(
            shape(rows),
            owned(&[("first", 0), ("own", 1), ("orphan", 1)])
        );
    }

    #[test]
    fn a_circle_of_parents_loses_nobody() {
        let rows = vec![
            row("root", None, 0.0),
            row("x", Some("y"), 1.0),
            row("y", Some("x"), 2.0),
        ];
        let circle = vec![row("x", Some("y"), 1.0), row("y", Some("x"), 2.0)];

        assert_eq!(shape(rows), owned(&[("root", 0), ("x", 1), ("y", 1)]));
        assert_eq!(shape(circle), owned(&[("x", 0), ("y", 1)]));
        assert_eq!(arrange(Vec::new()), None);
    }
}
