//! Whatever JSON goes in comes out, token for token: request, whole answer and chunk.

use mcpctl_tests::{
    Client, Mcpd, Publisher,
    publisher::{FEATURES, task_id},
    random::Random,
    samples, within,
};
use reqwest::Method;
use serde_json::{json, value::RawValue};
use std::{collections::BTreeMap, fmt::Write, time::Duration};

const SOON: Duration = Duration::from_secs(5);
const ROUNDS: usize = 100;
const DEEPEST: usize = 60;

const TEXTS: [&str; 8] = [
    "",
    "plain",
    "ünï\u{2028}cödé 🦀",
    r#"\" \\ \/ \b\f\n\r\t"#,
    r"\u0001\u00e9\ud83e\udd80",
    "data: x",
    "[DONE]",
    "}{",
];
const NUMBERS: [&str; 9] =
    ["0", "-0", "1e400", "12345678901234567890123", "0.1000", "1E-7", "-3.5e+10", "9007199254740993", "1e-400"];

fn pick(random: &mut Random, from: usize) -> usize {
    usize::try_from(random.below(from as u64)).expect("small")
}

/// A value as it may be spelled, spaces and all.
fn value(random: &mut Random, depth: usize, out: &mut String) {
    let space = ["", "", " ", "  "][pick(random, 4)];
    out.push_str(space);
    match pick(random, if depth < 6 { 8 } else { 5 }) {
        0 => out.push_str(["true", "false", "null"][pick(random, 3)]),
        1 | 2 => out.push_str(NUMBERS[pick(random, NUMBERS.len())]),
        3 | 4 => drop(write!(out, "\"{}\"", TEXTS[pick(random, TEXTS.len())])),
        5 | 6 => several(random, depth, out, "{}"),
        _ => several(random, depth, out, "[]"),
    }
    out.push_str(space);
}

/// An array, or an object with its keys in no order.
fn several(random: &mut Random, depth: usize, out: &mut String, brackets: &str) {
    out.push_str(&brackets[..1]);
    for index in 0..pick(random, 5) {
        out.push_str(if index > 0 { "," } else { "" });
        if brackets == "{}" {
            let _ = write!(out, "\"{}{index}\":", ["z", "model", "stream", "ü", ""][pick(random, 5)]);
        }
        value(random, depth + 1, out);
    }
    out.push_str(&brackets[1..]);
}

fn generated(random: &mut Random) -> String {
    let mut out = String::new();
    value(random, 0, &mut out);
    let depth = pick(random, DEEPEST);
    format!("{}{out}{}", "[".repeat(depth), "]".repeat(depth))
}

fn request_of(frame: &str) -> String {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(frame).expect("a frame is a JSON object");
    members["request"].get().to_owned()
}

async fn publisher(mcpd: &Mcpd) -> Publisher {
    let mut publisher = mcpd.publisher("one");
    let _ = publisher.register(json!([samples::llm("llm")]), json!([])).await.expect(201);
    publisher.connect(FEATURES).await;
    publisher
}

#[tokio::test]
async fn generated_json_survives_both_ways_whole_and_streamed() {
    let (mcpd, mut random) = (Mcpd::start(&[]).await, Random::from_env());
    let mut publisher = publisher(&mcpd).await;
    for round in 0..ROUNDS {
        let path = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"][round % 4];
        let streaming = round % 3 == 0;
        let rest =
            format!(r#","stream":{streaming},"tools":{},"y":{}}}"#, generated(&mut random), generated(&mut random));
        let request = mcpd.client().at_root(Method::POST, path).header("content-type", "application/json");
        let call = tokio::spawn(Client::send(request.body(format!(r#"{{"model":"llm"{rest}"#))));
        let frame = publisher.frame("infer").await;
        assert_eq!(request_of(&frame), format!(r#"{{"model":"Qwen/Qwen2.5"{rest}"#), "round {round}");
        let answer = generated(&mut random);
        let task = task_id(&frame);
        if streaming {
            let last = json!({"chunk": {"data": answer, "done": true}});
            let _ = publisher.results(&task, &[samples::chunk(&answer), last]).await.expect(202);
        } else {
            let upload = publisher.upload(&task);
            upload.send_text(format!("{{\"status\":200,\"body\":{answer}}}\n")).await;
            let _ = upload.finish().await.expect(202);
        }
        let got = within("the call ends", SOON, call).await.expect("no panic").expect(200);
        if streaming {
            let end = if path == "/v1/responses" { "" } else { "data: [DONE]\n\n" };
            assert_eq!(got.text, format!("data: {answer}\n\ndata: {answer}\n\n{end}"), "round {round}");
        } else {
            assert_eq!(got.text, answer.trim(), "round {round}");
        }
    }
}
