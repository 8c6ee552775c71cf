//! What the OpenAPI document says of texts and values whose types are at home in other crates.
//!
//! It exists because the document is generated from types, and the queue and telemetry know nothing of OpenAPI. Each type here is only
//! ever named, by the `value_type` of a field; what crosses the wire is the other crate's. `api::tests` compares every answer with it.

use utoipa::ToSchema;

/// The id of a trace, as W3C Trace Context writes it.
#[derive(ToSchema)]
#[schema(as = TraceId, pattern = "^[0-9a-f]{32}$", example = "4bf92f3577b34da6a3ce929d0e0e4736")]
#[expect(dead_code, reason = "named by the document alone")]
pub(crate) struct TraceIdText(String);

/// The short form of a trace id, for people.
#[derive(ToSchema)]
#[schema(
    as = SupportCode,
    pattern = "^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$",
    example = "K7QF-3M2X"
)]
#[expect(dead_code, reason = "named by the document alone")]
pub(crate) struct SupportCodeText(String);

/// The number of a message; a text, since JSON's numbers end earlier.
#[derive(ToSchema)]
#[schema(as = MessageNumber, pattern = "^[+-]?[0-9]+$", example = "812")]
#[expect(dead_code, reason = "named by the document alone")]
pub(crate) struct MessageNumber(String);

/// The value of a particular.
#[derive(ToSchema)]
#[schema(as = AttributeValue)]
#[serde(untagged)]
#[expect(dead_code, reason = "named by the document alone")]
pub(crate) enum AttributeValue {
    Bool(bool),
    /// Whole or not: JSON tells no difference.
    Number(f64),
    Text(String),
}
