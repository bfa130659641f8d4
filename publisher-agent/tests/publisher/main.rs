//! The publisher between a small registry and a small model server.
#![allow(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]

mod busy;
mod model;
mod polling;
mod program;
mod registry;
mod undelivered;
mod waking;

use axum::http::StatusCode;
use mcplocal::{AgentEntry, Endpoint, ServerSource, Settings, Timing, config::*};
use model::{Model, Reply};
use registry::Registry;
use serde_json::{Value, json};
use std::{fs, sync::atomic::Ordering, time::Duration};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(10);

async fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn quick() -> Timing {
    let millis = Duration::from_millis;
    Timing {
        heartbeat: millis(100),
        probe: millis(100),
        ack: millis(150),
        hello: millis(300),
        notice: millis(100),
        ..Timing::default()
    }
}

fn provider(model: &Model) -> Provider {
    Provider::new("v", Kind::OpenAi, "m", Some(&model.url)).expect("valid")
}

fn agent() -> AgentEntry {
    AgentEntry { name: "a".to_owned(), llm_name: "v".to_owned(), ..AgentEntry::default() }
}

struct Running {
    home: TempDir,
    shutdown: CancellationToken,
    handle: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(2), self.handle).await.expect("stops in time");
        ended.expect("no panic").expect("no error");
        self.home
    }
}

fn settings(registry: &Registry, home: &TempDir, provider: Provider) -> Settings {
    let server = ServerSource::Fixed(Endpoint { url: registry.url.clone(), token: "t".to_owned() });
    let config = Config { providers: vec![provider], agents: vec![agent()], warnings: Vec::new() };
    Settings { timing: quick(), ..Settings::new(server, home.path().join("provider-session"), config) }
}

fn start(settings: Settings, home: TempDir) -> Running {
    let shutdown = CancellationToken::new();
    let handle = tokio::spawn(mcplocal::run(settings, shutdown.clone()));
    Running { home, shutdown, handle }
}

async fn connected(registry: &Registry, provider: Provider) -> Running {
    let home = tempfile::tempdir().expect("a folder");
    let running = start(settings(registry, &home, provider), home);
    streams(registry, 1).await;
    running
}

async fn streams(registry: &Registry, at_least: usize) {
    eventually("a stream", || (registry.seen().streams.len() >= at_least).then_some(())).await;
}

async fn complete(registry: &Registry, task: &str) -> Vec<Value> {
    let done = || registry.uploads(task).iter().any(|upload| upload.complete && !upload.is_only_accepted());
    eventually("a complete upload", || done().then(|| registry.lines(task))).await
}

fn data(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["chunk"]["data"].as_str()).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!(r#"{{"n":{number},"text":"ü \"quoted\""}}"#)).collect()
}

#[tokio::test]
async fn declares_itself_and_keeps_its_session() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    let running = connected(&registry, provider(&model)).await;
    let first = registry.seen().registers[0].clone();
    assert_eq!(first["providers"], json!([{"name": "v", "type": "openai", "model": "m", "initialStatus": "active"}]));
    assert_eq!(first["agents"], json!([{"name": "a", "llmName": "v"}]));
    let headers = registry.seen().streams[0].clone();
    assert_eq!(headers["x-mcpctl-features"], "accept, ack");
    assert_eq!(headers["authorization"], "Bearer t");
    assert_eq!(Some(headers["x-mcpctl-provider-session"].to_str().expect("text")), first["providerSessionId"].as_str());
    eventually("heartbeats", || (registry.seen().heartbeats > 1).then_some(())).await;
    let home = running.stop().await;
    let stored = fs::read_to_string(home.path().join("provider-session")).expect("stored");
    assert_eq!(Some(stored.trim()), first["providerSessionId"].as_str());
    let running = start(settings(&registry, &home, provider(&model)), home);
    streams(&registry, 2).await;
    assert_eq!(registry.seen().registers[1]["providerSessionId"], first["providerSessionId"]);
    running.stop().await;
}

