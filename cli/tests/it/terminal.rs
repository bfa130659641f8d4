//! At a terminal, which util-linux's `script` plays: colour, and conversations whose reply is kept in a file.

use super::program::{home, llm, to};
use super::server::{HUNG_UP, Reply, Server};
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longest wait for something to show.
const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal on which one shell line runs.
struct Terminal {
    script: Child,
    /// Stays open: the end of the input would be typed as Ctrl-D.
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    shown: Vec<u8>,
    /// How much of it was waited for already.
    seen: usize,
}

impl Terminal {
    /// Runs a line of `sh`, in which `$MCPCTL` is the binary.
    fn run(server: &Server, line: &str, variables: &[(&str, &str)]) -> Self {
        let mut script = Command::new("script");
        script.args(["-qec", line, "/dev/null"]).env("SHELL", "/bin/sh").env("MCPCTL", env!("CARGO_BIN_EXE_mcpctl"));
        for (key, value) in to(server, &[]).get_envs() {
            match value {
                Some(value) => script.env(key, value),
                None => script.env_remove(key),
            };
        }
        script.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = script.spawn().expect("`script` of util-linux plays the terminal");
        let (keyboard, mut output) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let (send, screen) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut piece) {
                let _ = send.send(piece[..n].to_vec());
            }
        });
        Terminal { script, keyboard, screen, shown: Vec::new(), seen: 0 }
    }

    /// Waits until this text shows, after what was waited for before.
    fn wait_for(&mut self, text: &str) {
        loop {
            let new = &self.shown[self.seen..];
            if let Some(at) = new.windows(text.len()).position(|part| part == text.as_bytes()) {
                self.seen += at + text.len();
                return;
            }
            let Ok(piece) = self.screen.recv_timeout(PATIENCE) else {
                panic!("{text:?} does not show: {}", String::from_utf8_lossy(&self.shown));
            };
            self.shown.extend(piece);
        }
    }

    fn type_line(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Waits for the line's end; returns all that was shown.
    fn end(mut self) -> String {
        while let Ok(piece) = self.screen.recv_timeout(PATIENCE) {
            self.shown.extend(piece);
        }
        String::from_utf8(std::mem::take(&mut self.shown)).unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

fn llms() -> Server {
    Server::always(|| Reply::json(1, format!("[{}]", llm("qwen"))))
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    for line in ["$MCPCTL get llms", "$MCPCTL get wombats", "$MCPCTL --help"] {
        let shown = |line: &str, variables: &[_]| Terminal::run(&llms(), line, variables).end();
        assert!(shown(line, &[]).contains("\u{1b}["), "{line}");
        assert!(!shown(&format!("{line} --no-color"), &[]).contains('\u{1b}'), "{line}");
        assert!(!shown(line, &[("NO_COLOR", "1")]).contains('\u{1b}'), "{line}");
        assert!(!shown(line, &[("TERM", "dumb")]).contains('\u{1b}'), "{line}");
    }
    let early = Terminal::run(&llms(), "$MCPCTL --no-color get wombats", &[]).end();
    assert!(early.contains("invalid value") && !early.contains('\u{1b}'), "{early:?}");
}

#[test]
fn a_conversation_whose_replies_are_kept_still_has_its_commands() {
    let text = r#"{"type":"text","delta":"hello there"}"#;
    let last = r#"{"type":"final","threadId":"t1","turnIndex":1}"#;
    let server = Server::always(move || Reply::stream(&[text, last]));
    let folder = home("conversation");
    std::fs::create_dir_all(&folder).unwrap();
    let variables = [("LOG", folder.join("log")), ("MCPCTL_HOME", folder.clone())];
    let variables = variables.each_ref().map(|(key, path)| (*key, path.to_str().unwrap()));

    let mut terminal = Terminal::run(&server, "$MCPCTL chat coder > \"$LOG\"", &variables);
    for (typed, answer) in [("/help", "Ctrl-C cancels a reply"), ("hi", "thread: t1")] {
        terminal.wait_for("coder> ");
        terminal.type_line(typed);
        terminal.wait_for(answer);
    }
    terminal.wait_for("coder> ");
    terminal.type_line("/quit");
    terminal.end();

    let kept = std::fs::read_to_string(folder.join("log")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(kept, "hello there\n");
    assert_eq!(server.asked(), ["/api/v1/agents/coder", "/api/v1/agents/coder/chat"]);
}

#[test]
fn ctrl_c_cancels_a_reply_at_the_server_too() {
    let text = r#"{"type":"text","delta":"hello there"}"#;
    let server = Server::always(move || Reply::stream(&[text]).without_end());
    let mut terminal = Terminal::run(&server, "$MCPCTL chat-llm qwen", &[]);
    terminal.wait_for("qwen> ");
    terminal.type_line("hi");
    server.asked_for("/api/v1/llms/qwen/infer");
    terminal.keyboard.write_all(b"\x03").unwrap();
    terminal.wait_for("(cancelled)");
    server.asked_for(HUNG_UP);
    terminal.wait_for("qwen> ");
    terminal.type_line("/quit");
    terminal.end();
}

#[test]
fn nobody_is_waited_for_who_does_not_exist() {
    let server = Server::always(|| Reply::refused("404 Not Found", "Agent not found: coder"));
    let shown = Terminal::run(&server, "$MCPCTL chat coder", &[]).end();
    assert!(shown.contains("Agent not found: coder") && !shown.contains("coder> "), "{shown}");
}
