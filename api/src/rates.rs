//! How often one token, and one address without a token, may ask.

use crate::{config::Args, error::ApiError, limits::Limit};
use axum::http::StatusCode;
use governor::{
    Quota, RateLimiter, clock::Clock as _, clock::DefaultClock, middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};
use mcpctl_events::hash::Hash;
use std::{
    hash::Hash as StdHash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
};

/// Addresses that are remembered at once. Beyond that all others are one: whoever has so many is one.
const MAX_ADDRESSES: usize = 100_000;

type Keyed<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock, NoOpMiddleware>;

/// Both limiters. A limit allows bursts of one second's worth.
#[derive(Debug)]
pub struct Rates {
    tokens: Option<Keyed<Hash>>,
    strangers: Option<Keyed<IpAddr>>,
}

impl Rates {
    /// The limits of the flags; zero is none.
    pub fn new(args: &Args) -> Self {
        Self { tokens: keyed(args.max_rate), strangers: keyed(args.max_unauthorized_rate) }
    }

    /// Counts a request with a valid token.
    ///
    /// # Errors
    /// 429, with the time to wait.
    pub fn ask(&self, token: &Hash) -> Result<(), ApiError> {
        let Some(limiter) = &self.tokens else { return Ok(()) };
        let Err(wait) = check(limiter, token) else { return Ok(()) };
        Err(too_many(Limit::Rate, wait, "this token asks more often than"))
    }

    /// Counts a request without one.
    ///
    /// # Errors
    /// 429, with the time to wait.
    pub fn ask_unauthorized(&self, address: IpAddr) -> Result<(), ApiError> {
        let Some(limiter) = &self.strangers else { return Ok(()) };
        let address = network(address);
        // All that are new share the place of none.
        let is_full = limiter.len() >= MAX_ADDRESSES;
        let address = if is_full { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { address };
        let Err(wait) = check(limiter, &address) else { return Ok(()) };
        Err(too_many(Limit::Strangers, wait, "requests without a valid token come from this address more often than"))
    }

    /// Forgets who asked long ago.
    pub fn tidy(&self) {
        if let Some(limiter) = &self.tokens {
            limiter.retain_recent();
        }
        if let Some(limiter) = &self.strangers {
            limiter.retain_recent();
        }
    }
}

fn keyed<K: StdHash + Eq + Clone>(per_second: u32) -> Option<Keyed<K>> {
    let quota = Quota::per_second(NonZeroU32::new(per_second)?);
    Some(RateLimiter::new(quota, HashMapStateStore::default(), DefaultClock::default()))
}

/// Seconds to wait, if it is too often.
fn check<K: StdHash + Eq + Clone>(limiter: &Keyed<K>, key: &K) -> Result<(), u64> {
    limiter.check_key(key).map_err(|until| until.wait_time_from(limiter.clock().now()).as_secs().max(1))
}

/// Whoever has one IPv6 address has the 2⁶⁴ of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

fn too_many(limit: Limit, wait: u64, who: &str) -> ApiError {
    let message = format!("{who} {} allows; wait {wait} s", limit.flag());
    ApiError { retry_after: Some(wait), ..limit.refuse(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(per_second: u32) -> Rates {
        Rates { tokens: keyed(per_second), strangers: keyed(per_second) }
    }

    #[test]
    fn each_token_has_its_own_rate_and_zero_is_none() {
        let (rates, one, two) = (rates(3), Hash::of(b"one"), Hash::of(b"two"));
        let asked = |token| (0..9).filter(|_| rates.ask(token).is_ok()).count();
        // A slow test may be allowed one more.
        assert!((3..5).contains(&asked(&one)), "a second's worth at once");
        assert!((3..5).contains(&asked(&two)));
        let refused = rates.ask(&one).unwrap_err();
        assert_eq!((refused.retry_after, refused.limit), (Some(1), Some(Limit::Rate)));
        assert_eq!(refused.message, "this token asks more often than --max-rate allows; wait 1 s");
        assert!((0..10_000).all(|_| super::Rates { tokens: keyed(0), strangers: keyed(0) }.ask(&one).is_ok()));
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one() {
        let rates = rates(2);
        let ask = |address: &str| rates.ask_unauthorized(address.parse().unwrap()).is_ok();
        assert!(ask("2001:db8::1") && ask("2001:db8::2") && !ask("2001:db8::3") && ask("2001:db8:1::1"));
        assert!(ask("10.0.0.1") && ask("::ffff:10.0.0.1") && !ask("10.0.0.1") && ask("10.0.0.2"));
    }
}
