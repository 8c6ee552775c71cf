//! From a name to addresses.
//!
//! It exists so that a group can be asked for by name, of this machine's resolver or of a name server that is given. The name server
//! is spoken to by hickory, which asks again what is lost, checks that an answer is one to our question, and takes what does not
//! fit into a datagram over TCP. Keeping what was found is for [`super::keeper`].

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, rdata::SRV};
use hickory_resolver::{Resolver, TokioResolver};
use tokio::time::timeout;

use super::KubernetesError;
use crate::settings::{DnsQuestion, DnsSettings, MEMBERS_MAX};

/// The longest that a lookup may take; name servers are near.
const LOOKUP_DEADLINE: Duration = Duration::from_secs(3);
/// After so long a datagram is lost, and is sent again as often as fits into the deadline.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(700);
const ASK_AGAIN_MAX: usize = 3;

/// Why nobody was found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    /// The machine's resolver could not be asked, or does not know the name.
    #[error("the name could not be looked up")]
    Resolver(#[source] std::io::Error),
    /// The name server says that there is no such name, or will not say.
    #[error("the name server answers {0}")]
    Refused(ResponseCode),
    /// The name server could not be asked, or its answer is of no use.
    #[error("the name server {server} gives no useful answer")]
    NameServer {
        /// Which one.
        server: SocketAddr,
        /// What went wrong.
        #[source]
        source: NetError,
    },
    /// It took too long.
    #[error("the name was not found within {} s", LOOKUP_DEADLINE.as_secs())]
    Deadline,
    /// The name is there and has no address.
    #[error("the name has no address")]
    Nobody,
    /// The cluster does not say.
    #[error("the endpoints of the service are not known")]
    Kubernetes(#[source] KubernetesError),
}

/// What a name stands for.
pub(super) struct Found {
    /// Each once, in an order of their own: at least one and at most 64.
    pub(super) addresses: Vec<SocketAddr>,
    /// For how long, if the one who was asked knows.
    pub(super) good_for: Option<Duration>,
}

/// Looks the name up. Cancel safe.
///
/// # Errors
/// When there is nobody, or nobody says.
pub(super) async fn find(dns: &DnsSettings) -> Result<Found, LookupError> {
    let question = dns.question().ok_or(LookupError::Nobody)?;
    let found = async {
        match (question, dns.server) {
            (DnsQuestion::Addresses(name, port), None) => of_this_machine(name, port).await,
            (DnsQuestion::Addresses(name, port), Some(server)) => {
                NameServer::at(server)?.addresses(name, port).await
            }
            (DnsQuestion::Services(name), Some(server)) => {
                NameServer::at(server)?.services(name).await
            }
            // Refused with the settings.
            (DnsQuestion::Services(_), None) => Err(LookupError::Nobody),
        }
    };
    let found = timeout(LOOKUP_DEADLINE, found).await;
    let mut found = found.map_err(|_elapsed| LookupError::Deadline)??;
    let addresses = &mut found.addresses;
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MEMBERS_MAX);
    if addresses.is_empty() {
        return Err(LookupError::Nobody);
    }
    Ok(found)
}

async fn of_this_machine(name: &str, port: u16) -> Result<Found, LookupError> {
    let found = tokio::net::lookup_host((name, port)).await;
    Ok(Found {
        addresses: found.map_err(LookupError::Resolver)?.collect(),
        good_for: None,
    })
}

/// A name server and how it is spoken to.
struct NameServer {
    address: SocketAddr,
    resolver: TokioResolver,
}

impl NameServer {
    fn at(address: SocketAddr) -> Result<Self, LookupError> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        let connections = connections.map(|mut connection| {
            connection.port = address.port();
            connection
        });
        let server = NameServerConfig::new(address.ip(), true, connections.to_vec());
        let config = ResolverConfig::from_name_servers(vec![server]);
        let provider = TokioRuntimeProvider::default();
        let mut builder = Resolver::builder_with_config(config, provider);
        let options = builder.options_mut();
        options.timeout = ASK_AGAIN_AFTER;
        options.attempts = ASK_AGAIN_MAX;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // The group remembers; and nothing but the server is asked.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        match builder.build() {
            Ok(resolver) => Ok(Self { address, resolver }),
            Err(error) => Err(useless(address, error)),
        }
    }

    async fn addresses(&self, name: &str, port: u16) -> Result<Found, LookupError> {
        self.addresses_of(self.whole(name)?, port).await
    }

    async fn addresses_of(&self, name: Name, port: u16) -> Result<Found, LookupError> {
        let found = self.resolver.lookup_ip(name).await;
        let found = found.map_err(|error| useless(self.address, error))?;
        let at_port = |address: IpAddr| SocketAddr::new(address, port);
        Ok(Found {
            addresses: found.iter().map(at_port).collect(),
            good_for: Some(until(found.valid_until())),
        })
    }

    /// The addresses of those records that come first by their priority and have any. Weights are passed over: who has the least in
    /// hand is asked.
    async fn services(&self, name: &str) -> Result<Found, LookupError> {
        let found = self.resolver.srv_lookup(self.whole(name)?).await;
        let found = found.map_err(|error| useless(self.address, error))?;
        let mut good_for = until(found.valid_until());
        let records = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(service) => Some(service),
                _ => None,
            });
        let mut services: Vec<&SRV> = records.take(MEMBERS_MAX).collect();
        services.sort_by_key(|service| service.priority);
        let mut failure = LookupError::Nobody;
        for equals in services.chunk_by(|one, next| one.priority == next.priority) {
            let mut addresses = Vec::new();
            for service in equals {
                match self
                    .addresses_of(service.target.clone(), service.port)
                    .await
                {
                    Ok(found) => {
                        addresses.extend(found.addresses);
                        good_for = good_for.min(found.good_for.unwrap_or(good_for));
                    }
                    Err(error) => failure = error,
                }
            }
            if !addresses.is_empty() {
                let good_for = Some(good_for);
                return Ok(Found {
                    addresses,
                    good_for,
                });
            }
        }
        Err(failure)
    }

    /// The name as it stands, without anything that this machine would search.
    fn whole(&self, name: &str) -> Result<Name, LookupError> {
        let name = Name::from_ascii(name);
        let mut name = name.map_err(|error| useless(self.address, error.into()))?;
        name.set_fqdn(true);
        Ok(name)
    }
}

fn until(instant: Instant) -> Duration {
    instant.saturating_duration_since(Instant::now())
}

fn useless(server: SocketAddr, error: NetError) -> LookupError {
    match error {
        NetError::Dns(DnsError::ResponseCode(code)) => LookupError::Refused(code),
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NoError => LookupError::Nobody,
            code => LookupError::Refused(code),
        },
        NetError::Timeout => LookupError::Deadline,
        source => LookupError::NameServer { server, source },
    }
}
