//! What the document of an API says about one request.
//!
//! It exists between the document, which knows no answer, and the edge, which refuses or only notes what does not fit. Judging is for
//! [`sallyport_security::openapi`].

use std::sync::Arc;

use http::HeaderMap;
use sallyport_security::openapi::{Misfit, Operation};

use crate::refusal::Refusal;

/// A request on a route with a document; on others nothing.
#[derive(Default)]
pub(crate) struct Described {
    /// What it asks for, if that says what its body has to be.
    operation: Option<Arc<Operation>>,
    /// How it does not fit, where that is only noted.
    misfit: Option<Box<Misfit>>,
    refuses: bool,
}

impl Described {
    /// What was found out about its head.
    ///
    /// # Errors
    /// When it does not fit and such are refused.
    pub(crate) fn of(
        judged: Result<Arc<Operation>, Misfit>,
        headers: &HeaderMap,
        has_body: bool,
        refuses: bool,
    ) -> Result<Self, Refusal> {
        match judged {
            Ok(operation) => Ok(Self {
                operation: Some(operation).filter(|one| has_body && one.reads_body(headers)),
                misfit: None,
                refuses,
            }),
            Err(misfit) if refuses => Err(Refusal::Misfit(Box::new(misfit))),
            Err(misfit) => Ok(Self {
                operation: None,
                misfit: Some(Box::new(misfit)),
                refuses,
            }),
        }
    }

    /// Whether its body has to be whole before it is handed on.
    pub(crate) fn reads_body(&self) -> bool {
        self.operation.is_some()
    }

    /// Judges its whole body.
    ///
    /// # Errors
    /// When it does not fit and such are refused.
    pub(crate) fn judge_body(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let Some(operation) = &self.operation else {
            return Ok(());
        };
        match operation.judge_body(headers, body) {
            Ok(()) => Ok(()),
            Err(misfit) if self.refuses => Err(Refusal::Misfit(Box::new(misfit))),
            Err(misfit) => {
                self.misfit = Some(Box::new(misfit));
                Ok(())
            }
        }
    }

    /// How it does not fit, where that was only noted.
    pub(crate) fn noted(&self) -> Option<&Misfit> {
        self.misfit.as_deref()
    }
}
