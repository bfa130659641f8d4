//! A path of the API, with what the user typed safely encoded in it.

use crate::exit::Usage;
use reqwest::Url;

/// Bytes of an address; more are taken by no server.
const LONGEST: usize = 60_000;

/// A path below the server's base address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
}

/// A resource of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its list, as in paths: `agents`.
    pub list: String,
    /// Its own name or id.
    pub name: String,
}

impl Route {
    /// A path below `/api/v1`; each part is one segment, whatever is in it.
    pub fn api<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::root(["api", "v1"].into_iter().chain(parts))
    }

    /// A path below the server's base address.
    pub fn root<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        Route { segments: parts.into_iter().map(str::to_owned).collect(), query: Vec::new() }
    }

    /// Adds a query parameter, if there is a value for it.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|v| (key, v.to_string())));
        self
    }

    /// Whether the route needs no token, so that none is sent.
    pub fn is_public(&self) -> bool {
        self.segments.len() == 1
    }

    /// Whether a model server's own answer may come back, with its status.
    pub fn is_infer(&self) -> bool {
        self.segments.last().is_some_and(|last| last == "infer")
    }

    /// The resource that the route is about.
    pub fn subject(&self) -> Option<Subject> {
        match self.segments.as_slice() {
            [_, _, list, name, ..] => Some(Subject { list: list.clone(), name: name.clone() }),
            _ => None,
        }
    }

    /// The full address.
    pub fn url(&self, server: &Url) -> Result<Url, Usage> {
        // A URL drops such segments, so the request would go somewhere else.
        if let Some(odd) = self.segments.iter().find(|s| matches!(s.as_str(), "" | "." | "..")) {
            return Err(Usage(format!("{odd:?} is not a name")));
        }
        let mut url = server.clone();
        url.path_segments_mut()
            .map_err(|()| Usage(format!("{server} cannot be a server's address")))?
            .pop_if_empty()
            .extend(&self.segments);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        if url.as_str().len() > LONGEST {
            return Err(Usage(format!("a name or value of {} characters is too long", url.as_str().len())));
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str, route: &Route) -> String {
        route.url(&Url::parse(base).unwrap()).unwrap().to_string()
    }

    #[test]
    fn what_the_user_typed_stays_one_segment() {
        let route = Route::api(["agents", "a/../b?c#d%2e", "chat"]);
        assert_eq!(url("http://h:1", &route), "http://h:1/api/v1/agents/a%2F..%2Fb%3Fc%23d%252e/chat");
        assert_eq!(route.subject(), Some(Subject { list: "agents".into(), name: "a/../b?c#d%2e".into() }));
        for odd in ["", ".", ".."] {
            assert!(Route::api(["agents", odd]).url(&Url::parse("http://h").unwrap()).is_err());
        }
    }

    #[test]
    fn base_paths_and_queries_are_kept() {
        let route = Route::api(["events"]).with("after", Some(3)).with("type", Some("a&b")).with("limit", None::<u32>);
        assert_eq!(url("http://h/base/", &route), "http://h/base/api/v1/events?after=3&type=a%26b");
        assert_eq!(url("http://h/base", &Route::root(["readyz"])), "http://h/base/readyz");
    }
}
