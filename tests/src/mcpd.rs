//! The server.

use crate::{
    client::Client,
    home::Home,
    port,
    program::{self, Program},
    publisher::Publisher,
    wait::eventually,
};
use std::{process::Output, time::Duration};

/// Longest time until a server is ready.
const READY: Duration = Duration::from_secs(20);

/// `mcpd`, running.
#[derive(Debug)]
pub struct Mcpd {
    /// Its user's home.
    pub home: Home,
    /// Where it listens.
    pub url: String,
    /// The process.
    pub process: Program,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Mcpd {
    /// Starts a server on an empty store and waits until it is ready.
    pub async fn start(flags: &[&str]) -> Self {
        Self::start_in(Home::default(), flags, &[]).await
    }

    /// Starts a server in a home, with variables in its environment.
    pub async fn start_in(home: Home, flags: &[&str], env: &[(&str, &str)]) -> Self {
        let listen = format!("127.0.0.1:{}", port::free());
        let url = format!("http://{listen}");
        let mut args = vec!["--listen".to_owned(), listen];
        args.extend(flags.iter().map(|&flag| flag.to_owned()));
        let env: Vec<_> = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let process = Program::start("mcpd", &home, &args, &env);
        let mut mcpd = Self { home, url, process, args, env };
        mcpd.ready().await;
        mcpd
    }

    /// Starts it again, on the same address and files, without waiting.
    pub fn spawn_again(&mut self) {
        self.process.kill();
        self.process = Program::start("mcpd", &self.home, &self.args, &self.env);
    }

    /// Starts it again and waits until it is ready.
    pub async fn start_again(&mut self) {
        self.spawn_again();
        self.ready().await;
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) {
        let client = Client::new(&self.url, None);
        eventually("mcpd is ready", READY, async || {
            if let Some(status) = self.process.ended() {
                panic!("mcpd ended with {status} instead of getting ready");
            }
            let answer = Client::try_send(client.at_root(reqwest::Method::GET, "/readyz")).await;
            answer.ok().filter(|answer| answer.status == 200)
        })
        .await;
    }

    /// The admin.
    pub fn client(&self) -> Client {
        Client::new(&self.url, Some(self.home.token()))
    }

    /// A publisher that speaks the protocol by hand.
    pub fn publisher(&self, session: &str) -> Publisher {
        Publisher::new(self.client(), session)
    }

    /// `mcpctl`, run to its end with the admin's credentials.
    pub async fn mcpctl(&self, args: &[&str]) -> Output {
        self.mcpctl_with(args, &[]).await
    }

    /// The same, with more in its environment.
    pub async fn mcpctl_with(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        program::run_with("mcpctl", &self.home, args, env).await
    }

    /// Compares the tables with a fresh fold of the log; the server has to be stopped.
    pub async fn verify(&mut self) {
        assert!(self.process.ended().is_some(), "tables are verified while the server is stopped");
        let data = self.home.data();
        let (log, db) = (format!("sqlite:{}", data.join("log.db").display()), format!("sqlite:{}", data.display()));
        let output = program::run("mcpd-projector", &self.home, &["verify", "--log", &log, "--db", &db]).await;
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        assert!(output.status.success(), "the tables are not what the log says: {}{}", said[0], said[1]);
    }
}
