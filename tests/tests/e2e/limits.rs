//! What there may be at most: each limit is a flag, a 4xx that names it, and a count.

use mcpctl_tests::{Answer, Client, Mcpd, Raw, eventually, samples};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

/// How often a limit was met, as the metrics say.
async fn met(mcpd: &Mcpd, limit: &str) -> u64 {
    let metrics = mcpd.client().get_root("/metrics").await.expect(200).text;
    let line = format!("mcpctl_limit_refusals_total{{limit=\"{limit}\"}} ");
    let count = metrics.lines().find_map(|said| said.strip_prefix(&line));
    count.unwrap_or_else(|| panic!("no {line} in {metrics}")).parse().expect("a count")
}

/// Checks a refusal: its status and code, that it names its flag, and that it was counted.
async fn refused(mcpd: &Mcpd, answer: &Answer, status: u16, code: &str, limit: &str) {
    answer.refused(status, code, &format!("--{limit}"));
    assert_eq!(met(mcpd, limit).await, 1);
}

#[tokio::test]
async fn requests_have_a_largest_head_a_largest_body_and_a_deepest_nesting() {
    let mcpd = Mcpd::start(&["--max-head", "2KiB", "--max-body", "4KiB", "--max-json-depth", "5"]).await;
    let client = mcpd.client();
    let long = client.request(Method::GET, "/agents").header("x-long", "x".repeat(3000));
    refused(&mcpd, &Client::send(long).await, 431, "HEAD_TOO_LARGE", "max-head").await;
    let long = client.get(&format!("/agents?q={}", "x".repeat(3000))).await;
    long.refused(431, "HEAD_TOO_LARGE", "--max-head");
    let large = client.post("/agents", &json!({"name": "x".repeat(5000)})).await;
    refused(&mcpd, &large, 413, "BODY_TOO_LARGE", "max-body").await;
    let deep = json!({"name": "a", "llm": "b", "extras": {"a": {"b": {"c": {"d": {}}}}}});
    refused(&mcpd, &client.post("/agents", &deep).await, 400, "INVALID", "max-json-depth").await;
    // What is passed on to a model may be as deep as its server takes it.
    let _ = client.post("/llms", &samples::public("gpt", "http://127.0.0.1:9")).await.expect(201);
    let ask = json!({"messages": [], "extras": deep});
    assert_eq!(client.post("/llms/gpt/infer", &ask).await.status, 502);
}

#[tokio::test]
async fn a_request_that_does_not_go_on_is_ended() {
    let mcpd = Mcpd::start(&["--header-timeout", "300ms", "--body-timeout", "300ms"]).await;
    let mut body = Raw::post(&mcpd, "/agents", 100, "").await;
    body.send("{\"name\":").await;
    body.read_until("the limit of --body-timeout").await;
    let mut head = Raw::post(&mcpd, "/agents", 0, "").await;
    head.read_until("400 Bad Request").await;
    head.send("GET /api/v1/agents HTTP/1.1\r\nx-slow: ").await;
    head.read_until("the limit of --header-timeout").await;
    assert_eq!((met(&mcpd, "body-timeout").await, met(&mcpd, "header-timeout").await), (1, 1));
}

#[tokio::test]
async fn so_many_connections_and_no_more() {
    let mcpd = Mcpd::start(&["--max-connections", "5"]).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(Raw::post(&mcpd, "/agents", 100, "").await);
    }
    let mut one_more = Raw::post(&mcpd, "/agents", 100, "").await;
    one_more.read_until("5 connections open, the limit of --max-connections").await;
    drop(open);
    eventually("there is room again", SOON, async || {
        let client = mcpd.client();
        Client::try_send(client.request(Method::GET, "/agents")).await.ok().filter(|answer| answer.status == 200)
    })
    .await;
    assert!(met(&mcpd, "max-connections").await >= 1);
}

/// The answers to so many requests, one right after the other.
async fn ask(client: &Client, times: usize, headers: &[(&str, &str)]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..times {
        let request = client.request(Method::GET, "/agents?limit=1");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        answers.push(Client::send(request).await);
    }
    answers
}

fn refusals(answers: &[Answer]) -> Vec<&Answer> {
    answers.iter().filter(|answer| answer.status == 429).collect()
}

#[tokio::test]
async fn a_token_asks_so_often_and_no_more_and_is_told_when_to_come_again() {
    let mcpd = Mcpd::start(&["--max-rate", "20"]).await;
    let other = mcpd.client().post("/tokens", &json!({"name": "other", "role": "viewer"})).await.expect(201).json();
    let answers = ask(&mcpd.client(), 60, &[]).await;
    let refused = refusals(&answers);
    assert!((1..=40).contains(&refused.len()), "{} of {}", refused.len(), answers.len());
    refused[0].refused(429, "TOO_MANY_REQUESTS", "this token asks more often than --max-rate allows; wait 1 s");
    assert_eq!(refused[0].header("retry-after"), "1");
    let other = mcpd.client().with_token(other["token"].as_str());
    assert_eq!(ask(&other, 1, &[]).await[0].status, 200, "each has its own");
    assert_eq!(met(&mcpd, "max-rate").await, refused.len() as u64);
    assert_eq!(Client::new(&mcpd.url, None).get_root("/readyz").await.status, 200);
}

