//! `Idempotency-Key`: a write that is sent again happens once.

use mcpctl_tests::{Answer, Client, Mcpd, eventually, samples};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const URL: &str = "http://127.0.0.1:9";
const SOON: Duration = Duration::from_secs(5);

/// A `POST` with this key.
async fn keyed(client: &Client, key: &str, path: &str, body: &Value) -> Answer {
    Client::send(client.request(Method::POST, path).header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let make =
        || client.request(Method::POST, "/llms").header("idempotency-key", "k1").json(&samples::public("once", URL));
    let first = Client::send(make()).await.expect(201);
    let mut changed = samples::public("once", URL);
    changed["tier"] = json!("changed");
    let _ = client.put("/llms/once", &changed).await.expect(200);
    let again = Client::send(make()).await.expect(201);
    assert_eq!((again.json(), again.sequence()), (first.json(), first.sequence()));
    let _ = client.delete("/llms/once").await.expect(204);
    assert_eq!(Client::send(make()).await.expect(201).json(), first.json());
}

#[tokio::test]
async fn a_key_is_visible_letters() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    for (key, name) in [("two words", "one"), ("a\tb", "two"), (&"k".repeat(256), "three"), ("", "four")] {
        let refused = keyed(&client, key, "/llms", &samples::public(name, URL)).await;
        refused.refused(400, "INVALID", "Idempotency-Key");
        assert_eq!(client.row("/llms", name).await, None);
    }
    let longest = "~!".repeat(127) + "k";
    let _ = keyed(&client, &longest, "/llms", &samples::public("five", URL)).await.expect(201);
}

#[tokio::test]
async fn a_register_without_a_session_gets_the_same_one_again() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let body = json!({"providers": [samples::llm("llm")], "agents": [samples::agent("agent", "llm")]});
    let path = "/llms/_provider-register";
    let first = keyed(&client, "k", path, &body).await.expect(201);
    let again = keyed(&client, "k", path, &body).await.expect(201);
    assert_eq!((again.json(), again.sequence()), (first.json(), first.sequence()));
    assert_eq!(client.sequence().await, first.sequence(), "a repeat writes nothing");
    let session = first.json()["providerSessionId"].as_str().expect("a session").to_owned();
    let _ = mcpd.publisher(&session).heartbeat().await.expect(200);

    // Without the key it is another publisher, which finds the names taken.
    client.post(path, &body).await.refused(409, "ACTIVE_ELSEWHERE", "'llm' is already active");
    let other = json!({"providers": [samples::llm("other")]});
    keyed(&client, "k", path, &other).await.refused(422, "IDEMPOTENCY_KEY_REUSED", "");
    assert!(client.row("/llms", "other").await.is_none());
}

#[tokio::test]
async fn a_repeat_shows_nothing_of_what_happened_since() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    let body = json!({"providerSessionId": "one", "providers": [samples::llm("llm")]});
    let first = keyed(&client, "k", "/llms/_provider-register", &body).await.expect(201).json();
    publisher.connect("").await;
    let heard = first["llms"][0]["lastHeartbeatAt"].clone();
    eventually("a later sign of life", SOON, async || {
        let _ = publisher.heartbeat().await.expect(200);
        (client.row("/llms", "llm").await.expect("a row")["lastHeartbeatAt"] != heard).then_some(())
    })
    .await;
    let again = keyed(&client, "k", "/llms/_provider-register", &body).await.expect(201).json();
    assert_eq!(again, first);
}

#[tokio::test]
async fn a_key_with_another_body_is_422() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = keyed(&client, "k", "/llms", &samples::public("a", URL)).await.expect(201);
    keyed(&client, "k", "/llms", &samples::public("b", URL)).await.refused(422, "IDEMPOTENCY_KEY_REUSED", "");
    assert!(client.row("/llms", "b").await.is_none());
    // A key counts for its route.
    let _ = keyed(&client, "k", "/agents", &json!({"name": "reviewer", "llm": "a"})).await.expect(201);
}

#[tokio::test]
async fn a_repeated_pause_does_not_pause_again() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("llm", URL)).await.expect(201);
    let _ = client.post("/agents", &json!({"name": "agent", "llm": "llm"})).await.expect(201);
    for (list, name) in [("/llms", "llm"), ("/agents", "agent")] {
        let (disable, enable) = (format!("{list}/{name}/disable"), format!("{list}/{name}/enable"));
        let first = keyed(&client, "k", &disable, &json!({})).await.expect(200);
        assert_eq!(first.json()["disabled"], true);
        let _ = client.post(&enable, &json!({})).await.expect(200);
        let again = keyed(&client, "k", &disable, &json!({})).await.expect(200);
        assert_eq!((again.json(), again.sequence()), (first.json(), first.sequence()));
        assert_eq!(client.row(list, name).await.expect("a row")["disabled"], false);
        let _ = keyed(&client, "another", &disable, &json!({})).await.expect(200);
        assert_eq!(client.row(list, name).await.expect("a row")["disabled"], true);
    }
}

