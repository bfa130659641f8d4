//! Results: who may send them, in which shapes, and what late ones get.

use super::publish;
use mcpctl_tests::{Answer, Mcpd, Publisher, publisher::FEATURES, samples, sse::Sse, within};
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;

struct Setting {
    mcpd: Mcpd,
    publisher: Publisher,
}

impl Setting {
    async fn new(flags: &[&str], features: &str) -> Self {
        let mcpd = Mcpd::start(flags).await;
        let mut publisher = mcpd.publisher("one");
        publish(&publisher).await;
        publisher.connect(features).await;
        Self { mcpd, publisher }
    }

    /// Calls the model; returns the call and its task.
    async fn call(&mut self, stream: bool) -> (JoinHandle<Answer>, String) {
        let client = self.mcpd.client();
        let call = tokio::spawn(async move { client.post("/llms/llm/infer", &samples::ask(stream)).await });
        (call, self.publisher.task("infer").await)
    }
}

#[tokio::test]
async fn only_the_session_that_has_the_task_may_answer_and_only_once() {
    let mut setting = Setting::new(&[], "").await;
    let (call, task) = setting.call(false).await;
    let thief = setting.mcpd.publisher("thief");
    let _ = thief.register(json!([samples::llm("thief")]), json!([])).await.expect(201);
    thief.result(&task, &samples::completion("stolen")).await.refused(403, "NOT_YOUR_TASK", &task);
    let unknown = "00000000-0000-7000-8000-000000000000";
    let publisher = &setting.publisher;
    publisher.result(unknown, &samples::completion("x")).await.refused(404, "TASK_NOT_FOUND", unknown);
    publisher.result("no-id", &samples::completion("x")).await.refused(404, "TASK_NOT_FOUND", "no-id");
    let _ = publisher.result(&task, &samples::completion("mine")).await.expect(202);
    assert_eq!(call.await.expect("no panic").json()["choices"][0]["message"]["content"], "mine");
    publisher.result(&task, &samples::completion("again")).await.refused(409, "TASK_FINISHED", &task);
    thief.result(&task, &samples::completion("late")).await.refused(403, "NOT_YOUR_TASK", &task);
}

#[tokio::test]
async fn a_cancelled_task_is_gone() {
    let mut setting = Setting::new(&[], "").await;
    let (call, task) = setting.call(false).await;
    call.abort();
    assert_eq!(setting.publisher.task("cancel").await, task);
    setting.publisher.result(&task, &samples::completion("late")).await.refused(410, "TASK_GONE", &task);
    let upload = setting.publisher.results(&task, &[samples::chunk("late")]).await;
    upload.refused(410, "TASK_GONE", &task);
}

#[tokio::test]
async fn chunks_come_one_by_one_or_in_one_upload() {
    let mut setting = Setting::new(&[], "").await;
    let (call, task) = setting.call(true).await;
    for word in ["a", "b"] {
        let _ = setting.publisher.result(&task, &samples::chunk(word)).await.expect(202);
    }
    let _ = setting.publisher.result(&task, &json!({"chunk": {"data": "c", "done": true}})).await.expect(202);
    assert_eq!(call.await.expect("no panic").data(), ["a", "b", "c", "[DONE]"], "a chunk with `done` loses nothing");
    setting.publisher.result(&task, &samples::chunk("late")).await.refused(409, "TASK_FINISHED", &task);

    let (call, task) = setting.call(true).await;
    let objects = [json!({"accepted": true}), samples::chunk("a"), samples::chunk("b"), samples::done()];
    let _ = setting.publisher.results(&task, &objects).await.expect(202);
    assert_eq!(call.await.expect("no panic").data(), ["a", "b", "[DONE]"]);
}

#[tokio::test]
async fn lines_may_be_cut_anywhere() {
    let mut setting = Setting::new(&[], "").await;
    let (call, task) = setting.call(true).await;
    let upload = setting.publisher.upload(&task);
    let text = format!("{}\n\n{}\r\n{}", samples::chunk("ein Grüß"), samples::chunk("zwei 🦀"), samples::done());
    for piece in text.as_bytes().chunks(3) {
        upload.send_text(piece.to_vec()).await;
    }
    let _ = upload.finish().await.expect(202);
    assert_eq!(call.await.expect("no panic").data(), ["ein Grüß", "zwei 🦀", "[DONE]"]);
}

