//! A request's parameters, whichever way they came: query, form, JSON or multipart.
//!
//! The real server sees every parameter as text (a JSON object inside a JSON body stays JSON text) and is lenient in the same places: an unreadable
//! number counts as absent, `yes` and `1` are true. A multipart file is kept apart.

use std::collections::HashMap;

use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request},
    http::{HeaderMap, header},
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::answer::Refusal;
use crate::inbound::read_body;

/// More parameters than any method has; a form with more is refused.
const PARAMETERS_MAX: usize = 200;

/// The largest body read: the largest certificate allowed is 3 MiB.
pub(crate) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Everything a caller gave to one method.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    fields: HashMap<String, String>,
    files: HashMap<String, Bytes>,
}

impl Parameters {
    /// Reads the query and the body of a request.
    pub(crate) async fn read(request: Request) -> Result<Self, Refusal> {
        let mut parameters = Self::default();
        parameters.add_form(request.uri().query().unwrap_or_default().as_bytes())?;
        let kind = content_type(request.headers());
        if kind == "multipart/form-data" {
            parameters.add_multipart(request).await?;
            return Ok(parameters);
        }
        let body = read_body(request.into_body(), BODY_BYTES_MAX).await;
        let body = body.ok_or_else(|| Refusal::new(413, "Request Entity Too Large"))?;
        match kind.as_str() {
            _ if body.is_empty() => {}
            "application/json" => parameters.add_json(&body)?,
            _ => parameters.add_form(&body)?,
        }
        Ok(parameters)
    }

    /// Reads a JSON object, such as a method call in the answer to a webhook.
    pub(crate) fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        let mut parameters = Self::default();
        parameters.add_json(body)?;
        Ok(parameters)
    }

    fn add_form(&mut self, form: &[u8]) -> Result<(), Refusal> {
        for (name, value) in url::form_urlencoded::parse(form) {
            self.add(name.into_owned(), value.into_owned())?;
        }
        Ok(())
    }

    fn add_json(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let object: HashMap<String, &RawValue> = serde_json::from_slice(body)
            .map_err(|_| Refusal::bad_request("Can't parse request body as JSON object"))?;
        for (name, value) in object {
            let text = match value.get() {
                "null" => continue,
                quoted if quoted.starts_with('"') => serde_json::from_str(quoted)
                    .map_err(|_| Refusal::bad_request("Strings must be encoded in UTF-8"))?,
                other => other.to_owned(),
            };
            self.add(name, text)?;
        }
        Ok(())
    }

    async fn add_multipart(&mut self, request: Request) -> Result<(), Refusal> {
        let unreadable = || Refusal::bad_request("Can't parse multipart form data");
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|_| unreadable())?;
        while let Some(field) = form.next_field().await.map_err(|_| unreadable())? {
            let name = field.name().unwrap_or_default().to_owned();
            if field.file_name().is_some() {
                let bytes = field.bytes().await.map_err(|_| unreadable())?;
                if self.files.len() < PARAMETERS_MAX {
                    self.files.insert(name, bytes);
                }
            } else {
                let text = field.text().await.map_err(|_| unreadable())?;
                self.add(name, text)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String, value: String) -> Result<(), Refusal> {
        if self.fields.len() >= PARAMETERS_MAX {
            return Err(Refusal::bad_request("Too many parameters"));
        }
        self.fields.insert(name, value);
        Ok(())
    }

    /// The parameter as text; empty when absent, which the real server does not tell apart either.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.text(name).trim().parse().ok()
    }

    pub(crate) fn boolean(&self, name: &str) -> bool {
        matches!(
            self.text(name).trim().to_ascii_lowercase().as_str(),
            "true" | "yes" | "1"
        )
    }

    /// A parameter that is JSON inside; `None` when absent, the refusal when it cannot be read.
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        name: &str,
        refused: &str,
    ) -> Result<Option<T>, Refusal> {
        match self.text(name) {
            "" => Ok(None),
            text => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| Refusal::bad_request(refused)),
        }
    }

    /// An uploaded file, also when it is named by `attach://`.
    pub(crate) fn file(&self, name: &str) -> Option<&Bytes> {
        let attached = self.text(name).strip_prefix("attach://");
        self.files.get(attached.unwrap_or(name))
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(content_type: &str, uri: &str, body: &'static str) -> Parameters {
        let request = Request::builder()
            .uri(uri)
            .method("POST")
            .header("content-type", content_type);
        Parameters::read(request.body(body.into()).expect("a request"))
            .await
            .expect("parameters")
    }

    #[tokio::test]
    async fn json_form_and_query_mean_the_same() {
        let json = read(
            "application/json; charset=utf-8",
            "/",
            r#"{"chat_id":-5,"text":"a \"b\"","silent":true}"#,
        )
        .await;
        let form = read(
            "application/x-www-form-urlencoded",
            "/",
            "chat_id=-5&text=a+%22b%22&silent=yes",
        )
        .await;
        let query = read("", "/?chat_id=-5&text=a%20%22b%22&silent=1", "").await;

        for parameters in [json, form, query] {
            assert_eq!(parameters.integer("chat_id"), Some(-5));
            assert_eq!(parameters.text("text"), "a \"b\"");
            assert!(parameters.boolean("silent"));
        }
    }

    #[tokio::test]
    async fn an_object_inside_json_stays_json_text() {
        let parameters = read(
            "application/json",
            "/",
            r#"{"reply_parameters":{"message_id":3}}"#,
        )
        .await;

        assert_eq!(parameters.text("reply_parameters"), r#"{"message_id":3}"#);
    }

    #[tokio::test]
    async fn a_multipart_file_is_found_by_its_name_and_by_attach() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"certificate\"\r\n\r\nattach://c\r\n\
                    --x\r\nContent-Disposition: form-data; name=\"c\"; filename=\"c.pem\"\r\n\r\nPEM\r\n--x--\r\n";
        let parameters = read("multipart/form-data; boundary=x", "/", body).await;

        assert_eq!(
            parameters.file("certificate").map(Bytes::as_ref),
            Some(b"PEM".as_slice())
        );
    }
}
