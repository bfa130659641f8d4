//! Starting, stopping, and what an operator sees.

use mcpctl_tests::{
    Home, Mcpd, eventually,
    model::says,
    port,
    program::{self, Program},
    samples,
};
use serde_json::json;
use std::{os::unix::fs::PermissionsExt, process::Output, time::Duration};

const SOON: Duration = Duration::from_secs(5);

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_second_server_on_the_same_log_is_refused_with_the_pid_of_the_first() {
    let mut mcpd = Mcpd::start(&[]).await;
    let listen = format!("127.0.0.1:{}", port::free());
    let second = program::run("mcpd", &mcpd.home, &["--listen", &listen]).await;
    assert_eq!(second.status.code(), Some(2), "{}", stderr(&second));
    assert!(stderr(&second).contains(&mcpd.process.pid().to_string()), "{}", stderr(&second));
    assert!(stderr(&second).contains("--log"), "{}", stderr(&second));
    assert_eq!(mcpd.client().get("/llms").await.status, 200);
    mcpd.process.kill();
    mcpd.start_again().await;
}

#[tokio::test]
async fn sigterm_drains_and_rows_keep_their_status() {
    let mut mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    let agents = json!([samples::agent("agent", "llm")]);
    let _ = publisher.register(json!([samples::llm("llm")]), agents).await.expect(201);
    publisher.connect("").await;
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.post("/llms/llm/infer", &samples::ask(false)).await });
    publisher.task("infer").await;
    let status = {
        mcpd.process.signal(nix::sys::signal::Signal::SIGTERM);
        let goodbye = publisher.stream().next().await;
        assert_eq!((goodbye.name.as_str(), goodbye.data.as_str()), ("goodbye", r#"{"reason":"shutdown"}"#));
        mcpd.process.exit(program::STOP).await
    };
    assert_eq!(status.code(), Some(0));
    let answer = call.await.expect("no panic");
    assert!(answer.status >= 500, "{}", answer.text);
    mcpd.verify().await;
    mcpd.start_again().await;
    let row = client.row("/agents", "agent").await.expect("a row");
    assert_eq!((&row["status"], &row["connected"]), (&json!("active"), &json!(false)), "its end is no disconnect");
    let causes = client.events(0).await;
    assert!(!causes.iter().any(|event| event["data"]["cause"] == "disconnected"), "{causes:?}");
}

#[tokio::test]
async fn the_operators_pages_need_no_token() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = mcpd.publisher("one").register(json!([samples::llm("llm")]), json!([])).await.expect(201);
    let stranger = client.with_token(None);
    assert_eq!(stranger.get_root("/healthz").await.expect(200).text, "ok\n");
    let _ = stranger.get_root("/readyz").await.expect(200);
    let metrics = stranger.get_root("/metrics").await.expect(200).text;
    let sequence = client.sequence().await;
    for line in ["mcpctl_llms 1".to_owned(), format!("mcpctl_log_sequence {sequence}")] {
        assert!(metrics.lines().any(|seen| seen == line), "{line}: {metrics}");
    }
    let document = stranger.get_root("/openapi.json").await.expect(200).json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    for path in ["/api/v1/llms", "/api/v1/llms/_provider-register", "/api/v1/agents/{name}/chat", "/api/v1/events"] {
        assert!(document["paths"][path].is_object(), "{path} is documented");
    }
    let wrong = mcpctl_tests::Client::send(stranger.at_root(reqwest::Method::POST, "/healthz")).await;
    wrong.refused(405, "METHOD_NOT_ALLOWED", "/healthz");
}

#[tokio::test]
async fn what_is_wrong_with_a_flag_is_said_with_its_name_and_exit_2() {
    let home = Home::default();
    let file = home.path().join("file");
    std::fs::write(&file, "no folder").expect("the home can be written");
    let file = file.display().to_string();
    let in_file = format!("{file}/data");
    let cases: [(&[&str], &str); 11] = [
        (&["--listen", "nowhere"], "--listen"),
        (&["--listen", "192.0.2.1:8420"], "--listen"),
        (&["--heartbeat-timeout", "soon"], "--heartbeat-timeout"),
        (&["--max-body", "much"], "--max-body"),
        (&["--no-such-flag"], "--no-such-flag"),
        (&["--log", "carrier-pigeon:x"], "--log"),
        (&["--log", "kafka://ann:secret@127.0.0.1:1/reg"], "--log: brokers are spoken to without SASL"),
        (&["--advertise-url", "node-1:8420"], "--advertise-url"),
        (&["--advertise-url", "http://ann:secret@node-1/"], "--advertise-url"),
        (&["--data-dir", &in_file], "--data-dir"),
        (&["--admin-token-file", "/nonexistent/token"], "--admin-token-file"),
    ];
    for (flags, name) in cases {
        let listen = format!("127.0.0.1:{}", port::free());
        let mut args = flags.to_vec();
        if !flags.contains(&"--listen") {
            args.extend(["--listen", &listen]);
        }
        let output = program::run("mcpd", &home, &args).await;
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(name), "{flags:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("secret"), "{flags:?}: {}", stderr(&output));
    }
    let everybody = ["--auth", "off", "--listen", "0.0.0.0:0"];
    let output = program::run("mcpd", &home, &everybody).await;
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("--auth"), "{}", stderr(&output));
}

