//! Tokens: how long they work, and what ends with them.

use super::{SOON, token};
use mcpctl_tests::{Client, Mcpd, samples};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_works_until_it_is_revoked_or_over_and_nothing_keeps_its_secret() {
    let mcpd = Mcpd::start(&[]).await;
    let client = token(&mcpd, "temp", "viewer").await;
    let _ = client.get("/agents").await.expect(200);
    let taken = mcpd.mcpctl(&["token", "create", "--name", "temp", "--role", "admin"]).await;
    assert_eq!(taken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&taken.stderr).contains("Token 'temp' already exists"), "{taken:?}");
    let listed = mcpd.mcpctl(&["token", "list"]).await;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("temp   temp   viewer"), "{listed}");
    let revoked = mcpd.mcpctl(&["token", "revoke", "temp"]).await;
    assert_eq!(String::from_utf8_lossy(&revoked.stdout), "token/temp revoked\n");
    client.get("/agents").await.refused(401, "UNAUTHORIZED", "not known or no longer valid");
    let last = mcpd.mcpctl(&["token", "revoke", "admin"]).await;
    assert!(String::from_utf8_lossy(&last.stderr).contains("is the last one with role admin"), "{last:?}");

    let short = json!({"name": "short", "role": "viewer", "expiresIn": "100ms"});
    let made = mcpd.client().post("/tokens", &short).await.expect(201).json();
    let secret = made["token"].as_str().expect("a token");
    assert!(secret.len() >= 64, "256 bits");
    let over = mcpd.client().with_token(Some(secret));
    mcpctl_tests::eventually("it is over", std::time::Duration::from_secs(5), async || {
        (over.get("/agents").await.status == 401).then_some(())
    })
    .await;
    let events = mcpd.client().get("/events?type=token.*").await.expect(200);
    assert!(!events.text.contains(secret) && events.text.contains("mcpctl.token.revoked.v1"), "{}", events.text);
    let wrong = json!({"name": "x y", "role": "king", "expiresIn": "soon", "more": 1});
    let wrong = mcpd.client().post("/tokens", &wrong).await.expect(400);
    assert_eq!(wrong.pointers(), ["/name", "/role", "/expiresIn", "/more"]);
}

#[tokio::test]
async fn a_publisher_is_ended_with_its_token_also_where_it_reads_nothing_or_is_between_two_polls() {
    let mcpd = Mcpd::start(&["--disconnect-grace", "50ms"]).await;
    let admin = mcpd.client();
    for is_polling in [false, true] {
        let name = if is_polling { "polls" } else { "streams" };
        let publisher = mcpctl_tests::Publisher::new(token(&mcpd, name, "publisher").await, name);
        let _ = publisher.register(json!([samples::llm(name)]), json!([])).await.expect(201);
        let stream = if is_polling {
            let poll = publisher.request(Method::GET, "/llms/_provider-tasks?waitSeconds=0");
            let _ = Client::send(poll).await.expect(200);
            None
        } else {
            Some(publisher.open("").await.expect("a stream"))
        };
        // More than sockets and buffers hold.
        let large = json!({"messages": [{"role": "user", "content": "x".repeat(8 << 20)}]});
        let (path, admins) = (format!("/llms/{name}/infer"), admin.clone());
        let ask = move || {
            let (path, admin, large) = (path.clone(), admins.clone(), large.clone());
            tokio::spawn(async move { admin.post(&path, &large).await })
        };
        let calls = [ask(), ask(), ask()];
        mcpctl_tests::eventually("the calls are under way", SOON, async || {
            admin.get_root("/metrics").await.text.contains("\nmcpctl_open_calls 3\n").then_some(())
        })
        .await;
        assert_eq!(admin.delete(&format!("/tokens/{name}")).await.status, 204);
        for call in calls {
            let answer = mcpctl_tests::within("a call fails", SOON, call).await.expect("no panic");
            answer.refused(502, "PUBLISHER_DISCONNECTED", "");
        }
        mcpctl_tests::eventually("it is inactive", SOON, async || {
            admin.row("/llms", name).await.filter(|row| row["status"] == "inactive" && row["connected"] == false)
        })
        .await;
        drop(stream);
    }
}

#[tokio::test]
async fn a_follower_of_a_task_gets_nothing_more_when_its_token_is_revoked() {
    let mcpd = Mcpd::start(&[]).await;
    let carl = token(&mcpd, "carl", "chatter").await;
    let mut publisher = mcpd.publisher("s");
    let _ = publisher.register(json!([samples::llm("qwen")]), json!([])).await.expect(201);
    publisher.connect("").await;
    let task = json!({"llm": "qwen", "request": samples::ask(true)});
    let task = carl.post("/inference-tasks", &task).await.expect(202).json();
    let sent = publisher.task("infer").await;
    let upload = publisher.upload(&sent);
    upload.send(&samples::chunk("one")).await;
    let path = format!("/inference-tasks/{}/stream", task["id"].as_str().expect("an id"));
    let mut follow = mcpctl_tests::sse::Sse::new(carl.request(Method::GET, &path).send().await.expect("an answer"));
    assert_eq!(follow.next().await.data, "one");
    assert_eq!(mcpd.client().delete("/tokens/carl").await.status, 204);
    let last = mcpctl_tests::within("it is told", SOON, follow.next()).await;
    assert!(last.data.contains("the token was revoked, or is over"), "{}", last.data);
    upload.send(&samples::chunk("two")).await;
    let more = mcpctl_tests::within("it ends", SOON, follow.rest()).await;
    assert!(more.is_empty(), "{more:?}");
}

