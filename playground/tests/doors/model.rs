//! The model stand-in: whole answers, streams, refusals, and a stream that breaks.

use serde_json::{Value, json};

use crate::stage::Stage;

async fn ask(stage: &Stage, body: Value) -> reqwest::Response {
    let url = stage.url("/openai/v1/chat/completions");
    stage
        .client
        .post(url)
        .bearer_auth("any")
        .json(&body)
        .send()
        .await
        .unwrap()
}

fn question(stream: bool) -> Value {
    json!({
        "model": "fast", "stream": stream, "stream_options": {"include_usage": true},
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "why is the sky blue"}],
    })
}

fn chunks(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn content(chunks: &[Value]) -> String {
    chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect()
}

#[tokio::test]
async fn a_stream_says_several_sentences_and_ends_with_usage_and_done() {
    let stage = Stage::open().await;

    let body = ask(&stage, question(true)).await.text().await.unwrap();

    assert!(body.ends_with("data: [DONE]\n\n"));
    let chunks = chunks(&body);
    let said = content(&chunks);
    assert!(
        said.contains("stand-in") && said.contains("scatter") && said.matches(". ").count() >= 3,
        "{said}"
    );
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(
        last["usage"]["total_tokens"],
        last["usage"]["prompt_tokens"].as_u64().unwrap()
            + last["usage"]["completion_tokens"].as_u64().unwrap()
    );
    assert_eq!(
        chunks[chunks.len() - 2]["choices"][0]["finish_reason"],
        "stop"
    );
}

#[tokio::test]
async fn a_whole_answer_is_the_same_text() {
    let stage = Stage::open().await;

    let whole: Value = ask(&stage, question(false)).await.json().await.unwrap();

    let streamed = ask(&stage, question(true)).await.text().await.unwrap();
    assert_eq!(
        whole["choices"][0]["message"]["content"],
        content(&chunks(&streamed))
    );
    assert_eq!(whole["object"], "chat.completion");
}

#[tokio::test]
async fn a_cut_stream_breaks_off_without_done() {
    let stage = Stage::open().await;
    stage
        .break_something(
            json!({"target": "openai", "cut_stream": true, "cut_after_words": 3, "times": 1}),
        )
        .await;

    let mut answer = ask(&stage, question(true)).await;
    let (mut body, mut broken) = (String::new(), false);
    loop {
        match answer.chunk().await {
            Ok(Some(piece)) => body.push_str(&String::from_utf8_lossy(&piece)),
            Ok(None) => break,
            Err(_) => {
                broken = true;
                break;
            }
        }
    }

    assert!(broken && !body.contains("[DONE]"), "{body}");
    assert_eq!(content(&chunks(&body)).split_whitespace().count(), 3);
    assert!(
        ask(&stage, question(true))
            .await
            .text()
            .await
            .unwrap()
            .contains("[DONE]"),
        "the next one is whole"
    );
}

#[tokio::test]
async fn errors_have_the_providers_shape() {
    let stage = Stage::open().await;
    let bad: Value = ask(
        &stage,
        json!({"messages": [{"role": "user", "content": "x"}]}),
    )
    .await
    .json()
    .await
    .unwrap();
    assert_eq!(bad["error"]["param"], "model");
    let missing = ask(
        &stage,
        json!({"model": "no-such-model", "messages": [{"role": "user", "content": "x"}]}),
    )
    .await;
    assert_eq!(missing.status(), 404);

    stage
        .break_something(json!({"target": "openai", "status": 429, "retry_after": 7, "times": 1}))
        .await;
    let limited = ask(&stage, question(true)).await;
    assert_eq!(
        (
            limited.status().as_u16(),
            limited.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "7")
    );
    let limited: Value = limited.json().await.unwrap();
    assert_eq!(limited["error"]["code"], "rate_limit_exceeded");

    let keyless = stage
        .client
        .post(stage.url("/openai/v1/chat/completions"))
        .json(&question(false))
        .send()
        .await
        .unwrap();
    assert_eq!(keyless.status(), 401);
}

#[tokio::test]
async fn a_token_limit_ends_the_answer_early_and_says_so() {
    let stage = Stage::open().await;
    let mut body = question(false);
    body["max_completion_tokens"] = json!(5);

    let answer: Value = ask(&stage, body).await.json().await.unwrap();

    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["completion_tokens"], 5);
}
