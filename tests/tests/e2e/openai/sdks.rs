//! The official SDKs, litellm and CloudEvents' SDK, through server and publisher to a model server.

use mcpctl_tests::{Mcpd, Mcplocal, Model, Reply, mcplocal::config, program::installed};
use serde_json::json;
use std::{path::Path, process::Output, time::Duration};

/// litellm alone takes seconds to start.
const RUN: Duration = Duration::from_mins(2);

/// Runs a script against a server behind which everything says `hello`.
async fn run(interpreter: &Path, script: &str) {
    let (mcpd, model) = (Mcpd::start(&[]).await, Model::start(Reply::Fluent).await);
    let mut config = config("llm", &model.url);
    config["llm"]["providers"][0]["poolName"] = json!("qwen");
    let mcplocal = Mcplocal::start(&mcpd.home, &config, &[]);
    mcplocal.connected(&mcpd.client(), "llm").await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdks").join(script);
    let token = mcpd.home.token();
    let mut command = tokio::process::Command::new(interpreter);
    command.arg(script).args([&mcpd.url, &token]).arg(installed()).kill_on_drop(true).current_dir(mcpd.home.path());
    let ended = tokio::time::timeout(RUN, command.output()).await.expect("it ends");
    let Output { status, stdout, stderr } = ended.expect("it starts");
    let (said, why) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && said.trim_end().ends_with("done"), "{said}\n{why}");
}

#[tokio::test]
async fn the_python_sdk_works() {
    run(&installed().join("venv/bin/python"), "openai_sdk.py").await;
}

#[tokio::test]
async fn the_node_sdk_works() {
    run(Path::new("node"), "openai_sdk.mjs").await;
}

#[tokio::test]
async fn cloudevents_own_sdk_reads_every_event() {
    run(&installed().join("venv/bin/python"), "cloudevents_sdk.py").await;
}

#[tokio::test]
async fn litellm_works_as_a_client() {
    run(&installed().join("venv/bin/python"), "litellm_client.py").await;
}