#[tokio::test]
async fn what_is_open_ends_with_its_token() {
    let mcpd = Mcpd::start(&["--ping-interval", "100ms"]).await;
    let (publishes, follows) = (token(&mcpd, "pub", "publisher").await, token(&mcpd, "watch", "admin").await);
    let mut publisher = mcpctl_tests::Publisher::new(publishes, "s");
    let _ = publisher.register(json!([samples::llm("qwen")]), json!([])).await.expect(201);
    publisher.connect("").await;
    let follow = follows.request(Method::GET, "/events?after=0").header("accept", "text/event-stream");
    let mut follow = follow.send().await.expect("a stream");
    let polls = mcpctl_tests::Publisher::new(token(&mcpd, "polls", "publisher").await, "p");
    let _ = polls.register(json!([samples::llm("polled")]), json!([])).await.expect(201);
    let poll = tokio::spawn(Client::send(polls.request(Method::GET, "/llms/_provider-tasks?waitSeconds=60")));
    mcpctl_tests::eventually("the poll binds", SOON, async || {
        mcpd.client().row("/llms", "polled").await.filter(|row| row["connected"] == true)
    })
    .await;
    assert_eq!(mcpd.client().delete("/tokens/polls").await.status, 204);
    let poll = mcpctl_tests::within("the poll ends", SOON, poll).await.expect("no panic");
    poll.refused(401, "UNAUTHORIZED", "the token was revoked, or is over");
    for name in ["pub", "watch"] {
        assert_eq!(mcpd.client().delete(&format!("/tokens/{name}")).await.status, 204);
    }
    let soon = std::time::Duration::from_secs(5);
    let said = mcpctl_tests::within("the follower's stream ends", soon, async {
        let mut said = String::new();
        while let Some(piece) = follow.chunk().await.expect("a piece") {
            said += &String::from_utf8_lossy(&piece);
        }
        said
    });
    assert!(!said.await.contains("token/watch\",\"type\":\"mcpctl.token.revoked"), "it is told nothing after its end");
    mcpctl_tests::eventually("its rows are inactive", soon, async || {
        mcpd.client().row("/llms", "qwen").await.filter(|row| row["status"] == "inactive")
    })
    .await;
}

#[tokio::test]
async fn it_is_known_when_a_token_was_last_used_also_after_a_restart() {
    let mut mcpd = Mcpd::start(&[]).await;
    let client = token(&mcpd, "ci", "viewer").await;
    let used = async |mcpd: &Mcpd| {
        let tokens = mcpd.client().get("/tokens").await.expect(200).json();
        let ci = tokens.as_array().expect("an array").iter().find(|token| token["name"] == "ci").cloned();
        ci.expect("a row")["lastUsedAt"].clone()
    };
    assert_eq!(used(&mcpd).await, Value::Null);
    let _ = client.get("/agents").await.expect(200);
    let at = used(&mcpd).await;
    assert!(at.is_string());
    mcpd.process.stop().await;
    mcpd.start_again().await;
    assert_eq!(used(&mcpd).await, at);
}

#[tokio::test]
async fn a_repeat_is_not_shown_a_token_again() {
    let mcpd = Mcpd::start(&[]).await;
    let create = || {
        let body = json!({"name": "ci", "role": "viewer"});
        Client::send(mcpd.client().request(Method::POST, "/tokens").header("idempotency-key", "k").json(&body))
    };
    let _ = create().await.expect(201);
    create().await.refused(409, "SHOWN_ONCE", "token 'ci' was made by this key's first request");
}

#[tokio::test]
async fn a_lost_admin_token_is_made_anew_while_the_server_is_stopped() {
    let mut mcpd = Mcpd::start(&[]).await;
    let (home, old) = (mcpd.home.clone(), mcpd.client());
    let running = mcpctl_tests::program::run("mcpd", &home, &["reset-admin"]).await;
    assert_eq!(running.status.code(), Some(2));
    let said = String::from_utf8_lossy(&running.stderr).into_owned();
    assert!(said.contains("already being written"), "{said}");
    mcpd.process.stop().await;
    let reset = mcpctl_tests::program::run("mcpd", &home, &["reset-admin"]).await;
    assert!(reset.status.success(), "{reset:?}");
    let token = String::from_utf8_lossy(&reset.stdout).trim().to_owned();
    assert_eq!(home.token(), token, "the credentials file held the one before");
    mcpd.start_again().await;
    old.get("/agents").await.refused(401, "UNAUTHORIZED", "not known or no longer valid");
    let _ = old.with_token(Some(&token)).get("/tokens").await.expect(200);
    mcpd.process.stop().await;
    mcpd.verify().await;
    let nowhere = mcpctl_tests::program::run("mcpd", &home, &["reset-admin", "--data-dir", "/nonexistent"]).await;
    let said = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(nowhere.status.code() == Some(2) && said.contains("there is no log at /nonexistent/log.db"), "{said}");
}
