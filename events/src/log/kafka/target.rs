//! Where a log is.

use std::{fmt, str::FromStr};

const SCHEME: &str = "kafka://";
/// Most letters of a topic's name, less what is put behind it for the heartbeats.
const LONGEST_TOPIC: usize = 249 - ".heartbeats".len();

/// `kafka://host:port[,host:port]/<topic>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaTarget {
    /// Brokers to begin with, separated by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
}

/// What is wrong with a text that should name a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No such place.
    #[error("a Kafka log is kafka://host:port[,host:port]/<topic>")]
    Shape,
    /// There is nothing that a password would be for.
    #[error("brokers are spoken to without SASL: there is no user and no password before an @")]
    Login,
    /// A broker without a port, or without a host.
    #[error("each broker is host:port, separated by commas, as in kafka://one:9092,two:9092/<topic>")]
    Broker,
    /// Kafka knows no such names.
    #[error("a topic's name has 1 to {LONGEST_TOPIC} letters, digits, `.`, `_` and `-`")]
    Topic,
}

impl FromStr for KafkaTarget {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let (brokers, topic) =
            url.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/')).ok_or(TargetError::Shape)?;
        if brokers.contains('@') {
            return Err(TargetError::Login);
        }
        let is_broker = |broker: &str| {
            let port =
                broker.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains(char::is_whitespace));
            port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
        };
        if !brokers.split(',').all(is_broker) {
            return Err(TargetError::Broker);
        }
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_topic = (1..=LONGEST_TOPIC).contains(&topic.len()) && topic.bytes().all(is_letter);
        if !is_topic || topic.bytes().all(|byte| byte == b'.') {
            return Err(TargetError::Topic);
        }
        Ok(Self { brokers: brokers.to_owned(), topic: topic.to_owned() })
    }
}

impl fmt::Display for KafkaTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.brokers, self.topic)
    }
}

impl KafkaTarget {
    /// The topic for subscribers, beside the log.
    pub(super) fn events(&self) -> Self {
        Self { brokers: self.brokers.clone(), topic: format!("{}.events", self.topic) }
    }

    /// The topic of what was heard, beside the log.
    pub(super) fn heartbeats(&self) -> Self {
        Self { brokers: self.brokers.clone(), topic: format!("{}.heartbeats", self.topic) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_brokers_and_a_topic() {
        let target: KafkaTarget = "kafka://one:9092,[::1]:9093/reg.1".parse().unwrap();
        assert_eq!((&*target.brokers, &*target.topic), ("one:9092,[::1]:9093", "reg.1"));
        assert_eq!(target.to_string(), "kafka://one:9092,[::1]:9093/reg.1");
        for (url, error) in [
            ("sqlite:x", TargetError::Shape),
            ("kafka://one:9092", TargetError::Shape),
            ("kafka:///reg", TargetError::Broker),
            ("kafka://one/reg", TargetError::Broker),
            ("kafka://one:0/reg", TargetError::Broker),
            ("kafka://one:9092,/reg", TargetError::Broker),
            ("kafka://user:secret@one:9092/reg", TargetError::Login),
            ("kafka://one:9092/", TargetError::Topic),
            ("kafka://one:9092/a/b", TargetError::Topic),
            ("kafka://one:9092/..", TargetError::Topic),
        ] {
            assert_eq!(url.parse::<KafkaTarget>(), Err(error), "{url}");
        }
    }
}
