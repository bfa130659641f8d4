//! What passes through comes out as it went in, byte for byte.

use super::{Setting, begun};
use mcpctl_tests::{publisher::task_id, samples, within};
use serde_json::{json, value::RawValue};
use std::collections::BTreeMap;

/// Key order, spacing, escapes and numbers that no parser keeps.
const ODD: &str = r#"{"z":1, "a":[0.10,1e400,12345678901234567890123,-0,1E-7],"text":"Grüße \u2028 🦀 \ud83e\udd80 \/ \"","nested":{"model":"inner","b":null,"a":{}},"vendor":{"x":[ ]}}"#;

/// A member of a frame, as it is written there.
fn member<'a>(frame: &'a str, name: &str) -> &'a str {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(frame).expect("a frame is a JSON object");
    members[name].get()
}

#[tokio::test]
async fn a_request_arrives_token_for_token_but_for_its_model() {
    let mut setting = Setting::new(&[]).await;
    let with_model = |model: &str| format!(r#"{{"first":true,"model":{model},{}"#, &ODD[1..]);
    let (call, frame) = setting.call(with_model(r#""whatever""#)).await;
    assert_eq!(member(&frame, "request"), with_model(r#""Qwen/Qwen2.5""#));
    let told = ["streaming", "llmName", "model", "path"].map(|name| member(&frame, name));
    assert_eq!(told, ["false", r#""llm""#, r#""Qwen/Qwen2.5""#, r#""/v1/chat/completions""#]);
    let _ = setting.publisher.result(&task_id(&frame), &samples::completion("x")).await.expect(202);
    let _ = call.await.expect("no panic").expect(200);

    let spread = "{\n  \"messages\": [],\r\n  \"seed\": 7\n}".to_owned();
    let (call, frame) = setting.call(spread).await;
    assert_eq!(member(&frame, "request"), "{\"model\":\"Qwen/Qwen2.5\",   \"messages\": [],    \"seed\": 7 }");
    let _ = setting.publisher.result(&task_id(&frame), &samples::completion("x")).await.expect(202);
    let _ = call.await.expect("no panic").expect(200);
}

#[tokio::test]
async fn a_null_model_is_replaced_and_not_doubled() {
    let mut setting = Setting::new(&[]).await;
    for (body, arrives) in [
        (r#"{"model":null,"messages":[]}"#, r#"{"model":"Qwen/Qwen2.5","messages":[]}"#),
        (
            r#"{"a":1e400, "model": null ,"m":{"model":null}}"#,
            r#"{"a":1e400, "model": "Qwen/Qwen2.5" ,"m":{"model":null}}"#,
        ),
    ] {
        let (call, frame) = setting.call(body.to_owned()).await;
        assert_eq!(member(&frame, "request"), arrives);
        let _ = setting.publisher.result(&task_id(&frame), &samples::completion("x")).await.expect(202);
        let _ = call.await.expect("no panic").expect(200);
    }
}

#[tokio::test]
async fn an_array_is_no_request() {
    let setting = Setting::new(&[]).await;
    let client = setting.mcpd.client();
    for body in [r#"["m",true]"#, "[null,true]", "[]", " [{}]"] {
        let answer = within("the refusal", super::SOON, client.post_text("/llms/llm/infer", body)).await;
        answer.refused(400, "INVALID", "is no JSON object");
    }
}

#[tokio::test]
async fn an_answer_comes_back_byte_for_byte() {
    let mut setting = Setting::new(&[]).await;
    for status in [200, 400, 418] {
        let (call, frame) = setting.call(samples::ask(false).to_string()).await;
        let upload = setting.publisher.upload(&task_id(&frame));
        upload.send_text(format!("{{\"status\":{status},\"body\":{ODD}}}\n")).await;
        let _ = upload.finish().await.expect(202);
        let answer = call.await.expect("no panic").expect(status);
        assert_eq!(answer.text, ODD);
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let (call, frame) = setting.call(samples::ask(false).to_string()).await;
    let text = json!({"status": 400, "text": "the prompt is too long"});
    let _ = setting.publisher.result(&task_id(&frame), &text).await.expect(202);
    let answer = call.await.expect("no panic").expect(400);
    assert_eq!((&*answer.text, answer.header("content-type")), ("the prompt is too long", "text/plain; charset=utf-8"));
}

#[tokio::test]
async fn chunks_come_in_order_and_unchanged_with_the_headers_of_a_stream() {
    let mut setting = Setting::new(&[]).await;
    let (call, frame) = setting.call(samples::ask(true).to_string()).await;
    let mut chunks = vec![ODD.to_owned(), samples::delta(&json!({"reasoning_content": "hm"}))];
    chunks.extend((0..500).map(|n| samples::words(&format!("w{n} "))));
    chunks.push(r#"{"choices":[],"usage":{"total_tokens":9}}"#.to_owned());
    let mut objects: Vec<_> = chunks.iter().map(|chunk| samples::chunk(chunk)).collect();
    objects.push(samples::done());
    let _ = setting.publisher.results(&task_id(&frame), &objects).await.expect(202);
    let answer = call.await.expect("no panic").expect(200);
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    assert_eq!(answer.header("x-accel-buffering"), "no");
    chunks.push("[DONE]".to_owned());
    assert_eq!(answer.data(), chunks);
}

#[tokio::test]
async fn a_chunk_is_delivered_before_the_next_is_made() {
    let mut setting = Setting::new(&[]).await;
    let (call, task) = setting.stream().await;
    let upload = setting.publisher.upload(&task);
    upload.send(&samples::chunk("0")).await;
    let mut answer = begun(call).await;
    for n in 1..50 {
        assert_eq!(answer.next().await.data, (n - 1).to_string());
        upload.send(&samples::chunk(&n.to_string())).await;
    }
    upload.send(&samples::done()).await;
    let _ = upload.finish().await.expect(202);
    assert_eq!(within("the end", super::SOON, answer.rest()).await, ["49", "[DONE]"]);
}

#[tokio::test]
async fn many_calls_at_once_do_not_mix() {
    let mut setting = Setting::new(&[]).await;
    let client = setting.mcpd.client();
    let calls: Vec<_> = (0..32)
        .map(|n| {
            let client = client.clone();
            let body = json!({"messages": [{"role": "user", "content": format!("q{n}")}]});
            tokio::spawn(async move { client.post("/llms/llm/infer", &body).await })
        })
        .collect();
    let mut frames = Vec::new();
    while frames.len() < calls.len() {
        frames.push(setting.publisher.frame("infer").await);
    }
    for frame in frames.iter().rev() {
        let asked: serde_json::Value = serde_json::from_str(member(frame, "request")).expect("a request is JSON");
        let text = asked["messages"][0]["content"].as_str().expect("a question");
        let _ = setting.publisher.result(&task_id(frame), &samples::completion(text)).await.expect(202);
    }
    for (n, call) in calls.into_iter().enumerate() {
        let answer = call.await.expect("no panic").expect(200).json();
        assert_eq!(answer["choices"][0]["message"]["content"], format!("q{n}"));
    }
}
