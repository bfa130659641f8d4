//! Registering: all of it happens, or nothing.

use super::{event, lifecycle, publish, status};
use mcpctl_tests::{Mcpd, samples};
use serde_json::{Value, json};

#[tokio::test]
async fn a_register_answers_with_its_rows_and_its_sequence() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let body = json!({"providers": [samples::llm("llm")], "agents": [samples::agent("agent", "llm")]});
    let answer = client.post("/llms/_provider-register", &body).await.expect(201);
    let rows = answer.json();
    assert_eq!(rows["epoch"], 0);
    assert!(rows["providerSessionId"].as_str().is_some_and(|id| !id.is_empty()), "the server makes an id: {rows}");
    assert_eq!((&rows["llms"][0]["kind"], &rows["llms"][0]["status"]), (&json!("virtual"), &json!("active")));
    assert_eq!((&rows["agents"][0]["llm"]["name"], &rows["agents"][0]["connected"]), (&json!("llm"), &json!(false)));
    assert_eq!(client.sequence().await, answer.sequence(), "the lists have it when the answer comes");
    assert_eq!(client.row("/llms", "llm").await.as_ref(), Some(&rows["llms"][0]));
    assert_eq!(client.row("/agents", "agent").await.as_ref(), Some(&rows["agents"][0]));
}

#[tokio::test]
async fn a_register_that_is_refused_changes_nothing() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    let before = client.sequence().await;
    let agents = |llm: &str| json!([samples::agent("agent", "llm"), samples::agent("second", llm)]);
    let answer = publisher.register(json!([samples::llm("llm")]), agents("no-such-llm")).await;
    answer.refused(404, "LLM_NOT_FOUND", "Llm not found: no-such-llm");
    let mut lost = samples::agent("agent", "llm");
    lost["project"] = json!("nowhere");
    let answer = publisher.register(json!([samples::llm("llm")]), json!([lost])).await;
    answer.refused(404, "PROJECT_NOT_FOUND", "Project not found: nowhere");
    let answer = publisher.register(json!([samples::llm("llm"), samples::llm("llm")]), json!([])).await;
    answer.refused(400, "INVALID", "llm");
    let answer = publisher.register(json!([]), Value::Null).await;
    answer.refused(400, "INVALID", "`providers` array is required and must be non-empty");
    let answer = publisher.register(json!([samples::llm("llm")]), json!(["x"])).await;
    answer.refused(400, "INVALID", "agent entry must be an object");
    let answer = publisher.register(json!([samples::llm("llm")]), json!([{"name": "agent"}])).await;
    answer.refused(400, "INVALID", "agent entry requires string `name` and `llmName`");
    assert_eq!(client.sequence().await, before);
    assert_eq!(client.get("/llms").await.json(), json!([]));
    publisher.heartbeat().await.refused(404, "SESSION_NOT_FOUND", "one");
}

#[tokio::test]
async fn names_that_are_taken_are_refused_in_the_agreed_words() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("public", "http://127.0.0.1:9")).await.expect(201);
    let _ = client.post("/agents", &json!({"name": "reviewer", "llm": "public"})).await.expect(201);
    publish(&mcpd.publisher("first")).await;
    let other = mcpd.publisher("other");
    let llm = |name: &str| json!([samples::llm(name)]);
    let answer = other.register(llm("public"), json!([])).await;
    answer.refused(409, "PUBLIC_ROW", "Cannot publish over public Llm: public");
    let answer = other.register(llm("own"), json!([samples::agent("reviewer", "own")])).await;
    answer.refused(409, "PUBLIC_ROW", "Cannot publish over public Agent: reviewer");
    let answer = other.register(llm("llm"), json!([])).await;
    answer.refused(409, "ACTIVE_ELSEWHERE", "Virtual Llm 'llm' is already active under a different session");
    answer.refused(409, "ACTIVE_ELSEWHERE", "`poolName`");
    let answer = other.register(llm("own"), json!([samples::agent("agent", "own")])).await;
    answer.refused(409, "ACTIVE_ELSEWHERE", "Virtual Agent 'agent' is already active under a different session");
    let asleep = json!([{"name": "asleep", "type": "openai", "model": "m", "initialStatus": "hibernating"}]);
    let _ = mcpd.publisher("sleeper").register(asleep, json!([])).await.expect(201);
    let answer = other.register(llm("asleep"), json!([])).await;
    answer.refused(409, "ACTIVE_ELSEWHERE", "Virtual Llm 'asleep' is already active under a different session");
    assert!(client.row("/llms", "own").await.is_none());
}

