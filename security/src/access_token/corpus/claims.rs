//! Others' tokens, claims of another kind, and claims that stand there twice.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{Bad, ISSUER, Issuer, bad};
use crate::access_token::Rejected;

impl Issuer {
    pub(super) fn of_claims(&self) -> Vec<Bad> {
        let kinds = || vec![Value::Null, json!(1), json!(true), json!({"api": true})];
        let issuers = [
            "https://id.example.org/",
            "https://id.example.org.attacker.example",
            "HTTPS://ID.EXAMPLE.ORG",
            "",
        ];
        let long = "s".repeat(129);
        let subjects = [
            "",
            "a b",
            "a\r\nx-user-id: root",
            "p\u{e9}ter",
            "\u{202e}toor",
            &long,
        ];
        let others = vec![
            json!("other"),
            json!(["other"]),
            json!([]),
            json!("API"),
            json!("api "),
        ];
        let mut all = self.each_claim("aud", Rejected::Audience, others);
        all.extend(self.each_claim("iss", Rejected::Issuer, issuers.map(Value::from)));
        all.extend(self.each_claim("sub", Rejected::Subject, subjects.map(Value::from)));
        for claim in ["aud", "iss", "sub"] {
            all.extend(self.each_claim(claim, Rejected::Claims, kinds()));
        }
        let deep = (0..400).fold(json!("api"), |inner, _| json!([inner]));
        all.extend(self.each_claim("aud", Rejected::Claims, [deep]));
        all.extend(self.each_claim("iss", Rejected::Claims, [json!([ISSUER])]));
        all.extend(self.each_claim("sub", Rejected::Claims, [json!(["person-7"])]));
        all
    }

    /// Each of these in the place of one claim.
    pub(super) fn each_claim(
        &self,
        claim: &str,
        why: Rejected,
        values: impl IntoIterator<Item = Value>,
    ) -> Vec<Bad> {
        let changed = |value: Value| {
            let token = self.token(&json!({}), &json!({claim: value}));
            bad(format!("{claim} {value:.60}"), token, why)
        };
        values.into_iter().map(changed).collect()
    }

    /// What JSON allows and a reader may take for one thing or the other.
    pub(super) fn doubled_and_nested(&self) -> Vec<Bad> {
        let claims = Self::claims().to_string();
        let more = claims.strip_prefix('{').unwrap_or_default();
        let odd = [
            format!("{{\"sub\":\"root\",{more}"),
            format!("{{\"exp\":9999999999,{more}"),
            format!("{{\"iss\":\"{ISSUER}\",{more}"),
            format!("{{\"aud\":\"api\",{more}"),
            format!("{{\"nbf\":0,{more}"),
            json!({"claims": Self::claims()}).to_string(),
            json!([Self::claims()]).to_string(),
        ];
        let header = Self::header().to_string();
        let written = |claims: String| {
            let token = self.written(&header, &claims, Algorithm::EdDSA);
            bad(format!("{claims:.60}"), token, Rejected::Claims)
        };
        odd.into_iter().map(written).collect()
    }
}
