//! What is published: `config.json`, or the same built by code.

mod fields;
mod read;
mod secrets;

use crate::{base_url, secret::Secret};
use mcpctl_events::wire::publish::AgentEntry;
use serde_json::value::RawValue;
use std::{collections::BTreeMap, env, fmt, fs, path::Path, path::PathBuf, time::Duration};

pub use fields::Problem;

/// A checked configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Every provider, published or not.
    pub providers: Vec<Provider>,
    /// Every agent.
    pub agents: Vec<AgentEntry>,
    /// What was odd but did no harm, as sentences.
    pub warnings: Vec<String>,
}

/// One model of one model server.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in the registry.
    pub name: String,
    /// The kind of model server.
    pub kind: Kind,
    /// The model's name at that server.
    pub model: String,
    /// Base URL that `/v1/…` is put behind; empty for [`Kind::Echo`].
    pub base: String,
    /// Where the API key is read at call time.
    pub api_key: Option<ApiKey>,
    /// A free word such as `fast`.
    pub tier: Option<String>,
    /// A sentence for people.
    pub description: Option<String>,
    /// The pool that it belongs to.
    pub pool_name: Option<String>,
    /// Whether it is published at all.
    pub publish: bool,
    /// Calls that may be open on it at once.
    pub max_concurrent: Option<u32>,
    /// Labels for selectors.
    pub labels: Option<BTreeMap<String, String>>,
    /// A JSON object that is published as it is.
    pub extra_config: Option<Box<RawValue>>,
    /// How [`Kind::Echo`] answers.
    pub echo: Echo,
    /// How it is woken when its server is down.
    pub wake: Option<Wake>,
    /// How it is put to sleep when nobody calls it.
    pub sleep: Option<Sleep>,
}

/// The kind of a model server; it decides the default URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any OpenAI-compatible server.
    OpenAi,
    /// vLLM.
    Vllm,
    /// Ollama.
    Ollama,
    /// LM Studio.
    LmStudio,
    /// llama.cpp's server.
    LlamaCpp,
    /// Built in, without a server: says the last user message back.
    Echo,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::OpenAi, Self::Vllm, Self::Ollama, Self::LmStudio, Self::LlamaCpp, Self::Echo];

    /// The word for it in `config.json` and in the registry.
    pub fn word(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Vllm => "vllm",
            Self::Ollama => "ollama",
            Self::LmStudio => "lmstudio",
            Self::LlamaCpp => "llamacpp",
            Self::Echo => "echo",
        }
    }

    /// Where such a server listens unless told otherwise; none for [`Kind::OpenAi`] and [`Kind::Echo`].
    pub fn default_url(self) -> Option<&'static str> {
        match self {
            Self::Vllm => Some("http://127.0.0.1:8000"),
            Self::Ollama => Some("http://127.0.0.1:11434"),
            Self::LmStudio => Some("http://127.0.0.1:1234"),
            Self::LlamaCpp => Some("http://127.0.0.1:8080"),
            Self::OpenAi | Self::Echo => None,
        }
    }
}

/// Where an API key is read, anew for each call. The key itself is never kept, shown or sent anywhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiKey {
    /// An environment variable of the publisher.
    Env(String),
    /// A file on the publisher's machine.
    File(PathBuf),
}

impl ApiKey {
    /// The variable that it is to be read from, and that is not there.
    pub fn unset(&self) -> Option<&str> {
        match self {
            Self::Env(name) if env::var_os(name).is_none() => Some(name),
            Self::Env(_) | Self::File(_) => None,
        }
    }
}

/// How the built-in echo answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Echo {
    /// Time between two streamed words.
    pub chunk_delay: Duration,
    /// What it says; the last user message by default.
    pub reply: Option<String>,
}

/// How a model server is brought up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// What to do.
    pub recipe: Recipe,
    /// How long it may take until the server answers.
    pub max_wait_seconds: u32,
}

/// How a model server is put to sleep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sleep {
    /// What to do.
    pub recipe: Recipe,
    /// After how long without a call.
    pub after_idle: Duration,
}

/// The means of a [`Wake`] or a [`Sleep`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipe {
    /// Runs a program, without a shell.
    Command {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// Makes one HTTP request.
    Http {
        /// Where to; its path may be a secret.
        url: Secret,
        /// `POST` unless told otherwise.
        method: String,
        /// Request headers.
        headers: BTreeMap<String, Secret>,
        /// Request body, if any.
        body: Option<Secret>,
    },
}

