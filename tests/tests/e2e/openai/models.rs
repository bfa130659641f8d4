//! The list of models: what can be called, and on demand the rest.

use mcpctl_tests::{Client, Mcpd, eventually, publisher::FEATURES, samples};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

async fn ids(client: &Client, path: &str) -> Vec<String> {
    let list = Client::send(client.at_root(Method::GET, path)).await.expect(200).json();
    assert_eq!(list["object"], "list");
    let data = list["data"].as_array().expect("a list");
    data.iter().map(|model| model["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn what_can_be_called_is_listed_and_the_rest_on_demand() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let mut publisher = mcpd.publisher("one");
    let (mut up, mut down) = (samples::llm("up"), samples::llm("down"));
    up["poolName"] = json!("pool");
    down["initialStatus"] = json!("hibernating");
    let agents = json!([samples::agent("of-up", "up"), samples::agent("of-pool", "pool")]);
    let _ = publisher.register(json!([up, down]), agents).await.expect(201);
    publisher.connect(FEATURES).await;
    for name in ["afar", "paused"] {
        let _ = client.post("/llms", &samples::public(name, "http://127.0.0.1:9")).await.expect(201);
    }
    // An Llm hides the pool of its name.
    let mut hiding = samples::public("hiding", "http://127.0.0.1:9");
    hiding["poolName"] = json!("afar");
    let _ = client.post("/llms", &hiding).await.expect(201);
    let _ = client.post("/agents", &json!({"name": "of-paused", "llm": "paused"})).await.expect(201);
    let _ = client.post("/llms/paused/disable", &json!({})).await.expect(200);
    assert_eq!(
        ids(&client, "/v1/models").await,
        ["afar", "down", "hiding", "up", "pool", "agent/of-pool", "agent/of-up"]
    );
    publisher.hang_up();
    let left = ["afar", "hiding"];
    eventually("what left is not listed", Duration::from_secs(5), async || {
        (ids(&client, "/v1/models").await == left).then_some(())
    })
    .await;
    assert_eq!(ids(&client, "/v1/models?all=true").await.len(), 9);

    let one = Client::send(client.at_root(Method::GET, "/v1/models/agent/of-up")).await.expect(200).json();
    assert_eq!(
        (&one["id"], &one["object"], &one["owned_by"]),
        (&json!("agent/of-up"), &json!("model"), &json!("admin"))
    );
    assert!(one["created"].as_i64() > Some(1_700_000_000), "{one}");
    let none: Value = Client::send(client.at_root(Method::GET, "/v1/models/none")).await.expect(404).json();
    assert_eq!(none["error"]["code"], "model_not_found");
}
