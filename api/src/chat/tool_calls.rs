//! Tool calls as a model makes them, whole or in pieces.

use crate::json;
use mcpctl_events::json::Json;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Call {
    pub id: String,
    pub name: String,
    /// A JSON object, if the model made no mistake.
    pub arguments: String,
}

/// A call, or a piece of one.
#[derive(Deserialize)]
struct Piece {
    index: Option<u64>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Written<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    type_: &'static str,
    function: WrittenFunction<'a>,
}

#[derive(Serialize)]
struct WrittenFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Most calls of one answer; what comes after them is only noted.
const MOST: usize = 64;

/// The calls of one answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Calls {
    made: Vec<Call>,
    /// Which call a piece of this index goes on with.
    places: Vec<(u64, usize)>,
    /// As they came, in one piece.
    raw: Option<Json>,
    too_many: bool,
    unreadable: bool,
}

impl Calls {
    /// Reads the calls of a whole answer.
    pub(super) fn whole(raw: &RawValue) -> Self {
        let mut calls = Self { raw: Some(Json::new(raw)), ..Self::default() };
        for piece in calls.pieces(raw) {
            if let Some(place) = calls.begin() {
                calls.add_to(place, piece);
            }
        }
        calls.name_all();
        calls
    }

    /// Takes pieces of a streamed answer.
    pub(super) fn take(&mut self, raw: &RawValue) {
        for piece in self.pieces(raw) {
            if let Some(place) = self.place(&piece) {
                self.add_to(place, piece);
            }
        }
    }

    /// Where a piece belongs. Some servers give each call the same index, and its whole at once.
    fn place(&mut self, piece: &Piece) -> Option<usize> {
        let index = piece.index.unwrap_or_default();
        let known = self.places.iter().rev().find(|(known, _)| *known == index).map(|(_, place)| *place);
        let begins = |place: &usize| {
            let id = piece.id.as_deref().unwrap_or_default();
            !id.is_empty() && !self.made[*place].id.is_empty() && self.made[*place].id != id
        };
        if let Some(place) = known.filter(|place| !begins(place)) {
            return Some(place);
        }
        let place = self.begin()?;
        self.places.push((index, place));
        Some(place)
    }

    /// One more call, if there is room.
    fn begin(&mut self) -> Option<usize> {
        self.too_many |= self.made.len() >= MOST;
        if self.too_many {
            return None;
        }
        self.made.push(Call::default());
        Some(self.made.len() - 1)
    }

    fn pieces(&mut self, raw: &RawValue) -> Vec<Piece> {
        let pieces = serde_json::from_str::<Option<Vec<Piece>>>(raw.get());
        self.unreadable |= pieces.is_err();
        pieces.ok().flatten().unwrap_or_default()
    }

    /// What is wrong with them, if anything is.
    pub(super) fn problem(&self) -> Option<String> {
        if self.unreadable {
            return Some("the model's `tool_calls` cannot be read".to_owned());
        }
        self.too_many.then(|| format!("the model asks for more than {MOST} tools at once"))
    }

    fn add_to(&mut self, place: usize, piece: Piece) {
        let call = &mut self.made[place];
        if let Some(id) = piece.id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        let Some(function) = piece.function else { return };
        if let Some(name) = function.name.filter(|name| !name.is_empty()) {
            call.name = name;
        }
        if let Some(arguments) = function.arguments.filter(|arguments| arguments.get() != "null") {
            // A string of JSON, as OpenAI has it; some servers give the object itself.
            match serde_json::from_str::<String>(arguments.get()) {
                Ok(text) => call.arguments.push_str(&text),
                Err(_) => call.arguments.push_str(arguments.get()),
            }
        }
    }

    /// Gives each call an id of its own where the model did not.
    pub(super) fn name_all(&mut self) {
        for place in 0..self.made.len() {
            let id = &self.made[place].id;
            if id.is_empty() || self.made[..place].iter().any(|other| other.id == *id) {
                let free = (place + 1..=place + 1 + self.made.len())
                    .map(|n| format!("call_{n}"))
                    .find(|id| self.made.iter().all(|it| it.id != *id));
                self.made[place].id = free.unwrap_or_default();
                self.raw = None;
            }
        }
    }

    /// The calls, in the order in which they were made.
    pub(super) fn as_slice(&self) -> &[Call] {
        &self.made
    }

    /// As a message has them: as they came if they came in one piece, and none if there are none.
    pub(super) fn as_json(&self) -> Option<Json> {
        if self.made.is_empty() {
            return None;
        }
        if let Some(raw) = &self.raw {
            return Some(raw.clone());
        }
        let written: Vec<_> = self.made.iter().map(Call::written).collect();
        let text = serde_json::to_string(&written).ok()?;
        Some(Json::new(&RawValue::from_string(text).ok()?))
    }
}

