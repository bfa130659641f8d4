//! The one place that reads the clock and makes ids.

use mcpctl_events::time::LogTime;
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "this is that place")]
pub fn now() -> LogTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    LogTime::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A fresh id.
#[expect(clippy::disallowed_methods, reason = "this is that place")]
pub fn id() -> Uuid {
    Uuid::now_v7()
}

/// A duration in its two largest units: `2 h 5 min`.
pub fn span(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |large: i64, unit: &str, small: i64, smaller: &str| {
        if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {smaller}") }
    };
    match (days, hours, minutes, seconds) {
        (1.., ..) => two(days, "d", hours, "h"),
        (_, 1.., ..) => two(hours, "h", minutes, "min"),
        (_, _, 1.., _) => two(minutes, "min", seconds % 60, "s"),
        (_, _, _, 10..) => format!("{seconds} s"),
        (_, _, _, 1..) if milliseconds % 1000 < 100 => format!("{seconds} s"),
        (_, _, _, 1..) => format!("{seconds}.{} s", milliseconds / 100 % 10),
        _ => format!("{milliseconds} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_its_two_largest_units_without_zeros() {
        let said = [0, 340, 2_500, 3_050, 42_900, 90_000, 4 * 3_600_000, 7_500_000, 90_000_000].map(span);
        assert_eq!(said, ["0 ms", "340 ms", "2.5 s", "3 s", "42 s", "1 min 30 s", "4 h", "2 h 5 min", "1 d 1 h"]);
    }
}
