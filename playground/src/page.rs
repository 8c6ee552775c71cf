//! The chat page: a handful of files, embedded, served under a strict content policy. All data comes from the doors beside it.

use std::sync::Arc;

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

use crate::world::World;

const INDEX: &str = include_str!("../page/index.html");
/// The page's modules: the first one is the start, the others are what it imports.
const SCRIPTS: [(&str, &str); 5] = [
    ("/app.js", include_str!("../page/app.js")),
    ("/chat.js", include_str!("../page/chat.js")),
    ("/dom.js", include_str!("../page/dom.js")),
    ("/house.js", include_str!("../page/house.js")),
    ("/story.js", include_str!("../page/story.js")),
];
const STYLE: &str = include_str!("../page/style.css");
const ICON: &str = include_str!("../page/icon.svg");

pub(crate) fn routes() -> Router<Arc<World>> {
    let page = Router::new()
        .route(
            "/",
            get(|| async { file("text/html; charset=utf-8", INDEX) }),
        )
        .route(
            "/style.css",
            get(|| async { file("text/css; charset=utf-8", STYLE) }),
        )
        .route("/icon.svg", get(|| async { file("image/svg+xml", ICON) }));
    SCRIPTS.into_iter().fold(page, |page, (path, script)| {
        page.route(
            path,
            get(move || async move { file("text/javascript; charset=utf-8", script) }),
        )
    })
}

fn file(kind: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], content).into_response()
}
