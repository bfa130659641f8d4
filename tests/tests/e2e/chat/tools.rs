//! Tools: the MCP servers of a project, asked in the middle of a turn. The server is MCP's own reference server.

#[path = "tools/programs.rs"]
mod programs;

use super::{Setting, events, messages, said};
use mcpctl_tests::{Answer, Client, Home, Mcpd, eventually, port, program::installed, samples, within};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::process::{Child, Command};

const SOON: Duration = Duration::from_secs(10);

fn everything() -> String {
    let path = installed().join("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
    path.to_str().expect("a path of letters").to_owned()
}

/// The reference server as a program.
fn by_stdio(name: &str) -> Value {
    json!({"name": name, "command": "node", "args": [everything(), "stdio"]})
}

/// The reference server at a URL.
async fn by_url(name: &str) -> (Value, Child) {
    let port = port::free().to_string();
    let mut command = Command::new("node");
    let child = command.args([everything(), "streamableHttp".to_owned()]).env("PORT", &port).kill_on_drop(true).spawn();
    let url = format!("http://127.0.0.1:{port}/mcp");
    let http = Client::new(&format!("http://127.0.0.1:{port}"), None);
    eventually("the MCP server is up", SOON, async || {
        Client::try_send(http.at_root(reqwest::Method::GET, "/mcp")).await.ok().map(drop)
    })
    .await;
    (json!({"name": name, "url": url}), child.expect("node starts"))
}

/// An agent in a project with these servers.
async fn setting(mcpd: Mcpd, servers: Value) -> Setting {
    let publisher = mcpd.publisher("one");
    let mut setting = Setting { mcpd, publisher };
    let client = setting.mcpd.client();
    let _ = client.post("/projects", &json!({"name": "tools", "mcpServers": servers})).await.expect(201);
    let agents = json!([{"name": "agent", "llmName": "llm", "project": "tools"}]);
    let _ = setting.publisher.register(json!([samples::llm("llm")]), agents).await.expect(201);
    setting.publisher.connect("").await;
    setting
}

/// A turn in which the model gives these answers, one after the other: what it was sent, and what the caller got.
async fn rounds(setting: &mut Setting, body: &Value, answers: &[Vec<Value>]) -> (Vec<Value>, Answer) {
    let (client, body) = (setting.mcpd.client(), body.clone());
    let call = tokio::spawn(async move { client.post("/agents/agent/chat", &body).await });
    let mut requests = Vec::new();
    for answer in answers {
        let frame: Value = serde_json::from_str(&setting.publisher.frame("infer").await).expect("a frame is JSON");
        let task = frame["taskId"].as_str().expect("a task").to_owned();
        requests.push(frame["request"].clone());
        let _ = setting.publisher.results(&task, answer).await.expect(202);
    }
    (requests, call.await.expect("no panic"))
}

fn call(id: &str, name: &str, arguments: &Value) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments.to_string()}})
}

/// The model asks for these.
fn asks(calls: &[Value]) -> Vec<Value> {
    vec![samples::message(&json!({"role": "assistant", "content": null, "tool_calls": calls}), "tool_calls")]
}

fn answers(text: &str) -> Vec<Value> {
    vec![samples::completion(text)]
}

/// What the model got from its tools.
fn results(request: &Value) -> Vec<String> {
    let said = request["messages"].as_array().expect("messages").iter();
    let tools = said.filter(|message| message["role"] == "tool");
    tools.map(|message| message["content"].as_str().expect("a text").to_owned()).collect()
}

