//! What every command starts with: the global flags, settled.

use crate::args::Global;
use crate::client::{Client, trace::Trace};
use crate::credentials::{self, context::Context};
use crate::exit::Usage;
use crate::output::document::Document;
use crate::output::{self, Format, Output, Screen, clean, json};

/// The global flags and the process's streams.
pub struct Shell {
    /// Where text goes.
    pub screen: Screen,
    output: Output,
    trace: Trace,
    context: Option<String>,
    server: Option<String>,
    token: Option<String>,
    #[cfg(feature = "dev")]
    token_is_of_flag: bool,
}

impl Shell {
    /// Settles the global flags. Opens nothing yet.
    pub fn new(global: Global) -> Self {
        // An empty variable is how scripts unset one.
        let settled = |flag: Option<String>, variable| {
            flag.or_else(|| std::env::var(variable).ok()).filter(|value| !value.is_empty())
        };
        // A context that is asked for here is not overruled by what the environment has always had.
        let asked = global.context.as_ref().is_some_and(|context| !context.is_empty());
        let settled_here = |flag: Option<String>, variable| {
            if asked { flag.filter(|value| !value.is_empty()) } else { settled(flag, variable) }
        };
        #[cfg(feature = "dev")]
        let token_is_of_flag = global.token.as_ref().is_some_and(|token| !token.is_empty());
        Shell {
            #[cfg(feature = "dev")]
            token_is_of_flag,
            screen: Screen::detect(global.no_color, global.quiet),
            output: global.output,
            trace: Trace { is_on: global.verbose },
            context: settled(global.context, "MCPCTL_CONTEXT"),
            server: settled_here(global.server, "MCPCTL_SERVER"),
            token: settled_here(global.token, "MCPCTL_TOKEN"),
        }
    }

    /// A client for the server that flags, environment and credentials name.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(credentials::resolve(&self.context()?, self.server(), self.token())?, self.trace())?)
    }

    /// Whether what goes over the wire is shown.
    pub fn trace(&self) -> Trace {
        self.trace
    }

    /// The context of `--context` or its variable, else the one in use.
    pub fn context(&self) -> anyhow::Result<Context> {
        Context::settle(self.context.as_deref())
    }

    /// The asked format, which has to be one that the command knows.
    pub fn format(&self, known: &[Format], command: &str) -> Result<Format, Usage> {
        self.output.format.only(known, command)
    }

    /// Whether only parts of the answer were asked for.
    pub fn has_path(&self) -> bool {
        self.output.path.is_some()
    }

    /// As [`format`](Self::format), for commands that write JSON bit by bit: no path leads through it.
    pub fn format_in_pieces(&self, known: &[Format], command: &str) -> Result<Format, Usage> {
        match self.output.path {
            None => self.format(known, command),
            Some(_) => {
                Err(Usage(format!("`{command}` has no `-o jsonpath`; with `-o json`, a program such as jq reads it")))
            }
        }
    }

    /// Writes JSON text as the answer, indented and escaped; or the parts of it that were asked for, one a line.
    pub fn answer_json(&self, text: &str) -> anyhow::Result<()> {
        let document = Document::parse(text)?;
        let Some(path) = &self.output.path else {
            return Ok(output::answer(&(json::pretty(&document) + "\n"))?);
        };
        let parts = path.parts(&document);
        if parts.is_empty() {
            self.screen.note("nothing is at that path");
        }
        let shown = |part: &Document| match part {
            Document::Text(text) if self.screen.terminal_out => clean::lines(text).into_owned(),
            Document::Text(text) => text.clone(),
            other => json::compact(other),
        };
        Ok(output::answer(&output::lines_of(parts.into_iter().map(shown)))?)
    }

    /// `--server` or its variable.
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// `--token`.
    #[cfg(feature = "dev")]
    pub fn token_flag(&self) -> Option<&str> {
        self.token().filter(|_| self.token_is_of_flag)
    }

    /// `--token` or its variable.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}
