//! Calls on their way caller → mcpd → mcplocal → model server and back. Callers and model server are in this process;
//! CPU is that of all threads of mcpd and mcplocal, which is the figure that a noisy machine spares.

use crate::line;
use mcpctl_tests::{
    Client, Mcpd, Mcplocal, Model, Reply,
    mcplocal::config,
    model::says,
    samples::{ask, words},
};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const RUN: Duration = Duration::from_secs(5);
const CALLERS: usize = 64;
const CHUNKS: usize = 100;

pub async fn run() {
    println!("\nRelayed calls to an instant model server");
    let mcpd = Mcpd::start(&[]).await;
    let model = Model::start(says("ok")).await;
    let mut config = config("m", &model.url);
    config["llm"]["providers"][0]["maxConcurrent"] = CALLERS.into();
    let mcplocal = Mcplocal::start(&mcpd.home, &config, &[]);
    mcplocal.connected(&mcpd.client(), "m").await;
    for callers in [1, CALLERS] {
        let load = load(&mcpd, &mcplocal, callers, false).await;
        line(&format!("{callers} callers: calls a second"), &format!("{:.0}", load.rate));
        line(&format!("{callers} callers: median"), &format!("{:.2} ms", load.median.as_secs_f64() * 1e3));
        line(&format!("{callers} callers: CPU a call"), &format!("{:.1} µs", load.cpu_each.as_secs_f64() * 1e6));
    }
    model.replies(Reply::Chunks(vec![words("and then "); CHUNKS], Duration::ZERO));
    let load = load(&mcpd, &mcplocal, CALLERS, true).await;
    let each = load.cpu_each.as_secs_f64() * 1e6 / f64::from(u32::try_from(CHUNKS).expect("few"));
    line(&format!("{CALLERS} callers, {CHUNKS} chunks each: CPU a chunk"), &format!("{each:.1} µs"));
}

struct Load {
    rate: f64,
    median: Duration,
    cpu_each: Duration,
}

async fn load(mcpd: &Mcpd, mcplocal: &Mcplocal, callers: usize, stream: bool) -> Load {
    let cpu = || mcpd.process.cpu() + mcplocal.process.cpu();
    let (began, before) = (Instant::now(), cpu());
    let mut loops = JoinSet::new();
    for _ in 0..callers {
        loops.spawn(calls(mcpd.client(), began, stream));
    }
    let mut took: Vec<Duration> = loops.join_all().await.concat();
    let (elapsed, cpu) = (began.elapsed(), cpu().saturating_sub(before));
    took.sort_unstable();
    let count = u32::try_from(took.len()).expect("not that many");
    Load { rate: f64::from(count) / elapsed.as_secs_f64(), median: took[took.len() / 2], cpu_each: cpu / count }
}

async fn calls(client: Client, began: Instant, stream: bool) -> Vec<Duration> {
    let mut took = Vec::new();
    while began.elapsed() < RUN {
        let begin = Instant::now();
        let answer = client.post("/llms/m/infer", &ask(stream)).await.expect(200);
        assert!(!stream || answer.text.ends_with("data: [DONE]\n\n"), "{}", answer.text);
        took.push(begin.elapsed());
    }
    took
}
