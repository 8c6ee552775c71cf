//! Answers of text in fewer bytes, for clients that take them so.
//!
//! It exists beside Pingora's own module because that one reads no weights (`gzip;q=0` is yes to it), takes the first coding that is
//! named, compresses the shortest answer, never writes the end of a brotli stream, and knows nothing of secrets. An answer that holds a secret beside
//! something that the asker chose tells the secret by its length (BREACH); so what belongs to one person is compressed for
//! that person's own pages alone, and never for a request that another site's page has caused.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType};

mod encoder;

use encoder::Encoder;

/// Below this an answer fits into one packet either way.
const BYTES_MIN: usize = 1_024;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");

/// A way to write the same in fewer bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    /// The better one first.
    pub(crate) const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    pub(crate) fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        })
    }

    /// The whole of a body in this coding; `None` where that saves nothing. Takes milliseconds, so not for a thread that has others to
    /// serve.
    pub(crate) fn press(self, whole: &[u8]) -> Option<Bytes> {
        let mut encoder = Encoder::new(self);
        let mut pressed = encoder.push(whole).ok()?;
        pressed.extend(encoder.finish().ok()?);
        pressed.shrink_to_fit();
        (pressed.len() < whole.len()).then(|| Bytes::from(pressed))
    }
}

/// The best coding that a client takes. The edge's taste decides among those that weigh the same.
pub(crate) fn accepted(request: &HeaderMap) -> Option<Coding> {
    let mut best: Option<(Coding, u16)> = None;
    for coding in Coding::ALL {
        let weight = weight_of(request, coding);
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((coding, weight));
        }
    }
    best.map(|(coding, _)| coding)
}

/// How much a client wants a coding, in thousandths. One that is not named is not wanted, not even by `*`, which programs send
/// that know nothing of the newer codings.
fn weight_of(request: &HeaderMap, coding: Coding) -> u16 {
    let values = request.get_all(header::ACCEPT_ENCODING).iter();
    let members = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut weight = 0;
    for member in members {
        let mut parts = member.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        if name
            .as_bytes()
            .eq_ignore_ascii_case(coding.name().as_bytes())
        {
            let said = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            weight = said.map_or(1_000, thousandths);
        }
    }
    weight
}

/// `0.5` as 500; what is no weight is none.
fn thousandths(text: &str) -> u16 {
    let weight = text.parse::<f32>().unwrap_or_default();
    if !(0.0..=1.0).contains(&weight) {
        return 0;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1000"
    )]
    let thousandths = (weight * 1_000.0) as u16;
    thousandths
}

/// Whether the answers to a request may be compressed: they are nobody's own, or the person's own page asks for them. `Sec-Fetch-Site` is
/// written by browsers and can be set by no page.
pub(crate) fn is_safe_for(request: &HeaderMap) -> bool {
    let is_somebodys =
        request.contains_key(header::COOKIE) || request.contains_key(header::AUTHORIZATION);
    let site = request.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    !is_somebodys || matches!(site, Some(b"same-origin" | b"none"))
}

/// Whether an answer is one that can be compressed at all: whole, text, long enough or of unknown length, not compressed yet, and
/// nothing that sets a secret. Streams of events are none, since an encoder would hold them back.
pub(crate) fn is_fit(status: StatusCode, headers: &HeaderMap) -> bool {
    let is_whole = status.is_success()
        && status != StatusCode::NO_CONTENT
        && status != StatusCode::PARTIAL_CONTENT
        && !headers.contains_key(header::CONTENT_ENCODING);
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let keeps_form = headers.get_all(header::CACHE_CONTROL).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.contains("no-transform"))
    });
    is_whole
        && !keeps_form
        && !headers.contains_key(header::SET_COOKIE)
        && length.is_none_or(is_long)
        && is_text(headers)
}

/// Whether a body of so many bytes is worth it.
pub(crate) fn is_long(bytes: usize) -> bool {
    bytes >= BYTES_MIN
}

fn is_text(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        Some(("text", kind)) => kind != "event-stream",
        Some(("application", kind)) => {
            matches!(
                kind,
                "javascript" | "json" | "xml" | "manifest+json" | "wasm"
            ) || kind.ends_with("+json")
                || kind.ends_with("+xml")
        }
        Some(("image", kind)) => kind == "svg+xml",
        _ => false,
    }
}

/// Tells caches on the way that an answer differs with what its asker takes.
///
/// # Errors
/// When a value is no header's value, which none of ours is.
pub(crate) fn tell_varying(response: &mut ResponseHeader) -> pingora::Result<()> {
    let is_told = response.headers.get_all(header::VARY).iter().any(|value| {
        let names = value.to_str().unwrap_or_default().split(',');
        names
            .map(str::trim)
            .any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding"))
    });
    if !is_told {
        response.append_header(header::VARY, ACCEPT_ENCODING)?;
    }
    Ok(())
}

