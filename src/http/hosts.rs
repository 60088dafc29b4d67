//! Whose requests are answered: those that name this server.
//!
//! Nobody needs a credential here, so whatever can send a request can do everything. A web page may not talk to another host, but
//! whoever owns the page's host name can let it lead to this machine (DNS rebinding); the browser then takes this server for
//! the page's own. Only the `Host` header tells such a request from one of a client that meant this server.

use std::net::IpAddr;

use actix_web::{
    dev::{RequestHead, ServiceRequest},
    http::{Version, header},
    web::Data,
};

use super::{
    Desk, Problem,
    headers::{Repeated, single},
};

/// The paths that answer whatever host is asked for: probes come by the address of a pod or by no name at all, and learn
/// nothing that a stranger may not know.
const PROBES: [&str; 3] = ["/health", "/livez", "/readyz"];

/// The hosts that this server answers for, beside the names of the loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    /// Whether every host is answered for.
    any: bool,
    /// Whether every address is: a page that was led here by a name still sends the name.
    addresses: bool,
    /// These by name or address.
    names: Vec<HostName>,
}

/// A host as it may stand in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    name: String,
    /// The only port that it may come with; `None` for any port, or none.
    port: Option<u16>,
}

impl HostName {
    /// Takes `text` as a host name or an address, with or without a port; an IPv6 address stands in brackets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, port) = split(text)?;
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let is_name = !name.is_empty() && name.bytes().all(letters);
        (is_name || address(name).is_some()).then(|| Self { name: name.to_ascii_lowercase(), port })
    }

    fn is(&self, name: &str, port: Option<u16>) -> bool {
        self.name.eq_ignore_ascii_case(name) && (self.port.is_none() || self.port == port)
    }
}

impl Hosts {
    /// Every host.
    #[must_use]
    pub fn any() -> Self {
        Self { any: true, addresses: true, names: Vec::new() }
    }

    /// Those of a server that was told to listen on `host` and listens on `bound`, and the ones that are `allowed` beside them.
    /// A server that others than this machine can reach is asked by any of its addresses.
    #[must_use]
    pub fn of(host: &str, bound: IpAddr, allowed: Vec<HostName>) -> Self {
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let names = HostName::parse(&bracketed).into_iter().chain(allowed).collect();
        Self { any: false, addresses: !bound.is_loopback(), names }
    }

    /// Checks that a request is meant for this server.
    pub(super) fn check(request: &ServiceRequest) -> Result<(), Problem> {
        let head = request.head();
        match request.app_data::<Data<Desk>>() {
            Some(desk) if !desk.hosts.any && !PROBES.contains(&head.uri.path()) => desk.hosts.check_head(head),
            _ => Ok(()),
        }
    }

    fn check_head(&self, head: &RequestHead) -> Result<(), Problem> {
        // The authority of a request's target counts, whatever the header says (RFC 9112 section 3.2.2).
        if let Some(authority) = head.uri.authority() {
            let (name, port) = (authority.host(), authority.port_u16());
            return if self.are_asked(name, port) { Ok(()) } else { Err(Problem::MisdirectedRequest) };
        }
        let host = single(&head.headers, &header::HOST)
            .map_err(|Repeated| Problem::invalid("Host", "must be sent once (RFC 9112 section 3.2)"))?;
        let Some(host) = host else {
            // Before HTTP/1.1 there was no such header; no browser goes back there.
            return match head.version {
                Version::HTTP_09 | Version::HTTP_10 => Ok(()),
                _ => Err(Problem::invalid("Host", "is required (RFC 9112 section 3.2)")),
            };
        };
        let asked = host.to_str().ok().and_then(split).is_some_and(|(name, port)| self.are_asked(name, port));
        if asked { Ok(()) } else { Err(Problem::MisdirectedRequest) }
    }

    fn are_asked(&self, name: &str, port: Option<u16>) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        is_loopback_name(name)
            || address(name).is_some_and(|address| self.addresses || address.to_canonical().is_loopback())
            || self.names.iter().any(|allowed| allowed.is(name, port))
    }
}

/// `localhost` and what is under it, which never leads elsewhere (RFC 6761 section 6.3).
fn is_loopback_name(name: &str) -> bool {
    const LOCALHOST: &str = "localhost";
    let Some(start) = name.len().checked_sub(LOCALHOST.len()) else { return false };
    let (before, end) = name.as_bytes().split_at(start);
    let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_under = matches!(before, [first, .., b'.'] if *first != b'.') && before.iter().all(is_label);
    end.eq_ignore_ascii_case(LOCALHOST.as_bytes()) && (before.is_empty() || is_under)
}

/// The address that a host is written as: IPv6 in brackets (RFC 3986 section 3.2.2).
fn address(name: &str) -> Option<IpAddr> {
    match name.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => name.parse().ok().map(IpAddr::V4),
    }
}

/// A host and its port, if it has one; `None` when what follows the host is no port.
fn split(text: &str) -> Option<(&str, Option<u16>)> {
    let end_of_name = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (name, rest) = text.split_at(end_of_name);
    match rest.strip_prefix(':') {
        // A port may be left out after its colon (RFC 3986 section 3.2.3).
        Some("") => Some((name, None)),
        Some(port) => {
            port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit())).map(|port| (name, Some(port)))
        }
        None => rest.is_empty().then_some((name, None)),
    }
}

#[cfg(test)]
#[path = "hosts_tests.rs"]
mod tests;
