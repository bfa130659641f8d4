//! `kill -9` at any moment: what was acknowledged is there, the history has no gap, the tables are what the log says.

#[path = "durability/load.rs"]
mod load;

use load::Worker;
use mcpctl_tests::{Client, Mcpd, client::sequence_of, random::Random};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::task::JoinSet;

const KILLS: usize = 56;
const WORKERS: usize = 4;
/// Kills between two comparisons of the tables with the log.
const VERIFY_EVERY: usize = 14;
/// Kills between two that hit a server before it is ready.
const EARLY_EVERY: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_again_and_again() {
    let mut random = Random::from_env();
    let mut mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let mut workers: Vec<_> = (0..WORKERS).map(|number| Worker::new(number, random.fork())).collect();
    let mut history = History::default();
    for kill in 1..=KILLS {
        let moment = Duration::from_micros(random.below(120_000));
        workers = load_until_killed(&mut mcpd, workers, &client, moment).await;
        if kill % VERIFY_EVERY == 0 {
            mcpd.verify().await;
        }
        if kill % EARLY_EVERY == 0 {
            mcpd.spawn_again();
            tokio::time::sleep(Duration::from_micros(random.below(60_000))).await;
            mcpd.process.kill();
        }
        mcpd.start_again().await;
        history.read_on(&client).await;
        check(&client, &history, &workers).await;
    }
    for worker in &mut workers {
        assert!(worker.settle(&client).await, "the server is up");
    }
    history.read_on(&client).await;
    check(&client, &history, &workers).await;
    let acknowledged: usize = workers.iter().map(|worker| worker.acknowledged.len()).sum();
    assert!(acknowledged > KILLS * WORKERS, "only {acknowledged} writes were acknowledged: this was no load");
    history.is_unchanged(&client).await;
    assert!(mcpd.process.stop().await.success());
    mcpd.verify().await;
}

/// Kills the server while all workers write; the write that each is at stays in doubt.
async fn load_until_killed(mcpd: &mut Mcpd, workers: Vec<Worker>, client: &Client, moment: Duration) -> Vec<Worker> {
    let mut writing = JoinSet::new();
    for mut worker in workers {
        let client = client.clone();
        writing.spawn(async move {
            worker.write_until_broken(&client).await;
            worker
        });
    }
    tokio::time::sleep(moment).await;
    mcpd.process.kill();
    writing.join_all().await
}

/// Every acknowledged write is in the history and in the tables.
async fn check(client: &Client, history: &History, workers: &[Worker]) {
    let llms = by_name(client, "/llms").await;
    let agents = by_name(client, "/agents").await;
    for worker in workers {
        for (sequence, stem) in &worker.acknowledged {
            let subject = history.subject(*sequence);
            assert!(subject.ends_with(&format!("/{stem}")), "write {sequence} of {stem} became {subject}");
        }
        worker.compare(&llms, &agents);
    }
    let ours = |name: &&String| workers.iter().any(|worker| worker.knows(name));
    let strange: Vec<_> = llms.keys().chain(agents.keys()).filter(|name| !ours(name)).collect();
    assert!(strange.is_empty(), "nobody wrote {strange:?}");
}

async fn by_name(client: &Client, list: &str) -> BTreeMap<String, Value> {
    let rows = client.get(list).await.expect(200).json();
    let rows = rows.as_array().expect("a list is an array").clone();
    rows.into_iter().map(|row| (row["name"].as_str().expect("a row has a name").to_owned(), row)).collect()
}

/// All events read so far.
#[derive(Default)]
struct History(Vec<Value>);

impl History {
    async fn read_on(&mut self, client: &Client) {
        let mut last = self.0.len() as u64;
        for event in client.events(last).await {
            last += 1;
            assert_eq!(sequence_of(&event), last, "the history has a gap");
            self.0.push(event);
        }
    }

    fn subject(&self, sequence: u64) -> &str {
        let event = usize::try_from(sequence).ok().and_then(|sequence| self.0.get(sequence.checked_sub(1)?));
        event.unwrap_or_else(|| panic!("write {sequence} was acknowledged and is lost"))["subject"]
            .as_str()
            .expect("an event has a subject")
    }

    async fn is_unchanged(&self, client: &Client) {
        assert!(client.events(0).await == self.0, "what was read of the history before is not what is there now");
    }
}
