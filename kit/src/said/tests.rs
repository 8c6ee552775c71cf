//! What people write at a bot, and what it makes of it.

use proptest::prelude::*;

use super::*;

fn us() -> Us {
    Us {
        bot: "ops".into(),
        username: "SallyBot".into(),
    }
}

fn read(text: &str) -> Said {
    Said::read(text, &us())
}

fn command(name: &str, words: &str) -> Said {
    Said::Command {
        name: name.into(),
        words: words.into(),
    }
}

fn words(text: &str, mentioned: bool) -> Said {
    Said::Words {
        text: text.into(),
        mentioned,
    }
}

#[test]
fn a_command_is_read_with_its_words() {
    assert_eq!(
        read("/ai  why is the sky\nblue? "),
        command("ai", "why is the sky\nblue?")
    );
    assert_eq!(read("/STATUS"), command("status", ""));
}

#[test]
fn a_command_with_our_name_is_ours_in_any_case() {
    assert_eq!(read("/status@sallybot"), command("status", ""));
    assert_eq!(read("@SallyBot /status"), command("status", ""));
}

#[test]
fn a_command_for_another_bot_is_not_ours() {
    assert_eq!(read("/status@otherbot"), Said::ForAnother);
}

#[test]
fn a_path_or_a_lone_slash_is_no_command() {
    assert_eq!(
        read("/etc/passwd is readable"),
        words("/etc/passwd is readable", false)
    );
    assert_eq!(read("/"), words("/", false));
}

#[test]
fn a_mention_is_taken_out_wherever_it_stands() {
    assert_eq!(read("@SallyBot, why?"), words("why?", true));
    assert_eq!(read("tell me, @sallybot"), words("tell me,", true));
}

#[test]
fn a_longer_name_is_not_a_mention() {
    assert_eq!(read("ask @SallyBot2"), words("ask @SallyBot2", false));
    assert_eq!(read("mail me@sallybot"), words("mail me@sallybot", false));
}

proptest! {
    #[test]
    fn nothing_that_people_write_breaks_the_reader(text in "\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn words_without_us_stay_as_they_are(text in "[^@/]*") {
        prop_assert_eq!(read(&text), words(text.trim(), false));
    }

    #[test]
    fn a_command_is_read_the_same_with_and_without_our_name(name in "[a-z0-9_]{1,32}", rest in "[^@]*") {
        prop_assert_eq!(read(&format!("/{name} {rest}")), read(&format!("/{name}@SallyBot {rest}")));
    }
}
