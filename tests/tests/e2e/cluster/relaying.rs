//! Calls, results and polls that land on a server which does not hold the publisher's stream.

use super::{llms, register};
use crate::calls::begun;
use mcpctl_tests::{
    client::Client,
    cluster::Cluster,
    eventually,
    publisher::{FEATURES, Publisher},
    samples,
    sse::Sse,
    within,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(5);
/// A server that is silent for ten seconds is gone.
const GONE: Duration = Duration::from_secs(25);

/// A publisher whose stream is held by the first server, and whose model the others know.
async fn published(cluster: &Cluster) -> Publisher {
    let mut publisher = cluster.nodes[0].publisher("laptop");
    let _ =
        publisher.register(json!([samples::llm("qwen")]), json!([samples::agent("coder", "qwen")])).await.expect(201);
    publisher.connect(FEATURES).await;
    for node in 0..cluster.nodes.len() {
        is_connected(cluster, node, true).await;
    }
    publisher
}

async fn is_connected(cluster: &Cluster, node: usize, expected: bool) {
    eventually("every server knows of the stream", SOON, async || {
        let row = cluster.nodes[node].client().get("/agents/coder").await.expect(200).json();
        (row["connected"] == expected).then_some(())
    })
    .await;
}

/// A streamed call at one of the servers, and the task that the publisher gets.
async fn streamed(cluster: &Cluster, node: usize, publisher: &mut Publisher) -> (JoinHandle<Sse>, String) {
    let request = cluster.nodes[node].client().request(Method::POST, "/llms/qwen/infer").json(&samples::ask(true));
    let call = tokio::spawn(async move {
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        Sse::new(response)
    });
    (call, publisher.task("infer").await)
}

#[tokio::test]
async fn an_answer_comes_through_another_server_as_it_is() {
    let cluster = Cluster::start(2).await;
    let mut publisher = published(&cluster).await;
    let client = cluster.nodes[1].client();
    let ask = samples::ask(false);
    let calling = client.post("/llms/qwen/infer", &ask);
    let answering = async {
        let task = publisher.task("infer").await;
        publisher.result(&task, &json!({"status": 418, "body": {"unknown": [1.0, {"ä": null}]}})).await.expect(202)
    };
    let (answer, _) = tokio::join!(calling, answering);
    assert_eq!((answer.status, answer.text.as_str()), (418, r#"{"unknown":[1.0,{"ä":null}]}"#));

    let (call, task) = streamed(&cluster, 1, &mut publisher).await;
    let upload = publisher.upload(&task);
    upload.send(&samples::chunk("one")).await;
    let mut answer = begun(call).await;
    assert_eq!(answer.next().await.data, "one");
    upload.send(&samples::chunk("two")).await;
    assert_eq!(answer.next().await.data, "two", "piece by piece");
    upload.send(&samples::done()).await;
    assert_eq!(within("the end", SOON, answer.rest()).await, ["[DONE]"]);
    let _ = upload.finish().await.expect(202);

    let message = json!({"message": "hi"});
    let chatting = client.post("/agents/coder/chat", &message);
    let (answer, ()) = tokio::join!(chatting, async {
        let task = publisher.task("infer").await;
        let _ = publisher.result(&task, &samples::completion("across")).await.expect(202);
    });
    assert_eq!(answer.expect(200).json()["assistant"], "across");
}

#[tokio::test]
async fn a_failure_is_told_in_the_words_of_whoever_asks() {
    let cluster = Cluster::start(2).await;
    let mut publisher = published(&cluster).await;
    let client = cluster.nodes[1].client();
    let ask = samples::ask(false);
    let (answer, ()) = tokio::join!(client.post("/llms/qwen/infer", &ask), async {
        let task = publisher.task("infer").await;
        let _ = publisher.result(&task, &json!({"error": "out of memory"})).await.expect(202);
    });
    answer.refused(502, "PUBLISHER_ERROR", "out of memory");
    // Within a stream.
    let (call, task) = streamed(&cluster, 1, &mut publisher).await;
    let upload = publisher.upload(&task);
    upload.send(&samples::chunk("one")).await;
    let mut answer = begun(call).await;
    assert_eq!(answer.next().await.data, "one");
    upload.send(&json!({"error": "out of memory"})).await;
    let last: Value = serde_json::from_str(&answer.next().await.data).expect("JSON");
    assert_eq!((&last["code"], &last["error"]), (&json!("PUBLISHER_ERROR"), &json!("out of memory")));
    assert_eq!(within("the end", SOON, answer.rest()).await, [""; 0], "no [DONE] follows");
}

#[tokio::test]
async fn a_caller_that_leaves_another_server_stops_the_publisher() {
    let cluster = Cluster::start(2).await;
    let mut publisher = published(&cluster).await;
    let (call, task) = streamed(&cluster, 1, &mut publisher).await;
    let upload = publisher.upload(&task);
    upload.send(&samples::chunk("one")).await;
    let mut answer = begun(call).await;
    assert_eq!(answer.next().await.data, "one");
    drop(answer);
    assert_eq!(publisher.task("cancel").await, task);
}

#[tokio::test]
async fn results_and_polls_that_land_elsewhere_are_passed_on() {
    let cluster = Cluster::start(2).await;
    let mut publisher = published(&cluster).await;
    let elsewhere = cluster.nodes[1].publisher("laptop");
    let (call, task) = streamed(&cluster, 0, &mut publisher).await;
    let upload = elsewhere.upload(&task);
    upload.send(&samples::chunk("one")).await;
    let mut answer = begun(call).await;
    assert_eq!(answer.next().await.data, "one", "an upload streams through");
    upload.send(&samples::done()).await;
    assert_eq!(within("the end", SOON, answer.rest()).await, ["[DONE]"]);
    let _ = upload.finish().await.expect(202);
    let again = elsewhere.result(&task, &samples::completion("late")).await;
    again.refused(409, "TASK_FINISHED", "already finished");
    let unknown = elsewhere.result(&uuid(), &samples::completion("late")).await;
    unknown.refused(404, "TASK_NOT_FOUND", "task not found");

    // The first poll binds the session to its server; the next one lands on the other.
    publisher.hang_up();
    let poll = |node: usize, seconds: u64| {
        let publisher = cluster.nodes[node].publisher("laptop");
        Client::send(publisher.request(Method::GET, &format!("/llms/_provider-tasks?waitSeconds={seconds}")))
    };
    let _ = poll(0, 0).await.expect(200);
    is_connected(&cluster, 1, true).await;
    let client = cluster.nodes[1].client();
    let ask = samples::ask(false);
    let (answer, ()) = tokio::join!(client.post("/llms/qwen/infer", &ask), async {
        let tasks = poll(1, 5).await.expect(200).json();
        let task = tasks["tasks"][0]["taskId"].as_str().expect("a task").to_owned();
        let _ = elsewhere.result(&task, &samples::completion("polled")).await.expect(202);
    });
    assert_eq!(answer.expect(200).json()["choices"][0]["message"]["content"], "polled");
    let session = cluster.nodes[0].client().get("/sessions/laptop").await.expect(200).json();
    assert_eq!((&session["node"], &session["connected"]), (&json!(cluster.nodes[0].url), &json!(true)));
}

fn uuid() -> String {
    "019b5a00-0000-7000-8000-000000000009".to_owned()
}

#[tokio::test]
async fn a_stream_that_is_opened_elsewhere_supersedes_the_one_before() {
    let cluster = Cluster::start(2).await;
    let mut publisher = published(&cluster).await;
    let mut elsewhere = cluster.nodes[1].publisher("laptop");
    let (epoch, _) = elsewhere.connect(FEATURES).await;
    assert_eq!(epoch, 2);
    let goodbye = within("goodbye", SOON, publisher.stream().next()).await;
    assert_eq!((goodbye.name.as_str(), goodbye.data.as_str()), ("goodbye", r#"{"reason":"superseded"}"#));
    publisher.hang_up();
    // Its end changes nothing, and calls go the new way from both.
    for node in [0, 1] {
        let client = cluster.nodes[node].client();
        let ask = samples::ask(false);
        let (answer, ()) = tokio::join!(client.post("/llms/qwen/infer", &ask), async {
            let task = elsewhere.task("infer").await;
            let _ = elsewhere.result(&task, &samples::completion("new way")).await.expect(202);
        });
        let _ = answer.expect(200);
    }
    let row = cluster.nodes[0].client().get("/agents/coder").await.expect(200).json();
    assert_eq!((&row["status"], &row["connected"]), (&json!("active"), &json!(true)));
}

#[tokio::test]
async fn what_a_lost_server_held_becomes_inactive_unless_it_comes_back_elsewhere() {
    let mut cluster = Cluster::start(1).await;
    cluster.add(&[]).await;
    let mut lost = cluster.nodes[1].publisher("lost");
    let _ = lost.register(json!([samples::llm("gone")]), json!([])).await.expect(201);
    lost.connect(FEATURES).await;
    let mut moved = cluster.nodes[1].publisher("moved");
    let _ = moved.register(json!([samples::llm("kept")]), json!([])).await.expect(201);
    moved.connect(FEATURES).await;
    cluster.nodes[1].process.kill();
    let mut back = cluster.nodes[0].publisher("moved");
    back.connect(FEATURES).await;
    let client = cluster.nodes[0].client();
    eventually("the rows of the lost server are inactive", GONE, async || {
        (client.get("/llms/gone").await.expect(200).json()["status"] == "inactive").then_some(())
    })
    .await;
    assert_eq!(client.get("/llms/kept").await.expect(200).json()["status"], "active");
    let history = client.get("/llms/gone/history").await.expect(200).json();
    let last = history.as_array().and_then(|events| events.first()).expect("an event, the newest first");
    assert_eq!((&last["type"], &last["data"]["cause"]), (&json!("mcpctl.llm.deactivated.v1"), &json!("node_lost")));
    let why = cluster.nodes[0].mcpctl(&["why", "llm", "gone"]).await;
    let why = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(why.contains("server"), "{why}");
    assert_eq!(llms(&cluster, 0).await, ["gone", "kept"]);
}

#[tokio::test]
async fn a_heartbeat_counts_wherever_it_lands() {
    let mut cluster = Cluster::start(0).await;
    let flags = ["--heartbeat-timeout", "6s", "--gc-interval", "1s"];
    cluster.add(&flags).await;
    cluster.add(&flags).await;
    let leader = cluster.leader(0).await;
    let publisher = cluster.nodes[1 - leader].publisher("laptop");
    let _ = publisher.register(json!([samples::llm("qwen")]), json!([])).await.expect(201);
    let client = cluster.nodes[leader].client();
    for _ in 0..9 {
        assert_eq!(publisher.heartbeat().await.expect(200).json()["llms"], 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let row = client.get("/llms/qwen").await.expect(200).json();
        assert_eq!(row["status"], "active", "it is heard by the one that leads");
    }
    eventually("silence is noticed as well", GONE, async || {
        (client.get("/llms/qwen").await.expect(200).json()["status"] == "inactive").then_some(())
    })
    .await;
    let revived = publisher.heartbeat().await.expect(200);
    assert_eq!(revived.json()["llms"], 1);
    assert_eq!(client.get("/llms/qwen").await.expect(200).json()["status"], "active");
}

#[tokio::test]
async fn a_sleeper_that_another_server_holds_is_woken_only_if_nobody_is_awake() {
    let cluster = Cluster::start(2).await;
    let in_pool = |name: &str| {
        let mut llm = samples::llm(name);
        llm["poolName"] = json!("pool");
        llm
    };
    let mut sleeper = in_pool("asleep");
    sleeper["initialStatus"] = json!("hibernating");
    let (mut awake, mut asleep) = (cluster.nodes[1].publisher("awake"), cluster.nodes[0].publisher("asleep"));
    for (publisher, llm) in [(&mut awake, in_pool("awake")), (&mut asleep, sleeper)] {
        let _ = publisher.register(json!([llm]), json!([])).await.expect(201);
        publisher.connect(FEATURES).await;
    }
    let (client, ask) = (cluster.nodes[1].client(), samples::ask(false));
    eventually("the other server knows of the stream", SOON, async || {
        (client.row("/llms", "asleep").await?["connected"] == true).then_some(())
    })
    .await;
    // By chance, half of them went to the sleeper.
    for _ in 0..8 {
        let (answer, ()) = tokio::join!(client.post("/llms/pool/infer", &ask), async {
            let task = awake.task("infer").await;
            let _ = awake.result(&task, &samples::completion("awake")).await.expect(202);
        });
        assert!(answer.expect(200).text.contains("awake"));
    }
    assert_eq!(client.row("/llms", "asleep").await.expect("a row")["status"], "hibernating");
    awake.hang_up();
    eventually("nobody is awake", SOON, async || {
        (client.row("/llms", "awake").await?["connected"] == false).then_some(())
    })
    .await;
    let (answer, ()) = tokio::join!(client.post("/llms/pool/infer", &ask), async {
        let task = asleep.task("wake").await;
        let _ = asleep.result(&task, &json!({"status": 200, "body": {"ok": true}})).await.expect(202);
        let task = asleep.task("infer").await;
        let _ = asleep.result(&task, &samples::completion("was asleep")).await.expect(202);
    });
    assert!(answer.expect(200).text.contains("was asleep"));
}

#[tokio::test]
async fn a_server_that_stops_hands_its_term_over_while_its_callers_still_wait() {
    let mut cluster = Cluster::start(2).await;
    assert_eq!(cluster.leader(1).await, 0);
    let mut publisher = published(&cluster).await;
    let (call, task) = streamed(&cluster, 0, &mut publisher).await;
    let upload = publisher.upload(&task);
    upload.send(&samples::chunk("one")).await;
    let mut answer = begun(call).await;
    assert_eq!(answer.next().await.data, "one");
    cluster.nodes[0].process.signal(nix::sys::signal::Signal::SIGTERM);
    eventually("another one leads", Duration::from_secs(3), async || {
        (register(&cluster, 1, "after").await.status == 201).then_some(())
    })
    .await;
    assert!(cluster.nodes[0].process.ended().is_none(), "it waits for its caller");
    assert_eq!(cluster.leader(1).await, 1);
    upload.send(&samples::chunk("two")).await;
    assert_eq!(answer.next().await.data, "two");
    upload.send(&samples::done()).await;
    assert_eq!(within("the end", SOON, answer.rest()).await, ["[DONE]"]);
}

/// A publisher whose stream is held by the server that does not lead.
async fn published_at_the_follower(cluster: &Cluster) -> Publisher {
    assert_eq!(cluster.leader(1).await, 0);
    let mut publisher = cluster.nodes[1].publisher("laptop");
    let _ =
        publisher.register(json!([samples::llm("qwen")]), json!([samples::agent("coder", "qwen")])).await.expect(201);
    publisher.connect(FEATURES).await;
    is_connected(cluster, 0, true).await;
    publisher
}

#[tokio::test]
async fn a_call_by_a_stream_that_moved_on_ends_although_its_server_stands_still() {
    let cluster = Cluster::start(2).await;
    let mut publisher = published_at_the_follower(&cluster).await;
    let (call, task) = streamed(&cluster, 0, &mut publisher).await;
    let upload = publisher.upload(&task);
    upload.send(&samples::chunk("one")).await;
    let mut answer = begun(call).await;
    assert_eq!(answer.next().await.data, "one");
    cluster.nodes[1].process.signal(nix::sys::signal::Signal::SIGSTOP);
    let client = cluster.nodes[0].client();
    let ask = samples::ask(false);
    let (unanswered, ()) = tokio::join!(client.post("/llms/qwen/infer", &ask), async {
        let mut moved = cluster.nodes[0].publisher("laptop");
        moved.connect(FEATURES).await;
        let last: Value = serde_json::from_str(&within("its end", SOON, answer.next()).await.data).expect("JSON");
        assert_eq!(last["code"], "PUBLISHER_DISCONNECTED");
    });
    unanswered.refused(502, "PUBLISHER_DISCONNECTED", "was lost");
    cluster.nodes[1].process.signal(nix::sys::signal::Signal::SIGCONT);
}

#[tokio::test]
async fn a_call_waits_for_a_publisher_whose_server_is_gone() {
    let mut cluster = Cluster::start(2).await;
    let _publisher = published_at_the_follower(&cluster).await;
    cluster.nodes[1].process.kill();
    let (client, ask) = (cluster.nodes[0].client(), samples::ask(false));
    let (answer, ()) = tokio::join!(client.post("/llms/qwen/infer", &ask), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut moved = cluster.nodes[0].publisher("laptop");
        moved.connect(FEATURES).await;
        let task = moved.task("infer").await;
        let _ = moved.result(&task, &samples::completion("back")).await.expect(202);
    });
    assert!(answer.expect(200).text.contains("back"));
    // Nobody comes back.
    let mut cluster = Cluster::start(2).await;
    let _publisher = published_at_the_follower(&cluster).await;
    cluster.nodes[1].process.kill();
    let refused = cluster.nodes[0].client().post("/llms/qwen/infer", &ask).await;
    refused.refused(503, "OFFLINE", "qwen");
}
