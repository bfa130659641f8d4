//! `describe`: for people, and as documents.

use super::program::{llm, run, to};
use super::server::{Reply, Server};

fn server() -> Server {
    Server::start(|path| match path.split('?').next().unwrap() {
        "/api/v1/llms/qwen" => Reply::json(7, llm("qwen")),
        "/api/v1/events" => {
            Reply::json(7, r#"[{"sequence":"6","type":"mcpctl.llm.registered.v1","subject":"llm/qwen"}]"#)
        }
        _ => Reply::json(7, "[]"),
    })
}

#[test]
fn a_row_can_be_had_as_a_document() {
    let json = run(to(&server(), &["describe", "llm", "qwen", "-o", "json"]));
    let row: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((row["name"].as_str(), row["status"].as_str()), (Some("qwen"), Some("active")));
    let yaml = run(to(&server(), &["describe", "llm", "qwen", "-o", "yaml"]));
    assert_eq!(yaml.out, "kind: llm\nname: qwen\ntype: openai\nmodel: m\n");
    assert_eq!(yaml.out, run(to(&server(), &["get", "llm", "qwen", "-o", "yaml"])).out);
}

#[test]
fn a_sheet_ends_with_what_happened_last() {
    let shown = run(to(&server(), &["describe", "llm", "qwen"]));
    assert_eq!((shown.code, shown.err.as_str()), (0, ""));
    assert!(shown.out.contains("Recent events:\n  SEQUENCE") && shown.out.contains("\n  6 "), "{}", shown.out);
}