/// Makes a head that of a compressed answer: its coding, and a validator that says "the same to a reader", not "the same bytes".
///
/// # Errors
/// When a value is no header's value, which none of ours is.
pub(crate) fn mark(response: &mut ResponseHeader, coding: Coding) -> pingora::Result<()> {
    response.insert_header(header::CONTENT_ENCODING, coding.name())?;
    response.remove_header(&header::ACCEPT_RANGES);
    let strong = response
        .headers
        .get(header::ETAG)
        .filter(|etag| !etag.as_bytes().starts_with(b"W/"));
    let weak =
        strong.and_then(|etag| HeaderValue::from_bytes(&[b"W/", etag.as_bytes()].concat()).ok());
    if let Some(weak) = weak {
        response.insert_header(header::ETAG, weak)?;
    }
    Ok(())
}

/// An answer that is compressed while it passes; nothing once it has ended.
pub(crate) struct Stream(Option<Encoder>);

impl Stream {
    /// Begins with the head of an answer, if it and its asker are such that it is compressed.
    ///
    /// # Errors
    /// When a value is no header's value, which none of ours is.
    pub(crate) fn begin(
        method: &Method,
        request: &HeaderMap,
        response: &mut ResponseHeader,
    ) -> pingora::Result<Option<Self>> {
        if *method == Method::HEAD || !is_fit(response.status, &response.headers) {
            return Ok(None);
        }
        tell_varying(response)?;
        let coding = accepted(request).filter(|_| is_safe_for(request));
        let Some(coding) = coding else {
            return Ok(None);
        };
        mark(response, coding)?;
        response.remove_header(&header::CONTENT_LENGTH);
        // How HTTP/1.1 frames what has no length; HTTP/2 leaves it out.
        response.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        Ok(Some(Self(Some(Encoder::new(coding)))))
    }

    /// Puts the compressed form of a piece in its place.
    ///
    /// # Errors
    /// When the encoder fails; the answer cannot go on then.
    pub(crate) fn press(&mut self, body: &mut Option<Bytes>, is_last: bool) -> pingora::Result<()> {
        let piece = body.take().unwrap_or_default();
        let Some(mut encoder) = self.0.take() else {
            return Ok(());
        };
        let mut pressed = encoder.push(&piece).map_err(broken)?;
        if is_last {
            pressed.extend(encoder.finish().map_err(broken)?);
        } else {
            self.0 = Some(encoder);
        }
        // An empty piece would end the answer.
        if !pressed.is_empty() {
            *body = Some(pressed.into());
        }
        Ok(())
    }
}

fn broken(error: std::io::Error) -> Box<Error> {
    Error::because(ErrorType::InternalError, "compressing an answer", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = fields.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    #[test]
    fn weights_decide_and_then_our_taste() {
        for (said, expected) in [
            ("gzip", Some(Coding::Gzip)),
            ("gzip, deflate, br", Some(Coding::Brotli)),
            ("GZIP", Some(Coding::Gzip)),
            ("br;q=0.5, gzip;q=0.8", Some(Coding::Gzip)),
            ("br; q=0, gzip", Some(Coding::Gzip)),
            ("gzip;q=0", None),
            ("gzip;q=0.000, br;q=2", None),
            ("identity", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(
                accepted(&headers(&[("accept-encoding", said)])),
                expected,
                "{said}"
            );
        }
        assert_eq!(accepted(&HeaderMap::new()), None);
    }

    #[test]
    fn text_is_fit_and_streams_pictures_and_cookies_are_not() {
        let fit = |fields: &[_]| is_fit(StatusCode::OK, &headers(fields));

        for text in [
            "text/html; charset=utf-8",
            "application/json",
            "image/svg+xml",
        ] {
            assert!(fit(&[("content-type", text)]), "{text}");
        }
        for other in [
            "text/event-stream",
            "image/png",
            "application/zip",
            "nonsense",
        ] {
            assert!(!fit(&[("content-type", other)]), "{other}");
        }
        let html = ("content-type", "text/html");
        for field in [
            ("content-length", "1023"),
            ("content-encoding", "br"),
            ("set-cookie", "a=1"),
            ("cache-control", "public, no-transform"),
        ] {
            assert!(!fit(&[html, field]), "{field:?}");
        }
        assert!(fit(&[html, ("content-length", "1024")]));
    }

    #[test]
    fn what_belongs_to_somebody_is_compressed_for_their_own_page_alone() {
        let cookie = ("cookie", "session=1");

        assert!(is_safe_for(&headers(&[])));
        assert!(!is_safe_for(&headers(&[cookie])));
        assert!(!is_safe_for(&headers(&[("authorization", "Bearer x")])));
        for (site, expected) in [
            ("same-origin", true),
            ("none", true),
            ("same-site", false),
            ("cross-site", false),
        ] {
            let request = headers(&[cookie, ("sec-fetch-site", site)]);
            assert_eq!(is_safe_for(&request), expected, "{site}");
        }
    }

    #[test]
    fn a_strong_validator_is_weakened() {
        let mut response = ResponseHeader::build(200, None).unwrap();
        response.insert_header("etag", "\"a\"").unwrap();
        mark(&mut response, Coding::Gzip).unwrap();
        mark(&mut response, Coding::Gzip).unwrap();

        assert_eq!(response.headers["etag"], "W/\"a\"");
        assert_eq!(response.headers["content-encoding"], "gzip");
    }
}
