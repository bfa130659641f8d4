//! Calls that are answered later: they outlive publishers, callers and the server.

use super::SOON;
use mcpctl_tests::{Answer, Client, Mcpd, Publisher, eventually, publisher::FEATURES, samples, sse::Sse, within};
use reqwest::Method;
use serde_json::{Value, json};

async fn publisher(mcpd: &Mcpd, name: &str) -> Publisher {
    let mut publisher = mcpd.publisher(name);
    let mut llm = samples::llm(name);
    llm["poolName"] = json!("qwen");
    let _ = publisher.register(json!([llm]), json!([])).await.expect(201);
    publisher.connect(FEATURES).await;
    publisher
}

async fn leave(client: &Client, body: &Value) -> String {
    let task = client.post("/inference-tasks", body).await.expect(202).json();
    assert!(["pending", "claimed", "running"].iter().any(|word| task["status"] == *word), "{task}");
    task["id"].as_str().expect("an id").to_owned()
}

async fn task(client: &Client, id: &str) -> Value {
    client.get(&format!("/inference-tasks/{id}")).await.expect(200).json()
}

async fn becomes(client: &Client, id: &str, status: &str) -> Value {
    let look = async || {
        let task = task(client, id).await;
        (task["status"] == status).then_some(task)
    };
    eventually(format!("the task is {status}"), SOON, look).await
}

/// An Llm that is there, but has no publisher any more.
async fn away(mcpd: &Mcpd) -> Publisher {
    let mut publisher = publisher(mcpd, "llm").await;
    publisher.hang_up();
    eventually("it is inactive", SOON, async || {
        mcpd.client().row("/llms", "llm").await.filter(|row| row["status"] == "inactive")
    })
    .await;
    publisher
}

#[tokio::test]
async fn a_task_outlives_the_server_waits_for_a_publisher_and_goes_back_when_that_leaves() {
    let mut mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let mut publisher = away(&mcpd).await;
    let id = leave(&client, &json!({"llm": "llm", "request": samples::ask(false)})).await;
    mcpd.process.kill();
    mcpd.start_again().await;
    assert_eq!(task(&client, &id).await["status"], "pending");

    let _ = publisher.register(json!([samples::llm("llm")]), json!([])).await.expect(201);
    publisher.connect(FEATURES).await;
    publisher.task("infer").await;
    assert_eq!(becomes(&client, &id, "running").await["answeredBy"], "llm");
    publisher.hang_up();
    becomes(&client, &id, "pending").await;

    publisher.connect(FEATURES).await;
    publisher.task("infer").await;
    mcpd.process.kill();
    mcpd.start_again().await;
    publisher.connect(FEATURES).await;
    let sent = publisher.task("infer").await;
    let _ = publisher.result(&sent, &samples::completion("late")).await.expect(202);
    let done = becomes(&client, &id, "completed").await;
    assert_eq!(done["response"]["body"]["choices"][0]["message"]["content"], "late");
    assert_eq!((&done["response"]["status"], &done["attempts"]), (&json!(200), &json!(3)));
    assert!(done["finishedAt"].is_string() && done["error"].is_null(), "{done}");
}

#[tokio::test]
async fn a_pool_answers_tasks_and_what_a_model_refuses_is_its_answer() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let mut one = publisher(&mcpd, "one").await;
    let id = leave(&client, &json!({"pool": "qwen", "path": "/v1/embeddings", "request": {"input": "x"}})).await;
    let frame: Value = serde_json::from_str(&one.frame("infer").await).expect("JSON");
    assert_eq!((&frame["path"], &frame["request"]["input"]), (&json!("/v1/embeddings"), &json!("x")));
    let refusal = json!({"status": 400, "body": {"error": "too long"}});
    let _ = one.result(frame["taskId"].as_str().expect("an id"), &refusal).await.expect(202);
    let done = becomes(&client, &id, "completed").await;
    assert_eq!((&done["response"]["status"], &done["pool"]), (&json!(400), &json!("qwen")));

    let id = leave(&client, &json!({"llm": "one", "request": samples::ask(false)})).await;
    let sent = one.task("infer").await;
    let _ = one.result(&sent, &json!({"error": "out of memory"})).await.expect(202);
    let failed = becomes(&client, &id, "error").await;
    assert_eq!((&failed["error"], &failed["code"]), (&json!("out of memory"), &json!("PUBLISHER_ERROR")));
    let list = client.get("/inference-tasks?limit=1").await.expect(200).json();
    assert_eq!((list[0]["id"].as_str(), list.as_array().map(Vec::len)), (Some(&*id), Some(1)), "the newest first");
}