#[tokio::test]
async fn refusals_and_writes_that_changed_nothing_are_not_remembered() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let agent = json!({"name": "agent", "llm": "late"});
    keyed(&client, "k", "/agents", &agent).await.refused(404, "LLM_NOT_FOUND", "late");
    let bad = json!({"name": "agent"});
    assert_eq!(keyed(&client, "k", "/agents", &bad).await.status, 400);
    let _ = client.post("/llms", &samples::public("late", URL)).await.expect(201);
    let _ = keyed(&client, "k", "/agents", &agent).await.expect(201);

    let _ = keyed(&client, "e", "/llms/late/enable", &json!({})).await.expect(200);
    let _ = client.post("/llms/late/disable", &json!({})).await.expect(200);
    let row = keyed(&client, "e", "/llms/late/enable", &json!({})).await.expect(200).json();
    assert_eq!(row["disabled"], false, "the first one changed nothing");
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let mut mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let body = json!({"providers": [samples::llm("llm")]});
    let first = keyed(&client, "k", "/llms/_provider-register", &body).await.expect(201).json();
    mcpd.process.kill();
    mcpd.start_again().await;
    let again = keyed(&client, "k", "/llms/_provider-register", &body).await.expect(201).json();
    assert_eq!(again["providerSessionId"], first["providerSessionId"]);
    assert_eq!(again["llms"][0]["id"], first["llms"][0]["id"]);
}

#[tokio::test]
async fn a_repeat_by_id_gets_the_first_answer_although_the_row_is_gone() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let made = client.post("/llms", &samples::public("llm", URL)).await.expect(201).json();
    let path = format!("/llms/{}", made["id"].as_str().expect("an id"));
    let send = async |method: Method, key: &str| {
        let request = client.request(method, &path).header("idempotency-key", key);
        Client::send(request.json(&samples::public("llm", "http://127.0.0.1:8"))).await
    };
    let replaced = send(Method::PUT, "put").await.expect(200);
    let deleted = send(Method::DELETE, "delete").await.expect(204);
    let _ = client.post("/llms", &samples::public("other", URL)).await.expect(201);
    let again = send(Method::PUT, "put").await.expect(200);
    assert_eq!((again.json(), again.sequence()), (replaced.json(), replaced.sequence()));
    assert_eq!(send(Method::DELETE, "delete").await.expect(204).sequence(), deleted.sequence());
}

#[tokio::test]
async fn a_repeat_needs_no_tables() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("before", URL)).await.expect(201);
    let locked = rusqlite::Connection::open(mcpd.home.data().join("tables-1.db")).expect("the tables");
    locked.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    let body = samples::public("llm", URL);
    let first = keyed(&client, "k", "/llms?wait=false", &body).await.expect(201);
    assert_eq!(first.header("x-mcpctl-projected"), (first.sequence() - 1).to_string());
    let again = keyed(&client, "k", "/llms?wait=false", &body).await.expect(201);
    assert_eq!(again.json(), first.json());
}

#[tokio::test]
async fn a_repeat_of_a_restore_knows_what_the_row_was_before() {
    let flags = ["--heartbeat-timeout", "300ms", "--inactive-retention", "100ms", "--gc-interval", "50ms"];
    let mcpd = Mcpd::start(&flags).await;
    let client = mcpd.client();
    let body = json!({"providerSessionId": "one", "providers": [samples::llm("llm")]});
    let made = client.post("/llms/_provider-register", &body).await.expect(201).json()["llms"][0].clone();
    let _ = client.post("/llms/llm/disable", &json!({})).await.expect(200);
    let gone = async || client.row("/llms", "llm").await.is_none().then_some(());
    eventually("the row is deleted", SOON, gone).await;
    let restored = keyed(&client, "k", "/llms/_provider-register", &body).await.expect(201).json();
    assert_eq!((&restored["llms"][0]["id"], &restored["llms"][0]["disabled"]), (&made["id"], &json!(true)));
    let again = keyed(&client, "k", "/llms/_provider-register", &body).await.expect(201).json();
    assert_eq!(again, restored);
}
