//! What a story looks like on a phone.

use super::*;

fn row(depth: u16, name: &str, ms: Option<u64>) -> StoryRow {
    StoryRow {
        depth,
        name: name.into(),
        took: ms.map(Duration::from_millis),
        failed: false,
    }
}

fn story() -> Story {
    let failed = StoryRow {
        failed: true,
        ..row(2, "process telegram.update", Some(12_000))
    };
    Story {
        code: "K7QF-3M2X".into(),
        trace_id: "0".repeat(32),
        state: StoryState::Dead,
        began: "2026-11-20T02:11:07Z".parse().unwrap(),
        took: Some(Duration::from_secs(14)),
        attempts: 2,
        rows: vec![
            row(0, "POST /telegram/{bot}", Some(2)),
            row(1, "send telegram.update", Some(1)),
            failed,
        ],
        last_error: Some("The model did not answer in time and was given up".into()),
        can_replay: true,
    }
}

fn lines(story: &Story) -> Vec<String> {
    story.lines(
        &Texts::new(&[(Language::English, "")]).unwrap(),
        Language::English,
    )
}

#[test]
fn a_story_says_how_it_ended_and_then_how_it_went() {
    let expected = [
        "Failed after 14 s.",
        "2026-11-20 02:11:07 UTC",
        "2 attempts",
        "POST /telegram/{bot} 2 ms",
        " send telegram.update 1 ms",
        "  process telegram.update 12 s ✗",
        "Last error: The model did not",
        "answer in time and was given up",
    ];
    assert_eq!(lines(&story()), expected);
}

#[test]
fn a_deep_or_long_row_still_fits_a_phone() {
    let mut story = story();
    story.rows = vec![row(40, "a name that goes on and on and on and on", None)];

    for line in lines(&story) {
        assert!(line.chars().count() <= 34, "{line:?}");
    }
}

#[test]
fn a_very_long_story_counts_the_rest() {
    let mut story = story();
    story.rows = vec![row(0, "step", Some(1)); 37];

    assert!(lines(&story).contains(&"and 7 more".to_owned()));
}
