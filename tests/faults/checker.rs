//! The checker: compares what clients were answered with what the stand-in for the provider received.
//!
//! Pure: a [`History`] goes in, a [`Judgement`] comes out. It never looks at our tables, with one exception that can only excuse: a
//! duplicate is excused by an ambiguous record of the same message, one record each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One update, by the number that its text carries and the reply repeats.
pub(crate) type Number = u64;

/// A moment in microseconds since the row began.
pub(crate) type Moment = u64;

/// What a client knows in the end about something it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A 2xx was read.
    Accepted,
    /// Every answer that came was a refusal, and one came to every try.
    Refused,
    /// At least one try had no answer, and none had a 2xx.
    Unknown,
}

/// One update as its client saw it, over all its tries.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) number: Number,
    /// The conversation, inside which order is promised.
    pub(crate) key: i64,
    /// When its first try began.
    pub(crate) began: Moment,
    pub(crate) answer: Answer,
    /// When the 2xx was read.
    pub(crate) accepted: Option<Moment>,
}

/// One effect as the stand-in saw it, in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) number: Number,
    pub(crate) key: i64,
}

/// Everything that was seen from outside, and the house's excuses.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) asked: Vec<Asked>,
    pub(crate) seen: Vec<Seen>,
    /// How many ambiguous records each update's effect has.
    pub(crate) ambiguous: BTreeMap<Number, u64>,
}

/// What the checker found. All lists are sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) unknown: usize,
    pub(crate) effects: usize,
    /// Accepted, and never seen.
    pub(crate) lost: Vec<Number>,
    /// Seen, and neither accepted nor unknown.
    pub(crate) phantom: Vec<Number>,
    /// Seen again so many times.
    pub(crate) duplicates: BTreeMap<Number, u64>,
    /// The part of these that no ambiguous record owns up to.
    pub(crate) unexcused: BTreeMap<Number, u64>,
    /// Pairs in which the second began after the first was accepted and was yet seen before it.
    pub(crate) disordered: Vec<(Number, Number)>,
}

impl Judgement {
    /// How many effects were one too many.
    pub(crate) fn doubled(&self) -> u64 {
        self.duplicates.values().sum()
    }

    /// How many of those nobody owns up to.
    pub(crate) fn unexplained(&self) -> u64 {
        self.unexcused.values().sum()
    }
}

/// Judges a history.
pub(crate) fn judge(history: &History) -> Judgement {
    let mut counts: BTreeMap<Number, u64> = BTreeMap::new();
    for seen in &history.seen {
        *counts.entry(seen.number).or_default() += 1;
    }
    let with = |answer: Answer| -> BTreeSet<Number> {
        let asked = history.asked.iter();
        let fitting = asked.filter(|asked| asked.answer == answer);
        fitting.map(|asked| asked.number).collect()
    };
    let (accepted, unknown) = (with(Answer::Accepted), with(Answer::Unknown));
    let refused = with(Answer::Refused);
    let mut judgement = Judgement {
        accepted: accepted.len(),
        refused: refused.len(),
        unknown: unknown.len(),
        effects: history.seen.len(),
        ..Judgement::default()
    };
    judgement.lost = accepted
        .iter()
        .filter(|number| !counts.contains_key(number))
        .copied()
        .collect();
    for (number, count) in counts {
        if !accepted.contains(&number) && !unknown.contains(&number) {
            judgement.phantom.push(number);
        }
        if count > 1 {
            judgement.duplicates.insert(number, count - 1);
            let excuses = history.ambiguous.get(&number).copied().unwrap_or(0);
            if count - 1 > excuses {
                judgement.unexcused.insert(number, count - 1 - excuses);
            }
        }
    }
    judgement.disordered = disordered(history);
    judgement
}

/// Pairs of one key whose order was promised and not kept (law L3), by their first appearance; one pair per effect that came late.
fn disordered(history: &History) -> Vec<(Number, Number)> {
    let asked: HashMap<Number, &Asked> = history
        .asked
        .iter()
        .map(|asked| (asked.number, asked))
        .collect();
    let mut first_seen = BTreeSet::new();
    let mut youngest: HashMap<i64, (Moment, Number)> = HashMap::new();
    let mut pairs = Vec::new();
    for seen in &history.seen {
        let Some(this) = asked.get(&seen.number) else {
            continue;
        };
        if !first_seen.insert(seen.number) {
            continue;
        }
        if let (Some((began, number)), Some(accepted)) = (youngest.get(&this.key), this.accepted)
            && accepted < *began
        {
            pairs.push((this.number, *number));
        }
        let latest = youngest
            .entry(this.key)
            .or_insert((this.began, this.number));
        *latest = (*latest).max((this.began, this.number));
    }
    pairs.sort_unstable();
    pairs
}

/// A fault of ours between house and checker, which every judgement must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    /// One accepted message is forgotten.
    Loss,
    /// One effect is seen twice.
    Double,
}

/// Plants the fault in what was seen, as though the house had made it.
pub(crate) fn plant(history: &mut History, fault: Plant) {
    let answers = history.asked.iter();
    let accepted: BTreeSet<Number> = answers
        .filter(|asked| asked.answer == Answer::Accepted)
        .map(|asked| asked.number)
        .collect();
    let excused = &history.ambiguous;
    let found = history
        .seen
        .iter()
        .find(|seen| accepted.contains(&seen.number) && !excused.contains_key(&seen.number))
        .copied();
    match (fault, found) {
        (Plant::Loss, Some(victim)) => history.seen.retain(|seen| seen.number != victim.number),
        (Plant::Double, Some(victim)) => history.seen.push(victim),
        (Plant::Loss | Plant::Double, None) => {}
    }
}
