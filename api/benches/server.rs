//! Figures of a whole server in this process: durable registers over HTTP, and the relay against a publisher that is
//! in this process too. Prints a table; every figure is of this run only.
#![allow(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]
#![expect(clippy::expect_used, reason = "a bench that cannot run ends with the reason")]

use clap::Parser;
use mcpctl_events::{
    command::{AgentEntry, Command, Provider, Register, User},
    name::{Name, SessionId},
    record::Actor,
};
use mcpd::{
    config::{Args, Config},
    server::Server,
    writer::Writer,
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the programs run with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUN: Duration = Duration::from_secs(3);
const ASK: &str = r#"{"messages":[{"role":"user","content":"hello"}]}"#;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    args: Args,
}

#[derive(Clone)]
struct Caller {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Caller {
    async fn post(self, path: &str, body: String) {
        let post = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let answer = post.header("content-type", "application/json").body(body).send().await.expect("an answer");
        let status = answer.status();
        let body = answer.bytes().await.expect("a body");
        assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    }
}

fn register(session: u64) -> String {
    format!(
        r#"{{"providerSessionId":"bench-{session}","providers":[{{"name":"llm-{session}","type":"openai","model":"m"}}],"agents":[{{"name":"agent-{session}","llmName":"llm-{session}","systemPrompt":"You are terse."}}]}}"#
    )
}

/// Runs `callers` loops of `call`, each with a number of its own, for a while; returns all latencies, and how long it took.
async fn load<F>(callers: usize, call: impl Fn(u64) -> F + Clone + Send + 'static) -> (Vec<Duration>, Duration)
where
    F: Future<Output = ()> + Send,
{
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let start = Instant::now();
    let loops: Vec<_> = (0..callers)
        .map(|_| {
            let call = call.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while start.elapsed() < RUN {
                    let began = Instant::now();
                    call(NEXT.fetch_add(1, Ordering::Relaxed)).await;
                    latencies.push(began.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut all = Vec::new();
    for latencies in loops {
        all.extend(latencies.await.expect("a loop"));
    }
    all.sort_unstable();
    (all, start.elapsed())
}

/// The same change as over HTTP, without it.
async fn write(writer: Writer, number: u64) {
    let (command, actor) = command(number);
    writer.write(command, actor, None).await.expect("history");
}

fn command(number: u64) -> (Command, Actor) {
    let name = |text: String| Name::parse(&text).expect("a name");
    let id = |kind: u128| Uuid::from_u128(0x019b_5a00_0000_7000_8000_0000_0000_0000 | kind << 40 | u128::from(number));
    let user = name("admin".to_owned());
    let provider = Provider::new(id(1), name(format!("direct-llm-{number}")), "openai", "m");
    let agent = AgentEntry {
        system_prompt: Some("You are terse.".to_owned()),
        ..AgentEntry::new(id(2), name(format!("direct-agent-{number}")), provider.name.clone())
    };
    let session = SessionId::parse(&format!("direct-{number}")).expect("a session");
    let owner = User { id: Uuid::from_u128(7), name: user.clone() };
    let register = Register { session, user: owner, providers: vec![provider], agents: vec![agent] };
    (Command::Register(register), Actor::User(user))
}

fn line(what: &str, (latencies, took): &(Vec<Duration>, Duration)) {
    let at = |part: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = ((latencies.len() - 1) as f64 * part) as usize;
        latencies[index].as_secs_f64() * 1e3
    };
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = latencies.len() as f64 / took.as_secs_f64();
    println!("{what:50} {rate:>10.0} {:>9.3} {:>9.3}", at(0.5), at(0.99));
}

async fn publish(caller: &Caller, home: &std::path::Path, stop: &CancellationToken) {
    use mcplocal::config::{Config, Kind, Provider};
    let echo = Provider::new("echo", Kind::Echo, "echo", None).expect("echo");
    let config = Config { providers: vec![echo], agents: vec![], warnings: vec![] };
    let endpoint = mcplocal::Endpoint { url: caller.url.clone(), token: caller.token.clone() };
    let session = home.join("provider-session");
    let settings = mcplocal::Settings::new(mcplocal::ServerSource::Fixed(endpoint), session, config);
    tokio::spawn(mcplocal::run(settings, stop.clone()));
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let llms = caller.http.get(format!("{}/api/v1/llms/echo", caller.url)).bearer_auth(&caller.token);
        let text = llms.send().await.expect("an answer").text().await.expect("a body");
        if text.contains(r#""connected":true"#) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the publisher did not connect");
}

fn main() {
    let home = tempfile::tempdir().expect("a folder");
    let data = home.path().join("data").display().to_string();
    let credentials = home.path().join("admin-token");
    std::fs::write(&credentials, "a-token-for-the-bench").expect("a file");
    let credentials = credentials.display().to_string();
    let flags = ["bench", "--listen", "127.0.0.1:0", "--data-dir", &data, "--admin-token-file", &credentials];
    let config = Config::from_args(Flags::parse_from(flags).args).expect("a configuration");
    // As many workers as the program takes on two cores.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let server = Server::start(config).await.expect("a server");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let caller = Caller { http, url: server.url().to_owned(), token: "a-token-for-the-bench".to_owned() };
        let stop = CancellationToken::new();
        let writer = server.writer();
        let serving = tokio::spawn(server.run(stop.clone()));
        println!("{:50} {:>10} {:>9} {:>9}", "", "per s", "p50 ms", "p99 ms");
        let over_http = {
            let caller = caller.clone();
            move |number| caller.clone().post("/api/v1/llms/_provider-register", register(number))
        };
        line("durable registers over HTTP, 1 caller", &load(1, over_http.clone()).await);
        line("durable registers over HTTP, 64 callers", &load(64, over_http).await);
        let direct = move |number| write(writer.clone(), number);
        line("durable registers through the writer, 1 caller", &load(1, direct.clone()).await);
        line("durable registers through the writer, 512 callers", &load(512, direct).await);
        publish(&caller, home.path(), &stop).await;
        let ask = move |_| caller.clone().post("/api/v1/llms/echo/infer", ASK.to_owned());
        line("relayed calls to the echo model, 1 caller", &load(1, ask.clone()).await);
        line("relayed calls to the echo model, 64 callers", &load(64, ask).await);
        stop.cancel();
        let _ = serving.await;
    });
}
