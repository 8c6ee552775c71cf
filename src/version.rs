//! Which build this is: the version of the manifest and the revision it was built from.

/// Version and short revision, as `0.1.0 (a1b2c3d)`.
pub(crate) const SHORT: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("SALLYPORT_REVISION"),
    ")"
);

/// The manifest's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The short revision, or `unknown` outside a checkout.
pub(crate) const REVISION: &str = env!("SALLYPORT_REVISION");
