//! Which address a request comes from: the connection's, unless that is a proxy which the operator trusts to say.

use axum::http::{HeaderMap, HeaderValue};
use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address at the other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Addresses that begin with the same bits, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let wrong = || "is an address such as 127.0.0.1, or a network such as 10.0.0.0/8".to_owned();
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong()))?;
        // Peers are compared by what they are in IPv4.
        if address.to_canonical() != address {
            return Err("is written in IPv4, not as an IPv6 address that stands for one".to_owned());
        }
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl Network {
    fn has(self, other: IpAddr) -> bool {
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - self.bits).unwrap_or_default() == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - self.bits).unwrap_or_default() == 0
            }
            _ => false,
        }
    }
}

/// The client behind the proxies that are trusted: the last address that none of them has. What a client writes into the
/// header itself is before that, and not believed.
pub fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.has(address));
    if !is_trusted(peer) {
        return peer;
    }
    let lines: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    let mut client = peer;
    for said in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
        // Whatever is no address is where what can be believed ends.
        let Some(address) = std::str::from_utf8(said).ok().and_then(|said| address(said.trim())) else { break };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// An address, maybe with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> &'static str {
        "\u{ff}, 9.9.9.8"
    }

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        of(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_who_asks() {
        let proxies = &["10.0.0.0/8", "127.0.0.1"][..];
        assert_eq!(client("192.0.2.1", &["203.0.113.9"], &[]), "192.0.2.1", "nobody is trusted");
        assert_eq!(client("192.0.2.1", &["203.0.113.9"], proxies), "192.0.2.1", "not this one");
        assert_eq!(client("127.0.0.1", &[], proxies), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["203.0.113.9"], proxies), "203.0.113.9");
        assert_eq!(
            client("127.0.0.1", &["6.6.6.6, 203.0.113.9, 10.1.2.3"], proxies),
            "203.0.113.9",
            "not what it wrote"
        );
        assert_eq!(client("127.0.0.1", &["6.6.6.6", "203.0.113.9,10.1.2.3"], proxies), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["203.0.113.9, nonsense"], proxies), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["6.6.6.6", bytes()], proxies), "9.9.9.8", "whatever else is in the line");
        assert_eq!(client("127.0.0.1", &["203.0.113.9:5678"], proxies), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]:5678"], proxies), "2001:db8::1");
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]"], proxies), "2001:db8::1");
        assert_eq!(client("::ffff:127.0.0.1", &["2001:db8::1"], proxies), "2001:db8::1");
    }

    #[test]
    fn networks_are_read_and_have_their_addresses() {
        let has = |network: &str, address: &str| network.parse::<Network>().unwrap().has(address.parse().unwrap());
        assert!(has("0.0.0.0/0", "1.2.3.4") && has("::/0", "::1") && has("2001:db8::/32", "2001:db8:1::1"));
        assert!(!has("10.0.0.0/8", "11.0.0.1") && !has("10.0.0.0/8", "::1") && !has("10.0.0.1", "10.0.0.2"));
        for bad in ["", "x", "10.0.0.0/33", "::1/129", "10.0.0.0/", "10.0.0.0/-1", "::ffff:10.0.0.0/104"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
