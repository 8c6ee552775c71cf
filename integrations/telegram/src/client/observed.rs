//! The span and the duration of every call.
//!
//! The span's template has a name where the token is; the full URL is not recorded anywhere.

use std::time::Instant;

use sallyport_telemetry::trace::{self, SpanKind};
use serde::de::DeserializeOwned;

use super::BotApi;
use crate::error::CallError;

impl BotApi {
    /// Runs one exchange inside a client span.
    pub(super) async fn observed<T: DeserializeOwned>(
        &self,
        method: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, CallError> {
        let mut span = trace::start("POST", SpanKind::Client);
        span.set("http.request.method", "POST");
        span.set("server.address", self.server.clone());
        span.set("url.template", format!("/bot{{token}}/{method}"));
        let began = Instant::now();
        let outcome = span.within(Self::exchange(method, request)).await;
        let (status, error_type) = match &outcome {
            Ok(_) => ("200", ""),
            Err(error) => {
                span.fail(error.name(), error.to_string());
                ("", error.name())
            }
        };
        self.durations
            .of(&["telegram", "POST", status, error_type])
            .record(began.elapsed());
        span.end();
        outcome
    }
}
