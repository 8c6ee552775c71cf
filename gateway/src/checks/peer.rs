//! Who is at the other end, and may we believe what they say about others?
//!
//! Only our own load balancers and callers are believed: their `X-Forwarded-For` names the client, and their `traceparent` is
//! continued. Anybody else's are noted at most.

use std::net::IpAddr;
use std::num::NonZeroU8;

use http::HeaderMap;
use sallyport_security::addresses::Network;
use sallyport_telemetry::trace::SpanContext;

use crate::exchange::Caller;

/// The networks that are believed, and how far.
pub(crate) struct Peers {
    trusted: Vec<Network>,
    hops: Option<NonZeroU8>,
}

impl Peers {
    /// `hops`: how many of our own proxies a request passes, where their addresses alone do not tell.
    pub(crate) fn new(trusted: &[Network], hops: Option<NonZeroU8>) -> Self {
        Self {
            trusted: trusted.to_vec(),
            hops,
        }
    }

    /// Whether this address is one of ours.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// Who sent the request: the peer, or the last one that our own proxies saw before themselves. Each of them adds one entry, so
    /// with a number of hops the client is that entry, counted from the right; a list that is shorter was not written by them.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let hops = headers.get_all("x-forwarded-for").iter();
        let hops: Vec<Option<IpAddr>> = hops
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .map(|hop| hop.trim().parse().ok())
            .collect();
        // From the right, since everything further left was written by somebody we do not know.
        let mut readable = hops.into_iter().rev().map_while(|hop| hop);
        let client = match self.hops {
            Some(count) => readable.nth(usize::from(count.get()).saturating_sub(1)),
            None => readable.find(|hop| !self.trusts(*hop)),
        };
        client.unwrap_or(peer)
    }

    /// What the incoming `traceparent` is worth.
    pub(crate) fn caller(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Caller {
        let header = headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok());
        let Some(context) = header.and_then(|text| SpanContext::parse(text).ok()) else {
            return Caller::Unknown;
        };
        if peer.is_some_and(|peer| self.trusts(peer)) {
            Caller::Trusted(context)
        } else {
            Caller::Claimed(context)
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn forwarded(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static("x-forwarded-for"),
            HeaderValue::from_static(value),
        )])
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_stranger_cannot_name_another_address() {
        let peers = Peers::new(&["10.0.0.0/8".parse().unwrap()], None);

        assert_eq!(
            peers.client(ip("192.0.2.1"), &forwarded("198.51.100.9")),
            ip("192.0.2.1")
        );
    }

    #[test]
    fn our_own_proxies_name_the_last_address_they_saw() {
        let peers = Peers::new(&["10.0.0.0/8".parse().unwrap()], None);
        let client = |value| peers.client(ip("10.0.0.1"), &forwarded(value));

        assert_eq!(
            client("1.1.1.1, 198.51.100.9, 10.0.0.2"),
            ip("198.51.100.9")
        );
        assert_eq!(client("unknown, 198.51.100.9"), ip("198.51.100.9"));
        assert_eq!(client("198.51.100.9, unknown"), ip("10.0.0.1"));
        assert_eq!(client("10.0.0.3"), ip("10.0.0.1"));
    }

    #[test]
    fn a_number_of_hops_names_the_entry_that_our_outermost_proxy_wrote() {
        let everybody = ["0.0.0.0/0".parse().unwrap()];
        let client = |hops, value| {
            let peers = Peers::new(&everybody, NonZeroU8::new(hops));
            peers.client(ip("10.0.0.1"), &forwarded(value))
        };

        assert_eq!(client(1, "1.1.1.1, 198.51.100.9"), ip("198.51.100.9"));
        assert_eq!(
            client(2, "1.1.1.1, 198.51.100.9, 10.0.0.2"),
            ip("198.51.100.9")
        );
        assert_eq!(client(3, "198.51.100.9, 10.0.0.2"), ip("10.0.0.1"));
        assert_eq!(client(2, "198.51.100.9, unknown"), ip("10.0.0.1"));
    }

    #[test]
    fn a_traceparent_is_believed_from_our_own_only() {
        let peers = Peers::new(&["10.0.0.0/8".parse().unwrap()], None);
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("traceparent"),
            HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        )]);

        assert!(matches!(
            peers.caller(Some(ip("10.1.1.1")), &headers),
            Caller::Trusted(_)
        ));
        assert!(matches!(
            peers.caller(Some(ip("192.0.2.1")), &headers),
            Caller::Claimed(_)
        ));
        assert!(matches!(peers.caller(None, &headers), Caller::Claimed(_)));
        assert!(matches!(
            peers.caller(Some(ip("10.1.1.1")), &HeaderMap::new()),
            Caller::Unknown
        ));
    }
}
