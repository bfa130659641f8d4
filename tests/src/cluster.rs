//! Several servers on one log in Kafka and one database.

use crate::{home::Home, kafka::Kafka, mcpd::Mcpd, postgres::Postgres, wait::eventually};
use serde_json::Value;
use std::time::Duration;

/// The secret that the servers share.
const KEY: &str = "a secret of the servers of this test\n";
const DATABASE: &str = "registry";
const TOPIC: &str = "registry";
/// Longest time until somebody leads.
const ELECTED: Duration = Duration::from_secs(15);

/// A broker, a database, and the servers that share them.
#[derive(Debug)]
pub struct Cluster {
    /// The servers, in the order of their start.
    pub nodes: Vec<Mcpd>,
    /// The broker.
    pub kafka: Kafka,
    /// The database's server.
    pub postgres: Postgres,
    /// The servers' user's.
    pub home: Home,
}

impl Cluster {
    /// Starts so many servers, each once the one before is ready.
    pub async fn start(servers: usize) -> Self {
        let mut it = Self::on(Kafka::start());
        for _ in 0..servers {
            it.add(&[]).await;
        }
        it
    }

    /// A database and no server yet.
    pub fn on(kafka: Kafka) -> Self {
        let postgres = Postgres::start();
        postgres.create(DATABASE);
        Self { nodes: Vec::new(), kafka, postgres, home: Home::default() }
    }

    /// Starts one more, with further flags.
    pub async fn add(&mut self, flags: &[&str]) -> &mut Mcpd {
        let key = self.home.path().join("cluster-key");
        std::fs::write(&key, KEY).expect("the home can be written");
        let data = self.home.path().join(format!("data-{}", self.nodes.len()));
        let (log, db) = (self.log(), self.db());
        let (key, data) = (key.display().to_string(), data.display().to_string());
        let mut all = vec!["--log", &*log, "--db", &*db, "--cluster-key", &*key, "--data-dir", &*data];
        all.extend(flags);
        self.nodes.push(Mcpd::start_in(self.home.clone(), &all, &[]).await);
        self.nodes.last_mut().expect("one was added")
    }

    /// The next servers have the credentials of this one's user.
    pub fn use_home_of(&mut self, server: &Mcpd) {
        self.home = server.home.clone();
    }

    /// `--log`.
    pub fn log(&self) -> String {
        self.kafka.log(TOPIC)
    }

    /// `--db`.
    pub fn db(&self) -> String {
        self.postgres.url(DATABASE)
    }

    /// What a query of the database prints.
    pub fn sql(&self, query: &str) -> String {
        self.postgres.run(DATABASE, query).trim_end().to_owned()
    }

    /// Which server leads, as this one knows it.
    pub async fn leader(&self, asked: usize) -> usize {
        eventually("somebody leads", ELECTED, async || {
            let path = "/events?type=registry.writer_elected.v1&limit=10000";
            let answer = self.nodes[asked].client().get(path).await;
            let elected: Value = serde_json::from_str(&answer.text).ok()?;
            let url = elected.as_array()?.last()?["data"]["advertiseUrl"].as_str()?.to_owned();
            self.nodes.iter().position(|node| node.url == url)
        })
        .await
    }
}
