//! MCP servers that are programs: what they are given, what is told of them, and when they end.

use super::{SOON, answers, asks, by_stdio, call, everything, results, rounds, setting};
use mcpctl_tests::{Home, Mcpd, eventually, within};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{fs, time::Duration};

#[tokio::test]
async fn a_program_gets_what_it_is_given_and_nothing_else() {
    let home = Home::default();
    let file = home.path().join("key");
    fs::write(&file, "from-a-file\n").expect("a file");
    let mut server = by_stdio("std");
    server["env"] = json!({"LEVEL": "debug", "API_KEY": {"env": "PLANTED_KEY"}, "CERTIFICATE": {"file": file}});
    let env = [("PLANTED_KEY", "s3cr3t-planted"), ("UNRELATED_PASSWORD", "hunter2-planted")];
    let mut setting = setting(Mcpd::start_in(home, &[], &env).await, json!([server])).await;
    let asked = asks(&[call("t1", "std__get-env", &json!({}))]);
    let (requests, answer) = rounds(&mut setting, &json!({"message": "go"}), &[asked, answers("ok")]).await;
    let _ = answer.expect(200);
    let seen: Value = serde_json::from_str(&results(&requests[1])[0]).expect("a JSON object");
    for (name, expected) in [("LEVEL", "debug"), ("API_KEY", "s3cr3t-planted"), ("CERTIFICATE", "from-a-file")] {
        assert_eq!(seen[name], expected);
    }
    assert_eq!(seen.get("UNRELATED_PASSWORD"), None);
    let project = setting.mcpd.client().get("/projects/tools").await.expect(200).json();
    assert_eq!(project["mcpServers"][0]["env"]["API_KEY"], json!({"env": "PLANTED_KEY"}));
    assert!(!setting.mcpd.process.log().contains("planted"), "{}", setting.mcpd.process.log());
    let log = fs::read(setting.mcpd.home.data().join("log.db")).expect("the log");
    assert!(!log.windows(14).any(|window| window == b"s3cr3t-planted"), "it is on the log");
}

#[tokio::test]
async fn a_server_that_was_killed_is_started_anew() {
    let home = Home::default();
    let pid_file = home.path().join("pid");
    let script = format!("echo $$ > {}; exec node {} stdio", pid_file.display(), everything());
    let server = json!({"name": "std", "command": "sh", "args": ["-c", script]});
    let mut setting = setting(Mcpd::start_in(home, &[], &[]).await, json!([server])).await;
    let read = || fs::read_to_string(&pid_file).expect("a pid").trim().parse::<i32>().expect("a number");
    let turn = [asks(&[call("t1", "std__echo", &json!({"message": "x"}))]), answers("ok")];
    let (_, answer) = rounds(&mut setting, &json!({"message": "go"}), &turn).await;
    let _ = answer.expect(200);
    let first = read();
    let (_, answer) = rounds(&mut setting, &json!({"message": "again"}), &turn).await;
    let _ = answer.expect(200);
    assert_eq!(read(), first, "a server is kept for the next turn");
    kill(Pid::from_raw(first), Signal::SIGKILL).expect("it ran");
    let (requests, answer) = rounds(&mut setting, &json!({"message": "once more"}), &turn).await;
    let _ = answer.expect(200);
    assert_eq!(results(&requests[1]), ["Echo: x"]);
    assert_ne!(read(), first);
    // It ends with the server.
    let last = Pid::from_raw(read());
    assert!(setting.mcpd.process.stop().await.success());
    eventually("the program is gone", SOON, async || kill(last, None).is_err().then_some(())).await;
}

#[tokio::test]
async fn a_server_without_tools_is_asked_and_one_that_never_lists_them_is_left_alone_for_a_while() {
    let home = Home::default();
    let trace = home.path().join("starts");
    // Answers `initialize`, and to a list of tools what it is told to.
    let script = |answer: &str| {
        format!(
            "require('fs').appendFileSync({:?}, 'x');
             require('readline').createInterface({{input: process.stdin}}).on('line', line => {{
               const it = JSON.parse(line); const say = rest => console.log(JSON.stringify({{jsonrpc: '2.0', id: it.id, ...rest}}));
               if (it.method === 'initialize') say({{result: {{protocolVersion: it.params.protocolVersion,
                 capabilities: {{resources: {{}}}}, serverInfo: {{name: 'x', version: '1'}}}}}});
               if (it.method === 'tools/list') {answer};
             }});",
            trace.display().to_string()
        )
    };
    let other = script("say({error: {code: -32601, message: 'Method not found'}})");
    let broken = script("say({error: {code: -32603, message: 'out of order'}})");
    let servers = json!([{"name": "other", "command": "node", "args": ["-e", other]},
        {"name": "broken", "command": "node", "args": ["-e", broken]}]);
    let mut setting = setting(Mcpd::start_in(home, &[], &[]).await, servers).await;
    for _ in 0..3 {
        let (requests, answer) = rounds(&mut setting, &json!({"message": "hi"}), &[answers("ok")]).await;
        let _ = answer.expect(200);
        assert_eq!(requests[0].get("tools"), None);
    }
    let tools = setting.mcpd.client().get("/agents/agent/tools").await.expect(200).json();
    assert_eq!(tools["servers"][0]["problem"], Value::Null);
    assert!(tools["servers"][1]["problem"].as_str().is_some_and(|problem| problem.contains("out of order")), "{tools}");
    assert_eq!(fs::read_to_string(&trace).expect("it was started"), "xx", "each was started once");
}

#[tokio::test]
async fn what_a_program_says_before_it_dies_is_told_without_its_secrets() {
    let mut server = json!({"name": "dies", "command": "sh", "args": ["-c", "echo \"bad token $TOKEN\" >&2; exit 3"]});
    server["env"] = json!({"TOKEN": {"env": "PLANTED_TOKEN"}});
    let mcpd = Mcpd::start_in(Home::default(), &[], &[("PLANTED_TOKEN", "s3cr3t-planted")]).await;
    let setting = setting(mcpd, json!([server])).await;
    let tools = setting.mcpd.client().get("/agents/agent/tools").await.expect(200);
    assert!(tools.text.contains("it said: bad token ***"), "{}", tools.text);
    assert!(!setting.mcpd.process.log().contains("s3cr3t-planted"));
}

#[tokio::test]
async fn what_a_program_started_ends_with_the_server_whatever_it_thinks_of_signals() {
    let home = Home::default();
    let pids = home.path().join("pids");
    let stubborn = "trap '' TERM; while :; do sleep 0.1; done";
    let script = format!(
        "trap '' TERM; (echo $BASHPID >> {pids}; {stubborn}) & echo $$ >> {pids}; node {server} stdio; wait",
        pids = pids.display(),
        server = everything()
    );
    let server = json!({"name": "std", "command": "bash", "args": ["-c", script]});
    let mut setting = setting(Mcpd::start_in(home, &[], &[]).await, json!([server])).await;
    let (_, answer) = rounds(&mut setting, &json!({"message": "hi"}), &[answers("ok")]).await;
    let _ = answer.expect(200);
    let running = fs::read_to_string(&pids).expect("pids");
    let running: Vec<_> = running.lines().map(|pid| Pid::from_raw(pid.parse().expect("a number"))).collect();
    assert_eq!(running.len(), 2);
    assert!(running.iter().all(|pid| kill(*pid, None).is_ok()));
    assert!(within("it stops", Duration::from_secs(10), setting.mcpd.process.stop()).await.success());
    eventually("all of it is gone", SOON, async || running.iter().all(|pid| kill(*pid, None).is_err()).then_some(()))
        .await;
}
