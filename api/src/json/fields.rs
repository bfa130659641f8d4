//! One JSON object, field by field.

use crate::error::ApiError;
use mcpctl_events::{
    definition::Labels,
    json::Json,
    name::Name,
    wire::error::{MAX_PROBLEMS, Problem},
};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    ops::RangeInclusive,
};

/// Most members that an object may have of which each is looked at, and most elements of such an array.
const MAX_MEMBERS: usize = 100_000;

/// What is wrong with a request, all of it, as far as an answer lists it.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>, Cell<bool>);

impl Problems {
    /// Adds one.
    pub fn add(&self, pointer: impl Into<String>, reason: impl Into<String>) {
        if !self.are_enough() {
            self.0.borrow_mut().push(Problem { pointer: pointer.into(), reason: reason.into() });
        }
    }

    /// Whether more of them would not be listed.
    pub fn are_enough(&self) -> bool {
        self.0.borrow().len() >= MAX_PROBLEMS
    }

    /// Adds one whose reason is a sentence that says enough without its pointer.
    pub fn say(&self, pointer: impl Into<String>, sentence: &str) {
        if self.0.borrow().is_empty() {
            self.1.set(true);
        }
        self.add(pointer, sentence);
    }

    /// `value`, or every problem that was found.
    pub fn check<T>(self, value: Option<T>) -> Result<T, ApiError> {
        match (self.0.into_inner(), value) {
            (problems, Some(value)) if problems.is_empty() => Ok(value),
            (problems, _) => Err(ApiError::problems(problems, self.1.get())),
        }
    }
}

/// The members of an object; reading one takes it out.
#[derive(Debug)]
pub struct Fields<'a> {
    pointer: String,
    members: BTreeMap<String, &'a RawValue>,
    problems: &'a Problems,
    null_is_absent: bool,
}

/// The elements of an array.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Elements<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of at most {MAX_MEMBERS} elements")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Elements<'de>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element::<&'de RawValue>()? {
                    if elements.len() >= MAX_MEMBERS {
                        return Err(serde::de::Error::invalid_length(elements.len() + 1, &self));
                    }
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Read)
    }
}

/// An object whose names are each there once.
struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if members.len() >= MAX_MEMBERS {
                        return Err(serde::de::Error::custom(format_args!("it has more than {MAX_MEMBERS} members")));
                    }
                    if members.contains_key(&name) {
                        return Err(serde::de::Error::custom(format_args!("`{name}` is there twice")));
                    }
                    members.insert(name, value);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

impl<'a> Fields<'a> {
    /// Reads a body that is one object.
    pub fn parse(body: &'a [u8], problems: &'a Problems) -> Result<Self, ApiError> {
        let members: Members<'a> = serde_json::from_slice(body)
            .map_err(|error| ApiError::invalid("", format!("the body is no JSON object: {error}")))?;
        super::check_strings(body)?;
        Ok(Self { pointer: String::new(), members: members.0, problems, null_is_absent: false })
    }

    /// Treats `null` as a field that was left out.
    #[must_use]
    pub fn null_is_absent(mut self) -> Self {
        self.null_is_absent = true;
        self.members.retain(|_, value| value.get() != "null");
        self
    }

    /// The object at a member of an array or object, if it is one.
    pub fn nested(&self, pointer: String, value: &'a RawValue) -> Option<Self> {
        let members: Members<'a> = serde_json::from_str(value.get()).ok()?;
        let fields = Self { pointer, members: members.0, problems: self.problems, null_is_absent: false };
        Some(if self.null_is_absent { fields.null_is_absent() } else { fields })
    }

    /// Pointer of the object.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Pointer of a member.
    pub fn at(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }

    /// Notes a problem with a member.
    pub fn problem(&self, name: &str, reason: impl Into<String>) {
        self.problems.add(if name.is_empty() { self.pointer.clone() } else { self.at(name) }, reason);
    }

    /// Notes a problem anywhere in the body.
    pub fn problem_at(&self, pointer: &str, reason: impl Into<String>) {
        self.problems.add(pointer, reason);
    }

