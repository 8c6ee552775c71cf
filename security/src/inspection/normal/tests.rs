//! What the normal form undoes, and what it never does.

use proptest::prelude::*;

use super::*;

fn form(value: &[u8]) -> String {
    let mut normaliser = Normaliser::default();
    String::from_utf8_lossy(normaliser.normal(value).form).into_owned()
}

fn bare(value: &[u8]) -> Option<String> {
    let mut normaliser = Normaliser::default();
    let bare = normaliser.normal(value).bare?;
    Some(String::from_utf8_lossy(bare).into_owned())
}

fn tricks(value: &[u8]) -> Tricks {
    Normaliser::default().normal(value).tricks
}

#[test]
fn letters_are_small_and_spaces_single() {
    assert_eq!(form(b"UNION\t\r\n  Select"), "union select");
    assert!(!tricks(b"UNION\n Select").hide());
}

#[test]
fn three_layers_of_escapes_come_off_and_a_fourth_stays() {
    assert_eq!(form(b"%2e"), ".");
    assert_eq!(form(b"%252e"), ".");
    assert_eq!(form(b"%25252e"), ".");
    assert_eq!(form(b"%2525252e"), "%2e");
    assert_eq!(form(b"%u002e%U002E%uff0e"), "...");
}

#[test]
fn overlong_characters_are_what_they_stand_for() {
    for dot in [&b"\xc0\xae"[..], b"\xe0\x80\xae", b"\xf0\x80\x80\xae"] {
        assert_eq!(form(dot), ".");
        assert!(tricks(dot).overlong);
    }
    assert_eq!(form(b"%c0%2f"), "/");
    assert!(!tricks("\u{e9}\u{4e2d}\u{1f600}".as_bytes()).overlong);
}

#[test]
fn entities_and_escapes_of_scripts_are_read() {
    assert_eq!(form(b"&lt;&#x73;&#0000099;ript&gt;"), "<script>");
    assert_eq!(form(b"java&Tab;script&colon;"), "java script:");
    assert_eq!(form(br"\x3cScript\u003e\u{61}"), "<script>a");
    assert_eq!(form(b"a & b &amp; c &unknown;"), "a & b & c &unknown;");
}

#[test]
fn signs_that_none_shows_and_letters_that_look_like_others_are_undone() {
    let hidden = "\u{ff1c}s\u{200b}cr\u{ad}ipt\u{3000}\u{17f}\u{212a}\u{2215}";

    assert_eq!(form(hidden.as_bytes()), "<script sk/");
}

#[test]
fn other_scripts_stay_as_they_are() {
    let text = "привет 你好 مرحبا 😀";

    assert_eq!(form(text.as_bytes()), text);
}

#[test]
fn a_nul_is_dropped_and_told_but_not_one_that_code_writes_out() {
    assert_eq!(form(b"a\0b"), "ab");
    assert!(tricks(b"a\0b").nul);
    assert!(tricks(b"a%00b").nul);
    assert!(!tricks(br"'\x00'").nul);
}

#[test]
fn comments_come_off_in_a_form_of_their_own() {
    assert_eq!(bare(b"plain"), None);
    assert_eq!(
        bare(b"un/**/ion/* x */select").as_deref(),
        Some("un ion select")
    );
    assert_eq!(
        bare(b"/*!50000union*/ select").as_deref(),
        Some(" union*/ select")
    );
    assert_eq!(bare(b"a /* open").as_deref(), Some("a /* open"));
    assert_eq!(form(b"/*<script>*/"), "/*<script>*/");
    assert!(tricks(b"un/**/ion").comment);
    assert!(!tricks(b"x = 1; /* one */").comment);
    assert!(!tricks(b"/*! licence */").comment);
}

proptest! {
    #[test]
    fn it_never_grows_and_holds_no_capitals_controls_or_double_spaces(value in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut normaliser = Normaliser::default();
        let normal = normaliser.normal(&value);

        prop_assert!(normal.form.len() <= value.len());
        prop_assert!(!normal.form.iter().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_control()));
        prop_assert!(!normal.form.windows(2).any(|two| two == b"  "));
    }

    #[test]
    fn a_form_in_which_nothing_was_hidden_is_its_own_normal_form(value in "[ -~\\n\u{410}-\u{44f}]{0,80}") {
        let mut normaliser = Normaliser::default();
        let normal = normaliser.normal(value.as_bytes());
        let (once, tricks) = (normal.form.to_vec(), normal.tricks);

        if !tricks.hide() {
            prop_assert_eq!(normaliser.normal(&once).form, once.as_slice());
        }
    }
}