#[tokio::test]
async fn a_task_is_cancelled_before_and_while_it_runs_and_not_after() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let mut publisher = away(&mcpd).await;
    let cancel = async |id: &str| Client::send(client.request(Method::DELETE, &format!("/inference-tasks/{id}"))).await;
    let id = leave(&client, &json!({"llm": "llm", "request": samples::ask(false)})).await;
    assert_eq!(cancel(&id).await.expect(200).json()["status"], "cancelled");
    let id = leave(&client, &json!({"llm": "llm", "request": samples::ask(false)})).await;
    publisher.connect(FEATURES).await;
    let sent = publisher.task("infer").await;
    assert_eq!(cancel(&id).await.expect(200).json()["status"], "cancelled");
    assert_eq!(publisher.task("cancel").await, sent);
    cancel(&id).await.refused(409, "TASK_OVER", "is over already: cancelled");
    let stream = client.get(&format!("/inference-tasks/{id}/stream")).await;
    stream.refused(410, "TASK_OVER", "cancelled");
}

async fn follow(client: &Client, id: &str) -> Sse {
    let response = client.request(Method::GET, &format!("/inference-tasks/{id}/stream")).send().await;
    let response = response.expect("an answer");
    assert_eq!(response.status(), 200);
    Sse::new(response)
}

#[tokio::test]
async fn an_answer_is_followed_from_its_beginning_while_it_comes_and_later() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), publisher(&mcpd, "llm").await);
    let id = leave(&client, &json!({"llm": "llm", "request": samples::ask(true)})).await;
    let sent = publisher.task("infer").await;
    let upload = publisher.upload(&sent);
    upload.send(&samples::chunk("one")).await;
    let mut early = follow(&client, &id).await;
    assert_eq!(early.next().await.data, "one");
    upload.send(&samples::chunk("two")).await;
    assert_eq!(early.next().await.data, "two");
    let mut second = follow(&client, &id).await;
    upload.send(&samples::done()).await;
    let _ = upload.finish().await.expect(202);
    becomes(&client, &id, "completed").await;
    let mut late = follow(&client, &id).await;
    for stream in [&mut second, &mut late] {
        assert_eq!([stream.next().await.data, stream.next().await.data], ["one", "two"]);
    }
    for stream in [&mut early, &mut second, &mut late] {
        assert_eq!(stream.next().await.data, "[DONE]");
    }
    assert_eq!(task(&client, &id).await["response"]["text"], "data: one\n\ndata: two\n\ndata: [DONE]\n\n");

    // One that breaks off and begins anew cannot take back what it said.
    let id = leave(&client, &json!({"llm": "llm", "request": samples::ask(true)})).await;
    let sent = publisher.task("infer").await;
    let upload = publisher.upload(&sent);
    upload.send(&samples::chunk("first try")).await;
    let mut cut = follow(&client, &id).await;
    assert_eq!(cut.next().await.data, "first try");
    publisher.hang_up();
    assert!(within("it says so", SOON, cut.next()).await.data.contains("broke off"));
    publisher.connect(FEATURES).await;
    let sent = publisher.task("infer").await;
    let _ = publisher.results(&sent, &[samples::chunk("second try"), samples::done()]).await.expect(202);
    becomes(&client, &id, "completed").await;
    assert_eq!(follow(&client, &id).await.next().await.data, "second try");
}

#[tokio::test]
async fn every_problem_of_a_task_is_named_and_other_peoples_tasks_are_not_there() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("llm", "http://127.0.0.1:9")).await.expect(201);
    let bad = json!({"llm": "llm", "pool": "p", "path": "/v1/files", "request": [], "more": 1});
    let answer: Answer = client.post("/inference-tasks", &bad).await.expect(400);
    assert_eq!(answer.pointers(), ["/path", "/request", "/llm", "/more"], "{}", answer.text);
    let none = json!({"llm": "none", "request": {}});
    client.post("/inference-tasks", &none).await.refused(404, "NOT_FOUND", "Llm not found: none");
    let none = json!({"pool": "none", "request": {}});
    client.post("/inference-tasks", &none).await.refused(404, "NOT_FOUND", "pool not found: none");
    for id in ["none", "01890a5d-ac96-774b-bcce-b302099a8057"] {
        client.get(&format!("/inference-tasks/{id}")).await.refused(404, "NOT_FOUND", "task not found");
    }
    let id = leave(&client, &json!({"llm": "llm", "request": {}})).await;
    let failed = becomes(&client, &id, "error").await;
    assert_eq!(failed["code"], "UPSTREAM_ERROR", "its own server cannot be reached");
}

