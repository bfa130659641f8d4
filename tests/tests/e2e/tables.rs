//! The read tables, and what only heartbeats said, when something happens to them.

use mcpctl_tests::{Mcpd, eventually, program::run, samples};
use rusqlite::Connection;
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

fn open(mcpd: &Mcpd, file: &str) -> Connection {
    Connection::open(mcpd.home.data().join(file)).expect("a database")
}

#[tokio::test]
async fn when_a_publisher_was_last_heard_is_known_after_a_kill() {
    let mut mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    let _ = publisher.register(json!([samples::llm("llm")]), json!([])).await.expect(201);
    publisher.connect("").await;
    let registered = client.row("/llms", "llm").await.expect("a row")["lastHeartbeatAt"].clone();
    let heard = eventually("a later sign of life", SOON, async || {
        let _ = publisher.heartbeat().await.expect(200);
        let heard = client.row("/llms", "llm").await.expect("a row")["lastHeartbeatAt"].clone();
        (heard != registered).then(|| heard.as_str().expect("a time").to_owned())
    })
    .await;
    let stream = open(&mcpd, "heartbeats.db");
    eventually("it is on the heartbeat stream", SOON, async || {
        let count = "SELECT count(*) FROM heartbeats WHERE instr(CAST(bytes AS TEXT), ?1) > 0";
        let count: i64 = stream.query_row(count, [&heard], |row| row.get(0)).expect("a count");
        (count > 0).then_some(())
    })
    .await;
    mcpd.process.kill();
    mcpd.start_again().await;
    let row = client.row("/llms", "llm").await.expect("a row");
    assert!(row["lastHeartbeatAt"].as_str() >= Some(heard.as_str()), "{row}: it was heard at {heard}");
}

#[tokio::test]
async fn tables_that_can_never_be_written_fail_no_write_and_are_made_anew() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let next = client.sequence().await + 1;
    let surplus = format!("INSERT INTO events VALUES ({next}, 1, 'someone', 'else', '')");
    let _ = open(&mcpd, "tables-1.db").execute(&surplus, []).expect("a row that is in the way");
    let written = client.post("/llms", &samples::public("llm", "http://h")).await.expect(201);
    assert_eq!((written.sequence(), written.header("x-mcpctl-projected")), (next, &*(next - 1).to_string()));
    let says = format!("events {next} to {next} cannot be written");
    eventually("the log names the event", SOON, async || mcpd.process.log().contains(&says).then_some(())).await;
    assert!(client.row("/llms", "llm").await.is_none(), "lists stay as they are");

    let data = mcpd.home.data();
    let (log, db) = (format!("sqlite:{}", data.join("log.db").display()), format!("sqlite:{}", data.display()));
    let rebuilt = run("mcpd-projector", &mcpd.home, &["rebuild", "--log", &log, "--db", &db]).await;
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    eventually("lists are whole again", SOON, async || client.row("/llms", "llm").await).await;
}

#[tokio::test]
async fn tables_that_fell_far_behind_catch_up_from_the_log() {
    /// More than wait in memory.
    const WRITES: usize = 1100;
    let mut mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let busy = open(&mcpd, "tables-1.db");
    busy.execute_batch("BEGIN IMMEDIATE").expect("the tables are ours");
    for number in 0..WRITES {
        let llm = samples::public(&format!("llm-{number}"), "http://h");
        let _ = client.post("/llms?wait=false", &llm).await.expect(201);
    }
    busy.execute_batch("ROLLBACK").expect("the tables are theirs");
    drop(busy);
    eventually("all rows are there", Duration::from_secs(15), async || {
        let rows = client.get("/llms").await.expect(200).json().as_array().map(Vec::len);
        rows.filter(|rows| *rows == WRITES)
    })
    .await;
    assert!(mcpd.process.log().contains("catching up from the log"), "{}", mcpd.process.log());
    assert!(mcpd.process.stop().await.success());
    mcpd.verify().await;
}

