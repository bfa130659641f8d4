//! When tokens were last used: soft state, kept beside the registry, and never on its log.

use crate::app::App;
use mcpctl_events::time::LogTime;
use mcpctl_projector::store::{StoreError, work::WorkStore};
use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};
use uuid::Uuid;

/// Uses within this time are one.
const STEP_MS: i64 = 1000;

/// The last use of each token, by its id.
#[derive(Debug, Default)]
pub struct Uses(RwLock<HashMap<Uuid, Use>>);

#[derive(Debug)]
struct Use {
    last_ms: AtomicI64,
    saved_ms: AtomicI64,
}

impl Uses {
    /// Those that an earlier process has saved.
    pub async fn load(work: &WorkStore) -> Result<Self, StoreError> {
        let known = work.token_uses().await?.into_iter().map(|(id, at)| {
            let at = at.as_millis();
            (id, Use { last_ms: at.into(), saved_ms: at.into() })
        });
        Ok(Self(RwLock::new(known.collect())))
    }

    /// A request came with this token.
    pub fn note(&self, token: Uuid, now: LogTime) {
        let now = now.as_millis();
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&token) {
            if now - known.last_ms.load(Relaxed) >= STEP_MS {
                known.last_ms.fetch_max(now, Relaxed);
            }
            return;
        }
        let fresh = Use { last_ms: now.into(), saved_ms: 0.into() };
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(token).or_insert(fresh);
    }

    /// When this token was last used.
    pub fn last(&self, token: Uuid) -> Option<LogTime> {
        let uses = self.0.read().unwrap_or_else(PoisonError::into_inner);
        uses.get(&token).map(|known| LogTime::from_millis(known.last_ms.load(Relaxed)))
    }

    /// What is not saved yet, and the tokens that are no more.
    fn unsaved(&self, exists: impl Fn(Uuid) -> bool) -> (Vec<(Uuid, LogTime)>, Vec<Uuid>) {
        let uses = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<Uuid> = uses.keys().copied().filter(|id| !exists(*id)).collect();
        let changed = uses.iter().filter_map(|(id, known)| {
            let last = known.last_ms.load(Relaxed);
            (known.saved_ms.load(Relaxed) != last && !gone.contains(id)).then(|| (*id, LogTime::from_millis(last)))
        });
        (changed.collect(), gone)
    }

    /// All of that is saved.
    fn saved(&self, changed: &[(Uuid, LogTime)], gone: &[Uuid]) {
        let mut uses = self.0.write().unwrap_or_else(PoisonError::into_inner);
        uses.retain(|id, _| !gone.contains(id));
        for (id, at) in changed {
            if let Some(known) = uses.get(id) {
                known.saved_ms.store(at.as_millis(), Relaxed);
            }
        }
    }
}

/// Saves what is new. What a crash loses is at most the time since the last save.
pub async fn save(app: &App) {
    let ids: std::collections::HashSet<Uuid> = app.look(|state| state.tokens.values().map(|token| token.id).collect());
    let (changed, gone) = app.uses.unsaved(|id| ids.contains(&id));
    if changed.is_empty() && gone.is_empty() {
        return;
    }
    match app.work.save_token_uses(&changed, &gone).await {
        Ok(()) => app.uses.saved(&changed, &gone),
        Err(error) => tracing::warn!(%error, "when tokens were last used is not saved; trying again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> LogTime {
        LogTime::from_millis(seconds * 1000)
    }

    #[test]
    fn what_is_new_is_saved_once_and_what_is_gone_is_dropped() {
        let (uses, one, two) = (Uses::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        uses.note(one, at(1));
        uses.note(two, at(2));
        uses.note(one, LogTime::from_millis(1999));
        assert_eq!(uses.last(one), Some(at(1)), "to the second");
        let save = |exists: &dyn Fn(Uuid) -> bool| {
            let unsaved = uses.unsaved(exists);
            assert_eq!(uses.unsaved(exists), unsaved, "until it is saved");
            uses.saved(&unsaved.0, &unsaved.1);
            unsaved
        };
        assert_eq!(save(&|_| true).0.len(), 2);
        uses.note(one, at(5));
        uses.note(one, at(3));
        assert_eq!(save(&|id| id == one), (vec![(one, at(5))], vec![two]));
        assert_eq!((uses.last(two), save(&|_| true)), (None, (Vec::new(), Vec::new())));
    }
}
