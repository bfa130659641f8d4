//! What publishers are busy with, for who wonders why a call waits.

use super::{SOON, Setting};
use mcpctl_tests::{Client, eventually, samples, within};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_list_of_sessions_says_what_is_open_and_who_waits_how_long() {
    let mut setting = Setting::new(&["--max-inflight-per-session", "1"]).await;
    let (open, frame) = setting.call(samples::ask(false).to_string()).await;
    let client = setting.mcpd.client();
    let request = client.request(Method::POST, "/llms/llm/infer").json(&samples::ask(false));
    let waiting = tokio::spawn(Client::send(request));
    let list = eventually("one call is open and one waits", SOON, async || {
        let list = client.get("/sessions").await.expect(200).json();
        (list[0]["queuedCalls"] == 1 && list[0]["longestWaitMs"].as_u64() > Some(10)).then_some(list)
    })
    .await;
    let shown =
        ["id", "user", "epoch", "connected", "transport", "openCalls", "llms"].map(|name| list[0][name].clone());
    assert_eq!(shown, [json!("one"), json!("admin"), json!(1), json!(true), json!("sse"), json!(1), json!(["llm"])]);
    let metrics = client.get_root("/metrics").await.text;
    assert!(metrics.contains("\nmcpctl_queued_calls 1\n"), "{metrics}");
    let table = setting.mcpd.mcpctl(&["get", "sessions", "-o", "wide"]).await;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let head: Vec<_> = table.lines().next().expect("a head").split_whitespace().collect();
    assert!(head.ends_with(&["OPEN", "QUEUED", "LONGEST", "WAIT", "EPOCH", "TRANSPORT", "NODE"]), "{table}");

    let task = mcpctl_tests::publisher::task_id(&frame);
    let _ = setting.publisher.result(&task, &samples::completion("1")).await.expect(202);
    let task = setting.publisher.task("infer").await;
    let _ = setting.publisher.result(&task, &samples::completion("2")).await.expect(202);
    for call in [open, waiting] {
        let _ = within("the call ends", SOON, call).await.expect("no panic").expect(200);
    }
    let one = client.get("/sessions/one").await.expect(200).json();
    assert_eq!((&one["openCalls"], &one["queuedCalls"]), (&json!(0), &json!(0)));
    client.get("/sessions/none").await.refused(404, "NOT_FOUND", "session not found: none");
}
