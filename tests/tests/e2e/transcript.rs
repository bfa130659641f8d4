//! `docs/cli.md`: what each command prints, from a run of the real programs.

mod story;

use mcpctl_tests::{
    Home, Mcpd, Mcplocal,
    cluster::Cluster,
    eventually, port,
    program::{self, Program},
};
use regex::{Captures, Regex};
use serde_json::json;
use std::{collections::BTreeMap, fmt::Write, path::PathBuf, time::Duration};
use story::STORY;

const HEAD: &str = "\
# The command line

What each command prints, as a test has it from the real programs: a server, and a publisher with the built-in echo. Ids,
times, hashes, tokens and durations are replaced, since they differ from run to run. On a terminal, tables are cut to its
width, but for those of `-o wide`, statuses have colours, and times are ages (`3m`); here they are as in a pipe. Lines of
stderr are among the others.
`mcpctl COMMAND --help` has all flags.
";

/// Where a server listens unless it is told otherwise.
const ADDRESS: &str = "http://127.0.0.1:8420";

const TEAM: &str = "\
kind: llm
name: gpt
type: openai
model: gpt-4.1
url: http://127.0.0.1:9/v1
labels:
  team: red
---
kind: agent
name: reviewer
llm: gpt
systemPrompt: You review code.
labels:
  team: red
";

/// The words of a command, as a shell reads them.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in command.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    words.push(word);
    words
}

/// Replaces what differs from run to run by something as long, so that columns stay where they are.
struct Settled {
    id: Regex,
    rest: Vec<(Regex, &'static str)>,
    ids: BTreeMap<String, usize>,
}

impl Settled {
    fn new(server: &Mcpd) -> Self {
        let folder = regex::escape(&server.home.path().display().to_string());
        let url = regex::escape(&server.url);
        let pairs = [
            (url.as_str(), ADDRESS),
            (folder.as_str(), "/home/ann"),
            ("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z", "2026-01-31T12:00:00.000Z"),
            ("[0-9a-f]{64}", "28f58d633c2a9c0f0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778"),
            ("head [0-9a-f]{12}…", "head 28f58d633c2a…"),
            ("mcp_[0-9a-f]+", "mcp_…"),
            (r"[0-9.]+ w/s · [0-9.]+s", "186.1 w/s · 0.0s"),
            (r"after [0-9]+ ms", "after 1 ms"),
            (r"[0-9]+ (ms|s) ago", "1 s ago"),
            (r"[0-9]+\.[0-9] s ago", "1 s ago"),
            (r"for [0-9.]+ (ms|s)", "for 1 s"),
            (r"in 1 min [0-9]+ s", "in 1 min 29 s"),
        ];
        let rest = pairs.map(|(pattern, instead)| (Regex::new(pattern).expect("a pattern"), instead));
        let id = Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").expect("a pattern");
        Self { id, rest: rest.into(), ids: BTreeMap::new() }
    }

    fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, instead) in &self.rest {
            text = pattern.replace_all(&text, *instead).into_owned();
        }
        let ids = &mut self.ids;
        let numbered = self.id.replace_all(&text, |found: &Captures<'_>| {
            let next = ids.len() + 1;
            format!("01a221c7-0000-7000-8000-{:012}", ids.entry(found[0].to_owned()).or_insert(next))
        });
        numbered.into_owned()
    }
}

/// A folder with what commands are about, and what they have printed.
struct Told {
    home: Home,
    url: String,
    settled: Settled,
    text: String,
}

impl Told {
    /// Runs a command as a shell would in that folder, and tells what it printed.
    async fn run(&mut self, command: &str) {
        let (line, into) = command.split_once(" > ").map_or((command, None), |(line, file)| (line, Some(file)));
        let mut words = words(&line.replace("$TOKEN", &self.home.token()).replace(ADDRESS, &self.url));
        let program = if words[0] == "mcplocal" { words.remove(0) } else { "mcpctl".to_owned() };
        let env = [("EDITOR", "sed -i s/code/Rust/")];
        let mut output = program::run_with(&program, &self.home, &words, &env).await;
        if let Some(file) = into {
            std::fs::write(self.home.path().join(file), std::mem::take(&mut output.stdout)).expect("a file");
        }
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        let shown = if program == "mcplocal" { command.to_owned() } else { format!("mcpctl {command}") };
        self.tell(&shown, &said);
    }

