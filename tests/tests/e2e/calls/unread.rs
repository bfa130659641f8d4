//! Callers that do not read their answer.

use super::{SOON, Setting};
use mcpctl_tests::{Mcpd, Model, Raw, Reply, eventually, publisher::task_id, samples, within};
use std::time::Duration;

/// More than fits between the server and a caller that does not read; with its quotes, less than a line may have.
const ANSWER: usize = 15 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn the_place_of_a_finished_call_is_free_before_its_caller_has_read() {
    let mut setting = Setting::new(&["--max-inflight-per-session", "1", "--queue-depth", "1"]).await;
    let ask = samples::ask(true).to_string();
    let mut unread = Raw::post(&setting.mcpd, "/llms/llm/infer", ask.len(), "").await;
    unread.send(&ask).await;
    let task = setting.publisher.task("infer").await;
    let upload = setting.publisher.upload(&task);
    upload.send(&samples::chunk(&"x".repeat(ANSWER))).await;
    upload.send(&samples::done()).await;
    let _ = upload.finish().await.expect(202);

    let (second, frame) = setting.call(samples::ask(false).to_string()).await;
    let _ = setting.publisher.result(&task_id(&frame), &samples::completion("next")).await.expect(202);
    let answer = within("the second call ends", SOON, second).await.expect("no panic").expect(200).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "next");

    let bytes = unread.read_until("data: [DONE]").await;
    assert!(bytes > ANSWER, "{bytes} bytes: what was taken is delivered all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_of_a_publishers_answer_is_cancelled() {
    let mut setting = Setting::new(&["--idle-timeout", "1s"]).await;
    let ask = samples::ask(true).to_string();
    let mut unread = Raw::post(&setting.mcpd, "/llms/llm/infer", ask.len(), "").await;
    unread.send(&ask).await;
    let task = setting.publisher.task("infer").await;
    let upload = setting.publisher.upload(&task);
    upload.send(&samples::chunk(&"x".repeat(ANSWER))).await;
    assert_eq!(setting.publisher.task("cancel").await, task);
    upload.answered().await.refused(410, "TASK_GONE", &task);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_hung_up_on_and_the_model_is_let_go() {
    let mcpd = Mcpd::start(&["--idle-timeout", "1s"]).await;
    let model = Model::start(Reply::Endless("x".repeat(64 << 10), Duration::ZERO)).await;
    let _ = mcpd.client().post("/llms", &samples::public("llm", &model.url)).await.expect(201);
    let ask = samples::ask(true).to_string();
    let mut unread = Raw::post(&mcpd, "/llms/llm/infer", ask.len(), "").await;
    unread.send(&ask).await;
    eventually("the model is called", SOON, async || (model.open() == 1).then_some(())).await;
    eventually("the model is let go", SOON, async || (model.open() == 0).then_some(())).await;
}
