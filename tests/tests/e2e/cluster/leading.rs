//! Who leads, and what becomes of writes meanwhile.

use super::{assert_one_history, llms, register};
use mcpctl_tests::{Mcpd, client::Client, cluster::Cluster, eventually, program, samples};
use nix::sys::signal::Signal;
use serde_json::json;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// The promise after a leader was killed, and after one was stopped.
const AFTER_A_KILL: Duration = Duration::from_secs(10);
const AFTER_A_STOP: Duration = Duration::from_secs(1);
/// Who writes while a leader is stopped.
const CALLERS: usize = 4;
/// A machine that has much else to do.
const BUSY: Duration = Duration::from_secs(5);

/// Asks until this server writes again, and says how long that took.
async fn writes_again(cluster: &Cluster, node: usize, llm: &str, within: Duration) -> Duration {
    let begun = Instant::now();
    eventually("writes go on", within + BUSY, async || {
        (register(cluster, node, llm).await.status == 201).then_some(())
    })
    .await;
    begun.elapsed()
}

#[tokio::test]
async fn writes_land_anywhere_and_are_read_anywhere() {
    let cluster = Cluster::start(2).await;
    for (node, llm) in [(0, "one"), (1, "two")] {
        let sequence = register(&cluster, node, llm).await.expect(201).sequence();
        let path = format!("/llms?minSequence={sequence}");
        let listed = cluster.nodes[1 - node].client().get(&path).await.expect(200);
        assert!(listed.text.contains(&format!("\"name\":\"{llm}\"")), "{}", listed.text);
        // The one that was asked has read its own write, however it was done.
        assert!(llms(&cluster, node).await.contains(&llm.to_owned()));
    }
    let repeated = register(&cluster, 0, "two").await.expect(201);
    assert_eq!(repeated.json()["llms"][0]["name"], "two", "a key is known on every server");
    let _ = register(&cluster, 1, "one").await.expect(201);
    let other = json!({"providerSessionId": "other", "providers": [samples::llm("one")], "agents": []});
    let refused = cluster.nodes[1].client().post("/llms/_provider-register", &other).await;
    refused.refused(409, "ACTIVE_ELSEWHERE", "already active under a different session");
    let rows = cluster.sql("SELECT string_agg(name || ' ' || kind || ' ' || status, ', ' ORDER BY name) FROM llms");
    assert_eq!(rows, "one virtual active, two virtual active", "people with SQL find the live tables");
    let since = cluster.sql("SELECT pg_typeof(created_at) FROM llms LIMIT 1");
    assert_eq!(since, "timestamp with time zone");
    let urls: BTreeSet<_> = cluster.nodes.iter().map(|node| node.url.clone()).collect();
    for node in &cluster.nodes {
        let status = eventually("all servers are known", BUSY, async || {
            let status = node.client().get("/status").await.expect(200).json();
            let known = status["replicas"].as_array()?.iter().filter_map(|url| url.as_str().map(str::to_owned));
            (known.collect::<BTreeSet<_>>() == urls).then_some(status)
        })
        .await;
        assert_eq!((&status["leader"], &status["log"]["backend"]), (&json!(cluster.nodes[0].url), &json!("kafka")));
        let shown = node.mcpctl(&["--server", &node.url, "--token", &node.home.token(), "status"]).await;
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains("Servers:    2: ") && shown.contains("Tables:     up to date"), "{shown}");
    }
    assert_one_history(&cluster, 1).await;
}

#[tokio::test]
async fn a_leader_that_is_killed_is_followed_and_nothing_is_lost() {
    let mut cluster = Cluster::start(3).await;
    for llm in 0..10 {
        let _ = register(&cluster, llm % 3, &format!("llm-{llm}")).await.expect(201);
    }
    let leader = cluster.leader(0).await;
    cluster.nodes[leader].process.kill();
    let left = (leader + 1) % 3;
    let took = writes_again(&cluster, left, "after", AFTER_A_KILL).await;
    println!("writes again after {took:?}");
    let mut expected: Vec<_> = (0..10).map(|llm| format!("llm-{llm}")).chain(["after".to_owned()]).collect();
    expected.sort();
    assert_eq!(llms(&cluster, left).await, expected);
    assert_one_history(&cluster, left).await;
    assert_ne!(cluster.leader(left).await, leader);
    // It comes back as one of those who follow.
    cluster.nodes[leader].start_again().await;
    let _ = register(&cluster, leader, "back").await.expect(201);
    assert_ne!(cluster.leader(leader).await, leader);
}

#[tokio::test]
async fn a_leader_that_is_stopped_hands_over_at_once() {
    let mut cluster = Cluster::start(2).await;
    let _ = register(&cluster, 0, "before").await.expect(201);
    let leader = cluster.leader(0).await;
    assert_eq!(cluster.nodes[leader].process.stop().await.code(), Some(0));
    let took = writes_again(&cluster, 1 - leader, "after", AFTER_A_STOP).await;
    println!("writes again after {took:?}");
    assert_eq!(llms(&cluster, 1 - leader).await, ["after", "before"]);
    // Where all of them were stopped, the next one leads at once as well.
    assert_eq!(cluster.nodes[1 - leader].process.stop().await.code(), Some(0));
    cluster.nodes[leader].start_again().await;
    let _ = writes_again(&cluster, leader, "again", AFTER_A_STOP).await;
}

