//! Bad input: refused in words that help, with nothing half-written and nobody panicking.

use mcpctl_tests::{Client, Mcpd, samples};
use reqwest::Method;
use serde_json::{Value, json};

/// Every path of the API takes bodies of its own; these take one from anybody with a token.
const WRITES: [&str; 5] =
    ["/llms", "/agents", "/llms/_provider-register", "/llms/_provider-heartbeat", "/agents/agent/chat"];

async fn setting(flags: &[&str]) -> (Mcpd, Client) {
    let mcpd = Mcpd::start(flags).await;
    let client = mcpd.client();
    let publisher = mcpd.publisher("one");
    let agents = json!([samples::agent("agent", "llm")]);
    let _ = publisher.register(json!([samples::llm("llm")]), agents).await.expect(201);
    (mcpd, client)
}

/// The server is as it was, and never panicked.
async fn unharmed(mcpd: &mut Mcpd, client: &Client, sequence: u64) {
    assert_eq!(client.sequence().await, sequence, "something was written");
    assert!(mcpd.process.ended().is_none());
    let log = mcpd.process.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn every_problem_of_a_request_is_named_at_once() {
    let (mut mcpd, client) = setting(&[]).await;
    let sequence = client.sequence().await;
    let bad = json!({"name": "Bad Name", "model": 3, "url": "ftp://x", "tier": [], "labels": {"a": 1}, "what/ever": 1,
        "maxConcurrent": 0, "extraConfig": {"apiKey": "sk"}});
    let answer = client.post("/llms", &bad).await;
    answer.refused(400, "INVALID", "more, see details");
    let mut pointers = answer.pointers();
    pointers.sort();
    let expected = [
        "/extraConfig/apiKey",
        "/labels",
        "/maxConcurrent",
        "/model",
        "/name",
        "/tier",
        "/type",
        "/url",
        "/what~1ever",
    ];
    assert_eq!(pointers, expected, "{}", answer.text);

    let bad = json!({"providers": [{"name": "ok", "type": "openai", "model": "m"}, {"name": "no good", "type": 5},
        "x", {"name": "y", "type": "openai", "model": "m", "initialStatus": "inactive", "unknown": 1}],
        "agents": [7, {"name": "a"}, {"name": "b", "llmName": "ok", "defaultParams": [], "unknown": 1}]});
    let answer = client.post("/llms/_provider-register", &bad).await.expect(400);
    let mut pointers = answer.pointers();
    pointers.sort();
    let expected = [
        "/agents/0",
        "/agents/1",
        "/agents/2/defaultParams",
        "/providers/1/model",
        "/providers/1/name",
        "/providers/1/type",
        "/providers/2",
        "/providers/3/initialStatus",
    ];
    assert_eq!(pointers, expected, "{}", answer.text);
    unharmed(&mut mcpd, &client, sequence).await;
}

#[tokio::test]
async fn unknown_fields_are_ignored_by_publishing_and_refused_elsewhere() {
    let (_mcpd, client) = setting(&[]).await;
    let mut llm = samples::llm("new");
    llm["futureField"] = json!({"x": 1});
    llm["tier"] = Value::Null;
    let body = json!({"providers": [llm], "agents": null, "providerSessionId": null, "futureField": 1});
    let _ = client.post("/llms/_provider-register", &body).await.expect(201);
    let mut public = samples::public("public", "http://127.0.0.1:9");
    public["futureField"] = json!(1);
    let answer = client.post("/llms", &public).await;
    answer.refused(400, "INVALID", "not a known field");
    assert_eq!(answer.pointers(), ["/futureField"]);
    let answer = client.post("/agents", &json!({"name": "a", "llm": "llm", "colour": "red"})).await.expect(400);
    assert_eq!(answer.pointers(), ["/colour"]);
}

#[tokio::test]
async fn what_is_no_json_object_is_a_400_that_says_so() {
    let (mut mcpd, client) = setting(&[]).await;
    let sequence = client.sequence().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000));
    let bodies = [
        String::new(),
        "{not json".into(),
        "[]".into(),
        "null".into(),
        "\"text\"".into(),
        "{\"name\":\"a\",\"name\":\"b\"}".into(),
        "{} {}".into(),
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("{{\"name\":{}}}", deep("[", "]")),
        format!("{{\"message\":\"x\",\"params\":{}}}", deep("[", "]")),
        format!("{{\"providers\":{}}}", deep("[", "]")),
    ];
    for path in WRITES {
        for body in &bodies {
            let answer = client.post_text(path, body.clone()).await;
            let shown: String = body.chars().take(60).collect();
            assert_eq!(answer.status, 400, "{path} {shown}: {}", answer.text);
            assert_eq!(answer.json()["code"], "INVALID", "{path} {shown}");
        }
        let answer = client.post_text(path, &b"{\"name\":\"\xff\xfe\"}"[..]).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
    }
    unharmed(&mut mcpd, &client, sequence).await;
}

