//! `sallyport explain METHOD URL`: what the edge would do with a request and why, question by question. `sallyport explain CODE`:
//! what became of a past one.

use std::process::ExitCode;

use anyhow::{Context, bail};
use sallyport_gateway::{Explanation, Outcome, Probe, explain};
use sallyport_telemetry::trace::Value;
use sallyport_workers::story::{Reference, RowKind};

use crate::cli::{ExplainArguments, Places};
use crate::commands::{body, say};
use crate::places;
use crate::settings::Settings;
use crate::stories::Stories;

pub(crate) async fn run(places: &Places, arguments: &ExplainArguments) -> anyhow::Result<ExitCode> {
    let (settings, _) = places::settings(places)?;
    match &arguments.url {
        Some(url) => of_request(&settings, arguments, url),
        None => of_code(&settings, &arguments.what).await,
    }
}

/// Exits with 1 when the request would be refused.
fn of_request(
    settings: &Settings,
    arguments: &ExplainArguments,
    url: &str,
) -> anyhow::Result<ExitCode> {
    let probe = probe(arguments, url)?;
    let explanation = explain(&settings.gateway, &probe)?;
    for line in lines(&probe, &explanation) {
        say(&line)?;
    }
    Ok(match explanation.outcome {
        Outcome::Refused { .. } => ExitCode::FAILURE,
        Outcome::Stored { .. }
        | Outcome::Replied { .. }
        | Outcome::Forwarded { .. }
        | Outcome::Moved { .. }
        | Outcome::Answered => ExitCode::SUCCESS,
    })
}

fn probe(arguments: &ExplainArguments, url: &str) -> anyhow::Result<Probe> {
    let (host, target) = split(url)?;
    let mut headers = Vec::new();
    for header in &arguments.headers {
        let (name, value) = header
            .split_once(':')
            .with_context(|| format!("{header:?} is no header: write it as 'Name: value'"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let names_host = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"));
    if let Some(host) = host.filter(|_| !names_host) {
        headers.push(("Host".to_owned(), host.to_owned()));
    }
    let body = arguments.body.as_deref().map(body).transpose()?;
    Ok(Probe {
        method: arguments.what.clone(),
        target: target.to_owned(),
        headers,
        body,
        peer: arguments.from,
        has_tls: !url.starts_with("http://"),
    })
}

/// Host and target of a URL, exactly as they stand there: a path that is repaired on the way is not the one that was asked
/// about.
fn split(url: &str) -> anyhow::Result<(Option<&str>, &str)> {
    if url.starts_with('/') {
        return Ok((None, url));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        bail!("{url:?} is neither a path nor a URL");
    };
    if !matches!(scheme, "http" | "https") {
        bail!("{scheme:?} is not spoken here: http and https are");
    }
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(at);
    Ok((Some(host), if target.is_empty() { "/" } else { target }))
}

fn lines(probe: &Probe, explanation: &Explanation) -> Vec<String> {
    let mut lines = vec![format!(
        "{} {} from {}",
        probe.method, probe.target, explanation.client
    )];
    lines.extend(
        explanation
            .route
            .iter()
            .map(|route| format!("  route    {route}")),
    );
    for step in &explanation.steps {
        let verdict = if step.passed { "ok" } else { "NO" };
        lines.push(format!(
            "  {verdict}  {:<14} {}",
            step.rule.name(),
            step.rule.asks()
        ));
    }
    lines.extend(
        explanation
            .limits
            .iter()
            .map(|limit| format!("  counts against {limit}")),
    );
    let importance = explanation.importance.map(|importance| importance.name());
    lines.extend(importance.map(|importance| format!("  {importance}, if the house becomes slow")));
    lines.push(match &explanation.outcome {
        Outcome::Stored {
            source,
            body_is_known: true,
        } => format!("200: stored as a delivery of {source}"),
        Outcome::Stored { source, .. } => {
            format!("200, if its body is a delivery of {source}; give it with --body to be sure")
        }
        Outcome::Replied { source } => {
            format!("200: a question of {source}, answered at once and not stored")
        }
        Outcome::Forwarded { upstream } => format!("handed on to {upstream}"),
        Outcome::Moved { location } => format!("308: sent to {location}"),
        Outcome::Answered => "200: a page of the edge's own".to_owned(),
        Outcome::Refused {
            status,
            reason,
            detail,
            note,
        } => match note {
            Some(note) => format!("{status} ({reason}): {detail} To you: {note}."),
            None => format!("{status} ({reason}): {detail}"),
        },
    });
    lines
}

/// What the edge noted about a past request.
async fn of_code(settings: &Settings, code: &str) -> anyhow::Result<ExitCode> {
    let reference: Reference = code
        .parse()
        .with_context(|| format!("{code:?} is no code; with a method, name a URL, too"))?;
    let stories = Stories::open(settings).await?;
    let told = stories.tell(reference).await;
    stories.close().await;
    let story = told?.context("nothing was kept about it")?;
    say(&story.sentence)?;
    let edge = story.rows.iter().find(|row| row.kind == RowKind::Server);
    let edge = edge.context("it did not come in through the edge, or its span was not kept")?;
    say(&format!("{} at {}", edge.name, story.started_at))?;
    for (key, value) in &edge.attributes {
        say(&format!("  {key:<28} {}", plain(value)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Str(text) => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_and_not_repaired() {
        let both = |url| split(url).unwrap();

        assert_eq!(both("/a/../b?c=d#e"), (None, "/a/../b?c=d#e"));
        assert_eq!(
            both("https://edge.example:8443/a//b"),
            (Some("edge.example:8443"), "/a//b")
        );
        assert_eq!(both("http://edge"), (Some("edge"), "/"));
        assert!(split("ftp://edge/a").is_err());
        assert!(split("edge/a").is_err());
    }
}
