//! Which tools a caller allows, by name or glob.

use wildmatch::WildMatch;

/// Most patterns of one request.
pub const MAX_PATTERNS: usize = 100;

/// What may run.
#[derive(Debug, Clone, Default)]
pub struct Allowed(Option<Vec<WildMatch>>);

impl Allowed {
    /// Reads names and globs, in which `*` stands for any text and `?` for any letter; left out, everything is allowed.
    pub fn new(patterns: Option<Vec<String>>) -> Self {
        Self(patterns.map(|patterns| patterns.iter().map(|pattern| WildMatch::new(pattern)).collect()))
    }

    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        self.0.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether a tool is, by the name that the model knows it by, or by its own.
    pub fn allows(&self, offered: &str, own: &str) -> bool {
        let matches = |pattern: &WildMatch| pattern.matches(offered) || pattern.matches(own);
        self.0.as_ref().is_none_or(|patterns| patterns.iter().any(matches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_globs_allow_and_an_empty_list_allows_nothing() {
        let allowed = |patterns: &[&str]| Allowed::new(Some(patterns.iter().map(ToString::to_string).collect()));
        for (patterns, expected) in [
            (&["calc__add"][..], true),
            (&["add"], true),
            (&["calc__*"], true),
            (&["a?d"], true),
            (&["sub", "add"], true),
            (&["ad"], false),
            (&["calc"], false),
            (&["*sub"], false),
            (&[], false),
        ] {
            assert_eq!(allowed(patterns).allows("calc__add", "add"), expected, "{patterns:?}");
        }
        assert!(Allowed::default().allows("calc__add", "add") && !Allowed::default().is_nothing());
        assert!(allowed(&[]).is_nothing());
    }
}
