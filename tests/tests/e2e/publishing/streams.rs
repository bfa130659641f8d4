//! Streams: binding, superseding, ending, and what that does to rows and calls.

use super::{SOON, event, lifecycle, publish, status};
use mcpctl_tests::{Client, Mcpd, eventually, publisher::FEATURES, samples, within};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_stream_needs_a_known_session() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let answer = client.get("/llms/_provider-stream").await;
    answer.refused(400, "INVALID", "x-mcpctl-provider-session");
    let refused = mcpd.publisher("nobody").open("").await.err().expect("no stream");
    refused.refused(404, "SESSION_NOT_FOUND", "register again");
    let refused = mcpd.publisher("not an id").open("").await.err().expect("no stream");
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn hello_comes_when_the_lists_know_of_the_stream_and_pings_follow() {
    let mcpd = Mcpd::start(&["--ping-interval", "100ms"]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    let (epoch, _) = publisher.connect("").await;
    assert_eq!(epoch, 1);
    assert_eq!(client.row("/llms", "llm").await.expect("a row")["connected"], true);
    let ping = within("a ping", SOON, publisher.stream().any()).await.expect("the stream goes on");
    assert_eq!((ping.name.as_str(), ping.data.as_str()), (":", "ping"));
    let said = client.events(0).await;
    let connected = said.iter().find(|event| event["type"] == "mcpctl.session.connected.v1").expect("it is on record");
    assert_eq!(connected["data"]["epoch"], 1);
}

#[tokio::test]
async fn a_stream_that_ends_turns_its_rows_inactive_and_a_new_one_brings_them_back() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    let mut asleep = samples::llm("asleep");
    asleep["initialStatus"] = json!("hibernating");
    let agents = json!([samples::agent("agent", "llm")]);
    let _ = publisher.register(json!([samples::llm("llm"), asleep]), agents).await.expect(201);
    publisher.connect("").await;
    let sequence = client.sequence().await;
    publisher.hang_up();
    let row = status(&client, "/agents", "agent", "inactive").await;
    assert_eq!((&row["connected"], row["inactiveSince"].is_string()), (&json!(false), true));
    status(&client, "/llms", "asleep", "inactive").await;
    let happened = lifecycle(&client, sequence).await;
    assert!(happened.contains(&event("llm.deactivated", "llm/llm", "disconnected")), "{happened:?}");

    let sequence = client.sequence().await;
    publisher.connect("").await;
    let row = status(&client, "/agents", "agent", "active").await;
    assert_eq!((&row["connected"], &row["inactiveSince"]), (&json!(true), &Value::Null));
    status(&client, "/llms", "asleep", "hibernating").await;
    let happened = lifecycle(&client, sequence).await;
    assert!(happened.contains(&event("llm.activated", "llm/llm", "reconnected")), "{happened:?}");
    assert!(happened.contains(&event("llm.hibernated", "llm/asleep", "reconnected")), "{happened:?}");
}

