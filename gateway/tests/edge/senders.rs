//! Those who send webhooks, one of each provider, as they would send: with a head that they signed themselves.

use std::time::SystemTime;

use sallyport_gateway::Source;
use sallyport_security::Secret;
use serde_json::{Value, json};

/// A provider that sends to a hook of its name.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) name: &'static str,
    /// As settings name it.
    source: Value,
    /// What the hook verifies with.
    key: &'static str,
    /// What is signed with: the same, but for Discord.
    secret: &'static str,
    /// Something that is stored, of this name.
    pub(crate) body: fn(id: &str) -> String,
}

const TEXT: &str = "a-secret-of-some-length";
/// The pair of keys of RFC 8032, 7.1.
const PRIVATE: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const STANDARD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One of each.
pub(crate) fn all() -> Vec<Sender> {
    let mut all: Vec<_> = [
        ("telegram", update as fn(&str) -> String),
        ("github", |_id| json!({"repository": {"id": 7}}).to_string()),
        ("slack", |id| {
            json!({"type": "event_callback", "event_id": id, "event": {"type": "message", "channel": "C1"}}).to_string()
        }),
        ("discord", |id| json!({"type": 2, "id": id, "channel_id": "5"}).to_string()),
        ("stripe", |id| json!({"id": id, "type": "charge.succeeded"}).to_string()),
        ("standard_webhooks", |_id| json!({"type": "user.created"}).to_string()),
        ("pagerduty", |id| {
            json!({"event": {"id": id, "event_type": "incident.triggered"}}).to_string()
        }),
        ("alertmanager", |_id| json!({"groupKey": "g", "status": "firing"}).to_string()),
    ]
    .into_iter()
    .map(|(name, body)| {
        let (key, secret) = match name {
            "discord" => (PUBLIC, PRIVATE),
            "standard_webhooks" => (STANDARD, STANDARD),
            _ => (TEXT, TEXT),
        };
        let source = json!(name);
        Sender { name, source, key, secret, body }
    })
    .collect();
    let scheme = json!({
        "header": "X-Signature",
        "signed": "{id}.{timestamp}.{body}",
        "timestamp_header": "X-Timestamp",
        "id_header": "X-Delivery",
    });
    all.push(Sender {
        name: "hmac",
        source: json!({"hmac": scheme}),
        key: TEXT,
        secret: TEXT,
        body: |id| json!({"order": id}).to_string(),
    });
    all
}

fn update(id: &str) -> String {
    let number = id.bytes().fold(0, |sum, byte| sum + i64::from(byte));
    json!({"update_id": number, "message": {"chat": {"id": 42}}}).to_string()
}

/// The one of this name.
pub(crate) fn sender(name: &str) -> Sender {
    let mut all = all().into_iter();
    all.find(|sender| sender.name == name).unwrap()
}

/// A route `/hooks/{name}` with a hook for each of them.
pub(crate) fn route() -> Value {
    let hooks: Vec<_> = all().iter().map(Sender::hook).collect();
    json!({"path": "/hooks/{name}", "accept": {"hooks": hooks}})
}

impl Sender {
    /// Its hook in the settings.
    pub(crate) fn hook(&self) -> Value {
        json!({"name": self.name, "source": self.source, "secrets": [self.key]})
    }

    /// The same with another secret.
    pub(crate) fn with_secret(self, secret: &'static str) -> Self {
        Self { secret, ..self }
    }

    /// Whether its head alone proves who it is.
    pub(crate) fn proves_itself(&self) -> bool {
        matches!(self.name, "telegram" | "alertmanager")
    }

    /// The delivery `id`, signed now.
    pub(crate) fn delivery(&self, id: &str) -> String {
        self.request(id, &(self.body)(id))
    }

    /// `body`, signed now as the delivery `id`.
    pub(crate) fn request(&self, id: &str, body: &str) -> String {
        self.signed_at(id, body, SystemTime::now())
    }

    /// The fields that prove it.
    pub(crate) fn fields(&self, id: &str, body: &str, then: SystemTime) -> Vec<(String, String)> {
        let source: Source = serde_json::from_value(self.source.clone()).unwrap();
        let secret = Secret::from(self.secret);
        let signed = source.sign(&secret, id, body.as_bytes(), then).unwrap();
        let fields = signed.iter();
        fields
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    }

    /// `body`, signed then as the delivery `id`.
    pub(crate) fn signed_at(&self, id: &str, body: &str, then: SystemTime) -> String {
        let fields = self.fields(id, body, then).into_iter();
        let fields: String = fields
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!(
            "POST /hooks/{} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{fields}\r\n{body}",
            self.name,
            body.len()
        )
    }
}

/// The same request as our own proxy would hand it on for this client.
pub(crate) fn from(address: &str, request: &str) -> String {
    let field = format!("Host: edge\r\nX-Forwarded-For: {address}\r\n");
    request.replacen("Host: edge\r\n", &field, 1)
}
