//! The processes of programs that projects name: each program is the first of a group, so that what it starts ends with
//! it, and all of them with the server.

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a group may take to end by itself.
const GRACE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);

/// All groups that may have processes.
#[derive(Debug, Clone, Default)]
pub struct Groups(Arc<Mutex<HashSet<Pid>>>);

/// One program with all that it started. Dropped, it is told to end, and killed if it does not.
#[derive(Debug)]
pub struct Group {
    leader: Pid,
    groups: Groups,
}

impl Groups {
    /// The group of a program that was started as the first of one.
    pub fn of(&self, leader: u32) -> Option<Group> {
        let leader = Pid::from_raw(i32::try_from(leader).ok()?);
        self.all().insert(leader);
        Some(Group { leader, groups: self.clone() })
    }

    /// Ends all of them, and waits for it.
    pub async fn end(&self) {
        let all: Vec<Pid> = self.all().drain().collect();
        end(&all).await;
    }

    fn all(&self) -> MutexGuard<'_, HashSet<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever ended all of them has ended this one.
        if !self.groups.all().contains(&self.leader) {
            return;
        }
        let (leader, groups) = (self.leader, self.groups.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends within a second, and the server's end does its work too"
        )]
        tokio::spawn(async move {
            end(&[leader]).await;
            groups.all().remove(&leader);
        });
    }
}

/// Asks these groups to end, and kills what is left of them after the grace.
async fn end(groups: &[Pid]) {
    // How many are there to get it.
    let signal = |signal: Option<Signal>| groups.iter().filter(|group| killpg(**group, signal).is_ok()).count();
    let deadline = Instant::now() + GRACE;
    signal(Some(Signal::SIGTERM));
    while signal(None) > 0 && Instant::now() < deadline {
        sleep(LOOK).await;
    }
    signal(Some(Signal::SIGKILL));
}
