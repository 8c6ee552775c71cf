//! How old a signature may be: without a bound, whoever once saw a request could send it again next year.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderName;

use crate::Refusal;

/// What Slack, Stripe and the Standard Webhooks ask for: enough for clocks that differ, and little for a replay.
pub(crate) const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Digits of a time in seconds: enough for the next thirty thousand years.
const DIGITS_MAX: usize = 12;

/// How far a timestamp may be from now, before or after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window(Duration);

impl Window {
    pub(crate) fn new(width: Duration) -> Self {
        Self(width)
    }

    /// Judges `seconds`, a Unix time in decimal digits that was read from `header`.
    ///
    /// # Errors
    /// It is no such time, or it is outside the window.
    pub(crate) fn check(
        self,
        header: &HeaderName,
        seconds: &str,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let digits = seconds.bytes().all(|byte| byte.is_ascii_digit());
        let signed_at = seconds
            .parse::<u64>()
            .ok()
            .filter(|_number| digits && seconds.len() <= DIGITS_MAX)
            .ok_or_else(|| Refusal::HeaderMalformed(header.clone()))?;
        let now = seconds_of(now);
        if signed_at.saturating_add(self.0.as_secs()) < now {
            return Err(Refusal::TooOld(header.clone()));
        }
        if now.saturating_add(self.0.as_secs()) < signed_at {
            return Err(Refusal::TooNew(header.clone()));
        }
        Ok(())
    }
}

/// Whole seconds since 1970, as timestamps count them.
pub(crate) fn seconds_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_either_way_are_in_and_a_second_more_is_out() {
        let header = HeaderName::from_static("x-timestamp");
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let check = |text: &str| Window::new(FIVE_MINUTES).check(&header, text, now);

        for good in ["1699999700", "1700000000", "1700000300"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check("1699999699"), Err(Refusal::TooOld(header.clone())));
        assert_eq!(check("0"), Err(Refusal::TooOld(header.clone())));
        assert_eq!(check("1700000301"), Err(Refusal::TooNew(header.clone())));
        assert_eq!(check("999999999999"), Err(Refusal::TooNew(header.clone())));
        for bad in [
            "",
            "+1700000000",
            "-1",
            " 1700000000",
            "1700000000.0",
            "0x65",
            "1700000000000",
            "١٧٠٠٠٠٠٠٠٠",
        ] {
            assert_eq!(
                check(bad),
                Err(Refusal::HeaderMalformed(header.clone())),
                "{bad}"
            );
        }
    }
}
