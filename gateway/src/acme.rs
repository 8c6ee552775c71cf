//! Certificates from an authority that speaks ACME (RFC 8555): asked for, kept as files, and renewed long before they expire.
//!
//! It exists beside the doors because only they can show the authority that a name is ours. It writes files and serves nothing: whoever
//! watches certificates finds a new one there like any other, and judges it like any other. One process of a house asks;
//! an authority counts, and several that ask for the same would use up what it gives.

use std::path::PathBuf;
use std::time::Duration;

use instant_acme::{Account, AccountBuilder, NewAccount};
use jiff::{SignedDuration, Timestamp};
use sallyport_telemetry::Event;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::events::acme::{AcmeMeters, Failed, Obtained};
use crate::listeners::{CertificateFacts, CertificateFault, PemPair, facts_of};
use crate::settings::AcmeSettings;

mod challenges;
mod order;
mod vault;

pub use challenges::Challenges;
pub(crate) use challenges::PROTOCOL;
use vault::Vault;

/// The longest that one order may take, with everything that it waits for.
const ORDER_DEADLINE: Duration = Duration::from_secs(300);
/// The longest sleep, since clocks are set and machines are suspended.
const SLEEP_MAX: SignedDuration = SignedDuration::from_hours(1);
/// The rest after a first failure. Public authorities take five failures an hour and name.
const REST_FIRST: SignedDuration = SignedDuration::from_mins(2);
/// Each further failure makes the rest so many times as long.
const REST_FACTOR: i32 = 3;
/// The longest rest: still four tries in the last day of a certificate.
const REST_MAX: SignedDuration = SignedDuration::from_hours(6);
/// What the authority calls an account that it does not know.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcmeError {
    /// The authority cannot be reached, or refused.
    #[error("the authority did not do what it was asked for")]
    Authority(#[from] instant_acme::Error),
    /// It offers the names only another way.
    #[error("the authority does not offer the configured challenge")]
    NoChallenge,
    /// It looked and did not find what we show.
    #[error(
        "the authority could not see that the names are ours: are the doors reachable from outside under them?"
    )]
    NotSeen,
    /// It took too long.
    #[error("the order took longer than {} s", ORDER_DEADLINE.as_secs())]
    Deadline,
    /// What it is to be shown in a handshake could not be made.
    #[error("the certificate of a challenge could not be made")]
    Made(#[from] rcgen::Error),
    /// What it is to be shown in a handshake cannot be used.
    #[error("the certificate of a challenge cannot be used")]
    Handshake(#[source] rustls::Error),
    /// What came is no certificate for the names.
    #[error("the certificate that came cannot be served")]
    Unusable(#[source] CertificateFault),
    /// The folder cannot be written to.
    #[error("account or certificate could not be kept")]
    Files(#[from] std::io::Error),
}

/// Asks an authority for certificates, and again before they expire.
pub struct Acme {
    settings: AcmeSettings,
    vault: Vault,
    challenges: Challenges,
    meters: AcmeMeters,
}

/// When which names are due.
struct Plan<'s> {
    names: &'s [String],
    next: Timestamp,
    failures: u32,
}

impl Acme {
    /// `folder` is where account and certificates are kept, `challenges` what the edge shows.
    pub fn new(settings: &AcmeSettings, folder: PathBuf, challenges: Challenges) -> Self {
        Self {
            settings: settings.clone(),
            vault: Vault::new(folder),
            challenges,
            meters: AcmeMeters::new(),
        }
    }

    /// The file of each certificate, with its key in it; it may not be there yet.
    pub fn files(settings: &AcmeSettings, folder: PathBuf) -> Vec<PathBuf> {
        let vault = Vault::new(folder);
        let all = settings.certificates.iter();
        all.map(|names| vault.certificate(names)).collect()
    }

    /// Asks for what is missing or due, until `stop`. Failures are told, and tried again after a growing rest.
    ///
    /// The process must have installed a cryptography provider of rustls, as this one's HTTP client uses the installed one.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep_renewing()).await;
    }

    async fn keep_renewing(&self) {
        let all = self.settings.certificates.iter();
        let mut plans: Vec<Plan<'_>> = all
            .map(|names| Plan {
                names,
                next: self.due(names),
                failures: 0,
            })
            .collect();
        loop {
            for plan in &mut plans {
                if plan.next <= Timestamp::now() {
                    self.renew(plan).await;
                }
            }
            let next = plans.iter().map(|plan| plan.next).min();
            let now = Timestamp::now();
            let rest = next.map_or(SLEEP_MAX, |next| next.duration_since(now).min(SLEEP_MAX));
            sleep(rest.try_into().unwrap_or_default()).await;
        }
    }

    async fn renew(&self, plan: &mut Plan<'_>) {
        let obtained = timeout(ORDER_DEADLINE, self.obtain(plan.names))
            .await
            .unwrap_or(Err(AcmeError::Deadline));
        match obtained {
            Ok(facts) => {
                plan.failures = 0;
                plan.next = renewal(&facts, rand::random());
                let again = plan.next;
                Obtained {
                    facts: &facts,
                    again,
                }
                .emit(&self.meters);
            }
            Err(error) => {
                plan.failures = plan.failures.saturating_add(1);
                let rest = rest_after(plan.failures, rand::random());
                plan.next = Timestamp::now()
                    .saturating_add(rest)
                    .unwrap_or(Timestamp::MAX);
                let again = plan.next;
                let names = plan.names;
                Failed {
                    names,
                    error: &error,
                    again,
                }
                .emit(&self.meters);
            }
        }
    }

    async fn obtain(&self, names: &[String]) -> Result<CertificateFacts, AcmeError> {
        let account = self.account().await?;
        let ordered = order::obtain(&account, names, self.settings.challenge, &self.challenges);
        let obtained = match ordered.await {
            Err(AcmeError::Authority(instant_acme::Error::Api(problem)))
                if problem.r#type.as_deref() == Some(NO_ACCOUNT) =>
            {
                self.vault.forget_account()?;
                return Err(AcmeError::Authority(problem.into()));
            }
            ordered => ordered?,
        };
        let facts = facts_of(&PemPair {
            label: String::new(),
            names: names.to_vec(),
            chain: obtained.chain.clone().into_bytes(),
            key: obtained.key.clone().into_bytes(),
        })
        .map_err(AcmeError::Unusable)?;
        facts.at(Timestamp::now()).map_err(AcmeError::Unusable)?;
        self.vault.keep_certificate(names, &obtained)?;
        Ok(facts)
    }

    async fn account(&self) -> Result<Account, AcmeError> {
        let directory_url = &self.settings.directory_url;
        if let Some(credentials) = self.vault.account(directory_url) {
            return Ok(self.builder()?.from_credentials(credentials).await?);
        }
        let contacts: Vec<&str> = self.settings.contacts.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contacts,
            terms_of_service_agreed: self.settings.terms_agreed,
            only_return_existing: false,
        };
        let made = self.builder()?.create(&wanted, directory_url.clone(), None);
        let (account, credentials) = made.await?;
        self.vault.keep_account(directory_url, credentials)?;
        Ok(account)
    }

    fn builder(&self) -> Result<AccountBuilder, AcmeError> {
        let root = &self.settings.root_file;
        Ok(match root.as_os_str().is_empty() {
            true => Account::builder()?,
            false => Account::builder_with_root(root)?,
        })
    }

    /// When these names are due: at once, if there is no certificate for exactly them.
    fn due(&self, names: &[String]) -> Timestamp {
        let whole = std::fs::read(self.vault.certificate(names)).unwrap_or_default();
        let kept = facts_of(&PemPair {
            label: String::new(),
            names: names.to_vec(),
            chain: whole.clone(),
            key: whole,
        });
        kept.map_or(Timestamp::MIN, |facts| renewal(&facts, rand::random()))
    }
}

