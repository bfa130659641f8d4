//! Finds where the newest events begin; the server lists from the oldest only.

use super::query::{Query, head, sequence};
use crate::client::Client;
use std::collections::VecDeque;

/// How much wider each look back is than the one before. A log of millions takes a handful of looks.
const WIDER: u64 = 16;

/// The sequence after which the newest `wanted` events that fit lie; 0 if there are no more than that.
///
/// `after` and `until` of the query are not looked at.
pub async fn start(client: &Client, query: &Query, wanted: u64) -> anyhow::Result<u64> {
    let mut until = head(client).await?;
    if query.takes_all() {
        return Ok(until.saturating_sub(wanted));
    }
    let (mut width, mut missing) = (wanted, wanted);
    while until > 0 {
        let window = Query { after: until.saturating_sub(width), until: Some(until), ..query.clone() };
        until = window.after;
        let last = last_sequences(client, window, missing).await?;
        missing -= last.len() as u64;
        if let (0, Some(first)) = (missing, last.front()) {
            return Ok(first.saturating_sub(1));
        }
        width = width.saturating_mul(WIDER);
    }
    Ok(0)
}

/// The sequences of the last events of a window, at most `wanted`.
async fn last_sequences(client: &Client, window: Query, wanted: u64) -> anyhow::Result<VecDeque<u64>> {
    let mut last = VecDeque::new();
    let keep = |page: Vec<_>| {
        for event in &page {
            last.push_back(sequence(event)?);
            if last.len() as u64 > wanted {
                last.pop_front();
            }
        }
        Ok(())
    };
    window.pages(client, u64::MAX, keep).await?;
    Ok(last)
}