#[tokio::test]
async fn nul_and_lone_surrogates_are_refused_everywhere() {
    let (mut mcpd, client) = setting(&[]).await;
    let sequence = client.sequence().await;
    for text in [r"\u0000", r"a\u0000b", r"\ud83e", r"\udd80", r"\udd80\ud83e", r"\ud83ex"] {
        for body in [
            format!(r#"{{"name":"x","type":"openai","model":"m","url":"http://h","description":"{text}"}}"#),
            format!(r#"{{"name":"x","type":"openai","model":"m","url":"http://h","extraConfig":{{"a":["{text}"]}}}}"#),
            format!(r#"{{"name":"x","type":"openai","model":"m","url":"http://h","extraConfig":{{"{text}":1}}}}"#),
        ] {
            assert_eq!(client.post_text("/llms", body.clone()).await.status, 400, "{body}");
        }
        let register = format!(r#"{{"providers":[{{"name":"x","type":"openai","model":"{text}"}}]}}"#);
        assert_eq!(client.post_text("/llms/_provider-register", register).await.status, 400, "{text}");
        let chat = format!(r#"{{"message":"{text}"}}"#);
        assert_eq!(client.post_text("/agents/agent/chat", chat).await.status, 400, "{text}");
        let infer = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#);
        assert_eq!(client.post_text("/llms/llm/infer", infer).await.status, 400, "{text}");
    }
    unharmed(&mut mcpd, &client, sequence).await;
}

#[tokio::test]
async fn what_is_too_large_is_413() {
    let (mut mcpd, client) = setting(&["--max-body", "2MiB"]).await;
    let sequence = client.sequence().await;
    let long = |bytes: usize| json!({"name": "x", "type": "openai", "model": "m", "url": "http://h", "description": "x".repeat(bytes)});
    // Just over the limit: a server need not read on, and a caller that still sends may not see the answer.
    client.post("/llms", &long(2 << 20)).await.refused(413, "BODY_TOO_LARGE", "--max-body");
    client.post("/llms", &long(1 << 20)).await.refused(413, "RECORD_TOO_LARGE", "split it");
    let ask = json!({"messages": [{"role": "user", "content": "x".repeat(2 << 20)}]});
    client.post("/llms/llm/infer", &ask).await.refused(413, "BODY_TOO_LARGE", "--max-body");
    unharmed(&mut mcpd, &client, sequence).await;
    let _ = client.post("/llms", &long(800 << 10)).await.expect(201);
}

#[tokio::test]
async fn unknown_routes_methods_and_queries_are_answered_in_json() {
    let (mut mcpd, client) = setting(&[]).await;
    let sequence = client.sequence().await;
    for path in ["/nothing", "/llms/llm/what/ever", "/agents/agent/nothing/more", "/", "/llms/llm/infer/x"] {
        client.get(path).await.refused(404, "NOT_FOUND", "no such route");
    }
    client.get_root("/nothing").await.refused(404, "NOT_FOUND", "no such route");
    client.post("/llms/llm/explode", &json!({})).await.refused(404, "NOT_FOUND", "explode");
    for (method, path) in [(Method::DELETE, "/llms"), (Method::PATCH, "/agents/agent"), (Method::GET, "/gc")] {
        let answer = Client::send(client.request(method, path)).await;
        answer.refused(405, "METHOD_NOT_ALLOWED", "is not allowed on");
    }
    for path in [
        "/llms?limit=many",
        "/llms?limit=0",
        "/llms?kind=secret",
        "/agents?status=dead",
        "/agents?callable=perhaps",
        "/agents?label=x",
        "/agents?colour=red",
        "/events?after=-1",
        "/events?limit=0",
        "/events?limit=10001",
        "/llms?minSequence=x",
        "/inference-tasks?colour=red",
        "/agents/agent/tools?colour=red",
    ] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("INVALID")), "{path}: {}", answer.text);
    }
    client.get("/llms/%00").await.refused(404, "NOT_FOUND", "Llm not found");
    assert_eq!(client.get("/llms/%ff").await.status, 400);
    unharmed(&mut mcpd, &client, sequence).await;
}

#[tokio::test]
async fn who_has_no_good_token_gets_401_before_anything_else() {
    let (_mcpd, client) = setting(&[]).await;
    for token in [None, Some("wrong"), Some("")] {
        let stranger = client.with_token(token);
        for path in ["/llms", "/agents", "/events", "/agents/agent/threads", "/llms/_provider-stream", "/nothing"] {
            let answer = stranger.get(path).await;
            assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("UNAUTHORIZED")), "{path}");
        }
        assert_eq!(stranger.post_text("/llms", "{bad").await.status, 401);
    }
}

#[tokio::test]
async fn what_others_could_not_read_again_is_not_kept() {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let llm = |levels| {
        format!(r#"{{"name":"a","type":"openai","model":"m","url":"http://h","extraConfig":{{"x":{}}}}}"#, deep(levels))
    };
    client.post_text("/llms", llm(200)).await.refused(400, "INVALID", "nested deeper than 100 levels");
    let _ = client.post_text("/llms", llm(90)).await.expect(201);
    let latin = b"{\"messages\":[{\"role\":\"user\",\"content\":\"\xc3\x28\"}]}".to_vec();
    client.post_text("/llms/a/infer", latin).await.refused(400, "INVALID", "UTF-8");
}
