//! Who may come in, and what they may do.

use mcpctl_tests::{Client, Mcpd, samples};
use reqwest::Method;
use serde_json::{Value, json};

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
        (Method::POST, "/llms/nothing/infer", Some(json!({})), 1, "may not run llms: that takes role chatter"),
        (
            Method::POST,
            "/llms/_provider-register",
            Some(register),
            2,
            "may not publish llms: that takes role publisher",
        ),
        (Method::POST, "/llms", Some(public), 3, "may not create llms: that takes role editor"),
        (Method::DELETE, "/llms/nothing", None, 3, "may not delete llms: that takes role editor"),
        (Method::POST, "/agents/nothing/disable", Some(json!({})), 3, "may not edit agents: that takes role editor"),
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
