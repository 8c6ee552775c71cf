//! Asking the API server: for all slices of a service, and then for their changes, line by line.
//!
//! It exists so that every question has the pod's current token, a deadline and a bound on what is read. A client is made anew for
//! each list and its watch, at least every five minutes, so that a renewed authority is believed as soon as a renewed token is used.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, StatusCode};
use reqwest::{Certificate, Client, Response, redirect};
use sallyport_security::Secret;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::error::KubernetesError;
use super::wire::{self, Change, SliceList};
use crate::settings::KubernetesSettings;

/// To the API server; it is in the same cluster.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// To the end of a list, and to the head of a watch.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How long a watch is asked for. Different for each, so that edges that began together do not go on together.
const WATCH_SECONDS: RangeInclusive<u64> = 240..=300;
/// So much later a watch that has not ended is dead.
const WATCH_GRACE: Duration = Duration::from_secs(15);
/// A connection that has died without a word is noticed after two of these.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Some ten thousand endpoints; a group takes 64.
const LIST_BYTES_MAX: usize = 8 * 1024 * 1024;
/// More than the cluster's own store takes for one object (1.5 MiB).
const LINE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What is read of a refusal.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;
/// A token has some 1,200 bytes, an authority as many.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// The API server, as this pod may ask it.
pub(super) struct ApiServer {
    client: Client,
    slices: Url,
    /// Nothing for a proxy on this machine.
    authorization: Option<HeaderValue>,
}

impl ApiServer {
    /// Reads what it takes to ask; nothing is asked yet.
    pub(super) async fn reach(settings: &KubernetesSettings) -> Result<Self, KubernetesError> {
        let (Some(server), Some(namespace)) = (&settings.api_server, &settings.namespace) else {
            return Err(KubernetesError::NotInACluster);
        };
        let mut client = Client::builder()
            .user_agent("sallyport")
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_DEADLINE)
            .tcp_keepalive(PING_EVERY)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_EVERY);
        let mut authorization = None;
        if server.scheme() == "https" {
            let authorities = authorities(&settings.ca_file).await?;
            client = client.https_only(true).tls_certs_only(authorities);
            authorization = Some(bearer(&settings.token_file).await?);
        }
        Ok(Self {
            client: client.build().map_err(KubernetesError::Client)?,
            slices: slices_of(server, namespace, &settings.service),
            authorization,
        })
    }

    /// All slices of the service. Cancel safe.
    pub(super) async fn list(&self) -> Result<SliceList, KubernetesError> {
        let listing = async {
            let mut response = self.ask(self.slices.clone()).await?;
            if response.status() != StatusCode::OK {
                return Err(refusal(response).await);
            }
            let list = body(&mut response, LIST_BYTES_MAX).await?;
            let list = list.ok_or(KubernetesError::TooMuch("8 MiB in a list"))?;
            serde_json::from_slice(&list).map_err(KubernetesError::Malformed)
        };
        timeout(ANSWER_DEADLINE, listing)
            .await
            .unwrap_or(Err(KubernetesError::Deadline(ANSWER_DEADLINE)))
    }

    /// What changes from this version of the cluster on; nothing if that is so long ago that it is forgotten. Cancel safe.
    pub(super) async fn watch(&self, since: &str) -> Result<Option<Watch>, KubernetesError> {
        let lasts = rand::random_range(WATCH_SECONDS);
        let mut url = self.slices.clone();
        url.query_pairs_mut()
            .append_pair("watch", "1")
            .append_pair("allowWatchBookmarks", "true")
            .append_pair("timeoutSeconds", &lasts.to_string())
            .append_pair("resourceVersion", since);
        let asking = async {
            let response = self.ask(url).await?;
            match response.status() {
                StatusCode::OK => Ok(Some(response)),
                StatusCode::GONE => Ok(None),
                _ => Err(refusal(response).await),
            }
        };
        let response = timeout(ANSWER_DEADLINE, asking)
            .await
            .unwrap_or(Err(KubernetesError::Deadline(ANSWER_DEADLINE)))?;
        Ok(response.map(|response| Watch {
            response,
            lines: Lines::default(),
            over_at: Instant::now() + Duration::from_secs(lasts) + WATCH_GRACE,
        }))
    }

    async fn ask(&self, url: Url) -> Result<Response, KubernetesError> {
        let mut request = self.client.get(url).header(ACCEPT, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.send().await.map_err(KubernetesError::Unreachable)
    }
}

/// Changes, as they come.
pub(super) struct Watch {
    response: Response,
    lines: Lines,
    over_at: Instant,
}

impl Watch {
    /// The next change; nothing when the API server has ended the watch, as it does after some minutes. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<Change>, KubernetesError> {
        loop {
            while let Some(line) = self.lines.next() {
                if let Some(change) = wire::change(&line)? {
                    return Ok(Some(change));
                }
            }
            let chunk = timeout_at(self.over_at, self.response.chunk()).await;
            let chunk = chunk.map_err(|_elapsed| KubernetesError::Silent)?;
            let Some(chunk) = chunk.map_err(KubernetesError::Broken)? else {
                return Ok(None);
            };
            self.lines.push(&chunk)?;
        }
    }
}

