//! The little of Kubernetes' API that it takes: endpoint slices (`discovery.k8s.io/v1`), their lists, and the lines of a watch.
//!
//! It exists so that what the API server sends has types, of which everything else is passed over. Go writes `null` for
//! what is empty. What the parts mean is for [`super::slices`].

use std::net::IpAddr;

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{KubernetesError, shortened};

/// All slices of a service at one moment.
#[derive(Debug, Deserialize)]
pub(super) struct SliceList {
    pub(super) metadata: ListMetadata,
    items: Option<Vec<EndpointSlice>>,
}

impl SliceList {
    pub(super) fn slices(&self) -> &[EndpointSlice] {
        self.items.as_deref().unwrap_or_default()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListMetadata {
    pub(super) resource_version: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) name: String,
    pub(super) resource_version: String,
}

/// Some of the endpoints of a service, all with the same ports and the same type of address.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointSlice {
    pub(super) metadata: Metadata,
    pub(super) address_type: AddressType,
    pub(super) endpoints: Option<Vec<Endpoint>>,
    pub(super) ports: Option<Vec<Port>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum AddressType {
    #[serde(rename = "IPv4")]
    V4,
    #[serde(rename = "IPv6")]
    V6,
    /// Names, which nobody uses any more, and whatever comes after them.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Endpoint {
    /// All of them lead to the same pod, so the first one is as good as any.
    addresses: Vec<String>,
    conditions: Option<Conditions>,
}

impl Endpoint {
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.addresses.first()?.parse().ok()
    }

    pub(super) fn conditions(&self) -> Conditions {
        self.conditions.unwrap_or_default()
    }
}

/// How an endpoint is; what is absent is not known.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Conditions {
    pub(super) ready: Option<bool>,
    pub(super) serving: Option<bool>,
    pub(super) terminating: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Port {
    pub(super) name: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) protocol: Option<String>,
}

/// What a line of a watch says.
#[derive(Debug)]
pub(super) enum Change {
    /// This slice is new, or is other than before.
    Set(EndpointSlice),
    /// This slice is no more.
    Deleted(Metadata),
    /// Nothing has changed up to this version.
    Bookmark(Metadata),
    /// What was asked for is so long ago that it is forgotten: all must be asked for again.
    Gone,
}

#[derive(Deserialize)]
struct Event<'l> {
    #[serde(rename = "type")]
    kind: &'l str,
    #[serde(borrow)]
    object: &'l RawValue,
}

#[derive(Deserialize)]
struct WithMetadata {
    metadata: Metadata,
}

/// How the API server says that something went wrong.
#[derive(Deserialize)]
struct Status {
    code: Option<u16>,
    message: Option<String>,
}

/// Reads one line of a watch; nothing for a kind of line that is not known.
pub(super) fn change(line: &[u8]) -> Result<Option<Change>, KubernetesError> {
    let event: Event<'_> = serde_json::from_slice(line).map_err(KubernetesError::Malformed)?;
    let object = event.object.get();
    let metadata = || serde_json::from_str(object).map(|with: WithMetadata| with.metadata);
    let change = match event.kind {
        "ADDED" | "MODIFIED" => serde_json::from_str(object).map(Change::Set),
        "DELETED" => metadata().map(Change::Deleted),
        "BOOKMARK" => metadata().map(Change::Bookmark),
        "ERROR" => return failure(object.as_bytes(), StatusCode::INTERNAL_SERVER_ERROR).map(Some),
        _ => return Ok(None),
    };
    change.map(Some).map_err(KubernetesError::Malformed)
}

/// What an answer means that is no success: that the past is gone, or an error. `status` is for a body that names none.
pub(super) fn failure(body: &[u8], status: StatusCode) -> Result<Change, KubernetesError> {
    let told: Option<Status> = serde_json::from_slice(body).ok();
    let (code, message) = told.map_or((None, None), |told| (told.code, told.message));
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = code.unwrap_or(status);
    if status == StatusCode::GONE {
        return Ok(Change::Gone);
    }
    let message = message.as_deref().map_or_else(String::new, shortened);
    Err(KubernetesError::Refused { status, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of the form that an API server gives them, `null` where nothing is.
    const BOOKMARK: &str = r#"{"type":"BOOKMARK","object":{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"resourceVersion":"12746","creationTimestamp":null},"addressType":"","endpoints":null,"ports":null}}"#;
    const EMPTY: &str = r#"{"type":"ADDED","object":{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"api-x","namespace":"shop","resourceVersion":"7"},"addressType":"IPv4","endpoints":null,"ports":null}}"#;
    const FORGOTTEN: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (3)","reason":"Expired","code":410}}"#;

    #[test]
    fn lines_of_a_watch_are_read() {
        let read = |line: &str| change(line.as_bytes()).unwrap();

        assert!(
            matches!(read(BOOKMARK), Some(Change::Bookmark(at)) if at.resource_version == "12746")
        );
        let Some(Change::Set(slice)) = read(EMPTY) else {
            panic!("not a slice");
        };
        assert!(slice.endpoints.is_none() && slice.address_type == AddressType::V4);
        let deleted = EMPTY.replace("ADDED", "DELETED");
        assert!(matches!(read(&deleted), Some(Change::Deleted(of)) if of.name == "api-x"));
        assert!(matches!(read(FORGOTTEN), Some(Change::Gone)));
        let unknown = EMPTY.replace("ADDED", "PONDERED");
        assert!(read(&unknown).is_none());
    }

    #[test]
    fn a_refusal_says_what_the_api_server_said() {
        let body = br#"{"kind":"Status","code":403,"message":"endpointslices is forbidden:\nUser \"x\" cannot list"}"#;

        let refused = failure(body, StatusCode::FORBIDDEN).unwrap_err();
        let bare = failure(b"<html>", StatusCode::BAD_GATEWAY).unwrap_err();

        assert_eq!(
            refused.to_string(),
            "the API server answers 403 Forbidden: endpointslices is forbidden: User \"x\" cannot list"
        );
        assert_eq!(bare.to_string(), "the API server answers 502 Bad Gateway: ");
    }
}
