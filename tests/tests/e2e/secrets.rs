//! Planted secrets are used, and nothing that the programs write, log or answer holds one.

use mcpctl_tests::{Home, Mcpd, Model, Reply, eventually, model::says, program::Program, samples};
use reqwest::Method;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(10);
/// Everything is told, by the libraries too.
const TRACE: (&str, &str) = ("RUST_LOG", "trace");

const OF_SERVER_ENV: &str = "sk-planted-in-the-servers-environment";
const OF_SERVER_FILE: &str = "sk-planted-in-a-file-of-the-server";
const OF_PROGRAM: &str = "planted-for-a-program-of-a-project";
const OF_PUBLISHER: &str = "sk-planted-with-the-publisher";
const OF_WAKE: &str = "planted-in-the-headers-of-a-wake";
const WRONG: &str = "mcp_planted-token-that-nobody-has";

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

async fn server(home: &Home) -> Mcpd {
    std::fs::write(home.path().join("server-key"), OF_SERVER_FILE).expect("a file");
    std::fs::write(home.path().join("program-key"), OF_PROGRAM).expect("a file");
    Mcpd::start_in(home.clone(), &[], &[TRACE, ("SERVER_KEY", OF_SERVER_ENV)]).await
}

/// Calls with the keys of the server: answered, redirected, broken off, refused.
async fn call_public(mcpd: &Mcpd, model: &Model, other: &Model) {
    let client = mcpd.client();
    let key = mcpd.home.path().join("server-key");
    for (name, url, key) in [
        ("by-env", model.url.as_str(), json!({"env": "SERVER_KEY"})),
        ("by-file", model.url.as_str(), json!({"file": key})),
        ("nowhere", "http://127.0.0.1:9", json!({"file": key})),
        ("unreadable", model.url.as_str(), json!({"file": mcpd.home.path()})),
    ] {
        let mut llm = samples::public(name, url);
        llm["apiKeyRef"] = key;
        let _ = client.post("/llms", &llm).await.expect(201);
    }
    let bearer = |model: &Model| {
        let call = model.calls().pop().expect("a call");
        call.headers["authorization"].to_str().expect("text").to_owned()
    };
    for reply in [
        says("hi"),
        Reply::Chunks(vec![samples::words("a")], Duration::ZERO),
        Reply::Breaks(vec![samples::words("a")]),
        Reply::Whole(401, "application/json", "{}".to_owned()),
        Reply::Redirect(format!("{}/v1/chat/completions", other.url)),
    ] {
        let streams = matches!(reply, Reply::Chunks(..) | Reply::Breaks(_));
        model.replies(reply);
        for (name, key) in [("by-env", OF_SERVER_ENV), ("by-file", OF_SERVER_FILE)] {
            let _ = client.post(&format!("/llms/{name}/infer"), &samples::ask(streams)).await;
            assert_eq!(bearer(model), format!("Bearer {key}"), "it is used");
        }
    }
    assert_eq!(other.calls().len(), 0, "a redirect takes no key anywhere");
    for name in ["nowhere", "unreadable"] {
        assert_eq!(client.post(&format!("/llms/{name}/infer"), &samples::ask(false)).await.status, 502);
    }
    // A program of a project that gets a secret and is no MCP server at all.
    let env = json!({"KEY": {"file": mcpd.home.path().join("program-key")}});
    let servers =
        json!([{"name": "broken", "command": "/bin/sh", "args": ["-c", "echo $KEY 1>&2; exit 3"], "env": env}]);
    let _ = client.post("/projects", &json!({"name": "apollo", "mcpServers": servers})).await.expect(201);
    let _ = client.post("/agents", &json!({"name": "helper", "llm": "by-env", "project": "apollo"})).await.expect(201);
    model.replies(says("hi"));
    let _ = client.post("/agents/helper/chat", &json!({"message": "hi"})).await.expect(200);
    client.with_token(Some(WRONG)).get("/agents").await.refused(401, "UNAUTHORIZED", "not known");
}

