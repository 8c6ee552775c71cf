use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn shop() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": "https://shop.example.org/v1/"}, {"url": "/v1"}],
        "paths": {
            "/items": {
                "get": {"parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                    {"name": "sort", "in": "query", "schema": {"enum": ["price", "name"]}},
                    {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string", "maxLength": 5}}},
                    {"name": "ids", "in": "query", "explode": false, "schema": {"type": "array", "items": {"type": "integer"}}},
                    {"name": "since", "in": "query", "schema": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}},
                    {"name": "x-shard", "in": "header", "schema": {"type": "integer"}},
                    {"name": "seen", "in": "cookie", "schema": {"type": "boolean"}},
                    {"name": "filter", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
                ]},
                "post": {"requestBody": {"$ref": "#/components/requestBodies/Item"}},
            },
            "/items/{id}": {
                "parameters": [{"$ref": "#/components/parameters/Id"}],
                "get": {},
                "delete": {"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"const": "7"}}]},
            },
            "/items/best": {"get": {}},
            "/notes/{name}": {"put": {"requestBody": {"content": {"text/*": {}, "application/json": {"schema": true}}}}},
        },
        "components": {
            "parameters": {"Id": {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}},
            "requestBodies": {"Item": {"required": true, "content": {"application/json; charset=utf-8": {
                "schema": {"$ref": "#/components/schemas/Item"},
            }}}},
            "schemas": {"Item": {
                "type": "object",
                "additionalProperties": false,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "minLength": 1, "maxLength": 20, "pattern": "^[a-z]+$"},
                    "price": {"type": ["number", "null"], "minimum": 0},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
                },
            }},
        },
    })
}

fn contract(document: &Value) -> Contract {
    Contract::parse(document.to_string().as_bytes()).unwrap()
}

fn complaint(document: &Value) -> String {
    Contract::parse(document.to_string().as_bytes())
        .unwrap_err()
        .to_string()
}

/// A request without a body; `METHOD target`.
fn ask(line: &str, fields: &[(&str, &str)]) -> Result<Arc<Operation>, Misfit> {
    judge(line, fields, false)
}

fn judge(line: &str, fields: &[(&str, &str)], has_body: bool) -> Result<Arc<Operation>, Misfit> {
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    contract(&shop()).judge_head(&Parts {
        method: &method.parse().unwrap(),
        path,
        query,
        headers: &headers(fields),
        has_body,
    })
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let fields = fields.iter().map(|(name, value)| {
        let name: http::HeaderName = name.parse().unwrap();
        (name, value.parse().unwrap())
    });
    fields.collect()
}

/// What is said about it; nothing if it fits.
fn said(line: &str, fields: &[(&str, &str)]) -> String {
    match ask(line, fields) {
        Ok(_) => String::new(),
        Err(misfit) => misfit.to_string(),
    }
}

fn said_of_body(body: &str) -> String {
    let json = [("content-type", "Application/JSON")];
    let operation = judge("POST /v1/items", &json, true).ok().unwrap();
    assert!(operation.reads_body(&headers(&json)));
    match operation.judge_body(&headers(&json), body.as_bytes()) {
        Ok(()) => String::new(),
        Err(misfit) => misfit.to_string(),
    }
}

#[test]
fn a_path_is_found_below_its_server_and_the_exact_one_first() {
    assert_eq!(said("GET /v1/items", &[]), "");
    assert_eq!(said("GET /v1/items/7", &[]), "");
    assert_eq!(said("GET /v1/items/best", &[]), "");
    for unknown in [
        "GET /items",
        "GET /v1/item",
        "GET /v1/items/7/parts",
        "GET /v1/items/",
        "GET /",
    ] {
        assert_eq!(ask(unknown, &[]).err(), Some(Misfit::Path), "{unknown}");
    }
}

#[test]
fn a_method_that_the_path_does_not_take_is_told_which_it_takes() {
    assert_eq!(said("PUT /v1/items", &[]), "the path takes GET, POST, HEAD");
    assert_eq!(said("HEAD /v1/items", &[]), "");
    assert_eq!(said("HEAD /v1/notes/a", &[]), "the path takes PUT");
}

