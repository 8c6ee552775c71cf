//! Fields that mean different things to different programs: for whom a request is, and what a field's name is.

use super::Fate::{One, Refused};
use super::{Case, Fate, smuggled, spelled};

/// Hosts.
const HOSTS: [(&str, Fate); 32] = [
    ("Host: edge", One("")),
    ("hOsT:\tedge:80", One("")),
    ("Host: [::1]:80", One("")),
    ("Host: edge:", One("")),
    ("X: y", Refused(400)),
    ("Host:", Refused(400)),
    ("Host: edge\r\nHost: edge", Refused(400)),
    ("Host: edge\r\nHost: elsewhere", Refused(400)),
    ("Host: edge\r\nhost: elsewhere", Refused(400)),
    ("Host : edge", Refused(400)),
    ("Host\u{0}: edge", Refused(400)),
    ("Host: edge\r\n Host: elsewhere", Refused(400)),
    ("Host: edge, elsewhere", Refused(400)),
    ("Host: edge elsewhere", Refused(400)),
    ("Host: edge\telsewhere", Refused(400)),
    ("Host: edge/X", Refused(400)),
    ("Host: edge?x", Refused(400)),
    ("Host: edge#x", Refused(400)),
    ("Host: user@edge", Refused(400)),
    ("Host: http://edge", Refused(400)),
    ("Host: edge\u{0}elsewhere", Refused(400)),
    ("Host: edge%00", Refused(400)),
    ("Host: \u{435}dge", Refused(400)),
    ("Host: edge:80:81", Refused(400)),
    ("Host: edge:http", Refused(400)),
    ("Host: edge:123456", Refused(400)),
    ("Host: :80", Refused(400)),
    ("Host: [::1", Refused(400)),
    ("Host: ::1]", Refused(400)),
    ("Host: [edge]", Refused(400)),
    ("Host: [::1]elsewhere", Refused(400)),
    ("Host: edge\\elsewhere", Refused(400)),
];

/// Other field lines, below a host.
const LINES: [(&str, Fate); 23] = [
    ("X-Bytes: \u{e9}\u{fc}", One("")),
    ("X-Empty:", One("")),
    ("X_Ordinary: y", One("")),
    (": y", Refused(400)),
    ("X", Refused(400)),
    ("X y", Refused(400)),
    ("X y: z", Refused(400)),
    ("X: \u{0}", Refused(400)),
    ("X\u{0}: y", Refused(400)),
    ("X: a\u{7f}b", Refused(400)),
    ("X: a\u{1}b", Refused(400)),
    ("X: a\u{1b}[2Jb", Refused(400)),
    ("\u{e9}: y", Refused(400)),
    ("(X): y", Refused(400)),
    ("X;Y: z", Refused(400)),
    ("\"X\": y", Refused(400)),
    ("X@Y: z", Refused(400)),
    ("X\\Y: z", Refused(400)),
    ("Host_: edge", One("")),
    ("X_Forwarded_For: 192.0.2.6", Refused(400)),
    ("X-Forwarded_For: 192.0.2.6", Refused(400)),
    ("X_User_ID: root", Refused(400)),
    ("Expect: 100-continued", Refused(417)),
];

pub(super) fn cases() -> Vec<Case> {
    let case = |kind: &str, line: &str, head: String, fate: Fate| {
        let bytes = format!("GET /X/0000 HTTP/1.1\r\n{head}\r\n\r\n{}", smuggled());
        Case::plain(format!("{kind} {}", spelled(line)), bytes, fate)
    };
    let hosts = HOSTS
        .iter()
        .map(|(line, fate)| case("host", line, (*line).to_owned(), *fate));
    let lines = LINES
        .iter()
        .map(|(line, fate)| case("field", line, format!("Host: edge\r\n{line}"), *fate));
    hosts.chain(lines).collect()
}