#[tokio::test]
async fn what_is_handed_over_to_a_leader_that_stops_has_a_known_outcome() {
    let mut cluster = Cluster::start(2).await;
    let leader = cluster.leader(0).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (client, stop) = (cluster.nodes[1 - leader].client(), stop.clone());
        callers.spawn(async move {
            let body = json!({"providerSessionId": format!("s{caller}"), "agents": [],
                "providers": [samples::llm(&format!("llm-{caller}"))]});
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                answers.push(client.post("/llms/_provider-register?wait=false", &body).await);
            }
            answers
        });
    }
    let _ = writes_again(&cluster, 1 - leader, "before", AFTER_A_STOP).await;
    assert_eq!(cluster.nodes[leader].process.stop().await.code(), Some(0));
    let _ = writes_again(&cluster, 1 - leader, "after", AFTER_A_STOP).await;
    stop.store(true, Ordering::Relaxed);
    for answer in callers.join_all().await.into_iter().flatten() {
        if answer.status != 201 {
            answer.refused(503, "NO_WRITER", "");
        }
    }
}

#[tokio::test]
async fn a_leader_that_stood_still_does_nothing_from_what_it_knew() {
    let cluster = Cluster::start(2).await;
    let leader = cluster.leader(0).await;
    let paused = &cluster.nodes[leader];
    paused.process.signal(Signal::SIGSTOP);
    let _ = writes_again(&cluster, 1 - leader, "contested", AFTER_A_KILL).await;
    paused.process.signal(Signal::SIGCONT);
    let other = json!({"providerSessionId": "other", "providers": [samples::llm("contested")], "agents": []});
    let answer = paused.client().post("/llms/_provider-register", &other).await;
    assert!(answer.status == 409 || answer.status == 503, "{} {}", answer.status, answer.text);
    eventually("it follows", AFTER_A_KILL, async || (llms(&cluster, leader).await == ["contested"]).then_some(()))
        .await;
    assert_one_history(&cluster, leader).await;
    let _ = register(&cluster, leader, "forwarded").await.expect(201);
    assert_eq!(cluster.leader(leader).await, 1 - leader);
}

#[tokio::test]
async fn without_the_key_nobody_is_served_and_writes_say_what_is_missing() {
    let cluster = Cluster::start(1).await;
    let leader = &cluster.nodes[0];
    let stranger = Client::new(&leader.url, None);
    for path in ["/internal/v1/write", "/internal/v1/sweep", "/internal/v1/ping", "/internal/v1/call"] {
        let request =
            stranger.at_root(reqwest::Method::POST, path).header("x-mcpctl-cluster-key", "a guess of somebody");
        Client::send(request).await.refused(403, "NOT_A_REPLICA", "the same --cluster-key");
    }
    let data = leader.home.path().join("keyless");
    let (log, db, data) = (cluster.log(), cluster.db(), data.display().to_string());
    let keyless = Mcpd::start_in(leader.home.clone(), &["--log", &log, "--db", &db, "--data-dir", &data], &[]).await;
    let body = json!({"providers": [samples::llm("x")]});
    let refused = keyless.client().post("/llms/_provider-register", &body).await;
    refused.refused(503, "NO_WRITER", "without --cluster-key nothing is handed to it");
    let _ = keyless.client().get("/llms").await.expect(200);
}

/// Starts the server again, which ends with 2, and returns what it said.
async fn refused(cluster: &mut Cluster) -> String {
    let node = &mut cluster.nodes[0];
    let before = node.process.log().len();
    node.spawn_again();
    assert_eq!(node.process.exit(AFTER_A_KILL + 2 * BUSY).await.code(), Some(2));
    node.process.log()[before..].to_owned()
}

/// A topic that is lost is not made anew, nor another one taken for it.
#[tokio::test]
async fn a_server_whose_log_is_lost_says_so_and_changes_nothing() {
    let mut cluster = Cluster::start(1).await;
    let _ = register(&cluster, 0, "one").await.expect(201);
    assert_eq!(cluster.nodes[0].process.stop().await.code(), Some(0));
    cluster.kafka.kill();
    cluster.kafka.start_again();
    let said = refused(&mut cluster).await;
    assert!(said.contains("there is no topic registry, and the read tables in --db postgres://"), "{said}");
    let (log, db, home) = (cluster.log(), cluster.db(), cluster.nodes[0].home.clone());
    let verified = program::run("mcpd-projector", &home, &["verify", "--log", &log, "--db", &db]).await;
    let none = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(none.contains("there is no topic registry"), "none was made: {none}");
    let other = Mcpd::start(&["--log", &cluster.log()]).await;
    let said = refused(&mut cluster).await;
    assert!(said.contains("--db postgres://") && said.contains("the read tables were made from"), "{said}");
    let _ = other.client().get("/llms").await.expect(200);
}

#[tokio::test]
async fn a_second_start_makes_no_second_admin_and_reset_waits_until_nobody_leads() {
    let mut cluster = Cluster::start(1).await;
    let token = cluster.nodes[0].home.token();
    cluster.add(&[]).await;
    assert_eq!(cluster.nodes[1].home.token(), token);
    let tokens = cluster.nodes[1].client().get("/tokens").await.expect(200).json();
    assert_eq!(tokens.as_array().map(Vec::len), Some(1), "{tokens}");
    for node in &mut cluster.nodes {
        assert_eq!(node.process.stop().await.code(), Some(0));
    }
    let (log, db) = (cluster.log(), cluster.db());
    let data = cluster.nodes[0].home.path().join("reset").display().to_string();
    let args = ["reset-admin", "--log", &log, "--db", &db, "--data-dir", &data];
    let reset = program::run("mcpd", &cluster.nodes[0].home, &args).await;
    assert!(reset.status.success(), "{}", String::from_utf8_lossy(&reset.stderr));
    let made = String::from_utf8_lossy(&reset.stdout).trim().to_owned();
    cluster.nodes[0].start_again().await;
    let _ = Client::new(&cluster.nodes[0].url, Some(made)).get("/llms").await.expect(200);
    let _ = Client::new(&cluster.nodes[0].url, Some(token)).get("/llms").await.expect(401);
}
