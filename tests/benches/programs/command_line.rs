//! How fast the command line is: its start, long lists, and the first chat of somebody who tries it.

use crate::line;
use mcpctl_tests::{
    Home, Mcpd, port,
    program::{self, Program},
};
use serde_json::json;
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const RUNS: usize = 21;
const AGENTS: usize = 10_000;
/// Agents of one declaration.
const TOGETHER: usize = 1000;

pub async fn run() {
    println!("\nThe command line; median of {RUNS}");
    starts().await;
    lists().await;
    first_chat().await;
}

async fn starts() {
    let home = Home::default();
    let nobody = ["get", "agents", "--server", "http://127.0.0.1:9", "--token", "t"];
    for (what, args) in
        [("--version", &["--version"][..]), ("--help", &["--help"]), ("get, of a server that is not there", &nobody)]
    {
        let mut took = Vec::new();
        for _ in 0..RUNS {
            let began = Instant::now();
            let _ = program::run("mcpctl", &home, args).await;
            took.push(began.elapsed());
        }
        line(&format!("start to end: {what}"), &median(took));
    }
}

async fn lists() {
    let mcpd = Mcpd::start(&["--max-rows-per-user", "100000"]).await;
    for first in (0..AGENTS).step_by(TOGETHER) {
        let name = |n: usize| format!("agent-{n:05}");
        let llm = format!("llm-{first}");
        let agent = |n| json!({"name": name(n), "llmName": llm, "description": "One of a crowd, with a description"});
        let agents: Vec<_> = (first..first + TOGETHER).map(agent).collect();
        let llms = json!([{"name": llm, "type": "vllm", "model": "m"}]);
        let registered = mcpd.publisher(&llm).register(llms, json!(agents)).await;
        let _ = registered.expect(201);
    }
    for format in ["table", "json", "yaml"] {
        let mut took = Vec::new();
        for _ in 0..RUNS {
            let began = Instant::now();
            let listed = mcpd.mcpctl(&["get", "agents", "-o", format]).await;
            took.push(began.elapsed());
            assert!(listed.stdout.split(|byte| *byte == b'\n').count() > AGENTS, "all are there");
        }
        line(&format!("get agents -o {format} > file, of {AGENTS} agents"), &median(took));
    }
    let mut took = Vec::new();
    for _ in 0..RUNS {
        let mut command = Command::new(program::binary("mcpctl"));
        command.args(["get", "agents"]).env("MCPCTL_HOME", mcpd.home.mcpctl()).stdout(Stdio::piped());
        let began = Instant::now();
        let mut listing = command.spawn().expect("mcpctl");
        let mut first = String::new();
        let out = listing.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut first).expect("a line");
        took.push(began.elapsed());
        let _ = listing.wait();
    }
    line("the same in a pipe, until its first line", &median(took));
}

async fn first_chat() {
    let mut took = Vec::new();
    for _ in 0..RUNS {
        let (home, listen) = (Home::default(), format!("127.0.0.1:{}", port::free()));
        let args = ["dev", "--listen", &listen].map(str::to_owned);
        let began = Instant::now();
        let _dev = Program::start("mcpctl", &home, &args, &[]);
        while program::run("mcpctl", &home, &["chat", "demo", "-m", "hi"]).await.stdout != b"hi\n" {
            assert!(began.elapsed() < Duration::from_mins(1), "nobody answers");
        }
        took.push(began.elapsed());
    }
    line("mcpctl dev, until a chat with its demo agent is answered", &median(took));
}

fn median(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    format!("{:.1} ms", took[took.len() / 2].as_secs_f64() * 1000.0)
}