impl Call {
    fn written(&self) -> Written<'_> {
        let function = WrittenFunction { name: &self.name, arguments: &self.arguments };
        Written { id: &self.id, type_: "function", function }
    }

    /// The arguments; nothing at all counts as none.
    pub(super) fn arguments(&self) -> serde_json::Result<serde_json::Map<String, serde_json::Value>> {
        let text = self.arguments.trim();
        if text.is_empty() { Ok(serde_json::Map::new()) } else { json::object(text.as_bytes()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn streamed(pieces: &[&str]) -> Calls {
        let mut calls = Calls::default();
        for piece in pieces {
            calls.take(&raw(piece));
        }
        calls.name_all();
        calls
    }

    fn call(id: &str, name: &str, arguments: &str) -> Call {
        Call { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
    }

    #[test]
    fn whole_ones_stay_as_they_came() {
        let text = r#"[{"id":"t1","type":"function","extra":1.0,"function":{"name":"add","arguments":"{\"a\":1}"}}]"#;
        let calls = Calls::whole(&raw(text));
        assert_eq!(calls.as_slice(), [call("t1", "add", "{\"a\":1}")]);
        assert_eq!(calls.as_json().unwrap().get(), text);
        assert_eq!(calls.as_slice()[0].arguments().unwrap()["a"], 1);
    }

    #[test]
    fn pieces_are_put_together_by_their_index() {
        let calls = streamed(&[
            r#"[{"index":0,"id":"a","type":"function","function":{"name":"one","arguments":""}}]"#,
            r#"[{"index":0,"function":{"arguments":"{\"x\""}},{"index":1,"id":"b","function":{"name":"two","arguments":"{}"}}]"#,
            r#"[{"index":0,"id":"","function":{"name":"","arguments":":1}"}}]"#,
        ]);
        assert_eq!(calls.as_slice(), [call("a", "one", "{\"x\":1}"), call("b", "two", "{}")]);
        assert_eq!(
            calls.as_json().unwrap().get(),
            r#"[{"id":"a","type":"function","function":{"name":"one","arguments":"{\"x\":1}"}},{"id":"b","type":"function","function":{"name":"two","arguments":"{}"}}]"#
        );
    }

    #[test]
    fn sloppy_servers_are_understood() {
        let same_index = streamed(&[
            r#"[{"index":0,"id":"a","function":{"name":"one","arguments":{"x":1}}}]"#,
            r#"[{"index":0,"id":"b","function":{"name":"one","arguments":null}}]"#,
        ]);
        assert_eq!(same_index.as_slice(), [call("a", "one", "{\"x\":1}"), call("b", "one", "")]);
        assert!(same_index.as_slice()[1].arguments().unwrap().is_empty());
        let without_ids = Calls::whole(&raw(r#"[{"function":{"name":"x"}},{"id":"","function":{"name":"y"}}]"#));
        assert_eq!(without_ids.as_slice(), [call("call_1", "x", ""), call("call_2", "y", "")]);
        assert!(without_ids.as_json().unwrap().get().contains("call_2"), "answers need ids to refer to");
        for (text, readable) in
            [("[]", true), ("null", true), ("\"none\"", false), ("{}", false), ("[1]", false), ("[null]", false)]
        {
            let calls = Calls::whole(&raw(text));
            assert_eq!((calls.as_json(), calls.problem().is_none()), (None, readable), "{text}");
        }
        let clash = Calls::whole(&raw(
            r#"[{"id":"call_2","function":{}},{"id":"","function":{}},{"id":"call_2","function":{}}]"#,
        ));
        let ids: Vec<_> = clash.as_slice().iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["call_2", "call_3", "call_4"]);
        assert!(call("a", "b", "[1]").arguments().is_err() && call("a", "b", "{").arguments().is_err());
    }

    #[test]
    fn no_answer_has_calls_without_end() {
        let many = |piece: fn(usize) -> String| format!("[{}]", (0..200_000).map(piece).collect::<Vec<_>>().join(","));
        let whole = Calls::whole(&raw(&many(|n| format!(r#"{{"id":"a{n}"}}"#))));
        let pieces = streamed(&[&many(|n| format!(r#"{{"index":{n},"id":"a{n}"}}"#))]);
        for calls in [whole, pieces] {
            assert_eq!((calls.as_slice().len(), calls.problem().is_some()), (MOST, true));
        }
    }
}
