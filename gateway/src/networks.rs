//! Who may come in from where: the deny list for everybody, and the networks that a route opens itself to.
//!
//! It exists so that both are one lookup each. What is denied costs a closed connection and a count; what a route does not
//! open itself to costs an answer that says so.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use sallyport_security::addresses::{Network, NetworkSet};

use crate::settings::AddressSettings;

/// What Telegram sends webhooks from (core.telegram.org/bots/webhooks, read 2026-11).
const TELEGRAM: [&str; 2] = ["149.154.160.0/20", "91.108.4.0/22"];
/// What GitHub sends webhooks from (`hooks` of api.github.com/meta, read 2026-11).
const GITHUB: [&str; 6] = [
    "192.30.252.0/22",
    "185.199.108.0/22",
    "140.82.112.0/20",
    "143.55.64.0/20",
    "2a0a:a440::/29",
    "2606:50c0::/32",
];

/// The networks of a list: the operator's, or else what a provider has published.
pub(crate) fn listed(settings: &AddressSettings, name: &str) -> Option<Vec<Network>> {
    let published = |networks: &[&str]| {
        networks
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect()
    };
    match (settings.lists.get(name), name) {
        (Some(own), _) => Some(own.clone()),
        (None, "telegram") => Some(published(&TELEGRAM)),
        (None, "github") => Some(published(&GITHUB)),
        (None, _) => None,
    }
}

/// Everything from which nothing is taken.
#[derive(Default)]
pub(crate) struct DenyList(NetworkSet);

impl DenyList {
    pub(crate) fn new(settings: &AddressSettings) -> Self {
        let mut set = NetworkSet::default();
        for denied in settings.denied() {
            set.insert(denied.network, denied.until.map(SystemTime::from));
        }
        Self(set)
    }

    /// Whether nothing is taken from `address` now.
    pub(crate) fn denies(&self, address: IpAddr) -> bool {
        self.0.contains(address, SystemTime::now)
    }
}

/// The networks that a route opens itself to; none named means all.
#[derive(Clone, Default)]
pub(crate) struct OpenTo(Option<Arc<NetworkSet>>);

impl OpenTo {
    /// The networks of these lists. A name that no list has opens nothing: settings with one are refused.
    pub(crate) fn new(settings: &AddressSettings, names: &[String]) -> Self {
        if names.is_empty() {
            return Self(None);
        }
        let lists = names.iter().filter_map(|name| listed(settings, name));
        Self(Some(Arc::new(lists.flatten().collect())))
    }

    /// Whether `address` may come in.
    pub(crate) fn admits(&self, address: IpAddr) -> bool {
        let networks = self.0.as_deref();
        networks.is_none_or(|networks| networks.contains(address, SystemTime::now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_providers_have_published_can_be_read() {
        let settings = AddressSettings::default();

        assert_eq!(listed(&settings, "telegram").unwrap().len(), TELEGRAM.len());
        assert_eq!(listed(&settings, "github").unwrap().len(), GITHUB.len());
        assert_eq!(listed(&settings, "nobody"), None);
    }

    #[test]
    fn an_operators_list_stands_in_for_a_published_one() {
        let settings: AddressSettings =
            serde_json::from_value(serde_json::json!({"lists": {"telegram": ["192.0.2.0/24"]}}))
                .unwrap();
        let open_to = OpenTo::new(&settings, &["telegram".to_owned()]);

        assert!(open_to.admits("192.0.2.1".parse().unwrap()));
        assert!(!open_to.admits("149.154.160.1".parse().unwrap()));
        assert!(OpenTo::new(&settings, &[]).admits("198.51.100.1".parse().unwrap()));
    }
}
