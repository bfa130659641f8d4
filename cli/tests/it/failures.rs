//! Failures: their exit code, and what they say to do next.

use super::program::{home, program, run, to};
use super::server::{Reply, Server};

fn failed(server: &Server, words: &[&str]) -> String {
    let run = run(to(server, words));
    assert_eq!(run.code, 1, "{run:?}");
    run.err
}

#[test]
fn every_refusal_says_what_to_do_next() {
    for (status, words, next) in [
        ("400 Bad Request", &["get", "agents"][..], "`mcpctl COMMAND --help`"),
        ("409 Conflict", &["delete", "llm", "qwen"], "`mcpctl describe llm qwen`"),
        ("418 I'm a teapot", &["get", "agents"], "check what was asked for"),
        ("500 Internal Server Error", &["gc"], "`mcpctl status`"),
        ("504 Gateway Timeout", &["chat", "coder", "-m", "hi"], "`mcpctl why agent coder`"),
    ] {
        let err = failed(&Server::always(move || Reply::refused(status, "no")), words);
        assert!(err.starts_with("error: no\nnext: ") && err.contains(next), "{status}: {err}");
    }
}

#[test]
fn a_reply_that_breaks_off_says_what_to_do_next() {
    let error = r#"{"type":"error","error":"the publisher went away","code":"X"}"#;
    let err = failed(&Server::always(move || Reply::stream(&[error])), &["chat", "coder", "-m", "hi"]);
    let next = "next: try again; `mcpctl why agent coder` says how it stands, and why\n";
    assert_eq!(err, format!("error: the publisher went away\n{next}"));
}

#[test]
fn an_answer_that_is_no_json_says_what_to_do_next() {
    let err = failed(&Server::always(|| Reply::json(1, "<html>")), &["get", "agents", "-o", "json"]);
    assert!(err.contains("\nnext: check that --server names an mcpd"), "{err}");
}

#[test]
fn a_bad_address_in_the_credentials_is_for_login_to_mend() {
    let home = home("bad-credentials");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("credentials"), r#"{"mcpdUrl":"http://me:s3cret@h","token":"t"}"#).unwrap();
    let mut command = program(&["get", "agents"]);
    command.env("MCPCTL_HOME", &home);
    let run = run(command);
    std::fs::remove_dir_all(&home).unwrap();
    assert_eq!(run.code, 1);
    assert!(run.err.ends_with("next: run `mcpctl login --server URL` to write it anew\n"), "{}", run.err);
    assert!(run.err.contains("\"http://***@h\"") && !run.err.contains("s3cret"), "{}", run.err);
}