#[tokio::test]
async fn an_address_tries_tokens_so_often_and_only_a_trusted_proxy_names_another() {
    let from = |address: &'static str| [("x-forwarded-for", address)];
    for (trusted, refuses) in [(false, true), (true, false)] {
        let flags = ["--max-unauthorized-rate", "10", "--trusted-proxy", "127.0.0.0/8"];
        let mcpd = Mcpd::start(if trusted { &flags } else { &flags[..2] }).await;
        let stranger = mcpd.client().with_token(Some("mcp_nobody_has_this_one"));
        let answers = ask(&stranger, 40, &from("203.0.113.1")).await;
        let refused = refusals(&answers);
        assert!(!refused.is_empty() && answers[0].status == 401);
        refused[0].refused(429, "TOO_MANY_REQUESTS", "--max-unauthorized-rate");
        let other = ask(&stranger, 1, &from("203.0.113.2")).await;
        assert_eq!(other[0].status == 429, refuses, "{}", other[0].text);
        assert_eq!(ask(&mcpd.client(), 1, &from("203.0.113.1")).await[0].status, 200, "who has a token may come in");
        assert!(met(&mcpd, "max-unauthorized-rate").await > 0);
    }
}

#[tokio::test]
async fn sessions_and_users_have_so_many_rows_and_so_many_tasks() {
    let flags = ["--max-rows-per-session", "2", "--max-rows-per-user", "3", "--max-tasks-per-user", "1"];
    let mcpd = Mcpd::start(&flags).await;
    let (client, publisher) = (mcpd.client(), mcpd.publisher("s"));
    let llms = |names: &[&str]| Value::from(names.iter().map(|name| samples::llm(name)).collect::<Vec<_>>());
    let many = publisher.register(llms(&["a", "b"]), json!([samples::agent("c", "a")])).await;
    refused(&mcpd, &many, 403, "TOO_MANY_ROWS", "max-rows-per-session").await;
    assert_eq!(client.row("/llms", "a").await, None, "all or nothing");
    let _ = publisher.register(llms(&["a", "b"]), json!([])).await.expect(201);
    let _ = client.post("/projects", &json!({"name": "one"})).await.expect(201);
    let many = client.post("/projects", &json!({"name": "two"})).await;
    refused(&mcpd, &many, 403, "TOO_MANY_ROWS", "max-rows-per-user").await;
    let task = json!({"llm": "a", "request": samples::ask(false)});
    let _ = client.post("/inference-tasks", &task).await.expect(202);
    refused(&mcpd, &client.post("/inference-tasks", &task).await, 429, "TOO_MANY_TASKS", "max-tasks-per-user").await;
}

#[tokio::test]
async fn so_many_calls_wait_and_no_more() {
    let mcpd = Mcpd::start(&["--max-inflight-per-session", "1", "--queue-depth", "0"]).await;
    let mut publisher = mcpd.publisher("s");
    let _ = publisher.register(json!([samples::llm("qwen")]), json!([])).await.expect(201);
    publisher.connect("").await;
    let (client, body) = (mcpd.client(), samples::ask(false));
    let first = client.post("/llms/qwen/infer", &body);
    let second = async {
        let id = publisher.task("infer").await;
        let busy = client.post("/llms/qwen/infer", &body).await;
        let _ = publisher.result(&id, &samples::completion("done")).await;
        busy
    };
    let (first, busy) = tokio::join!(first, second);
    let _ = first.expect(200);
    refused(&mcpd, &busy, 429, "BUSY", "queue-depth").await;
}

#[tokio::test]
async fn limits_that_cannot_be_are_refused_at_the_start() {
    let home = mcpctl_tests::Home::default();
    for (flag, value, says) in [
        ("--max-json-depth", "0", "is a whole number from 1 to 120"),
        ("--max-rate", "-1", "max-rate"),
        ("--max-head", "9999999999GiB", "max-head"),
        ("--max-head", "2GiB", "is a size from 1KiB to 1MiB"),
        ("--header-timeout", "0s", "is a time of at least 10ms"),
        ("--trusted-proxy", "10.0.0.0/40", "is an address such as 127.0.0.1"),
        ("--max-rows-per-user", "x", "is a whole number from 1"),
    ] {
        let output = mcpctl_tests::program::run("mcpd", &home, &[&format!("{flag}={value}")]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(flag) && said.contains(says), "{said}");
    }
}
