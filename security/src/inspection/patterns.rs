//! Patterns over the normal form, in linear time: the `regex` crate's automata, never a backtracking one (ASVS 1.3.12).
//!
//! The normal form has small letters and single spaces, so no pattern says more about either. Patterns are grouped so that a value
//! without the signs that a group needs never meets it.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::rules::{RuleId, RuleSet};

mod markup;
mod sql;
mod system;

/// A group of patterns, each of which speaks for a rule. A clone shares the automaton and has scratch memory of its own.
#[derive(Clone)]
pub(super) struct Patterns {
    set: RegexSet,
    /// The rule of each pattern.
    rules: Vec<RuleId>,
}

impl Patterns {
    #[expect(
        clippy::expect_used,
        reason = "the patterns are constants, and a test compiles them all"
    )]
    fn new(table: &[(RuleId, &[&str])]) -> Self {
        let rows = table
            .iter()
            .flat_map(|(rule, patterns)| patterns.iter().map(|pattern| (*rule, *pattern)));
        let (rules, patterns): (Vec<RuleId>, Vec<&str>) = rows.unzip();
        let set = RegexSetBuilder::new(patterns)
            .unicode(false)
            .build()
            .expect("every pattern is well formed");
        Self { set, rules }
    }

    /// Adds the rules whose patterns match.
    pub(super) fn find(&self, normal: &[u8], found: &mut RuleSet) {
        // Most values match nothing, and asking only that allocates nothing.
        if !self.set.is_match(normal) {
            return;
        }
        for matched in self.set.matches(normal) {
            if let Some(rule) = self.rules.get(matched) {
                found.insert(*rule);
            }
        }
    }
}

static SHARED_SQL: LazyLock<Patterns> = LazyLock::new(|| Patterns::new(sql::PATTERNS));
static SHARED_MARKUP: LazyLock<Patterns> = LazyLock::new(|| Patterns::new(markup::PATTERNS));
static SHARED_SYSTEM: LazyLock<Patterns> = LazyLock::new(|| Patterns::new(system::PATTERNS));

// A set that several threads use hands its scratch memory out under a lock, which takes as long as matching a short value does.
thread_local! {
    /// SQL.
    pub(super) static SQL: Patterns = SHARED_SQL.clone();
    /// Markup and script.
    pub(super) static MARKUP: Patterns = SHARED_MARKUP.clone();
    /// Files, commands and lookups.
    pub(super) static SYSTEM: Patterns = SHARED_SYSTEM.clone();
}

/// Where a second header begins, in a value that was only decoded.
pub(super) static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    one(
        r"(?i)[\r\n]\s*(?:HTTP/[0-9]|(?:set-cookie2?|content-length|transfer-encoding)[ \t]*:|location[ \t]*:[ \t]*(?:https?:|/)|refresh[ \t]*:[ \t]*[0-9])",
    )
});

/// One pattern by itself.
#[expect(
    clippy::expect_used,
    reason = "the patterns are constants, and a test compiles them all"
)]
pub(super) fn one(pattern: &str) -> Regex {
    RegexBuilder::new(pattern)
        .unicode(false)
        .build()
        .expect("every pattern is well formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_well_formed_and_none_matches_nothing() {
        for group in [&SQL, &MARKUP, &SYSTEM] {
            let mut found = RuleSet::default();
            group.with(|patterns| patterns.find(b"", &mut found));
            assert!(found.is_empty());
        }
        assert!(!HEADER.is_match(b""));
    }
}