#[tokio::test]
async fn the_first_object_of_an_upload_is_acknowledged_while_it_is_open() {
    let mut setting = Setting::new(&[], FEATURES).await;
    let (call, task) = setting.call(true).await;
    let upload = setting.publisher.upload(&task);
    upload.send(&json!({"accepted": true})).await;
    assert_eq!(setting.publisher.task("ack").await, task);
    upload.send(&samples::chunk("x")).await;
    upload.send(&samples::done()).await;
    let _ = upload.finish().await.expect(202);
    let _ = call.await.expect("no panic").expect(200);
}

#[tokio::test]
async fn an_answer_that_is_no_json_keeps_its_text_and_type() {
    let mut setting = Setting::new(&[], "").await;
    let (call, task) = setting.call(false).await;
    let page = json!({"status": 503, "text": "<h1>loading</h1>", "contentType": "text/html; charset=utf-8"});
    let _ = setting.publisher.result(&task, &page).await.expect(202);
    let answer = call.await.expect("no panic").expect(503);
    assert_eq!((answer.text.as_str(), answer.header("content-type")), ("<h1>loading</h1>", "text/html; charset=utf-8"));

    let (call, task) = setting.call(true).await;
    let refusal = json!({"status": 429, "body": {"error": {"message": "slow down"}}});
    let _ = setting.publisher.result(&task, &refusal).await.expect(202);
    let answer = call.await.expect("no panic").expect(429);
    assert_eq!(answer.json()["error"]["message"], "slow down", "a stream that did not begin keeps its status");
}

#[tokio::test]
async fn what_cannot_be_understood_fails_the_call_and_says_what_was_expected() {
    let mut setting = Setting::new(&["--max-body", "64KiB"], "").await;
    for (result, says) in
        [(json!({"what": 1}), "`accepted`, `error`, `chunk`"), (json!({"status": 7, "body": {}}), "200 to 599")]
    {
        let (call, task) = setting.call(false).await;
        setting.publisher.result(&task, &result).await.refused(400, "INVALID", says);
        call.await.expect("no panic").refused(502, "PUBLISHER_ERROR", says);
    }
    let (call, task) = setting.call(false).await;
    let _ = setting.publisher.result(&task, &json!({"error": "CUDA out of memory"})).await.expect(202);
    call.await.expect("no panic").refused(502, "PUBLISHER_ERROR", "CUDA out of memory");

    let (call, task) = setting.call(true).await;
    let answer = setting.publisher.results(&task, &[json!([1])]).await;
    answer.refused(400, "INVALID", "a JSON object");
    call.await.expect("no panic").refused(502, "PUBLISHER_ERROR", "a JSON object");

    let (call, task) = setting.call(true).await;
    let upload = setting.publisher.upload(&task);
    upload.send_text(vec![b'x'; (64 << 10) + 100]).await;
    let refused = upload.answered().await;
    assert!((400..500).contains(&refused.status), "a line over the limit: {}", refused.text);
    let answer = within("the call fails", Duration::from_secs(5), call).await.expect("no panic");
    assert_eq!(answer.status, 502, "{}", answer.text);
}

#[tokio::test]
async fn an_upload_that_breaks_off_ends_the_answer_without_done() {
    let mut setting = Setting::new(&[], "").await;
    let client = setting.mcpd.client();
    let request = client.request(reqwest::Method::POST, "/llms/llm/infer").json(&samples::ask(true));
    let call = tokio::spawn(request.send());
    let task = setting.publisher.task("infer").await;
    let upload = setting.publisher.upload(&task);
    upload.send(&samples::chunk("first")).await;
    let mut answer = Sse::new(call.await.expect("no panic").expect("an answer"));
    assert_eq!(answer.next().await.data, "first");
    upload.break_off();
    let rest = within("the end", Duration::from_secs(5), answer.rest()).await;
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert!(rest[0].contains(r#""code":"PUBLISHER_DISCONNECTED""#), "{rest:?}");
}
