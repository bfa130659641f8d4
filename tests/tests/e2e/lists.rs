//! Lists: which rows a filter means, and what is no filter.

use mcpctl_tests::{Client, Mcpd, samples};
use serde_json::{Value, json};

const URL: &str = "http://127.0.0.1:9";

/// The names that a list shows.
async fn names(client: &Client, list: &str) -> Vec<String> {
    let rows = client.get(list).await.expect(200).json();
    let rows = rows.as_array().expect("a list is an array").iter();
    rows.map(|row| row["name"].as_str().expect("a row has a name").to_owned()).collect()
}

/// A public Llm with more members.
fn public(name: &str, more: &Value) -> Value {
    let mut llm = samples::public(name, URL);
    for (key, value) in more.as_object().expect("an object") {
        llm[key] = value.clone();
    }
    llm
}

#[tokio::test]
async fn the_next_page_keeps_the_filters() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let _ = mcpd.publisher("one").register(json!([samples::llm("llm")]), json!([])).await.expect(201);
    for name in ["b", "c", "d"] {
        let _ = client.post("/llms", &samples::public(name, URL)).await.expect(201);
    }
    let link = client.get("/llms?limit=1&kind=public").await.header("link").to_owned();
    assert!(link.contains("limit=1") && link.contains("kind=public") && link.contains("cursor=b"), "{link}");
}

#[tokio::test]
async fn what_is_no_filter_of_a_list_is_refused_by_name() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    for filter in ["project", "llm"] {
        let answer = client.get(&format!("/llms?{filter}=x")).await;
        answer.refused(400, "INVALID", filter);
        assert_eq!(answer.pointers(), [filter]);
    }
    let answer = client.get("/agents?kind=x&status=y&limit=0").await.expect(400);
    let mut pointers = answer.pointers();
    pointers.sort();
    assert_eq!(pointers, ["kind", "limit", "status"], "{}", answer.text);
    let reasons = answer.json()["details"].clone();
    let reasons = reasons.as_array().expect("an array").iter();
    assert!(reasons.clone().all(|problem| problem["reason"].as_str().is_some_and(|reason| !reason.is_empty())));
}

#[tokio::test]
async fn a_pool_lists_who_is_pinned_to_it_alone() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    for name in ["m1", "m2"] {
        let _ = client.post("/llms", &public(name, &json!({"poolName": "p"}))).await.expect(201);
    }
    let _ = client.post("/llms", &samples::public("alone", URL)).await.expect(201);
    for (name, llm) in [("pooled", "p"), ("direct", "m1"), ("other", "alone")] {
        let _ = client.post("/agents", &json!({"name": name, "llm": llm})).await.expect(201);
    }
    assert_eq!(names(&client, "/agents?pool=p").await, ["pooled"]);
    assert_eq!(names(&client, "/agents?llm=m1").await, ["direct"]);
    assert_eq!(names(&client, "/llms?pool=p").await, ["m1", "m2"]);
    let pooled = client.row("/agents?pool=p", "pooled").await.expect("a row");
    assert_eq!(pooled["llm"], json!({"id": null, "name": "p"}));
}

#[tokio::test]
async fn labels_and_words_find_their_rows() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let rows = [
        public("one", &json!({"labels": {"a": "b", "team": "x=y"}, "description": "100% Sure"})),
        public("two", &json!({"labels": {"a": "bb"}, "description": "1000 words"})),
        public("three", &json!({"labels": {"aa": "b"}, "description": "sure"})),
        public("four", &json!({"labels": {"x": "\"a\":\"b\""}})),
    ];
    for row in &rows {
        let _ = client.post("/llms", row).await.expect(201);
    }
    let found = [
        ("label=a=b", &["one"][..]),
        ("label=team=x=y", &["one"]),
        ("label=a=b,team=x=y", &["one"]),
        ("label=a=b,team=z", &[]),
        ("label=a=", &[]),
        ("q=SURE", &["one", "three"]),
        ("q=100%25", &["one"]),
        ("q=on", &["one"]),
        ("q=_", &[]),
        ("q=", &["four", "one", "three", "two"]),
    ];
    for (query, expected) in found {
        assert_eq!(names(&client, &format!("/llms?{query}")).await, expected, "{query}");
    }
    for agent in ["agent", "other"] {
        let row = json!({"name": agent, "llm": "one", "labels": {"a": agent}});
        let _ = client.post("/agents", &row).await.expect(201);
    }
    assert_eq!(names(&client, "/agents?label=a=agent").await, ["agent"]);
    assert_eq!(names(&client, "/agents?q=OTH").await, ["other"]);
}

