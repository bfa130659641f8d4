//! Calls to a pool: they go to whoever is free, and to another where one fails.

use super::SOON;
use mcpctl_tests::{Answer, Client, Mcpd, Model, Publisher, model, publisher::FEATURES, samples, within};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A member of pool `qwen`, connected.
async fn member(mcpd: &Mcpd, name: &str, max_concurrent: Option<u32>) -> Publisher {
    let mut publisher = mcpd.publisher(name);
    let mut llm = samples::llm(name);
    llm["poolName"] = json!("qwen");
    llm["maxConcurrent"] = json!(max_concurrent);
    let _ = publisher.register(json!([llm]), json!([])).await.expect(201);
    publisher.connect(FEATURES).await;
    publisher
}

fn call(mcpd: &Mcpd) -> JoinHandle<Answer> {
    tokio::spawn(Client::send(mcpd.client().request(Method::POST, "/llms/qwen/infer").json(&samples::ask(false))))
}

async fn text(call: JoinHandle<Answer>) -> String {
    let answer = within("the call ends", SOON, call).await.expect("no panic").expect(200).json();
    answer["choices"][0]["message"]["content"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn calls_go_to_the_least_loaded_member_and_the_next_in_line_to_who_is_free_first() {
    let mcpd = Mcpd::start(&[]).await;
    let (mut one, mut two) = (member(&mcpd, "one", Some(1)).await, member(&mcpd, "two", Some(1)).await);
    let open = [call(&mcpd), call(&mcpd)];
    let (of_one, of_two) = (one.task("infer").await, two.task("infer").await);
    let third = call(&mcpd);
    let _ = two.result(&of_two, &samples::completion("two")).await.expect(202);
    let next = two.task("infer").await;
    let _ = two.result(&next, &samples::completion("two again")).await.expect(202);
    assert_eq!(text(third).await, "two again");
    let _ = one.result(&of_one, &samples::completion("one")).await.expect(202);
    let mut answers = Vec::new();
    for call in open {
        answers.push(text(call).await);
    }
    answers.sort();
    assert_eq!(answers, ["one", "two"]);
}

#[tokio::test]
async fn a_call_goes_on_to_the_next_member_whatever_way_one_fails() {
    let mcpd = Mcpd::start(&["--accept-timeout", "200ms"]).await;
    let failures: [(&str, Option<Value>); 4] = [
        ("error", Some(json!({"error": "GPU fell off the bus"}))),
        ("refusal", Some(json!({"status": 503, "body": {"error": "loading"}}))),
        ("silence", None),
        ("leaving", None),
    ];
    for (how, said) in failures {
        let (mut bad, mut good) = (member(&mcpd, "bad", None).await, member(&mcpd, "good", None).await);
        // Whoever gets it is the bad one.
        let call = call(&mcpd);
        let is_good = tokio::select! {
            task = bad.task("infer") => Err(task),
            task = good.task("infer") => Ok(task),
        };
        let (task, first, second) = match is_good {
            Err(task) => (task, &mut bad, &mut good),
            Ok(task) => (task, &mut good, &mut bad),
        };
        match &said {
            Some(said) => drop(first.result(&task, said).await.expect(202)),
            None if how == "leaving" => first.hang_up(),
            None => {}
        }
        let task = second.task("infer").await;
        let _ = second.result(&task, &samples::completion(how)).await.expect(202);
        assert_eq!(text(call).await, how);
    }
}

#[tokio::test]
async fn what_began_is_not_tried_again_and_the_last_failure_is_told() {
    let mcpd = Mcpd::start(&[]).await;
    let mut one = member(&mcpd, "one", None).await;
    let request = mcpd.client().request(Method::POST, "/llms/qwen/infer").json(&samples::ask(true));
    let streaming = tokio::spawn(Client::send(request));
    let task = one.task("infer").await;
    let mut two = member(&mcpd, "two", None).await;
    let _ =
        one.results(&task, &[samples::chunk(&samples::words("first")), json!({"error": "broke"})]).await.expect(202);
    let data = within("the call ends", SOON, streaming).await.expect("no panic").expect(200).data();
    assert!(data[0].contains("first") && data[1].contains("broke") && data.len() == 2, "{data:?}");

    let call = call(&mcpd);
    for _ in 0..2 {
        let (task, member) = tokio::select! {
            task = one.task("infer") => (task, &mut one),
            task = two.task("infer") => (task, &mut two),
        };
        let _ = member.result(&task, &json!({"error": "out of memory"})).await.expect(202);
    }
    let answer = within("the call ends", SOON, call).await.expect("no panic");
    answer.refused(502, "PUBLISHER_ERROR", "out of memory");
}

#[tokio::test]
async fn public_members_share_the_pool_and_an_agent_may_be_pinned_to_it() {
    let mcpd = Mcpd::start(&[]).await;
    let model = Model::start(model::says("from afar")).await;
    let mut public = samples::public("afar", "http://127.0.0.1:9");
    public["poolName"] = json!("qwen");
    let _ = mcpd.client().post("/llms", &public).await.expect(201);
    public["name"] = json!("farther");
    public["url"] = json!(model.url);
    let _ = mcpd.client().post("/llms", &public).await.expect(201);
    for _ in 0..4 {
        assert_eq!(text(call(&mcpd)).await, "from afar", "the other cannot be reached");
    }
    let agent = json!({"name": "pooled", "llm": "qwen"});
    let _ = mcpd.client().post("/agents", &agent).await.expect(201);
    let said = mcpd.client().post("/agents/pooled/chat", &json!({"message": "hi"})).await.expect(200).json();
    assert_eq!(said["assistant"], "from afar");
    for name in ["afar", "farther"] {
        let _ = mcpd.client().post(&format!("/llms/{name}/disable"), &json!({})).await.expect(200);
    }
    let refused = mcpd.client().post("/llms/qwen/infer", &samples::ask(false)).await;
    refused.refused(503, "DISABLED", "no member of pool 'qwen' can be called; Llm 'afar' is disabled");
}

#[tokio::test]
async fn the_members_of_a_pool_are_listed_from_each_of_them() {
    let mcpd = Mcpd::start(&[]).await;
    let (_one, mut two) = (member(&mcpd, "one", None).await, member(&mcpd, "two", None).await);
    let alone = samples::public("alone", "http://127.0.0.1:9");
    let _ = mcpd.client().post("/llms", &alone).await.expect(201);
    two.hang_up();
    mcpctl_tests::eventually("it is inactive", SOON, async || {
        mcpd.client().row("/llms", "two").await.filter(|row| row["status"] == "inactive")
    })
    .await;
    for name in ["one", "two"] {
        let pool = mcpd.client().get(&format!("/llms/{name}/members")).await.expect(200).json();
        let names: Vec<_> = pool["members"].as_array().expect("a list").iter().map(|row| row["name"].clone()).collect();
        assert_eq!(names, ["one", "two"]);
        let rest = [&pool["poolName"], &pool["explicit"], &pool["size"], &pool["activeCount"]];
        assert_eq!(rest, [&json!("qwen"), &json!(true), &json!(2), &json!(1)]);
    }
    let pool = mcpd.client().get("/llms/alone/members").await.expect(200).json();
    let rest = [&pool["poolName"], &pool["explicit"], &pool["size"], &pool["activeCount"]];
    assert_eq!(rest, [&json!("alone"), &json!(false), &json!(1), &json!(1)]);
    mcpd.client().get("/llms/none/members").await.refused(404, "NOT_FOUND", "Llm not found: none");
}
