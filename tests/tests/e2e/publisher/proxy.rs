//! Behind a proxy that holds uploads back.

use mcpctl_tests::{Mcpd, Mcplocal, Model, Reply, mcplocal::config, nginx::Nginx, samples, sse::Sse};
use reqwest::Method;
use std::time::{Duration, Instant};

const CHUNKS: usize = 12;
const PAUSE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn streams_flow_behind_nginx_with_its_default_configuration() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let nginx = Nginx::start(&mcpd.home, &mcpd.url).await;
    let chunks: Vec<_> = (0..CHUNKS).map(|n| samples::words(&n.to_string())).collect();
    let model = Model::start(Reply::Chunks(chunks.clone(), PAUSE)).await;
    let token = mcpd.home.token();
    let flags = ["--server", nginx.url.as_str(), "--token", token.as_str()];
    let mcplocal = Mcplocal::start(&mcpd.home, &config("llm", &model.url), &flags);
    mcplocal.connected(&client, "llm").await;

    // The first answer shows that uploads are held back; it arrives all the same.
    let answer = client.post("/llms/llm/infer", &samples::ask(true)).await.expect(200);
    assert_eq!(answer.data().len(), CHUNKS + 1);
    mcplocal.says("holds uploads back", Duration::from_secs(1)).await;

    let request = client.request(Method::POST, "/llms/llm/infer").json(&samples::ask(true));
    let mut answer = Sse::new(request.send().await.expect("an answer"));
    let mut arrivals = Vec::new();
    let mut arrived = Vec::new();
    while let Some(event) = answer.event().await {
        arrivals.push(Instant::now());
        arrived.push(event.data);
    }
    assert_eq!(arrived, [chunks, vec!["[DONE]".to_owned()]].concat());
    let apart = arrivals.windows(2).filter(|pair| pair[1] - pair[0] > PAUSE / 2).count();
    assert!(apart >= CHUNKS * 2 / 3, "only {apart} of {CHUNKS} chunks came on their own: {arrivals:?}");
}