#[tokio::test]
async fn callable_is_what_a_call_would_reach() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, mut connected, away) = (mcpd.client(), mcpd.publisher("connected"), mcpd.publisher("away"));
    let asleep = json!({"name": "asleep", "type": "openai", "model": "m", "initialStatus": "hibernating"});
    let agents = json!([samples::agent("reachable", "here"), samples::agent("sleeper", "asleep")]);
    let _ = connected.register(json!([samples::llm("here"), asleep]), agents).await.expect(201);
    connected.connect("").await;
    let mut gone = samples::llm("gone");
    gone["poolName"] = json!("half");
    let _ = away.register(json!([gone]), json!([samples::agent("lost", "gone")])).await.expect(201);
    let _ = client.post("/llms", &public("paused", &json!({"poolName": "none"}))).await.expect(201);
    let _ = client.post("/llms", &samples::public("public", URL)).await.expect(201);
    for (name, llm) in [("on-gone", "gone"), ("on-none", "none"), ("on-paused", "paused"), ("on-public", "public")] {
        let _ = client.post("/agents", &json!({"name": name, "llm": llm})).await.expect(201);
    }
    let _ = client.post("/llms/paused/disable", &json!({})).await.expect(200);
    assert_eq!(names(&client, "/llms?callable=true").await, ["asleep", "here", "public"]);
    assert_eq!(names(&client, "/llms?callable=false").await, ["gone", "paused"]);
    assert_eq!(names(&client, "/agents?callable=true").await, ["on-public", "reachable", "sleeper"]);
    assert_eq!(names(&client, "/agents?callable=false").await, ["lost", "on-gone", "on-none", "on-paused"]);
}

#[tokio::test]
async fn one_callable_member_makes_a_pool_callable() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, away) = (mcpd.client(), mcpd.publisher("away"));
    let mut gone = samples::llm("a-member-that-is-away");
    gone["poolName"] = json!("half");
    let _ = away.register(json!([gone]), json!([])).await.expect(201);
    let _ = client.post("/llms", &public("b-member", &json!({"poolName": "half"}))).await.expect(201);
    let _ = client.post("/agents", &json!({"name": "agent", "llm": "half"})).await.expect(201);
    assert_eq!(names(&client, "/agents?callable=true").await, ["agent"]);
}

#[tokio::test]
async fn a_page_of_what_can_be_called_is_full_whatever_stands_between() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let offline = json!([samples::llm("a"), samples::llm("b"), samples::llm("d")]);
    let _ = mcpd.publisher("one").register(offline, json!([])).await.expect(201);
    for name in ["c", "e", "f"] {
        let _ = client.post("/llms", &samples::public(name, URL)).await.expect(201);
    }
    assert_eq!(names(&client, "/llms?callable=true&limit=2").await, ["c", "e"]);
    let link = client.get("/llms?callable=true&limit=2").await.header("link").to_owned();
    assert!(link.contains("cursor=e"), "{link}");
    assert_eq!(names(&client, "/llms?callable=true&limit=2&cursor=e").await, ["f"]);
    assert_eq!(client.get("/llms?callable=true&limit=2&cursor=e").await.header("link"), "");
    assert_eq!(names(&client, "/llms?callable=false&limit=3").await, ["a", "b", "d"]);
    assert_eq!(client.get("/llms?callable=true&limit=3").await.header("link"), "", "there are no more");
}

#[tokio::test]
async fn what_no_database_can_look_for_is_refused_by_name() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let long = "_".repeat(30_000);
    let labels = vec!["a=b"; 1200].join(",");
    for (path, pointer) in [
        (format!("/llms?q={long}"), "q"),
        (format!("/agents?label={labels}"), "label"),
        (format!("/events?type=*{long}"), "type"),
        ("/events?after=-1&limit=y".to_owned(), "limit"),
        ("/events?after=-1&limit=y".to_owned(), "after"),
    ] {
        let answer = client.get(&path).await.expect(400);
        assert!(answer.pointers().contains(&pointer.to_owned()), "{}", answer.text);
    }
    client.get("/llms?q=%00").await.refused(400, "INVALID", "\\u0000");
    let unknown = client.get(&format!("/llms?{}=1", "a".repeat(5000))).await.expect(400);
    assert!(unknown.json()["error"].as_str().is_some_and(|sentence| sentence.contains("aaa")), "{}", unknown.text);
}
