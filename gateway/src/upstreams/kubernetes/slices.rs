//! The slices of one service, and which addresses they come to.
//!
//! It exists because a service's endpoints come in several slices, each of which changes by itself, and in one of two families of
//! addresses each. It keeps of them what can be asked, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::error::KubernetesError;
use super::wire::{AddressType, Conditions, EndpointSlice, Port};
use crate::settings::{EndpointPort, MEMBERS_MAX};

/// Kubernetes puts a hundred endpoints into a slice; a group takes 64.
const SLICES_MAX: usize = 256;

/// What is known of a service.
pub(super) struct Slices {
    port: EndpointPort,
    /// The addresses of each slice that can be asked, by its name.
    known: BTreeMap<String, Vec<SocketAddr>>,
}

impl Slices {
    /// Of a service that is asked at this port.
    pub(super) fn of(port: &EndpointPort) -> Self {
        Self {
            port: port.clone(),
            known: BTreeMap::new(),
        }
    }

    /// From now on it has these slices.
    pub(super) fn replace(&mut self, slices: &[EndpointSlice]) -> Result<(), KubernetesError> {
        if slices.len() > SLICES_MAX {
            return Err(KubernetesError::TooMuch("256 slices of a service"));
        }
        let known = slices
            .iter()
            .map(|slice| (slice.metadata.name.clone(), self.addresses_of(slice)));
        self.known = known.collect();
        Ok(())
    }

    /// One slice is new or has changed. Says in which version.
    pub(super) fn set(&mut self, slice: EndpointSlice) -> Result<String, KubernetesError> {
        let addresses = self.addresses_of(&slice);
        self.known.insert(slice.metadata.name, addresses);
        if self.known.len() > SLICES_MAX {
            return Err(KubernetesError::TooMuch("256 slices of a service"));
        }
        Ok(slice.metadata.resource_version)
    }

    /// One slice is no more.
    pub(super) fn delete(&mut self, name: &str) {
        self.known.remove(name);
    }

    /// Whom to ask: each once, in an order of their own, at most 64. A pod that has addresses of both families counts once, by the
    /// older family; the newer one is asked where there is nobody else.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let all: BTreeSet<_> = self.known.values().flatten().copied().collect();
        let has_v4 = all.iter().any(SocketAddr::is_ipv4);
        let of_family = |address: &SocketAddr| address.is_ipv4() == has_v4;
        all.into_iter()
            .filter(of_family)
            .take(MEMBERS_MAX)
            .collect()
    }

    fn addresses_of(&self, slice: &EndpointSlice) -> Vec<SocketAddr> {
        let ports = slice.ports.as_deref().unwrap_or_default();
        let Some(port) = ports.iter().find_map(|port| number(port, &self.port)) else {
            return Vec::new();
        };
        let endpoints = slice.endpoints.as_deref().unwrap_or_default();
        let askable = endpoints
            .iter()
            .filter(|endpoint| may_be_asked(endpoint.conditions()));
        askable
            .filter_map(|endpoint| endpoint.address())
            .filter(|address| is_of(slice.address_type, *address))
            .map(|address| SocketAddr::new(address, port))
            .collect()
    }
}

/// Whether anything new may be sent there. One that ends gets nothing new even while it still serves: it serves what it has. What
/// is not known is taken for good, as Kubernetes asks; `ready` is what the service wants to be believed, so it stands above
/// `serving`.
fn may_be_asked(conditions: Conditions) -> bool {
    let is_ready = conditions.ready.or(conditions.serving).unwrap_or(true);
    is_ready && !conditions.terminating.unwrap_or(false)
}

fn is_of(kind: AddressType, address: IpAddr) -> bool {
    match kind {
        AddressType::V4 => address.is_ipv4(),
        AddressType::V6 => address.is_ipv6(),
        AddressType::Other => false,
    }
}

/// The number of this port if it is the wanted one. TCP is what a port without a protocol speaks.
fn number(port: &Port, wanted: &EndpointPort) -> Option<u16> {
    let speaks_tcp = port
        .protocol
        .as_deref()
        .is_none_or(|protocol| protocol == "TCP");
    let is_wanted = match wanted {
        EndpointPort::Number(number) => port.port == Some(number.get()),
        EndpointPort::Name(name) => port.name.as_deref() == Some(name),
    };
    port.port.filter(|_| speaks_tcp && is_wanted)
}

#[cfg(test)]
mod tests;
