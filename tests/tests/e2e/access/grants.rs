//! What users were granted besides their roles.

use super::{SOON, mcpctl, secret, token};
use mcpctl_tests::{Client, Mcpd, samples};
use reqwest::Method;
use serde_json::json;

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
        (["auth", "can-i", "view", "llms/x"], "", "RESOURCE: is a kind, such as agent"),
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
