//! Who may do what: verbs on resources, which roles and grants give.

use crate::event::token::Role;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, sync::Arc};

/// Most letters of a [`Pattern`].
const MAX_PATTERN: usize = 100;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What a word means.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.as_str() == word)
            }
        }
    };
}

words! {
    /// What somebody wants to do.
    Verb {
        /// Look.
        View = "view",
        /// Make a public row, or a document.
        Create = "create",
        /// Change or pause one.
        Edit = "edit",
        /// Take one away.
        Delete = "delete",
        /// Call a model, chat with an agent.
        Run = "run",
        /// Offer models and agents, and answer for them.
        Publish = "publish",
    }
}

words! {
    /// What it is done to.
    Kind {
        /// Llms, and pools by their name.
        Llm = "llm",
        /// Agents.
        Agent = "agent",
        /// Projects.
        Project = "project",
        /// Personalities.
        Personality = "personality",
        /// Prompts.
        Prompt = "prompt",
    }
}

impl Verb {
    /// The least role that may do it to anything; each role includes the ones before it.
    pub fn role(self) -> Role {
        match self {
            Self::View => Role::Viewer,
            Self::Run => Role::Chatter,
            Self::Publish => Role::Publisher,
            Self::Create | Self::Edit | Self::Delete => Role::Editor,
        }
    }

    /// Whether it can be done to a resource of this kind, and is not everybody's anyway.
    pub fn is_grantable(self, kind: Kind) -> bool {
        match self {
            Self::View => false,
            Self::Run | Self::Publish => matches!(kind, Kind::Llm | Kind::Agent),
            Self::Create | Self::Edit | Self::Delete => true,
        }
    }
}

/// A name, or a glob over names: `*` stands for any letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// Checks a pattern: the letters of names and `*`, at most 100.
    pub fn parse(text: &str) -> Option<Self> {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-*".contains(&byte);
        let is_pattern = (1..=MAX_PATTERN).contains(&text.len()) && text.bytes().all(is_letter);
        is_pattern.then(|| Self(text.into()))
    }

    /// Whether a name fits. Takes time in the product of both lengths at most.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // Each part at its first place leaves the most to the ones after it.
        let left = parts.try_fold(rest, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..]));
        left.is_some_and(|left| left.ends_with(last))
    }
}

/// What a user may do besides what the role of their token allows: `run agent/local-*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// What may be done.
    pub verb: Verb,
    /// To what kind of resource.
    pub kind: Kind,
    /// Of which names.
    pub names: Pattern,
}

/// A text that is no [`Grant`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadGrant {
    /// No such verb.
    #[error("the verb is create, edit, delete, run or publish; every token may view")]
    Verb,
    /// No such resource.
    #[error(
        "the resource is a kind and a name, or a glob: llm, agent, project, personality or prompt, as in agent/local-*"
    )]
    Resource,
    /// The one is never done to the other.
    #[error("{} is for llms and agents", .0.as_str())]
    Foreign(Verb),
}

impl Grant {
    /// Reads a verb such as `run` and a resource such as `agent/local-*`.
    pub fn parse(verb: &str, resource: &str) -> Result<Self, BadGrant> {
        let verb = Verb::parse(verb).filter(|verb| *verb != Verb::View).ok_or(BadGrant::Verb)?;
        let (kind, names) = resource.split_once('/').ok_or(BadGrant::Resource)?;
        let (kind, names) = Kind::parse(kind).zip(Pattern::parse(names)).ok_or(BadGrant::Resource)?;
        let grant = Self { verb, kind, names };
        if verb.is_grantable(kind) { Ok(grant) } else { Err(BadGrant::Foreign(verb)) }
    }

    /// Whether it allows `verb` on the resource of this kind and name; without a name, on any.
    pub fn allows(&self, verb: Verb, kind: Kind, name: Option<&str>) -> bool {
        (self.verb, self.kind) == (verb, kind) && name.is_none_or(|name| self.names.matches(name))
    }

    /// The resource, as in `agent/local-*`.
    pub fn resource(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.names.0)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.verb.as_str(), self.kind.as_str(), self.names.0)
    }
}

impl Serialize for Grant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (verb, resource) = text.split_once(' ').ok_or_else(|| de::Error::custom("a grant is `verb kind/name`"))?;
        Self::parse(verb, resource).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_grant_is_a_verb_on_names() {
        let grant = Grant::parse("run", "agent/local-*").unwrap();
        assert_eq!(grant.to_string(), "run agent/local-*");
        assert!(
            grant.allows(Verb::Run, Kind::Agent, Some("local-coder")) && grant.allows(Verb::Run, Kind::Agent, None)
        );
        assert!(!grant.allows(Verb::Run, Kind::Agent, Some("coder")) && !grant.allows(Verb::Run, Kind::Llm, None));
        assert!(!grant.allows(Verb::Edit, Kind::Agent, Some("local-coder")));
        assert_eq!(serde_json::from_str::<Grant>("\"run agent/local-*\"").unwrap(), grant);
    }

    #[test]
    fn what_is_no_grant_says_why() {
        for (verb, resource, why) in [
            ("view", "agent/x", BadGrant::Verb),
            ("rule", "agent/x", BadGrant::Verb),
            ("run", "agent", BadGrant::Resource),
            ("run", "agent/", BadGrant::Resource),
            ("run", "agent/X y", BadGrant::Resource),
            ("run", "token/x", BadGrant::Resource),
            ("run", "prompt/x", BadGrant::Foreign(Verb::Run)),
            ("publish", "project/x", BadGrant::Foreign(Verb::Publish)),
        ] {
            assert_eq!(Grant::parse(verb, resource), Err(why), "{verb} {resource}");
        }
        assert!(Grant::parse("run", &format!("agent/{}", "*".repeat(101))).is_err());
    }

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("a*c", "ac", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcd", false),
            ("a*a", "a", false),
            ("*b*", "abc", true),
            ("a*b*c*d", "axbxcxd", true),
            ("a*b*c*d", "axcxbxd", false),
            ("abc", "abcd", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(name), fits, "{pattern} {name}");
        }
    }

    /// As one would say it: letter by letter.
    fn fits(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => fits(rest, name) || (!name.is_empty() && fits(pattern, &name[1..])),
            ([p, pattern @ ..], [n, name @ ..]) => p == n && fits(pattern, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn globs_mean_what_they_say(pattern in "[ab*]{1,8}", name in "[ab]{0,8}") {
            prop_assert_eq!(Pattern::parse(&pattern).unwrap().matches(&name), fits(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
