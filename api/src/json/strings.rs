//! No string may hold NUL or half a surrogate pair: databases and terminals choke on them.

use crate::error::ApiError;

/// Refuses `\u0000` and lone surrogates in the strings of valid JSON.
pub fn check_strings(json: &[u8]) -> Result<(), ApiError> {
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &json[at..]) {
        let escape = at + found;
        if json.get(escape + 1) != Some(&b'u') {
            at = escape + 2;
            if at > json.len() {
                return Ok(());
            }
            continue;
        }
        at = escape + 6;
        match unit(json, escape) {
            Some(0) => return Err(ApiError::invalid("", "a string holds \\u0000, which is not allowed")),
            Some(0xD800..=0xDBFF) if matches!(unit(json, at), Some(0xDC00..=0xDFFF)) => at += 6,
            Some(0xD800..=0xDFFF) => {
                return Err(ApiError::invalid("", "a string holds half of a surrogate pair, which is not allowed"));
            }
            _ => {}
        }
        if at > json.len() {
            return Ok(());
        }
    }
    Ok(())
}

/// The UTF-16 unit of the `\uXXXX` at `at`.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let escape = json.get(at..at + 6).filter(|escape| escape.starts_with(b"\\u"))?;
    u16::from_str_radix(std::str::from_utf8(&escape[2..]).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_and_lone_surrogates_are_refused() {
        for bad in [r#"{"a":"\u0000"}"#, r#"["\ud83d"]"#, r#"["\ude00\ud83d"]"#, r#"["\ud83dx\ude00"]"#] {
            assert!(check_strings(bad.as_bytes()).is_err(), "{bad}");
        }
        for good in [r#"["\ud83d\ude00"]"#, r#"["\\u0000"]"#, r#"["\n\u0001"]"#, "[]"] {
            assert!(check_strings(good.as_bytes()).is_ok(), "{good}");
        }
    }
}
