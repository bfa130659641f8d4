//! JSON and YAML page by page, as one answer.

use super::document::Document;
use super::{Format, json, yaml};

/// Writes documents as one list, of which no more is held than a page.
#[derive(Debug)]
pub struct Pages {
    format: Format,
    is_empty: bool,
}

impl Pages {
    /// A list of which nothing is written yet; as JSON, or as YAML documents.
    pub fn new(format: Format) -> Self {
        Self { format, is_empty: true }
    }

    /// A page, with what stands before it.
    pub fn text(&mut self, documents: &[Document]) -> String {
        let is_json = self.format == Format::Json;
        let (first, between) = if is_json { ("[\n", ",\n") } else { ("", "---\n") };
        let mut text = String::new();
        for document in documents {
            text += if std::mem::replace(&mut self.is_empty, false) { first } else { between };
            text += &if is_json { json::item(document) } else { yaml::write(document) };
        }
        text
    }

    /// What closes the list.
    pub fn end(&self) -> &'static str {
        match (self.format, self.is_empty) {
            (Format::Json, true) => "[]\n",
            (Format::Json, false) => "\n]\n",
            _ => "",
        }
    }
}
