//! Clients' idempotency keys: which commands were done already.

use crate::{hash::Hash, record::Idempotency, time::LogTime};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// How long a key is remembered, in log time.
const RETENTION: Duration = Duration::from_hours(24);
/// Most keys of one user that are remembered at once.
const MAX_KEYS_OF_A_USER: usize = 100_000;

/// Keys by `<user>\n<route>\n<key>`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Kept>", into = "Vec<Kept>")]
pub struct Keys {
    by_key: HashMap<Arc<str>, Use>,
    by_age: VecDeque<Arc<str>>,
    of_user: HashMap<Arc<str>, usize>,
}

#[derive(Debug, Clone, PartialEq)]
struct Use {
    request_hash: Hash,
    sequence: u64,
    at: LogTime,
}

#[derive(Serialize, Deserialize)]
struct Kept(Arc<str>, Hash, u64, LogTime);

/// What a key says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// Not used yet.
    Fresh,
    /// The same request was done; its first event has this sequence.
    Repeat(u64),
    /// Another request was done with it.
    OtherRequest,
}

/// A user has too many keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFull;

impl Keys {
    /// What is known of a key at `now`.
    pub fn look_up(&self, idempotency: &Idempotency, now: LogTime) -> Result<KeyUse, KeyFull> {
        match self.by_key.get(idempotency.key.as_str()).filter(|used| used.at >= now.minus(RETENTION)) {
            Some(used) if used.request_hash == idempotency.request_hash => Ok(KeyUse::Repeat(used.sequence)),
            Some(_) => Ok(KeyUse::OtherRequest),
            None if self.is_full(user_of(&idempotency.key), now.minus(RETENTION)) => Err(KeyFull),
            None => Ok(KeyUse::Fresh),
        }
    }

    /// Remembers that a key was used at `at`, and forgets those that are too old.
    pub fn remember(&mut self, idempotency: &Idempotency, sequence: u64, at: LogTime) {
        self.forget(at.minus(RETENTION));
        self.keep(Kept(idempotency.key.as_str().into(), idempotency.request_hash, sequence, at));
    }

    /// Keys from before `cutoff` are dropped at the next use only, and do not count until then.
    fn is_full(&self, user: &str, cutoff: LogTime) -> bool {
        let kept = self.of_user.get(user).copied().unwrap_or_default();
        if kept < MAX_KEYS_OF_A_USER {
            return false;
        }
        let is_old = |key: &&Arc<str>| self.by_key.get(*key).is_none_or(|used| used.at < cutoff);
        let old = self.by_age.iter().take_while(is_old).filter(|key| user_of(key) == user).count();
        kept - old >= MAX_KEYS_OF_A_USER
    }

    fn keep(&mut self, Kept(key, request_hash, sequence, at): Kept) {
        *self.of_user.entry(user_of(&key).into()).or_default() += 1;
        self.by_age.push_back(key.clone());
        self.by_key.insert(key, Use { request_hash, sequence, at });
    }

    fn forget(&mut self, cutoff: LogTime) {
        while let Some(key) = self.by_age.front() {
            if self.by_key.get(key).is_some_and(|used| used.at >= cutoff) {
                return;
            }
            self.by_key.remove(key);
            if let Some(count) = self.of_user.get_mut(user_of(key)) {
                *count -= 1;
                if *count == 0 {
                    self.of_user.remove(user_of(key));
                }
            }
            self.by_age.pop_front();
        }
    }
}

fn user_of(key: &str) -> &str {
    key.split('\n').next().unwrap_or_default()
}

impl From<Vec<Kept>> for Keys {
    fn from(kept: Vec<Kept>) -> Self {
        let mut keys = Self::default();
        for key in kept {
            keys.keep(key);
        }
        keys
    }
}

impl From<Keys> for Vec<Kept> {
    fn from(keys: Keys) -> Self {
        let kept = |key: &Arc<str>| keys.by_key.get(key).map(|u| Kept(key.clone(), u.request_hash, u.sequence, u.at));
        keys.by_age.iter().filter_map(kept).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str, body: &str) -> Idempotency {
        Idempotency { key: format!("ann\nPOST /llms\n{key}"), request_hash: Hash::of(body.as_bytes()) }
    }

    #[test]
    fn a_key_counts_for_one_request_and_for_a_day() {
        let (mut keys, start) = (Keys::default(), LogTime::from_millis(1_000_000_000));
        keys.remember(&key("k", "a"), 7, start);
        assert_eq!(keys.look_up(&key("k", "a"), start), Ok(KeyUse::Repeat(7)));
        assert_eq!(keys.look_up(&key("k", "b"), start), Ok(KeyUse::OtherRequest));
        assert_eq!(keys.look_up(&key("other", "a"), start), Ok(KeyUse::Fresh));
        let later = start.plus(RETENTION).plus(Duration::from_millis(1));
        assert_eq!(keys.look_up(&key("k", "b"), later), Ok(KeyUse::Fresh));
        keys.remember(&key("new", "c"), 9, later);
        assert_eq!((keys.by_key.len(), keys.by_age.len()), (1, 1));
    }

    #[test]
    fn a_user_has_so_many_keys_and_again_a_day_later() {
        let (mut keys, start) = (Keys::default(), LogTime::from_millis(1_000_000_000));
        for number in 0..MAX_KEYS_OF_A_USER {
            keys.remember(&key(&number.to_string(), "a"), 1, start);
        }
        assert_eq!(keys.look_up(&key("one more", "a"), start), Err(KeyFull));
        assert_eq!(keys.look_up(&key("7", "a"), start), Ok(KeyUse::Repeat(1)), "what is remembered still counts");
        let other = Idempotency { key: "bob\nPOST /llms\nk".to_owned(), request_hash: Hash::of(b"a") };
        assert_eq!(keys.look_up(&other, start), Ok(KeyUse::Fresh), "others have their own");
        let later = start.plus(RETENTION).plus(Duration::from_millis(1));
        assert_eq!(keys.look_up(&key("one more", "a"), later), Ok(KeyUse::Fresh));
    }

    #[test]
    fn survives_a_snapshot() {
        let mut keys = Keys::default();
        keys.remember(&key("k", "a"), 7, LogTime::from_millis(5));
        let text = serde_json::to_string(&keys).unwrap();
        assert_eq!(serde_json::from_str::<Keys>(&text).unwrap(), keys);
    }
}
