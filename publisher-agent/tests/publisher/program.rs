//! The program itself: exit codes, and what it says on its way out.

use crate::{complete, eventually, model::*, registry::Registry, streams};
use axum::http::StatusCode;
use serde_json::json;
use std::{
    fs,
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

fn program(home: &TempDir, config: &serde_json::Value) -> Command {
    fs::write(home.path().join("config.json"), config.to_string()).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcplocal"));
    command.env_clear().env("MCPCTL_HOME", home.path()).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_bad_configuration_is_exit_2_and_names_every_problem() {
    let home = tempfile::tempdir().expect("a folder");
    let config =
        json!({"llm": {"providers": [{"name": "x", "type": "openai", "publish": true}]}, "agents": [{"name": "a"}]});
    let output = program(&home, &config).output().expect("ran");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines.iter().all(|line| line.contains("config.json: /")), "{said}");
    assert!(lines[0].ends_with("/llm/providers/0/model: is required"), "{said}");
}

#[test]
fn a_missing_configuration_is_exit_2() {
    let home = tempfile::tempdir().expect("a folder");
    let output = program(&home, &json!({})).args(["--config", "/nowhere/config.json"]).output().expect("ran");
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("/nowhere/config.json: is not there") && said.contains("\"providers\""), "{said}");
}

#[test]
fn a_server_that_can_never_be_one_is_exit_2() {
    let home = tempfile::tempdir().expect("a folder");
    for more in [&["--token", "t0ken"][..], &[]] {
        let output = program(&home, &json!({})).args(["--server", "nonsense"]).args(more).output().expect("ran");
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("mcplocal: --server: the URL `nonsense` must begin with"), "{output:?}");
    }
}

/// Ends the program as a service manager does, and says what it said.
fn ended(child: Child) -> Output {
    let kill = Command::new("kill").arg(child.id().to_string()).status().expect("kill ran");
    assert!(kill.success());
    child.wait_with_output().expect("ended")
}

#[tokio::test]
async fn a_key_that_is_not_set_is_said_at_the_start_and_with_a_call() {
    let (registry, model) =
        (Registry::start().await, Model::start(Reply::Whole(StatusCode::OK, "{}".to_owned())).await);
    let home = tempfile::tempdir().expect("a folder");
    let config = json!({"llm": {"providers": [
        {"name": "v", "type": "openai", "model": "m", "url": model.url, "publish": true, "apiKey": {"env": "KEY"}}]}});
    let mut command = program(&home, &config);
    let child = command.args(["--server", &registry.url, "--token", "t0ken"]).spawn().expect("started");
    streams(&registry, 1).await;
    registry.infer("t1", "v", false);
    complete(&registry, "t1").await;
    let said = stderr(&ended(child));
    let place = format!("{}: /llm/providers/0/apiKey/env", home.path().join("config.json").display());
    assert!(said.contains(&format!("{place}: the variable KEY is not set")), "{said}");
    assert!(said.contains("is called without a key: the variable KEY is not set"), "{said}");
}

#[tokio::test]
async fn a_signal_ends_it_cleanly_and_no_secret_was_said() {
    let registry = Registry::start().await;
    let model = Model::start(Reply::Never).await;
    let home = tempfile::tempdir().expect("a folder");
    let config = json!({"llm": {"providers": [
        {"name": "v", "type": "openai", "model": "m", "url": model.url, "publish": true, "apiKey": {"env": "KEY"}}]}});
    let mut command = program(&home, &config);
    command.env("KEY", "sk-s3cret").env("RUST_LOG", "trace");
    let child = command.args(["--server", &registry.url, "--token", "t0ken"]).spawn().expect("started");
    streams(&registry, 1).await;
    let output = ended(child);
    eventually("the stream closed", || registry.seen().out_is_closed().then_some(())).await;
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("connected to"), "{said}");
    assert!(!said.contains("s3cret") && !said.contains("t0ken"), "{said}");
}
