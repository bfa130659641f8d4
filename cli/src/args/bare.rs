//! Names as `get -o name` prints them, `agent/coder`, are names, too.

use super::audit::Audit;
use super::{Command, Noun};

impl Command {
    /// The same with bare names: no name has a slash.
    pub fn with_bare_names(mut self) -> Self {
        match &mut self {
            Command::Get(get) => {
                get.name.iter_mut().for_each(|name| bare(get.noun, name));
                get.agent.iter_mut().for_each(|name| bare(Noun::Agents, name));
            }
            Command::Chat(options) => bare(Noun::Agents, &mut options.agent),
            Command::ChatLlm(options) => bare(Noun::Llms, &mut options.llm),
            Command::Audit(Audit::Timeline(timeline)) => bare(timeline.of.noun.into(), &mut timeline.of.name),
            Command::History(one) => bare(one.noun.into(), &mut one.name),
            Command::Why(why) => bare(why.of.noun.into(), &mut why.of.name),
            Command::Describe(item) | Command::Edit(item) => bare(item.noun.into(), &mut item.name),
            Command::Label(label) => bare(label.noun.into(), &mut label.name),
            Command::Disable(many) | Command::Enable(many) => {
                many.names.iter_mut().for_each(|name| bare(many.noun.into(), name));
            }
            Command::Delete(delete) => {
                if let Some(noun) = delete.noun {
                    delete.names.iter_mut().for_each(|name| bare(noun.into(), name));
                }
            }
            _ => {}
        }
        self
    }
}

fn bare(noun: Noun, name: &mut String) {
    if let Some(bare) = name.strip_prefix(noun.word()).and_then(|rest| rest.strip_prefix('/')) {
        *name = bare.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;

    #[test]
    fn what_get_prints_can_be_given_to_every_command() {
        let read = |words: &str| {
            let words: Vec<_> = format!("mcpctl {words}").split(' ').map(Into::into).collect();
            Cli::read(&words).unwrap_or_else(|error| panic!("{error}")).command.with_bare_names()
        };
        let one = |words: &str| match read(words) {
            Command::Get(get) => get.name.unwrap(),
            Command::History(one) => one.name,
            Command::Why(why) => why.of.name,
            Command::Describe(item) | Command::Edit(item) => item.name,
            Command::Label(label) => label.name,
            Command::Disable(many) | Command::Enable(many) => many.names.join(" "),
            Command::Delete(delete) => delete.names.join(" "),
            Command::Chat(options) => options.agent,
            Command::ChatLlm(options) => options.llm,
            Command::Audit(Audit::Timeline(timeline)) => timeline.of.name,
            _ => panic!("{words}"),
        };
        for (words, name) in [
            ("get agent agent/a", "a"),
            ("get agents a", "a"),
            ("get agent llm/a", "llm/a"),
            ("get task task/1", "1"),
            ("describe llm llm/a", "a"),
            ("history agent agent/a", "a"),
            ("why agent agent/a", "a"),
            ("chat agent/a", "a"),
            ("chat-llm llm/a", "a"),
            ("audit timeline agent agent/a", "a"),
            ("edit prompt prompt/a", "a"),
            ("label agent agent/a b=c", "a"),
            ("disable agent agent/a b", "a b"),
            ("enable llm llm/a", "a"),
            ("delete personality personality/a b", "a b"),
        ] {
            assert_eq!(one(words), name, "{words}");
        }
    }
}