impl Provider {
    /// A published provider with nothing but what is required.
    ///
    /// # Errors
    /// A sentence on what is wrong with the URL; `None` means the default of that kind of server.
    pub fn new(name: &str, kind: Kind, model: &str, url: Option<&str>) -> Result<Self, String> {
        let base = match (kind, url.or(kind.default_url())) {
            (Kind::Echo, _) => String::new(),
            (_, Some(url)) => base_url::normalise(url)?,
            (_, None) => {
                return Err(format!("{}: url is required (no default endpoint for this provider)", kind.word()));
            }
        };
        Ok(Self {
            name: name.to_owned(),
            kind,
            model: model.to_owned(),
            base,
            api_key: None,
            tier: None,
            description: None,
            pool_name: None,
            publish: true,
            max_concurrent: None,
            labels: None,
            extra_config: None,
            echo: Echo::default(),
            wake: None,
            sleep: None,
        })
    }
}

/// A file that is no configuration: every problem in it, one a line.
#[derive(Debug, thiserror::Error)]
pub struct Invalid {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Problem { pointer, reason }) in self.problems.iter().enumerate() {
            let line_break = if at == 0 { "" } else { "\n" };
            let gap = if pointer.is_empty() { "" } else { ": " };
            write!(f, "{line_break}{}: {pointer}{gap}{reason}", self.file.display())?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    /// Every problem, each with its file and JSON pointer.
    pub fn load(file: &Path) -> Result<Self, Invalid> {
        let invalid = |problems| Invalid { file: file.to_owned(), problems };
        let text = fs::read_to_string(file)
            .map_err(|error| invalid(vec![Problem { pointer: String::new(), reason: unread(&error) }]))?;
        let mut config = Self::parse(&text).map_err(invalid)?;
        config.warnings.extend(config.unset_keys());
        Ok(config)
    }

    /// Checks the text of a `config.json`.
    ///
    /// # Errors
    /// Every problem, each with its JSON pointer.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        read::config(text)
    }

    /// Says which keys are to be read from variables that are not there. They are no error: the server may need none.
    fn unset_keys(&self) -> Vec<String> {
        let published = self.providers.iter().enumerate().filter(|(_, provider)| provider.publish);
        let unset = published.filter_map(|(at, provider)| Some((at, provider.api_key.as_ref()?.unset()?)));
        let said = unset.map(|(at, variable)| {
            format!("/llm/providers/{at}/apiKey/env: the variable {variable} is not set: calls are made without a key")
        });
        said.collect()
    }

    /// The same with something behind the names of all that is published, so that several machines can publish the same.
    ///
    /// # Errors
    /// The suffix makes a name that the registry does not take.
    pub fn suffixed(mut self, suffix: &str) -> Result<Self, String> {
        let own: Vec<_> = self.providers.iter().map(|provider| provider.name.clone()).collect();
        let behind = |name: &mut String| {
            name.push_str(suffix);
            if read::is_name(name) {
                Ok(())
            } else {
                Err(format!(
                    "{suffix} makes the name {name}, which is none: use a-z, 0-9 and `. _ -` inside, at most 100 characters"
                ))
            }
        };
        for provider in &mut self.providers {
            behind(&mut provider.name)?;
        }
        for agent in &mut self.agents {
            behind(&mut agent.name)?;
            if own.contains(&agent.llm_name) {
                behind(&mut agent.llm_name)?;
            }
        }
        Ok(self)
    }

    /// The providers that are published.
    pub fn published(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter().filter(|provider| provider.publish)
    }
}
fn unread(error: &std::io::Error) -> String {
    if error.kind() != std::io::ErrorKind::NotFound {
        return format!("cannot be read: {error}");
    }
    r#"is not there: `mcplocal init` writes one from the model servers that run here; it says what to publish, for example {"llm": {"providers": [{"name": "qwen", "type": "ollama", "model": "qwen2.5:7b", "publish": true}]}}"#.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_is_behind_all_names_of_ones_own() {
        let text = r#"{"llm":{"providers":[{"name":"qwen","type":"echo","model":"m","publish":true}]},
            "agents":[{"name":"coder","llm":"qwen"},{"name":"other","llm":"elsewhere"}]}"#;
        let read = || Config::parse(text).expect("valid");
        let config = read().suffixed("-laptop").expect("names");
        assert_eq!(config.providers[0].name, "qwen-laptop");
        let agents: Vec<_> = config.agents.iter().map(|agent| (&*agent.name, &*agent.llm_name)).collect();
        assert_eq!(agents, [("coder-laptop", "qwen-laptop"), ("other-laptop", "elsewhere")]);
        for odd in ["-Laptop", "-", " x", &"x".repeat(100)] {
            assert!(read().suffixed(odd).is_err_and(|why| why.contains("is none")), "{odd}");
        }
    }
}
