//! Projects, personalities and prompts over HTTP: made, listed, replaced, deleted, and what that means for agents.

use mcpctl_tests::{Answer, Client, Mcpd, samples};
use reqwest::Method;
use serde_json::{Value, json};

const URL: &str = "http://127.0.0.1:9";

/// A server with public Llm `llm` and agent `coder` in project `apollo`.
async fn setting() -> (Mcpd, Client) {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = client.post("/projects", &json!({"name": "apollo"})).await.expect(201);
    let _ = client.post("/llms", &samples::public("llm", URL)).await.expect(201);
    let agent = json!({"name": "coder", "llm": "llm", "project": "apollo"});
    let _ = client.post("/agents", &agent).await.expect(201);
    (mcpd, client)
}

fn names(answer: &Answer) -> Vec<String> {
    let rows = answer.json();
    let rows = rows.as_array().expect("a list");
    rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

/// Type and subject of what happened after a sequence.
async fn since(client: &Client, sequence: u64) -> Vec<String> {
    let events = client.events(sequence).await;
    let text = |event: &Value, key: &str| event[key].as_str().expect("a text").to_owned();
    events.iter().map(|event| format!("{} {}", text(event, "subject"), text(event, "type"))).collect()
}

#[tokio::test]
async fn each_kind_is_made_read_replaced_listed_and_deleted() {
    let (_mcpd, client) = setting().await;
    let full = json!({"name": "zeus", "description": "Up high", "mcpServers": [
        {"name": "calc", "url": "http://127.0.0.1:9000/mcp"},
        {"name": "all", "command": "npx", "args": ["-y", "all"], "env": {"LEVEL": "debug", "API_KEY": {"env": "KEY"}}}]});
    for (list, made, other, refused) in [
        ("projects", full.clone(), json!({"description": "Down below"}), json!({"mcpServers": 1})),
        (
            "personalities",
            json!({"name": "grumpy", "agent": "coder"}),
            json!({"agent": "coder", "description": "No"}),
            json!({}),
        ),
        (
            "prompts",
            json!({"name": "rules", "content": "Be brief.", "priority": -3, "project": "apollo"}),
            json!({"content": "x", "agent": "coder"}),
            json!({"content": "x"}),
        ),
    ] {
        let path = format!("/{list}");
        let created = client.post(&path, &made).await.expect(201).json();
        for (name, value) in made.as_object().expect("an object") {
            assert_eq!(created[name], *value, "{list}: {name}");
        }
        let name = made["name"].as_str().expect("a name");
        let one = format!("/{list}/{name}");
        assert_eq!(client.get(&one).await.expect(200).json(), created);
        assert_eq!(
            client.get(&format!("/{list}/{}", created["id"].as_str().expect("an id"))).await.expect(200).json(),
            created
        );
        client.post(&path, &made).await.refused(409, "NAME_TAKEN", name);
        let _ = client.put(&one, &refused).await.expect(400);

        let replaced = client.put(&one, &other).await.expect(200);
        assert_eq!(
            (replaced.json()["version"].clone(), replaced.json()["id"].clone()),
            (json!(2), created["id"].clone())
        );
        assert_eq!(client.put(&one, &other).await.expect(200).json()["version"], 2, "no change is no version");
        let stale = client.request(Method::PUT, &one).header("if-match", "1").json(&made);
        Client::send(stale).await.refused(409, "VERSION_CONFLICT", "is at version 2, not 1");
        let mut renamed = other.clone();
        renamed["name"] = json!("another");
        assert_eq!(client.put(&one, &renamed).await.expect(400).pointers(), ["/name"]);

        let listed = client.get(&path).await.expect(200);
        assert!(names(&listed).contains(&name.to_owned()) && listed.sequence() >= replaced.sequence());
        let _ = client.delete(&one).await.expect(204);
        client.get(&one).await.refused(404, "NOT_FOUND", &format!("not found: {name}"));
        client.delete(&one).await.refused(404, "NOT_FOUND", &format!("not found: {name}"));
        client.put(&one, &other).await.refused(404, "NOT_FOUND", &format!("not found: {name}"));
    }
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let (_mcpd, client) = setting().await;
    let _ = client
        .post("/personalities", &json!({"name": "calm", "agent": "coder", "description": "100% at ease"}))
        .await
        .expect(201);
    for (name, owner) in [("a", "agent"), ("b", "project"), ("c", "personality")] {
        let whose = match owner {
            "agent" => "coder",
            "project" => "apollo",
            _ => "calm",
        };
        let prompt = json!({"name": name, "content": format!("Say {name}."), owner: whose});
        let _ = client.post("/prompts", &prompt).await.expect(201);
    }
    for (query, expected) in [
        ("", &["a", "b", "c"][..]),
        ("?agent=coder", &["a"]),
        ("?project=apollo", &["b"]),
        ("?personality=calm", &["c"]),
        ("?agent=coder&project=apollo", &[]),
        ("?q=SAY%20b", &["b"]),
        ("?limit=2", &["a", "b"]),
        ("?limit=2&cursor=b", &["c"]),
        ("?minSequence=1", &["a", "b", "c"]),
    ] {
        assert_eq!(names(&client.get(&format!("/prompts{query}")).await.expect(200)), expected, "{query}");
    }
    assert!(client.get("/prompts?limit=2").await.header("link").contains("cursor=b"));
    assert_eq!(names(&client.get("/personalities?agent=coder&q=100%25").await.expect(200)), ["calm"]);
    assert_eq!(client.get("/personalities?project=apollo").await.expect(400).pointers(), ["project"]);
    assert_eq!(client.get("/projects?agent=coder").await.expect(400).pointers(), ["agent"]);
    client.get("/projects?kind=public").await.refused(400, "INVALID", "kind");
    client.get("/projects?minSequence=99999999").await.refused(504, "TABLES_BEHIND", "");
}

#[tokio::test]
async fn bad_input_is_named() {
    let (_mcpd, client) = setting().await;
    for (list, body, pointers) in [
        ("projects", json!({"name": "Bad Name", "extra": 1}), &["/name", "/extra"][..]),
        (
            "projects",
            json!({"name": "p", "mcpServers": [{"name": "a"}, {"name": "a", "url": "http://h", "command": "c"}, 7]}),
            &["/mcpServers/0", "/mcpServers/1", "/mcpServers/2"],
        ),
        (
            "projects",
            json!({"name": "p", "mcpServers": [{"name": "a", "url": "ftp://h"}, {"name": "b", "url": "http://u:p@h"}]}),
            &["/mcpServers/0/url", "/mcpServers/1/url"],
        ),
        (
            "projects",
            json!({"name": "p", "mcpServers": [{"name": "a", "url": "http://h"}, {"name": "a", "url": "http://h"}]}),
            &["/mcpServers/1/name"],
        ),
        (
            "projects",
            json!({"name": "p", "mcpServers": [{"name": "a", "command": "c", "args": [1], "env": {"API_TOKEN": "s3cr3t", "A=B": "x", "C": {"env": ""}, "D": 1}}]}),
            &[
                "/mcpServers/0/args",
                "/mcpServers/0/env/A=B",
                "/mcpServers/0/env/API_TOKEN",
                "/mcpServers/0/env/C",
                "/mcpServers/0/env/D",
            ],
        ),
        ("personalities", json!({"name": "p"}), &["/agent"]),
        ("prompts", json!({"name": "p", "content": "", "priority": 0.5, "agent": "coder"}), &["/content", "/priority"]),
        ("prompts", json!({"name": "p", "content": "x", "agent": "coder", "project": "apollo"}), &[""]),
    ] {
        let answer = client.post(&format!("/{list}"), &body).await;
        assert_eq!(answer.expect(400).pointers(), pointers, "{body}");
    }
    let many: Vec<_> = (0..33).map(|n| json!({"name": format!("s{n}"), "url": "http://h"})).collect();
    let refused = client.post("/projects", &json!({"name": "p", "mcpServers": many})).await;
    refused.refused(400, "INVALID", "at most 32");
    for (list, body, says) in [
        ("personalities", json!({"name": "p", "agent": "nobody"}), "Agent not found: nobody"),
        ("prompts", json!({"name": "p", "content": "x", "agent": "nobody"}), "Agent not found: nobody"),
        ("prompts", json!({"name": "p", "content": "x", "project": "none"}), "Project not found: none"),
        ("prompts", json!({"name": "p", "content": "x", "personality": "none"}), "Personality not found: none"),
        ("agents", json!({"name": "a", "llm": "llm", "project": "none"}), "Project not found: none"),
    ] {
        assert_eq!(client.post(&format!("/{list}"), &body).await.expect(404).json()["error"], says);
    }
}

#[tokio::test]
async fn a_deleted_project_is_cleared_on_its_agents_in_one_change() {
    let (_mcpd, client) = setting().await;
    let project = client.get("/projects/apollo").await.expect(200).json();
    let agent = client.get("/agents/coder").await.expect(200).json();
    assert_eq!(agent["project"], json!({"id": project["id"], "name": "apollo"}));
    assert_eq!(names(&client.get("/agents?project=apollo").await), ["coder"]);
    let prompt = json!({"name": "rules", "content": "Be brief.", "project": "apollo"});
    let before = client.post("/prompts", &prompt).await.expect(201).sequence();
    let deleted = client.delete("/projects/apollo").await.expect(204);
    assert_eq!(
        since(&client, before).await,
        [
            "prompt/rules mcpctl.prompt.deleted.v1",
            "agent/coder mcpctl.agent.updated.v1",
            "project/apollo mcpctl.project.deleted.v1"
        ]
    );
    assert_eq!(deleted.sequence(), before + 3);
    let agent = client.get("/agents/coder").await.expect(200).json();
    assert_eq!((&agent["project"], &agent["version"]), (&Value::Null, &json!(2)));
    assert!(names(&client.get("/prompts").await).is_empty());
}

#[tokio::test]
async fn a_deleted_agent_takes_its_prompts_and_personalities_along() {
    let (_mcpd, client) = setting().await;
    let _ = client.post("/personalities", &json!({"name": "calm", "agent": "coder"})).await.expect(201);
    let _ = client.post("/prompts", &json!({"name": "a", "content": "x", "agent": "coder"})).await.expect(201);
    let _ = client.post("/prompts", &json!({"name": "c", "content": "x", "personality": "calm"})).await.expect(201);
    let _ = client.post("/prompts", &json!({"name": "p", "content": "x", "project": "apollo"})).await.expect(201);
    let _ = client.delete("/agents/coder").await.expect(204);
    assert_eq!(names(&client.get("/prompts").await), ["p"]);
    assert!(names(&client.get("/personalities").await).is_empty());
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_with_the_project_as_it_was() {
    let (_mcpd, client) = setting().await;
    let keyed = |path: &str, body: &Value| {
        Client::send(client.request(Method::POST, path).header("idempotency-key", "k").json(body))
    };
    let (project, agent) = (json!({"name": "zeus"}), json!({"name": "helper", "llm": "llm", "project": "zeus"}));
    let (first, made) = (keyed("/projects", &project).await.expect(201), keyed("/agents", &agent).await.expect(201));
    assert_eq!(made.json()["project"]["id"], first.json()["id"]);
    let _ = client.put("/projects/zeus", &json!({"description": "changed"})).await.expect(200);
    assert_eq!(keyed("/projects", &project).await.expect(201).json(), first.json());
    let _ = client.delete("/projects/zeus").await.expect(204);
    assert_eq!(keyed("/projects", &project).await.expect(201).json(), first.json());
    assert_eq!(keyed("/agents", &agent).await.expect(201).json(), made.json());
}

#[tokio::test]
async fn they_survive_a_kill_and_the_tables_are_what_the_log_says() {
    let (mut mcpd, client) = setting().await;
    let body = json!({"name": "rules", "content": "Be brief.", "priority": 7, "agent": "coder"});
    let prompt = client.post("/prompts", &body).await.expect(201).json();
    let _ = client.post("/personalities", &json!({"name": "calm", "agent": "coder"})).await.expect(201);
    mcpd.start_again().await;
    assert_eq!(client.get("/prompts/rules").await.expect(200).json(), prompt);
    assert_eq!(names(&client.get("/personalities").await), ["calm"]);
    assert!(mcpd.process.stop().await.success());
    mcpd.verify().await;
}

#[tokio::test]
async fn a_project_of_many_large_agents_is_deleted_too() {
    let (_mcpd, client) = setting().await;
    for number in 0..60 {
        let agent = json!({"name": format!("large-{number}"), "llm": "llm", "project": "apollo", "systemPrompt": "x".repeat(20_000)});
        let _ = client.post("/agents", &agent).await.expect(201);
    }
    let _ = client.delete("/projects/apollo").await.expect(204);
    let agents = client.get("/agents").await.expect(200).json();
    let agents = agents.as_array().expect("a list");
    assert_eq!(agents.len(), 61);
    assert!(agents.iter().all(|agent| agent["project"].is_null() && agent["version"] == 2));
}
