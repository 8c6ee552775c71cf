//! Panics: the runtime and the proxy swallow them, so a hook makes sure that each one leaves a line and a count.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::{LazyLock, Once};

use crate::catalogue::Metric;
use crate::metrics::Counters;

static PANICS: LazyLock<Counters> =
    LazyLock::new(|| Counters::with(Metric::Panics, [["sallyport"]]));

/// Replaces the process's panic hook. Call it after [`logs::init`](crate::logs::init); calling it again changes nothing.
///
/// The panicking thread goes on as it would have: a handler's panic is contained by the pool, a broken start-up still fails hard.
pub fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        LazyLock::force(&PANICS);
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            tell(panic);
            // Before logging has begun nobody would hear of it.
            if !tracing::dispatcher::has_been_set() {
                previous(panic);
            }
        }));
    });
}

fn tell(panic: &PanicHookInfo<'_>) {
    let component = panic
        .location()
        .map_or("unknown", |location| component(location.file()));
    PANICS.of(&[component]).increment();
    let location = panic.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let stacktrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        name: "process.panicked",
        component,
        code.location = location,
        thread.name = std::thread::current().name(),
        exception.message = text(panic.payload()),
        exception.stacktrace = stacktrace,
        "A panic was contained"
    );
}

/// The text of a panic's payload, for whoever contains one and has to say why.
pub fn text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a text"
    }
}

/// The crate of a source file: ours are named by their folder in the workspace, all others are lumped together.
fn component(file: &str) -> &str {
    match file.split_once("src/") {
        _ if file.starts_with('/') => "dependency",
        Some(("", _)) => "sallyport",
        Some((folder, _)) => folder.trim_end_matches('/'),
        None => "sallyport",
    }
}

#[cfg(test)]
mod tests {
    use super::{component, install_hook, text};

    #[test]
    fn a_source_file_names_its_crate() {
        assert_eq!(component("workers/src/pool.rs"), "workers");
        assert_eq!(
            component("integrations/ai/src/client.rs"),
            "integrations/ai"
        );
        assert_eq!(component("src/main.rs"), "sallyport");
        assert_eq!(
            component("/root/.cargo/registry/src/index/tokio-1/src/task.rs"),
            "dependency"
        );
    }

    #[test]
    fn a_contained_panic_is_counted() {
        install_hook();
        let outcome = std::panic::catch_unwind(|| panic!("no such {}", "thing"));

        assert_eq!(
            outcome.err().map(|payload| text(&*payload).to_owned()),
            Some("no such thing".to_owned())
        );
        let counted = crate::metrics::install().render();
        assert!(
            counted.contains("sallyport_panics_total{component=\"telemetry\"} 1"),
            "{counted}"
        );
    }
}
