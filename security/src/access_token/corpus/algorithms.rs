//! No algorithm, another one, one key under the name of another, and nobody's key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use super::{Bad, Issuer, bad, part, with};
use crate::access_token::Rejected;

impl Issuer {
    /// Tokens that say that nothing signs them, in every spelling that a parser may fall for.
    pub(super) fn unsigned(&self) -> Vec<Bad> {
        let claims = Self::claims().to_string();
        let mut all = Vec::new();
        for none in ["none", "None", "NONE", "nOnE", "", " none", "none\u{0}"] {
            let header = with(Self::header(), &json!({"alg": none})).to_string();
            let bare = format!("{}.{}.", part(&header), part(&claims));
            let signed = self.written(&header, &claims, Algorithm::EdDSA);
            for (form, token) in [("bare", bare), ("signed", signed)] {
                all.push(bad(
                    format!("alg {none:?}, {form}"),
                    token,
                    Rejected::Malformed,
                ));
            }
        }
        all
    }

    /// Tokens under a MAC whose secret is a public key, as PEM and as bytes.
    pub(super) fn under_public_keys(&self) -> Vec<Bad> {
        let mut all = Vec::new();
        for (kid, why) in [("rsa", Rejected::UnknownKey), ("mac", Rejected::Signature)] {
            for pem in &self.public {
                let lines = pem.lines().filter(|line| !line.starts_with('-'));
                let der = STANDARD
                    .decode(lines.collect::<String>())
                    .unwrap_or_default();
                for (form, secret) in [("PEM", pem.as_bytes()), ("DER", &der)] {
                    let name = format!(
                        "HS256 under a public key as {form}, {} bytes, kid {kid}",
                        secret.len()
                    );
                    let key = EncodingKey::from_secret(secret);
                    all.push(bad(name, Self::under(&key, kid), why));
                }
            }
        }
        let empty = EncodingKey::from_secret(b"");
        all.push(bad(
            "HS256 under an empty secret",
            Self::under(&empty, "mac"),
            Rejected::Signature,
        ));
        all
    }

    /// Tokens whose key is for another algorithm than they say, or that nobody of ours has signed.
    pub(super) fn under_other_keys(&self) -> Vec<Bad> {
        let claims = Self::claims().to_string();
        let mut all = Vec::new();
        for (alg, why) in [
            ("HS384", Rejected::UnknownKey),
            ("PS256", Rejected::UnknownKey),
            ("ES384", Rejected::UnknownKey),
            ("RS256", Rejected::UnknownKey),
            ("eddsa", Rejected::Malformed),
        ] {
            let header = with(Self::header(), &json!({"alg": alg})).to_string();
            let token = self.written(&header, &claims, Algorithm::EdDSA);
            all.push(bad(format!("EdDSA that says {alg}"), token, why));
        }
        for (name, kid) in [("with a kid", json!("ed")), ("without", json!(null))] {
            let header = with(Self::header(), &json!({"kid": kid})).to_string();
            let token = Self::sealed(&header, &claims, &self.stranger, Algorithm::EdDSA);
            all.push(bad(
                format!("a stranger's, {name}"),
                token,
                Rejected::Signature,
            ));
        }
        all
    }

    fn under(key: &EncodingKey, kid: &str) -> String {
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}).to_string();
        Self::sealed(&header, &Self::claims().to_string(), key, Algorithm::HS256)
    }
}