/// Bytes that become lines.
#[derive(Default)]
struct Lines {
    bytes: BytesMut,
    /// So many of them are known to hold no end of a line.
    searched: usize,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Result<(), KubernetesError> {
        if self.bytes.len().saturating_add(bytes.len()) > LINE_BYTES_MAX {
            return Err(KubernetesError::TooMuch("2 MiB in one change"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn next(&mut self) -> Option<BytesMut> {
        let unsearched = self.bytes.get(self.searched..).unwrap_or_default();
        let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.bytes.len();
            return None;
        };
        let line = self
            .bytes
            .split_to(self.searched.saturating_add(end).saturating_add(1));
        self.searched = 0;
        Some(line)
    }
}

/// Names of namespaces and services were checked with the settings.
fn slices_of(server: &Url, namespace: &str, service: &str) -> Url {
    let mut url = server.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend([
            "apis",
            "discovery.k8s.io",
            "v1",
            "namespaces",
            namespace,
            "endpointslices",
        ]);
    }
    let of_service = format!("kubernetes.io/service-name={service}");
    url.query_pairs_mut()
        .append_pair("labelSelector", &of_service);
    url
}

async fn refusal(mut response: Response) -> KubernetesError {
    let status = response.status();
    let body = body(&mut response, REFUSAL_BYTES_MAX).await;
    let body = body.ok().flatten().unwrap_or_default();
    match wire::failure(&body, status) {
        Err(error) => error,
        // Only a watch asks for the past.
        Ok(_) => KubernetesError::Refused {
            status,
            message: String::new(),
        },
    }
}

/// The whole body; nothing if it is larger.
async fn body(
    response: &mut Response,
    bytes_max: usize,
) -> Result<Option<BytesMut>, KubernetesError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(KubernetesError::Broken)? {
        if body.len().saturating_add(chunk.len()) > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

async fn bearer(path: &Path) -> Result<HeaderValue, KubernetesError> {
    let no_token = || KubernetesError::Token(path.to_owned());
    let token = String::from_utf8(read(path).await?).map_err(|_not_text| no_token())?;
    let token = Secret::new(token);
    let bare = token.expose().trim();
    if bare.is_empty() {
        return Err(no_token());
    }
    let bearer = Secret::new(format!("Bearer {bare}"));
    let header = HeaderValue::from_str(bearer.expose());
    let mut header = header.map_err(|_not_a_value| no_token())?;
    header.set_sensitive(true);
    Ok(header)
}

async fn authorities(path: &Path) -> Result<Vec<Certificate>, KubernetesError> {
    match Certificate::from_pem_bundle(&read(path).await?) {
        Ok(authorities) if !authorities.is_empty() => Ok(authorities),
        Ok(_) | Err(_) => Err(KubernetesError::Authorities(path.to_owned())),
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, KubernetesError> {
    let reading = async {
        let mut bytes = Vec::new();
        let file = File::open(path).await?;
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).await?;
        Ok(bytes)
    };
    reading.await.map_err(|source| KubernetesError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_asked_for_by_the_name_of_their_service() {
        let url = |server: &str| slices_of(&server.parse().unwrap(), "shop", "api").to_string();

        let asked = "apis/discovery.k8s.io/v1/namespaces/shop/endpointslices\
                     ?labelSelector=kubernetes.io%2Fservice-name%3Dapi";
        assert_eq!(url("https://10.0.0.1"), format!("https://10.0.0.1/{asked}"));
        let behind = url("https://k8s.test/clusters/one/");
        assert_eq!(behind, format!("https://k8s.test/clusters/one/{asked}"));
    }

    #[test]
    fn lines_are_cut_where_they_end_and_bounded() {
        let mut lines = Lines::default();

        lines.push(b"{\"a\":").unwrap();
        assert!(lines.next().is_none());
        lines.push(b"1}\n{}\n{").unwrap();
        assert_eq!(lines.next().as_deref(), Some(&b"{\"a\":1}\n"[..]));
        assert_eq!(lines.next().as_deref(), Some(&b"{}\n"[..]));
        assert!(lines.next().is_none());
        assert!(lines.push(&vec![b' '; LINE_BYTES_MAX]).is_err());
    }

    #[tokio::test]
    async fn a_token_is_sent_without_its_line_end_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();

        let header = bearer(&file).await.unwrap();

        assert_eq!(header.as_bytes(), b"Bearer s3cret");
        assert!(!format!("{header:?}").contains("s3cret"));
        for nonsense in ["", "\n", "s3\ncret"] {
            std::fs::write(&file, nonsense).unwrap();
            let error = bearer(&file).await.unwrap_err();
            assert!(matches!(error, KubernetesError::Token(_)), "{error:?}");
            assert!(!format!("{error:?}").contains("cret"), "{error:?}");
        }
    }
}
