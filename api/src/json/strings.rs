//! No string may hold NUL or half a surrogate pair: databases and terminals choke on them.

use crate::{error::ApiError, limits::Limit};

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

/// Refuses JSON that is nested deeper than readers of it take: what is kept has to be read again by everyone.
pub fn check_depth(json: &[u8], most: usize) -> Result<(), ApiError> {
    let (mut depth, mut in_string, mut at) = (0_usize, false, 0);
    while at < json.len() {
        match json[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            let message = format!("the body is nested deeper than {most} levels, the limit of --max-json-depth");
            return Err(ApiError { limit: Some(Limit::Depth), ..ApiError::invalid("", message) });
        }
        at += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_and_lone_surrogates_are_refused() {
        for bad in [r#"{"a":"\u0000"}"#, r#"["\ud83d"]"#, r#"["\ude00\ud83d"]"#, r#"["\ud83dx\ude00"]"#] {
            assert!(check_strings(bad.as_bytes()).is_err(), "{bad}");
        }
        let nested = |levels: usize| format!("{}\"[{{\\\"[\"{}", "[".repeat(levels), "]".repeat(levels));
        assert!(check_depth(nested(7).as_bytes(), 7).is_ok());
        assert!(check_depth(nested(8).as_bytes(), 7).is_err());
        for good in [r#"["\ud83d\ude00"]"#, r#"["\\u0000"]"#, r#"["\n\u0001"]"#, "[]"] {
            assert!(check_strings(good.as_bytes()).is_ok(), "{good}");
        }
    }
}