fn names(request: &Value) -> Vec<String> {
    let tools = request["tools"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    tools.map(|tool| tool["function"]["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_model_gets_its_answers_from_programs_and_from_urls() {
    let (web, _server) = by_url("web").await;
    let mut setting = setting(Mcpd::start(&[]).await, json!([by_stdio("std"), web])).await;
    // Members that nobody knows stay.
    let mut sum = call("t1", "std__get-sum", &json!({"a": 19, "b": 23}));
    sum["extra_content"] = json!({"signature": "x"});
    let calls = [sum, call("t2", "web__echo", &json!({"message": "hello"}))];
    let turn = [asks(&calls), answers("It is 42.")];
    let (requests, answer) = rounds(&mut setting, &json!({"message": "19+23?"}), &turn).await;
    let reply = answer.expect(200).json();
    assert_eq!((reply["assistant"].clone(), reply["turnIndex"].clone()), (json!("It is 42."), json!(3 + 1)));

    let offered = names(&requests[0]);
    assert!(
        offered.contains(&"std__get-sum".to_owned()) && offered.contains(&"web__get-sum".to_owned()),
        "{offered:?}"
    );
    let sum =
        requests[0]["tools"].as_array().expect("tools").iter().find(|it| it["function"]["name"] == "std__get-sum");
    let sum = sum.expect("a tool");
    assert_eq!((&sum["type"], &sum["function"]["parameters"]["required"]), (&json!("function"), &json!(["a", "b"])));

    let said_then = &requests[1]["messages"];
    assert_eq!(said_then[1], json!({"role": "assistant", "content": null, "tool_calls": calls}));
    assert_eq!(said_then[2]["tool_call_id"], "t1");
    assert!(said_then[2]["content"].as_str().expect("a text").contains("42"), "{said_then}");
    assert_eq!(said_then[3]["tool_call_id"], "t2");
    assert_eq!(results(&requests[1])[1], "Echo: hello");

    let rows = messages(&setting.mcpd.client(), &reply["threadId"]).await;
    assert_eq!(
        rows.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(),
        ["user", "assistant", "tool", "tool", "assistant"]
    );
    assert!(rows.iter().all(|row| row.2 == "complete"), "{rows:?}");
    assert_eq!((&rows[1].1, &rows[4].1), (&Value::Null, &json!("It is 42.")), "content stays as it came");
    let thread = format!("/threads/{}/messages", reply["threadId"].as_str().expect("a thread"));
    let stored = setting.mcpd.client().get(&thread).await.expect(200).json();
    assert_eq!((&stored[1]["toolCalls"], &stored[3]["toolCallId"]), (&json!(calls), &json!("t2")));

    // Later turns remember what was asked and answered.
    let body = json!({"message": "and now?", "threadId": reply["threadId"]});
    let (requests, answer) = rounds(&mut setting, &body, &[answers("Still.")]).await;
    let _ = answer.expect(200);
    let before = said_then.as_array().expect("messages");
    assert_eq!(&requests[0]["messages"].as_array().expect("messages")[..before.len()], &before[..]);
}

#[tokio::test]
async fn a_streamed_turn_says_what_is_asked_and_answered() {
    let mut setting = setting(Mcpd::start(&[]).await, json!([by_stdio("std")])).await;
    let piece = |delta: Value| samples::chunk(&samples::delta(&json!({"tool_calls": [delta]})));
    let first = vec![
        samples::chunk(&samples::words("Let me see.")),
        piece(
            json!({"index": 0, "id": "t1", "type": "function", "function": {"name": "std__get-sum", "arguments": ""}}),
        ),
        piece(json!({"index": 0, "function": {"arguments": "{\"a\":19,"}})),
        piece(json!({"index": 0, "function": {"arguments": "\"b\":23}"}})),
        samples::done(),
    ];
    let last = vec![samples::chunk(&samples::words("It is 42.")), samples::done()];
    let (requests, answer) = rounds(&mut setting, &json!({"message": "19+23?", "stream": true}), &[first, last]).await;
    let events = events(&answer.expect(200));
    let result = results(&requests[1])[0].clone();
    assert_eq!(
        events[..4],
        [
            json!({"type": "text", "delta": "Let me see."}),
            json!({"type": "tool_call", "id": "t1", "name": "std__get-sum", "arguments": "{\"a\":19,\"b\":23}"}),
            json!({"type": "tool_result", "id": "t1", "name": "std__get-sum", "content": result, "isError": false}),
            json!({"type": "text", "delta": "It is 42."}),
        ]
    );
    assert_eq!((&events[4]["type"], &events[4]["turnIndex"], events.len()), (&json!("final"), &json!(3), 5));
    let rows = messages(&setting.mcpd.client(), &events[4]["threadId"]).await;
    assert_eq!(rows[1], said("assistant", "Let me see.", "complete"));
    assert_eq!(rows[3], said("assistant", "It is 42.", "complete"));
}

#[tokio::test]
async fn whatever_goes_wrong_with_a_tool_is_an_answer() {
    let mut setting = setting(Mcpd::start(&["--tool-timeout", "1s"]).await, json!([by_stdio("std")])).await;
    let mut garbage = call("t2", "std__echo", &json!({}));
    garbage["function"]["arguments"] = json!("{\"message\":");
    let calls = [
        call("t1", "std__none", &json!({})),
        garbage,
        call("t3", "std__get-sum", &json!({"a": "x"})),
        call("t4", "std__trigger-long-running-operation", &json!({"duration": 60, "steps": 2})),
        call("t5", "std__get-tiny-image", &json!({})),
    ];
    let (requests, answer) =
        rounds(&mut setting, &json!({"message": "go"}), &[asks(&calls), answers("Oh well.")]).await;
    let reply = answer.expect(200).json();
    assert_eq!(reply["assistant"], "Oh well.");
    let results = results(&requests[1]);
    for (result, expected) in results.iter().zip([
        "error: there is no tool `std__none`; there are: std__echo, ",
        "error: the arguments are no JSON object: ",
        "",
        "error: the tool did not answer within 1 s",
        "",
    ]) {
        assert!(result.starts_with(expected), "{result}");
    }
    assert!(results[2].contains("nvalid"), "the server's own words: {}", results[2]);
    assert!(results[4].contains("[image of image/png, "), "{}", results[4]);
    let rows = messages(&setting.mcpd.client(), &reply["threadId"]).await;
    assert!(rows.iter().all(|row| row.2 == "complete"), "{rows:?}");
}

#[tokio::test]
async fn servers_that_cannot_be_reached_have_no_tools_and_say_why() {
    let servers = json!([
        {"name": "gone", "url": "http://127.0.0.1:9/mcp"},
        {"name": "missing", "command": "no-such-program"},
        {"name": "dies", "command": "sh", "args": ["-c", "echo 'no licence' >&2; exit 3"]},
        {"name": "keyless", "command": "true", "env": {"KEY": {"env": "NOBODY_SET_THIS"}}},
        by_stdio("std"),
    ]);
    let mut setting = setting(Mcpd::start(&[]).await, servers).await;
    let (requests, answer) = rounds(&mut setting, &json!({"message": "hi"}), &[answers("still here")]).await;
    assert_eq!(answer.expect(200).json()["assistant"], "still here");
    assert!(!requests[0]["tools"].as_array().expect("tools").is_empty());
    assert!(names(&requests[0]).iter().all(|name| name.starts_with("std__")));
    let tools = setting.mcpd.client().get("/agents/agent/tools?allow=*sum").await.expect(200).json();
    let problem = |index: usize| tools["servers"][index]["problem"].as_str().unwrap_or_default().to_owned();
    for (index, expected) in [
        (0, "Connection refused"),
        (1, "`no-such-program` cannot be started: "),
        (2, "; it said: no licence"),
        (3, "KEY: the server's environment has no variable NOBODY_SET_THIS"),
        (4, ""),
    ] {
        assert!(problem(index).contains(expected), "{tools}");
    }
    let allowed: Vec<_> = tools["tools"].as_array().expect("tools").iter().filter(|it| it["allowed"] == true).collect();
    assert_eq!((allowed.len(), &allowed[0]["name"]), (1, &json!("std__get-sum")));
    setting.mcpd.client().get("/agents/none/tools").await.refused(404, "NOT_FOUND", "Agent not found: none");
}

#[tokio::test]
async fn only_what_the_caller_allows_may_run() {
    let mut setting = setting(Mcpd::start(&[]).await, json!([by_stdio("std")])).await;
    for (allowed, expected) in [
        (json!(["get-sum", "std__ech?"]), &["std__echo", "std__get-sum"][..]),
        (json!(["other__*"]), &[]),
        (json!([]), &[]),
    ] {
        let body = json!({"message": "hi", "allowTools": allowed});
        let (requests, answer) = rounds(&mut setting, &body, &[answers("ok")]).await;
        let _ = answer.expect(200);
        assert_eq!(names(&requests[0]), expected);
        assert_eq!(
            requests[0].get("tools").is_some(),
            !expected.is_empty(),
            "an empty list is refused by some servers"
        );
    }
    let body = json!({"message": "hi", "allowTools": ["get-sum"]});
    let asked = asks(&[call("t1", "std__echo", &json!({"message": "x"}))]);
    let (requests, answer) = rounds(&mut setting, &body, &[asked, answers("ok")]).await;
    let _ = answer.expect(200);
    assert_eq!(results(&requests[1]), ["error: there is no tool `std__echo`; there are: std__get-sum"]);
    let client = setting.mcpd.client();
    for (field, value) in [
        ("allowTools", json!("x")),
        ("allowTools", json!([1])),
        ("maxIterations", json!(0)),
        ("maxIterations", json!(101)),
    ] {
        let body = json!({"message": "hi", field: value});
        assert_eq!(client.post("/agents/agent/chat", &body).await.expect(400).pointers(), [format!("/{field}")]);
    }
}

#[tokio::test]
async fn with_no_tools_allowed_no_server_is_asked() {
    let home = Home::default();
    let trace = home.path().join("started");
    let server = json!({"name": "std", "command": "touch", "args": [trace.to_str().expect("a path of letters")]});
    let mut setting = setting(Mcpd::start_in(home, &[], &[]).await, json!([server])).await;
    let body = json!({"message": "hi", "allowTools": []});
    let (_, answer) = rounds(&mut setting, &body, &[answers("ok")]).await;
    let _ = answer.expect(200);
    assert!(!trace.exists());
    let (_, answer) = rounds(&mut setting, &json!({"message": "hi"}), &[answers("ok")]).await;
    let _ = answer.expect(200);
    assert!(trace.exists(), "it would have been started");
}

#[tokio::test]
async fn a_model_that_never_stops_asking_is_stopped() {
    let mut setting = setting(Mcpd::start(&[]).await, json!([by_stdio("std")])).await;
    let ask = || asks(&[call("t1", "std__echo", &json!({"message": "x"}))]);
    let params = json!({"tool_choice": "required", "tools": [{"type": "function", "function": {"name": "mine"}}]});
    let body = json!({"message": "go", "maxIterations": 3, "params": params});
    let (requests, answer) = rounds(&mut setting, &body, &[ask(), ask(), ask()]).await;
    answer.refused(502, "TOO_MANY_ITERATIONS", "after it was asked 3 times");
    let choices: Vec<_> = requests.iter().map(|request| request.get("tool_choice").cloned()).collect();
    assert_eq!(choices, [Some(json!("required")), None, Some(json!("none"))]);
    assert!(requests.iter().all(|request| names(request).contains(&"std__echo".to_owned())));
    let threads = setting.mcpd.client().get("/agents/agent/threads").await.expect(200).json();
    let many: Vec<_> = (0..65).map(|n| call(&n.to_string(), "std__echo", &json!({}))).collect();
    let (_, answer) = rounds(&mut setting, &json!({"message": "go"}), &[asks(&many)]).await;
    answer.refused(502, "BAD_ANSWER", "asks for more than 64 tools at once");
    let rows = messages(&setting.mcpd.client(), &threads[0]["id"]).await;
    let states: Vec<_> = rows.iter().map(|row| (row.0.as_str(), row.2.as_str())).collect();
    let round = [("assistant", "complete"), ("tool", "complete")];
    assert_eq!(states, [&[("user", "complete")][..], &round, &round, &[("assistant", "error")]].concat());
}

/// Begins a turn whose tool takes a minute, and waits until it runs; the thread.
async fn hanging(setting: &mut Setting) -> (tokio::task::JoinHandle<()>, Value) {
    let client = setting.mcpd.client();
    let call_it = client.clone();
    let running = tokio::spawn(async move {
        let request = call_it.request(reqwest::Method::POST, "/agents/agent/chat").json(&json!({"message": "go"}));
        let _ = Client::try_send(request).await;
    });
    let frame: Value = serde_json::from_str(&setting.publisher.frame("infer").await).expect("a frame is JSON");
    let task = frame["taskId"].as_str().expect("a task").to_owned();
    let arguments = json!({"duration": 60, "steps": 60});
    let asked = asks(&[call("t1", "std__trigger-long-running-operation", &arguments)]);
    let _ = setting.publisher.results(&task, &asked).await.expect(202);
    let thread = eventually("the tool is asked", SOON, async || {
        let threads = client.get("/agents/agent/threads").await.expect(200).json();
        let thread = threads[0]["id"].clone();
        let rows = messages(&client, &thread).await;
        (rows.len() == 3 && rows[2].2 == "pending").then_some(thread)
    })
    .await;
    (running, thread)
}

const BROKEN_OFF: [(&str, &str); 3] = [("user", "complete"), ("assistant", "complete"), ("tool", "error")];

async fn broken_off(client: &Client, thread: &Value) {
    eventually("what was pending has failed", SOON, async || {
        let rows = messages(client, thread).await;
        let states: Vec<_> = rows.iter().map(|row| (row.0.as_str(), row.2.as_str())).collect();
        (states == BROKEN_OFF).then_some(())
    })
    .await;
}

/// A later turn says nothing of a call that was never answered.
async fn goes_on(setting: &mut Setting, thread: &Value) {
    let body = json!({"message": "again", "threadId": thread});
    let (requests, answer) = rounds(setting, &body, &[answers("ok")]).await;
    let _ = answer.expect(200);
    let expected = json!([{"role": "user", "content": "go"}, {"role": "user", "content": "again"}]);
    assert_eq!(requests[0]["messages"], expected);
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_its_turn() {
    let mut setting = setting(Mcpd::start(&[]).await, json!([by_stdio("std")])).await;
    let (running, thread) = hanging(&mut setting).await;
    running.abort();
    broken_off(&setting.mcpd.client(), &thread).await;
    goes_on(&mut setting, &thread).await;
}

#[tokio::test]
async fn a_turn_that_a_crash_broke_off_has_failed() {
    let mut setting = setting(Mcpd::start(&[]).await, json!([by_stdio("std")])).await;
    let (running, thread) = hanging(&mut setting).await;
    setting.mcpd.start_again().await;
    running.await.expect("no panic");
    broken_off(&setting.mcpd.client(), &thread).await;
    setting.publisher.hang_up();
    setting.publisher.connect("").await;
    goes_on(&mut setting, &thread).await;
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_a_tool() {
    let mut setting = setting(Mcpd::start(&[]).await, json!([by_stdio("std")])).await;
    let (_running, _) = hanging(&mut setting).await;
    let stopped = within("it stops", Duration::from_secs(10), setting.mcpd.process.stop()).await;
    assert!(stopped.success());
}

#[tokio::test]
async fn an_empty_list_of_calls_is_none() {
    let mut setting = setting(Mcpd::start(&[]).await, json!([])).await;
    let said = vec![samples::message(&json!({"role": "assistant", "content": "hello", "tool_calls": []}), "stop")];
    let (_, answer) = rounds(&mut setting, &json!({"message": "hi"}), &[said]).await;
    let thread = answer.expect(200).json()["threadId"].clone();
    let (requests, answer) =
        rounds(&mut setting, &json!({"message": "more", "threadId": thread}), &[answers("ok")]).await;
    let _ = answer.expect(200);
    assert_eq!(requests[0]["messages"][1], json!({"role": "assistant", "content": "hello"}));
}
