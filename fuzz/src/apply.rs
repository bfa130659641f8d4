//! The documents of `apply`.

/// What is accepted is written as YAML that is accepted too, and written alike again.
pub fn apply(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(written) = mcpctl_cli::untrusted::documents(text) else { return };
    for document in written {
        let again = mcpctl_cli::untrusted::documents(&document);
        assert_eq!(again.as_deref(), Some(&[document][..]));
    }
}
