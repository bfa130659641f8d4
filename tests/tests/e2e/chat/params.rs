//! Parameters of a turn.

use super::Setting;
use mcpctl_tests::samples;
use serde_json::json;

#[tokio::test]
async fn extra_that_is_no_object_is_refused_before_a_thread_begins() {
    let mut setting = Setting::new(&[]).await;
    let client = setting.mcpd.client();
    for stream in [false, true] {
        let turn = json!({"message": "hi", "params": {"extra": 5}, "stream": stream});
        let answer = client.post("/agents/agent/chat", &turn).await;
        answer.refused(400, "INVALID", "is an object");
        assert_eq!(answer.pointers(), ["/params/extra"]);
    }
    assert_eq!(client.get("/agents/agent/threads").await.expect(200).json(), json!([]));

    let turn = json!({"message": "hi", "params": {"extra": {"top_k": 4}, "temperature": 0.9}});
    let (request, chat) = setting.turn(turn, &[samples::completion("hello")]).await;
    assert_eq!((&request["top_k"], &request["temperature"]), (&json!(4), &json!(0.9)));
    assert!(request.get("extra").is_none(), "{request}");
    let thread = chat.expect(200).json()["threadId"].clone();
    let again = json!({"message": "again", "threadId": thread, "params": {"extra": []}});
    client.post("/agents/agent/chat", &again).await.refused(400, "INVALID", "/params/extra");
    assert_eq!(setting.messages(&thread).await.len(), 2, "no turn was added");
}
