//! The loader: files, `.env`, environment and secret files become checked types, and every mistake is reported at once.
//!
//! Why it exists: an operator who mistypes three keys should read three sentences, each with file, line, key and what to do,
//! and not start the server three times. So nothing here stops at the first mistake.
//!
//! What it refuses to know: which settings exist. Each crate owns its `Settings`; this crate is generic over them. It reads no
//! environment and opens no file by itself: the binary hands in an [`Environment`] and the text of each file.
//!
//! ```
//! use sallyport_config::{Document, Environment, Loader};
//! use serde::Deserialize;
//! use validator::Validate;
//!
//! #[derive(Default, Deserialize, Validate)]
//! #[serde(default, deny_unknown_fields)]
//! struct Limit {
//!     #[validate(range(min = 1, max = 10_000))]
//!     rate: u32,
//! }
//!
//! let mut loader = Loader::new(Environment::default());
//! let shipped = Document::parse("shipped limit.yaml", "rate: 100").unwrap();
//! let own = Document::parse("limit.yaml", "rate: 0").unwrap();
//! let limit: Option<Limit> = loader.section(shipped.overlaid_with(own));
//! assert!(limit.is_some());
//! let mistakes = loader.finish().unwrap_err();
//! assert_eq!(mistakes[0].to_string(), "limit.yaml:1 rate must be 1–10000, is 0");
//! ```

mod document;
mod effective;
mod environment;
mod loader;
mod mistake;
mod path;
mod placeholders;
mod typed;
mod violations;

pub use document::Document;
pub use effective::{Effective, Origin};
pub use environment::Environment;
pub use loader::Loader;
pub use mistake::Mistake;
