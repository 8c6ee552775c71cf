//! The two shapes of every Bot API answer: `{"ok":true,"result":…}` and `{"ok":false,"error_code":…,"description":…}`.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::value::RawValue;

/// A refusal, with the words the real server uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) description: String,
    pub(crate) retry_after: Option<u32>,
    pub(crate) migrate_to_chat_id: Option<i64>,
}

impl Refusal {
    pub(crate) fn new(status: u16, description: impl Into<String>) -> Self {
        Self {
            status,
            description: description.into(),
            retry_after: None,
            migrate_to_chat_id: None,
        }
    }

    /// 400 with the prefix and the lower-case first letter that the real server gives its reasons.
    pub(crate) fn bad_request(reason: &str) -> Self {
        let mut letters = reason.chars();
        let first = letters.next();
        let second_is_upper = letters
            .clone()
            .next()
            .is_some_and(|c| c == '_' || c.is_ascii_uppercase());
        let reason = match first {
            Some(first) if !second_is_upper => {
                first.to_ascii_lowercase().to_string() + letters.as_str()
            }
            _ => reason.to_owned(),
        };
        Self::new(400, format!("Bad Request: {reason}"))
    }

    pub(crate) fn too_fast(retry_after: u32) -> Self {
        let mut refusal = Self::new(429, format!("Too Many Requests: retry after {retry_after}"));
        refusal.retry_after = Some(retry_after);
        refusal
    }

    /// The words for a status that a fault asked for without giving its own.
    pub(crate) fn of_status(status: u16) -> Self {
        let words = match status {
            401 => "Unauthorized",
            403 => "Forbidden: bot was blocked by the user",
            404 => "Not Found",
            409 => {
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
            }
            500..=599 => "Internal Server Error",
            _ => "Bad Request: chat not found",
        };
        Self::new(status, words)
    }
}

/// What a method came to.
pub(crate) type Outcome = Result<Success, Refusal>;

/// A result, already as JSON, and the words that some methods add.
#[derive(Debug)]
pub(crate) struct Success {
    pub(crate) result: Box<RawValue>,
    pub(crate) description: Option<&'static str>,
}

impl Success {
    /// Serialises a result. Our own types always can be; a failure is answered as the real server's 500.
    pub(crate) fn of(result: &impl Serialize) -> Outcome {
        let result = serde_json::value::to_raw_value(result)
            .map_err(|error| Refusal::new(500, format!("Internal Server Error: {error}")))?;
        Ok(Self {
            result,
            description: None,
        })
    }

    pub(crate) fn yes() -> Outcome {
        Self::of(&true)
    }

    pub(crate) fn yes_because(description: &'static str) -> Outcome {
        Ok(Self {
            description: Some(description),
            ..Self::yes()?
        })
    }
}

#[derive(Serialize)]
struct Good<'a> {
    ok: bool,
    result: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
}

#[derive(Serialize)]
struct Bad<'a> {
    ok: bool,
    error_code: u16,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
}

#[derive(Serialize)]
struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    migrate_to_chat_id: Option<i64>,
}

/// The HTTP answer for an outcome, status and `Retry-After` included.
pub(crate) fn respond(outcome: &Outcome) -> Response {
    match outcome {
        Ok(success) => {
            let body = Good {
                ok: true,
                result: &success.result,
                description: success.description,
            };
            json_response(200, None, &body)
        }
        Err(refusal) => {
            let has_parameters =
                refusal.retry_after.is_some() || refusal.migrate_to_chat_id.is_some();
            let parameters = has_parameters.then_some(Parameters {
                retry_after: refusal.retry_after,
                migrate_to_chat_id: refusal.migrate_to_chat_id,
            });
            let body = Bad {
                ok: false,
                error_code: refusal.status,
                description: &refusal.description,
                parameters,
            };
            json_response(refusal.status, refusal.retry_after, &body)
        }
    }
}

fn json_response(status: u16, retry_after: Option<u32>, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, body).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_loses_its_capital_as_at_the_real_server_unless_it_is_a_code() {
        assert_eq!(
            Refusal::bad_request("Message text is empty").description,
            "Bad Request: message text is empty"
        );
        assert_eq!(
            Refusal::bad_request("BUTTON_DATA_INVALID").description,
            "Bad Request: BUTTON_DATA_INVALID"
        );
    }
}
