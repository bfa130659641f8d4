//! The history: followed as it goes on, row by row, and beside it who was heard.

mod first_release;
mod keep;
mod proof;
mod watch;
mod why;

use mcpctl_tests::{Client, Mcpd, client::sequence_of, eventually, samples, sse::Sse, within};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const URL: &str = "http://127.0.0.1:9";
const SOON: Duration = Duration::from_secs(10);

async fn make(client: &Client, name: &str) {
    let _ = client.post("/llms", &samples::public(name, URL)).await.expect(201);
}

async fn follow(client: &Client, query: &str, last: Option<&str>) -> Sse {
    let mut request = client.request(Method::GET, &format!("/events{query}")).header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    Sse::new(response)
}

/// The next event's subject; its id is its sequence.
async fn next(stream: &mut Sse) -> (String, String) {
    let event = stream.next().await;
    let cloud: Value = serde_json::from_str(&event.data).expect("JSON");
    let id = event.id.expect("an id");
    assert_eq!(cloud["sequence"], id.as_str());
    (id, cloud["subject"].as_str().expect("a subject").to_owned())
}

#[tokio::test]
async fn who_follows_gets_what_was_and_then_what_comes() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    make(&client, "one").await;
    let before = client.sequence().await;
    let mut all = follow(&client, "", None).await;
    let mut llms = follow(&client, "?type=llm.created.*", None).await;
    let mut two = follow(&client, &format!("?after={before}&subject=llm/two"), None).await;
    let begun = within("the stream says where it is", SOON, two.any()).await.expect("a comment");
    assert_eq!((begun.name.as_str(), begun.data), (":", format!("bookmark {before}")));
    for sequence in 1..=before {
        assert_eq!(next(&mut all).await.0, sequence.to_string());
    }
    assert_eq!(next(&mut llms).await.1, "llm/one");
    make(&client, "two").await;
    let agent = json!({"name": "helper", "llm": "two"});
    let _ = client.post("/agents", &agent).await.expect(201);
    let _ = client.post("/llms/two/disable", &json!({})).await.expect(200);
    for subject in ["llm/two", "agent/helper", "llm/two"] {
        assert_eq!(next(&mut all).await.1, subject);
    }
    assert_eq!(next(&mut llms).await.1, "llm/two");
    assert_eq!([next(&mut two).await.1, next(&mut two).await.1], ["llm/two", "llm/two"]);
    let listed = client.get("/events?limit=1000").await.expect(200).json();
    let mut until = follow(&client, "?until=3", None).await;
    let rest = within("it ends", SOON, until.rest()).await;
    let rest: Vec<Value> = rest.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect();
    assert_eq!(rest, listed.as_array().expect("a list")[..3], "the same events as in a list");
}

#[tokio::test]
async fn a_follower_that_comes_back_misses_nothing_and_gets_nothing_twice() {
    let mut mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let (mut last, mut seen) = (client.sequence().await.to_string(), Vec::new());
    for round in 0..4 {
        let mut stream = follow(&client, "?after=0", Some(&last)).await;
        for number in 0..5 {
            make(&client, &format!("llm-{round}-{number}")).await;
        }
        // Not to the end of them: the rest comes with the next stream.
        while seen.len() < 5 * round + 3 {
            let (id, subject) = next(&mut stream).await;
            last = id;
            if subject.starts_with("llm/") {
                seen.push(subject);
            }
        }
        match round {
            1 => mcpd.start_again().await,
            2 => {
                assert!(mcpd.process.stop().await.success());
                within("the stream ends with the server", SOON, stream.rest()).await;
                mcpd.start_again().await;
            }
            _ => {}
        }
    }
    let mut stream = follow(&client, "", Some(&last)).await;
    while seen.len() < 20 {
        seen.push(next(&mut stream).await.1);
    }
    let expected: Vec<_> =
        (0..4).flat_map(|round| (0..5).map(move |number| format!("llm/llm-{round}-{number}"))).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_cannot_be_followed_says_why() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let stream = |query: &str, last: Option<&'static str>| {
        let mut request = client.request(Method::GET, &format!("/events{query}")).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Client::send(request)
    };
    stream("?after=99", None).await.refused(400, "INVALID", "is above the last sequence of this log");
    stream("", Some("99")).await.refused(400, "INVALID", "is above the last sequence of this log");
    stream("", Some("x")).await.refused(400, "INVALID", "Last-Event-ID: is a sequence");
    stream("?limit=5", None).await.refused(400, "INVALID", "a stream goes on");
}

