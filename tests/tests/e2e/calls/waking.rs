//! Models that sleep: one wake for all who call, and the log says how it went.

use super::SOON;
use mcpctl_tests::{Answer, Client, Mcpd, Publisher, eventually, publisher::FEATURES, samples, within};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A server and a publisher whose Llm sleeps.
async fn asleep(flags: &[&str], max_wait_seconds: u32) -> (Mcpd, Publisher) {
    let mcpd = Mcpd::start(flags).await;
    let mut publisher = mcpd.publisher("one");
    let mut llm = samples::llm("llm");
    llm["initialStatus"] = json!("hibernating");
    llm["maxWaitSeconds"] = json!(max_wait_seconds);
    let _ = publisher.register(json!([llm]), json!([samples::agent("agent", "llm")])).await.expect(201);
    publisher.connect(FEATURES).await;
    (mcpd, publisher)
}

fn call(mcpd: &Mcpd) -> JoinHandle<Answer> {
    tokio::spawn(Client::send(mcpd.client().request(Method::POST, "/llms/llm/infer").json(&samples::ask(false))))
}

async fn ended(call: JoinHandle<Answer>) -> Answer {
    within("the call ends", SOON, call).await.expect("no panic")
}

/// The data of the newest event of this type about the Llm.
async fn newest(mcpd: &Mcpd, kind: &str) -> Value {
    let events = mcpd.client().get("/events").await.expect(200).json();
    let of_kind = |event: &&Value| event["type"] == format!("mcpctl.llm.{kind}.v1");
    events.as_array().expect("a list").iter().rfind(of_kind).expect("an event")["data"].clone()
}

#[tokio::test]
async fn all_who_call_share_one_wake_and_are_answered_once_it_is_on_the_log() {
    let (mcpd, mut publisher) = asleep(&[], 60).await;
    let calls = [call(&mcpd), call(&mcpd), call(&mcpd)];
    let wake: Value = serde_json::from_str(&publisher.frame("wake").await).expect("JSON");
    assert_eq!((&wake["llmName"], &wake["maxWaitSeconds"]), (&json!("llm"), &json!(60)));
    let task = wake["taskId"].as_str().expect("an id");
    let _ = publisher.result(task, &json!({"accepted": true})).await.expect(202);
    let _ = publisher.result(task, &json!({"status": 200, "body": {"ok": true, "ms": 5}})).await.expect(202);
    for _ in 0..3 {
        let task = publisher.task("infer").await;
        let _ = publisher.result(&task, &samples::completion("awake")).await.expect(202);
    }
    for call in calls {
        let _ = ended(call).await.expect(200);
    }
    assert_eq!(mcpd.client().row("/llms", "llm").await.expect("a row")["status"], "active");
    let woken = newest(&mcpd, "activated").await;
    assert_eq!(
        (&woken["cause"], &woken["from"], &woken["to"]),
        (&json!("woken"), &json!("hibernating"), &json!("active"))
    );
    assert!(woken["latencyMs"].is_u64(), "{woken}");
}

#[tokio::test]
async fn a_wake_that_fails_is_told_to_all_and_tried_again_by_the_next() {
    let (mcpd, mut publisher) = asleep(&[], 60).await;
    for reason in ["GPU is busy", "GPU is still busy"] {
        let calls = [call(&mcpd), call(&mcpd)];
        let task = publisher.task("wake").await;
        // A call that came later would begin a wake of its own.
        let both = async || {
            let metrics = mcpd.client().get_root("/metrics").await.text;
            metrics.contains("\nmcpctl_waking_calls 2\n").then_some(())
        };
        eventually("both are waiting", SOON, both).await;
        let _ = publisher.result(&task, &json!({"error": reason})).await.expect(202);
        for call in calls {
            let answer = ended(call).await;
            answer.refused(503, "WAKE_FAILED", reason);
            assert!(!answer.header("retry-after").is_empty());
        }
        assert_eq!(mcpd.client().row("/llms", "llm").await.expect("a row")["status"], "hibernating");
        let failed = newest(&mcpd, "wake_failed").await;
        assert_eq!((&failed["reason"], &failed["cause"]), (&json!(reason), &json!("wake_failed")));
        assert!(failed["latencyMs"].is_u64(), "{failed}");
    }
}

