//! Reading columns into the registry's own types.

use super::database::Cells;
use std::{fmt::Display, str::FromStr};

impl<'r> Cells<'r> {
    pub(crate) fn text(&mut self) -> Result<&'r str, String> {
        self.text_or_null()?.ok_or_else(|| "a value is missing".to_owned())
    }

    pub(crate) fn parse<T: FromStr<Err: Display>>(&mut self) -> Result<T, String> {
        self.text()?.parse().map_err(|error: T::Err| error.to_string())
    }

    pub(crate) fn parse_or_null<T: FromStr<Err: Display>>(&mut self) -> Result<Option<T>, String> {
        self.text_or_null()?.map(|text| text.parse().map_err(|error: T::Err| error.to_string())).transpose()
    }

    /// A column that holds JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, String> {
        serde_json::from_str(self.text()?).map_err(|error| error.to_string())
    }

    pub(crate) fn json_or_null<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, String> {
        self.text_or_null()?.map(|text| serde_json::from_str(text).map_err(|error| error.to_string())).transpose()
    }

    /// A column that holds a word of an enum, or a name: anything that is a JSON string.
    pub(crate) fn word<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, String> {
        word(self.text()?)
    }

    pub(crate) fn word_or_null<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, String> {
        self.text_or_null()?.map(word).transpose()
    }

    pub(crate) fn number<T: TryFrom<i64, Error: Display>>(&mut self) -> Result<T, String> {
        self.number_or_null()?.ok_or_else(|| "a number is missing".to_owned())
    }

    pub(crate) fn number_or_null<T: TryFrom<i64, Error: Display>>(&mut self) -> Result<Option<T>, String> {
        self.int_or_null()?.map(|int| T::try_from(int).map_err(|error| error.to_string())).transpose()
    }

    pub(crate) fn flag(&mut self) -> Result<bool, String> {
        Ok(self.number::<i64>()? != 0)
    }
}

fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    use serde::de::{IntoDeserializer, value::StrDeserializer};
    let deserializer: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(deserializer).map_err(|error| error.to_string())
}

/// The word under which a value is stored: its JSON string.
pub(crate) fn as_word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        // Only unit variants are stored this way.
        _ => String::new(),
    }
}
