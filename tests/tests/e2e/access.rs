//! Who may come in, and what they may do.

use mcpctl_tests::{Client, Mcpd, samples};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: std::time::Duration = std::time::Duration::from_secs(10);

async fn token(mcpd: &Mcpd, name: &str, role: &str) -> Client {
    let output = mcpd.mcpctl(&["token", "create", "--name", name, "--role", role, "-o", "json"]).await;
    assert!(output.status.success(), "{output:?}");
    let made: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&made["name"], &made["user"], &made["role"]), (&json!(name), &json!(name), &json!(role)));
    mcpd.client().with_token(made["token"].as_str())
}

#[tokio::test]
async fn each_role_may_do_so_much_and_a_refusal_names_verb_resource_and_role() {
    let mcpd = Mcpd::start(&[]).await;
    let roles = ["viewer", "chatter", "publisher", "editor", "admin"];
    let mut clients = Vec::new();
    for role in roles {
        clients.push(token(&mcpd, &format!("a-{role}"), role).await);
    }
    let register = json!({"providerSessionId": "s", "providers": []});
    let public = samples::public("pub", "http://127.0.0.1:9");
    // What it takes, from which role on.
    for (method, path, body, least, says) in [
        (Method::GET, "/agents", None, 0, ""),
        (
            Method::POST,
            "/llms/nothing/infer",
            Some(json!({})),
            1,
            "may not run llm/nothing: that takes role chatter, or a grant of `run llm/nothing`",
        ),
        (
            Method::POST,
            "/llms/_provider-register",
            Some(register),
            2,
            "may not publish llms: that takes role publisher",
        ),
        (Method::POST, "/llms", Some(public), 3, "may not create llms: that takes role editor"),
        (Method::DELETE, "/projects/nothing", None, 3, "may not delete project/nothing: that takes role editor"),
        (
            Method::POST,
            "/agents/nothing/disable",
            Some(json!({})),
            3,
            "may not edit agent/nothing: that takes role editor",
        ),
        (Method::POST, "/gc", Some(json!({})), 4, "that takes role admin"),
        (Method::GET, "/tokens", None, 4, "may not view tokens: that takes role admin"),
        (Method::GET, "/events", None, 4, "that takes role admin"),
    ] {
        for (rank, client) in clients.iter().enumerate() {
            let request = client.request(method.clone(), path);
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            let answer = Client::send(request).await;
            if rank < least {
                answer.refused(403, "FORBIDDEN", says);
            } else {
                assert_ne!(answer.status, 403, "{method} {path} by {}: {}", roles[rank], answer.text);
            }
        }
    }
}

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

/// `mcpctl` with somebody's token: what it printed, and how it ended.
async fn mcpctl(mcpd: &Mcpd, args: &[&str]) -> (String, String, Option<i32>) {
    let output = mcpd.mcpctl(args).await;
    let [out, err] = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    (out, err, output.status.code())
}

async fn secret(mcpd: &Mcpd, name: &str, role: &str) -> String {
    let (out, ..) = mcpctl(mcpd, &["token", "create", "--name", name, "--role", role, "-q"]).await;
    out.trim().to_owned()
}

