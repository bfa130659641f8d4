//! How the process ends: 0 done, 1 failed, 2 wrong usage. Failures say what to do next.

use crate::client::failure::Failure;
use crate::output::{self, Screen};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// The command line asks for something that does not exist or make sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A failure, and a way out of it.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct Stuck {
    /// What is wrong.
    pub problem: String,
    /// What the user can do about it.
    pub next: String,
}

/// A file that says what is to be done, and does not make sense: wrong usage, as a flag is, with a way out of its own.
#[cfg(feature = "dev")]
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.problem)]
pub struct Misconfigured(pub Stuck);

impl Stuck {
    /// A failure with its way out.
    pub fn new(problem: impl Into<String>, next: impl Into<String>) -> Self {
        Stuck { problem: problem.into(), next: next.into() }
    }
}

/// A question that was answered with no. All is said already.
#[derive(Debug, thiserror::Error)]
#[error("no")]
pub struct Denied;

/// Reports a failure on stderr and picks the exit code.
pub fn code(result: anyhow::Result<()>, screen: Screen) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    // Whoever read the answer has had enough of it: that is no failure.
    if is_broken_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    if error.is::<Denied>() {
        return ExitCode::FAILURE;
    }
    let red = |s: &str| if screen.colour_err { format!("\u{1b}[31m{s}\u{1b}[0m") } else { s.to_owned() };
    // The label holds our own colour codes; only what others wrote is cleaned.
    let _ = write!(std::io::stderr().lock(), "{} ", red("error:"));
    // What comes below is ours, and begins a line; what others wrote does not.
    output::tell(&format!("{error:#}").replace(['\n', '\r'], "\n  "));
    if let Some(failure) = error.downcast_ref::<Failure>() {
        let details = failure.details().map(|d| format!("  {d}"));
        details
            .chain(failure.next_steps().into_iter().map(|n| format!("next: {n}")))
            .for_each(|line| output::tell(&line));
    }
    if let Some(stuck) = error.downcast_ref::<Stuck>() {
        output::tell(&format!("next: {}", stuck.next));
    }
    #[cfg(feature = "dev")]
    if let Some(Misconfigured(stuck)) = error.downcast_ref::<Misconfigured>() {
        output::tell(&format!("next: {}", stuck.next));
        return ExitCode::from(2);
    }
    if error.is::<Usage>() {
        output::tell("next: see `mcpctl --help`");
        return ExitCode::from(2);
    }
    ExitCode::FAILURE
}

/// Prints help, or what is wrong with the command line, and picks the exit code.
pub fn told(told: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the stream is closed.
    let _ = told.print();
    if told.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// Only our own writes fail as a bare I/O error; a connection that broke is a [`Failure`].
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
}