#[tokio::test]
async fn a_quick_answer_is_one_upload_of_one_line() {
    let answer = "{\n \"big\": 12345678901234567890, \"x\": [1.50]\n}";
    let (registry, model) =
        (Registry::start().await, Model::start(Reply::Whole(StatusCode::OK, answer.to_owned())).await);
    let running = connected(&registry, provider(&model)).await;
    registry.infer("t1", "v", false);
    complete(&registry, "t1").await;
    let uploads = registry.uploads("t1");
    assert_eq!(uploads.len(), 1);
    assert!(uploads[0].sized);
    assert_eq!(uploads[0].text, "{\"status\":200,\"body\":{  \"big\": 12345678901234567890, \"x\": [1.50] }}\n");
    let calls = model.calls.lock().expect("not poisoned").clone();
    assert_eq!(calls[0].0["content-type"], "application/json");
    assert_eq!(calls[0].1, r#"{"messages":[{"content":"hello","role":"user"}],"model":"m","stream":false}"#);
    assert!(!calls[0].0.contains_key("authorization"));
    running.stop().await;
}

#[tokio::test]
async fn a_late_answer_is_accepted_first_in_the_same_upload() {
    let reply = Reply::Late(Duration::from_millis(600), "{}".to_owned());
    let (registry, model) = (Registry::start().await, Model::start(reply).await);
    let running = connected(&registry, provider(&model)).await;
    registry.infer("t1", "v", false);
    let accepted =
        eventually("accepted", || registry.uploads("t1").pop().filter(|upload| !upload.text.is_empty())).await;
    assert_eq!((accepted.lines(), accepted.complete), (vec![json!({"accepted": true})], false));
    assert_eq!(complete(&registry, "t1").await, [json!({"status": 200, "body": {}})]);
    assert_eq!(registry.uploads("t1").len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_stream_is_one_upload_in_order() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Chunks(numbered(300), Duration::ZERO)).await);
    let running = connected(&registry, provider(&model)).await;
    for round in 0..3 {
        let task = format!("t{round}");
        registry.infer(&task, "v", true);
        let lines = complete(&registry, &task).await;
        let mut expected = numbered(300);
        expected.push("[DONE]".to_owned());
        assert_eq!(data(&lines), expected);
        assert_eq!(lines[300]["chunk"]["done"], true);
        assert_eq!(registry.uploads(&task).len(), 1);
    }
    running.stop().await;
}

#[tokio::test]
async fn chunks_leave_as_they_come() {
    let reply = Reply::Chunks(numbered(1000), Duration::from_millis(20));
    let (registry, model) = (Registry::start().await, Model::start(reply).await);
    let running = connected(&registry, provider(&model)).await;
    registry.infer("t1", "v", true);
    eventually("the first chunks", || (registry.lines("t1").len() > 2).then_some(())).await;
    assert!(!model.was_dropped());
    assert_eq!(registry.uploads("t1").len(), 1);
    running.stop().await;
    eventually("the model's connection dropped at the end", || model.was_dropped().then_some(())).await;
}

#[tokio::test]
async fn errors_of_the_model_server_are_passed_on() {
    let refusal = Reply::Whole(StatusCode::TOO_MANY_REQUESTS, r#"{"error":{"message":"slow down"}}"#.to_owned());
    let (registry, model) = (Registry::start().await, Model::start(refusal).await);
    let running = connected(&registry, provider(&model)).await;
    registry.infer("t1", "v", true);
    let lines = complete(&registry, "t1").await;
    assert_eq!(lines, [json!({"status": 429, "body": {"error": {"message": "slow down"}}})]);
    registry.infer("t2", "unknown", true);
    assert!(complete(&registry, "t2").await[0]["error"].as_str().expect("an error").contains("unknown"));
    running.stop().await;
}

#[tokio::test]
async fn a_broken_stream_is_an_error_after_what_came() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Breaks(numbered(2))).await);
    let running = connected(&registry, provider(&model)).await;
    registry.infer("t1", "v", true);
    let lines = complete(&registry, "t1").await;
    assert_eq!(data(&lines), numbered(2));
    let error = lines.last().expect("lines")["error"].as_str().expect("an error").to_owned();
    assert!(error.contains("'v'") && error.contains("connection lost after 2 chunks"), "{error}");
    running.stop().await;
}

