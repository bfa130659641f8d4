//! A conversation: at a terminal with an editor and commands, in a pipe one message a line.

use super::Partner;
use super::options::value;
use super::render::{Renderer, clipped};
use crate::exit::Stuck;
use crate::home;
use crate::output::{Screen, clean};
use mcpctl_events::wire::chat::AgentTools;
use rustyline::error::ReadlineError;
use rustyline::{Behavior, Config, DefaultEditor};
use serde_json::Value;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

/// How many lines the history keeps.
const HISTORY: usize = 1000;
/// How much is shown of what a tool does, in characters.
const WHAT: usize = 80;

const HELP: &str = "\
/help             this list
/quit             leave (so does Ctrl-D); Ctrl-C cancels a reply
/thread [ID]      show the thread, or go on with another
/tools [GLOB…]    show the tools, or allow only these; - allows none, * all
/clear            begin anew; parameters stay
/save FILE        write what was said into a new file
/system [TEXT]    show the system prompt, or replace it
/system -         return to the agent's own
/set              show the parameters
/set NAME VALUE   set one, as in /set temperature 0.2
/set NAME         unset it";

/// What to do after a line.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Leave,
    Told(String),
    Say(String),
    Save(String),
    Tools,
}

/// Converses until the user leaves or the input ends.
pub async fn run(screen: Screen, partner: Partner, stream: bool) -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() {
        at_terminal(screen, partner, stream).await
    } else {
        from_pipe(screen, partner, stream).await
    }
}

/// Every line is a message; the first failure ends it.
async fn from_pipe(screen: Screen, mut partner: Partner, stream: bool) -> anyhow::Result<()> {
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| {
            Stuck::new(format!("cannot read a message from stdin: {error}"), "send UTF-8 text, a message a line")
        })?;
        if !line.trim().is_empty() {
            partner.say(&line, stream, Renderer::stdio(screen)).await?;
        }
    }
    Ok(())
}

