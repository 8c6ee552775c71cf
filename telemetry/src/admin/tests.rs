//! The admin door over a real socket.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Rooms, StatusToken, serve};
use crate::metrics::install;
use crate::{Health, Identity};

struct Door {
    url: String,
    health: Health,
    rooms: Rooms,
    _open: tokio_util::sync::DropGuard,
}

async fn door() -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let health = Health::new(Identity::new("1.2.3", "abc", "test"));
    let stop = CancellationToken::new();
    let rooms = Rooms::default();
    let token = StatusToken::checked_by(|token| token == "sesame");
    let served = serve(
        listener,
        install(),
        health.clone(),
        Some(token),
        rooms.clone(),
        stop.clone(),
    );
    tokio_util::task::TaskTracker::new().spawn(served);
    Door {
        url,
        health,
        rooms,
        _open: stop.drop_guard(),
    }
}

impl Door {
    async fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        self.ask(reqwest::Method::GET, path, token).await
    }

    async fn ask(&self, method: reqwest::Method, path: &str, token: Option<&str>) -> (u16, String) {
        let mut request = reqwest::Client::builder()
            .build()
            .unwrap()
            .request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request
            .timeout(Duration::from_secs(5))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn metrics_are_exposed_with_what_is_running() {
    let (status, text) = door().await.get("/metrics", None).await;

    assert_eq!(status, 200);
    assert!(text.contains("# TYPE sallyport_build_info gauge"), "{text}");
    assert!(
        text.contains("sallyport_build_info{version=\"1.2.3\",revision=\"abc\"} 1"),
        "{text}"
    );
    assert!(text.contains("process_resident_memory_bytes "), "{text}");
}

#[tokio::test]
async fn readiness_follows_what_is_needed() {
    let door = door().await;
    let postgres = door.health.component("postgres", true);
    assert_eq!(
        door.get("/health/ready", None).await,
        (503, "starting\n".to_owned())
    );

    postgres.up(Duration::from_millis(1));

    assert_eq!(
        door.get("/health/ready", None).await,
        (200, "ready\n".to_owned())
    );
    assert_eq!(
        door.get("/health/live", None).await,
        (200, "live\n".to_owned())
    );
}

#[tokio::test]
async fn the_status_page_opens_for_its_token_alone() {
    let door = door().await;

    assert_eq!(door.get("/health/status", None).await.0, 401);
    assert_eq!(door.get("/health/status", Some("guess")).await.0, 401);
    let (status, page) = door.get("/health/status", Some("sesame")).await;

    assert_eq!(status, 200);
    assert!(page.contains("\"status\":\"ready\""), "{page}");
}

#[tokio::test]
async fn another_rooms_page_opens_for_the_token_alone_once_the_room_has_one() {
    let door = door().await;
    assert_eq!(door.get("/hooks/ci", Some("sesame")).await.0, 404);

    door.rooms
        .pages
        .answered_by(|path| (path == "/hooks/ci").then(|| "{}".to_owned()));

    let shown = door.get("/hooks/ci", Some("sesame")).await;
    assert_eq!(shown, (200, "{}".to_owned()));
    assert_eq!(door.get("/hooks/other", Some("sesame")).await.0, 404);
    for path in ["/hooks/ci", "/hooks/other"] {
        assert_eq!(door.get(path, None).await.0, 401);
        assert_eq!(door.get(path, Some("guess")).await.0, 401);
    }
}

#[tokio::test]
async fn kept_answers_are_purged_for_its_token_alone() {
    let door = door().await;
    let order = async |path: &str, token| door.ask(reqwest::Method::POST, path, token).await;
    let sesame = Some("sesame");
    assert_eq!(order("/cache/purge?path=/a", sesame).await.0, 503);
    door.rooms.purges.taken_by(|host, path| match (host, path) {
        (None, "/a/*") => 7,
        (Some("example.org"), "/a") => 1,
        _ => 0,
    });

    assert_eq!(order("/cache/purge?path=/a/*", None).await.0, 401);
    assert_eq!(order("/cache/purge?path=/a/*", Some("guess")).await.0, 401);
    assert_eq!(order("/cache/purge?path=a", sesame).await.0, 400);
    assert_eq!(order("/cache/purge", sesame).await.0, 400);
    assert_eq!(door.get("/cache/purge?path=/a", sesame).await.0, 405);
    let (status, done) = order("/cache/purge?path=/a/*", sesame).await;
    assert_eq!((status, done.as_str()), (200, "{\"purged\":7}"));
    let (_, done) = order("/cache/purge?path=/a&host=example.org", sesame).await;
    assert_eq!(done, "{\"purged\":1}");
}

#[test]
fn a_stuck_runtime_can_still_be_asked() {
    let busy = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let door = busy.block_on(async {
        let door = door().await;
        assert_eq!(door.get("/health/live", None).await.0, 200);
        door
    });

    // The runtime that served the door's caller runs nothing any more; the door answers all the same.
    let other = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (status, _) = other.block_on(door.get("/health/live", None));

    assert_eq!(status, 200);
}
