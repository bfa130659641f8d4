//! `audit head`: where the log ends.

use crate::client::Client;
use crate::client::route::Route;
use crate::output::document::Document;
use crate::output::{self, Format, yaml};
use crate::shell::Shell;
use mcpctl_events::hash::Hash;
use mcpctl_events::wire::audit::Head;
use std::fmt;
use std::str::FromStr;

/// The end of a history: `<sequence>:<hash>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Sequence of the last event.
    pub sequence: u64,
    /// Hash of the record that holds it.
    pub hash: Hash,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (sequence, hash) = text.trim().split_once(':')?;
            Some(Self { sequence: sequence.parse().ok()?, hash: hash.to_ascii_lowercase().parse().ok()? })
        };
        read().ok_or_else(|| {
            "it is a sequence, a colon and a hash of 64 hex digits, as `audit head` prints them".to_owned()
        })
    }
}

/// Prints it.
pub async fn run(shell: &Shell) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Json, Format::Yaml], "audit head")?;
    let answer = shell.client()?.get(&route()).await?;
    match format {
        Format::Json => shell.answer_json(&answer.body)?,
        Format::Yaml => output::answer(&yaml::write(&Document::parse(&answer.body)?))?,
        _ => {
            let head: Head = answer.read()?;
            output::answer(&format!("{}:{}\n", head.sequence, head.hash))?;
            if let Some(stopped) = head.stopped {
                shell.screen.note(&format!("the server reads no further: {stopped}"));
            }
        }
    }
    Ok(())
}

/// Where a server's log ends.
pub async fn of(client: &Client) -> anyhow::Result<Head> {
    Ok(client.get(&route()).await?.read()?)
}

fn route() -> Route {
    Route::api(["audit", "head"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_printed() {
        let point = Point { sequence: 12, hash: Hash::of(b"x") };
        assert_eq!(format!("{point}\n").parse(), Ok(point));
        for text in ["", "12", "12:", "12:abc", ":00", &format!("x:{}", Hash::of(b"x"))] {
            assert!(text.parse::<Point>().is_err(), "{text}");
        }
    }
}
