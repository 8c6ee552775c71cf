//! Asks a scripted server over a real socket: every way in which a provider misbehaves, and what becomes of it.

mod provider;

use std::time::Duration;

use futures::StreamExt;
use sallyport_telemetry::trace::{SpanRecord, Trail, Value};

use self::provider::{Provider, Script, chunk, end, usage};
use super::*;
use crate::error::{Fault, ModelError, ModelErrorKind};
use crate::wire::{Delta, FinishReason, Finished, Usage};

/// What a person saw, and how it ended.
struct Outcome {
    text: String,
    end: Result<Finished, ModelError>,
}

impl Outcome {
    fn error(&self) -> ModelErrorKind {
        self.end.as_ref().unwrap_err().kind()
    }
}

fn client(provider: &Provider, change: impl FnOnce(&mut Settings)) -> ModelClient {
    let mut settings = provider.settings();
    change(&mut settings);
    match Models::new(settings).unwrap() {
        Models::Configured(client) => client,
        Models::NotConfigured => panic!("a key was set"),
    }
}

async fn ask(client: &ModelClient) -> Outcome {
    read(client.stream(Prompt::question("fast", "Why is the sky blue?"))).await
}

async fn read(mut answer: Answer) -> Outcome {
    let mut text = String::new();
    while let Some(delta) = answer.next().await {
        match delta {
            Ok(Delta::Text(more)) => text.push_str(&more),
            Ok(Delta::Finished(finished)) => {
                return Outcome {
                    text,
                    end: Ok(finished),
                };
            }
            Err(error) => {
                return Outcome {
                    text,
                    end: Err(error),
                };
            }
        }
    }
    panic!("an answer ends with an end or an error");
}

fn blue() -> Script {
    Script::Stream(vec![
        chunk("Light "),
        chunk("scatters."),
        end("stop"),
        usage(12, 5),
    ])
}

#[tokio::test]
async fn an_answer_is_streamed_with_its_bill_at_the_end() {
    let provider = Provider::start([blue()]).await;

    let outcome = ask(&client(&provider, |_| {})).await;

    assert_eq!(outcome.text, "Light scatters.");
    assert_eq!(
        outcome.end.unwrap(),
        Finished {
            reason: FinishReason::Stop,
            usage: Some(Usage {
                input_tokens: 12,
                output_tokens: 5
            }),
            model: "tiny-1".to_owned(),
        }
    );
    let request = provider.requests().remove(0);
    assert_eq!(request["model"], "tiny-1");
    assert_eq!(request["stream"], true);
    assert_eq!(request["stream_options"]["include_usage"], true);
    assert_eq!(request["messages"][0]["content"], "Why is the sky blue?");
}

#[tokio::test]
async fn an_answer_without_a_bill_is_still_whole() {
    let hung_tail = Script::StreamThenHang(vec![chunk("Blue."), end("stop")]);
    let provider = Provider::start([hung_tail]).await;

    let outcome = ask(&client(&provider, |_| {})).await;

    assert_eq!(outcome.text, "Blue.");
    assert_eq!(outcome.end.unwrap().usage, None);
}

#[tokio::test]
async fn a_server_that_fails_twice_is_asked_a_third_time() {
    let provider = Provider::start([Script::Status(500), Script::Status(503), blue()]).await;

    let outcome = ask(&client(&provider, |_| {})).await;

    assert_eq!(outcome.text, "Light scatters.");
    assert_eq!(provider.requests().len(), 3);
}

#[tokio::test]
async fn a_server_that_goes_on_failing_is_asked_three_times_and_no_more() {
    let provider = Provider::start([
        Script::Status(500),
        Script::Status(500),
        Script::Status(500),
        blue(),
    ])
    .await;

    let outcome = ask(&client(&provider, |_| {})).await;

    assert_eq!(outcome.error(), ModelErrorKind::ServerError);
    assert_eq!(outcome.end.unwrap_err().whose_fault(), Fault::Provider);
    assert_eq!(provider.requests().len(), 3);
}

