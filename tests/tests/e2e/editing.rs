//! Public rows: created, replaced, deleted, by name or by id.

use mcpctl_tests::{Client, Mcpd, eventually, samples};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const URL: &str = "http://127.0.0.1:9";
const SOON: Duration = Duration::from_secs(5);
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

#[tokio::test]
async fn editing_follows_its_rules() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = mcpd.publisher("one").register(json!([samples::llm("llm")]), json!([])).await.expect(201);
    let url = "http://127.0.0.1:9";
    let made = client.post("/llms", &samples::public("public", url)).await.expect(201).json();
    client.post("/llms", &samples::public("public", url)).await.refused(409, "NAME_TAKEN", "public");
    let _ = client.post("/agents", &json!({"name": "reviewer", "llm": {"name": "public"}})).await.expect(201);
    client.post("/agents", &json!({"name": "lost", "llm": "nowhere"})).await.refused(404, "LLM_NOT_FOUND", "nowhere");
    let refused = client.delete("/llms/public").await;
    refused.refused(409, "PINNED", "reviewer");
    client.put("/llms/llm", &samples::public("llm", url)).await.refused(409, "DEFINED_BY_PUBLISHER", "'llm' is active");
    let mut changed = samples::public("public", url);
    changed["description"] = json!("changed");
    let put = |version: &str| client.request(Method::PUT, "/llms/public").header("if-match", version).json(&changed);
    let row = Client::send(put("1")).await.expect(200).json();
    assert_eq!((&row["version"], &row["description"], &row["id"]), (&json!(2), &json!("changed"), &made["id"]));
    Client::send(put("1")).await.refused(409, "VERSION_CONFLICT", "version 2, not 1");
    let row = client.put("/llms/public", &samples::public("public", url)).await.expect(200).json();
    assert_eq!(row["description"], Value::Null, "a field left out returns to its default");
    let id = made["id"].as_str().expect("an id");
    assert_eq!(client.get(&format!("/llms/{id}")).await.expect(200).json()["name"], "public");
    let missing = json!({"name": "x", "type": "vllm", "model": "m"});
    client.post("/llms", &missing).await.refused(
        400,
        "INVALID",
        "vllm: url is required (no default endpoint for this provider)",
    );
    assert_eq!(client.delete("/agents/reviewer").await.status, 204);
    assert_eq!(client.delete("/llms/public").await.status, 204);
    client.get("/llms/public").await.refused(404, "NOT_FOUND", "Llm not found: public");
}

#[tokio::test]
async fn an_id_is_as_good_as_a_name() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let llm = samples::public("public", URL);
    let agent = json!({"name": "reviewer", "llm": "public"});
    for (list, body) in [("/llms", &llm), ("/agents", &agent)] {
        let made = client.post(list, body).await.expect(201).json();
        let path = format!("{list}/{}", made["id"].as_str().expect("an id"));
        let mut changed = body.clone();
        changed["description"] = json!("changed by id");
        let row = client.put(&path, &changed).await.expect(200).json();
        assert_eq!((&row["id"], &row["name"]), (&made["id"], &body["name"]));
        assert_eq!((&row["version"], &row["description"]), (&json!(2), &json!("changed by id")));
        let name = body["name"].as_str().expect("a name");
        assert_eq!(client.row(list, name).await.as_ref(), Some(&row), "no second row was made");
        let paused = client.post(&format!("{path}/disable"), &json!({})).await.expect(200).json();
        assert_eq!((&paused["name"], &paused["disabled"]), (&body["name"], &json!(true)));
    }
    for list in ["/agents", "/llms"] {
        let rows = client.get(list).await.json();
        let id = rows[0]["id"].as_str().expect("an id");
        let _ = client.delete(&format!("{list}/{id}")).await.expect(204);
        assert_eq!(client.get(list).await.json(), json!([]));
    }
}