#[tokio::test]
async fn a_row_has_a_history_also_after_its_end() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    make(&client, "llm").await;
    let _ = client.post("/agents", &json!({"name": "helper", "llm": "llm"})).await.expect(201);
    let _ = client.post("/agents/helper/disable", &json!({})).await.expect(200);
    let id = client.row("/agents", "helper").await.expect("a row")["id"].as_str().expect("an id").to_owned();
    let what = async |path: &str| -> Vec<String> {
        let events = client.get(path).await.expect(200).json();
        let kind =
            |event: &Value| event["type"].as_str().expect("a type").split('.').nth(2).expect("a word").to_owned();
        events.as_array().expect("a list").iter().map(kind).collect()
    };
    assert_eq!(what(&format!("/agents/{id}/history")).await, ["disabled", "created"]);
    let _ = client.delete("/agents/helper").await.expect(204);
    assert_eq!(what("/agents/helper/history").await, ["deleted", "disabled", "created"]);
    assert_eq!(what("/agents/helper/history?limit=1").await, ["deleted"]);
    let events = client.get("/agents/helper/history").await.expect(200).json();
    let oldest = events[1]["sequence"].as_str().expect("a sequence").to_owned();
    assert_eq!(what(&format!("/agents/helper/history?before={oldest}")).await, ["created"]);
    assert_eq!(what("/llms/llm/history").await, ["created"]);
    for (path, says) in
        [("/agents/none/history", "Agent not found, nor ever there: none"), ("/llms/helper/history", "Llm not")]
    {
        client.get(path).await.refused(404, "NOT_FOUND", says);
    }
    client.get("/agents/helper/history?limit=0").await.refused(400, "INVALID", "limit");
    client.get("/agents/helper/history?colour=red").await.refused(400, "INVALID", "colour");
}

#[tokio::test]
async fn heartbeats_are_on_a_stream_of_their_own() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    let _ = publisher.register(json!([samples::llm("llm")]), json!([])).await.expect(201);
    publisher.connect("").await;
    let sequence = client.sequence().await;
    let heard = eventually("it is written down that it was heard", SOON, async || {
        let _ = publisher.heartbeat().await.expect(200);
        let heard = client.get("/heartbeats?session=one").await.expect(200).json();
        heard[0]["sessions"]["one"].is_string().then_some(heard)
    })
    .await;
    assert_eq!(client.sequence().await, sequence, "and not on the log");
    let last = heard[0]["sequence"].as_u64().expect("a sequence");
    assert_eq!(client.get("/heartbeats?session=other").await.expect(200).json(), json!([]));
    let later = client.get(&format!("/heartbeats?after={last}")).await.expect(200).json();
    assert!(later.as_array().expect("a list").iter().all(|event| event["sequence"].as_u64() > Some(last)), "{later}");
    client.get("/heartbeats?limit=0").await.refused(400, "INVALID", "limit");
    client.get("/heartbeats?session=%20").await.refused(400, "INVALID", "session");
}

#[tokio::test]
async fn heartbeats_that_are_no_longer_kept_are_gone() {
    let mcpd = Mcpd::start(&[]).await;
    let file = rusqlite::Connection::open(mcpd.home.data().join("heartbeats.db")).expect("a database");
    let record = r#"{"v":1,"logId":"00000000-0000-0000-0000-000000000001","term":1,"writer":"00000000-0000-0000-0000-000000000002","decidedAt":"2027-01-15T08:00:01.000Z","sessions":{"s":"2027-01-15T08:00:00.250Z"}}"#;
    for _ in 0..3 {
        file.execute("INSERT INTO heartbeats (at, bytes) VALUES (4102444800000, CAST(?1 AS BLOB))", [record])
            .expect("written");
    }
    file.execute("DELETE FROM heartbeats WHERE sequence < 3", []).expect("deleted");
    let client = mcpd.client();
    client.get("/heartbeats?after=1").await.refused(410, "COMPACTED", "ask for those after 2");
    let kept = client.get("/heartbeats?after=2").await.expect(200).json();
    assert_eq!((kept.as_array().map(Vec::len), &kept[0]["sequence"]), (Some(1), &json!(3)));
    assert_eq!(client.get("/heartbeats").await.expect(200).json(), kept);
}