/// A publisher with a key and a recipe for waking, which are used.
async fn publish(mcpd: &Mcpd, model: &Model, alarm: &Model) -> Program {
    mcpd.home.configure(&json!({
        "llm": {"providers": [
            {"name": "keyed", "type": "openai", "model": "m", "url": model.url, "publish": true, "apiKey": {"env": "KEY"}},
            {"name": "sleeper", "type": "openai", "model": "m", "url": "http://127.0.0.1:9", "publish": true,
                "wake": {"type": "http", "url": format!("{}/{OF_WAKE}", alarm.url), "maxWaitSeconds": 1,
                    "headers": {"authorization": OF_WAKE}, "body": {"password": OF_WAKE}}},
        ]},
    }));
    let env = [TRACE, ("KEY", OF_PUBLISHER)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let publisher = Program::start("mcplocal", &mcpd.home, &[], &env);
    eventually("both are published", SOON, async || {
        let rows = [mcpd.client().row("/llms", "keyed").await?, mcpd.client().row("/llms", "sleeper").await?];
        rows.iter().all(|row| row["connected"] == true).then_some(())
    })
    .await;
    for (reply, streams) in [(says("hi"), false), (Reply::Breaks(vec![samples::words("a")]), true)] {
        model.replies(reply);
        let _ = mcpd.client().post("/llms/keyed/infer", &samples::ask(streams)).await;
        let call = model.calls().pop().expect("a call");
        assert_eq!(call.headers["authorization"], format!("Bearer {OF_PUBLISHER}"));
    }
    assert_eq!(mcpd.client().post("/llms/sleeper/infer", &samples::ask(false)).await.status, 503);
    assert_eq!(alarm.calls().pop().expect("a wake").headers["authorization"], OF_WAKE);
    publisher
}

#[tokio::test]
async fn nothing_that_is_written_or_told_holds_a_secret() {
    let home = Home::default();
    let mut mcpd = server(&home).await;
    let (model, other, alarm) =
        (Model::start(says("hi")).await, Model::start(says("hi")).await, Model::start(says("{}")).await);
    let made = mcpd.client().post("/tokens", &json!({"name": "ci", "role": "viewer"})).await.expect(201).json();
    let made = made["token"].as_str().expect("a token").to_owned();
    assert_eq!(mcpd.client().with_token(Some(&made)).get("/agents").await.status, 200);
    call_public(&mcpd, &model, &other).await;
    let mut publisher = publish(&mcpd, &model, &alarm).await;

    let admin = home.token();
    let secrets =
        [OF_SERVER_ENV, OF_SERVER_FILE, OF_PROGRAM, OF_PUBLISHER, OF_WAKE, WRONG, made.as_str(), admin.as_str()];
    // What anybody is told.
    let mut told = Vec::new();
    for path in [
        "/llms",
        "/agents",
        "/projects",
        "/sessions",
        "/tokens",
        "/grants",
        "/inference-tasks",
        "/events?limit=10000",
        "/heartbeats",
        "/audit/head",
        "/llms/by-file/history",
        "/llms/nowhere/why",
        "/llms/sleeper/why",
        "/auth/whoami",
    ] {
        told.push(mcpd.client().get(path).await.expect(200).text);
    }
    told.push(mcpd.client().get("/audit/records").await.expect(200).text);
    told.push(mcpd.client().get_root("/metrics").await.text);
    let until = format!("/events?after=0&until={}", mcpd.client().sequence().await);
    let follow = mcpd.client().request(Method::GET, &until).header("accept", "text/event-stream");
    told.push(follow.send().await.expect("a stream").text().await.expect("it ends"));
    for args in [
        &["get", "llms", "-o", "yaml"][..],
        &["describe", "llm", "by-file"],
        &["events"],
        &["token", "list", "-o", "json"],
        &["why", "llm", "sleeper"],
        &["status", "-o", "json"],
        &["context", "list"],
    ] {
        let output = mcpd.mcpctl(args).await;
        told.extend([output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()));
    }
    for (told, secret) in told.iter().flat_map(|told| secrets.map(|secret| (told, secret))) {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    // What is in files, the programs' own logs among them.
    assert!(publisher.stop().await.success());
    assert!(mcpd.process.stop().await.success());
    let kept = ["credentials", "server-key", "program-key", "config.json"];
    let written = files(home.path());
    assert!(
        written.iter().any(|file| file.ends_with("mcpd.log")) && written.iter().any(|file| file.ends_with("log.db"))
    );
    for file in written.iter().filter(|file| !kept.contains(&&*file.file_name().expect("a name").to_string_lossy())) {
        let bytes = std::fs::read(file).expect("a file");
        for secret in secrets {
            assert!(!holds(&bytes, secret), "{secret} in {}", file.display());
        }
    }
    let log = std::fs::read_to_string(home.path().join("mcpd.log")).expect("a log");
    assert!(log.contains("TRACE"), "all was told");
}
