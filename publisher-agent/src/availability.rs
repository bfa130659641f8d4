//! Which model servers answer, and have the model that they are said to have.

mod probe;

pub use probe::{Finding, List, probe};

use crate::{config::Provider, model::Models, model::label};
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
};
use tracing::{info, warn};

/// Looks that were asked for are at least this far apart.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// A server that is too busy for a look is not down; one that stays so is.
const SLOW_LOOKS: u32 = 3;

/// What is known of one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody looked yet.
    Unknown,
    /// It can be called.
    Up,
    /// Its server does not answer.
    Down,
    /// Its server answers, and does not have the model.
    Missing,
    /// It has a key that cannot be read here.
    Locked,
    /// It was put to sleep here, though its server may still answer.
    Asleep,
}

/// The states by provider name.
pub type States = BTreeMap<String, State>;

/// What is known of all published providers.
#[derive(Debug)]
pub struct Availability {
    states: watch::Sender<States>,
    look: Notify,
    /// Those being woken: who wakes them says when they are up.
    waking: Mutex<BTreeSet<String>>,
    /// How many calls are open on each.
    calls: Mutex<BTreeMap<String, usize>>,
    /// When each was last called, or came up.
    used: Mutex<BTreeMap<String, Instant>>,
}

/// A call that is open on a provider, which is thus alive, however slow its other answers are.
#[derive(Debug)]
pub struct Call<'a> {
    known: &'a Availability,
    name: String,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.known.used(&self.name);
        let mut calls = self.known.calls();
        if let Some(open) = calls.get_mut(&self.name) {
            *open -= 1;
            if *open == 0 {
                calls.remove(&self.name);
            }
        }
    }
}

