//! Names and keys that a token would choose itself, and types of other tokens.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{Bad, Issuer, bad};
use crate::access_token::Rejected;

impl Issuer {
    pub(super) fn of_headers(&self) -> Vec<Bad> {
        let names = [
            "../../../../dev/null",
            "/proc/sys/kernel/randomize_va_space",
            "ed' OR '1'='1",
            "x' UNION SELECT 'AA' -- ",
            "ed\u{0}",
            "ED",
            "",
            "|/bin/true",
            "http://attacker.example/key.pem",
        ];
        let types = ["JWT", "logout+jwt", "dpop+jwt", "", "at+jwt "];
        let mut all = Vec::new();
        let mut each = |field: &str, why, values: Vec<Value>| {
            all.extend(values.into_iter().map(|value| {
                let token = self.token(&json!({field: value}), &json!({}));
                bad(format!("{field} {value}"), token, why)
            }));
        };
        each("kid", Rejected::UnknownKey, names.map(Value::from).to_vec());
        each("kid", Rejected::Malformed, vec![json!(1), json!(["ed"])]);
        each("typ", Rejected::Type, types.map(Value::from).to_vec());
        each("typ", Rejected::Type, vec![Value::Null]);
        each(
            "jku",
            Rejected::BringsKey,
            vec![json!("https://attacker.example/keys")],
        );
        each(
            "x5u",
            Rejected::BringsKey,
            vec![json!("https://attacker.example/chain")],
        );
        each("x5c", Rejected::BringsKey, vec![json!(["MIIB"])]);
        let own = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        each("jwk", Rejected::BringsKey, vec![own]);
        each("crit", Rejected::Critical, vec![json!(["b64"]), json!([])]);
        each("zip", Rejected::Critical, vec![json!("DEF")]);
        let twice = r#"{"alg":"EdDSA","alg":"none","typ":"at+jwt","kid":"ed"}"#;
        let token = self.written(twice, &Self::claims().to_string(), Algorithm::EdDSA);
        all.push(bad("alg twice", token, Rejected::Malformed));
        all
    }
}