/// Two thirds into its life, or up to a fiftieth of it earlier, so that those who started together do not come back together.
/// `chance` is from 0 to 1.
fn renewal(facts: &CertificateFacts, chance: f64) -> Timestamp {
    let life = facts.not_after.duration_since(facts.not_before);
    let early = (life / 50).mul_f64(chance);
    let age = (life / 3).saturating_mul(2).saturating_sub(early);
    facts
        .not_before
        .saturating_add(age)
        .unwrap_or(facts.not_after)
}

/// How long to rest after so many failures in a row: half of it for certain, the other half by `chance`, from 0 to 1.
fn rest_after(failures: u32, chance: f64) -> SignedDuration {
    let factor = REST_FACTOR.saturating_pow(failures.saturating_sub(1));
    let half = REST_FIRST.saturating_mul(factor).min(REST_MAX) / 2;
    half.saturating_add(half.mul_f64(chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_two_thirds_into_its_life() {
        let facts = CertificateFacts {
            fingerprint: String::new(),
            names: Vec::new(),
            not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
            not_after: "2026-04-01T00:00:00Z".parse().unwrap(),
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();

        assert_eq!(renewal(&facts, 0.0), at("2026-03-02T00:00:00Z"));
        assert!(renewal(&facts, 1.0) > at("2026-02-28T00:00:00Z"));
        assert!(renewal(&facts, 1.0) < renewal(&facts, 0.5));
    }

    #[test]
    fn rests_grow_and_stay_below_what_an_authority_takes() {
        let most = |failures| rest_after(failures, 1.0);

        assert_eq!(rest_after(1, 0.0), SignedDuration::from_mins(1));
        assert_eq!(most(1), SignedDuration::from_mins(2));
        assert_eq!(most(3), SignedDuration::from_mins(18));
        assert_eq!(most(100), REST_MAX);
        let first_hour: SignedDuration = (1..=5).map(|failures| rest_after(failures, 0.0)).sum();
        assert!(first_hour > SignedDuration::from_hours(1));
    }
}
