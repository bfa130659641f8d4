//! A JSON object whose fields are taken one by one; everything that is wrong is collected.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong there.
    pub reason: String,
}

/// What was found while reading.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub problems: Vec<Problem>,
    pub warnings: Vec<String>,
}

impl Findings {
    pub fn problem(&mut self, pointer: &str, reason: impl Into<String>) {
        self.problems.push(Problem { pointer: pointer.to_owned(), reason: reason.into() });
    }
}

/// An object at a place of the file. `null` counts as left out.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pointer: String,
    left: BTreeMap<String, &'a RawValue>,
}

impl<'a> Fields<'a> {
    /// Reads an object, or says that it is none.
    pub fn of(raw: &'a RawValue, pointer: &str, found: &mut Findings) -> Option<Self> {
        let Ok(mut left) = serde_json::from_str::<BTreeMap<String, &'a RawValue>>(raw.get()) else {
            found.problem(pointer, "must be an object");
            return None;
        };
        left.retain(|_, value| value.get() != "null");
        Some(Self { pointer: pointer.to_owned(), left })
    }

    /// Pointer of one field.
    pub fn at(&self, key: &str) -> String {
        format!("{}/{}", self.pointer, key.replace('~', "~0").replace('/', "~1"))
    }

    fn decode<T: Deserialize<'a>>(&mut self, key: &str, what: &str, found: &mut Findings) -> Option<T> {
        let raw = self.left.remove(key)?;
        let decoded = serde_json::from_str(raw.get()).ok();
        if decoded.is_none() {
            found.problem(&self.at(key), format!("must be {what}"));
        }
        decoded
    }

    pub fn text(&mut self, key: &str, found: &mut Findings) -> Option<String> {
        self.decode(key, "a string", found)
    }

    /// A string that must be there and say something; empty after a problem.
    pub fn required(&mut self, key: &str, found: &mut Findings) -> String {
        if !self.left.contains_key(key) {
            found.problem(&self.at(key), "is required");
            return String::new();
        }
        let text = self.text(key, found);
        if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            found.problem(&self.at(key), "must not be empty");
        }
        text.unwrap_or_default()
    }

    pub fn flag(&mut self, key: &str, found: &mut Findings) -> Option<bool> {
        self.decode(key, "true or false", found)
    }

    /// A whole number from `least` to `most`.
    pub fn number(&mut self, key: &str, least: u32, most: u32, found: &mut Findings) -> Option<u32> {
        let what = format!("a whole number from {least} to {most}");
        let number = self.decode(key, &what, found)?;
        if (least..=most).contains(&number) {
            return Some(number);
        }
        found.problem(&self.at(key), format!("must be {what}"));
        None
    }

    pub fn strings<T: DeserializeOwned>(&mut self, key: &str, what: &str, found: &mut Findings) -> Option<T> {
        self.decode(key, what, found)
    }

    /// Any value, token for token.
    pub fn raw(&mut self, key: &str) -> Option<&'a RawValue> {
        self.left.remove(key)
    }

    /// An object that is only passed on.
    pub fn opaque(&mut self, key: &str, found: &mut Findings) -> Option<Box<RawValue>> {
        let raw = self.raw(key)?;
        if raw.get().starts_with('{') {
            return Some(raw.to_owned());
        }
        found.problem(&self.at(key), "must be an object");
        None
    }

    pub fn object(&mut self, key: &str, found: &mut Findings) -> Option<Self> {
        let raw = self.raw(key)?;
        Self::of(raw, &self.at(key), found)
    }

    /// The objects of a list that may be left out.
    pub fn objects(&mut self, key: &str, found: &mut Findings) -> Vec<Self> {
        let items: Vec<&'a RawValue> = self.decode(key, "a list", found).unwrap_or_default();
        let each = items.into_iter().enumerate();
        each.filter_map(|(index, raw)| Self::of(raw, &format!("{}/{index}", self.at(key)), found)).collect()
    }

    /// What nobody asked for is most often a typing mistake.
    pub fn done(self, found: &mut Findings) {
        let odd = self.left.keys().map(|key| format!("{}: is not known and ignored", self.at(key)));
        found.warnings.extend(odd);
    }
}
