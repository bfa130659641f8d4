//! What strangers' bytes meet first, apart from the program around it: for fuzzers.

use crate::apply::read::read;
use crate::apply::source::Source;
use crate::output::document::Document;
use crate::output::yaml;

/// Reads the documents of `apply` and writes them as `get -o yaml` does; none if they are refused.
pub fn documents(text: &str) -> Option<Vec<String>> {
    let all = read(&[Source { name: "text".to_owned(), text: text.to_owned() }]).ok()?;
    let written = all.into_iter().map(|wanted| {
        let Document::Map(members) = wanted.definition else { unreachable!("a document is a mapping") };
        let kind = ("kind".to_owned(), Document::text(wanted.noun.word()));
        yaml::write(&Document::Map(std::iter::once(kind).chain(members).collect()))
    });
    Some(written.collect())
}
