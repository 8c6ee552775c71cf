//! The outside world in a box: stand-ins for the Telegram Bot API and for an OpenAI-compatible model, faults on demand, and the chat page.
//!
//! It exists so that the house can be run, shown and tested without an account anywhere: a person writes on the page at `/`, the stand-in sends the
//! update to the bot's webhook (or hands it to its poller) exactly as Telegram would, and shows what the bot sends back. Tests use the same control door
//! (`/_/…`) as the page does.
//!
//! What this room refuses to know: it sees no crate of ours. It reaches the house only as a stranger would, over HTTP, with a webhook secret it was
//! given by `setWebhook` and a bearer token for `/ops/*` that its server holds and the page never sees.
//!
//! Where it differs from the real Bot API, on purpose:
//! - every token of the form `<digits>:<text>` is a bot; the first text seen for a number is that bot's secret from then on;
//! - a webhook may point at 127.0.0.1, which Telegram refuses (and at any port with `webhook_ports: any`);
//! - any numeric chat exists, unless `unknown_chats: refuse` is set or the control door closed it;
//! - limits are the documented ones (1/s per chat, 20/min per group, 30/s for bulk) with a small allowance for jitter, and off with `limits: own_server`.

mod control;
mod faults;
mod inbound;
mod levers;
mod openai;
mod ops;
mod page;
mod server;
mod settings;
mod telegram;
mod world;

pub use levers::{Lever, LeverError};
pub use server::{Playground, PlaygroundHandle, StartError};
pub use settings::{Limits, OpsToken, PlaygroundSettings, UnknownChats, WebhookPorts};
