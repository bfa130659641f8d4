//! What servers that are gone left behind in the work store: turns that fail, inference tasks that wait again.

use crate::{app::App, clock::Clock, config::Config, in_the_end::in_the_end};
use mcpctl_events::time::LogTime;
use mcpctl_projector::store::{
    Database, StoreError,
    work::{Gone, WorkStore},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often a server says that it is there, where others share its store.
const BEAT: Duration = Duration::from_secs(5);
/// A server that said nothing for so long, though it could have, is gone.
const GONE: Duration = Duration::from_mins(1);
/// A look that comes so late was held up by something that may have held up the others, too.
const LATE: Duration = Duration::from_secs(20);

fn is_shared(config: &Config) -> bool {
    config.log.is_shared() && matches!(config.db, Database::Postgres(_))
}

/// Says that this server is there, and ends what those left behind that are not.
async fn end_of(work: &WorkStore, clock: Clock, gone: Gone<'_>) -> Result<(), StoreError> {
    work.beat(clock.now()).await?;
    let ended = work.end_lost(gone).await?;
    if ended > 0 {
        tracing::info!(ended, "turns and inference tasks of a server that is gone were ended, or wait again");
    }
    Ok(())
}

/// For the start. On a full disk what is there can still be read, and it is done later.
#[expect(clippy::disallowed_methods, reason = "it ends with the server's last step")]
pub async fn end(work: &WorkStore, clock: Clock, config: &Config, last: &CancellationToken) {
    // Whether others are there, this one cannot know yet.
    let gone = if is_shared(config) { Gone::These(&[]) } else { Gone::Others };
    if end_of(work, clock, gone).await.is_ok() {
        return;
    }
    let work = work.clone();
    let attempt = move || {
        let work = work.clone();
        async move { end_of(&work, clock, gone).await }
    };
    tokio::spawn(in_the_end("the end of turns that were cut off", last.clone(), attempt));
}

/// Looks again and again, where servers share their store, until it is dropped.
pub async fn run(app: Arc<App>) {
    if !is_shared(&app.config) {
        return;
    }
    let mut watch = Watch::default();
    loop {
        tokio::time::sleep(BEAT).await;
        if let Err(error) = look(&app, &mut watch).await {
            // Nobody could say that he is there.
            watch = Watch::default();
            tracing::debug!(%error, "what servers left behind is looked at later");
        }
        app.durable.wake();
    }
}

async fn look(app: &App, watch: &mut Watch) -> Result<(), StoreError> {
    let boots = app.work.boots().await?;
    let gone = watch.look(boots, app.clock.uptime());
    end_of(&app.work, app.clock, Gone::These(&gone)).await
}

/// What this process saw of the others. Each says when it was there by a clock of its own, of which only counts that it
/// goes on.
#[derive(Debug, Default)]
struct Watch {
    seen: HashMap<Uuid, (LogTime, Duration)>,
    looked_at: Option<Duration>,
}

impl Watch {
    /// Takes note of what the servers say, at uptime `now`; those that are gone.
    fn look(&mut self, boots: Vec<(Uuid, LogTime)>, now: Duration) -> Vec<Uuid> {
        let is_late = self.looked_at.replace(now).is_some_and(|before| now.saturating_sub(before) > LATE);
        let before = std::mem::take(&mut self.seen);
        for (boot, says) in boots {
            let same = before.get(&boot).filter(|(said, _)| *said == says && !is_late);
            self.seen.insert(boot, (says, same.map_or(now, |(_, since)| *since)));
        }
        let gone = self.seen.iter().filter(|(_, (_, since))| now.saturating_sub(*since) >= GONE);
        gone.map(|(boot, _)| *boot).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn says(boot: Uuid, second: i64) -> (Uuid, LogTime) {
        (boot, LogTime::from_millis(second * 1000))
    }

    #[test]
    fn who_says_nothing_for_a_minute_is_gone_whatever_its_clock_says() {
        let mut watch = Watch::default();
        for second in (0..60_u32).step_by(5) {
            // One lives in the past, the other died in the future.
            let now = Duration::from_secs(second.into());
            assert!(watch.look(vec![says(ONE, i64::from(second) + 1), says(OTHER, 9999)], now).is_empty());
        }
        assert_eq!(watch.look(vec![says(ONE, 61), says(OTHER, 9999)], GONE), [OTHER]);
    }

    #[test]
    fn while_nobody_could_be_heard_nobody_was_silent() {
        let mut watch = Watch::default();
        let at = Duration::from_secs;
        watch.look(vec![says(OTHER, 1)], at(0));
        for second in (5..55).step_by(5) {
            watch.look(vec![says(OTHER, 1)], at(second));
        }
        assert!(watch.look(vec![says(OTHER, 1)], at(200)).is_empty(), "the store took its time, or this process did");
        for second in (205..260).step_by(5) {
            assert!(watch.look(vec![says(OTHER, 1)], at(second)).is_empty());
        }
        assert_eq!(watch.look(vec![says(OTHER, 1)], at(260)), [OTHER]);
    }
}
