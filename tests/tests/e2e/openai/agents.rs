//! `agent/<name>` as a model.

use mcpctl_tests::{Client, Mcpd, Model, Reply, model, samples};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn an_agent_adds_its_system_message_and_missing_defaults_and_nothing_else() {
    let (mcpd, model) = (Mcpd::start(&[]).await, Model::start(model::says("hello")).await);
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("llm", &model.url)).await.expect(201);
    let agent = json!({"name": "coder", "llm": "llm", "systemPrompt": "Be terse.",
        "defaultParams": {"temperature": 0.2, "seed": 7, "extra": {"top_k": 40}}});
    let _ = client.post("/agents", &agent).await.expect(201);
    let ask = |path, body: &'static str| {
        let request = client.at_root(Method::POST, path).header("content-type", "application/json");
        Client::send(request.body(body))
    };
    let body = r#"{"model":"agent/coder","messages":[{"role":"system","content":"Theirs."},{"x":1e400}],"seed":1.0,"z":{"b":1,"a":2}}"#;
    let _ = ask("/v1/chat/completions", body).await.expect(200);
    let _ = ask("/v1/responses", r#"{"model":"agent/coder","input":"hi","temperature":1}"#).await.expect(200);
    let sent: Vec<_> = model.calls().into_iter().map(|call| (call.path, call.body)).collect();
    assert_eq!(
        sent,
        [
            (
                "/v1/chat/completions".to_owned(),
                r#"{"model":"gpt-x","messages":[{"role":"system","content":"Be terse."},{"role":"system","content":"Theirs."},{"x":1e400}],"seed":1.0,"z":{"b":1,"a":2},"temperature":0.2,"top_k":40}"#.to_owned()
            ),
            (
                "/v1/responses".to_owned(),
                r#"{"model":"gpt-x","input":"hi","temperature":1,"instructions":"Be terse.","seed":7,"top_k":40}"#.to_owned()
            ),
        ]
    );
}

#[tokio::test]
async fn streams_of_every_kind_keep_their_events_and_their_ends_through_a_publisher() {
    let (mcpd, model) = (Mcpd::start(&[]).await, Model::start(Reply::Fluent).await);
    let config = mcpctl_tests::mcplocal::config("llm", &model.url);
    let mcplocal = mcpctl_tests::Mcplocal::start(&mcpd.home, &config, &[]);
    let client = mcpd.client();
    mcplocal.connected(&client, "llm").await;
    let stream = |path, model: &str| {
        let body = json!({"model": model, "messages": [], "input": "hi", "stream": true});
        Client::send(client.at_root(Method::POST, path).json(&body))
    };
    let answer = stream("/v1/responses", "agent/llm-agent").await.expect(200);
    let direct = reqwest::Client::new().post(format!("{}/v1/responses", model.url));
    let direct = direct.json(&json!({"stream": true})).send().await.expect("an answer").text().await.expect("a text");
    assert_eq!(answer.text, direct, "names of events, no `[DONE]`");
    let data = stream("/v1/chat/completions", "llm").await.expect(200).data();
    assert_eq!(data.last().map(String::as_str), Some("[DONE]"));
}
