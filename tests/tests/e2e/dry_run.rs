//! What documents and declarations would do: the same answers as of the real writes, and nothing is written.

use mcpctl_tests::{Client, Mcpd, samples};
use serde_json::{Value, json};

async fn tried(client: &Client, documents: Value) -> Vec<Value> {
    let answer = client.post("/dry-run", &json!({"documents": documents})).await.expect(200).json();
    answer["documents"].as_array().expect("outcomes").clone()
}

fn llm(name: &str) -> Value {
    json!({"kind": "llm", "definition": samples::public(name, "http://127.0.0.1:9/v1")})
}

/// A list in a list, and so on.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |within, _| json!([within]))
}

fn agent(name: &str, llm: &str) -> Value {
    json!({"kind": "agent", "definition": {"name": name, "llm": llm}})
}

#[tokio::test]
async fn each_document_is_tried_on_top_of_those_before_it_and_none_is_written() {
    let mcpd = Mcpd::start(&["--max-rows-per-user", "3"]).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("old", "http://127.0.0.1:9/v1")).await.expect(201);
    let before = client.sequence().await;
    let mut changed = llm("old");
    changed["definition"]["description"] = "new".into();
    let outcomes = tried(&client, json!([changed, llm("gpt"), agent("coder", "gpt"), agent("late", "old")])).await;
    assert_eq!(tried(&client, json!([llm("old")])).await, [json!({"unchanged": {}})]);
    assert_eq!(outcomes[0]["configured"]["row"]["description"], "new");
    assert_eq!(outcomes[1]["created"]["row"]["name"], "gpt");
    assert_eq!(outcomes[2]["created"]["row"]["llm"]["name"], "gpt", "an Llm that is not there yet");
    assert_eq!(outcomes[3]["refused"]["error"]["code"], "TOO_MANY_ROWS", "{outcomes:?}");
    let outcomes = tried(&client, json!([agent("coder", "nobody"), llm("gpt")])).await;
    assert_eq!((outcomes.len(), &outcomes[0]["refused"]["status"]), (1, &json!(404)), "what comes after is not tried");
    let large =
        json!({"kind": "agent", "definition": {"name": "a", "llm": "old", "systemPrompt": "x".repeat(950_000)}});
    assert_eq!(tried(&client, json!([large])).await[0]["refused"]["status"], 413);
    let problems = tried(&client, json!([{"kind": "llm", "definition": {"name": "a", "typo": 1}}])).await;
    assert!(problems[0]["refused"]["error"]["details"].as_array().is_some_and(|all| all.len() > 1), "{problems:?}");
    let deletion = |kind: &str, name: &str| json!({"kind": kind, "delete": name});
    let outcomes = tried(&client, json!([agent("coder", "old"), deletion("llm", "old")])).await;
    assert_eq!(outcomes[1]["refused"]["error"]["code"], "PINNED", "{outcomes:?}");
    assert_eq!(tried(&client, json!([deletion("llm", "old")])).await, [json!({"deleted": {}})]);
    let deep = json!({"kind": "agent", "definition": {"name": "a", "llm": "old", "extras": {"a": nested(96)}}});
    assert!(tried(&client, json!([deep])).await[0].get("created").is_some(), "as deep as it may be by itself");
    for (body, says) in [
        (json!({"documents": [llm("a"), agent("a", "a"), llm("a")]}), "/documents/2: is there twice"),
        (json!({"documents": [deletion("project", "a")]}), "/documents/0/delete: is for Llms and agents"),
        (json!({"documents": [{"kind": "llm"}]}), "/documents/0: has either `definition` or `delete`"),
        (json!({"documents": [["llm", {}]]}), "/documents/0: expected an object"),
        (json!({"documents": vec![llm("a"); 10_001]}), "/documents: are more than 10000"),
        (
            json!({"documents": [{"kind": "planet", "definition": {}}]}),
            "/documents/0/kind: is one of llm, agent, project, personality, prompt",
        ),
        (json!({"documents": [{"kind": "llm", "definition": []}]}), "/documents/0/definition: is an object"),
        (json!({"documents": {}}), "invalid type"),
        (json!([]), "expected an object"),
    ] {
        client.post("/dry-run", &body).await.refused(400, "INVALID", says);
    }
    assert_eq!(client.sequence().await, before);
    assert_eq!(client.get("/agents").await.expect(200).json(), json!([]));
}