#[tokio::test]
async fn the_token_is_the_users_alone_and_is_used_again() {
    let mut mcpd = Mcpd::start(&[]).await;
    let file = mcpd.home.mcpctl().join("credentials");
    let mode = std::fs::metadata(&file).expect("credentials").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = mcpd.home.token();
    assert!(!mcpd.process.log().contains(&token), "the token is not logged");
    assert!(!mcpd.client().get("/events").await.expect(200).text.contains(&token), "nor is it in the history");
    assert!(mcpd.process.stop().await.success());
    mcpd.start_again().await;
    assert_eq!(mcpd.home.token(), token);
    let _ = mcpd.client().get("/llms").await.expect(200);

    let home = Home::default();
    let given = home.path().join("token");
    std::fs::write(&given, "chosen-by-the-operator-0123456789\n").expect("the home can be written");
    let mcpd = Mcpd::start_in(home, &["--admin-token-file", &given.display().to_string()], &[]).await;
    let client = mcpctl_tests::Client::new(&mcpd.url, Some("chosen-by-the-operator-0123456789".to_owned()));
    let _ = client.get("/llms").await.expect(200);
}

#[tokio::test]
async fn a_log_that_was_tampered_with_is_read_but_not_written_to() {
    let mut mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    for number in 0..5 {
        let _ = client.post("/llms", &samples::public(&format!("original-{number}"), "http://h")).await.expect(201);
    }
    let events = client.events(0).await;
    let created = events.iter().find(|event| event["subject"] == "llm/original-1").expect("it is on record");
    let sequence = mcpctl_tests::client::sequence_of(created);
    assert!(mcpd.process.stop().await.success());
    let log = mcpd.home.data().join("log.db");
    let mut bytes = std::fs::read(&log).expect("the log");
    let (from, to) = (b"original-1", b"tampered-1");
    let at: Vec<_> = bytes.windows(from.len()).enumerate().filter(|(_, w)| w == from).map(|(at, _)| at).collect();
    assert!(!at.is_empty(), "the log holds the name in plain text");
    for at in at {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    std::fs::write(&log, bytes).expect("the log can be written");
    // A snapshot would spare the server the reading of what it covers.
    for entry in std::fs::read_dir(mcpd.home.data()).expect("the data folder").flatten() {
        if entry.file_name().to_string_lossy().contains("snapshot") {
            let _ = std::fs::remove_dir_all(entry.path()).or_else(|_| std::fs::remove_file(entry.path()));
        }
    }
    mcpd.spawn_again();
    // The next record's hash shows it.
    let ready = eventually("the server answers", SOON, async || {
        mcpctl_tests::Client::try_send(client.at_root(reqwest::Method::GET, "/readyz")).await.ok()
    })
    .await;
    let broken = format!("hash chain broken at sequence {}", sequence + 1);
    assert_eq!(ready.status, 503, "{}", ready.text);
    assert!(ready.text.contains(&broken), "{}", ready.text);
    assert!(mcpd.process.log().contains(&broken), "the log line has the reason: {}", mcpd.process.log());
    let listed = client.get("/llms").await.expect(200);
    assert_eq!(listed.json().as_array().map(Vec::len), Some(5), "what the tables hold is still read");
    let refused = client.post("/llms", &samples::public("late", "http://h")).await.expect(503);
    assert_eq!(refused.json()["code"], "NO_WRITER");
    assert!(refused.text.contains(&broken), "{}", refused.text);
    let records = || std::fs::metadata(&log).expect("the log").len();
    let before = records();
    assert!(mcpd.process.stop().await.success());
    assert_eq!(records(), before, "nothing was written to it");
}

#[tokio::test]
async fn dev_runs_all_of_it_in_one_process() {
    let home = Home::default();
    let listen = format!("127.0.0.1:{}", port::free());
    let args: Vec<String> = ["dev", "--no-probe", "--listen", &listen].map(str::to_owned).into();
    let mut dev = Program::start("mcpctl", &home, &args, &[]);
    eventually("dev greets", Duration::from_secs(20), async || {
        assert!(dev.ended().is_none(), "dev ended");
        dev.log().contains("chat demo").then_some(())
    })
    .await;
    assert!(dev.log().contains(&listen), "{}", dev.log());
    let chat =
        program::run("mcpctl", &home, &["--server", &format!("http://{listen}"), "chat", "demo", "-m", "hello dev"])
            .await;
    assert!(chat.status.success(), "{}", stderr(&chat));
    assert!(String::from_utf8_lossy(&chat.stdout).contains("hello dev"));
    assert!(stderr(&chat).contains(" thread: "), "{}", stderr(&chat));
    assert!(dev.stop().await.success(), "{}", dev.log());
}

#[tokio::test]
async fn the_command_line_lists_chats_and_fails_helpfully() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let model = mcpctl_tests::Model::start(says("from upstream")).await;
    let _ = client.post("/llms", &samples::public("public", &model.url)).await.expect(201);
    let _ = client.post("/agents", &json!({"name": "reviewer", "llm": "public"})).await.expect(201);
    let stdout = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let listed = mcpd.mcpctl(&["get", "agents"]).await;
    let listed = stdout(&listed);
    let mut lines = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next(), Some(vec!["NAME", "KIND", "STATUS", "LLM", "PROJECT", "DESCRIPTION"]));
    assert_eq!(lines.next(), Some(vec!["reviewer", "public", "active", "public", "-", "-"]));
    let chat = mcpd.mcpctl(&["chat", "reviewer", "--no-stream", "-m", "hi"]).await;
    assert_eq!(stdout(&chat), "from upstream\n", "{}", stderr(&chat));
    let failed = mcpd.mcpctl(&["chat", "nobody", "-m", "hi"]).await;
    assert_eq!((failed.status.code(), stdout(&failed)), (Some(1), String::new()));
    assert!(stderr(&failed).contains("nobody"), "{}", stderr(&failed));
    let named = mcpd.mcpctl(&["chat", "agent/reviewer", "--no-stream", "-m", "hi"]).await;
    assert_eq!(stdout(&named), "from upstream\n", "{}", stderr(&named));
    let mistaken = mcpd.mcpctl(&["chat", "public", "-m", "hi"]).await;
    assert!(stderr(&mistaken).contains("'public' is an Llm and no agent"), "{}", stderr(&mistaken));
    assert!(stderr(&mistaken).contains("next: `mcpctl chat-llm public`"), "{}", stderr(&mistaken));
    let mistaken = mcpd.mcpctl(&["chat-llm", "reviewer", "-m", "hi"]).await;
    assert!(stderr(&mistaken).contains("'reviewer' is an agent and no Llm"), "{}", stderr(&mistaken));
    let publisher = mcpd.publisher("one");
    let _ = publisher.register(json!([samples::llm("declared")]), json!([])).await.expect(201);
    let deleted = mcpd.mcpctl(&["delete", "llm", "llm/declared"]).await;
    assert_eq!(stdout(&deleted), "llm/declared deleted\n", "{}", stderr(&deleted));
    assert!(stderr(&deleted).contains("a publisher declares llm 'declared'"), "{}", stderr(&deleted));
    let deleted = mcpd.mcpctl(&["delete", "agent", "reviewer"]).await;
    assert_eq!((stdout(&deleted), stderr(&deleted)), ("agent/reviewer deleted\n".to_owned(), String::new()));
    let usage = mcpd.mcpctl(&["get", "wombats"]).await;
    assert_eq!(usage.status.code(), Some(2), "{}", stderr(&usage));
}

