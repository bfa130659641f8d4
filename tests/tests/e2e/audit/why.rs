//! `why`: what it says is what is.

use super::SOON;
use mcpctl_tests::{Mcpd, eventually, samples};
use serde_json::{Value, json};

/// The explanation, as a person reads it in a pipe.
async fn why(mcpd: &Mcpd, args: &[&str]) -> String {
    let output = mcpd.mcpctl(&[&["why"], args].concat()).await;
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).expect("text");
    assert_eq!(said.lines().count(), 1, "one paragraph: {said}");
    said
}

#[track_caller]
fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
}

/// Waits until it is explained so.
async fn comes_to_say(mcpd: &Mcpd, args: &[&str], part: &str) -> String {
    let found = async || Some(why(mcpd, args).await).filter(|said| said.contains(part));
    eventually(&format!("why says {part:?}"), SOON, found).await
}

fn pooled(name: &str) -> Value {
    let mut llm = samples::llm(name);
    llm["poolName"] = json!("crew");
    llm
}

#[tokio::test]
async fn a_life_is_explained_while_it_goes_on_and_as_of_then() {
    let mcpd = Mcpd::start(&["--inactive-retention", "1h"]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("s-1"));
    let _ =
        publisher.register(json!([samples::llm("qwen")]), json!([samples::agent("coder", "qwen")])).await.expect(201);
    publisher.connect("").await;
    let agent = ["agent", "coder"];
    says(
        &why(&mcpd, &agent).await,
        &[
            "Virtual agent 'coder' can be called: it is active since",
            "its Llm 'qwen' can be called",
            "Its publisher is s-1 of admin, which is connected since",
            "It was registered at",
            "The agent becomes inactive when its publisher's stream ends and is not back within 250 ms",
        ],
    );
    let before = client.sequence().await.to_string();
    publisher.hang_up();
    let said = comes_to_say(&mcpd, &agent, "cannot be called: it is inactive since").await;
    says(
        &said,
        &[
            "Its publisher is s-1 of admin, which is not connected, and was last heard",
            "and so is its Llm 'qwen'",
            "because its publisher's stream ended at",
            "The agent comes back when publisher s-1 opens a stream, sends a heartbeat or registers it",
            "it will have been inactive for 1 h, and the next sweep deletes it",
        ],
    );
    let past = why(&mcpd, &["agent", "coder", "--as-of", &before]).await;
    says(
        &past,
        &[
            "As the log has it at ",
            &format!("(event {before}): "),
            "Virtual agent 'coder' can be called",
            "is connected since",
        ],
    );
    assert!(!past.contains("inactive"), "{past}");
    says(&why(&mcpd, &["agent", "coder", "--as-of", "1"]).await, &["(event 1): Agent 'coder' was not there yet."]);

    // What brings it back, as it says.
    let _ = publisher.heartbeat().await.expect(200);
    let said = comes_to_say(&mcpd, &agent, "because a heartbeat of its publisher was heard again").await;
    says(
        &said,
        &["cannot be called: its publisher is not connected", "though it and its Llm 'qwen' count as active still"],
    );
    publisher.connect("").await;
    let _ = comes_to_say(&mcpd, &agent, "can be called: it is active").await;

    // Offered no more: a heartbeat is not enough, and it says so.
    let _ = publisher.register(json!([samples::llm("qwen")]), json!([])).await.expect(201);
    let said = comes_to_say(&mcpd, &agent, "No publisher offers it.").await;
    says(&said, &["because its publisher no longer offers it", "a stream or a heartbeat is not enough"]);
    let _ = publisher.heartbeat().await.expect(200);
    says(&why(&mcpd, &agent).await, &["cannot be called: it is inactive"]);
    let _ =
        publisher.register(json!([samples::llm("qwen")]), json!([samples::agent("coder", "qwen")])).await.expect(201);
    let _ = comes_to_say(&mcpd, &agent, "because its publisher offered it again").await;

    let paused = mcpd.mcpctl(&["disable", "llm", "qwen"]).await;
    assert!(paused.status.success(), "{paused:?}");
    let said = comes_to_say(&mcpd, &agent, "cannot be called: its Llm 'qwen' is disabled by hand since").await;
    says(&said, &["by admin."]);
    says(&why(&mcpd, &["llm", "qwen"]).await, &["`mcpctl enable llm qwen` ends the pause"]);
    let asked = mcpd.mcpctl(&["why", "agent", "coder", "-o", "json"]).await;
    let json: Value = serde_json::from_slice(&asked.stdout).expect("JSON");
    assert_eq!(json["callable"], false, "{json}");
    assert_eq!(json["facts"]["llm"]["disabled"], true, "{json}");
    assert!(json["explanation"].as_str().is_some_and(|said| said.starts_with("Virtual agent 'coder'")), "{json}");
}

