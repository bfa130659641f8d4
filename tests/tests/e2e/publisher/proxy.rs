//! Behind a proxy that holds uploads back.

use mcpctl_tests::{
    Mcpd, Mcplocal, Model, Reply, eventually, mcplocal::config, nginx::Nginx, program, samples, sse::Sse,
};
use reqwest::Method;
use std::time::{Duration, Instant};

const CHUNKS: usize = 12;
const PAUSE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn streams_flow_behind_nginx_with_its_default_configuration() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let nginx = Nginx::start(&mcpd.home, &mcpd.url).await;
    let chunks: Vec<_> = (0..CHUNKS).map(|n| samples::words(&n.to_string())).collect();
    let model = Model::start(Reply::Chunks(chunks.clone(), PAUSE)).await;
    let token = mcpd.home.token();
    let flags = ["--server", nginx.url.as_str(), "--token", token.as_str()];
    let mcplocal = Mcplocal::start(&mcpd.home, &config("llm", &model.url), &flags);
    mcplocal.connected(&client, "llm").await;

    // The first answer shows that uploads are held back; it arrives all the same.
    let answer = client.post("/llms/llm/infer", &samples::ask(true)).await.expect(200);
    assert_eq!(answer.data().len(), CHUNKS + 1);
    mcplocal.says("holds uploads back", Duration::from_secs(1)).await;

    let request = client.request(Method::POST, "/llms/llm/infer").json(&samples::ask(true));
    let mut answer = Sse::new(request.send().await.expect("an answer"));
    let mut arrivals = Vec::new();
    let mut arrived = Vec::new();
    while let Some(event) = answer.event().await {
        arrivals.push(Instant::now());
        arrived.push(event.data);
    }
    assert_eq!(arrived, [chunks, vec!["[DONE]".to_owned()]].concat());
    let apart = arrivals.windows(2).filter(|pair| pair[1] - pair[0] > PAUSE / 2).count();
    assert!(apart >= CHUNKS * 2 / 3, "only {apart} of {CHUNKS} chunks came on their own: {arrivals:?}");
}

/// What `mcplocal check` printed, and how it ended.
async fn check(mcpd: &Mcpd, flags: &[&str]) -> (String, Option<i32>) {
    let output = program::run("mcplocal", &mcpd.home, &[flags, &["check"]].concat()).await;
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[tokio::test]
async fn check_tells_what_is_there_and_whether_streams_pass() {
    let mcpd = Mcpd::start(&[]).await;
    let model = Model::start(Reply::Chunks(vec![samples::words("hi")], PAUSE)).await;
    mcpd.home.configure(&config("llm", &model.url));
    let before = mcpd.client().sequence().await;
    let (said, code) = check(&mcpd, &["--server", &mcpd.url]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(mcpd.client().sequence().await, before, "it asks, and registers nothing");
    for line in [
        "registry      ok       would take all of it",
        "server        ok",
        "token         ok       user admin, role admin",
        "uploads       ok",
        "streams       ok",
        "llm           ok",
    ] {
        assert!(said.lines().any(|it| it.starts_with(line)), "{line}: {said}");
    }
    let init = program::run("mcplocal", &mcpd.home, &["init", "--yes"]).await;
    let told = String::from_utf8_lossy(&init.stderr).into_owned();
    assert!(init.status.code() == Some(1) && told.contains("config.json is there already"), "{told}");
    let nginx = Nginx::start(&mcpd.home, &mcpd.url).await;
    let token = mcpd.home.token();
    let (said, code) = check(&mcpd, &["--server", &nginx.url, "--token", &token]).await;
    assert!(code == Some(0) && said.contains("uploads       warning  are held back on the way"), "{said}");
    assert!(said.contains("streams       ok"), "{said}");
    drop(model);
    let (said, code) = check(&mcpd, &["--server", &mcpd.url, "--token", "wrong"]).await;
    assert!(
        code == Some(1) && said.contains("token         FAILED") && said.contains("llm           FAILED"),
        "{said}"
    );
    let (said, code) = check(&mcpd, &["--server", "http://127.0.0.1:9", "--token", "t"]).await;
    assert!(
        code == Some(1) && said.contains("server        FAILED   http://127.0.0.1:9: Connection refused"),
        "{said}"
    );
}

#[tokio::test]
async fn check_tells_what_the_registry_would_refuse() {
    let mcpd = Mcpd::start(&[]).await;
    let model = Model::start(Reply::Chunks(vec![samples::words("hi")], PAUSE)).await;
    let mut pinned_elsewhere = config("llm", &model.url);
    pinned_elsewhere["agents"][0]["llm"] = "nobody".into();
    mcpd.home.configure(&pinned_elsewhere);
    let (said, code) = check(&mcpd, &["--server", &mcpd.url]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("registry      FAILED   agent 'llm-agent', llm: Llm not found: nobody"), "{said}");
    let public = serde_json::json!({"name": "llm", "type": "openai", "model": "m", "url": "http://127.0.0.1:9"});
    let _ = mcpd.client().post("/llms", &public).await.expect(201);
    mcpd.home.configure(&config("llm", &model.url));
    let (said, _) = check(&mcpd, &["--server", &mcpd.url]).await;
    assert!(said.contains("provider 'llm', name: Cannot publish over public Llm: llm"), "{said}");
    assert!(said.contains("publish it under another name (--name-suffix"), "{said}");
}

#[tokio::test]
async fn a_publisher_that_takes_its_session_back_declares_what_is_its_own() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let model = Model::start(Reply::Chunks(vec![samples::words("hi")], PAUSE)).await;
    let first = Mcplocal::start(&mcpd.home, &config("llm", &model.url), &[]);
    first.connected(&client, "llm").await;
    let second = Mcplocal::start(&mcpd.home, &config("llm", &model.url), &["--name-suffix", "-laptop"]);
    second.connected(&client, "llm-laptop").await;
    drop(second);
    first.connected(&client, "llm").await;
    eventually("the other one's row is let go", Duration::from_secs(10), async || {
        (client.row("/llms", "llm-laptop").await?["status"] == "inactive").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_publisher_says_how_it_stands_and_a_suffix_tells_machines_apart() {
    let mcpd = Mcpd::start(&[]).await;
    let model = Model::start(Reply::Chunks(vec![samples::words("hi")], PAUSE)).await;
    let status = || program::run("mcplocal", &mcpd.home, &["status"]);
    mcpd.home.configure(&config("llm", &model.url));
    let before = status().await;
    assert_eq!(before.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&before.stderr).contains("mcplocal has not run here yet"));
    let mcplocal = Mcplocal::start(&mcpd.home, &config("llm", &model.url), &["--name-suffix", "-laptop"]);
    mcplocal.connected(&mcpd.client(), "llm-laptop").await;
    let now = status().await;
    let said = String::from_utf8_lossy(&now.stdout).into_owned();
    assert_eq!(now.status.code(), Some(0), "{said}");
    assert!(said.contains("Connected:   yes, by sse") && said.contains("Agents:      llm-agent-laptop"), "{said}");
    let unit = program::run("mcplocal", &mcpd.home, &["--name-suffix", "-laptop", "install-service", "--print"]).await;
    let unit = String::from_utf8_lossy(&unit.stdout).into_owned();
    let home = mcpd.home.mcpctl().display().to_string();
    assert!(unit.contains(&format!("mcplocal --home {home} --name-suffix=-laptop\n")), "{unit}");
}
