//! Envoy as a peer: it forwards, counts against a local rate limit, and adds the headers that the edge adds.

use std::path::Path;
use std::process::Command;

use sallyport_security::headers::{RouteClass, response_headers};
use serde_json::{Value, json};

use crate::peer::Peer;

/// Where it listens and what it serves with.
pub(crate) struct Doors<'d> {
    pub(crate) http: u16,
    pub(crate) tls: u16,
    pub(crate) upstream: u16,
    /// PEM files.
    pub(crate) chain: &'d Path,
    pub(crate) key: &'d Path,
}

/// Starts this program with two threads.
pub(crate) fn start(program: &str, folder: &Path, doors: &Doors<'_>) -> Peer {
    let configuration = folder.join("envoy.json");
    std::fs::write(&configuration, configure(doors).to_string()).unwrap();
    let mut command = Command::new(program);
    command.arg("-c").arg(&configuration);
    command.args(["--concurrency", "2", "--use-dynamic-base-id", "-l", "error"]);
    Peer::start(&mut command, doors.http)
}

fn configure(doors: &Doors<'_>) -> Value {
    let tls = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": { "tls_certificates": [{
                "certificate_chain": { "filename": doors.chain },
                "private_key": { "filename": doors.key },
            }]},
        },
    });
    let mut secure = listener("tls", doors.tls);
    secure["filter_chains"][0]["transport_socket"] = tls;
    json!({ "static_resources": {
        "listeners": [listener("http", doors.http), secure],
        "clusters": [{
            "name": "origin",
            "connect_timeout": "1s",
            "load_assignment": { "cluster_name": "origin", "endpoints": [{ "lb_endpoints": [
                { "endpoint": { "address": address(doors.upstream) } },
            ]}]},
        }],
    }})
}

fn address(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}

fn listener(name: &str, port: u16) -> Value {
    let headers: Vec<Value> = response_headers(RouteClass::Api)
        .iter()
        .map(|(name, value)| {
            let value = value.to_str().unwrap();
            json!({ "header": { "key": name.as_str(), "value": value } })
        })
        .collect();
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": { "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "origin" } }],
            "response_headers_to_add": headers,
        }]},
        "http_filters": [local_rate_limit(), {
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        }],
    });
    json!({
        "name": name,
        "address": address(port),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }]}],
    })
}

/// Asked for every request and never exhausted, as in the edge.
fn local_rate_limit() -> Value {
    let always = json!({ "default_value": { "numerator": 100, "denominator": "HUNDRED" } });
    json!({
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "local",
            "token_bucket": { "max_tokens": 10_000_000, "tokens_per_fill": 10_000_000, "fill_interval": "1s" },
            "filter_enabled": always,
            "filter_enforced": always,
        },
    })
}
