//! A reader that goes away early is no failure.

use super::program::{llm, to};
use super::server::{Reply, Server};
use std::io::Read;
use std::process::{Command, Stdio};

/// Runs it with a stdout that nobody reads; returns stderr and whether it succeeded.
fn unread(mut command: Command) -> (String, bool) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (err, child.wait().unwrap().success())
}

#[test]
fn a_list_may_be_left_unread() {
    // Longer than a pipe holds, so that it cannot be written into nothing unnoticed.
    let rows = vec![llm("qwen"); 2000].join(",");
    let server = Server::always(move || Reply::json(1, format!("[{rows}]")));
    for format in ["table", "json", "yaml", "name"] {
        assert_eq!(unread(to(&server, &["get", "llms", "-o", format])), (String::new(), true), "{format}");
    }
}

#[test]
fn a_list_in_pages_ends_with_its_reader() {
    let event = |n| format!(r#"{{"sequence":"{n}","type":"t","subject":"s"}}"#);
    let page = move |path: &str| {
        let after = path.split("after=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
        let first = after.parse::<u64>().unwrap() + 1;
        Reply::json(1, format!("[{}]", (first..first + 1000).map(event).collect::<Vec<_>>().join(",")))
    };
    // The log has no end: only the reader's can end the list.
    assert_eq!(unread(to(&Server::start(page), &["events"])), (String::new(), true));
}

#[test]
fn a_reply_and_help_may_be_left_unread() {
    let text = r#"{"type":"text","delta":"hello"}"#;
    let last = r#"{"type":"final","threadId":"t1","turnIndex":1}"#;
    let server = Server::always(move || Reply::stream(&[text, last]));
    assert_eq!(unread(to(&server, &["chat", "coder", "-m", "hi"])), (String::new(), true));
    assert_eq!(unread(to(&server, &["--help"])), (String::new(), true));
    assert_eq!(unread(to(&server, &["completions", "bash"])), (String::new(), true));
}
