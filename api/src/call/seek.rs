//! Finding a place for a call: among the members that are awake, in line for one of them, or by waking one.

use super::{
    moves::Moves,
    stopping,
    target::{Standing, Target},
    wake,
};
use crate::{
    app::App,
    error::ApiError,
    limits::Limit,
    relay::places::{Full, Given, Way},
};
use axum::http::StatusCode;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// How often a call in line looks whether the rows have changed, when nothing happens to streams.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A way to the target, and a place there. Waits for a publisher that is just reconnecting, and in line until `until`.
pub(super) async fn place(app: &Arc<App>, target: &Target, tried: &[Uuid], until: Instant) -> Result<Given, ApiError> {
    tokio::select! {
        given = seek(app, target, tried, until) => given,
        () = app.stopping.cancelled() => Err(stopping()),
    }
}

async fn seek(app: &Arc<App>, target: &Target, tried: &[Uuid], until: Instant) -> Result<Given, ApiError> {
    let mut moves = Moves::of(app);
    let back = Instant::now() + app.config.args.connect_grace;
    let mut sleepers = Sleepers { tried: tried.to_vec(), woken: Vec::new(), failed: None };
    loop {
        match sleepers.standing(app, target)? {
            Standing::Awake(mut ways, asleep) => {
                if let Some(given) = app.places.take(target.name(), &ways, || toss(app)) {
                    return Ok(given);
                }
                match asleep {
                    Some(way) if way.elsewhere.is_none() => {
                        sleepers.wake(app, &way).await;
                        continue;
                    }
                    Some(way) => {
                        ways.push(way);
                        if let Some(given) = app.places.take(target.name(), &ways, || 0) {
                            return Ok(given);
                        }
                    }
                    None => {}
                }
                if let Some(given) = in_line(app, target, &sleepers.tried, ways, until).await? {
                    return Ok(given);
                }
            }
            Standing::Asleep(way) => sleepers.wake(app, &way).await,
            Standing::Away(error) if Instant::now() >= back => return Err(error),
            // A publisher may be back, here or at another replica.
            Standing::Away(_) => moves.next(back).await,
        }
    }
}

/// What does not wake is passed over, as what failed; why, is told if nothing else is left.
struct Sleepers {
    tried: Vec<Uuid>,
    woken: Vec<Uuid>,
    failed: Option<ApiError>,
}

impl Sleepers {
    fn standing(&mut self, app: &App, target: &Target) -> Result<Standing, ApiError> {
        target.standing(app, &self.tried).map_err(|error| self.failed.take().unwrap_or(error))
    }

    async fn wake(&mut self, app: &Arc<App>, way: &Way) {
        let woken =
            if self.woken.contains(&way.llm.id) { Err(wake::asleep_again(way)) } else { wake::up(app, way).await };
        self.woken.push(way.llm.id);
        if let Err(error) = woken {
            self.tried.push(way.llm.id);
            self.failed = Some(error);
        }
    }
}

/// Waits for a place; none if the way to it is gone by then, or another one is to be looked for.
async fn in_line(
    app: &Arc<App>,
    target: &Target,
    tried: &[Uuid],
    ways: Vec<Way>,
    until: Instant,
) -> Result<Option<Given>, ApiError> {
    let mut changes = app.relay.changes();
    let mut queued = app.places.queue(target.name(), ways, tried).map_err(|full| busy(target, &full))?;
    loop {
        let look = Instant::now() + LOOK_AGAIN;
        let given = tokio::select! {
            given = queued.place() => Some(given.ok_or_else(stopping)?),
            () = sleep_until(until) => return Err(too_long(target)),
            _ = changes.changed() => None,
            () = sleep_until(look) => None,
        };
        if let Ok(Standing::Awake(all, _)) = target.standing(app, &[]) {
            queued.look_again(target.name(), &all);
        }
        match (given, target.standing(app, tried)?) {
            // Rows and streams may have changed since it began to wait.
            (Some((way, place)), Standing::Awake(ways, _)) => {
                let way = ways.into_iter().find(|now| now.is_same(&way));
                return Ok(way.map(|way| (way, place)));
            }
            (Some(_), _) | (None, Standing::Asleep(_)) => return Ok(None),
            // Its last member may be back in a moment; it keeps its place in line meanwhile.
            (None, Standing::Awake(..) | Standing::Away(_)) => {}
        }
    }
}

/// Decides between members that are equally loaded.
fn toss(app: &App) -> usize {
    app.clock.id().as_bytes()[15].into()
}

fn busy(target: &Target, full: &Full) -> ApiError {
    let name = target.name();
    let message =
        format!("'{name}' is busy: {} calls are waiting for it already, the limit of --queue-depth", full.waiting);
    ApiError { retry_after: Some(1), ..Limit::Queue.refuse(StatusCode::TOO_MANY_REQUESTS, "BUSY", message) }
}

fn too_long(target: &Target) -> ApiError {
    let message = format!("'{}' was busy for too long; try again later", target.name());
    ApiError { retry_after: Some(1), ..ApiError::new(StatusCode::GATEWAY_TIMEOUT, "QUEUE_TIMEOUT", message) }
}
