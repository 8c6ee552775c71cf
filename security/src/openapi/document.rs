//! A document as it is written, and how it becomes a [`Contract`].
//!
//! It exists apart from the judging because all of this happens once, when a document is read. What nobody holds a request to
//! (answers, examples, descriptions, callbacks) is not read.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::Draft;
use jsonschema::Registry;
use matchit::Router;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::operation::{Body, Operation};
use super::parameter::Parameter;
use super::schema::{DOCUMENT_URI, Schema, pointer};
use super::{Contract, DOCUMENT_BYTES_MAX, Methods};

/// The methods of a path item; OpenAPI spells them in small letters.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];
/// References to references, in one place of a document.
const REFERENCES_MAX: usize = 8;

/// Why a document cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum UnfitDocument {
    /// It has more bytes than are read.
    #[error("has more than {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
    /// It is not JSON.
    #[error("is not JSON (an OpenAPI document in YAML has to be converted first): {0}")]
    NotJson(serde_json::Error),
    /// It is of another version.
    #[error("must say openapi: 3.1 and says {0}; documents of 3.0 have to be converted first")]
    Version(String),
    /// A part of it is not what OpenAPI has there.
    #[error("{place} is not what OpenAPI 3.1 has there: {complaint}")]
    Shape {
        /// Where.
        place: String,
        /// What serde found.
        complaint: serde_json::Error,
    },
    /// It describes nothing.
    #[error("has no paths, so nothing could be asked for")]
    Empty,
    /// Something refers to what is not there.
    #[error(
        "{place} refers to {reference}, and only places of the same document can be referred to"
    )]
    Reference {
        /// Where.
        place: String,
        /// To what.
        reference: String,
    },
    /// A path cannot be told from others.
    #[error("the path {path} cannot be used: {complaint}")]
    Path {
        /// Which.
        path: String,
        /// Why not.
        complaint: String,
    },
    /// The path of a server has variables.
    #[error("the server {0} has variables in its path, so nobody knows where its paths begin")]
    Server(String),
    /// A schema cannot be used.
    #[error("the schema at {place} cannot be used: {complaint}")]
    Schema {
        /// Where.
        place: String,
        /// Why not.
        complaint: String,
    },
}

/// A document whose outline is understood.
pub(super) struct Document {
    whole: Value,
    outline: Outline,
}

