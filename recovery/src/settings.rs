//! What an operator may tell this room, and what the binary adds from what it found around it.

use std::path::PathBuf;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use sallyport_postgres::DatabaseUrl;
use sallyport_security::Secret;
use serde::Deserialize;
use validator::{Validate, ValidationError};

/// At night for most of Europe, and not at a full hour, when everybody else's jobs run.
const DAILY_AT: &str = "03:17";
/// As long as the log of messages is kept.
const KEEP_DAYS: u16 = 7;
/// Even a house that stood still for a month keeps two to choose from.
const KEEP_COUNT_MIN: u16 = 2;
/// A restore that nobody tried for a week is a hope.
const DRILL_EVERY_DAYS: u16 = 7;
/// A day, and two hours for a backup that was late.
const STALE_AFTER_HOURS: u16 = 26;

/// The settings of backups. Without a directory nothing is backed up.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Folder of the backups and of the archive of the log; empty switches backups off. Best on another disk or machine.
    pub directory: PathBuf,
    /// Login for backups: may replicate and read every table. Empty means the house's own.
    pub database_url: Secret,
    /// Folder with `pg_basebackup` and `postgres`; empty means that it is looked for in the usual places.
    pub programs: PathBuf,
    /// Password of the sealed settings; empty keeps no settings, and every backup says so.
    pub password: Secret,
    /// Receive the log from the server over a replication slot, for a server whose `archive_command` is not ours to set.
    pub stream: bool,
    /// Time of day of the daily backup, as `HH:MM`.
    #[validate(custom(function = is_time_of_day))]
    pub daily_at: String,
    /// Time zone of `daily_at`, as `Europe/Berlin`.
    #[validate(custom(function = is_time_zone))]
    pub time_zone: String,
    /// Days for which backups and the log between them are kept.
    #[validate(range(min = 1, max = 3650))]
    pub keep_days: u16,
    /// Backups that are kept however old they are.
    #[validate(range(min = 1, max = 1000))]
    pub keep_count_min: u16,
    /// Days between two drills of the schedule; 0 means that only people start them.
    #[validate(range(max = 365))]
    pub drill_every_days: u16,
    /// Age of the newest backup at which the house calls itself degraded.
    #[validate(range(min = 1, max = 8760))]
    pub stale_after_hours: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            database_url: Secret::default(),
            programs: PathBuf::new(),
            password: Secret::default(),
            stream: false,
            daily_at: DAILY_AT.to_owned(),
            time_zone: "UTC".to_owned(),
            keep_days: KEEP_DAYS,
            keep_count_min: KEEP_COUNT_MIN,
            drill_every_days: DRILL_EVERY_DAYS,
            stale_after_hours: STALE_AFTER_HOURS,
        }
    }
}

impl Settings {
    /// Whether anything is to be backed up.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.directory.as_os_str().is_empty()
    }

    /// The login for backups, else `house`.
    #[must_use]
    pub fn url(&self, house: &DatabaseUrl) -> DatabaseUrl {
        match self.database_url.is_empty() {
            true => house.clone(),
            false => DatabaseUrl::new(self.database_url.expose()),
        }
    }

    /// The time of day, and its zone. What does not parse was refused when the settings were read, and counts as the default.
    pub(crate) fn daily(&self) -> (Time, TimeZone) {
        let time = time_of_day(&self.daily_at).unwrap_or(Time::midnight());
        let zone = TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC);
        (time, zone)
    }
}

/// What this room works with, beside its settings: handed in by the binary.
#[derive(Debug, Clone)]
pub struct Place {
    /// The settings.
    pub settings: Settings,
    /// Where the database is, for who backs up.
    pub url: DatabaseUrl,
    /// Folders in which Postgres's programs may lie, the likeliest first.
    pub programs: Vec<PathBuf>,
    /// The version of Sallyport, for the manifest.
    pub version: String,
}

fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn is_time_of_day(text: &str) -> Result<(), ValidationError> {
    match time_of_day(text) {
        Some(_) => Ok(()),
        None => {
            Err(ValidationError::new("time").with_message("must be a time of day, as 03:17".into()))
        }
    }
}

fn is_time_zone(text: &str) -> Result<(), ValidationError> {
    match TimeZone::get(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(ValidationError::new("zone")
            .with_message("must be a time zone's name, as Europe/Berlin or UTC".into())),
    }
}
