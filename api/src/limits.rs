//! What there may be at most: each limit is a flag, and each refusal for its sake is counted and names it.

use crate::{config::Args, error::ApiError, rates::Rates};
use axum::http::StatusCode;
use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

macro_rules! limits {
    ($($(#[$doc:meta])* $limit:ident = $flag:literal,)+) => {
        /// A limit, by its flag.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Limit { $($(#[$doc])* $limit,)+ }

        impl Limit {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$limit),+];

            /// The flag that sets it.
            pub fn flag(self) -> &'static str {
                match self { $(Self::$limit => $flag,)+ }
            }
        }
    };
}

limits! {
    /// Bytes of a request, or of a line of an upload.
    Body = "--max-body",
    /// Bytes of a request's head.
    Head = "--max-head",
    /// Levels of JSON.
    Depth = "--max-json-depth",
    /// Time for a request's head.
    HeadTime = "--header-timeout",
    /// Silence within a request's body.
    BodyTime = "--body-timeout",
    /// Open connections.
    Connections = "--max-connections",
    /// Requests a second with one token.
    Rate = "--max-rate",
    /// Requests a second without a valid token, from one address.
    Strangers = "--max-unauthorized-rate",
    /// Calls that wait.
    Queue = "--queue-depth",
    /// Open inference tasks of one user.
    Tasks = "--max-tasks-per-user",
    /// Rows of one session.
    RowsPerSession = "--max-rows-per-session",
    /// Rows of one user.
    RowsPerUser = "--max-rows-per-user",
}

impl Limit {
    /// The limit of this flag.
    pub fn of_flag(flag: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|limit| limit.flag() == flag)
    }

    /// A refusal for its sake.
    pub fn refuse(self, status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { limit: Some(self), ..ApiError::new(status, code, message) }
    }
}

/// What the server looks at to keep its limits.
#[derive(Debug)]
pub struct Limits {
    /// How often each was met.
    pub refusals: Arc<Refusals>,
    /// How often anybody may ask.
    pub rates: Rates,
    /// Connections that are open.
    pub connections: Arc<AtomicUsize>,
}

impl Limits {
    /// As the flags say.
    pub fn new(args: &Args) -> Self {
        Self { refusals: Arc::default(), rates: Rates::new(args), connections: Arc::default() }
    }
}

/// How often each limit was met.
#[derive(Debug, Default)]
pub struct Refusals([AtomicU64; Limit::ALL.len()]);

impl Refusals {
    /// Something was refused.
    pub fn count(&self, limit: Limit) {
        self.0[limit as usize].fetch_add(1, Relaxed);
    }

    /// All counts.
    pub fn counts(&self) -> impl Iterator<Item = (Limit, u64)> {
        Limit::ALL.iter().map(|limit| (*limit, self.0[*limit as usize].load(Relaxed)))
    }
}