#[tokio::test]
async fn the_command_line_leaves_tasks_and_shows_them() {
    let mcpd = Mcpd::start(&[]).await;
    let mut publisher = publisher(&mcpd, "llm").await;
    for name in ["llm", "qwen"] {
        let left = mcpd.mcpctl(&["chat-llm", name, "--async", "-m", "hi"]).await;
        let id = String::from_utf8(left.stdout).expect("text");
        let sent = publisher.task("infer").await;
        let _ = publisher.result(&sent, &samples::completion("done")).await.expect(202);
        becomes(&mcpd.client(), id.trim(), "completed").await;
        let shown = mcpd.mcpctl(&["get", "task", id.trim()]).await;
        let shown = String::from_utf8(shown.stdout).expect("text");
        let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["ID", "STATUS", "LLM", "CREATED", "FINISHED"]);
        assert_eq!(lines[1][..3], [id.trim(), "completed", name]);
    }
    let none = mcpd.mcpctl(&["chat-llm", "none", "--async", "-m", "hi"]).await;
    assert!(!none.status.success() && String::from_utf8_lossy(&none.stderr).contains("Llm not found: none"));
}

#[tokio::test]
async fn a_full_model_keeps_no_other_models_tasks_waiting() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, mut busy, mut free) = (mcpd.client(), mcpd.publisher("busy"), publisher(&mcpd, "free").await);
    let mut llm = samples::llm("busy");
    llm["maxConcurrent"] = json!(1);
    let _ = busy.register(json!([llm]), json!([])).await.expect(201);
    busy.connect(FEATURES).await;
    for _ in 0..40 {
        leave(&client, &json!({"llm": "busy", "request": samples::ask(false)})).await;
    }
    let first = busy.task("infer").await;
    let id = leave(&client, &json!({"llm": "free", "request": samples::ask(false)})).await;
    let sent = free.task("infer").await;
    let _ = free.result(&sent, &samples::completion("at once")).await.expect(202);
    becomes(&client, &id, "completed").await;
    let _ = busy.result(&first, &samples::completion("1")).await.expect(202);
    let second = busy.task("infer").await;
    let _ = busy.result(&second, &samples::completion("2")).await.expect(202);
}

#[tokio::test]
async fn a_key_stands_for_one_task() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    away(&mcpd).await;
    let leave = |body: &Value| {
        let request = client.request(Method::POST, "/inference-tasks").header("idempotency-key", "k");
        Client::send(request.json(body))
    };
    let body = json!({"llm": "llm", "request": samples::ask(false)});
    let first = leave(&body).await.expect(202).json();
    assert_eq!(leave(&body).await.expect(202).json(), first);
    let other = json!({"llm": "llm", "request": samples::ask(true)});
    leave(&other).await.refused(422, "IDEMPOTENCY_KEY_REUSED", "");
    let list = client.get("/inference-tasks").await.expect(200).json();
    assert_eq!(list.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_model_that_does_not_wake_is_left_alone_for_a_while() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    let mut llm = samples::llm("llm");
    llm["initialStatus"] = json!("hibernating");
    let _ = publisher.register(json!([llm]), json!([])).await.expect(201);
    publisher.connect(FEATURES).await;
    let ids = [0; 3].map(|_| json!({"llm": "llm", "request": samples::ask(false)}));
    let mut left = Vec::new();
    for body in &ids {
        left.push(leave(&client, body).await);
    }
    let fail = async |publisher: &mut Publisher| {
        let wake = publisher.task("wake").await;
        let _ = publisher.result(&wake, &json!({"error": "GPU is busy"})).await.expect(202);
    };
    fail(&mut publisher).await;
    for id in &left {
        becomes(&client, id, "pending").await;
    }
    // Whoever calls and waits is no task: he has it tried again.
    let call = tokio::spawn(Client::send(client.request(Method::POST, "/llms/llm/infer").json(&samples::ask(false))));
    fail(&mut publisher).await;
    within("the call ends", SOON, call).await.expect("no panic").refused(503, "WAKE_FAILED", "GPU is busy");
    let failed = async || {
        let events = client.get("/events").await.expect(200).json();
        let of_wakes = |event: &&Value| event["type"] == "mcpctl.llm.wake_failed.v1";
        events.as_array().expect("a list").iter().filter(of_wakes).count()
    };
    eventually("both are on the log", SOON, async || (failed().await == 2).then_some(())).await;
    assert_eq!(failed().await, 2, "and no more");
}
