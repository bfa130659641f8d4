//! Who may come in, and what they may do.

#[path = "access/grants.rs"]
mod grants;
#[path = "access/tokens.rs"]
mod tokens;

use mcpctl_tests::{Client, Mcpd, samples};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: std::time::Duration = std::time::Duration::from_secs(10);

pub async fn token(mcpd: &Mcpd, name: &str, role: &str) -> Client {
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
    let edits = bob.get("/auth/can-i?verb=edit&resource=llm/qwen").await.expect(200).json();
    assert_eq!(edits["allowed"], false, "whoever edits it makes it public: {edits}");
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