async fn at_terminal(screen: Screen, mut partner: Partner, stream: bool) -> anyhow::Result<()> {
    partner.check().await?;
    let mut editor = editor(screen)?;
    let history = history();
    if let Some(path) = &history {
        // There is none before the first conversation.
        let _ = editor.load_history(path);
    }
    screen.note("/help lists the commands, Ctrl-D leaves");
    let prompt = format!("{}> ", clean::line(partner.name()));
    loop {
        // On a thread of its own, so that a reply that was cancelled is also cancelled at the server.
        let asked = prompt.clone();
        let read = tokio::task::spawn_blocking(move || {
            let line = editor.readline(&asked);
            (editor, line)
        });
        let (back, line) = read.await?;
        editor = back;
        let line = match line {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                screen.note("Ctrl-D leaves");
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if line.trim().is_empty() {
            continue;
        }
        remember(&mut editor, &line, history.as_ref());
        match command(&mut partner, &line) {
            Next::Leave => return Ok(()),
            Next::Told(text) => crate::output::tell(&text),
            Next::Say(message) => turn(screen, &mut partner, &message, stream).await?,
            Next::Save(file) => save(screen, &partner, &file).await,
            Next::Tools => tools(screen, &partner).await,
        }
    }
}

/// One message and its reply. A failed turn does not end the conversation, a closed terminal does.
async fn turn(screen: Screen, partner: &mut Partner, message: &str, stream: bool) -> anyhow::Result<()> {
    let said = tokio::select! {
        said = partner.say(message, stream, Renderer::stdio(screen)) => said,
        _ = tokio::signal::ctrl_c() => {
            crate::output::tell("\n(cancelled)");
            return Ok(());
        }
    };
    match said {
        Err(error) if error.is::<std::io::Error>() => Err(error),
        Err(error) => {
            let _ = crate::exit::code(Err(error), screen);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// A file that cannot be written does not end the conversation.
async fn save(screen: Screen, partner: &Partner, file: &str) {
    match partner.save(file).await {
        Ok(0) => crate::output::tell("nothing was said yet; the file is empty"),
        Ok(count) => crate::output::tell(&format!("{count} messages are in {file}")),
        Err(error) => drop(crate::exit::code(Err(error), screen)),
    }
}

/// Servers that cannot be asked do not end the conversation.
async fn tools(screen: Screen, partner: &Partner) {
    let Partner::Agent(chat) = partner else { return crate::output::tell("a model alone has no tools") };
    match chat.tools().await {
        Ok(tools) => crate::output::tell(&tool_list(&tools)),
        Err(error) => drop(crate::exit::code(Err(error), screen)),
    }
}

/// Tools by server, with a mark at those that may not run, and what is wrong with a server.
fn tool_list(all: &AgentTools) -> String {
    if all.servers.is_empty() {
        return "no tools: the agent's project names no MCP servers, or it has no project".to_owned();
    }
    let mut lines = Vec::new();
    for tool in &all.tools {
        let what = tool.description.as_deref().and_then(|text| text.trim().lines().next()).unwrap_or_default();
        let what = clipped(what, WHAT);
        let mark = if tool.allowed { "" } else { " (not allowed)" };
        lines.push(clean::line(format!("{}{mark}  {what}", tool.name).trim_end()).into_owned());
    }
    for server in &all.servers {
        if let Some(problem) = &server.problem {
            lines.push(clean::line(&format!("{}: {problem}", server.name)).into_owned());
        }
    }
    if lines.is_empty() { "the agent's MCP servers have no tools".to_owned() } else { lines.join("\n") }
}

fn editor(screen: Screen) -> rustyline::Result<DefaultEditor> {
    // Where stdout is kept, as in `mcpctl chat demo | tee log`, the prompt goes to the terminal itself.
    let place = if screen.terminal_out { Behavior::Stdio } else { Behavior::PreferTerm };
    DefaultEditor::with_config(Config::builder().behavior(place).max_history_size(HISTORY)?.build())
}

fn history() -> Option<PathBuf> {
    home::ensure().ok().map(|folder| folder.join("history"))
}

fn remember(editor: &mut DefaultEditor, line: &str, path: Option<&PathBuf>) {
    // A history that cannot be written is no reason to stop talking.
    let _ = editor.add_history_entry(line);
    if let Some(path) = path {
        let _ = editor.append_history(path);
    }
}

fn command(partner: &mut Partner, line: &str) -> Next {
    let line = line.trim();
    let Some(command) = line.strip_prefix('/') else { return Next::Say(line.to_owned()) };
    let (word, rest) = command.split_once(char::is_whitespace).map_or((command, ""), |(w, r)| (w, r.trim()));
    match word {
        "quit" | "exit" => Next::Leave,
        "help" => Next::Told(HELP.to_owned()),
        "clear" => {
            partner.clear();
            Next::Told("begun anew".to_owned())
        }
        "save" if rest.is_empty() => Next::Told("/save needs a file, as in /save talk.md".to_owned()),
        "save" => Next::Save(rest.to_owned()),
        "thread" => Next::Told(thread(partner, rest)),
        "tools" => allow(partner, rest),
        "system" => Next::Told(system(partner, rest)),
        "set" => Next::Told(set(partner, rest)),
        // A path or the like is no typing error: only a bare word is taken for a command.
        _ if word.chars().all(|c| c.is_ascii_alphabetic()) => {
            Next::Told(format!("there is no command /{word}; /help lists them"))
        }
        _ => Next::Say(line.to_owned()),
    }
}

fn thread(partner: &mut Partner, id: &str) -> String {
    let Partner::Agent(chat) = partner else { return "a model has no threads".to_owned() };
    if !id.is_empty() {
        chat.thread = Some(id.to_owned());
    }
    chat.thread.as_ref().map_or_else(|| "no thread yet".to_owned(), |id| format!("thread: {id}"))
}

/// Says which tools may run, and then which there are.
fn allow(partner: &mut Partner, globs: &str) -> Next {
    let Partner::Agent(chat) = partner else { return Next::Told("a model alone has no tools".to_owned()) };
    match globs {
        "" => {}
        "*" => chat.allow_tools = None,
        "-" => chat.allow_tools = Some(Vec::new()),
        globs => {
            let globs = globs.split([' ', ',']).filter(|glob| !glob.is_empty());
            chat.allow_tools = Some(globs.map(str::to_owned).collect());
        }
    }
    Next::Tools
}

fn system(partner: &mut Partner, text: &str) -> String {
    let settings = partner.settings();
    match text {
        "" => {}
        "-" => settings.system = None,
        text => settings.system = Some(text.to_owned()),
    }
    settings.system.as_ref().map_or_else(|| "system prompt: its own".to_owned(), |s| format!("system prompt: {s}"))
}

/// Parameters that every model API takes as numbers.
const NUMBERS: [&str; 5] = ["temperature", "top_p", "top_k", "max_tokens", "seed"];

fn set(partner: &mut Partner, text: &str) -> String {
    let settings = partner.settings();
    let (key, given) = text.split_once(|c: char| c.is_whitespace() || c == '=').unwrap_or((text, ""));
    match (key, given.trim()) {
        ("", _) => {}
        (key, "") => {
            settings.params.remove(key);
            settings.extra.remove(key);
        }
        (key, given) if NUMBERS.contains(&key) && !value(given).is_number() => {
            return format!("{key} is a number, and {given} is none");
        }
        (key, given) => {
            // An `--extra` of the same name would win over the parameter.
            settings.extra.remove(key);
            settings.params.insert(key.to_owned(), value(given));
        }
    }
    let all: Vec<_> = settings.params.iter().chain(&settings.extra).map(|(k, v)| show(k, v)).collect();
    if all.is_empty() { "no parameters are set".to_owned() } else { all.join("\n") }
}

fn show(key: &str, value: &Value) -> String {
    format!("{key} = {value}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::tests::{agent_partner, llm_partner};

    #[test]
    fn commands_change_what_goes_along() {
        let mut partner = agent_partner("http://127.0.0.1:9", &[]);
        assert_eq!(command(&mut partner, "/set temperature 0.2"), Next::Told("temperature = 0.2".into()));
        let told = Next::Told("temperature is a number, and hot is none".into());
        assert_eq!(command(&mut partner, "/set temperature hot"), told);
        assert_eq!(command(&mut partner, "/set stop=END"), Next::Told("stop = \"END\"\ntemperature = 0.2".into()));
        assert_eq!(command(&mut partner, "/set stop"), Next::Told("temperature = 0.2".into()));
        assert_eq!(command(&mut partner, "/system be terse"), Next::Told("system prompt: be terse".into()));
        assert_eq!(command(&mut partner, "/system -"), Next::Told("system prompt: its own".into()));
        assert_eq!(command(&mut partner, "/thread"), Next::Told("no thread yet".into()));
        assert_eq!(command(&mut partner, "/thread t1"), Next::Told("thread: t1".into()));
        command(&mut partner, "/clear");
        assert_eq!(partner.thread(), None);
        assert_eq!(command(&mut partner, "/save talk.md"), Next::Save("talk.md".into()));
        assert!(matches!(command(&mut partner, "/save"), Next::Told(_)));
        assert_eq!(command(&mut partner, "/quit"), Next::Leave);
    }

    #[test]
    fn tools_are_allowed_and_listed() {
        let mut partner = agent_partner("http://127.0.0.1:9", &[]);
        for (line, expected) in [
            ("/tools", None),
            ("/tools calc__* add,sub", Some(vec!["calc__*".to_owned(), "add".to_owned(), "sub".to_owned()])),
            ("/tools -", Some(Vec::new())),
            ("/tools *", None),
        ] {
            assert_eq!(command(&mut partner, line), Next::Tools);
            let Partner::Agent(chat) = &partner else { panic!("not an agent") };
            assert_eq!(chat.allow_tools, expected, "{line}");
        }
        let all: AgentTools = serde_json::from_str(
            r#"{"servers":[{"name":"calc","problem":null},{"name":"gone","problem":"refused"}],"tools":[
            {"name":"calc__add","server":"calc","description":"\n  Adds.\nMore.","allowed":true,"inputSchema":{}},
            {"name":"calc__sub","server":"calc","description":null,"allowed":false,"inputSchema":{}}]}"#,
        )
        .unwrap();
        assert_eq!(tool_list(&all), "calc__add  Adds.\ncalc__sub (not allowed)\ngone: refused");
    }

    #[test]
    fn a_parameter_set_later_wins_over_an_extra() {
        let mut partner = llm_partner("http://127.0.0.1:9", &["--extra", "top_k=4", "--extra", "x=1"]);
        assert_eq!(command(&mut partner, "/set top_k 8"), Next::Told("top_k = 8\nx = 1".into()));
        let Partner::Llm(chat) = &partner else { panic!("not a model") };
        assert_eq!(chat.request("hi", false)["top_k"], 8);
    }

    #[test]
    fn only_commands_are_taken_for_commands() {
        let mut partner = llm_partner("http://127.0.0.1:9", &[]);
        assert_eq!(command(&mut partner, " hello "), Next::Say("hello".into()));
        assert_eq!(command(&mut partner, "/etc/passwd is what?"), Next::Say("/etc/passwd is what?".into()));
        assert_eq!(command(&mut partner, "/halp"), Next::Told("there is no command /halp; /help lists them".into()));
        assert_eq!(command(&mut partner, "/thread x"), Next::Told("a model has no threads".into()));
    }
}
