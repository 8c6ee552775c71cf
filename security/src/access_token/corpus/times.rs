//! Times that are over, too far away, or no times.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{Bad, Issuer, LEEWAY_SECONDS, bad, now, with};
use crate::access_token::Rejected;

impl Issuer {
    /// Times that are over or too far away.
    pub(super) fn of_times(&self) -> Vec<Bad> {
        let now = now();
        let over = [now - 61, now - LEEWAY_SECONDS - 1, 0];
        let far = [now + 86_400, 32_503_680_000, u64::MAX];
        let mut all = self.each_claim("exp", Rejected::Expired, over.map(Value::from));
        all.extend(self.each_claim("exp", Rejected::LivesTooLong, far.map(Value::from)));
        for claim in ["nbf", "iat"] {
            // Half a minute beyond the leeway, however slow the machine is.
            let early = [json!(now + 2 * LEEWAY_SECONDS), json!(u64::MAX)];
            all.extend(self.each_claim(claim, Rejected::NotYetValid, early));
        }
        all
    }

    /// Times that are none.
    pub(super) fn of_no_times(&self) -> Vec<Bad> {
        let later = now() + 900;
        let kinds = || {
            vec![
                json!(later.to_string()),
                json!(""),
                json!(true),
                json!([later]),
                json!({"exp": later}),
                json!(-1),
                json!(1.5),
                json!(1e300),
            ]
        };
        let mut all = self.each_claim("exp", Rejected::Claims, [Value::Null]);
        for claim in ["exp", "nbf", "iat"] {
            all.extend(self.each_claim(claim, Rejected::Claims, kinds()));
        }
        // What no JSON value can hold, but text can.
        let others = with(Self::claims(), &json!({"exp": null})).to_string();
        let others = others.strip_prefix('{').unwrap_or_default();
        for number in [
            format!("{later}.0"),
            format!("0{later}"),
            format!("{later}e0"),
            "1e400".to_owned(),
            "99999999999999999999999".to_owned(),
            "null".to_owned(),
            "NaN".to_owned(),
        ] {
            let claims = format!("{{\"exp\":{number},{others}");
            let token = self.written(&Self::header().to_string(), &claims, Algorithm::EdDSA);
            all.push(bad(format!("exp {number}"), token, Rejected::Claims));
        }
        all
    }
}
