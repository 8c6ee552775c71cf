//! What is asked of this program: by `make faults` in options, by `cargo test` without any.

use std::time::Duration;

use crate::checker::Plant;
use crate::row::Planted;
use crate::rows::ROWS;
use crate::{FULL, SHORT, SHORT_ROWS};

/// Updates in a second at full length.
const RATE: u32 = 300;
/// The same in `make test`, which shares its cores with nobody but is in a hurry.
const TEST_RATE: u32 = 100;

/// Which rows to run, and how.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) rows: Vec<String>,
    pub(crate) seed: u64,
    pub(crate) rate: u32,
    pub(crate) lasting: Duration,
    /// Whether rows that count their faults stop when their time is over.
    pub(crate) is_short: bool,
    /// Whether this is part of `make test`.
    pub(crate) is_test: bool,
    pub(crate) writes: bool,
    pub(crate) planted: Option<Planted>,
    /// Only the names of tests are wanted.
    pub(crate) lists: bool,
    /// A filter of `cargo test` that names none of ours.
    pub(crate) is_for_others: bool,
}

impl Order {
    /// Reads the arguments. What only the usual test harness knows is passed over.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut order = Self {
            rows: Vec::new(),
            seed: rand::random_range(0..1_000_000),
            rate: 0,
            lasting: Duration::ZERO,
            is_short: true,
            is_test: true,
            writes: false,
            planted: None,
            lists: false,
            is_for_others: false,
        };
        let (mut arguments, mut asked) = (arguments.peekable(), None);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--full" => order.is_test = false,
                "--rows" => asked = Some(rows(&value()?)?),
                "--seed" => order.seed = number(&value()?)?,
                "--rate" => order.rate = u32::try_from(number(&value()?)?).unwrap_or(u32::MAX),
                "--seconds" => order.lasting = Duration::from_secs(number(&value()?)?),
                "--plant" => order.planted = Some(planted(&value()?)?),
                "--write" => order.writes = true,
                "--list" => order.lists = true,
                "--test-threads" | "--skip" | "--format" | "--color" => drop(value()?),
                other if other.starts_with('-') => {}
                filter => order.is_for_others |= !"faults".contains(filter),
            }
        }
        order.rows = match asked {
            Some(rows) => rows,
            None if order.is_test => SHORT_ROWS.map(str::to_owned).to_vec(),
            None => every_row(),
        };
        order.is_short = order.is_test || !order.lasting.is_zero();
        if order.lasting.is_zero() {
            order.lasting = if order.is_test { SHORT } else { FULL };
        }
        if order.rate == 0 {
            order.rate = if order.is_test { TEST_RATE } else { RATE };
        }
        Ok(order)
    }
}

fn every_row() -> Vec<String> {
    ROWS.iter().map(|row| row.id.to_owned()).collect()
}

fn rows(text: &str) -> Result<Vec<String>, String> {
    let known = every_row();
    let asked = text.split(',').map(|id| id.trim().to_uppercase());
    asked
        .map(|id| {
            let is_known = known.iter().any(|row| row.to_uppercase() == id);
            is_known
                .then_some(id.clone())
                .ok_or_else(|| format!("there is no row {id}; there are {}", known.join(", ")))
        })
        .collect()
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn planted(text: &str) -> Result<Planted, String> {
    match text {
        "loss" => Ok(Planted::Observation(Plant::Loss)),
        "double" => Ok(Planted::Observation(Plant::Double)),
        "house-loss" => Ok(Planted::House(Plant::Loss)),
        "house-double" => Ok(Planted::House(Plant::Double)),
        other => Err(format!(
            "{other} cannot be planted; there are loss, double, house-loss and house-double"
        )),
    }
}
