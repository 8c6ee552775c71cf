//! That a pair which cannot work is refused with its reason, before a handshake depends on it.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

fn pair(names: &[&str], asked: &[&str]) -> PemPair {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    PemPair {
        label: "chain.pem".to_owned(),
        names: asked.iter().map(|name| (*name).to_owned()).collect(),
        chain: made.cert.pem().into_bytes(),
        key: made.signing_key.serialize_pem().into_bytes(),
    }
}

fn fault(pair: &PemPair) -> String {
    Certificate::read(pair).unwrap_err().to_string()
}

#[test]
fn names_come_from_the_certificate_unless_some_are_asked_for() {
    let all = Certificate::read(&pair(&["a.test", "*.B.test"], &[])).unwrap();
    let some = Certificate::read(&pair(&["a.test", "*.b.test"], &["x.b.test."])).unwrap();

    assert_eq!(all.facts.names, ["a.test", "*.b.test"]);
    assert_eq!(some.facts.names, ["x.b.test"]);
    assert_eq!(all.facts.fingerprint.len(), 64);
}

#[test]
fn a_certificate_is_not_shown_for_a_name_that_it_does_not_cover() {
    for asked in [
        "b.test",
        "x.y.a.test",
        "a.test.evil",
        "*.test",
        "a.test",
        "*.x.a.test",
    ] {
        let pair = pair(&["*.a.test"], &[asked]);

        assert_eq!(fault(&pair), format!("it is not for {asked}"));
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let mut pair = pair(&["a.test"], &[]);
    pair.key = KeyPair::generate().unwrap().serialize_pem().into_bytes();

    assert_eq!(
        fault(&pair),
        "the certificate and its key cannot be used together"
    );
}

#[test]
fn half_written_files_are_refused() {
    let whole = pair(&["a.test"], &[]);
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();

    for (chain, key) in [
        (Vec::new(), whole.key.clone()),
        (cut(&whole.chain), whole.key.clone()),
        (whole.chain.clone(), Vec::new()),
        (whole.chain.clone(), cut(&whole.key)),
        (whole.key.clone(), whole.key.clone()),
        (b"\xff\xfe not PEM".to_vec(), whole.key.clone()),
    ] {
        let label = String::new();
        let names = Vec::new();
        let pair = PemPair {
            label,
            names,
            chain,
            key,
        };

        assert!(Certificate::read(&pair).is_err());
    }
}

#[test]
fn a_chain_is_in_order() {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(rcgen::DnType::CommonName, "authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["a.test".to_owned()]).unwrap();
    let own = own.signed_by(&key, &authority).unwrap();
    let stranger = pair(&["b.test"], &[]).chain;
    let with = |chain: Vec<u8>| PemPair {
        label: String::new(),
        names: Vec::new(),
        chain,
        key: key.serialize_pem().into_bytes(),
    };

    let good = with([own.pem(), authority.pem()].concat().into_bytes());
    let bad = with([own.pem().as_bytes(), &stranger].concat());

    assert!(Certificate::read(&good).is_ok());
    assert!(fault(&bad).contains("order"));
}

#[test]
fn a_certificate_has_its_time() {
    let facts = CertificateFacts {
        fingerprint: String::new(),
        names: Vec::new(),
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2026-03-31T23:59:59Z".parse().unwrap(),
    };
    let at = |time: &str| {
        facts
            .at(time.parse().unwrap())
            .map_err(|fault| fault.to_string())
    };

    assert_eq!(at("2026-02-01T00:00:00Z"), Ok(()));
    assert_eq!(
        at("2026-04-01T00:00:00Z"),
        Err("it expired at 2026-03-31T23:59:59Z".to_owned())
    );
    assert_eq!(
        at("2025-12-31T00:00:00Z"),
        Err("it is not valid before 2026-01-01T00:00:00Z".to_owned())
    );
}
