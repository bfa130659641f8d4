//! Where a log is.

use super::kafka::{KafkaTarget, TargetError};
use std::{fmt, path::PathBuf, str::FromStr};

/// A log, before it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// A SQLite file, which one process writes.
    Sqlite(PathBuf),
    /// A topic, which several may write.
    Kafka(KafkaTarget),
}

/// A text that names no log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// Neither of the two.
    #[error("a log is sqlite:<path of a file> or kafka://host:port[,host:port]/<topic>")]
    Unknown,
    /// No topic of Kafka.
    #[error(transparent)]
    Kafka(#[from] TargetError),
}

impl FromStr for LogTarget {
    type Err = BadTarget;

    fn from_str(url: &str) -> Result<Self, BadTarget> {
        if url.starts_with("kafka:") {
            return Ok(Self::Kafka(url.parse()?));
        }
        let path = url.strip_prefix("sqlite:").filter(|path| !path.is_empty());
        path.map(|path| Self::Sqlite(path.into())).ok_or(BadTarget::Unknown)
    }
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Kafka(target) => target.fmt(f),
        }
    }
}

impl LogTarget {
    /// Whether other processes may append to it at the same time.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Kafka(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_a_file_or_a_topic() {
        assert_eq!("sqlite:/x y".parse(), Ok(LogTarget::Sqlite("/x y".into())));
        for url in ["kafka://one:9092/reg", "sqlite:x"] {
            let target: LogTarget = url.parse().unwrap();
            assert_eq!((target.to_string().as_str(), target.is_shared()), (url, url.starts_with("kafka")));
        }
        for url in ["", "sqlite:", "x.db", "postgres://one/reg"] {
            assert_eq!(url.parse::<LogTarget>(), Err(BadTarget::Unknown), "{url}");
        }
        assert_eq!("kafka:reg".parse::<LogTarget>(), Err(TargetError::Shape.into()));
    }
}
