//! The flags of `chat` and `chat-llm`, and what they amount to.

use crate::completions;
use crate::exit::{Stuck, Usage};
use clap::Args;
use clap_complete::ArgValueCompleter;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Flags of `chat`.
#[derive(Args)]
pub struct AgentOptions {
    /// Name of the agent
    #[arg(add = ArgValueCompleter::new(completions::agents))]
    pub agent: String,
    /// Go on with this thread
    #[arg(long, value_name = "ID")]
    pub thread: Option<String>,
    /// Personality whose prompts join the system prompt
    #[arg(long, value_name = "NAME")]
    pub personality: Option<String>,
    /// Allow only these tools of the project (name or glob; repeatable; '' allows none)
    #[arg(long = "allow-tool", value_name = "GLOB")]
    pub allow_tools: Vec<String>,
    /// How often the model may be asked in one turn, tools in between [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub max_iterations: Option<u32>,
    /// Flags shared with `chat-llm`.
    #[command(flatten)]
    pub common: Common,
}

/// Flags of `chat-llm`.
#[derive(Args)]
pub struct LlmOptions {
    /// Name of the Llm, or of a pool
    #[arg(add = ArgValueCompleter::new(completions::llms))]
    pub llm: String,
    /// Leave the message as a task, print its id, and don't wait for the reply
    #[arg(long = "async", requires = "message")]
    pub later: bool,
    /// Flags shared with `chat`.
    #[command(flatten)]
    pub common: Common,
}

/// Flags of both.
#[derive(Args)]
pub struct Common {
    /// Send this one message and leave; - reads it from stdin
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub message: Option<String>,
    /// Wait for the whole reply instead of showing it as it comes
    #[arg(long)]
    pub no_stream: bool,
    /// System prompt, in place of the agent's own
    #[arg(long, value_name = "TEXT", conflicts_with = "system_file", allow_hyphen_values = true)]
    system: Option<String>,
    /// Read the system prompt from a file
    #[arg(long, value_name = "FILE")]
    system_file: Option<PathBuf>,
    /// Add this at the end of the system prompt
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system_append: Option<String>,
    /// How the model samples.
    #[command(flatten)]
    sampling: Sampling,
}

/// Sampling parameters.
#[derive(Args, Default)]
#[command(next_help_heading = "Sampling")]
struct Sampling {
    /// Sampling temperature
    #[arg(long, value_name = "X", value_parser = finite, allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Nucleus sampling: the probability mass to choose from
    #[arg(long, value_name = "X", value_parser = finite, allow_negative_numbers = true)]
    top_p: Option<f64>,
    /// Choose from the K likeliest tokens
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    top_k: Option<i64>,
    /// Longest reply, in tokens
    #[arg(long, value_name = "N")]
    max_tokens: Option<u64>,
    /// Seed, for replies that repeat
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<i64>,
    /// Stop at this text (repeatable)
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Any other member of the model's request (repeatable); V is JSON if it parses, else a string
    #[arg(long, value_name = "K=V", value_parser = pair)]
    extra: Vec<(String, Value)>,
}

/// What goes along with every message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Replaces the system prompt.
    pub system: Option<String>,
    /// Added at the end of the system prompt.
    pub append: Option<String>,
    /// Parameters in the model API's own spelling.
    pub params: Map<String, Value>,
    /// Other members of the model's request.
    pub extra: Map<String, Value>,
}

impl Common {
    /// Settles the flags; reads the system prompt's file.
    pub fn settings(self) -> Result<Settings, Stuck> {
        let system = match &self.system_file {
            None => self.system,
            Some(path) => Some(std::fs::read_to_string(path).map_err(|e| {
                let problem = format!("cannot read the system prompt from {}: {e}", path.display());
                Stuck::new(problem, "give --system-file a file of UTF-8 text, or --system the text itself")
            })?),
        };
        let (params, extra) = self.sampling.members();
        Ok(Settings { system, append: self.system_append, params, extra })
    }
}

impl Sampling {
    fn members(self) -> (Map<String, Value>, Map<String, Value>) {
        let stop = (!self.stop.is_empty()).then(|| json!(self.stop));
        let given = [
            ("temperature", self.temperature.map(Value::from)),
            ("top_p", self.top_p.map(Value::from)),
            ("top_k", self.top_k.map(Value::from)),
            ("max_tokens", self.max_tokens.map(Value::from)),
            ("seed", self.seed.map(Value::from)),
            ("stop", stop),
        ];
        let params = given.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect();
        (params, self.extra.into_iter().collect())
    }
}

/// Reads `k=v`; v is JSON if it parses, else a string.
pub fn pair(text: &str) -> Result<(String, Value), Usage> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), self::value(value))),
        _ => Err(Usage("expected KEY=VALUE".to_owned())),
    }
}

/// Reads JSON if it parses, else a string.
pub fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn finite(text: &str) -> Result<f64, Usage> {
    // `2` stays the number that was typed: JSON has no other way to spell it.
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        _ => Err(Usage("expected a number".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_are_json_if_they_parse() {
        let read = |t| pair(t).unwrap();
        assert_eq!(read("top_k=4"), ("top_k".into(), json!(4)));
        assert_eq!(read("a=b"), ("a".into(), json!("b")));
        assert_eq!(read("a="), ("a".into(), json!("")));
        assert_eq!(read("a=\"4\""), ("a".into(), json!("4")));
        assert_eq!(read("url=http://h/?x=1"), ("url".into(), json!("http://h/?x=1")));
        assert_eq!(read(r#"a={"b":[1,null]}"#), ("a".into(), json!({"b": [1, null]})));
        assert!(pair("no-equals-sign").is_err() && pair("=4").is_err());
    }

    #[test]
    fn only_what_was_given_is_sent() {
        assert_eq!(Sampling::default().members(), (Map::new(), Map::new()));
        let some = Sampling { temperature: Some(0.7), seed: Some(3), stop: vec!["END".into()], ..Sampling::default() };
        assert_eq!(Value::from(some.members().0), json!({"temperature": 0.7, "seed": 3, "stop": ["END"]}));
        assert!(finite("NaN").is_err() && finite("inf").is_err() && finite("-1").is_ok());
    }
}
