//! What is due by the calendar, one file each.

mod daily;

pub(crate) use daily::Daily;