#[tokio::test]
async fn a_grant_allows_one_verb_on_the_names_that_fit_and_no_more() {
    let mcpd = Mcpd::start(&[]).await;
    let admin = mcpd.client();
    for name in ["local-a", "other"] {
        let _ = admin.post("/llms", &samples::public(name, "http://127.0.0.1:9")).await.expect(201);
        let _ = admin.post("/agents", &json!({"name": name, "llm": name})).await.expect(201);
    }
    let token = secret(&mcpd, "ann", "viewer").await;
    let ann = admin.with_token(Some(&token));
    let chat = json!({"message": "hi"});
    ann.post("/agents/local-a/chat", &chat).await.refused(
        403,
        "FORBIDDEN",
        "'ann' may not run agent/local-a: that takes role chatter, or a grant of `run agent/local-a`, and this token has role viewer",
    );
    let (out, _, code) = mcpctl(&mcpd, &["auth", "grant", "ann", "run", "agent/local-*"]).await;
    assert_eq!((out.as_str(), code), ("user/ann may run agent/local-*\n", Some(0)));
    // Nothing listens there: who gets so far may call.
    assert_eq!(ann.post("/agents/local-a/chat", &chat).await.status, 502);
    ann.post("/agents/other/chat", &chat).await.refused(403, "FORBIDDEN", "may not run agent/other");
    ann.post("/llms/local-a/infer", &samples::ask(false)).await.refused(403, "FORBIDDEN", "may not run llm/local-a");
    let id = admin.row("/agents", "local-a").await.expect("a row")["id"].as_str().expect("an id").to_owned();
    assert_eq!(ann.get(&format!("/agents/{id}/tools")).await.status, 403, "what is run is named");
    for (model, status) in [("agent/local-a", 502), ("agent/other", 403), ("local-a", 403)] {
        let ask = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        let answer = Client::send(ann.at_root(Method::POST, "/v1/chat/completions").json(&ask)).await;
        assert_eq!(answer.status, status, "{model}: {}", answer.text);
    }
    let task = json!({"llm": "local-a", "request": samples::ask(false)});
    ann.post("/inference-tasks", &task).await.refused(403, "FORBIDDEN", "may not run llm/local-a");
    // An escaped name is none that a glob means.
    ann.post("/agents/%6cocal-a/chat", &chat).await.refused(403, "FORBIDDEN", "may not run agent/");

    for switch in ["%64isable", "disable%20", "%65nable"] {
        let answer = ann.post(&format!("/agents/local-a/{switch}"), &json!({})).await;
        answer.refused(403, "FORBIDDEN", "may not edit agent/local-a");
    }

    let as_ann =
        |args: &[&str]| [args, &["--token", token.as_str()]].concat().iter().map(|&a| a.to_owned()).collect::<Vec<_>>();
    for (args, answer, why) in [
        (["auth", "can-i", "run", "agent/local-a"], "yes\n", "user 'ann' was granted `run agent/local-*`"),
        (["auth", "can-i", "run", "agent"], "no\n", "'ann' may not run agents: that takes role chatter"),
        (["auth", "can-i", "view", "llms/x"], "", "resource: is a kind, such as agent"),
        (["auth", "can-i", "view", "llm/x"], "yes\n", "the token of user 'ann' has role viewer"),
        (["auth", "can-i", "audit", "log"], "no\n", "'ann' may not audit log: that takes role admin"),
    ] {
        let args = as_ann(&args);
        let (out, err, code) = mcpctl(&mcpd, &args.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert!(out == answer && err.contains(why), "{args:?}: {out} {err}");
        assert_eq!(code, Some(i32::from(answer != "yes\n")));
    }
    let (grants, ..) = mcpctl(&mcpd, &["auth", "grants"]).await;
    assert!(grants.contains("ann   run   agent/local-*"), "{grants}");
    let (out, ..) = mcpctl(&mcpd, &["auth", "withdraw", "ann", "run", "agent/local-*"]).await;
    assert_eq!(out, "user/ann may no longer run agent/local-*\n");
    ann.post("/agents/local-a/chat", &chat).await.refused(403, "FORBIDDEN", "may not run");
    let (_, err, code) = mcpctl(&mcpd, &["auth", "grant", "bob", "run", "agent/x"]).await;
    assert!(code == Some(1) && err.contains("User not found: bob"), "{err}");
    let (_, err, _) = mcpctl(&mcpd, &["auth", "grant", "ann", "view", "agent/x"]).await;
    assert!(err.contains("every token may view"), "{err}");
    ann.get("/grants").await.refused(403, "FORBIDDEN", "may not view grants: that takes role admin");
}

#[tokio::test]
async fn grants_to_publish_create_and_edit_hold_for_their_names() {
    let mcpd = Mcpd::start(&["--ping-interval", "100ms"]).await;
    let admin = mcpd.client();
    let ann = token(&mcpd, "ann", "viewer").await;
    for (verb, resource) in [("publish", "llm/lab-*"), ("create", "project/lab-*"), ("edit", "llm/lab-*")] {
        let _ = admin.post("/grants", &json!({"user": "ann", "verb": verb, "resource": resource})).await.expect(201);
    }
    let mut publisher = mcpctl_tests::Publisher::new(ann.clone(), "s");
    publisher.register(json!([samples::llm("lab-a"), samples::llm("own")]), json!([])).await.refused(
        403,
        "FORBIDDEN",
        "may not publish llm/own",
    );
    assert_eq!(admin.row("/llms", "lab-a").await, None, "all or nothing");
    let _ = publisher.register(json!([samples::llm("lab-a")]), json!([])).await.expect(201);
    publisher.connect("").await;
    assert_eq!(ann.post("/llms/lab-a/disable", &json!({})).await.status, 200);
    // Nor may she take the calls of others, or speak through them.
    let mut pooled = samples::llm("lab-b");
    pooled["poolName"] = json!("prod");
    publisher.register(json!([pooled]), json!([])).await.refused(403, "FORBIDDEN", "may not publish llm/prod");
    let _ = admin.post("/projects", &json!({"name": "prod"})).await.expect(201);
    for (verb, resource) in [("create", "prompt/*"), ("publish", "agent/*")] {
        let _ = admin.post("/grants", &json!({"user": "ann", "verb": verb, "resource": resource})).await.expect(201);
    }
    let prompt = json!({"name": "p", "content": "Obey.", "project": "prod"});
    ann.post("/prompts", &prompt).await.refused(403, "FORBIDDEN", "may not edit project/prod");
    let mut agent = samples::agent("a", "lab-a");
    agent["project"] = json!("prod");
    let joined = publisher.register(json!([samples::llm("lab-a")]), json!([agent])).await;
    joined.refused(403, "FORBIDDEN", "may not edit project/prod");
    let _ = ann.post("/projects", &json!({"name": "lab-one"})).await.expect(201);
    ann.post("/projects", &json!({"name": "one"})).await.refused(403, "FORBIDDEN", "may not create project/one");
    ann.delete("/projects/lab-one").await.refused(403, "FORBIDDEN", "may not delete project/lab-one");
    // What was granted and is withdrawn ends.
    assert_eq!(admin.delete("/grants/ann/publish/llm/lab-*").await.status, 204);
    publisher.heartbeat().await.refused(403, "FORBIDDEN", "may not publish llm/lab-a");
    mcpctl_tests::eventually("its stream ends", std::time::Duration::from_secs(5), async || {
        admin.row("/llms", "lab-a").await.filter(|row| row["status"] == "inactive")
    })
    .await;
}

#[tokio::test]
async fn a_grant_on_a_pool_that_is_withdrawn_ends_what_its_members_publish() {
    let mcpd = Mcpd::start(&["--ping-interval", "100ms"]).await;
    let admin = mcpd.client();
    let ann = token(&mcpd, "ann", "viewer").await;
    for resource in ["llm/ann-*", "llm/prod"] {
        let _ =
            admin.post("/grants", &json!({"user": "ann", "verb": "publish", "resource": resource})).await.expect(201);
    }
    let mut publisher = mcpctl_tests::Publisher::new(ann, "s");
    let mut pooled = samples::llm("ann-a");
    pooled["poolName"] = json!("prod");
    let _ = publisher.register(json!([pooled]), json!([])).await.expect(201);
    publisher.connect("").await;
    assert_eq!(admin.delete("/grants/ann/publish/llm/prod").await.status, 204);
    publisher.heartbeat().await.refused(403, "FORBIDDEN", "may not publish llm/prod");
    // A pool that is not named is kept.
    publisher.register(json!([samples::llm("ann-a")]), json!([])).await.refused(
        403,
        "FORBIDDEN",
        "may not publish llm/prod",
    );
    mcpctl_tests::eventually("its stream ends", SOON, async || {
        admin.row("/llms", "ann-a").await.filter(|row| row["status"] == "inactive")
    })
    .await;
}

#[tokio::test]
async fn an_id_means_its_row_in_paths_only_and_a_deletion_speaks_for_whom_it_is_of() {
    let mcpd = Mcpd::start(&[]).await;
    let (admin, ann) = (mcpd.client(), token(&mcpd, "ann", "viewer").await);
    for name in ["lab-a", "other"] {
        let _ = admin.post("/llms", &samples::public(name, "http://127.0.0.1:9")).await.expect(201);
        let _ = admin.post("/agents", &json!({"name": name, "llm": name})).await.expect(201);
    }
    for (verb, resource) in
        [("create", "agent/lab-*"), ("edit", "agent/lab-*"), ("run", "llm/*"), ("delete", "prompt/*")]
    {
        let _ = admin.post("/grants", &json!({"user": "ann", "verb": verb, "resource": resource})).await.expect(201);
    }
    let id = admin.row("/agents", "lab-a").await.expect("a row")["id"].as_str().expect("an id").to_owned();
    let shadow = json!({"name": id, "llm": "lab-a"});
    ann.post("/agents", &shadow).await.refused(403, "FORBIDDEN", "may not create agent/");
    assert_eq!(ann.post(&format!("/agents/{id}/disable"), &json!({})).await.status, 200, "the row of this id");

    let prompt = json!({"name": "guard", "content": "Be kind.", "agent": "other"});
    let _ = admin.post("/prompts", &prompt).await.expect(201);
    ann.delete("/prompts/guard").await.refused(403, "FORBIDDEN", "may not edit agent/other");
    let _ = admin.post("/grants", &json!({"user": "ann", "verb": "edit", "resource": "agent/other"})).await.expect(201);
    assert_eq!(ann.delete("/prompts/guard").await.status, 204);
}

#[tokio::test]
async fn can_i_knows_whose_a_virtual_row_is_and_a_new_session_has_no_past() {
    let mcpd = Mcpd::start(&[]).await;
    let (ann, bob) = (token(&mcpd, "ann", "publisher").await, token(&mcpd, "bob", "editor").await);
    let publisher = mcpctl_tests::Publisher::new(ann.clone(), "s");
    let _ = publisher.register(json!([samples::llm("qwen")]), json!([])).await.expect(201);
    let can_i = "/auth/can-i?verb=delete&resource=llm/qwen";
    for (client, allowed, reason) in [
        (&ann, true, "user 'ann' publishes it"),
        (&bob, false, "it is virtual and belongs to another user"),
        (&mcpd.client(), true, "has role admin"),
    ] {
        let verdict = client.get(can_i).await.expect(200).json();
        assert_eq!(verdict["allowed"], allowed, "{verdict}");
        assert!(verdict["reason"].as_str().is_some_and(|given| given.contains(reason)), "{verdict}");
    }
    assert_eq!(ann.delete("/llms/qwen").await.status, 204);
    // Nobody's any more, so anybody's.
    let publisher = mcpctl_tests::Publisher::new(bob.clone(), "s");
    let _ = publisher.register(json!([samples::llm("qwen")]), json!([])).await.expect(201);
    let history = bob.get("/sessions/s/history").await.expect(200);
    assert!(history.text.contains("\"bob\"") && !history.text.contains("\"ann\""), "{}", history.text);
    let all = mcpd.client().get("/sessions/s/history").await.expect(200);
    assert!(all.text.contains("\"ann\""), "an admin sees all of it: {}", all.text);
}

#[tokio::test]
async fn where_nobody_is_asked_for_a_token_a_web_page_is_nobody() {
    let mcpd = Mcpd::start(&["--auth", "off", "--cors-origin", "http://chat.example"]).await;
    let client = mcpd.client().with_token(None);
    let _ = client.get("/llms").await.expect(200);
    let port = mcpd.url.rsplit(':').next().expect("a port");
    let ask = async |path: &str, headers: &[(&str, &str)]| {
        let request = client.at_root(Method::POST, path).body("{}");
        Client::send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    };
    let create = "/api/v1/projects";
    let page = ask(create, &[("origin", "http://evil.example")]).await;
    page.refused(403, "FORBIDDEN", "a page of 'http://evil.example' may not call a server without --auth");
    let rebound = format!("evil.example:{port}");
    let page = ask(create, &[("host", &rebound), ("origin", &format!("http://{rebound}"))]).await;
    page.refused(403, "FORBIDDEN", "by this machine's own names, such as localhost");
    let named = ("origin", "http://chat.example");
    ask(create, &[named]).await.refused(403, "FORBIDDEN", "a page of 'http://chat.example' may not call");
    assert_eq!(ask("/v1/chat/completions", &[named]).await.status, 400, "for /v1 it was named");
    let own = format!("localhost:{port}");
    assert_eq!(ask(create, &[("host", &own), ("origin", &format!("http://{own}"))]).await.status, 400);
}

#[tokio::test]
async fn a_grant_reaches_where_a_role_does_not() {
    let mcpd = Mcpd::start(&[]).await;
    let (ann, bob) = (token(&mcpd, "ann", "publisher").await, token(&mcpd, "bob", "editor").await);
    let publisher = mcpctl_tests::Publisher::new(ann, "s");
    let _ = publisher.register(json!([samples::llm("qwen")]), json!([])).await.expect(201);
    bob.delete("/llms/qwen").await.refused(403, "FORBIDDEN", "belongs to another user");
    let grant = json!({"user": "bob", "verb": "delete", "resource": "llm/qwen"});
    let _ = mcpd.client().post("/grants", &grant).await.expect(201);
    assert_eq!(bob.delete("/llms/qwen").await.status, 204);
}

#[tokio::test]
async fn what_is_somebodys_is_nobody_elses_to_read_or_delete() {
    let mcpd = Mcpd::start(&[]).await;
    let (ann, bob) = (token(&mcpd, "ann", "publisher").await, token(&mcpd, "bob", "editor").await);
    let mut publisher = mcpctl_tests::Publisher::new(ann.clone(), "s");
    let _ =
        publisher.register(json!([samples::llm("qwen")]), json!([samples::agent("coder", "qwen")])).await.expect(201);
    // Sessions.
    assert_eq!(bob.get("/sessions").await.expect(200).json(), json!([]));
    assert_eq!(bob.get("/sessions/s").await.status, 404);
    assert_eq!(bob.get("/sessions/s/history").await.status, 404);
    assert_eq!(ann.get("/sessions").await.expect(200).json()[0]["id"], "s");
    assert_eq!(mcpd.client().get("/sessions/s").await.status, 200);
    // Tasks.
    let task = json!({"llm": "qwen", "request": samples::ask(false)});
    let task = ann.post("/inference-tasks", &task).await.expect(202).json();
    let path = format!("/inference-tasks/{}", task["id"].as_str().expect("an id"));
    assert_eq!((bob.get(&path).await.status, bob.delete(&path).await.status), (404, 404));
    assert_eq!(bob.get(&format!("{path}/stream")).await.status, 404);
    bob.get("/inference-tasks?all=true").await.refused(403, "FORBIDDEN", "the inference tasks of others");
    let all = mcpd.client().get("/inference-tasks?all=true").await.expect(200).json();
    assert_eq!((&all[0]["id"], &all[0]["ownerId"]), (&task["id"], &task["ownerId"]));
    assert_eq!(mcpd.client().delete(&path).await.expect(200).json()["status"], "cancelled");
    // Threads: an admin deletes what an admin may not read.
    let _stream = publisher.connect("").await;
    let message = json!({"message": "hi"});
    let chatting = ann.post("/agents/coder/chat", &message);
    let answering = async {
        let id = publisher.task("infer").await;
        publisher.result(&id, &samples::completion("hello")).await
    };
    let (chat, _) = tokio::join!(chatting, answering);
    let path = format!("/threads/{}", chat.expect(200).json()["threadId"].as_str().expect("an id"));
    for other in [&bob, &mcpd.client()] {
        assert_eq!(other.get(&path).await.status, 404);
        assert_eq!(other.get(&format!("{path}/messages")).await.status, 404);
    }
    assert_eq!(bob.delete(&path).await.status, 404);
    assert_eq!(ann.get(&path).await.status, 200);
    assert_eq!(mcpd.client().delete(&path).await.status, 204);
    assert_eq!(ann.get(&path).await.status, 404);
    // Rows.
    bob.delete("/agents/coder").await.refused(403, "FORBIDDEN", "belongs to another user");
    assert_eq!(bob.post("/agents/coder/disable", &json!({})).await.status, 200, "an editor may pause any");
    assert_eq!(ann.delete("/agents/coder").await.status, 204, "a publisher deletes what it publishes");
    let _ = mcpd.client().post("/agents", &json!({"name": "open", "llm": "qwen"})).await.expect(201);
    ann.delete("/agents/open").await.refused(403, "FORBIDDEN", "is public: editors and admins delete it");
    assert_eq!(bob.delete("/agents/open").await.status, 204);
}

#[tokio::test]
async fn a_task_is_not_run_for_somebody_who_may_no_longer() {
    let mcpd = Mcpd::start(&[]).await;
    let admin = mcpd.client();
    let (by_grant, by_role) = (token(&mcpd, "ann", "viewer").await, token(&mcpd, "bob", "chatter").await);
    let still = token(&mcpd, "eve", "viewer").await;
    for user in ["ann", "eve"] {
        let grant = json!({"user": user, "verb": "run", "resource": "llm/qwen"});
        let _ = admin.post("/grants", &grant).await.expect(201);
    }
    let mut publisher = mcpd.publisher("s");
    let _ = publisher.register(json!([samples::llm("qwen")]), json!([])).await.expect(201);
    let mut left = Vec::new();
    for client in [&by_grant, &by_role, &still] {
        let task = json!({"llm": "qwen", "request": samples::ask(false)});
        let task = client.post("/inference-tasks", &task).await.expect(202).json();
        left.push(format!("/inference-tasks/{}", task["id"].as_str().expect("an id")));
    }
    assert_eq!(admin.delete("/grants/ann/run/llm/qwen").await.status, 204);
    assert_eq!(admin.delete("/tokens/bob").await.status, 204);
    publisher.connect("").await;
    let task = publisher.task("infer").await;
    let _ = publisher.result(&task, &samples::completion("for eve")).await.expect(202);
    for (path, status) in left.iter().zip(["error", "error", "completed"]) {
        let task = mcpctl_tests::eventually("it has come to its end", SOON, async || {
            let task = admin.get(path).await.expect(200).json();
            (!task["finishedAt"].is_null()).then_some(task)
        })
        .await;
        assert_eq!(task["status"], status, "{task}");
        if status == "error" {
            assert_eq!(task["code"], "FORBIDDEN");
            assert_eq!(task["error"], "whoever left it may not run llm/qwen any more");
        }
    }
}

#[tokio::test]
async fn only_admins_say_which_key_goes_where() {
    let mcpd = Mcpd::start(&[]).await;
    let (admin, editor) = (mcpd.client(), token(&mcpd, "ed", "editor").await);
    let mut keyed = samples::public("gpt", "http://127.0.0.1:9");
    keyed["apiKeyRef"] = json!({"file": "/etc/hostname"});
    let refused = "'ed' may not set the `apiKeyRef` of an Llm: that takes role admin, and this token has role editor";
    editor.post("/llms", &keyed).await.refused(403, "FORBIDDEN", refused);
    let _ = admin.post("/llms", &keyed).await.expect(201);
    let mut moved = keyed.clone();
    moved["url"] = json!("http://127.0.0.1:10");
    editor.put("/llms/gpt", &moved).await.refused(403, "FORBIDDEN", "may not change the `url` of an Llm that has an");
    let mut other = keyed.clone();
    other["apiKeyRef"] = json!({"file": "/etc/passwd"});
    editor.put("/llms/gpt", &other).await.refused(403, "FORBIDDEN", refused);
    let mut described = keyed.clone();
    described["description"] = json!("new");
    let _ = editor.put("/llms/gpt", &described).await.expect(200);
    let mut without = moved.clone();
    without.as_object_mut().expect("an object").remove("apiKeyRef");
    editor.put("/llms/gpt", &without).await.refused(403, "FORBIDDEN", refused);
    let _ = admin.put("/llms/gpt", &without).await.expect(200);
    editor.put("/llms/gpt", &moved).await.refused(403, "FORBIDDEN", refused);
    let _ = admin.put("/llms/gpt", &moved).await.expect(200);
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

#[tokio::test]
async fn contexts_keep_servers_by_name() {
    let (one, two) = (Mcpd::start(&[]).await, Mcpd::start(&[]).await);
    let _ = two.client().post("/llms", &samples::public("of-two", "http://127.0.0.1:9")).await.expect(201);
    let added = mcpctl(&one, &["context", "add", "two", "--server", &two.url, "--token", &two.home.token()]).await;
    assert_eq!(added.2, Some(0), "{added:?}");
    let file = one.home.mcpctl().join("contexts/two");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let names = async |args: &[&str]| mcpctl(&one, &[args, &["get", "llms", "-o", "name"]].concat()).await.0;
    assert_eq!(names(&["--context", "two"]).await, "llm/of-two\n");
    assert_eq!(names(&[]).await, "");
    let (_, said, code) = mcpctl(&one, &["context", "use", "two"]).await;
    assert!(code == Some(0) && said.contains("use context 'two' from now on"), "{said}");
    assert_eq!(names(&[]).await, "llm/of-two\n");
    assert_eq!(names(&["--context", "default"]).await, "");
    let (listed, ..) = mcpctl(&one, &["context", "list"]).await;
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1..], [vec!["-", "default", one.url.as_str()], vec!["*", "two", two.url.as_str()]]);
    assert!(!listed.contains(&two.home.token()));
    let (_, said, code) = mcpctl(&one, &["context", "delete", "two"]).await;
    assert!(code == Some(1) && said.contains("is in use"), "{said}");
    assert_eq!(mcpctl(&one, &["context", "use", "default"]).await.2, Some(0));
    assert_eq!(mcpctl(&one, &["context", "delete", "two"]).await.0, "context/two deleted\n");
    for args in [&["--context", "two", "get", "llms"][..], &["context", "use", "two"]] {
        let (_, said, code) = mcpctl(&one, args).await;
        assert!(code == Some(1) && said.contains("there is no context 'two'"), "{said}");
    }
    assert_eq!(mcpctl(&one, &["context", "add", "../x"]).await.2, Some(2));
    // What is asked for on the line is not overruled by what the environment has always had.
    let env = [("MCPCTL_SERVER", one.url.as_str()), ("MCPCTL_TOKEN", "mcp_of_the_environment")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let _ = mcpctl(&one, &["context", "add", "two", "--server", &two.url, "--token", &two.home.token()]).await;
    let args = ["--context", "two", "get", "llms", "-o", "name"].map(str::to_owned);
    let mut asked = mcpctl_tests::program::Program::start("mcpctl", &one.home, &args, &env);
    assert!(asked.exit(std::time::Duration::from_secs(20)).await.success(), "{}", asked.log());
    assert_eq!(asked.log(), "llm/of-two\n");
}
