//! Looking at an upstream's page, to see whether it works.
//!
//! It exists to say yes or no within a deadline. It reads no more than the head of the answer and keeps no connection: one that was
//! kept would say that the upstream still has the connection, not that it takes new ones.

use std::net::SocketAddr;
use std::time::Duration;

use http::header;
use pingora::http::RequestHeader;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::protocols::l4::stream::Stream;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::settings::HealthCheckSettings;

/// Who looks.
const USER_AGENT: &str = "sallyport-health";

/// Whether the page is shown in time, with a 2xx. Cancel safe.
pub(super) async fn is_well(address: SocketAddr, settings: &HealthCheckSettings) -> bool {
    let deadline = Duration::from_millis(settings.deadline_ms);
    let status = timeout(deadline, status(address, &settings.path)).await;
    matches!(status, Ok(Ok(status)) if status.is_success())
}

async fn status(address: SocketAddr, path: &str) -> pingora::Result<http::StatusCode> {
    let unreachable = |error| pingora::Error::because(pingora::ErrorType::ConnectError, "", error);
    let stream = TcpStream::connect(address).await.map_err(unreachable)?;
    let mut request = Box::new(RequestHeader::build("GET", path.as_bytes(), Some(3))?);
    request.insert_header(header::HOST, address.to_string())?;
    request.insert_header(header::USER_AGENT, USER_AGENT)?;
    request.insert_header(header::CONNECTION, "close")?;
    let mut session = HttpSession::new(Box::new(Stream::from(stream)));
    session.write_request_header(request).await?;
    loop {
        session.read_response().await?;
        let status = session.get_status().unwrap_or_default();
        if !status.is_informational() {
            return Ok(status);
        }
    }
}
