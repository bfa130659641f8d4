//! Chats against a small server in this process: what reaches it, and what is shown.

use super::Partner;
use super::agent::AgentChat;
use super::llm::LlmChat;
use super::render::Renderer;
use crate::args::{Cli, Command};
use crate::client::{Client, trace::Trace};
use crate::credentials::{Target, parse_server};
use crate::output::{Screen, lines_of};
use clap::Parser;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

const PLAIN: Screen = Screen { colour_out: false, colour_err: false, terminal_out: false, quiet: false };

fn client(url: &str) -> Client {
    Client::new(Target { server: parse_server(url).unwrap(), token: "secret".into() }, Trace::default()).unwrap()
}

fn parsed(words: &[&str], flags: &[&str]) -> Command {
    Cli::try_parse_from(["mcpctl"].iter().chain(words).chain(flags)).ok().unwrap().command
}

pub fn agent_partner(url: &str, flags: &[&str]) -> Partner {
    let Command::Chat(options) = parsed(&["chat", "coder"], flags) else { panic!("not a chat") };
    Partner::Agent(AgentChat::new(client(url), options).unwrap())
}

pub fn llm_partner(url: &str, flags: &[&str]) -> Partner {
    let Command::ChatLlm(options) = parsed(&["chat-llm", "qwen"], flags) else { panic!("not a chat") };
    Partner::Llm(LlmChat::new(client(url), options).unwrap())
}

/// Answers one request with these bytes; hands out its request line with headers, and its body.
fn server(status: &str, kind: &str, body: &str) -> (String, JoinHandle<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n{body}");
    let handle = std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap();
            }
            head += &line;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        stream.get_mut().write_all(answer.as_bytes()).unwrap();
        (head, serde_json::from_slice(&body).unwrap())
    });
    (url, handle)
}

/// Says `hi`; returns stdout, stderr and how it went.
fn hi(partner: &mut Partner, stream: bool) -> (String, String, anyhow::Result<()>) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let said = runtime.block_on(partner.say("hi", stream, Renderer::new(&mut out, &mut err, PLAIN)));
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), said)
}

fn sse(events: &[&str]) -> String {
    lines_of(events.iter().map(|e| format!("data: {e}\n")))
}

const SSE: &str = "text/event-stream";
const JSON: &str = "application/json";

#[test]
fn a_conversation_is_saved_into_a_new_file_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.md");
    let file = file.to_str().unwrap();
    let (url, _) = server("200 OK", JSON, r#"{"choices":[{"message":{"content":"hello\n"}}]}"#);
    let mut partner = llm_partner(&url, &[]);
    hi(&mut partner, false).2.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(partner.save(file)).unwrap(), 2);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "## user\n\nhi\n\n## assistant\n\nhello\n\n");
    let refused = runtime.block_on(partner.save(file)).unwrap_err().to_string();
    assert!(refused.contains("cannot write") && refused.contains(file), "{refused}");
}

#[test]
fn a_streamed_chat_shows_text_alone_on_stdout() {
    let body = String::from(": waiting\n\n")
        + &sse(&[
            r#"{"type":"thinking","delta":"let me think"}"#,
            r#"{"type":"tool_call","id":"1","name":"add","arguments":"{}"}"#,
            r#"{"type":"tool_result","id":"1","name":"add","content":"42","isError":false}"#,
            r#"{"type":"citation","of":"a newer server"}"#,
            r#"{"type":"text","delta":"hello "}"#,
            r#"{"type":"text","delta":"there\n"}"#,
            r#"{"type":"final","threadId":"t1","turnIndex":1}"#,
        ]);
    let (url, handle) = server("200 OK", SSE, &body);
    let flags =
        ["--temperature", "0.7", "--stop", "END", "--extra", "top_k=4", "--system", "s", "--system-append", "a"];
    let mut partner = agent_partner(&url, &flags);
    let (out, err, said) = hi(&mut partner, true);
    said.unwrap();
    assert_eq!(out, "hello there\n");
    assert!(err.starts_with("let me think\n→ add {}\n← add 42\n(2w · ") && err.ends_with("s) thread: t1\n"), "{err}");
    assert_eq!(partner.thread(), Some("t1"));
    let (head, sent) = handle.join().unwrap();
    assert!(head.starts_with("POST /api/v1/agents/coder/chat HTTP/1.1"), "{head}");
    assert!(head.contains("uthorization: Bearer secret"), "{head}");
    let expected = json!({"message": "hi", "stream": true, "systemPrompt": "s", "systemAppend": "a",
        "params": {"temperature": 0.7, "stop": ["END"], "extra": {"top_k": 4}}});
    assert_eq!(sent, expected);
}