#[tokio::test]
async fn a_session_is_sticky_and_only_changes_are_written() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    let before = publish(&publisher).await;
    let sequence = client.sequence().await;
    let again = publish(&publisher).await;
    assert_eq!(client.sequence().await, sequence, "a register that changes nothing writes nothing");
    assert_eq!(again["agents"][0]["version"], before["agents"][0]["version"]);
    let brief = json!([{"name": "agent", "llmName": "llm", "description": "changed"}]);
    let changed = publisher.register(json!([samples::llm("llm")]), brief).await.expect(201).json();
    let agent = &changed["agents"][0];
    assert_eq!((&agent["description"], &agent["systemPrompt"]), (&json!("changed"), &json!("Be terse.")));
    assert_eq!((&agent["version"], &agent["id"]), (&json!(2), &before["agents"][0]["id"]));
    assert_eq!(lifecycle(&client, sequence).await, [event("agent.updated", "agent/agent", "registered")]);
    let mut asleep = samples::llm("llm");
    asleep["initialStatus"] = json!("hibernating");
    let sleeping =
        publisher.register(json!([asleep]), json!([samples::agent("agent", "llm")])).await.expect(201).json();
    assert_eq!(
        (&sleeping["llms"][0]["status"], &sleeping["agents"][0]["status"]),
        (&json!("hibernating"), &json!("active"))
    );
}

#[tokio::test]
async fn what_is_not_declared_any_more_is_withdrawn_and_may_be_adopted() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, first) = (mcpd.client(), mcpd.publisher("first"));
    let rows = publish(&first).await;
    let sequence = client.sequence().await;
    // A missing `agents` names none.
    let body = json!({"providerSessionId": "first", "providers": [samples::llm("other")]});
    let _ = client.post("/llms/_provider-register", &body).await.expect(201);
    for (list, name) in [("/llms", "llm"), ("/agents", "agent")] {
        let row = client.row(list, name).await.expect("the row stays");
        assert_eq!(row["status"], "inactive");
        assert!(row["inactiveSince"].is_string(), "{row}");
    }
    let happened = lifecycle(&client, sequence).await;
    assert!(happened.contains(&event("llm.deactivated", "llm/llm", "withdrawn")), "{happened:?}");
    assert!(happened.contains(&event("agent.deactivated", "agent/agent", "withdrawn")), "{happened:?}");
    assert_eq!(first.heartbeat().await.expect(200).json(), json!({"connected": false, "llms": 1, "agents": 0}));
    assert_eq!(client.row("/llms", "llm").await.expect("the row stays")["status"], "inactive", "it is released");

    let sequence = client.sequence().await;
    let adopted = publish(&mcpd.publisher("second")).await;
    assert_eq!(adopted["agents"][0]["id"], rows["agents"][0]["id"]);
    let happened = lifecycle(&client, sequence).await;
    assert!(happened.contains(&event("agent.activated", "agent/agent", "adopted")), "{happened:?}");
    assert!(happened.contains(&event("llm.activated", "llm/llm", "adopted")), "{happened:?}");
}

#[tokio::test]
async fn a_name_that_the_sweep_deleted_comes_back_with_its_id() {
    let flags = ["--heartbeat-timeout", "400ms", "--inactive-retention", "400ms", "--gc-interval", "100ms"];
    let mcpd = Mcpd::start(&flags).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    let before = publish(&publisher).await;
    mcpctl_tests::eventually("the sweep deletes both", super::SOON, async || {
        let gone = client.row("/agents", "agent").await.is_none() && client.row("/llms", "llm").await.is_none();
        gone.then_some(())
    })
    .await;
    let happened = lifecycle(&client, 0).await;
    let at =
        |wanted| happened.iter().position(|seen| *seen == wanted).unwrap_or_else(|| panic!("{wanted:?}: {happened:?}"));
    let stale = at(event("agent.deactivated", "agent/agent", "heartbeat_stale"));
    let agent = at(event("agent.deleted", "agent/agent", "retention"));
    let llm = at(event("llm.deleted", "llm/llm", "retention"));
    assert!(stale < agent && agent < llm, "agents go before their Llm: {happened:?}");
    publisher.heartbeat().await.refused(404, "SESSION_NOT_FOUND", "register again");
    let sequence = client.sequence().await;
    let back = publish(&publisher).await;
    assert_eq!(back["agents"][0]["id"], before["agents"][0]["id"]);
    let happened = lifecycle(&client, sequence).await;
    assert!(happened.contains(&event("agent.restored", "agent/agent", "restored")), "{happened:?}");
}

#[tokio::test]
async fn a_public_create_does_not_inherit_what_a_publisher_had() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    let before = publish(&publisher).await;
    let _ = client.delete("/llms/llm").await.expect(204);
    assert!(client.row("/agents", "agent").await.is_none(), "an Llm takes its virtual agents along");
    let made = client.post("/llms", &samples::public("llm", "http://127.0.0.1:9")).await.expect(201).json();
    assert_ne!(made["id"], before["llms"][0]["id"]);
    publisher.register(json!([samples::llm("llm")]), json!([])).await.refused(409, "PUBLIC_ROW", "llm");
}

#[tokio::test]
async fn a_row_that_its_publisher_lost_is_adopted_with_its_id() {
    let mcpd = Mcpd::start(&["--disconnect-grace", "50ms"]).await;
    let (client, mut first) = (mcpd.client(), mcpd.publisher("first"));
    let before = publish(&first).await;
    first.connect("").await;
    first.hang_up();
    status(&client, "/agents", "agent", "inactive").await;
    let after = publish(&mcpd.publisher("second")).await;
    assert_eq!(
        (&after["agents"][0]["id"], &after["agents"][0]["status"]),
        (&before["agents"][0]["id"], &json!("active"))
    );
    assert_eq!(first.open("").await.err().expect("it owns nothing").status, 404);
}