#[tokio::test]
async fn cancel_drops_the_models_connection_whenever_it_comes() {
    for reply in [Reply::Never, Reply::Chunks(numbered(10_000), Duration::from_millis(10))] {
        let (registry, model) = (Registry::start().await, Model::start(reply.clone()).await);
        let running = connected(&registry, provider(&model)).await;
        registry.infer("t1", "v", true);
        eventually("the upload", || (!registry.uploads("t1").is_empty()).then_some(())).await;
        assert!(!model.was_dropped());
        registry.send(&json!({"kind": "cancel", "taskId": "t1"}));
        let cancelled = Instant::now();
        eventually("the model's connection dropped", || model.was_dropped().then_some(())).await;
        assert!(cancelled.elapsed() < Duration::from_millis(500), "{:?}", cancelled.elapsed());
        eventually("the upload dropped", || registry.uploads("t1")[0].broken.then_some(())).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn a_cancel_before_the_model_answers_reaches_it_too() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    let running = connected(&registry, provider(&model)).await;
    registry.infer("t1", "v", false);
    eventually("the call", || (!model.calls.lock().expect("not poisoned").is_empty()).then_some(())).await;
    registry.send(&json!({"kind": "cancel", "taskId": "t1"}));
    eventually("the model's connection dropped", || model.was_dropped().then_some(())).await;
    running.stop().await;
}

#[tokio::test]
async fn a_lost_stream_drops_its_tasks_and_comes_back() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    let running = connected(&registry, provider(&model)).await;
    registry.infer("t1", "v", false);
    eventually("the call", || (!model.calls.lock().expect("not poisoned").is_empty()).then_some(())).await;
    registry.hang_up();
    eventually("the model's connection dropped", || model.was_dropped().then_some(())).await;
    streams(&registry, 2).await;
    assert_eq!(registry.seen().registers.len(), 1, "a stream is enough to come back");
    running.stop().await;
}

#[tokio::test]
async fn a_silent_stream_is_given_up() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    registry.seen().ping = Some(0.05);
    let running = connected(&registry, provider(&model)).await;
    streams(&registry, 2).await;
    running.stop().await;
}

#[tokio::test]
async fn without_an_ack_later_uploads_go_in_batches() {
    let reply = Reply::Chunks(numbered(40), Duration::from_millis(10));
    let (registry, model) = (Registry::start().await, Model::start(reply).await);
    registry.seen().buffers = true;
    let running = connected(&registry, provider(&model)).await;
    registry.infer("t1", "v", true);
    eventually("the end of the held upload", || (registry.lines("t1").len() == 41).then_some(())).await;
    let accepted = registry.uploads("t1").into_iter().any(|upload| upload.sized && upload.text.contains("accepted"));
    assert!(accepted, "the server learns in time that the task was taken");

    registry.seen().forget = true;
    streams(&registry, 2).await;
    registry.infer("t2", "v", true);
    eventually("all batches", || (registry.lines("t2").len() == 41).then_some(())).await;
    let batches = registry.uploads("t2");
    assert!(batches.len() > 3 && batches.iter().all(|batch| batch.sized && batch.complete), "{}", batches.len());
    let lines = registry.lines("t2");
    assert_eq!(data(&lines)[..40], numbered(40));
    assert_eq!(lines[40], json!({"chunk": {"data": "[DONE]", "done": true}}));
    running.stop().await;
}

#[tokio::test]
async fn registers_again_when_the_server_forgot() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    let running = connected(&registry, provider(&model)).await;
    registry.seen().forget = true;
    streams(&registry, 2).await;
    let registers = registry.seen().registers.clone();
    assert_eq!(registers.len(), 2);
    assert_eq!(registers[0], registers[1]);
    running.stop().await;
}

#[tokio::test]
async fn a_session_that_is_somebody_elses_by_now_is_left_for_a_new_one() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    registry.seen().session_is_taken = true;
    let running = connected(&registry, provider(&model)).await;
    let (taken, new) = {
        let registers = &registry.seen().registers;
        (registers[0]["providerSessionId"].clone(), registers[1]["providerSessionId"].clone())
    };
    assert_ne!(taken, new);
    let stored = fs::read_to_string(running.stop().await.path().join("provider-session")).expect("stored");
    assert_eq!(Some(stored.trim()), new.as_str());
}

