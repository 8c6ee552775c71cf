//! How a route is held to the document of its API, once its settings have become a contract.

use std::sync::Arc;

use sallyport_security::openapi::Contract;

use crate::rules::InvalidRules;
use crate::settings::{OpenApiMode, OpenApiSettings};

/// What a route is held to.
pub(crate) struct ContractCheck {
    pub(crate) contract: Arc<Contract>,
    /// Whether what does not fit is refused, rather than noted.
    pub(crate) refuses: bool,
}

impl ContractCheck {
    pub(super) fn new(path: &str, settings: &OpenApiSettings) -> Result<Self, InvalidRules> {
        let read = settings.read.as_ref();
        let read = read.ok_or_else(|| InvalidRules::Document(path.to_owned()))?;
        Ok(Self {
            contract: Arc::clone(&read.contract),
            refuses: settings.mode == OpenApiMode::Block,
        })
    }
}
