//! Programs that wakes started. One may be the model server itself, and run on when its wake is long over.

use std::{
    collections::BTreeMap,
    io,
    process::{ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::process::{Child, Command};
use tracing::info;

/// The programs that still run, by provider; at most one each.
#[derive(Debug, Default)]
pub struct Started {
    running: Mutex<BTreeMap<String, Child>>,
}

impl Started {
    /// Runs a provider's command to its end. Where the one of an earlier wake still runs, its end is waited for, and
    /// no second one is started.
    ///
    /// # Errors
    /// When it cannot be started, or failed.
    pub async fn run(&self, provider: &str, command: &str, args: &[String]) -> Result<(), String> {
        let child = self.earlier(provider).map_or_else(|| start(command, args), Ok)?;
        let mut kept = Kept { started: self, provider, child: Some(child) };
        let status = kept.end().await.map_err(|error| format!("`{command}`: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("`{command}` failed: {status}")) }
    }

    /// The program of an earlier wake, if it still runs.
    fn earlier(&self, provider: &str) -> Option<Child> {
        let mut earlier = self.running().remove(provider)?;
        let runs = matches!(earlier.try_wait(), Ok(None));
        if runs {
            info!("the program that an earlier wake of '{provider}' started still runs: waiting for it");
        }
        runs.then_some(earlier)
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start(command: &str, args: &[String]) -> Result<Child, String> {
    let mut program = Command::new(command);
    program.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    program.spawn().map_err(|error| format!("`{command}` cannot be started: {error}"))
}

/// A program that is waited for, and goes back to the others when nobody waits any longer.
struct Kept<'a> {
    started: &'a Started,
    provider: &'a str,
    child: Option<Child>,
}

impl Kept<'_> {
    async fn end(&mut self) -> io::Result<ExitStatus> {
        let child = self.child.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let status = child.wait().await;
        self.child = None;
        status
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            self.started.running().insert(self.provider.to_owned(), child);
        }
    }
}
