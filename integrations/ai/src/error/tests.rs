//! Holds the table from a provider's answer to whose fault it was.

use super::*;

fn answered(status: u16, code: &str) -> ModelError {
    let refusal = Refusal {
        code: Some(code.into()),
        ..Refusal::default()
    };
    ModelError::answered(status, &refusal, None)
}

#[test]
fn a_code_is_believed_before_its_status() {
    assert_eq!(
        answered(429, "insufficient_quota").kind(),
        ModelErrorKind::QuotaExhausted
    );
    assert_eq!(
        answered(429, "rate_limit_exceeded").kind(),
        ModelErrorKind::RateLimited
    );
    assert_eq!(
        answered(400, "context_length_exceeded").kind(),
        ModelErrorKind::PromptTooLong
    );
    assert_eq!(
        answered(400, "invalid_api_key").kind(),
        ModelErrorKind::Unauthorised
    );
}

#[test]
fn a_status_alone_says_whose_fault_it_was() {
    for (status, fault, again) in [
        (400, Fault::Caller, false),
        (401, Fault::Ours, false),
        (402, Fault::Ours, false),
        (404, Fault::Ours, false),
        (413, Fault::Caller, false),
        (418, Fault::Caller, false),
        (429, Fault::Provider, true),
        (500, Fault::Provider, true),
        (529, Fault::Provider, true),
        (302, Fault::Provider, true),
    ] {
        let error = ModelError::answered(status, &Refusal::default(), None);
        assert_eq!(
            (error.whose_fault(), error.may_be_retried()),
            (fault, again),
            "{status}"
        );
    }
}

#[test]
fn what_a_provider_says_is_reduced_to_identifiers() {
    let refusal = Refusal::read(
        br#"{"error":{"message":"Incorrect key sk-123","type":"bad\u001b[31m <b>","code":"x y","param":{"a":1}}}"#,
    );

    let error = ModelError::answered(401, &refusal, None).to_string();

    assert_eq!(
        error,
        "the provider refused the key (HTTP 401) [bad31mb xy]"
    );
}

#[test]
fn an_error_body_of_any_shape_is_survived() {
    for body in [
        "",
        "null",
        "[]",
        "{\"error\":\"text\"}",
        "{\"error\":{\"code\":[1]}}",
        "<html>",
    ] {
        let error = ModelError::answered(500, &Refusal::read(body.as_bytes()), None);
        assert_eq!(error.kind(), ModelErrorKind::ServerError, "{body}");
    }
}
