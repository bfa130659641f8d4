//! Putting model servers to sleep that nobody calls.

use crate::{
    availability::State,
    config::{Provider, Sleep},
    model::{Models, label},
    wake,
};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::sleep;
use tracing::{info, warn};

/// How often it is looked whether somebody called: so often in the time that it may be idle, and no less than this.
const LOOKS: u32 = 8;
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// Longest time that a recipe may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// Watches every provider that is to be put to sleep, without end.
pub async fn watch(models: &Models, notice: Duration) {
    let sleepers = models.providers.iter().filter_map(|provider| Some((provider, provider.sleep.as_ref()?)));
    join_all(sleepers.map(|(provider, recipe)| watch_one(models, provider, recipe, notice))).await;
    // Nobody is to be put to sleep.
    std::future::pending::<()>().await;
}

async fn watch_one(models: &Models, provider: &Provider, recipe: &Sleep, notice: Duration) {
    let look = (recipe.after_idle / LOOKS).min(LONGEST_LOOK);
    loop {
        sleep(look).await;
        let idle = models.availability.idle(&provider.name);
        if idle.is_some_and(|idle| idle >= recipe.after_idle) {
            put_to_sleep(models, provider, recipe, notice).await;
        }
    }
}

async fn put_to_sleep(models: &Models, provider: &Provider, recipe: &Sleep, notice: Duration) {
    let (known, name) = (&models.availability, &provider.name);
    known.set(name, State::Asleep);
    // A call that was sent before the registry learned of it is answered, and keeps the model awake.
    sleep(notice).await;
    if known.state(name) != State::Asleep {
        return;
    }
    info!("model server {} is put to sleep: nobody called it for {} s", label(provider), recipe.after_idle.as_secs());
    // Its program is not the one that a wake may have started.
    let program = format!("{name} (sleep)");
    let followed = wake::follow(models, &program, &recipe.recipe);
    let why = match tokio::time::timeout(PATIENCE, followed).await {
        Ok(Ok(())) => return known.look_again(),
        Ok(Err(why)) => why,
        Err(_) => format!("not done within {} s", PATIENCE.as_secs()),
    };
    warn!("model server {} could not be put to sleep: {why}; it stays as it is", label(provider));
    known.set(name, State::Up);
}
