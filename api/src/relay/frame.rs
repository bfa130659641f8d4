//! Frames to publishers, written once as bytes: a stream sends them whole, a long-poll takes the JSON out of them.

use bytes::Bytes;
use mcpctl_events::{name::Name, time::LogTime};
use uuid::Uuid;

const PREFIX: &[u8] = b"event: task\ndata: ";
const SUFFIX: &[u8] = b"\n\n";

/// One `task` event.
#[derive(Debug, Clone)]
pub struct Frame {
    event: Bytes,
    /// The call that it carries; none for a control frame.
    call: Option<Uuid>,
}

/// What a call asks of a publisher.
#[derive(Debug)]
pub struct Infer<'a> {
    /// Names the task.
    pub task: Uuid,
    /// The registry's name of the model.
    pub llm: &'a Name,
    /// The name of the model at its own server.
    pub model: &'a str,
    /// Path at the model server.
    pub path: &'a str,
    /// Whether the caller wants a stream.
    pub streaming: bool,
    /// The request, on one line.
    pub request: &'a [u8],
    /// When the server gives up.
    pub deadline: LogTime,
}

impl Frame {
    /// A call.
    pub fn infer(infer: &Infer<'_>) -> Self {
        let mut out = Vec::with_capacity(infer.request.len() + 360);
        out.extend_from_slice(PREFIX);
        out.extend_from_slice(br#"{"kind":"infer","taskId":""#);
        let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
        out.extend_from_slice(infer.task.hyphenated().encode_lower(&mut id).as_bytes());
        // A registry name needs no escaping.
        out.extend_from_slice(br#"","llmName":""#);
        out.extend_from_slice(infer.llm.as_bytes());
        out.extend_from_slice(br#"","model":"#);
        push_string(&mut out, infer.model);
        out.extend_from_slice(br#","path":"#);
        push_string(&mut out, infer.path);
        out.extend_from_slice(if infer.streaming { br#","streaming":true"# } else { br#","streaming":false"# });
        out.extend_from_slice(br#","request":"#);
        out.extend_from_slice(infer.request);
        out.extend_from_slice(br#","deadline":""#);
        out.extend_from_slice(infer.deadline.to_string().as_bytes());
        out.extend_from_slice(b"\"}");
        out.extend_from_slice(SUFFIX);
        Self { event: out.into(), call: Some(infer.task) }
    }

    /// A model server that sleeps is to be brought up.
    pub fn wake(task: Uuid, llm: &Name, max_wait_seconds: u64) -> Self {
        let json =
            format!(r#"{{"kind":"wake","taskId":"{task}","llmName":"{llm}","maxWaitSeconds":{max_wait_seconds}}}"#);
        Self { event: format!("event: task\ndata: {json}\n\n").into(), call: Some(task) }
    }

    /// The caller went away.
    pub fn cancel(task: Uuid) -> Self {
        Self::short("cancel", task)
    }

    /// The first object of an upload arrived.
    pub fn ack(task: Uuid) -> Self {
        Self::short("ack", task)
    }

    fn short(kind: &str, task: Uuid) -> Self {
        let event = format!("event: task\ndata: {{\"kind\":\"{kind}\",\"taskId\":\"{task}\"}}\n\n");
        Self { event: event.into(), call: None }
    }

    /// The whole event.
    pub fn event(&self) -> &Bytes {
        &self.event
    }

    /// The task whose call this is; none for control frames.
    pub fn call(&self) -> Option<Uuid> {
        self.call
    }

    /// The JSON alone.
    pub fn json(&self) -> &[u8] {
        &self.event[PREFIX.len()..self.event.len() - SUFFIX.len()]
    }
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_event_of_valid_json() {
        let name = Name::parse("qwen").unwrap();
        let frame = Frame::infer(&Infer {
            task: Uuid::nil(),
            llm: &name,
            model: "Qwen/\"x\"",
            path: "/v1/chat/completions",
            streaming: true,
            request: br#"{"model":"m","x":1.50}"#,
            deadline: LogTime::from_millis(0),
        });
        let json: serde_json::Value = serde_json::from_slice(frame.json()).unwrap();
        assert_eq!((json["kind"].as_str(), json["model"].as_str()), (Some("infer"), Some("Qwen/\"x\"")));
        assert_eq!(json["streaming"], true);
        let text = std::str::from_utf8(frame.event()).unwrap();
        assert!(text.starts_with("event: task\ndata: {") && text.ends_with("}\n\n"));
        assert!(text.contains(r#""request":{"model":"m","x":1.50},"#), "{text}");
        let cancel: serde_json::Value = serde_json::from_slice(Frame::cancel(Uuid::nil()).json()).unwrap();
        assert_eq!(cancel["kind"], "cancel");
    }
}
