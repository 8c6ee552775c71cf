//! Whom we may call, and how long we wait for them.
//!
//! The defaults are for the public internet. Who sends inside a network of their own names that network; nothing else opens it.

use sallyport_security::addresses::Network;
use serde::Deserialize;
use validator::{Validate, ValidationError};

/// Where web servers with a certificate listen. Other ports are where databases, mail and administrators' doors are.
const PORTS: [u16; 2] = [443, 8_443];
/// A connection that takes longer than this is not going to be a good one. Looking up the name is part of it.
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// What the standard recommends to give a receiver.
const REQUEST_TIMEOUT_MS: u64 = 15_000;
/// More would be a way to ask for all of them.
const PORTS_MAX: usize = 64;

/// Whom we may call, and how long we wait for them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether `http://` is taken, too: everybody on the way can read and change what is sent.
    pub allow_http: bool,
    /// Ports that may be called.
    #[validate(custom(function = are_ports))]
    pub ports: Vec<u16>,
    /// Networks that may be called although they are not of the public internet, such as `10.20.0.0/16`. Everybody who may enter
    /// a URL can then send requests to everything in them.
    #[validate(length(max = 64, message = "must be 64 networks at most"))]
    pub networks: Vec<Network>,
    /// Deadline for looking up the name and for the connection, in milliseconds.
    #[validate(range(min = 100, max = 60_000, message = "must be 100–60000"))]
    pub connect_timeout_ms: u64,
    /// Deadline for one delivery with its answer, in milliseconds.
    #[validate(range(min = 500, max = 50_000, message = "must be 500–50000"))]
    pub request_timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_http: false,
            ports: PORTS.to_vec(),
            networks: Vec::new(),
            connect_timeout_ms: CONNECT_TIMEOUT_MS,
            request_timeout_ms: REQUEST_TIMEOUT_MS,
        }
    }
}

fn are_ports(ports: &[u16]) -> Result<(), ValidationError> {
    if (1..=PORTS_MAX).contains(&ports.len()) && !ports.contains(&0) {
        Ok(())
    } else {
        Err(ValidationError::new("ports").with_message("must be 1–64 ports, none of them 0".into()))
    }
}

#[cfg(test)]
mod tests {
    use validator::Validate;

    use super::Settings;

    fn read(text: &str) -> Result<Settings, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn nothing_inside_is_open_until_it_is_named() {
        let settings = read("{}").expect("the shortest form");

        settings.validate().expect("the defaults are valid");
        assert!(settings.networks.is_empty() && !settings.allow_http);
        assert_eq!(settings.ports, [443, 8_443]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(read(r#"{"networks": ["10.0.0.1/8"]}"#).is_err());
        assert!(read(r#"{"network": []}"#).is_err());
        for wrong in [
            r#"{"ports": []}"#,
            r#"{"ports": [0]}"#,
            r#"{"request_timeout_ms": 1}"#,
        ] {
            let settings = read(wrong).expect("it parses");
            assert!(settings.validate().is_err(), "{wrong}");
        }
    }
}
