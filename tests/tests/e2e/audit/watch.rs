//! `get --watch`: the rows, and then a line for each change.

use super::{SOON, make};
use mcpctl_tests::{Mcpd, program::binary, samples, within};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

fn watch(mcpd: &Mcpd, args: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::new(binary("mcpctl"));
    command.args(args).env("MCPCTL_HOME", mcpd.home.mcpctl()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().expect("mcpctl starts");
    let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    (child, lines)
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    within("a line", SOON, lines.next_line()).await.expect("stdout").expect("it goes on")
}

/// The columns that say what became of which row.
async fn change(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let line = next(lines).await;
    line.split_whitespace().take(4).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn in_a_pipe_each_change_is_a_line_also_after_a_restart_of_the_server() {
    let mut mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("s"));
    let agents = json!([samples::agent("coder", "llm"), samples::agent("reviewer", "llm")]);
    let _ = publisher.register(json!([samples::llm("llm")]), agents).await.expect(201);
    publisher.connect("").await;
    let (_child, mut lines) = watch(&mcpd, &["get", "agents", "--watch"]);
    assert_eq!(change(&mut lines).await, "CHANGE NAME KIND STATUS");
    assert_eq!(change(&mut lines).await, "present coder virtual active");
    assert_eq!(change(&mut lines).await, "present reviewer virtual active");
    publisher.hang_up();
    // First that it is not connected any more, then that it is inactive.
    let mut seen = Vec::new();
    while !seen.iter().any(|line| line == "changed reviewer virtual inactive") {
        seen.push(change(&mut lines).await);
    }
    let _ = client.delete("/agents/reviewer").await.expect(204);
    assert_eq!(change(&mut lines).await, "deleted reviewer virtual inactive");
    mcpd.process.kill();
    mcpd.start_again().await;
    let made = json!({"name": "later", "llm": "llm"});
    let _ = client.post("/agents", &made).await.expect(201);
    assert_eq!(change(&mut lines).await, "added later public active");
}

#[tokio::test]
async fn programs_get_a_change_a_line_and_one_row_can_be_watched_alone() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    make(&client, "one").await;
    let (_child, mut lines) = watch(&mcpd, &["get", "llm", "one", "-w", "-o", "json"]);
    let first: Value = serde_json::from_str(&next(&mut lines).await).expect("JSON");
    assert_eq!((&first["change"], &first["llm"]["name"]), (&json!("present"), &json!("one")));
    make(&client, "two").await;
    let _ = client.post("/llms/one/disable", &json!({})).await.expect(200);
    let second: Value = serde_json::from_str(&next(&mut lines).await).expect("JSON");
    assert_eq!((&second["change"], &second["llm"]["disabled"]), (&json!("changed"), &json!(true)));
    assert!(second["fields"].as_array().is_some_and(|fields| fields.contains(&json!("disabled"))), "{second}");
    for args in [["get", "agents", "-w", "--as-of", "1"], ["get", "events", "-w", "-o", "name"]] {
        let refused = mcpd.mcpctl(&args).await;
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
    }
}
