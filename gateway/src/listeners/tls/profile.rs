//! Which versions, suites and key exchanges are spoken: Mozilla's two profiles for servers.
//!
//! They exist as lists of our own, although the library's defaults are much the same today, so that an upgrade of the library
//! changes nothing that an operator was promised. The source is Mozilla's "Server Side TLS", version 5.8. Both profiles
//! leave the choice among suites to the client, who knows whether its processor has AES.

use rustls::SupportedProtocolVersion;
use rustls::crypto::aws_lc_rs::{self, cipher_suite as suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::version::{TLS12, TLS13};
use serde::Deserialize;

/// Who must be able to connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsProfile {
    /// Nearly every client of the last ten years: TLS 1.2 and 1.3, with suites that authenticate and keep past traffic secret.
    #[default]
    Intermediate,
    /// Clients that speak TLS 1.3.
    Modern,
}

/// The key exchanges of both profiles, the hybrid with ML-KEM first: what is recorded today should not be readable by tomorrow's machines.
const KEY_EXCHANGES: [&dyn SupportedKxGroup; 4] = [
    kx_group::X25519MLKEM768,
    kx_group::X25519,
    kx_group::SECP256R1,
    kx_group::SECP384R1,
];

impl TlsProfile {
    /// The versions that are spoken.
    pub(super) fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];
        match self {
            Self::Intermediate => &BOTH,
            Self::Modern => &NEWEST,
        }
    }

    /// The cryptography, reduced to what the profile has. It is the one of the two linked providers that knows ML-KEM.
    pub(super) fn provider(self) -> CryptoProvider {
        let mut suites = vec![
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
        ];
        if self == Self::Intermediate {
            suites.extend([
                suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            ]);
        }
        CryptoProvider {
            cipher_suites: suites,
            kx_groups: KEY_EXCHANGES.to_vec(),
            ..aws_lc_rs::default_provider()
        }
    }
}
