//! A chat in pipes: the reply alone on stdout, and nothing beside it with `-q`.

use super::program::{run, to};
use super::server::{Reply, Server};

fn server() -> Server {
    let thought = r#"{"type":"thinking","delta":"hm"}"#;
    let text = r#"{"type":"text","delta":"hello there"}"#;
    let last = r#"{"type":"final","threadId":"t1","turnIndex":1}"#;
    Server::always(move || Reply::stream(&[thought, text, last]))
}

#[test]
fn figures_and_thinking_are_beside_the_reply() {
    let shown = run(to(&server(), &["chat", "coder", "-m", "hi"]));
    assert_eq!((shown.code, shown.out.as_str()), (0, "hello there\n"));
    assert!(shown.err.starts_with("hm\n(2w · ") && shown.err.ends_with("s) thread: t1\n"), "{}", shown.err);
}

#[test]
fn quiet_leaves_the_answer_alone() {
    let shown = run(to(&server(), &["chat", "coder", "-m", "hi", "-q"]));
    assert_eq!((shown.out.as_str(), shown.err.as_str()), ("hello there\n", ""));
    let empty = || Server::always(|| Reply::json(1, "[]"));
    let told = run(to(&empty(), &["get", "threads", "--agent", "coder"]));
    let quiet = run(to(&empty(), &["-q", "get", "threads", "--agent", "coder"]));
    assert_eq!((told.err.as_str(), quiet.err.as_str()), ("no threads yet\n", ""));
    assert_eq!(told.out, quiet.out);
    let refused = Server::always(|| Reply::refused("403 Forbidden", "no"));
    assert!(run(to(&refused, &["-q", "gc"])).err.starts_with("error: no\n"));
}