#[tokio::test]
async fn a_wake_ends_in_time_and_so_many_calls_are_held() {
    let (mcpd, mut publisher) = asleep(&["--queue-depth", "1"], 1).await;
    let first = call(&mcpd);
    let task = publisher.task("wake").await;
    let _ = publisher.result(&task, &json!({"accepted": true})).await.expect(202);
    ended(call(&mcpd)).await.refused(429, "BUSY", "'llm' is being woken");
    ended(first).await.refused(503, "WAKE_FAILED", "not up within 1 s");
    publisher.task("cancel").await;
    let late = publisher.result(&task, &json!({"status": 200, "body": {"ok": true}})).await;
    late.refused(410, "TASK_GONE", "was cancelled");
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_end_the_wake_and_a_publisher_that_leaves_does() {
    let (mcpd, mut publisher) = asleep(&[], 60).await;
    let first = call(&mcpd);
    let task = publisher.task("wake").await;
    first.abort();
    let second = call(&mcpd);
    let _ = publisher.result(&task, &json!({"status": 200, "body": {"ok": true}})).await.expect(202);
    let task = publisher.task("infer").await;
    let _ = publisher.result(&task, &samples::completion("awake")).await.expect(202);
    let _ = ended(second).await.expect(200);

    let (mcpd, mut publisher) = asleep(&[], 60).await;
    let first = call(&mcpd);
    publisher.task("wake").await;
    publisher.hang_up();
    ended(first).await.refused(503, "WAKE_FAILED", "disconnected");
}

#[tokio::test]
async fn a_chat_with_an_agent_wakes_its_model_and_its_stream_is_kept_alive() {
    let (mcpd, mut publisher) = asleep(&[], 60).await;
    let request = mcpd.client().request(Method::POST, "/agents/agent/chat");
    let chat = tokio::spawn(Client::send(request.json(&json!({"message": "hi", "stream": true}))));
    let task = publisher.task("wake").await;
    let _ = publisher.result(&task, &json!({"status": 200, "body": {"ok": true}})).await.expect(202);
    let task = publisher.task("infer").await;
    let _ = publisher.result(&task, &samples::completion("good morning")).await.expect(202);
    let data = within("the chat ends", SOON, chat).await.expect("no panic").expect(200).data();
    assert!(data[0].contains("good morning") && data[1].contains("final"), "{data:?}");
}

#[tokio::test]
async fn a_pool_has_another_sleeper_woken_where_one_does_not_wake_and_one_where_all_are_busy() {
    let mcpd = Mcpd::start(&[]).await;
    let member = async |name: &str| {
        let mut publisher = mcpd.publisher(name);
        let mut llm = samples::llm(name);
        llm["initialStatus"] = json!("hibernating");
        llm["poolName"] = json!("qwen");
        llm["maxConcurrent"] = json!(1);
        let _ = publisher.register(json!([llm]), json!([])).await.expect(201);
        publisher.connect(FEATURES).await;
        publisher
    };
    let (mut one, mut two, mut three) = (member("one").await, member("two").await, member("three").await);
    let call = || {
        let request = mcpd.client().request(Method::POST, "/llms/qwen/infer");
        tokio::spawn(Client::send(request.json(&samples::ask(false))))
    };
    let first = call();
    let woken = json!({"status": 200, "body": {"ok": true}});
    let answer = async |publisher: &mut Publisher, kind: &str, with: &Value| {
        let task = publisher.task(kind).await;
        let _ = publisher.result(&task, with).await.expect(202);
    };
    // By name: one, three, two.
    answer(&mut one, "wake", &json!({"error": "no GPU"})).await;
    answer(&mut three, "wake", &woken).await;
    let task = three.task("infer").await;
    let second = call();
    answer(&mut one, "wake", &json!({"error": "no GPU"})).await;
    answer(&mut two, "wake", &woken).await;
    answer(&mut two, "infer", &samples::completion("two")).await;
    let _ = three.result(&task, &samples::completion("three")).await.expect(202);
    for (call, text) in [(first, "three"), (second, "two")] {
        let answer = ended(call).await.expect(200).json();
        assert_eq!(answer["choices"][0]["message"]["content"], text);
    }
}

#[tokio::test]
async fn a_model_that_its_publisher_declares_to_be_up_is_awake() {
    let (mcpd, mut publisher) = asleep(&[], 60).await;
    let (first, second) = (call(&mcpd), call(&mcpd));
    let wake = publisher.task("wake").await;
    let _ = publisher.result(&wake, &json!({"accepted": true})).await.expect(202);
    let up = json!([samples::llm("llm")]);
    let _ = publisher.register(up, json!([samples::agent("agent", "llm")])).await.expect(201);
    for _ in 0..2 {
        let task = publisher.task("infer").await;
        let _ = publisher.result(&task, &samples::completion("awake")).await.expect(202);
    }
    let _ = ended(first).await.expect(200);
    let _ = ended(second).await.expect(200);
    publisher.result(&wake, &json!({"status": 200, "body": {"ok": true}})).await.refused(410, "TASK_GONE", "cancelled");
    assert_eq!(newest(&mcpd, "activated").await["cause"], "registered");
}

#[tokio::test]
async fn a_model_that_is_taken_away_while_it_wakes_is_waited_for_no_longer() {
    for withdrawn in [true, false] {
        let (mcpd, mut publisher) = asleep(&[], 60).await;
        let waiting = call(&mcpd);
        let wake = publisher.task("wake").await;
        let _ = publisher.result(&wake, &json!({"accepted": true})).await.expect(202);
        let says = if withdrawn {
            let _ = publisher.register(json!([samples::llm("other")]), json!([])).await.expect(201);
            "'llm' could not be woken: its publisher does not offer it any more"
        } else {
            let _ = mcpd.client().delete("/llms/llm").await.expect(204);
            "'llm' could not be woken: it was deleted meanwhile"
        };
        ended(waiting).await.refused(503, "WAKE_FAILED", says);
    }
}

#[tokio::test]
async fn only_a_publisher_that_says_so_has_woken_its_model() {
    let (mcpd, mut publisher) = asleep(&[], 60).await;
    for body in [json!({"ok": false}), json!({"ms": 5}), json!([true]), json!("ok")] {
        let waiting = call(&mcpd);
        let wake = publisher.task("wake").await;
        let _ = publisher.result(&wake, &json!({"status": 200, "body": body})).await.expect(202);
        ended(waiting).await.refused(503, "WAKE_FAILED", "its publisher answered 200: ");
        assert_eq!(mcpd.client().row("/llms", "llm").await.expect("a row")["status"], "hibernating");
    }
}
