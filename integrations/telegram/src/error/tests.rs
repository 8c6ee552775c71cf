//! Telegram's own sentences, and what each must come to mean.

use std::time::Duration;

use frankenstein::response::{ErrorResponse, ResponseParameters};

use super::{CallError, Refusal};

fn answer(code: u64, description: &str) -> ErrorResponse {
    ErrorResponse {
        ok: false,
        description: description.to_owned(),
        error_code: code,
        parameters: None,
    }
}

fn meaning(code: u64, description: &str) -> &'static str {
    Refusal::of(answer(code, description)).name()
}

#[test]
fn every_sentence_of_the_table_has_its_meaning() {
    for (code, sentence, expected) in [
        (403, "Forbidden: bot was blocked by the user", "unreachable"),
        (
            403,
            "Forbidden: bot was kicked from the group chat",
            "unreachable",
        ),
        (400, "Bad Request: chat not found", "unreachable"),
        (
            400,
            "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message",
            "not_modified",
        ),
        (
            400,
            "Bad Request: message to be replied not found",
            "reply_gone",
        ),
        (
            400,
            "Bad Request: message to edit not found",
            "message_gone",
        ),
        (
            400,
            "Bad Request: can't parse entities: Can't find end of the entity starting at byte offset 3",
            "formatting",
        ),
        (
            400,
            "Bad Request: query is too old and response timeout expired or query ID is invalid",
            "stale_press",
        ),
        (401, "Unauthorized", "unauthorized"),
        (404, "Not Found", "unauthorized"),
        (
            409,
            "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            "conflict",
        ),
        (502, "Bad Gateway", "provider_trouble"),
        (400, "Bad Request: message is too long", "refused"),
    ] {
        assert_eq!(meaning(code, sentence), expected, "{sentence}");
    }
}

#[test]
fn a_wait_is_taken_from_the_parameters() {
    let refusal = Refusal::of(ErrorResponse {
        parameters: Some(ResponseParameters {
            migrate_to_chat_id: None,
            retry_after: Some(17),
        }),
        ..answer(429, "Too Many Requests: retry after 17")
    });

    assert_eq!(
        refusal,
        Refusal::TooFast {
            retry_after: Duration::from_secs(17)
        }
    );
}

#[test]
fn a_group_that_moved_says_where() {
    let refusal = Refusal::of(ErrorResponse {
        parameters: Some(ResponseParameters {
            migrate_to_chat_id: Some(-1_001_234),
            retry_after: None,
        }),
        ..answer(
            400,
            "Bad Request: group chat was upgraded to a supergroup chat",
        )
    });

    assert_eq!(refusal, Refusal::Migrated { to: -1_001_234 });
}

#[test]
fn trouble_on_their_side_may_have_sent_and_a_plain_refusal_has_not() {
    let refused = |refusal| CallError::Refused {
        method: "sendMessage",
        refusal,
    };

    assert!(refused(Refusal::Trouble { code: 502 }).is_ambiguous());
    assert!(!refused(Refusal::NotModified).is_ambiguous());
}
