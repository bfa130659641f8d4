//! A registry that outgrew one machine moves to Kafka and Postgres.

use super::assert_one_history;
use mcpctl_tests::{Mcpd, cluster::Cluster, samples};
use serde_json::json;

/// A line of what a command printed.
fn line(output: &std::process::Output, at: usize) -> String {
    String::from_utf8_lossy(&output.stdout).lines().nth(at).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_registry_moves_with_its_history_its_head_and_its_chats() {
    let mut cluster = Cluster::start(0).await;
    let mut old = Mcpd::start(&[]).await;
    for llm in ["one", "two"] {
        let registered = old.publisher(llm).register(json!([samples::llm(llm)]), json!([])).await;
        let _ = registered.expect(201);
    }
    let public = samples::public("gpt", "http://127.0.0.1:9/v1");
    let _ = old.client().post("/llms", &public).await.expect(201);
    let agent = json!({"name": "coder", "llm": {"name": "gpt"}});
    let _ = old.client().post("/agents", &agent).await.expect(201);
    // Nobody answers, but the thread is there.
    let _ = old.client().post("/agents/coder/chat", &json!({"message": "hi"})).await;
    let threads = old.client().get("/agents/coder/threads").await.expect(200).json();
    assert_eq!(threads.as_array().map(Vec::len), Some(1), "{threads}");
    let task = json!({"llm": "one", "request": samples::ask(false)});
    let task = old.client().post("/inference-tasks", &task).await.expect(202).json();

    let data = old.home.data();
    let (from, from_db) = (format!("sqlite:{}", data.join("log.db").display()), format!("sqlite:{}", data.display()));
    let (to, to_db) = (cluster.log(), cluster.db());
    let args = ["migrate", "--from", &from, "--to", &to, "--from-db", &from_db, "--to-db", &to_db];
    let refused = old.mcpctl(&args).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("next: stop it"), "{said}");
    assert_eq!(old.process.stop().await.code(), Some(0));
    let moved = old.mcpctl(&args).await;
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    let again = old.mcpctl(&args).await;
    assert_eq!(line(&again, 0), line(&moved, 0), "what is there is not written again");
    assert_eq!(line(&moved, 2), format!("serve it with: mcpd --log {to} --db postgres://… --cluster-key FILE"));

    cluster.use_home_of(&old);
    cluster.add(&[]).await;
    let client = cluster.nodes[0].client();
    let head = client.get("/audit/head").await.expect(200).json();
    let (sequence, hash) =
        line(&moved, 0).split_once(" events, head ").map(|(n, head)| (n.to_owned(), head.to_owned())).unwrap();
    let against = cluster.nodes[0]
        .mcpctl(&[
            "--server",
            &cluster.nodes[0].url,
            "--token",
            &old.home.token(),
            "audit",
            "verify",
            "--against",
            &hash,
        ])
        .await;
    assert!(against.status.success(), "{sequence} {head} {}", String::from_utf8_lossy(&against.stdout));
    let rows = client.get("/llms").await.expect(200).json();
    assert_eq!(rows.as_array().map(Vec::len), Some(3), "{rows}");
    assert_eq!(client.get("/agents/coder/threads").await.expect(200).json(), threads);
    let path = format!("/inference-tasks/{}", task["id"].as_str().expect("an id"));
    assert_eq!(client.get(&path).await.expect(200).json()["status"], "pending");
    assert_one_history(&cluster, 0).await;

    // Now it goes on there: nothing is put under whoever leads, and the old one is no longer where it ends.
    let late = old.mcpctl(&args).await;
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    assert!(!late.status.success() && said.contains("a server leads on topic registry"), "{said}");
    assert_eq!(cluster.nodes[0].process.stop().await.code(), Some(0));
    let late = old.mcpctl(&args).await;
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    assert!(!late.status.success() && said.contains("the topic holds another history"), "{said}");
}
