//! What of a model's answer is the reply.

use super::{Setting, events, said};
use mcpctl_tests::{
    Model, Reply,
    samples::{self, chunk, completion, delta, done, message},
};
use serde_json::{Value, json};

#[tokio::test]
async fn the_reply_is_the_content_or_else_the_first_reasoning() {
    let mut setting = Setting::new(&[]).await;
    let cases = [
        (json!({"content": "real", "reasoning_content": "thought"}), "stop", "real"),
        (json!({"content": null, "reasoning_content": "thought"}), "stop", "thought"),
        (json!({"content": "", "reasoning": "thought"}), "stop", "thought"),
        (json!({"provider_specific_fields": {"reasoning_content": "thought"}}), "stop", "thought"),
        (json!({"content": null, "provider_specific_fields": {"reasoning": "thought"}}), "stop", "thought"),
        (json!({"content": null, "reasoning_content": "", "reasoning": "second"}), "stop", "second"),
        (json!({"reasoning_content": "thought"}), "length", "thought\n\n[response truncated by max_tokens]"),
        (json!({"content": "real"}), "length", "real"),
        (json!({"content": null}), "stop", ""),
    ];
    for (answer, finish, expected) in cases {
        let (_, chat) = setting.turn(json!({"message": "hi"}), &[message(&answer, finish)]).await;
        let chat = chat.expect(200).json();
        assert_eq!((&chat["assistant"], &chat["finishReason"]), (&json!(expected), &json!(finish)), "{answer}");
        assert_eq!(chat["usage"], json!({"total_tokens": 5}));
        let stored = setting.messages(&chat["threadId"]).await;
        assert_eq!(stored, [said("user", "hi", "complete"), said("assistant", expected, "complete")]);
    }
}

#[tokio::test]
async fn a_stream_is_text_and_thinking_and_then_final() {
    let mut setting = Setting::new(&[]).await;
    let deltas = [
        json!({"role": "assistant"}),
        json!({"reasoning_content": "let "}),
        json!({"reasoning": "me "}),
        json!({"provider_specific_fields": {"reasoning_content": "see"}}),
        json!({"content": "hello "}),
        json!({"content": "world"}),
    ];
    let mut results: Vec<Value> = deltas.iter().map(|piece| chunk(&delta(piece))).collect();
    results.push(done());
    let (request, chat) = setting.turn(json!({"message": "hi", "stream": true}), &results).await;
    assert_eq!(request["stream"], true);
    let events = events(&chat.expect(200));
    let pieces = |kind: &str| -> Vec<&Value> {
        events.iter().filter(|event| event["type"] == kind).map(|event| &event["delta"]).collect()
    };
    assert_eq!(pieces("text"), ["hello ", "world"]);
    assert_eq!(pieces("thinking"), ["let ", "me ", "see"]);
    let last = events.last().expect("events");
    assert_eq!((&last["type"], &last["turnIndex"]), (&json!("final"), &json!(1)));
    let stored = setting.messages(&last["threadId"]).await;
    assert_eq!(stored[1], said("assistant", "hello world", "complete"));
}

#[tokio::test]
async fn a_stream_of_reasoning_alone_ends_with_one_text() {
    let mut setting = Setting::new(&[]).await;
    for (finish, expected) in [("stop", "one two"), ("length", "one two\n\n[response truncated by max_tokens]")] {
        let ended = json!({"choices": [{"index": 0, "delta": {"reasoning": "two"}, "finish_reason": finish}]});
        let results = [chunk(&delta(&json!({"reasoning_content": "one "}))), chunk(&ended.to_string()), done()];
        let (_, chat) = setting.turn(json!({"message": "hi", "stream": true}), &results).await;
        let events = events(&chat.expect(200));
        let texts: Vec<_> =
            events.iter().filter(|event| event["type"] == "text").map(|event| &event["delta"]).collect();
        assert_eq!(texts, [expected]);
        let stored = setting.messages(&events.last().expect("events")["threadId"]).await;
        assert_eq!(stored[1], said("assistant", expected, "complete"));
    }
}

#[tokio::test]
async fn the_model_gets_system_history_and_parameters() {
    let mut setting = Setting::new(&[]).await;
    let (request, chat) = setting.turn(json!({"message": "first"}), &[completion("one")]).await;
    assert_eq!((&request["temperature"], &request["model"]), (&json!(0.2), &json!("Qwen/Qwen2.5")));
    assert!(request.get("stream").is_none_or(|stream| stream == false), "{request}");
    let thread = chat.expect(200).json()["threadId"].clone();
    let second = json!({"message": "second", "threadId": thread, "systemAppend": "Be kind.",
        "params": {"temperature": 0.9, "max_tokens": 5, "extra": {"top_k": 4}}});
    let (request, chat) = setting.turn(second, &[completion("two")]).await;
    assert_eq!(chat.expect(200).json()["turnIndex"], 3);
    let system = request["messages"][0]["content"].as_str().expect("a system block");
    assert!(system.starts_with("Be terse.") && system.ends_with("Be kind."), "{system}");
    let history = json!([{"role": "user", "content": "first"}, {"role": "assistant", "content": "one"},
        {"role": "user", "content": "second"}]);
    assert_eq!(request["messages"].as_array().map(|all| &all[1..]), history.as_array().map(Vec::as_slice));
    assert_eq!((&request["temperature"], &request["max_tokens"]), (&json!(0.9), &json!(5)));
    assert_eq!((&request["top_k"], request.get("extra")), (&json!(4), None));
    let third = json!({"message": "third", "systemPrompt": "Another one."});
    let (request, _) = setting.turn(third, &[completion("three")]).await;
    assert_eq!(request["messages"][0], json!({"role": "system", "content": "Another one."}));
}

#[tokio::test]
async fn a_mark_of_byte_order_and_a_line_without_end_are_no_end_of_the_server() {
    let setting = Setting::new(&[]).await;
    let client = setting.mcpd.client();
    let marked = format!("\u{feff}data: {}\n\ndata: [DONE]\n\n", delta(&json!({"content": "hello"})));
    let model = Model::start(Reply::Whole(200, "text/event-stream", marked)).await;
    let _ = client.post("/llms", &samples::public("public", &model.url)).await.expect(201);
    let _ = client.post("/agents", &json!({"name": "reviewer", "llm": "public"})).await.expect(201);
    let ask = json!({"message": "hi", "stream": true});
    let said = events(&client.post("/agents/reviewer/chat", &ask).await.expect(200));
    assert_eq!(said[0], json!({"type": "text", "delta": "hello"}));
    assert_eq!(said[1]["type"], "final");
    model.replies(Reply::Whole(200, "text/event-stream", format!("data: {}", "x".repeat(17 << 20))));
    let said = events(&client.post("/agents/reviewer/chat", &ask).await.expect(200));
    assert_eq!(said[0]["type"], "error", "{said:?}");
    assert!(said[0]["error"].as_str().is_some_and(|error| error.contains("larger than 16 MiB")), "{said:?}");
}

#[tokio::test]
async fn a_refusal_that_comes_at_once_keeps_its_status_streamed_or_not() {
    let mut setting = Setting::new(&[]).await;
    for stream in [false, true] {
        let refusal = json!({"status": 500, "body": {"error": {"message": "out of memory"}}});
        let (_, answer) = setting.turn(json!({"message": "hi", "stream": stream}), &[refusal]).await;
        answer.refused(502, "BAD_ANSWER", "the model server answered 500: out of memory");
    }
}
