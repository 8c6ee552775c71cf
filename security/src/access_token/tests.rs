//! What is believed, what is not, and why.

use serde_json::{Value, json};
use validator::Validate as _;

use super::corpus::{ISSUER, Issuer, SUBJECT};
use super::*;

fn tokens(settings: Value) -> AccessTokens {
    let settings: AccessTokenSettings = serde_json::from_value(settings).unwrap();
    settings.validate().unwrap();
    AccessTokens::try_new(&settings).unwrap()
}

fn verdict(tokens: &AccessTokens, token: &str) -> Result<Subject, Rejected> {
    tokens.verify(token.as_bytes(), SystemTime::now())
}

/// What is wrong with these settings.
fn complaint(settings: Value) -> String {
    let settings: AccessTokenSettings = serde_json::from_value(settings).unwrap();
    settings.validate().unwrap_err().to_string()
}

#[test]
fn every_bad_token_is_refused_for_what_is_wrong_with_it() {
    let issuer = Issuer::new().unwrap();
    let tokens = tokens(issuer.settings());

    let corpus = issuer.corpus();
    assert!(corpus.len() > 110, "{}", corpus.len());
    for bad in corpus {
        assert_eq!(verdict(&tokens, &bad.token), Err(bad.why), "{}", bad.name);
    }
}

#[test]
fn good_tokens_of_every_algorithm_name_their_subject() {
    let issuer = Issuer::new().unwrap();
    let tokens = tokens(issuer.settings());

    for (name, token) in issuer.good_ones() {
        let subject = verdict(&tokens, &token).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!((subject.name(), subject.issuer()), (SUBJECT, ISSUER));
        assert_eq!(format!("{subject:?}"), "[redacted]");
    }
}

#[test]
fn while_a_key_is_exchanged_both_count_and_then_the_old_one_does_not() {
    let (before, after) = (Issuer::new().unwrap(), Issuer::new().unwrap());
    let key = |issuer: &Issuer, id: &str| {
        let mut key = issuer.settings()["keys"][0].clone();
        key["id"] = json!(id);
        key
    };
    let named = |issuer: &Issuer, id: &str| issuer.token(&json!({"kid": id}), &json!({}));
    let nameless = |issuer: &Issuer| issuer.token(&json!({"kid": null}), &json!({}));
    let mut settings = before.settings();

    settings["keys"] = json!([key(&before, "old"), key(&after, "new")]);
    let both = tokens(settings.clone());
    for token in [
        named(&before, "old"),
        named(&after, "new"),
        nameless(&before),
        nameless(&after),
    ] {
        assert!(verdict(&both, &token).is_ok());
    }
    // The name decides: a key's signature under another key's name is a forgery.
    assert_eq!(
        verdict(&both, &named(&after, "old")),
        Err(Rejected::Signature)
    );

    settings["keys"] = json!([key(&after, "new")]);
    let only_new = tokens(settings);
    assert_eq!(
        verdict(&only_new, &named(&before, "old")),
        Err(Rejected::UnknownKey)
    );
    assert_eq!(
        verdict(&only_new, &nameless(&before)),
        Err(Rejected::Signature)
    );
}

#[test]
fn a_key_is_one_of_its_algorithm_and_strong_enough_or_nothing_starts() {
    let issuer = Issuer::new().unwrap();
    let with_key = |index: usize, key: &Value| {
        let mut settings = issuer.settings();
        settings["keys"][index]["key"] = key.clone();
        complaint(settings)
    };
    let key = |index: usize| issuer.settings()["keys"][index]["key"].clone();

    for (index, others) in [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])] {
        for other in others {
            let told = with_key(index, &key(other));
            assert!(told.contains("is none of"), "{told}");
            assert!(!told.contains("BEGIN"), "{told}");
        }
        assert!(with_key(index, &json!("no key")).contains("must be a public key as PEM"));
    }
    // A public key is no secret, however long it is.
    for weak in [json!("a".repeat(31)), key(0), json!("")] {
        assert!(with_key(3, &weak).contains("at least 32 bytes"));
    }
}

#[test]
fn settings_leave_nothing_open() {
    let issuer = Issuer::new().unwrap();
    let with = |name: &str, value: Value| {
        let mut settings = issuer.settings();
        settings[name] = value;
        complaint(settings)
    };

    assert!(with("audience", json!([])).contains("one to eight"));
    assert!(with("audience", json!([""])).contains("empty name"));
    assert!(with("issuer", json!("")).contains("1–256"));
    assert!(with("leeway_seconds", json!(61)).contains("at most 60 s"));
    assert!(with("keys", json!([])).contains("1–8"));
    let twice = vec![issuer.settings()["keys"][0].clone(); 2];
    assert!(with("keys", json!(twice)).contains("an id of its own"));
    for algorithm in ["none", "RS512", "HS384", "eddsa"] {
        let mut settings = issuer.settings();
        settings["keys"][0]["algorithm"] = json!(algorithm);
        assert!(serde_json::from_value::<AccessTokenSettings>(settings).is_err());
    }
}
