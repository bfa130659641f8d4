//! Log time: what the writer said the time was when it decided.

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr, time::Duration};

/// Milliseconds since the Unix epoch, UTC; written as RFC 3339 with milliseconds.
///
/// The core never asks a clock: every `LogTime` comes in with a command or from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogTime(i64);

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
/// 9999-12-30T22:00:00Z: what lies behind it may have no RFC 3339 form in some zone, and `jiff` stops there.
const LATEST_MILLIS: i64 = 253_402_207_200_000;

impl LogTime {
    /// From milliseconds since the Unix epoch; held within the years 1970 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LATEST_MILLIS))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// This time less `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This time plus `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or_default();
        f.write_str(&PRINTER.timestamp_to_string(&timestamp))
    }
}

/// A text that is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an RFC 3339 time such as 2026-01-31T12:00:00Z")]
pub struct BadTime(String);

impl FromStr for LogTime {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        let timestamp: Timestamp = text.parse().map_err(|_| BadTime(text.to_owned()))?;
        Ok(Self::from_millis(timestamp.as_millisecond()))
    }
}

impl Serialize for LogTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = LogTime;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<LogTime, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_with_milliseconds_and_read_back() {
        let time = LogTime::from_millis(1_795_000_000_120);
        assert_eq!(time.to_string(), "2026-11-18T11:06:40.120Z");
        assert_eq!(time.to_string().parse(), Ok(time));
    }

    #[test]
    fn stays_within_what_can_be_written() {
        let late = LogTime::from_millis(i64::MAX);
        assert_eq!(late.to_string().parse(), Ok(late));
        assert_eq!(LogTime::from_millis(5).minus(Duration::from_secs(1)).as_millis(), 0);
    }

    #[test]
    fn refuses_what_is_no_time() {
        assert!("yesterday-ish".parse::<LogTime>().is_err());
    }
}
