//! Is a webhook's body said to be of a type that its source sends?
//!
//! A browser can be made to send `text/plain` and form bodies to anybody without asking; `application/json` it cannot. Forms are
//! taken for providers alone who sign them, which no browser can.

use http::header::CONTENT_TYPE;

use super::Asked;
use crate::refusal::Refusal;

pub(super) fn check(asked: &Asked<'_>, accepted: &'static [&'static str]) -> Result<(), Refusal> {
    let mut types = asked.headers().get_all(CONTENT_TYPE).iter();
    let media_type = types
        .next()
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if types.next().is_some() || !is_one_of(accepted, media_type) {
        return Err(Refusal::ContentType(accepted));
    }
    Ok(())
}

/// One of these types, with no parameter but `charset=utf-8`.
fn is_one_of(accepted: &[&str], media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    accepted
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
        && parts.all(|parameter| {
            parameter.is_empty()
                || parameter.split_once('=').is_some_and(|(name, value)| {
                    name.eq_ignore_ascii_case("charset")
                        && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
                })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_json(media_type: &str) -> bool {
        is_one_of(&["application/json"], media_type)
    }

    #[test]
    fn json_in_utf_8_passes_and_nothing_else() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=utf-16",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn each_type_that_the_source_sends_passes() {
        let both = ["application/json", "application/x-www-form-urlencoded"];
        for good in both {
            assert!(is_one_of(&both, good), "{good}");
        }
        assert!(!is_one_of(&both, "text/plain"));
    }
}
