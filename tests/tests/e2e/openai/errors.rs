//! Errors in OpenAI's shape, before an answer and within one.

use mcpctl_tests::{Answer, Client, Mcpd, publisher::FEATURES, samples, within};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

async fn chat(client: &Client, body: &Value) -> Answer {
    Client::send(client.at_root(Method::POST, "/v1/chat/completions").json(body)).await
}

/// Insists on an error: status, type, code, field, and what it says.
#[track_caller]
fn refused(answer: &Answer, status: u16, words: [&str; 3], says: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let error = &answer.json()["error"];
    let found = ["type", "code", "param"].map(|name| error[name].as_str().unwrap_or_default());
    assert_eq!(found, words, "{error}");
    assert!(error["message"].as_str().is_some_and(|message| message.contains(says)), "{error}");
    assert!(answer.header("x-request-id").starts_with("req_"), "{:?}", answer.headers);
}

#[tokio::test]
async fn every_refusal_has_the_shape_and_the_words_that_clients_know() {
    let mcpd = Mcpd::start(&["--max-body", "64KiB"]).await;
    let client = mcpd.client();
    let public = samples::public("llm", "http://127.0.0.1:9");
    let _ = client.post("/llms", &public).await.expect(201);
    let _ = client.post("/agents", &json!({"name": "a", "llm": "llm"})).await.expect(201);
    let with = |model: Value| json!({"model": model, "messages": []});
    let request = "invalid_request_error";
    for (body, status, words, says) in [
        (with(json!("nope")), 404, [request, "model_not_found", ""], "'nope' does not exist"),
        (with(json!("agent/nope")), 404, [request, "model_not_found", ""], "'agent/nope' does not exist"),
        (with(json!(7)), 400, [request, "invalid", "model"], "is required"),
        (json!({"messages": []}), 400, [request, "invalid", "model"], "is required"),
        (json!({"model": "llm", "stream": "yes"}), 400, [request, "invalid", "stream"], "is true or false"),
        (json!({"model": "agent/a", "messages": 7}), 400, [request, "invalid", "messages"], "is an array"),
        (with(json!("x".repeat(70_000))), 413, [request, "body_too_large", ""], "--max-body"),
        (with(json!("llm")), 502, ["server_error", "upstream_error", ""], "'llm' cannot be reached"),
    ] {
        refused(&chat(&client, &body).await, status, words, says);
    }
    let stranger = chat(&client.with_token(Some("wrong")), &with(json!("llm"))).await;
    refused(&stranger, 401, [request, "invalid_api_key", ""], "token");
    let _ = client.post("/llms/llm/disable", &json!({})).await.expect(200);
    let paused = chat(&client, &with(json!("llm"))).await;
    refused(&paused, 503, ["server_error", "disabled", ""], "is disabled");
    assert!(!paused.header("retry-after").is_empty());
    let nowhere = Client::send(client.at_root(Method::POST, "/v1/nowhere").json(&json!({}))).await;
    refused(&nowhere, 404, [request, "not_found", ""], "no such route");
    let root = Client::send(client.at_root(Method::GET, "/v1")).await;
    refused(&root, 404, [request, "not_found", ""], "no such route");
    let method = Client::send(client.at_root(Method::GET, "/v1/embeddings")).await;
    refused(&method, 405, [request, "method_not_allowed", ""], "GET is not allowed");
    for path in ["/v1/completions", "/v1/embeddings"] {
        let body = json!({"model": "agent/a", "input": "x", "prompt": "x"});
        let answer = Client::send(client.at_root(Method::POST, path).json(&body)).await;
        refused(&answer, 400, [request, "invalid", "model"], "an agent answers at");
    }
    let named = client.at_root(Method::GET, "/v1/models").header("x-request-id", "mine-7");
    assert_eq!(Client::send(named).await.expect(200).header("x-request-id"), "mine-7");
}

#[tokio::test]
async fn a_stream_that_fails_says_so_in_the_same_shape_and_is_not_done() {
    let mcpd = Mcpd::start(&[]).await;
    let mut publisher = mcpd.publisher("one");
    let _ = publisher.register(json!([samples::llm("llm")]), json!([])).await.expect(201);
    publisher.connect(FEATURES).await;
    let request = mcpd.client().at_root(Method::POST, "/v1/chat/completions");
    let body = json!({"model": "llm", "messages": [], "stream": true});
    let call = tokio::spawn(Client::send(request.json(&body)));
    let task = publisher.task("infer").await;
    let objects = [samples::chunk(&samples::words("first")), json!({"error": "GPU fell off the bus"})];
    let _ = publisher.results(&task, &objects).await.expect(202);
    let data = within("the stream ends", SOON, call).await.expect("no panic").expect(200).data();
    assert!(data.len() == 2 && data[0].contains("first"), "{data:?}");
    let error: Value = serde_json::from_str(&data[1]).expect("JSON");
    assert_eq!(
        error,
        json!({"error": {"message": "GPU fell off the bus", "type": "server_error", "param": null,
            "code": "publisher_error"}})
    );
}

#[tokio::test]
async fn a_refusal_of_the_model_server_passes_as_it_came() {
    let mcpd = Mcpd::start(&[]).await;
    let body = r#"{"error": {"message":"context too long", "type":"theirs", "code":1e2}}"#.to_owned();
    let model = mcpctl_tests::Model::start(mcpctl_tests::Reply::Whole(400, "application/json", body.clone())).await;
    let _ = mcpd.client().post("/llms", &samples::public("llm", &model.url)).await.expect(201);
    let answer = chat(&mcpd.client(), &json!({"model": "llm", "messages": []})).await.expect(400);
    assert_eq!(answer.text, body);
}
