//! What a scalar means: YAML's core schema.

use crate::output::document::Document;
use saphyr_parser::{ScalarStyle, Tag};
use std::borrow::Cow;

/// How the tags of the core schema begin.
const CORE: &str = "tag:yaml.org,2002:";

/// What a tag of the core schema is called there; none for another one.
pub fn core(tag: &Tag) -> Option<&str> {
    if tag.handle == CORE { Some(&tag.suffix) } else { tag.suffix.strip_prefix(CORE).filter(|_| tag.handle.is_empty()) }
}

/// What is said of a tag that means nothing here.
pub fn unknown(tag: &Tag) -> String {
    format!("has the tag {tag}, which nothing here knows")
}

/// Reads one.
///
/// # Errors
/// JSON cannot say it, or it is not what its tag says.
pub fn read(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Result<Document, String> {
    let is_text = |tag: &Tag| core(tag) == Some("str") || tag.handle.is_empty() && tag.suffix == "!" || is_bare(tag);
    let Some(tag) = tag.filter(|tag| !is_text(tag)) else {
        let is_plain = style == ScalarStyle::Plain && tag.is_none();
        return if is_plain { plain(text) } else { Ok(Document::Text(text.into_owned())) };
    };
    let kind = core(tag).ok_or_else(|| unknown(tag))?;
    let shown = text.clone().into_owned();
    match plain(text)? {
        Document::Token(token) if kind_of(&token) == kind || kind == "float" && kind_of(&token) == "int" => {
            Ok(Document::Token(token))
        }
        _ => Err(format!("{shown} is no {kind}")),
    }
}

/// `!` alone: no word of the schema.
fn is_bare(tag: &Tag) -> bool {
    tag.handle == "!" && tag.suffix.is_empty()
}

fn kind_of(token: &str) -> &'static str {
    match token {
        "null" => "null",
        "true" | "false" => "bool",
        number if number.contains(['.', 'e', 'E']) => "float",
        _ => "int",
    }
}

/// What a word without quotes means.
fn plain(text: Cow<'_, str>) -> Result<Document, String> {
    Ok(match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Document::Token("null".to_owned()),
        "true" | "True" | "TRUE" => Document::Token("true".to_owned()),
        "false" | "False" | "FALSE" => Document::Token("false".to_owned()),
        word if is_beyond_json(word) => return Err(format!("holds the number {word}, which JSON has not")),
        word => match number(word)? {
            Some(token) => Document::Token(token),
            None => Document::Text(text.into_owned()),
        },
    })
}

/// Infinity, and what is no number.
fn is_beyond_json(word: &str) -> bool {
    let word = word.strip_prefix(['-', '+']).unwrap_or(word);
    matches!(word, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN")
}

/// A number as JSON spells it; none if it is no number.
fn number(word: &str) -> Result<Option<String>, String> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        let digits = word.strip_prefix(prefix).filter(|digits| !digits.is_empty());
        if let Some(digits) = digits.filter(|digits| digits.chars().all(|digit| digit.is_digit(radix))) {
            let number = u128::from_str_radix(digits, radix);
            return number
                .map(|number| Some(number.to_string()))
                .map_err(|_| format!("{word} is too long: write it in decimal"));
        }
    }
    Ok(decimal(word))
}

fn decimal(word: &str) -> Option<String> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", word.strip_prefix('+').unwrap_or(word)),
    };
    let (mantissa, exponent) = digits.find(['e', 'E']).map_or((digits, ""), |at| digits.split_at(at));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let power = exponent.get(1..).unwrap_or_default();
    let power = power.strip_prefix(['-', '+']).unwrap_or(power);
    let is_number = are_digits(whole)
        && are_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && are_digits(power)
        && exponent.is_empty() == power.is_empty();
    if !is_number {
        return None;
    }
    let whole = Some(whole.trim_start_matches('0')).filter(|whole| !whole.is_empty()).unwrap_or("0");
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    Some(format!("{sign}{whole}{fraction}{exponent}"))
}