/// What is written to a file that nobody finds again is not acknowledged.
#[tokio::test]
async fn a_log_that_is_gone_or_replaced_takes_no_writes() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let (log, away) = (mcpd.home.data().join("log.db"), mcpd.home.data().join("away.db"));
    std::fs::rename(&log, &away).expect("moved away");
    let refused = client.post("/llms", &samples::public("lost", "http://h")).await.expect(503);
    assert!(refused.text.contains("is gone"), "{}", refused.text);
    let ready = async || client.get_root("/readyz").await;
    eventually("it is not ready", SOON, async || {
        let ready = ready().await;
        (ready.status == 503 && ready.text.contains("is gone")).then_some(())
    })
    .await;
    std::fs::write(&log, "another file").expect("something in its place");
    eventually("it says that it was replaced", SOON, async || {
        let refused = client.post("/llms", &samples::public("lost", "http://h")).await.expect(503);
        refused.text.contains("was replaced").then_some(())
    })
    .await;
    std::fs::rename(&away, &log).expect("back in its place");
    eventually("it is ready again", SOON, async || (ready().await.status == 200).then_some(())).await;
    eventually("it writes again", SOON, async || {
        (client.post("/llms", &samples::public("kept", "http://h")).await.status == 201).then_some(())
    })
    .await;
    assert_eq!(client.row("/llms", "lost").await, None);
}

#[tokio::test]
async fn a_health_check_needs_no_token_and_makes_up_no_counts() {
    let mcpd = Mcpd::start(&[]).await;
    let elsewhere = Home::default();
    let args = ["status", "-q", "-o", "json", "--server", &mcpd.url];
    let output = program::run("mcpctl", &elsewhere, &args).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["ready"], &report["agents"]), (&json!(true), &json!(null)));
}
