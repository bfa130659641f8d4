//! The system block: what it is made of, in which order, and whose personality speaks.

use super::Setting;
use mcpctl_tests::{Client, samples};
use serde_json::{Value, json};

/// Project, personalities and prompts around the agent of a [`Setting`], whose own prompt is `BASE`.
async fn setting() -> (Setting, Client) {
    let setting = Setting::new(&[]).await;
    let client = setting.mcpd.client();
    let _ = client.post("/projects", &json!({"name": "proj"})).await.expect(201);
    let agents = json!([{"name": "agent", "llmName": "llm", "systemPrompt": "BASE", "project": "proj"},
        samples::agent("other", "llm")]);
    let _ = setting.publisher.register(json!([samples::llm("llm")]), agents).await.expect(201);
    for (name, agent) in [("grumpy", "agent"), ("calm", "agent"), ("foreign", "other")] {
        let _ = client.post("/personalities", &json!({"name": name, "agent": agent})).await.expect(201);
    }
    for (name, content, priority, kind, owner) in [
        ("p1", "PROJ-LOW", 1, "project", "proj"),
        ("p2", "PROJ-HIGH", 9, "project", "proj"),
        ("a1", "AGENT-LOW", -1, "agent", "agent"),
        ("a2", "AGENT-HIGH-2", 5, "agent", "agent"),
        ("a0", "AGENT-HIGH-1", 5, "agent", "agent"),
        ("g1", "GRUMPY", 0, "personality", "grumpy"),
        ("c1", "CALM", 0, "personality", "calm"),
        ("f1", "FOREIGN", 0, "personality", "foreign"),
    ] {
        let prompt = json!({"name": name, "content": content, "priority": priority, kind: owner});
        let _ = client.post("/prompts", &prompt).await.expect(201);
    }
    (setting, client)
}

const SHARED: &str = "AGENT-HIGH-1\n\nAGENT-HIGH-2\n\nAGENT-LOW\n\nPROJ-HIGH\n\nPROJ-LOW";

async fn system(setting: &mut Setting, body: Value) -> Value {
    let (request, answer) = setting.turn(body, &[samples::completion("ok")]).await;
    let _ = answer.expect(200);
    request["messages"][0]["content"].clone()
}

#[tokio::test]
async fn it_is_the_agents_its_projects_and_its_personalitys_in_this_order() {
    let (mut setting, _client) = setting().await;
    let asked = json!({"message": "hi", "personality": "grumpy", "systemAppend": "APPENDED"});
    let expected = format!("BASE\n\n{SHARED}\n\nGRUMPY\n\nAPPENDED");
    assert_eq!(system(&mut setting, asked).await, expected);
    let replaced = json!({"message": "hi", "systemPrompt": "OWN"});
    assert_eq!(system(&mut setting, replaced).await, format!("OWN\n\n{SHARED}"));
}

#[tokio::test]
async fn an_agent_speaks_with_its_own_personalities_only() {
    let (_setting, client) = setting().await;
    for (personality, says) in [
        ("none", "Personality not found: none; agent 'agent' has: calm, grumpy"),
        ("foreign", "Personality not found: foreign; agent 'agent' has: calm, grumpy"),
    ] {
        let asked = json!({"message": "hi", "personality": personality});
        client.post("/agents/agent/chat", &asked).await.refused(404, "NOT_FOUND", says);
    }
    assert_eq!(client.get("/agents/agent/threads").await.expect(200).json(), json!([]), "no thread began");
    let bob = json!({"name": "bob", "llm": "llm"});
    let _ = client.post("/agents", &bob).await.expect(201);
    let asked = json!({"message": "hi", "personality": "calm"});
    client.post("/agents/bob/chat", &asked).await.refused(404, "NOT_FOUND", "calm; agent 'bob' has none");
}

#[tokio::test]
async fn a_default_personality_speaks_unless_another_is_named() {
    let (mut setting, client) = setting().await;
    let agent = json!({"name": "public", "llm": "llm", "defaultPersonality": "merry"});
    let _ = client.post("/agents", &agent).await.expect(201);
    let ask = |body: Value| {
        let client = client.clone();
        tokio::spawn(async move { client.post("/agents/public/chat", &body).await })
    };
    // It is not there yet, and so has nothing to say.
    let call = ask(json!({"message": "hi"}));
    let frame: Value = serde_json::from_str(&setting.publisher.frame("infer").await).expect("a frame is JSON");
    assert_eq!(frame["request"]["messages"], json!([{"role": "user", "content": "hi"}]));
    let task = frame["taskId"].as_str().expect("a task");
    let _ = setting.publisher.results(task, &[samples::completion("ok")]).await.expect(202);
    let _ = call.await.expect("no panic").expect(200);

    for (name, content) in [("merry", "MERRY"), ("sad", "SAD")] {
        let _ = client.post("/personalities", &json!({"name": name, "agent": "public"})).await.expect(201);
        let prompt = json!({"name": name, "content": content, "personality": name});
        let _ = client.post("/prompts", &prompt).await.expect(201);
    }
    for (body, expected) in
        [(json!({"message": "hi"}), "MERRY"), (json!({"message": "hi", "personality": "sad"}), "SAD")]
    {
        let call = ask(body);
        let frame: Value = serde_json::from_str(&setting.publisher.frame("infer").await).expect("a frame is JSON");
        assert_eq!(frame["request"]["messages"][0]["content"], expected);
        let task = frame["taskId"].as_str().expect("a task");
        let _ = setting.publisher.results(task, &[samples::completion("ok")]).await.expect(202);
        let _ = call.await.expect("no panic").expect(200);
    }
    let _ = client.delete("/personalities/merry").await.expect(204);
    let agent = client.get("/agents/public").await.expect(200).json();
    assert_eq!((&agent["defaultPersonality"], &agent["version"]), (&Value::Null, &json!(2)));
}

#[tokio::test]
async fn programs_that_speak_openais_api_get_it_too() {
    let (mut setting, client) = setting().await;
    let body = json!({"model": "agent/agent", "messages": [{"role": "user", "content": "hi"}]});
    let call = tokio::spawn(async move {
        Client::send(client.at_root(reqwest::Method::POST, "/v1/chat/completions").json(&body)).await
    });
    let frame: Value = serde_json::from_str(&setting.publisher.frame("infer").await).expect("a frame is JSON");
    assert_eq!(frame["request"]["messages"][0]["content"], format!("BASE\n\n{SHARED}"));
    let task = frame["taskId"].as_str().expect("a task");
    let _ = setting.publisher.results(task, &[samples::completion("ok")]).await.expect(202);
    let _ = call.await.expect("no panic").expect(200);
}
