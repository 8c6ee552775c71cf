//! Forgetting kept answers, on order of whoever holds the admin door's token.
//!
//! It exists because the door is open before the edge is, and in processes that have none: orders go to whoever has taken them on, if
//! anybody has. What is forgotten is not for this crate to know.

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{Admin, unauthorized, word};

/// Takes a host, if one is meant, and a path; says how many answers were forgotten.
type Purge = dyn Fn(Option<&str>, &str) -> usize + Send + Sync;

/// Who forgets kept answers in this process. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct Purges(Arc<OnceLock<Box<Purge>>>);

impl Purges {
    /// Hands orders to this function from now on. The first one stays.
    pub fn taken_by(&self, purge: impl Fn(Option<&str>, &str) -> usize + Send + Sync + 'static) {
        self.0.get_or_init(|| Box::new(purge));
    }
}

/// What is ordered, as a query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// The path of the answers; one that ends in `*` stands for all that begin so.
    path: String,
    /// Their host; every host if absent.
    host: Option<String>,
}

#[derive(Serialize)]
struct Done {
    purged: usize,
}

pub(super) async fn purge(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Query(order): Query<Order>,
) -> Response {
    if !admin.opens(&headers) {
        return unauthorized();
    }
    if !order.path.starts_with('/') {
        return word(StatusCode::BAD_REQUEST, "the path must begin with a slash");
    }
    match admin.rooms.purges.0.get() {
        Some(purge) => {
            let purged = purge(order.host.as_deref(), &order.path);
            Json(Done { purged }).into_response()
        }
        None => word(StatusCode::SERVICE_UNAVAILABLE, "no edge runs here"),
    }
}
