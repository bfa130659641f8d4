//! Names and session ids, checked once at the edge and cheap to copy.

use serde::{Deserialize, Deserializer, Serialize};
use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $error:ident, $message:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        #[doc = concat!("A text that is no [`", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error($message)]
        pub struct $error;

        impl $name {
            /// Checks `text`.
            pub fn parse(text: &str) -> Result<Self, $error> {
                let check: fn(&[u8]) -> bool = $check;
                if check(text.as_bytes()) { Ok(Self(text.into())) } else { Err($error) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($message)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

checked_text!(
    /// Name of an Llm, agent, project, personality, pool or user: `^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$`.
    Name,
    BadName,
    "a name is 1 to 100 characters of a-z 0-9 . _ - that begins and ends with a letter or digit",
    |text| {
        let edge = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        text.len() <= 100
            && text.first().is_some_and(edge)
            && text.last().is_some_and(edge)
            && text.iter().all(|c| edge(c) || matches!(c, b'.' | b'_' | b'-'))
    }
);

checked_text!(
    /// Id of a publisher's session, chosen by the publisher: `^[A-Za-z0-9_-]{1,128}$`.
    SessionId,
    BadSessionId,
    "a session id is 1 to 128 characters of A-Z a-z 0-9 _ -",
    |text| {
        (1..=128).contains(&text.len()) && text.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule() {
        for good in ["a", "a.b", "qwen2.5-7b", &"a".repeat(100)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a b", "ü", &"a".repeat(101), "a\u{1b}"] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn session_ids_follow_the_rule() {
        assert!(SessionId::parse("Ab_-9").is_ok());
        for bad in ["", "a b", "a.b", &"a".repeat(129)] {
            assert!(SessionId::parse(bad).is_err(), "{bad}");
        }
    }
}