#[tokio::test]
async fn a_stream_that_comes_back_within_the_grace_leaves_no_trace_on_its_rows() {
    let mcpd = Mcpd::start(&["--disconnect-grace", "3s"]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    publisher.connect("").await;
    let sequence = client.sequence().await;
    publisher.hang_up();
    eventually("the end is on record", SOON, async || {
        client.events(sequence).await.iter().any(|e| e["type"] == "mcpctl.session.disconnected.v1").then_some(())
    })
    .await;
    assert_eq!(publisher.connect("").await.0, 2);
    assert_eq!(lifecycle(&client, sequence).await, []);
}

#[tokio::test]
async fn a_second_stream_supersedes_the_first() {
    let mcpd = Mcpd::start(&["--disconnect-grace", "50ms"]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    publisher.connect("").await;
    let waiting = tokio::spawn(async move { client.post("/llms/llm/infer", &samples::ask(false)).await });
    let task = publisher.task("infer").await;
    let (epoch, old) = publisher.connect("").await;
    let mut old = old.expect("the first stream");
    assert_eq!(epoch, 2);
    let goodbye = old.next().await;
    assert_eq!((goodbye.name.as_str(), goodbye.data.as_str()), ("goodbye", r#"{"reason":"superseded"}"#));
    assert_eq!(within("the end of the old stream", SOON, old.any()).await, None);
    let answer = within("the call fails", SOON, waiting).await.expect("no panic");
    answer.refused(502, "PUBLISHER_DISCONNECTED", "disconnected");
    assert_eq!(publisher.result(&task, &samples::completion("late")).await.status, 410);
    drop(old);
    let client = mcpd.client();
    let waiting = tokio::spawn(async move { client.post("/llms/llm/infer", &samples::ask(false)).await });
    let task = publisher.task("infer").await;
    let _ = publisher.result(&task, &samples::completion("from the new one")).await.expect(202);
    let _ = waiting.await.expect("no panic").expect(200);
    let happened = lifecycle(&mcpd.client(), 0).await;
    assert!(!happened.iter().any(|(kind, ..)| kind.ends_with("deactivated")), "{happened:?}");
}

#[tokio::test]
async fn calls_in_flight_fail_at_once_when_the_stream_ends() {
    let mcpd = Mcpd::start(&["--disconnect-grace", "60s"]).await;
    let mut publisher = mcpd.publisher("one");
    publish(&publisher).await;
    publisher.connect("").await;
    let call = |client: Client| tokio::spawn(async move { client.post("/llms/llm/infer", &samples::ask(false)).await });
    let waiting = call(mcpd.client());
    publisher.task("infer").await;
    publisher.hang_up();
    let answer = within("the call fails", Duration::from_secs(1), waiting).await.expect("no panic");
    answer.refused(502, "PUBLISHER_DISCONNECTED", "disconnected");
}

#[tokio::test]
async fn a_heartbeat_brings_rows_back_and_is_no_history_otherwise() {
    let mcpd = Mcpd::start(&["--disconnect-grace", "50ms"]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    publisher.connect("").await;
    assert_eq!(publisher.heartbeat().await.expect(200).json(), json!({"connected": true, "llms": 1, "agents": 1}));
    publisher.hang_up();
    let dead = status(&client, "/agents", "agent", "inactive").await;
    let sequence = client.sequence().await;
    let _ = publisher.heartbeat().await.expect(200);
    let row = status(&client, "/agents", "agent", "active").await;
    assert!(row["lastHeartbeatAt"].as_str() > dead["lastHeartbeatAt"].as_str(), "{row}");
    assert_eq!((&row["version"], &row["connected"]), (&dead["version"], &json!(false)));
    let happened = lifecycle(&client, sequence).await;
    assert!(happened.contains(&event("agent.activated", "agent/agent", "heartbeat")), "{happened:?}");
    let sequence = client.sequence().await;
    for _ in 0..20 {
        let _ = publisher.heartbeat().await.expect(200);
    }
    assert_eq!(client.sequence().await, sequence);
}

#[tokio::test]
async fn thirty_opens_a_minute_are_enough() {
    let mcpd = Mcpd::start(&[]).await;
    let (mut publisher, other) = (mcpd.publisher("one"), mcpd.publisher("two"));
    publish(&publisher).await;
    let _ = other.register(json!([samples::llm("other")]), json!([])).await.expect(201);
    for _ in 0..30 {
        publisher.connect("").await;
    }
    let refused = publisher.open("").await.err().expect("that was one too many");
    refused.refused(429, "TOO_MANY_STREAMS", "30");
    assert!(!refused.header("retry-after").is_empty());
    assert!(other.open("").await.is_ok(), "others are not held back");
}

#[tokio::test]
async fn a_publisher_that_promised_to_accept_has_to() {
    let mcpd = Mcpd::start(&["--accept-timeout", "300ms"]).await;
    let mut publisher = mcpd.publisher("one");
    publish(&publisher).await;
    publisher.connect(FEATURES).await;
    let client = mcpd.client();
    let answer = within("the call fails", SOON, client.post("/llms/llm/infer", &samples::ask(false))).await;
    answer.refused(502, "PUBLISHER_SILENT", "llm");
    let task = publisher.task("infer").await;
    assert_eq!(publisher.task("cancel").await, task);

    let waiting = tokio::spawn(async move { client.post("/llms/llm/infer", &samples::ask(false)).await });
    let task = publisher.task("infer").await;
    let _ = publisher.result(&task, &json!({"accepted": true})).await.expect(202);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let _ = publisher.result(&task, &samples::completion("thought it over")).await.expect(202);
    let _ = waiting.await.expect("no panic").expect(200);
}

#[tokio::test]
async fn an_older_publisher_need_not_accept() {
    let mcpd = Mcpd::start(&["--accept-timeout", "100ms"]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    publisher.connect("").await;
    let waiting = tokio::spawn(async move { client.post("/llms/llm/infer", &samples::ask(false)).await });
    let task = publisher.task("infer").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let _ = publisher.result(&task, &samples::completion("late but fine")).await.expect(202);
    let _ = waiting.await.expect("no panic").expect(200);
}

#[tokio::test]
async fn a_look_at_the_head_opens_no_stream() {
    let mcpd = Mcpd::start(&[]).await;
    let mut publisher = mcpd.publisher("one");
    let _ = publisher.register(json!([samples::llm("llm")]), json!([])).await.expect(201);
    let (epoch, _) = publisher.connect("").await;
    for path in ["/llms/_provider-stream", "/llms/_provider-tasks"] {
        assert_eq!(Client::send(publisher.request(Method::HEAD, path)).await.status, 405, "{path}");
    }
    let again = publisher.register(json!([samples::llm("llm")]), json!([])).await.expect(201).json();
    assert_eq!(again["epoch"], epoch, "the stream is still the same");
}
