//! Durations as `90s`, `4h`, `250ms`, and sizes as `16MiB`.

use std::time::Duration;

/// Reads a duration: a whole number and one of `ms s m h d`.
pub fn parse(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let number: u64 = number.parse().map_err(|_| "a duration is a whole number and a unit, such as 90s".to_owned())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return Err("the unit of a duration is ms, s, m, h or d, as in 250ms or 4h".to_owned()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(|| "that is too long".to_owned())
}

/// Reads a size in bytes: a whole number and one of `B KiB MiB GiB`.
pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    let number: usize = number.parse().map_err(|_| "a size is a whole number and a unit, such as 16MiB".to_owned())?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err("the unit of a size is B, KiB, MiB or GiB, as in 16MiB".to_owned()),
    };
    number.checked_mul(1 << shift).ok_or_else(|| "that is too large".to_owned())
}

fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("4h"), Ok(Duration::from_hours(4)));
        for bad in ["soon", "5", "-1s", "1.5s", "", "99999999999999999999d"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_sizes() {
        assert_eq!(parse_size("64KiB"), Ok(65536));
        assert!(parse_size("1MB").is_err());
    }
}
