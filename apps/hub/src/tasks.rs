pub(crate) use digest::{Digest, DigestDue};