#[tokio::test]
async fn an_id_that_nothing_has_is_404() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("public", URL)).await.expect(201);
    let agent = json!({"name": "reviewer", "llm": "public"});
    let _ = client.post("/agents", &agent).await.expect(201);
    let sequence = client.sequence().await;
    for (list, title, body) in [("/llms", "Llm", samples::public("public", URL)), ("/agents", "Agent", agent)] {
        let path = format!("{list}/{NOBODY}");
        let says = format!("{title} not found");
        let answers = [client.get(&path).await, client.delete(&path).await, client.put(&path, &body).await];
        for answer in answers {
            let said = answer.json();
            assert_eq!(answer.status, 404, "{said}");
            assert!(said["error"].as_str().is_some_and(|sentence| sentence.contains(&says)), "{said}");
        }
    }
    assert_eq!(client.sequence().await, sequence);
}

#[tokio::test]
async fn default_params_have_an_object_for_extra_or_none() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("public", URL)).await.expect(201);
    let agent = |extra: Value| json!({"name": "agent", "llm": "public", "defaultParams": {"extra": extra}});
    for extra in [json!(5), json!("x"), json!([1])] {
        let answer = client.post("/agents", &agent(extra.clone())).await;
        answer.refused(400, "INVALID", "is an object");
        assert_eq!(answer.pointers(), ["/defaultParams/extra"], "{extra}");
    }
    let _ = client.post("/agents", &agent(json!({"top_k": 4}))).await.expect(201);
    let answer = client.put("/agents/agent", &agent(json!(5))).await.expect(400);
    assert_eq!(answer.pointers(), ["/defaultParams/extra"]);

    let mut published = samples::agent("published", "llm");
    published["defaultParams"] = json!({"extra": 5});
    let agents = json!([samples::agent("fine", "llm"), published]);
    let answer = mcpd.publisher("one").register(json!([samples::llm("llm")]), agents).await;
    answer.refused(400, "INVALID", "is an object");
    assert_eq!(answer.pointers(), ["/agents/1/defaultParams/extra"]);
    assert!(client.row("/llms", "llm").await.is_none(), "nothing of it happened");
}

/// What comes after a write does not show in its answer, however close it comes.
#[tokio::test]
async fn a_write_is_answered_with_what_it_left_although_the_row_is_gone_by_then() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("before", "http://h")).await.expect(201);
    let locked = rusqlite::Connection::open(mcpd.home.data().join("tables-1.db")).expect("the tables");
    locked.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    let made = tokio::spawn({
        let client = client.clone();
        async move { client.post("/llms", &samples::public("made", "http://h")).await }
    });
    let registered = tokio::spawn({
        let client = client.clone();
        let body = json!({"providers": [samples::llm("llm")]});
        async move { client.post("/llms/_provider-register", &body).await }
    });
    for name in ["made", "llm"] {
        eventually(format!("{name} is deleted"), SOON, async || {
            (client.delete(&format!("/llms/{name}?wait=false")).await.status == 204).then_some(())
        })
        .await;
    }
    locked.execute_batch("ROLLBACK").expect("the tables go on");
    assert_eq!(made.await.expect("no panic").expect(201).json()["name"], "made");
    assert_eq!(registered.await.expect("no panic").expect(201).json()["llms"][0]["name"], "llm");
    for name in ["made", "llm"] {
        eventually("the lists know it", SOON, async || client.row("/llms", name).await.is_none().then_some(())).await;
    }
}

#[tokio::test]
async fn a_key_is_named_by_one_place_and_nothing_else() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    for (reference, pointer) in [
        (json!({"env": "KEY", "value": "sk-1"}), "/apiKeyRef/value"),
        (json!({"env": ""}), "/apiKeyRef"),
        (json!({"env": "KEY", "file": "/key"}), "/apiKeyRef"),
        (json!({"env": 1}), "/apiKeyRef/env"),
        (json!("KEY"), "/apiKeyRef"),
    ] {
        let mut llm = samples::public("llm", "http://h");
        llm["apiKeyRef"] = reference;
        let answer = client.post("/llms", &llm).await.expect(400);
        assert!(answer.pointers().contains(&pointer.to_owned()), "{}", answer.text);
    }
}
