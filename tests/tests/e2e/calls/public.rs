//! Public Llms: the server calls their address itself.

use mcpctl_tests::{Client, Home, Mcpd, Model, Reply, model::says, samples, sse::Sse, within};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

async fn publish(client: &Client, name: &str, url: &str) {
    let _ = client.post("/llms", &samples::public(name, url)).await.expect(201);
}

#[tokio::test]
async fn the_address_is_the_base_without_one_v1_and_then_the_path() {
    let (mcpd, model) = (Mcpd::start(&[]).await, Model::start(says("hi")).await);
    let client = mcpd.client();
    let bases = [
        ("", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1///", "/v1/chat/completions"),
        ("/v1beta", "/v1beta/v1/chat/completions"),
        ("/v1/v1", "/v1/v1/chat/completions"),
        ("/open/v1/", "/open/v1/chat/completions"),
    ];
    for (number, (base, path)) in bases.into_iter().enumerate() {
        let name = format!("p{number}");
        publish(&client, &name, &format!("{}{base}", model.url)).await;
        let answer = client.post(&format!("/llms/{name}/infer"), &samples::ask(false)).await.expect(200);
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "hi");
        let call = model.calls().pop().expect("a call");
        assert_eq!((call.path.as_str(), call.headers.get("authorization")), (path, None), "{base}");
        assert!(call.body.contains(r#""model":"gpt-x""#), "{}", call.body);
    }
}

#[tokio::test]
async fn the_key_is_read_at_call_time_and_sent_only_if_there_is_one() {
    let home = Home::default();
    let file = home.path().join("key");
    let env = [("MODEL_KEY", "sk-env"), ("EMPTY_KEY", "")];
    let (mcpd, model) = (Mcpd::start_in(home, &[], &env).await, Model::start(says("hi")).await);
    let client = mcpd.client();
    let create = |name: &str, key: Value| {
        let mut llm = samples::public(name, &model.url);
        llm["apiKeyRef"] = key;
        llm
    };
    let sent = async |name: &str| {
        let answer = client.post(&format!("/llms/{name}/infer"), &samples::ask(false)).await;
        let call = model.calls().pop();
        let header = call.and_then(|call| Some(call.headers.get("authorization")?.to_str().ok()?.to_owned()));
        (answer.status, header)
    };
    let row = client.post("/llms", &create("env", json!({"env": "MODEL_KEY"}))).await.expect(201);
    assert!(!row.text.contains("sk-env"), "{}", row.text);
    assert_eq!(sent("env").await, (200, Some("Bearer sk-env".to_owned())));
    let _ = client.post("/llms", &create("empty", json!({"env": "EMPTY_KEY"}))).await.expect(201);
    assert_eq!(sent("empty").await, (200, None));
    let _ = client.post("/llms", &create("file", json!({"file": file}))).await.expect(201);
    let calls = model.calls().len();
    let answer = client.post("/llms/file/infer", &samples::ask(false)).await;
    answer.refused(502, "API_KEY_UNREADABLE", "cannot be read");
    assert_eq!(model.calls().len(), calls, "without its key the model is not called");
    std::fs::write(&file, "sk-file\n").expect("the home can be written");
    assert_eq!(sent("file").await, (200, Some("Bearer sk-file".to_owned())));
    let history = client.get("/events?limit=1000").await.text;
    assert!(!history.contains("sk-env") && !history.contains("sk-file"), "keys never get into the history");
}

#[tokio::test]
async fn statuses_and_odd_bodies_pass_and_redirects_are_not_followed() {
    let (mcpd, model, other) =
        (Mcpd::start(&[]).await, Model::start(says("hi")).await, Model::start(says("elsewhere")).await);
    let client = mcpd.client();
    publish(&client, "p", &model.url).await;
    let ask = async || client.post("/llms/p/infer", &samples::ask(false)).await;
    model.replies(Reply::Whole(429, "application/json", r#"{"error":{"message":"slow", "n":1e400}}"#.into()));
    assert_eq!(ask().await.expect(429).text, r#"{"error":{"message":"slow", "n":1e400}}"#);
    model.replies(Reply::Whole(500, "text/html", "<h1>no</h1>".into()));
    let answer = ask().await.expect(500);
    assert_eq!((answer.text.as_str(), answer.header("content-type")), ("<h1>no</h1>", "text/html"));
    model.replies(Reply::Redirect(format!("{}/v1/chat/completions", other.url)));
    let answer = ask().await;
    assert!((300..400).contains(&answer.status) || answer.status == 502, "{}: {}", answer.status, answer.text);
    assert_eq!(other.calls().len(), 0, "another host gets neither prompt nor key");
    publish(&client, "nowhere", "http://127.0.0.1:9").await;
    client.post("/llms/nowhere/infer", &samples::ask(false)).await.refused(502, "UPSTREAM_ERROR", "'nowhere'");
}

#[tokio::test]
async fn a_public_stream_comes_chunk_by_chunk_and_ends_with_the_caller() {
    let (mcpd, model) = (Mcpd::start(&[]).await, Model::start(says("hi")).await);
    let client = mcpd.client();
    publish(&client, "p", &model.url).await;
    let chunks: Vec<_> = (0..20).map(|n| samples::words(&n.to_string())).collect();
    model.replies(Reply::Chunks(chunks.clone(), Duration::from_millis(1)));
    let answer = client.post("/llms/p/infer", &samples::ask(true)).await.expect(200);
    assert_eq!(answer.data(), [chunks, vec!["[DONE]".to_owned()]].concat());

    model.replies(Reply::Endless(samples::words("on "), Duration::from_millis(5)));
    let request = client.request(Method::POST, "/llms/p/infer").json(&samples::ask(true));
    let mut answer = Sse::new(request.send().await.expect("an answer"));
    answer.next().await;
    assert_eq!(model.open(), 1);
    drop(answer);
    let gone = || (model.open() == 0).then_some(());
    mcpctl_tests::eventually("the model's connection is dropped", Duration::from_secs(1), async || gone()).await;

    model.replies(Reply::Never);
    let request = client.request(Method::POST, "/llms/p/infer").json(&samples::ask(false));
    let call = tokio::spawn(Client::send(request));
    mcpctl_tests::eventually("the model is called", SOON, async || (model.open() == 1).then_some(())).await;
    call.abort();
    mcpctl_tests::eventually("the model's connection is dropped", Duration::from_secs(1), async || gone()).await;
}

#[tokio::test]
async fn a_public_stream_that_breaks_ends_with_an_error() {
    let (mcpd, model) = (Mcpd::start(&[]).await, Model::start(Reply::Breaks(vec!["first".into()])).await);
    let client = mcpd.client();
    publish(&client, "p", &model.url).await;
    let ask = samples::ask(true);
    let call = client.post("/llms/p/infer", &ask);
    let events = within("the answer ends", SOON, call).await.expect(200).data();
    assert_eq!((events.len(), events[0].as_str()), (2, "first"));
    assert!(events[1].contains(r#""code":"UPSTREAM_ERROR""#), "{events:?}");
}

#[tokio::test]
async fn a_public_model_has_to_answer_in_time() {
    let (mcpd, model) = (Mcpd::start(&["--first-byte-timeout", "300ms"]).await, Model::start(Reply::Never).await);
    let client = mcpd.client();
    publish(&client, "p", &model.url).await;
    let ask = samples::ask(false);
    let call = client.post("/llms/p/infer", &ask);
    within("the call ends", SOON, call).await.refused(504, "TIMED_OUT", "'p'");
}

#[tokio::test]
async fn silence_within_a_public_stream_ends_it_with_an_error() {
    let flags = ["--idle-timeout", "300ms", "--task-timeout", "2s"];
    let chunks = vec!["first".to_owned(), "never".to_owned()];
    let model = Model::start(Reply::Chunks(chunks, Duration::from_secs(4))).await;
    let mcpd = Mcpd::start(&flags).await;
    let client = mcpd.client();
    publish(&client, "p", &model.url).await;
    let ask = samples::ask(true);
    let events = within("the answer ends", Duration::from_secs(20), client.post("/llms/p/infer", &ask)).await.data();
    assert!(events.last().is_some_and(|last| last.contains(r#""code":"TIMED_OUT""#)), "{events:?}");
}
