//! `docs/cli.md`: what each command prints, from a run of the real programs.

use mcpctl_tests::{Mcpd, Mcplocal, eventually};
use regex::{Captures, Regex};
use serde_json::json;
use std::{collections::BTreeMap, fmt::Write, path::PathBuf, time::Duration};

const HEAD: &str = "\
# The command line

What each command prints, as a test has it from the real programs: a server, and a publisher with the built-in echo. Ids,
times, hashes, tokens and durations are replaced, since they differ from run to run. On a terminal, tables are cut to its
width, statuses have colours, and times are ages (`3m`); here they are as in a pipe. Lines of stderr are among the others.
`mcpctl COMMAND --help` has all flags.
";

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

/// Names that are of files in a folder of the test's.
const FILES: [&str; 3] = ["team.yaml", "broken.yaml", "nowhere.yaml"];

/// The commands, by what they are for.
const STORY: &[(&str, &[&str])] = &[
    ("Who and where", &["auth whoami", "status", "context list", "auth can-i run agent/demo"]),
    (
        "What is there",
        &[
            "get agents",
            "get llms -o wide",
            "get llms -o name",
            "get agents -o 'jsonpath=$[*].name'",
            "get agent demo -o yaml",
            "get sessions",
            "describe agent demo",
        ],
    ),
    ("Chat", &["chat demo -m 'hello there'", "chat-llm echo -m hello", "chat-llm echo --async -m later", "get tasks"]),
    (
        "As files",
        &[
            "diff -f team.yaml",
            "apply -f team.yaml",
            "apply -f team.yaml",
            "get llms -l team=red",
            "label agent reviewer stage=beta",
            "diff -f team.yaml",
            "apply -f broken.yaml",
            "edit agent reviewer",
            "create project apollo --description 'The lander'",
            "create prompt house-style --project apollo --content 'Be brief.'",
            "create personality pirate --agent reviewer",
            "get projects",
            "get prompts",
            "get personalities",
        ],
    ),
    ("Pause and delete", &["disable agents -l team=red", "enable agent reviewer", "delete -f team.yaml", "gc"]),
    (
        "What happened",
        &["events --limit 4", "history agent reviewer", "why agent demo", "why agent reviewer", "diff 6 8"],
    ),
    ("Was it altered", &["audit head", "audit verify"]),
    (
        "Who may",
        &[
            "token create --name ann --role viewer",
            "auth grant ann run 'agent/d*'",
            "auth grants",
            "auth withdraw ann run 'agent/d*'",
            "token list",
            "token revoke ann",
        ],
    ),
    (
        "What goes wrong",
        &[
            "get agent dmeo",
            "get wombats",
            "get agents -o yml",
            "chat echo -m hi",
            "apply -f nowhere.yaml",
            "get threads",
        ],
    ),
];

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
            (url.as_str(), "http://127.0.0.1:8420"),
            (folder.as_str(), "/home/ann"),
            ("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z", "2026-01-31T12:00:00.000Z"),
            ("[0-9a-f]{64}", "28f58d633c2a9c0f0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778"),
            ("head [0-9a-f]{12}…", "head 28f58d633c2a…"),
            ("mcp_[0-9a-f]+", "mcp_…"),
            (r"[0-9.]+ w/s · [0-9.]+s", "186.1 w/s · 0.0s"),
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

#[tokio::test]
async fn what_each_command_prints_is_in_the_documents() {
    let mcpd = Mcpd::start(&[]).await;
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

    let mut settled = Settled::new(&mcpd);
    let mut text = HEAD.to_owned();
    for (title, commands) in STORY {
        let _ = write!(text, "\n## {title}\n\n```\n");
        for command in *commands {
            let args: Vec<String> = words(command)
                .into_iter()
                .map(|word| if FILES.contains(&word.as_str()) { file(&word).display().to_string() } else { word })
                .collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let output = mcpd.mcpctl_with(&args, &[("EDITOR", "sed -i s/code/Rust/")]).await;
            let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
            let said = settled.text(&said).replace("/home/ann/", "");
            let _ = write!(text, "$ mcpctl {command}\n{said}");
            if *command == "chat-llm echo --async -m later" {
                eventually("the task is done", Duration::from_secs(5), async || {
                    let tasks = mcpd.client().get("/inference-tasks").await.json();
                    (tasks[0]["status"] == "completed").then_some(())
                })
                .await;
            }
        }
        text += "```\n";
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    if std::fs::read_to_string(&path).unwrap_or_default() != text {
        let wanted = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli.md");
        std::fs::write(&wanted, text).expect("a file");
        panic!("docs/cli.md is not what the commands print: look at {}, and copy it there", wanted.display());
    }
}