#[tokio::test]
async fn a_server_that_was_killed_tells_who_has_not_come_back() {
    let mut mcpd = Mcpd::start(&[]).await;
    let mut publisher = mcpd.publisher("s-1");
    let _ =
        publisher.register(json!([samples::llm("qwen")]), json!([samples::agent("coder", "qwen")])).await.expect(201);
    publisher.connect("").await;
    mcpd.process.kill();
    mcpd.start_again().await;
    let said = why(&mcpd, &["agent", "coder"]).await;
    says(
        &said,
        &[
            "cannot be called: its publisher is not connected",
            "Since then a server was started or took over at",
            "The agent becomes inactive when nothing is heard of it until",
            "until then its publisher only has to come back.",
        ],
    );
    publisher.connect("").await;
    let _ = comes_to_say(&mcpd, &["agent", "coder"], "can be called: it is active").await;
}

#[tokio::test]
async fn pools_public_rows_and_names_that_nothing_has_are_explained() {
    let mcpd = Mcpd::start(&["--inactive-retention", "10ms", "--gc-interval", "1h"]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("s-1"));
    let _ = publisher
        .register(json!([pooled("w1"), pooled("w2")]), json!([samples::agent("team", "crew")]))
        .await
        .expect(201);
    publisher.connect("").await;
    let _ = client.post("/llms/w2/disable", &json!({})).await.expect(200);
    let said = comes_to_say(&mcpd, &["agent", "team"], "1 of 2 members of its pool 'crew'").await;
    says(&said, &["Virtual agent 'team' can be called"]);
    says(
        &why(&mcpd, &["llm", "crew"]).await,
        &["'crew' is a pool of Llms, and can be called: 1 of 2 members (", "'w2' is disabled by hand"],
    );
    let _ = client.post("/llms/w1/disable", &json!({})).await.expect(200);
    let _ = comes_to_say(&mcpd, &["agent", "team"], "cannot be called: no member of its pool 'crew' can").await;

    // An Llm that a public agent needs is kept, and that is said in place of when it goes.
    let bot = json!({"name": "bot", "llm": "w1", "description": "x"});
    let _ = client.post("/agents", &bot).await.expect(201);
    publisher.hang_up();
    let kept = "as long as this is so: public agent 'bot' is pinned to it.";
    says(&comes_to_say(&mcpd, &["llm", "w1"], kept).await, &["The sweep keeps it though its 10 ms end at"]);
    let _ = client.post("/gc", &json!({})).await.expect(200);
    says(&why(&mcpd, &["llm", "w1"]).await, &["cannot be called", kept]);
    says(&why(&mcpd, &["llm", "w2"]).await, &["Llm 'w2' is not there any more.", "because it had been inactive for"]);
    let _ = client.put("/agents/bot", &json!({"llm": "w1", "description": "new"})).await.expect(200);
    let said = comes_to_say(&mcpd, &["agent", "bot"], "It was edited at").await;
    says(&said, &["Public agent 'bot' cannot be called", "by admin (description from 'x' to 'new')"]);

    for (args, next) in [
        (["why", "agent", "bott"], "did you mean 'bot'?"),
        (["history", "agent", "w1"], "there is an Llm of this name: say `llm w1`"),
    ] {
        let output = mcpd.mcpctl(&args).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        says(&said, &["Agent not found, nor ever there", next]);
    }
}