#[tokio::test]
async fn a_register_that_is_refused_is_tried_again() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    registry.seen().refused_registers = [StatusCode::CONFLICT, StatusCode::SERVICE_UNAVAILABLE].into();
    let running = connected(&registry, provider(&model)).await;
    let registers = registry.seen().registers.clone();
    assert_eq!(registers.len(), 3);
    assert!(registers.windows(2).all(|two| two[0] == two[1]), "{registers:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_404_on_the_way_is_not_the_servers() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    let running = connected(&registry, provider(&model)).await;
    registry.seen().lost_heartbeats = [StatusCode::NOT_FOUND, StatusCode::BAD_GATEWAY].into();
    let before = registry.seen().heartbeats;
    eventually("heartbeats go on", || (registry.seen().heartbeats > before + 3).then_some(())).await;
    assert_eq!(registry.seen().registers.len(), 1);
    assert_eq!(registry.seen().streams.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_model_that_the_server_does_not_have_is_left_out_until_it_does() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    model.lists(&["other"]);
    let home = tempfile::tempdir().expect("a folder");
    let mut with_echo = settings(&registry, &home, provider(&model));
    with_echo.config.providers.push(Provider::new("e", Kind::Echo, "echo", None).expect("valid"));
    let running = start(with_echo, home);
    streams(&registry, 1).await;
    let names = |at: usize, list: &str| {
        let registers = &registry.seen().registers;
        let entries = registers[at][list].as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| entry["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!((names(0, "providers"), names(0, "agents")), (vec!["e".to_owned()], vec![]));
    model.lists(&["other", "m"]);
    eventually("the model declared", || (registry.seen().registers.len() > 1).then_some(())).await;
    assert_eq!((names(1, "providers").len(), names(1, "agents").len()), (2, 1));
    assert_eq!(registry.seen().streams.len(), 1, "the stream stays open");
    running.stop().await;
}

#[tokio::test]
async fn with_nothing_left_it_disconnects_until_there_is() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    let running = connected(&registry, provider(&model)).await;
    model.down.store(true, Ordering::SeqCst);
    let closed = || registry.seen().out_is_closed();
    eventually("the stream closed", || closed().then_some(())).await;
    assert_eq!(registry.seen().registers.len(), 1);
    model.down.store(false, Ordering::SeqCst);
    streams(&registry, 2).await;
    assert_eq!(registry.seen().registers.len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn the_credentials_may_come_later_and_change() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("credentials");
    let server = ServerSource::Credentials { file: file.clone(), url: None, token: None };
    let running = start(Settings { server, ..settings(&registry, &home, provider(&model)) }, home);
    sleep(Duration::from_millis(100)).await;
    fs::write(&file, json!({"mcpdUrl": registry.url, "token": "first"}).to_string()).expect("written");
    streams(&registry, 1).await;
    assert_eq!(registry.seen().streams[0]["authorization"], "Bearer first");
    fs::write(&file, json!({"mcpdUrl": registry.url, "token": "second"}).to_string()).expect("written");
    registry.hang_up();
    streams(&registry, 2).await;
    assert_eq!(registry.seen().streams[1]["authorization"], "Bearer second");
    running.stop().await;
}

#[tokio::test]
async fn echo_needs_no_server() {
    let registry = Registry::start().await;
    let running = connected(&registry, Provider::new("v", Kind::Echo, "echo", None).expect("valid")).await;
    registry.infer("t1", "v", true);
    let lines = complete(&registry, "t1").await;
    let said: String = data(&lines)
        .iter()
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(said, "hello");
    running.stop().await;
}

#[tokio::test]
async fn superseded_waits_before_it_takes_the_session_back() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    let running = connected(&registry, provider(&model)).await;
    registry.event("goodbye", &json!({"reason": "superseded"}));
    let said = Instant::now();
    streams(&registry, 2).await;
    assert!(said.elapsed() >= Duration::from_millis(900), "{:?}", said.elapsed());
    running.stop().await;
}
