//! The one block that a person reads when everything is up: the page first, then what is where, then what is off and what turns it on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use sallyport_workers::BotNote;

/// What the block says.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    /// The playground's page, if it runs.
    pub(crate) page: Option<SocketAddr>,
    /// The edge's doors.
    pub(crate) http: Option<SocketAddr>,
    pub(crate) tls: Option<SocketAddr>,
    /// What a client must trust, where the certificate is a development one.
    pub(crate) authority: Option<PathBuf>,
    /// Metrics and health.
    pub(crate) admin: SocketAddr,
    /// Generated secrets for `curl`.
    pub(crate) secrets: PathBuf,
    /// Each bot and how it hears.
    pub(crate) bots: Vec<String>,
    /// Links that make whoever opens them first the owner; shown once, here.
    pub(crate) owner_links: Vec<String>,
    /// Which model answers.
    pub(crate) model: String,
    /// How long the start took.
    pub(crate) took: Duration,
}

impl Ready {
    /// Where to look, in one line.
    pub(crate) fn place(&self) -> String {
        match (self.page, self.http) {
            (Some(page), _) => format!("http://{page}"),
            (None, Some(http)) => format!("http://{http}"),
            (None, None) => format!("http://{}", self.admin),
        }
    }

    /// The block, without a trailing newline.
    ///
    /// # Errors
    /// When an owner link does not fit into a QR code.
    pub(crate) fn block(&self) -> anyhow::Result<String> {
        let mut lines = vec![
            String::new(),
            format!("Sallyport is ready ({:.1} s).", self.took.as_secs_f64()),
            String::new(),
        ];
        let mut row = |name: &str, value: String| lines.push(format!("  {name:<11}{value}"));
        if let Some(page) = self.page {
            row(
                "Page",
                format!("http://{page}   write to the bot here, and watch each message's way"),
            );
        }
        if let Some(http) = self.http {
            row("Edge", format!("http://{http}"));
        }
        if let Some(tls) = self.tls {
            row("", format!("https://{tls}"));
        }
        if let Some(authority) = &self.authority {
            row("Trust", format!("curl --cacert {}", authority.display()));
        }
        row("Secrets", self.secrets.display().to_string());
        row("Metrics", format!("http://{}/metrics", self.admin));
        for bot in &self.bots {
            row("Bot", bot.clone());
        }
        row("Model", self.model.clone());
        lines.extend(self.off());
        for link in &self.owner_links {
            lines.push(String::new());
            lines.push(format!(
                "  Open this once, within 15 minutes, to become the owner: {link}"
            ));
            lines.push(qr_code(link)?);
        }
        lines.push(String::new());
        lines.push("  Ctrl-C drains and stops.".to_owned());
        Ok(lines.join("\n"))
    }

    fn off(&self) -> Vec<String> {
        let mut off = Vec::new();
        if !self.bots.iter().any(|bot| bot.contains("polling")) {
            off.push("  Off        a real Telegram bot: set TELEGRAM_BOT_TOKEN".to_owned());
        }
        if !self.model.starts_with("http") {
            off.push(
                "  Off        a real model: set OPENAI_API_KEY (and OPENAI_BASE_URL, OPENAI_MODEL)"
                    .to_owned(),
            );
        }
        off
    }
}

/// A bot in one line: its public name, or ours, and how it hears.
pub(crate) fn bot_line(bot: &BotNote) -> String {
    let name = bot
        .username
        .as_ref()
        .map_or_else(|| bot.name.clone(), |username| format!("@{username}"));
    match &bot.trouble {
        Some(trouble) => format!("{name}  {trouble}"),
        None => format!("{name} ({}, {})", bot.name, bot.receive),
    }
}

/// Two modules a character, so that the code fits on a small terminal.
fn qr_code(link: &str) -> anyhow::Result<String> {
    Ok(QrCode::new(link)?.render::<Dense1x2>().build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_comes_first_and_what_is_off_names_its_variable() {
        let door = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let ready = Ready {
            page: Some(door(8088)),
            http: Some(door(8080)),
            tls: Some(door(8443)),
            authority: Some(".data/tls/ca.pem".into()),
            admin: door(9464),
            secrets: ".data/dev.env".into(),
            bots: vec!["ops on the playground".to_owned()],
            owner_links: vec!["https://t.me/some_bot?start=abc".to_owned()],
            model: "the playground's stand-in".to_owned(),
            took: Duration::from_millis(1_240),
        };

        let block = ready.block().unwrap();

        let rows: Vec<&str> = block.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(rows[0], "Sallyport is ready (1.2 s).");
        assert!(rows[1].trim_start().starts_with("Page"));
        assert!(block.contains("TELEGRAM_BOT_TOKEN") && block.contains("OPENAI_API_KEY"));
    }
}
