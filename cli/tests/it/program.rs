//! Runs the binary away from the user's own files and environment.

use super::server::Server;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a run printed, and how it ended.
#[derive(Debug)]
pub struct Run {
    /// stdout.
    pub out: String,
    /// stderr.
    pub err: String,
    /// Exit code.
    pub code: i32,
}

/// The binary with these words; no server, no token, no colour settings.
pub fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcpctl"));
    command.args(words).stdin(Stdio::null()).env("MCPCTL_HOME", home("nowhere")).env("TERM", "xterm");
    for variable in ["MCPCTL_SERVER", "MCPCTL_TOKEN", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command
}

/// The binary, with a server to talk to.
pub fn to(server: &Server, words: &[&str]) -> Command {
    let mut command = program(words);
    command.env("MCPCTL_SERVER", &server.url).env("MCPCTL_TOKEN", "t");
    command
}

/// Runs it to its end.
pub fn run(mut command: Command) -> Run {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { out: text(output.stdout), err: text(output.stderr), code: output.status.code().unwrap() }
}

/// A folder of this name for one test's files; it need not exist.
pub fn home(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("mcpctl-{}-{name}", std::process::id()))
}

/// An Llm as the server lists it.
pub fn llm(name: &str) -> String {
    format!(
        r#"{{"id":"1","name":"{name}","type":"openai","model":"m","url":null,"tier":null,"description":null,"poolName":null,
        "apiKeyRef":null,"extraConfig":{{}},"maxConcurrent":null,"labels":{{}},"kind":"virtual","status":"active",
        "disabled":false,"connected":true,"lastHeartbeatAt":null,"inactiveSince":null,"ownerId":"u","version":1,
        "createdAt":"t","updatedAt":"t"}}"#
    )
}
