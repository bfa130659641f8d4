//! A sweep by hand, and what it tells.

use super::SOON;
use mcpctl_tests::{Mcpd, eventually, samples};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_sweep_says_what_it_marked_deleted_and_kept() {
    let flags = ["--heartbeat-timeout", "400ms", "--inactive-retention", "400ms", "--gc-interval", "1h"];
    let mcpd = Mcpd::start(&flags).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("one"));
    let llms = json!([samples::llm("kept"), samples::llm("lost")]);
    let _ = publisher.register(llms, json!([samples::agent("agent", "lost")])).await.expect(201);
    let _ = client.post("/agents", &json!({"name": "reviewer", "llm": "kept"})).await.expect(201);
    let nothing = json!({"markedInactive": 0, "deleted": 0, "retained": []});
    let sweep =
        async || Some(client.post("/gc", &json!({})).await.expect(200).json()).filter(|swept| *swept != nothing);
    let marked: Value = eventually("its lease ends", SOON, sweep).await;
    assert_eq!(marked, json!({"markedInactive": 3, "deleted": 0, "retained": []}), "both Llms and the agent");
    for (list, name) in [("/llms", "kept"), ("/llms", "lost"), ("/agents", "agent")] {
        assert_eq!(client.row(list, name).await.expect("it is kept for a while")["status"], "inactive");
    }

    let swept: Value = eventually("its rows are kept no longer", SOON, sweep).await;
    assert_eq!((&swept["markedInactive"], &swept["deleted"]), (&json!(0), &json!(2)), "{swept}");
    assert_eq!(swept["retained"].as_array().map(Vec::len), Some(1), "{swept}");
    assert_eq!(swept["retained"][0]["name"], "kept");
    let reason = swept["retained"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("'reviewer'"), "{reason}");
    assert!(client.row("/llms", "lost").await.is_none() && client.row("/agents", "agent").await.is_none());
    assert_eq!(client.row("/llms", "kept").await.expect("it stays")["status"], "inactive");

    let _ = client.delete("/agents/reviewer").await.expect(204);
    let last = sweep().await.expect("it goes with the next sweep");
    assert_eq!(last, json!({"markedInactive": 0, "deleted": 1, "retained": []}));
    assert_eq!(client.with_token(None).post("/gc", &json!({})).await.status, 401);
}

#[tokio::test]
async fn a_publisher_that_is_refused_was_heard_all_the_same() {
    let flags = ["--heartbeat-timeout", "1s", "--gc-interval", "100ms"];
    let mcpd = Mcpd::start(&flags).await;
    let client = mcpd.client();
    let [refused, late, silent] = ["refused", "late", "silent"].map(|name| mcpd.publisher(name));
    let _ = client.post("/llms", &samples::public("public", "http://h")).await.expect(201);
    for publisher in [&refused, &late, &silent] {
        let _ = publisher.register(json!([samples::llm(&publisher.session)]), json!([])).await.expect(201);
    }
    let task = "00000000-0000-7000-8000-000000000000";
    eventually("who says nothing is stale", SOON, async || {
        let answer = refused.register(json!([samples::llm("public")]), json!([])).await;
        answer.refused(409, "PUBLIC_ROW", "public");
        assert_eq!(late.result(task, &json!({"accepted": true})).await.status, 404);
        (client.row("/llms", "silent").await?["status"] == "inactive").then_some(())
    })
    .await;
    for name in ["refused", "late"] {
        assert_eq!(client.row("/llms", name).await.expect("a row")["status"], "active", "{name}");
    }
}

#[tokio::test]
async fn a_server_that_stood_still_calls_nobody_silent_for_it() {
    let mcpd = Mcpd::start(&["--heartbeat-timeout", "3s", "--gc-interval", "100ms"]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    let _ = publisher.register(json!([samples::llm("llm")]), json!([])).await.expect(201);
    publisher.connect("").await;
    mcpd.process.signal(Signal::SIGSTOP);
    tokio::time::sleep(Duration::from_secs(6)).await;
    mcpd.process.signal(Signal::SIGCONT);
    let _ = publisher.heartbeat().await.expect(200);
    assert!(mcpd.process.log().contains("stood still"), "{}", mcpd.process.log());
    let events = client.events(0).await;
    assert!(!events.iter().any(|event| event["data"]["cause"] == "heartbeat_stale"), "{events:?}");
    eventually("who is silent from now on is", SOON, async || {
        client.row("/llms", "llm").await.filter(|row| row["status"] == "inactive")
    })
    .await;
}
