//! What is published: what answers, and has the model.

use mcpctl_tests::{Home, Mcpd, Mcplocal, Model, eventually, mcplocal::config, model::says, port, samples};
use serde_json::json;
use std::time::Duration;

/// Model servers are looked at every 15 s.
const PROBED: Duration = Duration::from_secs(25);

#[tokio::test]
async fn a_model_whose_server_is_down_or_lacks_it_appears_when_it_is_there() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let up = Model::start(says("up")).await;
    let other = Model::start(says("found")).await;
    other.lists(&["some-other-model"]);
    let port = port::free();
    let provider =
        |name: &str, url: &str| json!({"name": name, "type": "openai", "model": "m", "url": url, "publish": true});
    let config = json!({
        "llm": {"providers": [
            provider("up", &up.url),
            provider("down", &format!("http://127.0.0.1:{port}/v1")),
            provider("lacking", &other.url),
            {"name": "private", "type": "openai", "model": "m", "url": up.url},
        ]},
        "agents": [{"name": "on-up", "llm": "up"}, {"name": "on-down", "llm": "down"}, {"name": "on-lacking", "llm": "lacking"}],
    });
    let mcplocal = Mcplocal::start(&mcpd.home, &config, &[]);
    mcplocal.connected(&client, "up").await;
    mcplocal.says("is down", Duration::from_secs(5)).await;
    mcplocal.says("does not have the model `m` (it has: some-other-model)", Duration::from_secs(5)).await;
    for (list, name) in [
        ("/llms", "down"),
        ("/agents", "on-down"),
        ("/llms", "lacking"),
        ("/agents", "on-lacking"),
        ("/llms", "private"),
    ] {
        assert!(client.row(list, name).await.is_none(), "{name} is published");
    }
    assert!(client.row("/agents", "on-up").await.is_some());

    let _down = Model::start_at(port, says("awake")).await;
    other.lists(&["m"]);
    for (llm, agent) in [("down", "on-down"), ("lacking", "on-lacking")] {
        eventually(format!("{llm} is published"), PROBED, async || {
            client.row("/agents", agent).await.filter(|row| row["connected"] == true)
        })
        .await;
        let _ = client.post(&format!("/llms/{llm}/infer"), &samples::ask(false)).await.expect(200);
    }
}

#[tokio::test]
async fn an_unreachable_server_never_stops_it() {
    let home = Home::default();
    let model = Model::start(says("hello")).await;
    let mut mcplocal = Mcplocal::start(&home, &config("llm", &model.url), &[]);
    mcplocal.says("credentials", Duration::from_secs(5)).await;
    assert!(mcplocal.process.ended().is_none());
    let mcpd = Mcpd::start_in(home, &[], &[]).await;
    eventually("it finds the server", Duration::from_secs(15), async || {
        mcpd.client().row("/llms", "llm").await.filter(|row| row["connected"] == true)
    })
    .await;
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_an_error_that_names_the_place() {
    let provider = |more: serde_json::Value| json!({"llm": {"providers": [more]}});
    let cases = [
        (provider(json!({"name": "x", "type": "openai", "publish": true})), "model"),
        (provider(json!({"name": "x", "type": "openai", "model": "m", "publish": true})), "url"),
        (provider(json!({"name": "Not A Name", "type": "echo", "model": "m", "publish": true})), "name"),
        (provider(json!({"name": "x", "type": "abacus", "model": "m", "publish": true})), "abacus"),
    ];
    for (config, says) in cases {
        let home = Home::default();
        let mut mcplocal = Mcplocal::start(&home, &config, &[]);
        let status = mcplocal.process.exit(Duration::from_secs(5)).await;
        let log = mcplocal.process.log();
        assert_eq!(status.code(), Some(2), "{log}");
        assert!(log.contains("config.json") && log.contains("/llm/providers/0") && log.contains(says), "{says}: {log}");
    }
}
