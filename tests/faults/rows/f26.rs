//! F26: requests that try to smuggle another one past the edge, through the edge that people run, to two programs that read HTTP each in a
//! way of its own. Nobody behind it ever has more than was sent.

use std::net::SocketAddr;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::row::{Duplicates, Outcome, Row, Stage};

#[path = "../../../gateway/tests/smuggling/corpus.rs"]
mod corpus;

use corpus::Over;
use corpus::sending::{self, Doors, Pass};

pub(crate) const ROW: Row = Row {
    id: "F26",
    fault: "request smuggling: CL.TE, TE.CL, TE.TE, sizes and ends of chunks, trailers, line ends, hosts, upgrades, queued requests, HTTP/1.0, \
            HTTP/2 to HTTP/1",
    allowed: "one request behind the edge for one sent, at most; what can be read in two ways is refused with 400, and the connection closed",
    duplicates: Duplicates::Never,
    run,
};

/// Fewer cases than this are no corpus.
const CASES_MIN: usize = 150;

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    smuggle(stage).boxed_local()
}

async fn smuggle(stage: &mut Stage) -> Outcome {
    let passes = sending::passes().await;
    let config = tempfile::tempdir().unwrap();
    let routes: String = passes.iter().map(route).collect();
    std::fs::write(
        config.path().join("gateway.yaml"),
        format!("routes:\n{routes}"),
    )
    .unwrap();
    let config = config.path().display().to_string();
    let mut site = stage.build_with(&[("SALLYPORT_CONFIG", &config)]).await;
    site.gateway.start(&site.outfit, "");
    site.gateway.wait_ready(&site.outfit, &site.client).await;
    let authority = std::fs::read(site.outfit.home.path().join("tls/ca.pem")).unwrap();
    let door = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let doors = Doors {
        plain: door(site.outfit.doors.http),
        tls: door(site.outfit.doors.tls),
        authority: &authority,
    };

    let mut outcome = Outcome::default();
    let cases = corpus::cases();
    let frames = cases.iter().filter(|case| case.over == Over::Http2).count();
    outcome.fact(format!(
        "{} cases, {frames} of them HTTP/2, each at once and in pieces, to hyper and to Node's lenient parser",
        cases.len()
    ));
    outcome.check("there are 150 cases at least", cases.len() >= CASES_MIN);
    for pass in &passes {
        let mistakes = sending::mistakes(&doors, pass).await;
        let first = mistakes.first().cloned().unwrap_or_default();
        let (origin, manner) = (pass.origin.name, pass.manner);
        outcome.check(
            format!(
                "{origin}, {manner:?}: {} cases met another fate than theirs {first}",
                mistakes.len()
            ),
            mistakes.is_empty(),
        );
    }
    outcome
}

/// A route on which framing alone decides, and not what a request looks like.
fn route(pass: &Pass) -> String {
    let off = "{ modes: { path: off, query: off, headers: off, cookies: off, body: off } }";
    format!(
        "  - {{ path: '/{}/*', inspection: {off}, forward: {{ upstream: '{}', body_deadline_ms: 2000 }} }}\n",
        pass.letter, pass.origin.address
    )
}