#[tokio::test]
async fn too_fast_is_answered_by_waiting_as_long_as_the_provider_asks() {
    let provider = Provider::start([Script::limited("rate_limit_exceeded", "0.2"), blue()]).await;

    let outcome = ask(&client(&provider, |_| {})).await;

    assert_eq!(outcome.text, "Light scatters.");
    assert!(provider.gap_between_requests() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_wait_longer_than_ours_is_handed_to_the_caller() {
    let provider = Provider::start([Script::limited("rate_limit_exceeded", "60"), blue()]).await;

    let outcome = ask(&client(&provider, |_| {})).await;

    let error = outcome.end.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn an_empty_account_is_not_asked_again() {
    let provider = Provider::start([Script::limited("insufficient_quota", "1"), blue()]).await;

    let outcome = ask(&client(&provider, |_| {})).await;

    let error = outcome.end.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::QuotaExhausted);
    assert_eq!(error.whose_fault(), Fault::Ours);
    assert!(!error.may_be_retried());
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_first_token_that_does_not_come_is_given_up_and_asked_for_again() {
    let provider = Provider::start([Script::Hang, Script::StreamThenHang(vec![]), blue()]).await;

    let outcome = ask(&client(&provider, |settings| settings.first_token_ms = 150)).await;

    assert_eq!(outcome.text, "Light scatters.");
    assert_eq!(provider.requests().len(), 3);
}

#[tokio::test]
async fn a_stream_that_hangs_in_the_middle_is_given_up_and_not_asked_for_again() {
    let provider = Provider::start([Script::StreamThenHang(vec![chunk("Light ")]), blue()]).await;

    let outcome = ask(&client(&provider, |settings| settings.next_token_ms = 150)).await;

    assert_eq!(outcome.text, "Light ");
    assert_eq!(outcome.error(), ModelErrorKind::NextTokenLate);
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_slow_drip_of_nothing_does_not_extend_the_deadline() {
    let provider = Provider::start([Script::DripForever(chunk(""))]).await;

    let outcome = ask(&client(&provider, |settings| {
        settings.first_token_ms = 200;
        settings.attempts_max = 1;
    }))
    .await;

    assert_eq!(outcome.error(), ModelErrorKind::FirstTokenLate);
}

#[tokio::test]
async fn a_slow_drip_of_text_ends_at_the_total_deadline() {
    let provider = Provider::start([Script::DripForever(chunk("drip "))]).await;

    let outcome = ask(&client(&provider, |settings| settings.total_ms = 300)).await;

    assert!(outcome.text.starts_with("drip "));
    assert_eq!(outcome.error(), ModelErrorKind::TotalLate);
}

#[tokio::test]
async fn a_stream_that_ends_too_early_is_a_cut_answer() {
    for script in [
        Script::Stream(vec![chunk("Light ")]),
        Script::Raw(
            "text/event-stream",
            format!("{}data: {{\"choi", chunk("Light ")),
        ),
    ] {
        let provider = Provider::start([script, blue()]).await;

        let outcome = ask(&client(&provider, |_| {})).await;

        assert_eq!(outcome.text, "Light ");
        assert_eq!(outcome.error(), ModelErrorKind::Cut);
        assert_eq!(provider.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_cut_answer() {
    let provider = Provider::start([Script::StreamThenBreak(vec![chunk("Light ")]), blue()]).await;
    let mut answer = client(&provider, |_| {}).stream(Prompt::question("fast", "Why?"));

    assert!(matches!(answer.next().await, Some(Ok(Delta::Text(_)))));
    provider.break_connection();
    let rest = read(answer).await;

    assert_eq!(rest.error(), ModelErrorKind::Cut);
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn garbage_is_an_error_and_never_a_text() {
    let event = |data: &str| format!("data: {data}\n\n");
    for (content_type, body) in [
        ("text/html", "<html>Bad gateway</html>".to_owned()),
        (
            "application/json",
            r#"{"choices":[{"message":{"content":"whole"}}]}"#.to_owned(),
        ),
        ("text/event-stream", event("not json")),
        ("text/event-stream", event(r#"{"choices":"none"}"#)),
        (
            "text/event-stream",
            event(r#"{"choices":[{"delta":{"content":7}}]}"#),
        ),
    ] {
        let provider = Provider::start([Script::Raw(content_type, body.clone())]).await;

        let outcome = ask(&client(&provider, |settings| settings.attempts_max = 1)).await;

        assert_eq!(
            outcome.error(),
            ModelErrorKind::Garbage,
            "{content_type} {body}"
        );
        assert_eq!(outcome.text, "");
    }
}

#[tokio::test]
async fn an_error_in_the_midst_of_a_stream_is_read_as_one() {
    let error =
        "data: {\"error\":{\"message\":\"secret words\",\"type\":\"overloaded\",\"code\":503}}\n\n"
            .to_owned();
    let provider = Provider::start([Script::Stream(vec![chunk("Light "), error])]).await;

    let outcome = ask(&client(&provider, |_| {})).await;

    let error = outcome.end.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::ServerError);
    assert_eq!(error.to_string(), "the provider failed [overloaded]");
}

#[tokio::test]
async fn an_answer_without_a_word_is_asked_for_again() {
    let provider = Provider::start([Script::Stream(vec![chunk(""), end("stop")]), blue()]).await;

    let outcome = ask(&client(&provider, |_| {})).await;

    assert_eq!(outcome.text, "Light scatters.");
}

#[tokio::test]
async fn a_reply_that_grows_too_large_is_cut_by_text_and_by_weight() {
    let wordy = Script::Stream(vec![chunk(&"blue ".repeat(1_000)); 3]);
    let heavy = Script::Raw("text/event-stream", ": padding\n".repeat(10_000));
    let provider = Provider::start([wordy, heavy]).await;
    let client = client(&provider, |settings| {
        settings.reply_bytes_max = 8_000;
        settings.stream_bytes_max = 50_000;
    });

    let (wordy, heavy) = (ask(&client).await, ask(&client).await);

    assert_eq!(wordy.error(), ModelErrorKind::ReplyTooLarge);
    assert!(wordy.text.len() <= 8_000);
    assert_eq!(heavy.error(), ModelErrorKind::ReplyTooLarge);
}

#[tokio::test]
async fn the_second_model_under_a_name_answers_for_the_first() {
    let provider = Provider::start([Script::refused(404, "model_not_found"), blue()]).await;
    let client = client(&provider, |settings| {
        settings.aliases.insert(
            "fast".to_owned(),
            vec!["gone-1".to_owned(), "tiny-1".to_owned()],
        );
    });

    let outcome = ask(&client).await;

    assert_eq!(outcome.text, "Light scatters.");
    assert_eq!(outcome.end.unwrap().model, "tiny-1");
    assert_eq!(provider.requests()[0]["model"], "gone-1");
}

#[tokio::test]
async fn what_we_refuse_ourselves_never_reaches_the_provider() {
    let provider = Provider::start([blue()]).await;
    let client = client(&provider, |settings| settings.prompt_bytes_max = 2_048);

    let unknown = read(client.stream(Prompt::question("poet", "Hm?"))).await;
    let long = read(client.stream(Prompt::question("fast", "a".repeat(3_000)))).await;

    assert_eq!(unknown.error(), ModelErrorKind::UnknownAlias);
    assert!(!client.knows("poet") && client.knows("fast"));
    assert_eq!(long.error(), ModelErrorKind::PromptTooLong);
    assert_eq!(long.end.unwrap_err().whose_fault(), Fault::Caller);
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn nobody_at_the_other_end_is_an_error_that_may_pass() {
    let provider = Provider::start([]).await;
    let client = client(&provider, |settings| settings.base_url = provider::nobody());

    let outcome = ask(&client).await;
    let probe = client.probe().await.unwrap_err();

    let error = outcome.end.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Unreachable);
    assert!(error.may_be_retried());
    assert_eq!(probe.kind(), ModelErrorKind::Unreachable);
}

#[tokio::test]
async fn a_probe_tells_a_healthy_provider_from_a_refused_key_and_a_hung_one() {
    let provider = Provider::start([Script::Status(404), Script::Status(401), Script::Hang]).await;
    let client = client(&provider, |settings| settings.probe_ms = 150);

    let healthy = client.probe().await;
    let refused = client.probe().await;
    let hung = client.probe().await;

    assert!(healthy.unwrap().latency < Duration::from_millis(150));
    assert_eq!(refused.unwrap_err().kind(), ModelErrorKind::Unauthorised);
    assert_eq!(hung.unwrap_err().kind(), ModelErrorKind::Unreachable);
}

#[test]
fn no_key_is_a_state_and_not_an_error() {
    let models = Models::new(Settings::default()).unwrap();

    assert!(matches!(models, Models::NotConfigured));
    assert!(models.client().is_none());
}

#[tokio::test]
async fn every_try_is_a_span_that_says_what_happened_and_not_what_was_said() {
    let provider = Provider::start([Script::Status(500), blue()]).await;
    let client = client(&provider, |_| {});
    let trail = Trail::root();

    trail.scope(ask(&client)).await;

    let spans = trail.finish();
    let [failed, answered] = spans.as_slice() else {
        panic!("two tries, two spans: {spans:?}")
    };
    assert_eq!(
        (failed.name.as_ref(), failed.error()),
        ("chat tiny-1", Some("the provider failed (HTTP 500)"))
    );
    assert_eq!(
        attribute(failed, "http.response.status_code"),
        &Value::Int(500)
    );
    assert_eq!(
        (answered.name.as_ref(), answered.error()),
        ("chat tiny-1", None)
    );
    assert_eq!(
        attribute(answered, "http.request.resend_count"),
        &Value::Int(1)
    );
    assert_eq!(
        attribute(answered, "gen_ai.usage.output_tokens"),
        &Value::Int(5)
    );
    assert_eq!(answered.events[0].name, "gen_ai.first_token");
    assert!(!format!("{spans:?}").contains("sky"));
}

#[tokio::test]
async fn hanging_up_ends_the_span_and_the_connection() {
    let provider = Provider::start([Script::StreamThenHang(vec![chunk("Light ")])]).await;
    let client = client(&provider, |_| {});
    let trail = Trail::root();

    trail
        .scope(async {
            let mut answer = client.stream(Prompt::question("fast", "Why?"));
            assert!(matches!(answer.next().await, Some(Ok(Delta::Text(_)))));
        })
        .await;

    let spans = trail.finish();
    assert_eq!(
        attribute(&spans[0], "sallyport.cancelled"),
        &Value::Bool(true)
    );
    tokio::time::timeout(Duration::from_secs(5), provider.hung_up())
        .await
        .unwrap();
}

fn attribute<'a>(span: &'a SpanRecord, key: &str) -> &'a Value {
    span.attribute(key)
        .unwrap_or_else(|| panic!("{} has no {key}: {:?}", span.name, span.attributes))
}
