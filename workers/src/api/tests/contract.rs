//! The document as a judge of requests and answers: what a proxy that reads it would say.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::api::document;

/// The parsed document.
pub(super) struct Contract(Value);

/// One method of one path.
pub(super) struct Operation<'c> {
    contract: &'c Contract,
    path: &'c str,
    said: &'c Value,
}

impl Contract {
    pub(super) fn read() -> Self {
        Self(serde_json::from_str(&document()).unwrap())
    }

    /// Every operation with its method and its path.
    pub(super) fn operations(&self) -> impl Iterator<Item = (String, Operation<'_>)> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        paths.flat_map(move |(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, said)| {
                let contract = self;
                let operation = Operation {
                    contract,
                    path,
                    said,
                };
                (method.to_uppercase(), operation)
            })
        })
    }

    /// The operation that a request means.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        let fits = |template: &str| {
            let (asked, known) = (path.split('/'), template.split('/'));
            asked.clone().count() == known.clone().count()
                && asked
                    .zip(known)
                    .all(|(asked, known)| known.starts_with('{') || asked == known)
        };
        let mut found: Vec<_> = self
            .operations()
            .filter(|(allowed, operation)| allowed == method && fits(operation.path))
            .collect();
        // What is written out comes before what is open.
        found.sort_by_key(|(_, operation)| operation.path.contains('{'));
        found.into_iter().next().map(|(_, operation)| operation)
    }

    fn validator(&self, schema: &Value) -> Validator {
        let components = &self.0["components"];
        jsonschema::validator_for(&json!({"components": components, "allOf": [schema]})).unwrap()
    }
}

impl Operation<'_> {
    pub(super) fn path(&self) -> &str {
        self.path
    }

    /// What it says of itself under this key.
    pub(super) fn word(&self, key: &str) -> &str {
        self.said[key].as_str().unwrap_or_default()
    }

    /// Its parameters in `place`, each with its schema.
    pub(super) fn parameters(&self, place: &str) -> Vec<(&str, &Value)> {
        let all = self.said["parameters"].as_array().map(Vec::as_slice);
        all.unwrap_or_default()
            .iter()
            .filter(|parameter| parameter["in"] == place)
            .map(|parameter| (parameter["name"].as_str().unwrap(), &parameter["schema"]))
            .collect()
    }

    /// Whether a request is as the document wants it.
    pub(super) fn takes(&self, path: &str, query: Option<&str>, body: &str) -> bool {
        self.takes_path(path) && self.takes_query(query) && self.takes_body(body)
    }

    fn takes_path(&self, path: &str) -> bool {
        let mut parameters = self.parameters("path").into_iter();
        let open = self.path.split('/').zip(path.split('/'));
        open.filter(|(known, _)| known.starts_with('{'))
            .all(|(_, asked)| {
                let (_, schema) = parameters.next().unwrap();
                self.contract.validator(schema).is_valid(&json!(asked))
            })
    }

    fn takes_query(&self, query: Option<&str>) -> bool {
        let known = self.parameters("query");
        let given = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        given.into_iter().all(|(name, value)| {
            let schema = known.iter().find(|(known, _)| *known == name);
            schema.is_some_and(|(_, schema)| {
                self.contract
                    .validator(schema)
                    .is_valid(&typed(schema, &value))
            })
        })
    }

    pub(super) fn takes_body(&self, body: &str) -> bool {
        let schema = &self.said["requestBody"]["content"]["application/json"]["schema"];
        match (schema.is_null(), serde_json::from_str(body)) {
            (true, _) => true,
            (false, Ok(body)) => self.contract.validator(schema).is_valid(&body),
            (false, Err(_)) => false,
        }
    }

    /// What the document holds against an answer.
    pub(super) fn objections(&self, status: u16, media_type: &str, body: &Value) -> Vec<String> {
        let answer = &self.said["responses"][status.to_string()];
        let Some(content) = answer["content"].get(media_type) else {
            return vec![format!(
                "{status} with {media_type} is not among the answers"
            )];
        };
        let validator = self.contract.validator(&content["schema"]);
        validator
            .iter_errors(body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    /// The fields of its body with their schemas; none when it takes no body.
    pub(super) fn body_fields(&self) -> Map<String, Value> {
        let schema = &self.said["requestBody"]["content"]["application/json"]["schema"];
        let Some(name) = schema["$ref"].as_str() else {
            return Map::new();
        };
        let named = self
            .contract
            .0
            .pointer(name.trim_start_matches('#'))
            .unwrap();
        let object = named.get("allOf").map_or(named, |all| &all[0]);
        object["properties"].as_object().unwrap().clone()
    }
}

/// A text of a query as its schema's type has it.
fn typed(schema: &Value, text: &str) -> Value {
    match schema["type"].as_str() {
        Some("integer") => text
            .parse()
            .map_or(json!(text), |number: i64| json!(number)),
        _ => json!(text),
    }
}