#[test]
fn parameters_are_tried_as_what_they_are_to_be() {
    for fits in [
        "limit=100",
        "sort=price",
        "tag=new&tag=12345",
        "tag=true",
        "ids=1,2,3",
        "ids=1",
        "since=2026-11-22",
        "limit=%35",
        "unknown=1",
        "filter[a]=1",
        "",
    ] {
        assert_eq!(said(&format!("GET /v1/items?{fits}"), &[]), "", "{fits}");
    }
    for (query, wrong) in [
        ("limit=0", "?limit must be at least 1"),
        ("limit=101", "?limit must be at most 100"),
        ("limit=ten", "?limit must be an integer"),
        ("limit=", "?limit must be an integer"),
        ("limit=05", "?limit must be an integer"),
        ("limit=+5", "?limit must be an integer"),
        ("limit=%205", "?limit must be an integer"),
        ("limit=5&limit=6", "?limit is given more than once"),
        ("sort=age", "?sort must be one of [\"price\",\"name\"]"),
        (
            "tag=new&tag=too-long",
            "?tag/1 must have at most 5 characters",
        ),
        ("ids=1,x", "?ids/1 must be an integer"),
        ("ids=1&ids=2", "?ids is given more than once"),
        ("since=today", "?since is none of the forms of the schema"),
    ] {
        assert_eq!(
            said(&format!("GET /v1/items?{query}"), &[]),
            wrong,
            "{query}"
        );
    }
}

#[test]
fn parameters_stand_in_paths_headers_and_cookies_too() {
    assert_eq!(said("GET /v1/items/seven", &[]), "{id} must be an integer");
    assert_eq!(said("GET /v1/items/%37", &[]), "");
    // What the operation says stands in place of what its path says.
    assert_eq!(said("DELETE /v1/items/7", &[]), "");
    assert_eq!(said("DELETE /v1/items/8", &[]), "{id} must be \"7\"");

    assert_eq!(
        said(
            "GET /v1/items",
            &[("x-shard", "3"), ("cookie", "a=b; seen=true")]
        ),
        ""
    );
    assert_eq!(
        said("GET /v1/items", &[("x-shard", "c")]),
        "x-shard: must be an integer"
    );
    assert_eq!(
        said("GET /v1/items", &[("cookie", "seen=yes")]),
        "cookie seen must be true or false"
    );
}

#[test]
fn all_parameters_that_do_not_fit_are_told_at_once() {
    assert_eq!(
        said("GET /v1/items?limit=0&sort=x", &[("x-shard", "c")]),
        "?limit must be at least 1; ?sort must be one of [\"price\",\"name\"]; x-shard: must be an integer"
    );
}

#[test]
fn a_body_comes_where_it_is_taken_and_of_a_type_that_is() {
    let json = [("content-type", "application/json;charset=utf-8")];
    let missing = judge("POST /v1/items", &json, false).err().unwrap();
    assert_eq!(missing.to_string(), "the body is missing");
    let unwanted = judge("DELETE /v1/items/7", &json, true).err().unwrap();
    assert_eq!(
        unwanted.to_string(),
        "the body must be empty: nothing is taken here"
    );
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for fields in [&form[..], &[]] {
        let wrong = judge("POST /v1/items", fields, true).err().unwrap();
        assert_eq!(
            wrong,
            Misfit::ContentType("application/json; charset=utf-8".into())
        );
    }
    // Types that are not read are let through as they are.
    let text = [("content-type", "text/markdown")];
    let operation = judge("PUT /v1/notes/a", &text, true).ok().unwrap();
    assert!(!operation.reads_body(&headers(&text)));
    assert!(judge("PUT /v1/notes/a", &[], false).is_ok());
}

