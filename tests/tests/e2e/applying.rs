//! `mcpctl apply`: documents become rows.

use mcpctl_tests::{Mcpd, samples};
use serde_json::json;

const TEAM: &str = "\
kind: prompt
name: rules
project: apollo
content: Be brief.
---
kind: agent
name: reviewer
llm: gpt
project: apollo
defaultParams: {temperature: 0.20}
---
kind: project
name: apollo
---
kind: llm
name: gpt
type: openai
model: m
url: http://127.0.0.1:9/v1
";

/// Applies a text; what was printed, told, and how it ended.
async fn apply(mcpd: &Mcpd, text: &str, more: &[&str]) -> (Vec<String>, String, Option<i32>) {
    let file = mcpd.home.path().join("documents.yaml");
    std::fs::write(&file, text).expect("a file");
    let file = file.display().to_string();
    let output = mcpd.mcpctl(&[&["apply", "-f", &file], more].concat()).await;
    let lines = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    (lines, String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
}

#[tokio::test]
async fn documents_are_made_in_the_order_that_they_need_and_made_once() {
    let mcpd = Mcpd::start(&[]).await;
    let lines =
        |done: &str| ["llm/gpt", "project/apollo", "agent/reviewer", "prompt/rules"].map(|row| format!("{row} {done}"));
    let before = mcpd.client().sequence().await;
    let (out, err, _) = apply(&mcpd, TEAM, &["--dry-run"]).await;
    assert_eq!(out, lines("created"));
    assert!(err.contains("nothing was changed"), "{err}");
    assert_eq!(mcpd.client().sequence().await, before);
    assert_eq!(apply(&mcpd, TEAM, &[]).await.0, lines("created"));
    let made = mcpd.client().sequence().await;
    assert_eq!(apply(&mcpd, TEAM, &[]).await.0, lines("unchanged"));
    assert_eq!(mcpd.client().sequence().await, made, "what is so already is not written");
    let changed = TEAM.replace("Be brief.", "Be kind.");
    let (out, ..) = apply(&mcpd, &changed, &["--dry-run"]).await;
    assert_eq!(out[3], "prompt/rules configured");
    assert_eq!(mcpd.client().sequence().await, made);
    assert_eq!(apply(&mcpd, &changed, &[]).await.0[3], "prompt/rules configured");
    assert_eq!(mcpd.client().get("/prompts/rules").await.json()["content"], "Be kind.");
}

#[tokio::test]
async fn what_cannot_be_applied_ends_it_and_says_why() {
    let mcpd = Mcpd::start(&[]).await;
    let (out, err, code) = apply(&mcpd, &TEAM.replace("llm: gpt", "llm: other"), &[]).await;
    assert_eq!(
        (out.as_slice(), code),
        (&["llm/gpt created".to_owned(), "project/apollo created".to_owned()][..], Some(1))
    );
    assert!(err.contains("Llm not found: other"), "{err}");
    for (text, says) in [
        ("", "there is no document in"),
        ("kind: planet\nname: mars\n", "document 1: `kind` is one of llm, project, agent, personality, prompt"),
        ("kind: llm\nname: a\ntype: openai\nmodel: m\nurl: http://h\nmore: 1\n", "/more"),
    ] {
        let (out, err, code) = apply(&mcpd, text, &[]).await;
        assert!(out.is_empty() && code == Some(1) && err.contains(says), "{err}");
    }
    // A publisher's own row is its publisher's to change, while that is there.
    let mut publisher = mcpd.publisher("s");
    let _ = publisher.register(json!([samples::llm("qwen")]), json!([])).await.expect(201);
    publisher.connect("").await;
    let row = mcpd.mcpctl(&["get", "llm", "qwen", "-o", "yaml"]).await;
    let row = String::from_utf8_lossy(&row.stdout).into_owned();
    assert_eq!(apply(&mcpd, &row, &[]).await.0, ["llm/qwen unchanged"]);
    let (_, err, code) = apply(&mcpd, &format!("{row}description: mine\nurl: http://127.0.0.1:9\n"), &[]).await;
    assert!(code == Some(1) && err.contains("is active and defined by its publisher"), "{err}");
}
