//! The client against a small HTTP server that plays Telegram's part word for word.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use sallyport_security::Secret;

use super::{BotApi, NewText};
use crate::Settings;
use crate::error::{CallError, Refusal};
use crate::format::format_complete;

const TOKEN: &str = "1000001:secret-part";

async fn telegram(status: StatusCode, answer: &'static str) -> (BotApi, tokio::task::AbortHandle) {
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    let app = Router::new().fallback(move |uri: Uri, _body: Bytes| async move {
        assert!(uri.path().starts_with("/bot1000001:secret-part/"));
        (status, answer)
    });
    let mut tasks = tokio::task::JoinSet::new();
    let server = tasks.spawn(async move {
        axum::serve(listener, app).await.expect("the server runs");
    });
    tasks.detach_all();
    (api(address), server)
}

fn api(address: SocketAddr) -> BotApi {
    let settings = Settings {
        base_url: format!("http://{address}").parse().expect("a URL"),
        request_timeout_ms: 500,
        ..Settings::default()
    };
    BotApi::open(&settings, &Secret::new(TOKEN)).expect("a client")
}

fn hello() -> NewText {
    NewText {
        chat: 7,
        topic: None,
        text: format_complete("**hello**"),
        reply_to: Some(3),
        buttons: None,
    }
}

#[tokio::test]
async fn a_sent_text_returns_its_message_id() {
    let (api, server) = telegram(
        StatusCode::OK,
        r#"{"ok":true,"result":{"message_id":42,"something":"new"}}"#,
    )
    .await;

    assert_eq!(api.send_text(&hello()).await.expect("sent"), 42);
    server.abort();
}

#[tokio::test]
async fn a_flood_answer_says_how_long_to_wait() {
    let (api, server) = telegram(
        StatusCode::TOO_MANY_REQUESTS,
        r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}"#,
    )
    .await;

    let error = api.send_text(&hello()).await.expect_err("refused");

    assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(5));
    assert!(!error.is_ambiguous());
    server.abort();
}

#[tokio::test]
async fn a_proxys_error_page_leaves_it_open_whether_the_text_was_sent() {
    let (api, server) = telegram(StatusCode::BAD_GATEWAY, "<html>bad gateway</html>").await;

    let error = api.send_text(&hello()).await.expect_err("no answer");

    assert!(matches!(error, CallError::Unreadable { status: 502, .. }));
    assert!(error.is_ambiguous());
    server.abort();
}

#[tokio::test]
async fn a_wrong_token_is_told_apart() {
    let (api, server) = telegram(
        StatusCode::UNAUTHORIZED,
        r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#,
    )
    .await;

    let error = api.me().await.expect_err("refused");

    assert_eq!(error.refusal(), Some(&Refusal::Unauthorized));
    server.abort();
}

#[tokio::test]
async fn without_a_server_nothing_was_sent_and_no_error_shows_the_token() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);

    let error = api(address)
        .send_text(&hello())
        .await
        .expect_err("nobody there");

    assert!(matches!(error, CallError::NotSent { .. }));
    assert!(!error.is_ambiguous());
    assert!(!format!("{error:?} {error}").contains("secret-part"));
}

#[tokio::test]
async fn a_server_that_takes_the_request_and_says_nothing_leaves_it_open() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");

    let error = api(address).send_text(&hello()).await.expect_err("silence");

    assert!(error.is_ambiguous());
    assert!(!format!("{error:?}").contains("secret-part"));
    drop(listener);
}

#[test]
fn a_client_does_not_print_its_token() {
    let settings = Settings::default();
    let api = BotApi::open(&settings, &Secret::new(TOKEN)).expect("a client");

    assert!(!format!("{api:?}").contains("secret-part"));
    assert_eq!(api.bot_id(), 1_000_001);
}

#[test]
fn tokens_of_another_shape_are_refused_before_anything_is_sent() {
    for token in ["", "abc", "1:", ":x", "1:with space", "1:../../x"] {
        assert!(
            BotApi::open(&Settings::default(), &Secret::new(token)).is_err(),
            "{token}"
        );
    }
}