impl Availability {
    /// Nothing known yet.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let states = watch::Sender::new(names.map(|name| (name.to_owned(), State::Unknown)).collect());
        Self { states, look: Notify::new(), waking: Mutex::default(), calls: Mutex::default(), used: Mutex::default() }
    }

    /// The states, and each change of them.
    pub fn subscribe(&self) -> watch::Receiver<States> {
        self.states.subscribe()
    }

    /// Asks for a look soon.
    pub fn look_again(&self) {
        self.look.notify_one();
    }

    /// Notes a call for as long as the result lives.
    pub fn call(&self, name: &str) -> Call<'_> {
        // One that was sent before the server knew keeps it awake.
        if self.state(name) == State::Asleep {
            self.set(name, State::Up);
        }
        *self.calls().entry(name.to_owned()).or_default() += 1;
        Call { known: self, name: name.to_owned() }
    }

    /// Takes a provider's wake; false when somebody else has it.
    pub fn begin_wake(&self, name: &str) -> bool {
        self.waking.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
    }

    /// Gives a provider's wake back.
    pub fn end_wake(&self, name: &str) {
        self.waking.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Notes a state; true when it is another one.
    pub fn set(&self, name: &str, state: State) -> bool {
        let changed = self.states.send_if_modified(|states| match states.get_mut(name) {
            Some(known) if *known != state => {
                *known = state;
                true
            }
            _ => false,
        });
        if changed && state == State::Up {
            self.used(name);
        }
        changed
    }

    /// How long nobody has called a provider that is up; none if somebody does, or it is not.
    pub fn idle(&self, name: &str) -> Option<Duration> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        used.filter(|_| self.state(name) == State::Up && !self.is_called(name)).map(|used| used.elapsed())
    }

    fn used(&self, name: &str) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Instant::now());
    }

    /// What is known of a provider.
    pub fn state(&self, name: &str) -> State {
        self.states.borrow().get(name).copied().unwrap_or(State::Unknown)
    }

    fn is_waking(&self, name: &str) -> bool {
        self.waking.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    fn is_called(&self, name: &str) -> bool {
        self.calls().contains_key(name)
    }

    fn calls(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at every provider, again and again.
pub async fn watch(models: &Models, every: Duration) {
    let mut slow = BTreeMap::new();
    loop {
        let began = Instant::now();
        let looks = models.providers.iter().map(|provider| async move {
            let finding = look_at(models, provider).await;
            (provider, finding)
        });
        // All at once, so that the first declaration is complete.
        let found: Vec<_> = join_all(looks).await;
        for (provider, finding) in found {
            note(&models.availability, provider, &finding, &mut slow);
        }
        tokio::select! {
            () = sleep(every) => {}
            () = models.availability.look.notified() => sleep_until(began + AT_MOST_EVERY).await,
        }
    }
}

/// Looks at one provider.
pub async fn look_at(models: &Models, provider: &Provider) -> Finding {
    probe::probe(&models.client, provider).await
}

/// Whether a provider can be called right now.
pub async fn is_up(models: &Models, provider: &Provider) -> bool {
    look_at(models, provider).await.is_up()
}

fn note(known: &Availability, provider: &Provider, finding: &Finding, slow: &mut BTreeMap<String, u32>) {
    let name = &provider.name;
    let failed = matches!(finding, Finding::Slow | Finding::Down(_) | Finding::Locked(_));
    if failed && known.state(name) == State::Up && known.is_called(name) {
        return;
    }
    let looks = slow.entry(name.clone()).or_default();
    *looks = if matches!(finding, Finding::Slow) { *looks + 1 } else { 0 };
    let before = known.state(name);
    if known.is_waking(name) || (before == State::Up && (1..SLOW_LOOKS).contains(looks)) {
        return;
    }
    // One that still answers, as some do, is woken by a call.
    if before == State::Asleep && finding.is_up() {
        return;
    }
    let state = match finding {
        Finding::Up | Finding::Unlisted(_) => State::Up,
        Finding::Slow | Finding::Down(_) => State::Down,
        Finding::Missing(_) => State::Missing,
        Finding::Locked(_) => State::Locked,
    };
    if known.set(name, state) && before != State::Asleep {
        say(provider, finding, before);
    }
}

fn say(provider: &Provider, finding: &Finding, before: State) {
    let server = label(provider);
    let left_out = "left out, with its agents, and looked at again";
    let down = if provider.wake.is_some() { "published as hibernating, a call wakes it" } else { left_out };
    match finding {
        Finding::Up | Finding::Unlisted(_) if before == State::Unknown => {}
        Finding::Up | Finding::Unlisted(_) => info!("model server {server} answers"),
        Finding::Slow => warn!("model server {server} does not answer in time: {down}"),
        Finding::Down(why) => warn!("model server {server} is down ({why}): {down}"),
        Finding::Locked(why) => warn!("model server {server} cannot be asked: {why}: {left_out}"),
        Finding::Missing(has) => {
            let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
            warn!("model server {server} does not have the model `{}` (it has: {has}): {left_out}", provider.model);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Kind;

    fn after(findings: &[Finding]) -> State {
        let provider = Provider::new("v", Kind::Vllm, "m", None).expect("valid");
        let (known, mut slow) = (Availability::new(["v"].into_iter()), BTreeMap::new());
        for finding in findings {
            note(&known, &provider, finding, &mut slow);
        }
        known.state("v")
    }

    #[test]
    fn one_slow_look_is_no_death() {
        use Finding::{Down, Missing, Slow, Up};
        assert_eq!(after(&[Up, Slow, Slow]), State::Up);
        assert_eq!(after(&[Up, Slow, Slow, Slow]), State::Down);
        assert_eq!(after(&[Up, Slow, Slow, Up, Slow]), State::Up);
        assert_eq!(after(&[Slow]), State::Down);
        assert_eq!(after(&[Up, Down("refused".to_owned())]), State::Down);
        assert_eq!(after(&[Up, Missing(Vec::new())]), State::Missing);
    }

    #[test]
    fn who_is_busy_with_a_call_is_not_down() {
        let provider = Provider::new("v", Kind::Vllm, "m", None).expect("valid");
        let (known, mut slow) = (Availability::new(["v"].into_iter()), BTreeMap::new());
        let mut after = |finding: &Finding| {
            note(&known, &provider, finding, &mut slow);
            known.state("v")
        };
        assert_eq!(after(&Finding::Up), State::Up);
        let calls = (known.call("v"), known.call("v"));
        for _ in 0..2 * SLOW_LOOKS {
            assert_eq!(after(&Finding::Slow), State::Up);
        }
        assert_eq!(after(&Finding::Down("it answers 503".to_owned())), State::Up);
        drop(calls.0);
        assert_eq!(after(&Finding::Down("it answers 503".to_owned())), State::Up);
        drop(calls.1);
        assert_eq!(after(&Finding::Slow), State::Up, "the first one that counts");
        assert_eq!(after(&Finding::Down("it answers 503".to_owned())), State::Down);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sleeps_and_still_answers_goes_on_sleeping_and_a_call_wakes_it() {
        let provider = Provider::new("v", Kind::Vllm, "m", None).expect("valid");
        let (known, mut slow) = (Availability::new(["v"].into_iter()), BTreeMap::new());
        for _ in 0..5 {
            note(&known, &provider, &Finding::Up, &mut slow);
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(known.idle("v"), Some(Duration::from_secs(5)), "a look is no call");
        let call = known.call("v");
        assert_eq!(known.idle("v"), None);
        drop(call);
        sleep(Duration::from_secs(3)).await;
        assert_eq!(known.idle("v"), Some(Duration::from_secs(3)));
        known.set("v", State::Asleep);
        assert_eq!(known.idle("v"), None);
        note(&known, &provider, &Finding::Up, &mut slow);
        assert_eq!(known.state("v"), State::Asleep);
        drop(known.call("v"));
        assert_eq!((known.state("v"), known.idle("v")), (State::Up, Some(Duration::ZERO)));
        known.set("v", State::Asleep);
        note(&known, &provider, &Finding::Down("refused".to_owned()), &mut slow);
        assert_eq!(known.state("v"), State::Down);
        note(&known, &provider, &Finding::Up, &mut slow);
        assert_eq!(known.state("v"), State::Up, "somebody started it");
    }

    #[test]
    fn who_is_being_woken_is_left_alone() {
        let provider = Provider::new("v", Kind::Vllm, "m", None).expect("valid");
        let known = Availability::new(["v"].into_iter());
        assert!(known.begin_wake("v") && !known.begin_wake("v"));
        note(&known, &provider, &Finding::Up, &mut BTreeMap::new());
        assert_eq!(known.state("v"), State::Unknown);
        known.end_wake("v");
        note(&known, &provider, &Finding::Up, &mut BTreeMap::new());
        assert_eq!(known.state("v"), State::Up);
    }
}