#[test]
fn a_body_is_judged_by_its_schema_to_its_leaves() {
    assert_eq!(said_of_body(r#"{"name": "lamp", "price": 1.5}"#), "");
    assert_eq!(
        said_of_body(r#"{"name": "lamp", "price": null, "parts": [{"name": "bulb"}]}"#),
        ""
    );
    for (body, wrong) in [
        ("{}", "/name is missing"),
        ("[]", "the body must be an object"),
        (
            r#"{"name": "lamp", "price": "1"}"#,
            "/price must be null or a number",
        ),
        (
            r#"{"name": "lamp", "price": -1}"#,
            "/price must be at least 0",
        ),
        (
            r#"{"name": "lamp", "secret": 1}"#,
            "the body has properties that are not known here: secret",
        ),
        (
            r#"{"name": "lamp", "parts": [{"name": ""}]}"#,
            "/parts/0/name must have at least 1 characters; /parts/0/name must match ^[a-z]+$",
        ),
    ] {
        assert_eq!(said_of_body(body), wrong, "{body}");
    }
    assert!(said_of_body(r#"{"name": "#).starts_with("the body is not JSON: EOF"));
    assert!(said_of_body("").starts_with("the body is not JSON"));
}

#[test]
fn what_was_sent_is_never_quoted() {
    let secret = "hunter2hunter2hunter2hunter2";
    let told = [
        said(
            &format!("GET /v1/items?limit={secret}&sort={secret}&tag={secret}&since={secret}"),
            &[("x-shard", secret)],
        ),
        said(
            &format!("GET /v1/items/{secret}"),
            &[("cookie", &format!("seen={secret}"))],
        ),
        said_of_body(&format!(
            r#"{{"name": "{secret}", "price": "{secret}", "parts": ["{secret}"]}}"#
        )),
        said_of_body(&format!("{{{secret}")),
    ];

    for one in told {
        assert!(!one.is_empty() && !one.contains("hunter2"), "{one}");
    }
}

#[test]
fn a_document_that_cannot_be_held_says_why() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut document = shop();
        change(&mut document);
        complaint(&document)
    };
    let yaml = Contract::parse(b"openapi: 3.1.0").unwrap_err().to_string();
    assert!(yaml.contains("YAML has to be converted"), "{yaml}");
    for (said, expected) in [
        (
            with(&|all| all["openapi"] = json!("3.0.3")),
            "must say openapi: 3.1 and says 3.0.3",
        ),
        (with(&|all| all["paths"] = json!({})), "has no paths"),
        (
            with(&|all| all["servers"] = json!([{"url": "https://x/{stage}"}])),
            "has variables in its path",
        ),
        (
            with(&|all| all["components"]["parameters"] = json!({})),
            "refers to #/components/parameters/Id",
        ),
        (
            with(&|all| all["components"]["schemas"] = json!({})),
            "cannot be used",
        ),
        (
            with(&|all| all["paths"]["/a/{b}.json"] = json!({"get": {}})),
            "the path /a/{b}.json cannot be used",
        ),
        (
            with(&|all| all["paths"]["/items/{other}"] = json!({"get": {}})),
            "cannot be used",
        ),
        (
            with(&|all| all["paths"]["/items"]["get"]["parameters"] = json!([{"name": "a"}])),
            "#/paths/~1items/get/parameters/0 is not what OpenAPI 3.1 has there: missing field `in`",
        ),
        (
            with(&|all| {
                all["components"]["schemas"]["Item"]["properties"]["name"]["pattern"] =
                    json!("(?=a)")
            }),
            "cannot be used",
        ),
        (
            with(&|all| {
                all["components"]["schemas"]["Item"]["properties"]["name"] =
                    json!({"$ref": "https://elsewhere.example.org/x"})
            }),
            "cannot be used",
        ),
        (
            with(&|all| all["components"]["schemas"]["Item"]["type"] = json!("objekt")),
            "cannot be used",
        ),
    ] {
        assert!(said.contains(expected), "{said}");
    }
}

proptest! {
    /// Whatever comes, it is judged, and no complaint has more than its place.
    #[test]
    fn no_request_is_too_odd_to_be_judged(path in "/v1/[a-z/%{}*.0-9]{0,30}", query in "[a-z=&%+0-9\\[\\],]{0,60}", body: Vec<u8>) {
        let _ = said(&format!("GET {path}?{query}"), &[("x-shard", "1"), ("cookie", "seen")]);
        let _ = said_of_body(&String::from_utf8_lossy(&body));
    }
}
