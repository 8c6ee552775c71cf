//! Reads chunks as real servers send them, and as none should.

use super::*;

fn read(json: &str) -> Chunk {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_chunk_of_any_compatible_server_is_read() {
    let openai = r#"{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","service_tier":"x",
        "choices":[{"index":0,"delta":{"role":"assistant","content":"Hi","refusal":null},"logprobs":null,"finish_reason":null}],
        "usage":null,"obfuscation":"aaaa"}"#;
    let sparse = r#"{"choices":[{"delta":{"content":"Hi"}}]}"#;

    for json in [openai, sparse] {
        let mut chunk = read(json);
        assert_eq!(chunk.choices[0].text().as_deref(), Some("Hi"));
        assert_eq!(chunk.choices[0].finish_reason(), None);
        assert_eq!(chunk.usage, None);
    }
}

#[test]
fn a_models_refusal_is_what_a_person_reads() {
    let mut chunk = read(r#"{"choices":[{"delta":{"content":null,"refusal":"I will not."}}]}"#);

    assert_eq!(chunk.choices[0].text().as_deref(), Some("I will not."));
}

#[test]
fn thinking_is_a_sign_of_life_and_no_text() {
    let mut chunk = read(r#"{"choices":[{"delta":{"reasoning_content":"Hmm"}}]}"#);

    assert!(chunk.choices[0].thinks());
    assert_eq!(chunk.choices[0].text(), None);
}

#[test]
fn an_absurd_bill_costs_nothing_rather_than_the_answer() {
    let chunk = read(
        r#"{"choices":[],"usage":{"prompt_tokens":-4,"completion_tokens":1e400}}"#
            .replace("1e400", "\"x\"")
            .as_str(),
    );

    assert_eq!(chunk.usage, Some(Usage::default()));
}

#[test]
fn an_unknown_reason_to_stop_is_some_other_reason() {
    assert_eq!(FinishReason::read("stop"), FinishReason::Stop);
    assert_eq!(FinishReason::read("tool_calls"), FinishReason::Other);
    assert_eq!(FinishReason::read(""), FinishReason::Other);
}

#[test]
fn a_prompt_becomes_messages_in_their_order_and_never_asks_for_more_than_allowed() {
    let prompt = Prompt {
        system: Some("Be brief.".to_owned()),
        turns: vec![
            Turn {
                role: Role::Person,
                text: "One?".to_owned(),
            },
            Turn {
                role: Role::Model,
                text: "One.".to_owned(),
            },
            Turn {
                role: Role::Person,
                text: "Two?".to_owned(),
            },
        ],
        reply_tokens_max: Some(9_000),
        ..Prompt::question("fast", "")
    };

    let request = serde_json::to_value(prompt.request("tiny-1", 4_096)).unwrap();

    let roles: Vec<_> = request["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    assert_eq!(request["messages"][3]["content"], "Two?");
    assert_eq!(request["max_completion_tokens"], 4_096);
    assert_eq!(prompt.bytes(), "Be brief.One?One.Two?".len());
}
