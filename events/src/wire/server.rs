//! The address of a server, as far as whoever keeps a token for it has to know.

use std::net::IpAddr;

/// Whether two base URLs, without users, queries and fragments, are of one server: a token that is kept for the one may
/// go to the other. This machine has several names for itself.
pub fn is_same_server(one: &str, other: &str) -> bool {
    Address::of(one).is_some_and(|one| Some(one) == Address::of(other))
}

/// Whether a URL, or an origin, is of this host, with or without the port that its scheme has anyway.
pub fn is_host_of(url: &str, authority: &str) -> bool {
    let named = Address::of(url);
    let asked = url.split_once("://").and_then(|(scheme, _)| Address::of(&format!("{scheme}://{authority}")));
    named.zip(asked).is_some_and(|(named, asked)| (named.host, named.port) == (asked.host, asked.port))
}

/// What an error of a connection means that comes of how the server was named, or of who vouches for it; in the words of
/// hyper and rustls it says little.
pub fn misspoken(reason: &str, is_https: bool) -> Option<&'static str> {
    [
        // What an answer in plain HTTP is to a TLS library, and the other way round.
        (is_https, "InvalidContentType", "it speaks no TLS; its address begins with http://"),
        (!is_https, "invalid HTTP version", "it answers no plain HTTP; its address may begin with https://"),
        (is_https, "CaUsedAsEndEntity", "its certificate is an authority's, and no server's: make one with CA:FALSE"),
        (
            is_https,
            "UnknownIssuer",
            "its certificate is not trusted here; SSL_CERT_FILE=cert.pem trusts those of a file",
        ),
    ]
    .into_iter()
    .find_map(|(applies, word, meaning)| (applies && reason.contains(word)).then_some(meaning))
}

/// Whether a host, with or without a port, is this machine's own name for itself.
pub fn is_this_machine(authority: &str) -> bool {
    let (host, _) = host_and_port(authority);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn host_and_port(authority: &str) -> (String, &str) {
    // The colons of an IPv6 address stand in brackets.
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    let (host, port) = port.unwrap_or((authority, ""));
    (host.trim_matches(['[', ']']).to_ascii_lowercase(), port)
}

#[derive(PartialEq, Eq)]
struct Address {
    scheme: String,
    host: String,
    port: String,
    path: String,
}

impl Address {
    fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (scheme, (host, port)) = (scheme.to_ascii_lowercase(), host_and_port(authority));
        let usual = if scheme == "https" { "443" } else { "80" };
        Some(Self {
            scheme,
            host: if is_this_machine(authority) { "localhost".to_owned() } else { host },
            port: if port.is_empty() { usual } else { port }.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_itself_in_any_case_and_with_the_usual_port() {
        assert!(is_host_of("http://MyBox.Example:8420", "mybox.example:8420"));
        assert!(
            is_host_of("https://x.example", "x.example:443") && is_host_of("https://x.example:443/sub", "x.example")
        );
        assert!(!is_host_of("http://x.example", "x.example:8420") && !is_host_of("http://x.example", "evil.example"));
        assert!(!is_host_of("null", "x.example"));
    }

    #[test]
    fn what_a_certificate_or_a_scheme_does_is_said_in_words() {
        let unknown = misspoken("invalid peer certificate: UnknownIssuer", true);
        assert!(unknown.is_some_and(|said| said.contains("SSL_CERT_FILE")));
        assert!(misspoken("invalid HTTP version parsed", false).is_some_and(|said| said.contains("https://")));
        assert!(misspoken("invalid HTTP version parsed", true).is_none());
        assert!(misspoken("Connection refused (os error 111)", true).is_none());
    }

    #[test]
    fn this_machine_has_several_names() {
        for here in ["localhost", "LOCALHOST:8420", "127.0.0.1", "127.0.0.1:1", "[::1]:8420", "[::1]"] {
            assert!(is_this_machine(here), "{here}");
        }
        for elsewhere in ["", "evil.example:8420", "localhost.evil.example", "10.0.0.1:8420", "127.0.0.1.evil.example"]
        {
            assert!(!is_this_machine(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn a_server_is_its_scheme_host_port_and_path() {
        for (one, other) in [
            ("http://127.0.0.1:8420", "http://localhost:8420/"),
            ("http://[::1]:8420", "http://127.0.0.1:8420"),
            ("https://models.example", "HTTPS://Models.Example:443/"),
            ("https://models.example/team-a/", "https://models.example/team-a"),
        ] {
            assert!(is_same_server(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("http://models.example", "https://models.example"),
            ("http://models.example", "http://models.example:8420"),
            ("http://models.example", "http://models.example.evil"),
            ("https://models.example/team-a", "https://models.example/team-b"),
            ("http://localhost.evil", "http://localhost"),
            ("no url", "no url"),
        ] {
            assert!(!is_same_server(one, other), "{one} {other}");
        }
    }
}
