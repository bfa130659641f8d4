//! What those get who subscribe to `<topic>.events`.

use super::register;
use mcpctl_tests::{cluster::Cluster, program::installed};
use serde_json::Value;
use std::{collections::BTreeMap, process::Command};

/// The consumer that docs/subscribing.md shows, told to end where the topic ends.
const CONSUMER: &str = include_str!("../../../../docs/subscribing.py");

/// The events on the topic, by their sequence, as that consumer prints them: without what it ignores.
fn consumed(cluster: &Cluster) -> BTreeMap<u64, Value> {
    let script = cluster.nodes[0].home.path().join("subscribing.py");
    std::fs::write(&script, CONSUMER).expect("the home can be written");
    let mut command = Command::new(installed().join("venv/bin/python"));
    command.arg(script).args([&cluster.kafka.broker, "registry.events", "--until-end"]);
    let output = command.output().expect("python can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        (event["sequence"].as_str().and_then(|text| text.parse().ok()).expect("a sequence"), event)
    };
    lines.lines().map(event).collect()
}

/// Records on the topic, with those that a consumer ignores.
fn records(cluster: &Cluster) -> usize {
    const END: &str = "import sys, confluent_kafka as k
c = k.Consumer({'bootstrap.servers': sys.argv[1], 'group.id': 'end'})
print(c.get_watermark_offsets(k.TopicPartition('registry.events', 0), timeout=5)[1])";
    let mut command = Command::new(installed().join("venv/bin/python"));
    let output = command.args(["-c", END, &cluster.kafka.broker]).output().expect("python can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.trim().parse().unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

async fn history(cluster: &Cluster, node: usize) -> BTreeMap<u64, Value> {
    let events = cluster.nodes[node].client().get("/events?limit=10000").await.expect(200).json();
    let events = events.as_array().expect("events").iter();
    events.map(|event| (event["sequence"].as_str().expect("text").parse().expect("a number"), event.clone())).collect()
}

#[tokio::test]
async fn subscribers_get_every_event_as_the_history_has_it() {
    let mut cluster = Cluster::start(2).await;
    for llm in 0..5 {
        let _ = register(&cluster, llm % 2, &format!("llm-{llm}")).await.expect(201);
    }
    let leader = cluster.leader(0).await;
    cluster.nodes[leader].process.kill();
    let left = 1 - leader;
    mcpctl_tests::eventually("writes go on", std::time::Duration::from_secs(15), async || {
        (register(&cluster, left, "after").await.status == 201).then_some(())
    })
    .await;
    let expected = history(&cluster, left).await;
    mcpctl_tests::eventually("all is published", std::time::Duration::from_secs(10), async || {
        (consumed(&cluster) == expected).then_some(())
    })
    .await;
    // Whoever leads next goes on where the one before it was, but for the events that it handed over last.
    let (events, records) = (expected.len(), records(&cluster));
    assert!(records < events + 8, "{records} records for {events} events");
}
