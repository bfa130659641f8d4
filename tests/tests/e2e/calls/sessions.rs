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
    let ask = || tokio::spawn(Client::send(client.request(Method::POST, "/llms/llm/infer").json(&samples::ask(false))));
    let listed = async |waiting: u64| {
        eventually(format!("one call is open and {waiting} wait"), SOON, async || {
            let list = client.get("/sessions").await.expect(200).json();
            let waited = list[0]["queue"].as_array().and_then(|queue| queue.last()?["waitedMs"].as_u64());
            (list[0]["queuedCalls"] == waiting && waited > Some(10)).then_some(list)
        })
        .await
    };
    let first = ask();
    let _ = listed(1).await;
    let second = ask();
    let list = listed(2).await;
    let line = |position: usize| list[0]["queue"][position - 1].clone();
    assert_eq!((&line(1)["position"], &line(2)["position"], &line(2)["model"]), (&json!(1), &json!(2), &json!("llm")));
    assert!(line(1)["waitedMs"].as_u64() > line(2)["waitedMs"].as_u64(), "{list}");
    let shown =
        ["id", "user", "epoch", "connected", "transport", "openCalls", "llms"].map(|name| list[0][name].clone());
    assert_eq!(shown, [json!("one"), json!("admin"), json!(1), json!(true), json!("sse"), json!(1), json!(["llm"])]);
    let metrics = client.get_root("/metrics").await.text;
    assert!(metrics.contains("\nmcpctl_queued_calls 2\n"), "{metrics}");
    let table = setting.mcpd.mcpctl(&["get", "sessions", "-o", "wide"]).await;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let head: Vec<_> = table.lines().next().expect("a head").split_whitespace().collect();
    assert!(head.ends_with(&["OPEN", "QUEUED", "POSITION:", "WAIT", "EPOCH", "TRANSPORT", "NODE"]), "{table}");
    assert!(table.contains("  1: 0.") && table.contains(" s, 2: 0."), "{table}");

    let task = mcpctl_tests::publisher::task_id(&frame);
    let _ = setting.publisher.result(&task, &samples::completion("1")).await.expect(202);
    for number in ["2", "3"] {
        let task = setting.publisher.task("infer").await;
        let _ = setting.publisher.result(&task, &samples::completion(number)).await.expect(202);
    }
    for call in [open, first, second] {
        let _ = within("the call ends", SOON, call).await.expect("no panic").expect(200);
    }
    let one = client.get("/sessions/one").await.expect(200).json();
    assert_eq!((&one["openCalls"], &one["queuedCalls"]), (&json!(0), &json!(0)));
    client.get("/sessions/none").await.refused(404, "NOT_FOUND", "session not found: none");
}
