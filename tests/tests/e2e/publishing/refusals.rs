//! Refused declarations: all that is in the way, and nothing that is secret.

use mcpctl_tests::{Mcpd, samples};
use serde_json::{Value, json};

#[tokio::test]
async fn everything_that_is_in_the_way_is_named() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    for name in ["first", "second"] {
        let _ = client.post("/llms", &samples::public(name, "http://127.0.0.1:9")).await.expect(201);
    }
    let before = client.sequence().await;
    let providers = json!([samples::llm("own"), samples::llm("first"), samples::llm("second")]);
    let agents = json!([samples::agent("fine", "own"), samples::agent("lost", "nowhere")]);
    let answer = publisher.register(providers, agents).await;
    answer.refused(409, "PUBLIC_ROW", "Cannot publish over public Llm: first");
    assert_eq!(answer.pointers(), ["/providers/1/name", "/providers/2/name", "/agents/1/llmName"]);
    let details = answer.json()["details"].clone();
    let reasons: Vec<_> = details.as_array().expect("an array").iter().map(|detail| &detail["reason"]).collect();
    let expected = ["Cannot publish over public Llm: first", "Cannot publish over public Llm: second"];
    assert_eq!(reasons[..2], expected);
    assert_eq!(reasons[2], "Llm not found: nowhere");

    let agents =
        json!([samples::agent("lost", "nowhere"), samples::agent("fine", "own"), {"name": "x", "llmName": "gone"}]);
    let answer = publisher.register(json!([samples::llm("own")]), agents).await;
    answer.refused(404, "LLM_NOT_FOUND", "Llm not found: nowhere");
    assert_eq!(answer.pointers(), ["/agents/0/llmName", "/agents/2/llmName"]);
    assert_eq!(client.sequence().await, before, "nothing was written");
}

#[tokio::test]
async fn secrets_are_found_at_any_depth_and_kept_nowhere() {
    let mut mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let secret = "sk-that-nobody-should-see";
    let config = format!(r#"{{"deep":[{{"x":1e400,"OPENAI_API_KEY":"{secret}"}}]}}"#);
    let provider = format!(r#"{{"name":"llm","type":"openai","model":"m","extraConfig":{config}}}"#);
    let register = format!(r#"{{"providerSessionId":"one","providers":[{provider}]}}"#);
    let answer = client.post_text("/llms/_provider-register", register).await;
    answer.refused(400, "INVALID", "OPENAI_API_KEY");
    assert_eq!(answer.pointers(), ["/providers/0/extraConfig/deep/0/OPENAI_API_KEY"]);
    assert!(!answer.text.contains(secret), "{}", answer.text);
    let public = format!(r#"{{"name":"llm","type":"openai","model":"m","url":"http://h","extraConfig":{config}}}"#);
    let answer = client.post_text("/llms", public).await.expect(400);
    assert_eq!(answer.pointers(), ["/extraConfig/deep/0/OPENAI_API_KEY"]);

    // What is no secret is kept as it came, however odd.
    let odd: Value = client
        .post_text(
            "/llms/_provider-register",
            r#"{"providers":[{"name":"odd","type":"openai","model":"m","extraConfig":{"deep":[{"max_tokens":5}]}}]}"#,
        )
        .await
        .expect(201)
        .json();
    assert_eq!(odd["llms"][0]["extraConfig"], json!({"deep": [{"max_tokens": 5}]}));
    assert!(mcpd.process.stop().await.success());
    assert!(!mcpd.process.log().contains(secret), "{}", mcpd.process.log());
    for file in std::fs::read_dir(mcpd.home.data()).expect("the data folder").flatten() {
        let Ok(bytes) = std::fs::read(file.path()) else { continue };
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{} holds it", file.path().display());
    }
}