    /// All problems of the request so far.
    pub fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// Takes a member as it is.
    pub fn raw(&mut self, name: &str) -> Option<&'a RawValue> {
        self.members.remove(name).filter(|value| value.get() != "null")
    }

    fn read<T: serde::de::DeserializeOwned>(&mut self, name: &str, expected: &str) -> Option<T> {
        let value = self.raw(name)?;
        let read = serde_json::from_str(value.get());
        if read.is_err() {
            self.problem(name, expected);
        }
        read.ok()
    }

    /// Whether a member is there and is a string.
    pub fn is_string(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| value.get().starts_with('"'))
    }

    /// Whether a member is there and is not null.
    pub fn is_there(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| value.get() != "null")
    }

    /// Whether a member is not there, or null, or an empty string.
    pub fn is_empty(&self, name: &str) -> bool {
        self.members.get(name).is_none_or(|value| matches!(value.get(), "null" | "\"\""))
    }

    /// A string that may be left out.
    pub fn string(&mut self, name: &str) -> Option<String> {
        self.read(name, "is a string")
    }

    /// A string that must be there and not be empty.
    pub fn required_string(&mut self, name: &str) -> Option<String> {
        if !self.is_there(name) {
            self.members.remove(name);
            self.problem(name, "is required, a string");
            return None;
        }
        let text = self.string(name)?;
        if text.is_empty() {
            self.problem(name, "is required and must not be empty");
            return None;
        }
        Some(text)
    }

    fn checked_name(&self, name: &str, text: &str) -> Option<Name> {
        let parsed = Name::parse(text);
        if let Err(error) = &parsed {
            self.problem(name, error.to_string());
        }
        parsed.ok()
    }

    /// A name that may be left out.
    pub fn name(&mut self, name: &str) -> Option<Name> {
        let text = self.string(name)?;
        self.checked_name(name, &text)
    }

    /// A name that must be there.
    pub fn required_name(&mut self, name: &str) -> Option<Name> {
        let text = self.required_string(name)?;
        self.checked_name(name, &text)
    }

    /// A count from 1 that may be left out.
    pub fn count(&mut self, name: &str) -> Option<u32> {
        self.whole(name, 1..=u32::MAX.into(), "is a whole number from 1").and_then(|count| u32::try_from(count).ok())
    }

    /// A whole number of any sign that may be left out.
    pub fn integer(&mut self, name: &str) -> Option<i32> {
        let range = i32::MIN.into()..=i32::MAX.into();
        self.whole(name, range, "is a whole number").and_then(|number| i32::try_from(number).ok())
    }

    /// A whole number in a range; `2.0` is one, as in JSON Schema.
    fn whole(&mut self, name: &str, range: RangeInclusive<i64>, expected: &str) -> Option<i64> {
        let number = self.raw(name)?.get();
        #[expect(clippy::cast_possible_truncation, reason = "what is no whole number of 53 bits is none here")]
        let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
        let number = number.parse().ok().or_else(|| number.parse().ok().and_then(whole));
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(name, expected);
        }
        number
    }

    /// Strings that may be left out.
    pub fn strings(&mut self, name: &str) -> Option<Vec<String>> {
        self.read(name, "is an array of strings")
    }

    /// An http or https URL that may be left out; `instead` is where a password belongs.
    pub fn url(&mut self, name: &str, instead: &str) -> Option<String> {
        let url = self.string(name)?;
        let parsed =
            reqwest::Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        match parsed {
            None => self.problem(name, "is an http or https URL"),
            Some(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
                self.problem(name, format!("must not hold a user or password{instead}"));
            }
            Some(_) => return Some(url),
        }
        None
    }

    /// Takes all members that are left.
    pub fn take_all(&mut self) -> BTreeMap<String, &'a RawValue> {
        std::mem::take(&mut self.members)
    }

    /// A flag that may be left out.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.read(name, "is true or false")
    }

    /// An object that is kept as it is.
    pub fn object(&mut self, name: &str) -> Option<Json> {
        let value = self.raw(name)?;
        if !value.get().starts_with('{') {
            self.problem(name, "is an object");
            return None;
        }
        Some(Json::new(value))
    }

    /// Parameters of a model's API, kept as they are; their member `extra` is an object.
    pub fn params(&mut self, name: &str) -> Option<Json> {
        #[derive(serde::Deserialize)]
        struct Extra<'a> {
            #[serde(borrow)]
            extra: Option<&'a RawValue>,
        }
        let params = self.object(name)?;
        let extra = serde_json::from_str::<Extra<'_>>(params.get());
        let is_object = |extra: Extra<'_>| extra.extra.is_none_or(|extra| extra.get().starts_with('{'));
        if !extra.is_ok_and(is_object) {
            self.problem_at(&format!("{}/extra", self.at(name)), "is an object");
        }
        Some(params)
    }

    /// Labels: an object of strings.
    pub fn labels(&mut self, name: &str) -> Option<Labels> {
        self.read(name, "is an object whose values are strings")
    }

    /// The elements of an array; `None` if it is left out.
    pub fn array(&mut self, name: &str) -> Option<Vec<&'a RawValue>> {
        let value = self.raw(name)?;
        let elements = serde_json::from_str::<Elements<'a>>(value.get());
        if elements.is_err() {
            self.problem(name, format!("is an array of at most {MAX_MEMBERS} elements"));
        }
        elements.ok().map(|elements| elements.0)
    }

    /// Refuses what nobody took.
    pub fn refuse_unknown(self) {
        for name in self.members.keys().take(MAX_PROBLEMS) {
            self.problem(name, "is not a known field");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_found_with_its_pointer() {
        let problems = Problems::default();
        let mut fields = Fields::parse(br#"{"name":"Bad Name","n":0,"o":[],"x/y":1,"s":5}"#, &problems).unwrap();
        fields.required_name("name");
        fields.required_string("gone");
        fields.count("n");
        fields.object("o");
        fields.string("s");
        fields.refuse_unknown();
        let error = problems.check(Some(())).unwrap_err();
        let pointers: Vec<_> = error.details.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/gone", "/n", "/o", "/s", "/x~1y"]);
    }
}
