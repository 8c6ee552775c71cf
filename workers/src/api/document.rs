//! The OpenAPI document of the API, generated from the types that its handlers read and write.
//!
//! It exists so that the inventory of paths is no promise: [`super::paths`] serves a handler and writes it into the document in one
//! breath. The committed copy, `docs/api/ops.openapi.json`, is what a proxy may judge requests by, so the document never refuses what a
//! handler takes. Bounds stand at the types, beside those that the handlers check; here is what no derive can say.

use std::sync::LazyLock;

use axum::extract::RawQuery;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::schema::{
    AllOfBuilder, AnyOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type,
};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, RefOr, Schema};
use utoipa::{Modify, OpenApi};

use super::problem::{self, Problem};
use super::query::Parameters;
use super::traces::NoParameters;

/// The name of the operator's token among the security schemes.
const OPERATOR: &str = "operator";

/// What stands in the document beside the paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sallyport: the engineers' API",
        description = "What engineers ask about traces, the queue and dead letters, and what they do with them. Every path wants the \
                       operator's token. A body has at most 65536 bytes. New fields of answers may come; those named here stay.",
        version = "1",
    ),
    components(schemas(problem::Body)),
    security(("operator" = [])),
    modifiers(&Token),
)]
struct Frame;

/// Adds how an operator is told from anybody else.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The operator's token, `OPS_TOKEN`."));
        document
            .components
            .get_or_insert_default()
            .add_security_scheme(OPERATOR, SecurityScheme::Http(bearer.build()));
    }
}

/// The document to which [`super::paths`] adds its paths.
pub(super) fn frame() -> Document {
    Frame::openapi()
}

/// The OpenAPI 3.1 document of `/ops`: indented JSON that ends with a line break, the same from the same program.
///
/// The committed copy of it is `docs/api/ops.openapi.json`; `sallyport openapi` prints it.
#[must_use]
pub fn document() -> String {
    let mut document = super::paths().into_openapi();
    conditions(&mut document);
    // It is made of texts and numbers alone, which are always written.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// This document
#[utoipa::path(
    get,
    path = "/ops/openapi.json",
    operation_id = "getDocument",
    tag = "document",
    responses(
        (status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value),
        problem::InvalidQuery,
        problem::Always,
    )
)]
pub(super) async fn show(RawQuery(query): RawQuery) -> Result<Response, Problem> {
    static WRITTEN: LazyLock<String> = LazyLock::new(document);
    Parameters::read(query.as_deref()).finish(NoParameters {})?;
    let json = [(CONTENT_TYPE, "application/json")];
    Ok((json, WRITTEN.as_str()).into_response())
}

/// Adds what fields of a body owe each other: a derive knows one field at a time.
fn conditions(document: &mut Document) {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let list = || {
        ArrayBuilder::new()
            .items(ObjectBuilder::new().schema_type(SchemaType::AnyValue))
            .min_items(Some(1))
    };
    let one_thing = OneOfBuilder::new()
        .item(with([("ids", list().into())]))
        .item(with([("group", text().into())]));
    also(document, "DeadReplay", [one_thing.into()]);

    let texts = ["from", "until", "error", "kind", "bot", "tenant", "outcome"];
    let something = texts
        .into_iter()
        .fold(AnyOfBuilder::new(), |any, name| {
            any.item(with([(name, text().into())]))
        })
        .item(with([("ids", list().into())]));
    let not_live = ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .property(
            "live",
            ObjectBuilder::new()
                .schema_type(Type::Boolean)
                .enum_values(Some([false])),
        );
    let said = || text().min_length(Some(1)).into();
    let reasoned = AnyOfBuilder::new()
        .item(not_live)
        .item(with([("by", said()), ("why", said())]));
    also(document, "Replay", [something.into(), reasoned.into()]);
}

/// An object that has these.
fn with<const N: usize>(properties: [(&str, RefOr<Schema>); N]) -> ObjectBuilder {
    properties
        .into_iter()
        .fold(ObjectBuilder::new(), |object, (name, schema)| {
            object.property(name, schema).required(name)
        })
}

/// Makes a named schema one that asks for these, too.
fn also<const N: usize>(document: &mut Document, name: &str, conditions: [RefOr<Schema>; N]) {
    let components = document.components.get_or_insert_default();
    if let Some(schema) = components.schemas.get_mut(name) {
        let derived = std::mem::take(schema);
        *schema = conditions
            .into_iter()
            .fold(AllOfBuilder::new().item(derived), AllOfBuilder::item)
            .into();
    }
}
