//! When something was: how long ago for people, the time itself for programs.

use mcpctl_events::time::LogTime;

/// How times are shown.
#[derive(Debug, Clone, Copy)]
pub enum Times {
    /// As the server tells them: RFC 3339.
    Exact,
    /// How long before then.
    Before(LogTime),
}

impl Times {
    /// The time in this form; what is no time stays as it is.
    pub fn shown(self, time: &str) -> String {
        match (self, time.parse::<LogTime>()) {
            (Times::Before(now), Ok(time)) => {
                let milliseconds = now.as_millis() - time.as_millis();
                // Clocks differ a little.
                if milliseconds < -1000 { format!("in {}", age(-milliseconds)) } else { age(milliseconds.max(0)) }
            }
            _ => time.to_owned(),
        }
    }
}

impl Times {
    /// The time, and how long ago that was.
    pub fn told(self, time: &str) -> String {
        match (self, time.parse::<LogTime>()) {
            (Times::Before(_), Ok(_)) => format!("{} ago, at {time}", self.shown(time)),
            _ => time.to_owned(),
        }
    }
}

/// A duration in its largest unit: `3m`.
fn age(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..100 => format!("{seconds}s"),
        100..6000 => format!("{}m", seconds / 60),
        6000..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_how_long_ago_it_was() {
        let now: LogTime = "2026-01-31T12:00:00.000Z".parse().unwrap();
        for (time, shown) in [
            ("2026-01-31T12:00:00.300Z", "0s"),
            ("2026-01-31T11:59:01.000Z", "59s"),
            ("2026-01-31T11:57:00.000Z", "3m"),
            ("2026-01-31T10:00:00.000Z", "2h"),
            ("2026-01-01T00:00:00.000Z", "30d"),
            ("2026-02-02T12:00:00.000Z", "in 2d"),
            ("never", "never"),
            ("", ""),
        ] {
            assert_eq!(Times::Before(now).shown(time), shown, "{time}");
            assert_eq!(Times::Exact.shown(time), time);
        }
    }
}