/// Rebuilt tables are read by a server that has nothing to write.
#[tokio::test]
async fn an_idle_server_turns_to_rebuilt_tables() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("llm", "http://h")).await.expect(201);
    let _ = open(&mcpd, "tables-1.db").execute("UPDATE llm_rows SET model = 'wrong'", []).expect("a false row");
    assert_eq!(client.row("/llms", "llm").await.expect("a row")["model"], "wrong");
    rebuild(&mcpd, true).await;
    assert_eq!(client.row("/llms", "llm").await.expect("a row")["model"], "gpt-x");
}

async fn rebuild(mcpd: &Mcpd, succeeds: bool) -> String {
    let data = mcpd.home.data();
    let (log, db) = (format!("sqlite:{}", data.join("log.db").display()), format!("sqlite:{}", data.display()));
    let rebuilt = run("mcpd-projector", &mcpd.home, &["rebuild", "--log", &log, "--db", &db]).await;
    let said = String::from_utf8_lossy(&rebuilt.stderr).into_owned();
    assert_eq!(rebuilt.status.success(), succeeds, "{said}");
    said
}

/// What only the tables still know is not thrown away with them.
#[tokio::test]
async fn an_older_copy_of_the_log_is_refused_and_no_rebuild_makes_it_good() {
    let mut mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("old", "http://h")).await.expect(201);
    assert!(mcpd.process.stop().await.success());
    let (log, older) = (mcpd.home.data().join("log.db"), mcpd.home.path().join("older.db"));
    std::fs::copy(&log, &older).expect("a copy");
    mcpd.start_again().await;
    let _ = client.post("/llms", &samples::public("new", "http://h")).await.expect(201);
    let last = client.sequence().await;
    assert!(mcpd.process.stop().await.success());
    std::fs::copy(&older, &log).expect("the copy in its place");
    mcpd.spawn_again();
    assert!(!mcpd.process.exit(SOON).await.success());
    assert!(mcpd.process.log().contains("an older copy is in its place"), "{}", mcpd.process.log());
    let said = rebuild(&mcpd, false).await;
    assert!(said.contains(&format!("checkpoint {last}")) && said.contains("cut short"), "{said}");
}

/// A record that is lost is no hole to step over: everything behind it would be lost in silence.
#[tokio::test]
async fn a_log_with_a_damaged_record_is_not_gone_on_with() {
    let mut mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    for number in 0..3 {
        let _ = client.post("/llms", &samples::public(&format!("llm-{number}"), "http://h")).await.expect(201);
    }
    let sequence = client.sequence().await;
    assert!(mcpd.process.stop().await.success());
    let file = open(&mcpd, "log.db");
    file.execute_batch("DROP TRIGGER records_are_never_changed").expect("no trigger");
    let damaged = "UPDATE records SET bytes = CAST('?' || substr(CAST(bytes AS TEXT), 2) AS BLOB)
        WHERE instr(CAST(bytes AS TEXT), 'llm/llm-1') > 0";
    assert_eq!(file.execute(damaged, []), Ok(1));
    drop(file);
    // Those would spare the server the reading of it.
    for name in ["tables-1.db", "tables.generation"] {
        let _ = std::fs::remove_file(mcpd.home.data().join(name));
    }
    mcpd.spawn_again();
    let says = format!("the log is damaged after sequence {}", sequence - 2);
    eventually("it says what is the matter", SOON, async || mcpd.process.log().contains(&says).then_some(())).await;
    eventually("it answers", SOON, async || {
        let ready = mcpctl_tests::Client::try_send(client.at_root(reqwest::Method::GET, "/readyz")).await.ok()?;
        (ready.status == 503 && ready.text.contains(&says)).then_some(())
    })
    .await;
    assert_eq!(client.post("/llms", &samples::public("late", "http://h")).await.status, 503);
    assert!(rebuild(&mcpd, false).await.contains(&says));
}