#[derive(Deserialize)]
struct Outline {
    #[serde(default)]
    servers: Vec<Server>,
    #[serde(default)]
    paths: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Server {
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OperationObject {
    #[serde(default)]
    parameters: Vec<Value>,
    request_body: Option<Value>,
}

#[derive(Deserialize)]
struct BodyObject {
    #[serde(default)]
    required: bool,
    content: BTreeMap<String, MediaObject>,
}

#[derive(Deserialize)]
struct MediaObject {
    schema: Option<Value>,
}

impl Document {
    pub(super) fn parse(text: &[u8]) -> Result<Self, UnfitDocument> {
        if text.len() > DOCUMENT_BYTES_MAX {
            return Err(UnfitDocument::TooLarge);
        }
        let whole: Value = serde_json::from_slice(text).map_err(UnfitDocument::NotJson)?;
        let version = whole.get("openapi").and_then(Value::as_str);
        if !version.is_some_and(|version| version.starts_with("3.1.")) {
            let version = version.unwrap_or("nothing");
            return Err(UnfitDocument::Version(version.to_owned()));
        }
        let outline: Outline = read(&whole, || "the document".to_owned())?;
        match outline.paths.is_empty() {
            true => Err(UnfitDocument::Empty),
            false => Ok(Self { whole, outline }),
        }
    }

    pub(super) fn compile(&self) -> Result<Contract, UnfitDocument> {
        let registry = Registry::new()
            .draft(Draft::Draft202012)
            .add(DOCUMENT_URI, &self.whole)
            .and_then(|builder| builder.prepare())
            .map_err(|error| UnfitDocument::Schema {
                place: "#".to_owned(),
                complaint: error.to_string(),
            })?;
        let prefixes = self.prefixes()?;
        let mut paths = Router::new();
        for (path, item) in &self.outline.paths {
            // A path that begins otherwise is an extension of somebody's.
            if !path.starts_with('/') {
                continue;
            }
            for prefix in &prefixes {
                let methods = self.methods(&registry, path, item)?;
                let unfit = |complaint| UnfitDocument::Path {
                    path: path.clone(),
                    complaint,
                };
                if path.contains("{*") {
                    return Err(unfit("a name begins with a letter".to_owned()));
                }
                paths
                    .insert(format!("{prefix}{path}"), methods)
                    .map_err(|error| unfit(error.to_string()))?;
            }
        }
        Ok(Contract { paths })
    }

    /// What stands before every path: the paths of the servers, each once.
    fn prefixes(&self) -> Result<Vec<String>, UnfitDocument> {
        let mut prefixes = Vec::new();
        for server in &self.outline.servers {
            let after_scheme = server.url.split_once("://").map(|(_, rest)| rest);
            let path = match after_scheme {
                Some(rest) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or(""),
                None => server.url.as_str(),
            };
            if path.contains('{') {
                return Err(UnfitDocument::Server(server.url.clone()));
            }
            let prefix = path.trim_end_matches('/').to_owned();
            if !prefixes.contains(&prefix) {
                prefixes.push(prefix);
            }
        }
        if prefixes.is_empty() {
            prefixes.push(String::new());
        }
        Ok(prefixes)
    }

    fn methods(
        &self,
        registry: &Registry<'_>,
        path: &str,
        item: &Value,
    ) -> Result<Methods, UnfitDocument> {
        let place = pointer("#/paths", &[path]);
        let (item, place) = self.resolve(item, place)?;
        let common: Vec<Value> = match item.get("parameters") {
            Some(common) => read(common, || format!("{place}/parameters"))?,
            None => Vec::new(),
        };
        let common = self.parameters(registry, &common, &place)?;
        let mut operations = BTreeMap::new();
        for method in METHODS {
            let Some(object) = item.get(method) else {
                continue;
            };
            let place = format!("{place}/{method}");
            let operation = self.operation(registry, object, &place, &common)?;
            operations.insert(method.to_ascii_uppercase(), Arc::new(operation));
        }
        Ok(Methods {
            allow: Arc::from(allowed(&operations)),
            operations,
        })
    }

    fn operation(
        &self,
        registry: &Registry<'_>,
        object: &Value,
        place: &str,
        common: &[Arc<Parameter>],
    ) -> Result<Operation, UnfitDocument> {
        let read: OperationObject = read(object, || place.to_owned())?;
        let mut parameters = self.parameters(registry, &read.parameters, place)?;
        // What an operation says of a parameter stands in place of what its path says.
        let inherited = common
            .iter()
            .filter(|one| !parameters.iter().any(|own| own.is_same_as(one)))
            .cloned()
            .collect::<Vec<_>>();
        parameters.extend(inherited);
        let body = match &read.request_body {
            Some(body) => Some(self.body(registry, body, format!("{place}/requestBody"))?),
            None => None,
        };
        Ok(Operation::new(parameters, body))
    }

    fn parameters(
        &self,
        registry: &Registry<'_>,
        listed: &[Value],
        place: &str,
    ) -> Result<Vec<Arc<Parameter>>, UnfitDocument> {
        let mut parameters = Vec::new();
        for (number, parameter) in listed.iter().enumerate() {
            let place = format!("{place}/parameters/{number}");
            let (parameter, place) = self.resolve(parameter, place)?;
            let object = read(parameter, || place.clone())?;
            let schema = parameter.get("schema");
            let schema = schema.map(|_| Schema::compile(registry, &format!("{place}/schema")));
            let types = self.types(parameter.get("schema"));
            parameters.extend(Parameter::new(object, types, schema.transpose()?).map(Arc::new));
        }
        Ok(parameters)
    }

    fn body(
        &self,
        registry: &Registry<'_>,
        body: &Value,
        place: String,
    ) -> Result<Body, UnfitDocument> {
        let (body, place) = self.resolve(body, place)?;
        let object: BodyObject = read(body, || place.clone())?;
        let mut kinds = Vec::new();
        for (media_type, media) in object.content {
            let place = pointer(&format!("{place}/content"), &[&media_type, "schema"]);
            let schema = media.schema.map(|_| Schema::compile(registry, &place));
            kinds.push((media_type.to_ascii_lowercase(), schema.transpose()?));
        }
        Ok(Body::new(object.required, kinds))
    }

    /// What `value` stands for, and where that is.
    fn resolve<'d>(
        &'d self,
        mut value: &'d Value,
        mut place: String,
    ) -> Result<(&'d Value, String), UnfitDocument> {
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
                return Ok((value, place));
            };
            value = self.at(reference).ok_or_else(|| UnfitDocument::Reference {
                place: place.clone(),
                reference: reference.to_owned(),
            })?;
            place = reference.to_owned();
        }
        Err(UnfitDocument::Reference {
            reference: place.clone(),
            place,
        })
    }

    fn at(&self, reference: &str) -> Option<&Value> {
        self.whole.pointer(reference.strip_prefix('#')?)
    }

    /// The JSON types that a schema takes, as far as it says so; none: any.
    fn types(&self, schema: Option<&Value>) -> Vec<String> {
        let mut types = Vec::new();
        if let Some(schema) = schema {
            self.add_types(schema, &mut types, REFERENCES_MAX);
        }
        types
    }

    fn add_types(&self, schema: &Value, types: &mut Vec<String>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        let referred = schema.get("$ref").and_then(Value::as_str);
        let referred = referred.and_then(|reference| self.at(reference));
        let choices = ["oneOf", "anyOf", "allOf"];
        let choices = choices
            .iter()
            .filter_map(|name| schema.get(name)?.as_array());
        for one in choices.flatten().chain(referred) {
            self.add_types(one, types, depth);
        }
        match schema.get("type") {
            Some(Value::String(one)) => types.push(one.clone()),
            Some(Value::Array(several)) => {
                types.extend(several.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
    }
}

/// For an `Allow` header; HEAD goes with GET.
fn allowed(operations: &BTreeMap<String, Arc<Operation>>) -> String {
    let mut names: Vec<&str> = operations.keys().map(String::as_str).collect();
    if names.contains(&"GET") && !names.contains(&"HEAD") {
        names.push("HEAD");
    }
    names.join(", ")
}

fn read<T: DeserializeOwned>(
    value: &Value,
    place: impl FnOnce() -> String,
) -> Result<T, UnfitDocument> {
    T::deserialize(value).map_err(|complaint| UnfitDocument::Shape {
        place: place(),
        complaint,
    })
}