#[tokio::test]
async fn lists_and_rows_are_shown_as_they_were() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("one"));
    let _ = client.post("/projects", &json!({"name": "apollo", "description": "To the moon"})).await.expect(201);
    let agents = json!([{"name": "coder", "llmName": "llm", "project": "apollo", "labels": {"team": "a"}}]);
    let _ = publisher.register(json!([samples::llm("llm")]), agents).await.expect(201);
    publisher.connect("").await;
    let _ =
        client.post("/prompts", &json!({"name": "rules", "content": "Be brief.", "agent": "coder"})).await.expect(201);
    let lists = ["/agents", "/llms", "/projects", "/personalities", "/prompts"];
    let mut before = Vec::new();
    for path in lists {
        before.push(client.get(path).await.expect(200).json());
    }
    let then = client.sequence().await;
    let events = client.get(&format!("/events?after={}", then - 1)).await.expect(200).json();
    let time = events[0]["time"].as_str().expect("a time").to_owned();
    publisher.hang_up();
    eventually("the agent is inactive", SOON, async || {
        (client.row("/agents", "coder").await?["status"] == "inactive").then_some(())
    })
    .await;
    let _ = client.delete("/projects/apollo").await.expect(204);
    let _ = client.delete("/llms/llm").await.expect(204);
    for as_of in [then.to_string(), time] {
        for (path, before) in lists.iter().zip(&before) {
            let answer = client.get(&format!("{path}?asOf={as_of}")).await.expect(200);
            assert_eq!(
                (lifecycle(answer.json()), answer.sequence()),
                (lifecycle(before.clone()), then),
                "{path} as of {as_of}"
            );
        }
    }
    let as_of = |path: &str| format!("{path}asOf={then}");
    let names = async |path: &str| -> Vec<String> {
        let rows = client.get(&as_of(path)).await.expect(200).json();
        let name = |row: &Value| row["name"].as_str().expect("a name").to_owned();
        rows.as_array().expect("a list").iter().map(name).collect()
    };
    for (path, found) in [
        ("/agents?status=active&kind=virtual&", true),
        ("/agents?status=inactive&", false),
        ("/agents?project=apollo&llm=llm&label=team=a&", true),
        ("/agents?label=team=b&", false),
        ("/agents?q=COD&", true),
        ("/agents?pool=llm&", false),
        ("/agents?callable=true&", true),
        ("/llms?pool=llm&callable=false&", false),
        ("/prompts?agent=coder&q=brief&", true),
        ("/prompts?project=apollo&", false),
        ("/agents?limit=1&", true),
        ("/agents?cursor=coder&", false),
    ] {
        assert_eq!(!names(path).await.is_empty(), found, "{path}");
    }
    let agent = client.get(&as_of("/agents/coder?")).await.expect(200).json();
    assert_eq!((&agent["project"]["name"], &agent["connected"]), (&json!("apollo"), &json!(true)));
    assert_eq!(client.get(&as_of("/prompts/rules?")).await.expect(200).json()["content"], "Be brief.");
    assert_eq!(client.get("/agents?asOf=0").await.expect(200).json(), json!([]));
    client.get("/agents/coder?asOf=1").await.refused(404, "NOT_FOUND", "Agent not found: coder");
    for (text, says) in [
        ("yesterday-ish", "is a sequence, or a time"),
        ("99999", "is above the last sequence"),
        ("9998-01-01T00:00:00Z", "lies in the future: it is 20"),
    ] {
        client.get(&format!("/agents?asOf={text}")).await.refused(400, "INVALID", says);
    }
    let session = client.get(&as_of("/sessions/one?")).await.expect(200).json();
    assert_eq!((&session["connected"], &session["agents"]), (&json!(true), &json!(["coder"])), "{session}");
    assert_eq!(client.get(&as_of("/sessions?")).await.expect(200).json(), json!([session]));
    assert_eq!(client.get("/sessions?asOf=0").await.expect(200).json(), json!([]));
    let members = client.get(&as_of("/llms/llm/members?")).await.expect(200).json();
    assert_eq!((&members["poolName"], &members["activeCount"]), (&json!("llm"), &json!(1)), "{members}");
    let table = mcpd.mcpctl(&["get", "agents", "--as-of", &then.to_string()]).await;
    assert!(String::from_utf8_lossy(&table.stdout).contains(" active "), "{table:?}");
    assert!(table.stderr.is_empty(), "{table:?}");
    // A register is one change; its last event is the agent's.
    let of = async |subject: &str| {
        sequence_of(&client.get(&format!("/events?limit=1&subject={subject}")).await.expect(200).json()[0])
    };
    let (llm, agent) = (of("llm/llm").await, of("agent/coder").await);
    let within = mcpd.mcpctl(&["get", "agents", "--as-of", &llm.to_string()]).await;
    let said = String::from_utf8_lossy(&within.stderr).into_owned();
    assert_eq!(said, format!("as of event {agent}, with which the change ends that event {llm} belongs to\n"));
    let refused = mcpd.mcpctl(&["get", "agents", "--as-of", "yesterday"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(said.matches("is a sequence, or a time").count(), 1, "once is enough: {said}");
    let refused = mcpd.mcpctl(&["get", "tasks", "--as-of", "1"]).await;
    assert_eq!(refused.status.code(), Some(2));
}

/// Rows as the log has them: what only a heartbeat said is not on it.
fn lifecycle(mut rows: Value) -> Value {
    for row in rows.as_array_mut().expect("a list") {
        if let Some(heard) = row.get_mut("lastHeartbeatAt").filter(|heard| heard.is_string()) {
            *heard = Value::Null;
        }
    }
    rows
}
