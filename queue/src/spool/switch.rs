//! Where an accept goes: to Postgres, or to the spool (law L3).
//!
//! The rule is one sentence: while the spool holds anything, or something is on its way into it, everything goes there; and
//! back to Postgres only when it is empty and Postgres was lately quick enough. Under steady traffic it would never be empty,
//! so when little is left the way back is closed to both sides for the moment that the last batch takes. It is pure, so that a
//! simulation can drive it; whoever owns one keeps it under a lock, which is the append lock of the law.

/// The way of one accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Straight to Postgres.
    Direct,
    /// To the disk of this edge.
    Spool,
    /// Nowhere yet: the last batch is being replayed, which takes a moment.
    Wait,
}

/// Decides the way of accepts.
#[derive(Debug, Clone, Default)]
pub struct Switch {
    /// Appends that have begun and not ended.
    appending: u32,
    /// Everything below this place was appended.
    appended_up_to: u64,
    /// Everything below this place was replayed.
    emptied_up_to: u64,
    /// Whether the latest replay took longer than an accept may.
    is_slow: bool,
    /// Whether the last batch is being replayed.
    is_returning: bool,
}

impl Switch {
    /// A switch for a spool that has just been opened; `unreplayed_up_to` is the place behind its last record, when it
    /// holds any.
    #[must_use]
    pub fn new(unreplayed_up_to: Option<u64>) -> Self {
        Self {
            appended_up_to: unreplayed_up_to.unwrap_or(0),
            ..Self::default()
        }
    }

    /// The way of an accept that begins now.
    #[must_use]
    pub fn route(&self) -> Route {
        if self.is_returning {
            Route::Wait
        } else if self.appending == 0 && !self.holds() && !self.is_slow {
            Route::Direct
        } else {
            Route::Spool
        }
    }

    /// Whether the spool holds what was not replayed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.appended_up_to > self.emptied_up_to
    }

    /// Something is about to be appended: from now on everything goes to the spool.
    pub fn append_begins(&mut self) {
        self.appending = self.appending.saturating_add(1);
    }

    /// An append ended. `up_to` is the place behind its last record; none when nothing was acknowledged.
    pub fn append_ended(&mut self, up_to: Option<u64>) {
        self.appending = self.appending.saturating_sub(1);
        self.appended_up_to = self.appended_up_to.max(up_to.unwrap_or(0));
        if up_to.is_none() && !self.holds() {
            // Nothing is left whose replay could show that Postgres is quick again, and the spool takes nothing.
            self.is_slow = false;
        }
    }

    /// Little is left: from now on everything waits, until [`return_ends`](Self::return_ends).
    pub fn return_begins(&mut self) {
        self.is_returning = true;
    }

    /// Whether everything that had begun to be appended is in the spool, so that what is there now is all there will be.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.appending == 0
    }

    /// The last batch was replayed, or could not be: what waited goes on, one way or the other.
    pub fn return_ends(&mut self) {
        self.is_returning = false;
    }

    /// A batch was replayed into Postgres. `emptied_up_to` is the place behind the last record of the spool, when nothing
    /// before that place is left.
    pub fn replayed(&mut self, is_slow: bool, emptied_up_to: Option<u64>) {
        self.is_slow = is_slow;
        self.emptied(emptied_up_to);
    }

    /// The spool was found empty up to this place.
    pub fn emptied(&mut self, up_to: Option<u64>) {
        self.emptied_up_to = self.emptied_up_to.max(up_to.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overtakes_what_is_on_its_way_into_the_spool() {
        let mut switch = Switch::new(None);
        assert_eq!(switch.route(), Route::Direct);

        switch.append_begins();
        assert_eq!(switch.route(), Route::Spool);
        switch.append_ended(Some(4));
        assert_eq!(switch.route(), Route::Spool);
        switch.append_begins();
        switch.replayed(false, Some(4));
        assert_eq!(switch.route(), Route::Spool, "another append is under way");
        switch.append_ended(Some(9));
        switch.emptied(Some(4));
        assert_eq!(switch.route(), Route::Spool, "an old emptiness is no news");
        switch.replayed(false, Some(9));

        assert_eq!(switch.route(), Route::Direct);
    }

    #[test]
    fn on_the_way_back_everything_waits_for_the_last_batch() {
        let mut switch = Switch::new(Some(3));
        switch.append_begins();
        switch.return_begins();
        assert_eq!((switch.route(), switch.is_settled()), (Route::Wait, false));

        switch.append_ended(Some(4));
        assert!(switch.is_settled());
        let mut failed = switch.clone();
        failed.return_ends();
        assert_eq!(failed.route(), Route::Spool);
        switch.replayed(false, Some(4));
        switch.return_ends();

        assert_eq!(switch.route(), Route::Direct);
    }

    #[test]
    fn an_append_that_failed_leaves_the_way_open() {
        let mut switch = Switch::new(None);

        switch.append_begins();
        switch.append_ended(None);

        assert_eq!(switch.route(), Route::Direct);
    }

    #[test]
    fn a_spool_that_takes_nothing_does_not_keep_accepts_from_a_slow_postgres() {
        let mut switch = Switch::new(Some(3));
        switch.replayed(true, Some(3));

        switch.append_begins();
        switch.append_ended(None);

        assert_eq!(switch.route(), Route::Direct);
    }

    #[test]
    fn a_slow_postgres_gets_no_accepts_until_it_is_quick_again() {
        let mut switch = Switch::new(Some(3));

        switch.replayed(true, Some(3));
        assert_eq!(switch.route(), Route::Spool);
        switch.append_begins();
        switch.append_ended(Some(4));
        switch.replayed(false, Some(4));

        assert_eq!(switch.route(), Route::Direct);
    }
}