    fn tell(&mut self, command: &str, said: &str) {
        let told = self.settled.text(&format!("$ {command}\n{said}"));
        self.text += &told.replace("/home/ann/", "");
    }

    fn section(&mut self, title: &str) {
        if self.text.contains("\n## ") {
            self.text += "```\n";
        }
        let _ = write!(self.text, "\n## {title}\n\n```\n");
    }

    /// Starts a registry to try, and tells how it greets.
    async fn dev(&mut self) {
        let (home, listen) = (Home::default(), format!("127.0.0.1:{}", port::free()));
        let args = ["dev", "--no-probe", "--listen", &listen].map(str::to_owned);
        let mut dev = Program::start("mcpctl", &home, &args, &[]);
        eventually("it is ready", Duration::from_secs(10), async || dev.log().contains("Ctrl-C").then_some(())).await;
        assert!(dev.stop().await.success());
        let folder = home.mcpctl().display().to_string();
        let program = format!("MCPCTL_HOME='{folder}' {}", program::binary("mcpctl").display());
        self.tell("mcpctl dev --no-probe", &dev.log().replace(&listen, "127.0.0.1:8420").replace(&program, "mcpctl"));
    }
}

#[tokio::test]
async fn what_each_command_prints_is_in_the_documents() {
    let mut mcpd = Mcpd::start(&[]).await;
    let echo = json!({
        "llm": {"providers": [{"name": "echo", "type": "echo", "model": "echo", "publish": true}]},
        "agents": [{"name": "demo", "llm": "echo", "description": "Says back what you say"}],
    });
    let mcplocal = Mcplocal::start(&mcpd.home, &echo, &[]);
    mcplocal.connected(&mcpd.client(), "echo").await;
    let file = |name: &str| mcpd.home.path().join(name);
    std::fs::write(file("team.yaml"), TEAM).expect("a file");
    let broken = TEAM.replace("systemPrompt", "systemPrompts").replace("name: reviewer", "name: other");
    std::fs::write(file("broken.yaml"), broken).expect("a file");

    let mut told =
        Told { home: mcpd.home.clone(), url: mcpd.url.clone(), settled: Settled::new(&mcpd), text: HEAD.to_owned() };
    told.section("A registry to try");
    told.dev().await;
    for (title, commands) in STORY {
        told.section(title);
        for command in *commands {
            told.run(command).await;
            if *command == "chat-llm echo --async -m later" {
                eventually("the task is done", Duration::from_secs(5), async || {
                    let tasks = mcpd.client().get("/inference-tasks").await.json();
                    (tasks[0]["status"] == "completed").then_some(())
                })
                .await;
            }
        }
    }
    drop(mcplocal);
    assert!(mcpd.process.stop().await.success());
    let cluster = Cluster::start(0).await;
    told.section("It outgrew one machine");
    let (log, db) = (cluster.log(), cluster.db());
    let data = mcpd.home.data().display().to_string();
    let migrate = format!("migrate --from sqlite:{data}/log.db --to {log} --from-db sqlite:{data} --to-db {db}");
    told.settled.rest.push((Regex::new(&regex::escape(&log)).expect("a pattern"), "kafka://kafka:9092/registry"));
    told.settled.rest.push((Regex::new(&regex::escape(&db)).expect("a pattern"), "postgres://mcpd@postgres/registry"));
    told.run(&migrate).await;
    told.text += "```\n";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    if std::fs::read_to_string(&path).unwrap_or_default() != told.text {
        let wanted = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli.md");
        std::fs::write(&wanted, told.text).expect("a file");
        panic!("docs/cli.md is not what the commands print: look at {}, and copy it there", wanted.display());
    }
}
