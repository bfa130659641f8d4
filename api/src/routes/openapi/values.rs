//! Values of requests that have a rule, for the API's document.

use mcpctl_events::access::{Kind, Verb};
use serde::Deserialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type},
    },
};

/// A text that fits a pattern, of so many letters at least.
fn text(pattern: Option<&str>, least: usize) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(pattern);
    if least == 0 { text.into() } else { text.min_length(Some(least)).into() }
}

/// A whole number.
fn number(format: KnownFormat, least: i64, most: i64) -> RefOr<Schema> {
    let number = ObjectBuilder::new().schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(format)));
    number.minimum(Some(least)).maximum(Some(most)).into()
}

/// One of these words.
fn one_of(words: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
}

/// The verbs that can be granted on Llms and agents, and on documents or not.
fn verbs(fits: impl Fn(Verb) -> bool) -> RefOr<Schema> {
    one_of(Verb::ALL.iter().copied().filter(|verb| verb.is_grantable(Kind::Llm) && fits(*verb)).map(Verb::as_str))
}

macro_rules! values {
    ($($(#[$doc:meta])* $name:ident = $schema:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(String);

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema
            }
        }

        impl ToSchema for $name {}
    )+};
}

values! {
    /// Of an Llm, an agent, a project, and so on.
    Name = text(Some("^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$"), 0);
    /// At least one letter.
    Text = text(None, 1);
    /// http or https, without user and password.
    Url = text(Some("^https?://[a-z]([a-z0-9-]*[a-z0-9])?(:[1-9][0-9]{0,3})?(/[!-~]*)?$"), 0);
    /// Of an environment variable.
    Variable = text(Some("^[^=]+$"), 0);
    /// As in `90d`.
    Lasts = text(Some("^[1-9][0-9]{0,3}(ms|s|m|h|d)$"), 0);
    /// A publisher's own.
    SessionId = text(Some("^[A-Za-z0-9_-]{1,128}$"), 0);
    /// `llm`, `agent`, … and a name or a glob.
    Resource = text(Some("^(llm|agent|project|personality|prompt)/[a-z0-9*][a-z0-9._*-]{0,90}$"), 0);
    /// `llm` or `agent`, and a name or a glob.
    CallResource = text(Some("^(llm|agent)/[a-z0-9*][a-z0-9._*-]{0,90}$"), 0);
    /// What may be granted.
    GrantVerb = verbs(|_| true);
    /// What is done to all kinds.
    EditVerb = verbs(|verb| verb.is_grantable(Kind::Project));
    /// What is done to Llms and agents.
    CallVerb = verbs(|verb| !verb.is_grantable(Kind::Project));
    /// To what kind something may be granted.
    GrantKind = one_of(Kind::ALL.iter().map(|kind| kind.as_str()));
    /// An Llm or an agent.
    RowKind = one_of(["llm", "agent"].into_iter());
    /// A name, or a glob over names.
    Glob = text(Some("^[a-z0-9*][a-z0-9._*-]{0,90}$"), 0);
    /// What may be asked about.
    AnyVerb = text(Some("^(view|create|edit|delete|run|publish|audit|gc)$"), 0);
    /// What it may be asked of.
    AnyResource = text(Some("^(llm|agent|project|personality|prompt|token|grant|log|registry)(/[^/]*)*$"), 0);
    /// A client's own, for one request.
    Key = text(Some("^[!-~]{1,255}$"), 0);
    /// A sequence, or a time (inclusive).
    Point = text(Some("^(0|[1-9][0-9]{0,17}|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)$"), 0);
    /// From 1.
    Count = number(KnownFormat::Int64, 1, i64::from(u32::MAX));
    /// A place in the history.
    Sequence = number(KnownFormat::Int64, 0, i64::MAX);
    /// A place in the history that has one before it.
    Before = number(KnownFormat::Int64, 1, i64::MAX);
    /// How many of a list.
    Limit = number(KnownFormat::Int32, 1, i64::from(i32::MAX));
}
