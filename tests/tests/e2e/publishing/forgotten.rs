//! A session whose last row was deleted is forgotten; its publisher starts anew.

use super::{SOON, publish};
use mcpctl_tests::{Client, Mcpd, Publisher, samples, within};
use serde_json::json;

async fn is_called(client: Client, publisher: &mut Publisher) {
    let row = client.row("/llms", "llm").await.expect("a row");
    assert_eq!((&row["status"], &row["connected"]), (&json!("active"), &json!(true)));
    let call = tokio::spawn(async move { client.post("/llms/llm/infer", &samples::ask(false)).await });
    let task = publisher.task("infer").await;
    let _ = publisher.result(&task, &samples::completion("here")).await.expect(202);
    let _ = within("the call ends", SOON, call).await.expect("no panic").expect(200);
}

#[tokio::test]
async fn its_stream_ends_and_it_may_register_again() {
    let mcpd = Mcpd::start(&["--disconnect-grace", "50ms"]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    publisher.connect("").await;
    // The agent goes with it.
    let _ = client.delete("/llms/llm").await.expect(204);
    let end = within("the stream ends", SOON, publisher.stream().event()).await;
    assert!(end.is_none_or(|event| event.name == "goodbye"), "no task comes any more");
    publisher.heartbeat().await.refused(404, "SESSION_NOT_FOUND", "register again");
    assert_eq!(publisher.open("").await.err().expect("no stream").status, 404);
    publish(&publisher).await;
    publisher.connect("").await;
    is_called(client.clone(), &mut publisher).await;
    let beat = publisher.heartbeat().await.expect(200).json();
    assert_eq!(beat, json!({"connected": true, "llms": 1, "agents": 1}));
}

#[tokio::test]
async fn a_new_life_that_begins_at_once_is_not_ended_with_the_old_one() {
    let mcpd = Mcpd::start(&["--disconnect-grace", "50ms"]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    for _ in 0..5 {
        publisher.connect("").await;
        let _ = client.delete("/llms/llm").await.expect(204);
        publish(&publisher).await;
        let (_, old) = publisher.connect("").await;
        let mut old = old.expect("the stream before");
        within("the old stream ends", SOON, old.rest()).await;
        drop(old);
        is_called(client.clone(), &mut publisher).await;
    }
}

#[tokio::test]
async fn a_call_under_way_fails_with_the_row() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    publish(&publisher).await;
    publisher.connect("").await;
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.post("/llms/llm/infer", &samples::ask(false)).await });
    publisher.task("infer").await;
    let _ = client.delete("/llms/llm").await.expect(204);
    let answer = within("the call ends", SOON, call).await.expect("no panic");
    answer.refused(502, "PUBLISHER_DISCONNECTED", "disconnected");
}
