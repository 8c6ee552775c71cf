//! Fernet and PBKDF2 as their specifications give them, and what a seal holds against.

use fernet::Fernet;
use sha2::Sha256;

use super::{OpenError, Title, open, seal};
use crate::Secret;

/// The key of all vectors of the Fernet specification (github.com/fernet/spec).
const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

const TITLE: Title<'_> = Title {
    name: "settings",
    version: 1,
};

#[test]
fn the_vector_of_the_fernet_specification_opens() {
    let token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

    let opened = Fernet::new(KEY).unwrap().decrypt(token).unwrap();

    assert_eq!(opened, b"hello");
}

#[test]
fn the_invalid_vectors_of_the_fernet_specification_stay_shut() {
    let vectors = [
        (
            "incorrect mac",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
        ),
        (
            "too short",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==",
        ),
        (
            "invalid base64",
            "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
        ),
        (
            "payload size not multiple of block size",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
        ),
        (
            "payload padding error",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
        ),
        (
            "incorrect IV (causes padding error)",
            "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==",
        ),
    ];
    let fernet = Fernet::new(KEY).unwrap();

    for (why, token) in vectors {
        assert!(fernet.decrypt(token).is_err(), "{why}");
    }
}

#[test]
fn keys_are_derived_as_rfc_7914_gives_it() {
    let mut key = [0_u8; 64];

    pbkdf2::pbkdf2_hmac::<Sha256>(b"passwd", b"salt", 1, &mut key);

    assert_eq!(&key[..8], [0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f]);
    assert_eq!(&key[60..], [0xd3, 0xa1, 0x97, 0x83]);
}

#[test]
fn what_was_sealed_opens_with_its_password_and_title_alone() {
    let password = Secret::new("correct horse");
    let sealed = seal(&password, TITLE, b"OPS_TOKEN=1").unwrap();
    let other = Title {
        version: 2,
        ..TITLE
    };

    assert_eq!(*open(&password, TITLE, &sealed).unwrap(), b"OPS_TOKEN=1");
    assert!(!sealed.contains("OPS_TOKEN"));
    assert_eq!(
        open(&Secret::new("wrong"), TITLE, &sealed),
        Err(OpenError::WrongPassword)
    );
    assert_eq!(
        open(&password, other, &sealed),
        Err(OpenError::AnotherValue)
    );
}

#[test]
fn a_weakened_derivation_is_refused_before_it_is_tried() {
    let sealed = r#"{"format":1,"derivation":"pbkdf2-hmac-sha256","rounds":1000,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","token":"gAAAAA"}"#;
    let password = Secret::new("any");

    let absurd = sealed.replace("1000", "4000000000");

    assert_eq!(
        open(&password, TITLE, sealed),
        Err(OpenError::Rounds { rounds: 1000 })
    );
    assert!(matches!(
        open(&password, TITLE, &absurd),
        Err(OpenError::Rounds { .. })
    ));
    assert_eq!(open(&password, TITLE, "{}"), Err(OpenError::Malformed));
}
