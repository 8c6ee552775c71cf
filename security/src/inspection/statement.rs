//! Whether a value is a statement of SQL rather than a part of one.
//!
//! It exists so that a lesson about SQL is not taken for an attack, whatever it teaches. No such value continues somebody else's statement:
//! where a number is expected it is an error, and where a string is, it would have to close a quote that it never opened, which
//! is looked for. It is asked of the decoded value and not of its normal form, where a line's end, and with it a comment's, is lost.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::patterns::one;

/// The beginning of a statement, after comments or a prompt.
static STATEMENT: LazyLock<Regex> = LazyLock::new(|| {
    one(concat!(
        r"(?i)^(?:\s|--[ \t][^\n]*\n|/\*[^!*][^*]*\*/)*(?:[a-z0-9_]*[=*][>#]\s*)?",
        r"(?:explain\s+(?:\([^)]*\)\s+|analyze\s+|verbose\s+)*)?",
        r"(?:select|with|insert\s+into|update|delete\s+from|create|alter|drop|table|values|",
        r"begin|commit|do|declare\s+[a-z]+|prepare|execute|copy|grant|revoke|set|show|call|merge|lock|",
        r"comment\s+on|refresh\s+materialized|fetch|exec\s+sql|vacuum|analyze|close|truncate)\b",
    ))
});

/// A closed quote, and what an injection goes on with.
static CLOSING: LazyLock<Regex> = LazyLock::new(|| {
    one(r#"(?i)['"]\s*[)\s]*(?:\b(?:or|and|union|having|xor)\b|\|\||&&|;|--|#|/\*)"#)
});

/// Whether a decoded value is a statement of its own.
pub(super) fn is_whole(value: &[u8]) -> bool {
    if !STATEMENT.is_match(value) {
        return false;
    }
    let Some(closing) = CLOSING.find(value) else {
        return true;
    };
    let closed = closing.as_bytes().first();
    let quotes = value.iter().take(closing.start() + 1);
    quotes.filter(|byte| Some(*byte) == closed).count() % 2 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lessons_are_statements() {
        for lesson in [
            "SELECT * FROM weather WHERE city = 'Paris' OR city = 'Rome';",
            "-- all of them\nselect a from b union select c from d",
            "mydb=> SELECT version();",
            "EXPLAIN (ANALYZE, BUFFERS) SELECT 1",
            "/* twice */ INSERT INTO t VALUES ('it''s');",
        ] {
            assert!(is_whole(lesson.as_bytes()), "{lesson}");
        }
    }

    #[test]
    fn what_closes_a_quote_that_it_never_opened_is_no_statement() {
        for attack in [
            "select' union select password from users",
            "SELECT x\" OR 1=1 --",
            "update x' ; drop table users",
        ] {
            assert!(!is_whole(attack.as_bytes()), "{attack}");
        }
    }

    #[test]
    fn a_comment_before_something_else_makes_no_statement() {
        assert!(!is_whole(b"-- \n1 union select 2"));
        assert!(!is_whole(b"-- 1 union select 2"));
        assert!(!is_whole(b"/*!50000 1*/ select 2"));
        assert!(!is_whole(b"1; select 2"));
    }
}