#[tokio::test]
async fn whoever_may_not_write_it_is_told_so() {
    let mcpd = Mcpd::start(&[]).await;
    let viewer = crate::access::token(&mcpd, "ann", "viewer").await;
    let outcomes = tried(&viewer, json!([llm("gpt")])).await;
    let said = outcomes[0]["refused"]["error"]["error"].as_str().unwrap_or_default();
    assert!(said.contains("'ann' may not create llms"), "{outcomes:?}");
    let declared = json!({"providerSessionId": "s", "providers": [samples::llm("qwen")]});
    let refused = viewer.post("/llms/_provider-register/dry-run", &declared).await;
    refused.refused(403, "FORBIDDEN", "may not publish");
    let _ = mcpd.client().post("/llms", &samples::public("gpt", "http://127.0.0.1:9/v1")).await.expect(201);
    let editor = crate::access::token(&mcpd, "eve", "editor").await;
    let publisher = mcpd.publisher("s");
    let _ = publisher.register(json!([samples::llm("theirs")]), json!([])).await.expect(201);
    let running = json!({"name": "p", "mcpServers": [{"name": "a", "command": "true"}]});
    let mut with_key = samples::public("gpt", "http://127.0.0.1:9/v1");
    with_key["apiKeyRef"] = json!({"env": "KEY"});
    let theirs = samples::public("theirs", "http://127.0.0.1:9/v1");
    // What a write is refused with is what its dry run says.
    for (client, kind, path, body) in [
        (&viewer, "llm", "/llms/gpt", samples::public("gpt", "http://127.0.0.1:9/v1")),
        (&editor, "llm", "/llms/gpt", with_key),
        (&editor, "llm", "/llms/theirs", theirs),
        (&editor, "project", "/projects", running),
        (&viewer, "llm", "/llms", json!({"name": "new", "typo": 1})),
        (&viewer, "prompt", "/prompts", json!({"name": "a", "agent": "x", "content": "c"})),
    ] {
        let is_new = !path[1..].contains('/');
        let written = if is_new { client.post(path, &body).await } else { client.put(path, &body).await };
        let outcome = &tried(client, json!([{"kind": kind, "definition": body}])).await[0]["refused"];
        assert_eq!(outcome["status"], written.status, "{path}: {}", written.text);
        assert_eq!(outcome["error"]["code"], written.json()["code"], "{path}");
    }
    let deleted = tried(&viewer, json!([{"kind": "llm", "delete": "gpt"}])).await;
    assert_eq!(deleted[0]["refused"]["status"], 403);
}

#[tokio::test]
async fn a_declaration_is_answered_as_its_register_would_be() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let before = client.sequence().await;
    let declared = json!({"providerSessionId": "s", "providers": [samples::llm("qwen")],
        "agents": [{"name": "coder", "llmName": "qwen"}]});
    let tried = client.post("/llms/_provider-register/dry-run", &declared).await.expect(200).json();
    assert_eq!((&tried["llms"][0]["name"], &tried["agents"][0]["status"]), (&json!("qwen"), &json!("active")));
    assert_eq!(client.sequence().await, before);
    client.get("/sessions/s").await.refused(404, "NOT_FOUND", "");
    let _ = client.post("/llms", &samples::public("qwen", "http://127.0.0.1:9/v1")).await.expect(201);
    for path in ["/llms/_provider-register/dry-run", "/llms/_provider-register"] {
        client.post(path, &declared).await.refused(409, "PUBLIC_ROW", "Cannot publish over public Llm: qwen");
    }
}
