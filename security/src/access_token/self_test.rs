//! That this build judges signatures as the standards do, tried before it judges a stranger's.
//!
//! It exists because which code checks a signature is decided when everything is linked: a build without any would panic at the
//! first token, and one with the wrong one must not find out later. The examples are those of RFC 7515 (A.1, A.2, A.3) and of
//! RFC 8037 (A.4). It costs less than a millisecond, when settings are read.

use jsonwebtoken::crypto::{aws_lc, sign, verify};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use super::keys::{TokenAlgorithm, UnfitTokenKey};
use crate::compare::constant_time_eq;

/// A signature whose verdict is known.
struct Example {
    algorithm: TokenAlgorithm,
    key: fn() -> jsonwebtoken::errors::Result<DecodingKey>,
    message: &'static str,
    signature: &'static str,
}

/// The claims of the examples of RFC 7515.
macro_rules! signed_by_joe {
    ($header:literal) => {
        concat!($header, ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ")
    };
}

const SECRET: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==";
const MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

const EXAMPLES: [Example; 4] = [
    Example {
        algorithm: TokenAlgorithm::Hs256,
        key: || DecodingKey::from_base64_secret(SECRET),
        message: signed_by_joe!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"),
        signature: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    },
    Example {
        algorithm: TokenAlgorithm::Rs256,
        key: || DecodingKey::from_rsa_components(MODULUS, "AQAB"),
        message: signed_by_joe!("eyJhbGciOiJSUzI1NiJ9"),
        signature: "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    },
    Example {
        algorithm: TokenAlgorithm::Es256,
        key: || {
            DecodingKey::from_ec_components(
                "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            )
        },
        message: signed_by_joe!("eyJhbGciOiJFUzI1NiJ9"),
        signature: "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    },
    Example {
        algorithm: TokenAlgorithm::EdDsa,
        key: || DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
        message: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        signature: "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    },
];

/// Tries all of them, and whether a token that is signed here is the one that is expected.
///
/// # Errors
/// The algorithm that is judged wrongly.
pub(super) fn run() -> Result<(), UnfitTokenKey> {
    // Without this, a second provider linked by somebody else would leave the library without any. Whoever came first is the same one.
    aws_lc::DEFAULT_PROVIDER.install_default().ok();
    for example in &EXAMPLES {
        if !is_judged_rightly(example).unwrap_or(false) {
            return Err(UnfitTokenKey::SelfTest(example.algorithm));
        }
    }
    let [signed, ..] = &EXAMPLES;
    let key = EncodingKey::from_base64_secret(SECRET);
    let made = key.and_then(|key| sign(signed.message.as_bytes(), &key, Algorithm::HS256));
    match made.is_ok_and(|made| is_expected(&made, signed)) {
        true => Ok(()),
        false => Err(UnfitTokenKey::SelfTest(signed.algorithm)),
    }
}

fn is_expected(made: &str, example: &Example) -> bool {
    constant_time_eq(made.as_bytes(), example.signature.as_bytes())
}

/// The example is believed, and nothing else is under its signature.
fn is_judged_rightly(example: &Example) -> jsonwebtoken::errors::Result<bool> {
    let key = (example.key)()?;
    let algorithm = Algorithm::from(example.algorithm);
    let verdict = |message: &str| verify(example.signature, message.as_bytes(), &key, algorithm);
    Ok(verdict(example.message)? && !verdict(&format!("{}A", example.message))?)
}