#[test]
fn a_chat_that_is_not_streamed_shows_the_same() {
    let body = r#"{"threadId":"t1","assistant":"hello there\n\n","turnIndex":1,"finishReason":"stop"}"#;
    let (url, handle) = server("200 OK", JSON, body);
    let (out, err, said) = hi(&mut agent_partner(&url, &["--thread", "t1", "--allow-tool", ""]), false);
    said.unwrap();
    assert_eq!(out, "hello there\n");
    assert!(err.starts_with("(2w · ") && err.ends_with("s) thread: t1\n"), "{err}");
    assert_eq!(handle.join().unwrap().1, json!({"message": "hi", "threadId": "t1", "stream": false, "allowTools": []}));
}

#[test]
fn a_failure_in_the_middle_keeps_what_came() {
    for last in [&[r#"{"type":"error","error":"the publisher went away","code":"X"}"#][..], &[]] {
        let events: Vec<_> = [r#"{"type":"text","delta":"hel"}"#].iter().chain(last).copied().collect();
        let (url, _handle) = server("200 OK", SSE, &sse(&events));
        let (out, err, said) = hi(&mut agent_partner(&url, &[]), true);
        assert_eq!((out.as_str(), err.as_str()), ("hel\n", ""));
        let message = said.unwrap_err().to_string();
        let expected =
            if last.is_empty() { "the stream ended before the reply did" } else { "the publisher went away" };
        assert_eq!(message, expected);
    }
}

#[test]
fn a_refusal_leaves_stdout_empty() {
    let (url, _handle) = server("404 Not Found", JSON, r#"{"error":"agent not found: coder","code":"NOT_FOUND"}"#);
    let (out, _, said) = hi(&mut agent_partner(&url, &[]), true);
    assert_eq!((out.as_str(), said.unwrap_err().to_string().as_str()), ("", "agent not found: coder"));
}

#[test]
fn a_streamed_model_shows_content_and_keeps_history() {
    let chunks = [
        r#"{"choices":[{"delta":{"role":"assistant","reasoning_content":"hm"}}]}"#,
        r#"{"choices":[{"delta":{"content":"hello "}}]}"#,
        r#"{"choices":[{"delta":{"content":"there"},"finish_reason":"stop"}]}"#,
        r#"{"choices":[],"usage":{"total_tokens":5}}"#,
        "[DONE]",
    ];
    let (url, handle) = server("200 OK", SSE, &sse(&chunks));
    let mut partner = llm_partner(&url, &["--system", "be terse", "--top-k", "4", "--extra", "x={}"]);
    let (out, err, said) = hi(&mut partner, true);
    said.unwrap();
    assert_eq!(out, "hello there\n");
    assert!(err.starts_with("hm\n(2w · ") && err.ends_with("s)\n"), "{err}");
    let messages = json!([{"role": "system", "content": "be terse"}, {"role": "user", "content": "hi"}]);
    let (head, sent) = handle.join().unwrap();
    assert!(head.starts_with("POST /api/v1/llms/qwen/infer "), "{head}");
    assert_eq!(sent, json!({"model": "qwen", "messages": messages, "stream": true, "top_k": 4, "x": {}}));
    let Partner::Llm(chat) = partner else { panic!() };
    assert_eq!(chat.history[1], json!({"role": "assistant", "content": "hello there"}));
}

#[test]
fn a_model_that_only_reasons_is_shown_all_the_same() {
    let chunk = r#"{"choices":[{"delta":{"reasoning":"thought"},"finish_reason":"length"}]}"#;
    let (url, _handle) = server("200 OK", SSE, &sse(&[chunk, "[DONE]"]));
    assert_eq!(hi(&mut llm_partner(&url, &[]), true).0, "thought\n\n[response truncated by max_tokens]\n");
    let whole = r#"{"choices":[{"message":{"content":null,"reasoning":"thought"},"finish_reason":"stop"}]}"#;
    // Asked for a stream, the model server answers with a whole completion all the same.
    let (url, _handle) = server("200 OK", JSON, whole);
    assert_eq!(hi(&mut llm_partner(&url, &[]), true).0, "thought\n");
}

#[test]
fn a_model_that_fails_in_the_middle_is_an_error() {
    for error in [r#"{"error":"gone","code":"X"}"#, r#"{"error":{"message":"gone"}}"#] {
        let (url, _handle) = server("200 OK", SSE, &sse(&[r#"{"choices":[{"delta":{"content":"a"}}]}"#, error]));
        let (out, _, said) = hi(&mut llm_partner(&url, &[]), true);
        assert_eq!((out.as_str(), said.unwrap_err().to_string().as_str()), ("a\n", "gone"));
    }
}
