//! A YAML file as a value with positions, so that a mistake found later can still name its line.
//!
//! YAML is read by `saphyr`; from there on the value is a `serde_json::Value`, because that is what serde walks with exact paths.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Value};

use crate::mistake::Mistake;
use crate::path::Path;

/// Levels of nesting that a configuration file may have; far above any of ours, it bounds the recursion below.
const DEPTH_MAX: usize = 32;

/// The place of a value: file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: usize,
}

/// One configuration file, or several laid over each other, read but not yet checked against a type.
#[derive(Debug, Clone)]
pub struct Document {
    pub(crate) file: String,
    pub(crate) value: Value,
    pub(crate) places: BTreeMap<Path, Place>,
}

impl Document {
    /// Reads a YAML text. `file` is the name that mistakes will carry. An empty file is an empty mapping.
    ///
    /// # Errors
    /// A mistake with the line where the text stops being YAML, or that its top is not a mapping.
    pub fn parse(file: &str, text: &str) -> Result<Self, Mistake> {
        let mistake = |line, reason: String| Mistake {
            file: file.to_owned(),
            line,
            key: String::new(),
            reason,
        };
        let nodes = MarkedYaml::load_from_str(text).map_err(|error| {
            let line = error.marker().line();
            mistake(Some(line), format!("is not YAML: {}", error.info()))
        })?;
        let mut document = Self {
            file: file.to_owned(),
            value: Value::Object(Map::new()),
            places: BTreeMap::new(),
        };
        let Some(node) = nodes.first() else {
            return Ok(document);
        };
        let value = document.read(node, &Path::default(), 0);
        match value {
            Value::Object(_) => document.value = value,
            Value::Null => {}
            Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(mistake(Some(1), "must be keys and values".to_owned()));
            }
        }
        Ok(document)
    }

    /// Lays another document over this one: mappings are merged key by key, everything else is replaced whole.
    pub fn overlaid_with(mut self, over: Self) -> Self {
        let Self {
            file,
            value,
            places,
        } = over;
        overlay(&mut self.value, value, &Path::default(), &mut self.places);
        self.places.extend(places);
        self.file = file;
        self
    }

    /// The place of a path, or of its nearest ancestor that has one.
    pub(crate) fn place(&self, path: &Path) -> Option<&Place> {
        path.upwards().find_map(|path| self.places.get(&path))
    }

    fn read(&mut self, node: &MarkedYaml<'_>, path: &Path, depth: usize) -> Value {
        let place = Place {
            file: self.file.clone(),
            line: node.span.start.line(),
        };
        self.places.entry(path.clone()).or_insert(place);
        if depth >= DEPTH_MAX {
            return Value::Null;
        }
        match &node.data {
            YamlData::Mapping(mapping) => {
                let mut object = Map::new();
                for (key, inner) in mapping {
                    let Some(name) = key_name(key) else { continue };
                    let path = path.key(name.clone());
                    let place = Place {
                        file: self.file.clone(),
                        line: key.span.start.line(),
                    };
                    self.places.insert(path.clone(), place);
                    object.insert(name, self.read(inner, &path, depth + 1));
                }
                Value::Object(object)
            }
            YamlData::Sequence(items) => {
                let read = |(index, item)| self.read(item, &path.index(index), depth + 1);
                Value::Array(items.iter().enumerate().map(read).collect())
            }
            YamlData::Tagged(_, inner) => self.read(inner, path, depth + 1),
            YamlData::Value(scalar) => scalar_value(scalar),
            YamlData::Representation(text, ..) => Value::String(text.to_string()),
            YamlData::Alias(_) | YamlData::BadValue => Value::Null,
        }
    }
}

/// Reads the text of one scalar the way YAML does, so that `${PORT}` can become a number.
pub(crate) fn scalar_from_text(text: &str) -> Value {
    scalar_value(&Scalar::parse_from_cow(text.into()))
}

fn scalar_value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(truth) => Value::Bool(*truth),
        Scalar::Integer(number) => Value::from(*number),
        Scalar::FloatingPoint(number) => Value::from(number.into_inner()),
        Scalar::String(text) => Value::String(text.to_string()),
    }
}

fn key_name(key: &MarkedYaml<'_>) -> Option<String> {
    match &key.data {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        YamlData::Value(Scalar::Boolean(truth)) => Some(truth.to_string()),
        YamlData::Representation(text, ..) => Some(text.to_string()),
        YamlData::Value(Scalar::Null | Scalar::FloatingPoint(_))
        | YamlData::Sequence(_)
        | YamlData::Mapping(_)
        | YamlData::Tagged(..)
        | YamlData::Alias(_)
        | YamlData::BadValue => None,
    }
}

fn overlay(under: &mut Value, over: Value, path: &Path, places: &mut BTreeMap<Path, Place>) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                let path = path.key(key.clone());
                match under.get_mut(&key) {
                    Some(existing) => overlay(existing, value, &path, places),
                    None => {
                        under.insert(key, value);
                    }
                }
            }
        }
        (under, over) => {
            // What stood below belongs to the replaced value; its places must not be found any more.
            places.retain(|place, _| place == path || !place.0.starts_with(&path.0));
            *under = over;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let document = Document::parse("a.yaml", "# words\none: 1\nlist:\n  - x: 2\n").unwrap();

        let path = Path::default().key("list").index(0).key("x");
        assert_eq!(document.place(&path).map(|place| place.line), Some(4));
        assert_eq!(document.value["list"][0]["x"], 2);
    }

    #[test]
    fn text_that_is_not_yaml_names_its_line() {
        let mistake = Document::parse("a.yaml", "one: 1\ntwo: [").unwrap_err();

        assert!(mistake.to_string().starts_with("a.yaml:"), "{mistake}");
        assert!(mistake.reason.starts_with("is not YAML"), "{mistake}");
    }

    #[test]
    fn an_overlay_merges_mappings_and_replaces_lists() {
        let under = Document::parse("under.yaml", "a: {x: 1, y: 2}\nlist: [1, 2]").unwrap();
        let over = Document::parse("over.yaml", "\n\na: {y: 3}\nlist: [4]").unwrap();

        let both = under.overlaid_with(over);

        assert_eq!(
            both.value,
            serde_json::json!({"a": {"x": 1, "y": 3}, "list": [4]})
        );
        let y = both.place(&Path::default().key("a").key("y")).unwrap();
        assert_eq!((y.file.as_str(), y.line), ("over.yaml", 3));
    }

    #[test]
    fn two_keys_of_one_name_are_refused() {
        assert!(Document::parse("a.yaml", "one: 1\none: 2").is_err());
    }
}
