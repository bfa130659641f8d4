//! The base URL of a model server: what people write, and what `/v1/…` is put behind.

use hyper::Uri;

/// Takes trailing slashes and then exactly one `/v1` off: `http://h:1/v1/` → `http://h:1`, while `/v1beta` is kept.
///
/// # Errors
/// A sentence on what is wrong with the URL.
pub fn normalise(url: &str) -> Result<String, String> {
    let bare = url.trim().trim_end_matches('/');
    let base = bare.strip_suffix("/v1").unwrap_or(bare);
    check(base)?;
    Ok(base.to_owned())
}

/// Whether something is a URL that can be dialled, and holds no secret.
///
/// # Errors
/// A sentence on what is wrong with the URL.
pub fn check(url: &str) -> Result<(), String> {
    let uri: Uri = url.parse().map_err(|_| "is not a URL".to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("must begin with http:// or https://".to_owned());
    }
    let authority = uri.authority().map_or("", hyper::http::uri::Authority::as_str);
    if authority.contains('@') {
        return Err("must not hold a user name or password".to_owned());
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err("has no host".to_owned());
    }
    if uri.query().is_some() || url.contains('#') {
        return Err("must not have a query or a fragment".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_slashes_and_then_one_v1() {
        for (given, base) in [
            ("http://h:8000", "http://h:8000"),
            ("http://h:8000/", "http://h:8000"),
            ("http://h:8000/v1", "http://h:8000"),
            ("http://h:8000/v1///", "http://h:8000"),
            ("http://h/v1/v1", "http://h/v1"),
            ("http://h/v1beta", "http://h/v1beta"),
            ("https://h/openai/v1/", "https://h/openai"),
            ("http://[::1]:8000/v1", "http://[::1]:8000"),
        ] {
            assert_eq!(normalise(given).as_deref(), Ok(base), "{given}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_dialled() {
        for (given, word) in [
            ("localhost:8000", "http://"),
            ("ftp://h", "http://"),
            ("http://", "begin with"),
            ("http:///v1", "URL"),
            ("http://me:secret@h", "password"),
            ("http://h/v1?key=1", "query"),
            ("http://h ost", "URL"),
        ] {
            let why = normalise(given).expect_err(given);
            assert!(why.contains(word), "{given}: {why}");
            assert!(!why.contains("secret"));
        }
    }
}
