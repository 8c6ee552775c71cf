//! What happens is an event: one struct per thing that happens, one `emit` that makes the log line and the metric of it.
//!
//! Log and metric are made of the same fields at one place, so they cannot disagree, and the code that works reads as one line:
//! `Accepted { source, id }.emit(&self.meters)`. The events of a crate live in its `events.rs`; an example is in the crate's
//! documentation.

/// Something that happens.
pub trait Event {
    /// The metric handles that this event moves, resolved when the service started. `()` when it only logs.
    type Meters;

    /// Makes the log line and moves the metrics. Never blocks and never fails.
    fn emit(&self, meters: &Self::Meters);
}

/// Prints an error with all its causes, outermost first: `could not accept: connection closed: broken pipe`.
///
/// Our errors do not repeat their source in their own text, so this is the one place where the chain is put together.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        // A chain longer than this would be a loop.
        for _ in 0..16 {
            let Some(error) = source else { break };
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl std::fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Chain;

    #[derive(Debug, thiserror::Error)]
    #[error("could not accept")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_chain_names_every_cause_once() {
        let error = Outer(std::io::Error::other("broken pipe"));

        assert_eq!(Chain(&error).to_string(), "could not accept: broken pipe");
    }
}
