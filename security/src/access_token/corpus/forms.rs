//! What is no token, or not all of one.

use serde_json::json;

use super::{Bad, Issuer, SUBJECT, bad, part, with};
use crate::access_token::{Rejected, TOKEN_BYTES_MAX};

impl Issuer {
    pub(super) fn of_forms(&self) -> Vec<Bad> {
        let good = self.good(SUBJECT);
        let (message, signature) = good.rsplit_once('.').unwrap_or_default();
        let (header, claims) = message.split_once('.').unwrap_or_default();
        let other = part(&with(Self::claims(), &json!({"sub": "root"})).to_string());
        let (short, _) = signature.split_at(signature.len().saturating_sub(2));
        let padding = json!({"padding": "a".repeat(TOKEN_BYTES_MAX)});
        let malformed = |name, token| (name, token, Rejected::Malformed);
        let forged = |name, token| (name, token, Rejected::Signature);
        let large = |name, token| (name, token, Rejected::TooLarge);
        let all = [
            malformed("nothing", String::new()),
            malformed("dots", "..".to_owned()),
            malformed("one part", header.to_owned()),
            malformed("two parts", message.to_owned()),
            malformed("four parts", format!("{good}.{signature}")),
            malformed(
                "five parts",
                format!("{header}..{claims}.{claims}.{signature}"),
            ),
            malformed("padded", format!("{header}=.{claims}.{signature}")),
            malformed("a signature in other letters", format!("{good}!")),
            malformed(
                "a list as header",
                format!("{}.{claims}.{signature}", part("[]")),
            ),
            malformed(
                "a number as header",
                format!("{}.{claims}.{signature}", part("1")),
            ),
            forged("without its signature", format!("{message}.")),
            forged("a signature cut short", format!("{message}.{short}")),
            forged("other claims", format!("{header}.{other}.{signature}")),
            large("too large, well signed", self.token(&json!({}), &padding)),
            large("16 KiB of letters", "a".repeat(16 * 1024)),
            large("16 KiB of dots", ".".repeat(16 * 1024)),
        ];
        all.into_iter()
            .map(|(name, token, why)| bad(name, token, why))
            .collect()
    }
}
