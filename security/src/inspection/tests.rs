//! Whole requests under inspection: places, modes, exclusions, limits, and what a report may carry.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use validator::Validate;

use super::*;

const ATTACK: &str = "1' OR '1'='1";
const ATTACK_ENCODED: &str = "1%27%20OR%20%271%27%3D%271";

/// Settings under which everything blocks.
fn strict() -> InspectionSettings {
    InspectionSettings {
        modes: Modes {
            body: Mode::Block,
            ..Modes::default()
        },
        ..InspectionSettings::default()
    }
}

struct Asked {
    settings: InspectionSettings,
    path: String,
    query: String,
    headers: HeaderMap,
}

/// A request for `/search` under strict settings.
fn asked() -> Asked {
    Asked {
        settings: strict(),
        path: "/search".into(),
        query: String::new(),
        headers: HeaderMap::new(),
    }
}

impl Asked {
    fn under(mut self, change: impl FnOnce(&mut InspectionSettings)) -> Self {
        change(&mut self.settings);
        self.settings.validate().unwrap();
        self
    }

    fn path(self, path: &str) -> Self {
        Self {
            path: path.into(),
            ..self
        }
    }

    fn query(self, query: &str) -> Self {
        Self {
            query: query.into(),
            ..self
        }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.append(name, value);
        self
    }

    fn report(&self) -> Report {
        self.with(None)
    }

    fn with_body(&self, format: Format, body: &str) -> Report {
        self.with(Some((format, body.as_bytes())))
    }

    fn with(&self, body: Option<(Format, &[u8])>) -> Report {
        Inspector::new(&self.settings).inspect(&Parts {
            path: self.path.as_bytes(),
            query: self.query.as_bytes(),
            headers: &self.headers,
            body,
        })
    }
}

fn rules(report: &Report) -> BTreeSet<RuleId> {
    report.findings.iter().map(|finding| finding.rule).collect()
}

fn exclusion(rule: RuleId, part: Option<Part>, field: Option<&str>) -> Exclusion {
    Exclusion {
        rule,
        part,
        field: field.map(str::to_owned),
    }
}

// === Places ===

#[test]
fn an_attack_is_found_wherever_it_stands() {
    let form = format!("a=1&b={ATTACK_ENCODED}");
    let json = format!(r#"{{"a": {{"b": [1, "{ATTACK}"]}}}}"#);
    let found = [
        (
            Part::Path,
            asked().path(&format!("/users/{ATTACK_ENCODED}/x")).report(),
        ),
        (
            Part::Query,
            asked().query(&format!("id={ATTACK_ENCODED}")).report(),
        ),
        (
            Part::Query,
            asked().query(&format!("{ATTACK_ENCODED}=1")).report(),
        ),
        (Part::Headers, asked().header("referer", ATTACK).report()),
        (
            Part::Cookies,
            asked()
                .header("cookie", &format!("a=1; b={ATTACK_ENCODED}"))
                .report(),
        ),
        (Part::Body, asked().with_body(Format::Form, &form)),
        (Part::Body, asked().with_body(Format::Json, &json)),
        (Part::Body, asked().with_body(Format::Text, ATTACK)),
    ];

    for (part, report) in found {
        assert_eq!(report.verdict, Verdict::Block, "{part:?}");
        assert!(
            report.findings.iter().all(|finding| finding.part == part),
            "{part:?}"
        );
        assert!(report.score(part) >= 5);
    }
}

#[test]
fn what_people_write_is_no_attack() {
    for text in [
        "rock 'n' roll & blues, or jazz; it's fine -- really",
        "Where did the table drop? Select one and update me.",
        "SELECT name FROM users WHERE age > 17 OR name = 'O''Brien' UNION SELECT 'x';",
        "if (a == 'b' || c == 'd') { return x < y && y > z; }",
        "see ../src/lib.rs and https://example.org/?a=1&b=2#top",
        "O'Connor, Müllerstraße 7/2, +49 (30) 1234-567",
        "что делает SELECT? 什么是注入？ 😀",
    ] {
        let sent: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();

        let in_query = asked().query(&format!("q={sent}")).report();
        let in_form = asked().with_body(Format::Form, &format!("text={sent}"));

        assert!(
            in_query.verdict < Verdict::Shadowed,
            "{text}: {:?}",
            in_query.findings
        );
        assert!(
            in_form.verdict < Verdict::Shadowed,
            "{text}: {:?}",
            in_form.findings
        );
    }
}

#[test]
fn traversal_in_a_path_is_found_however_it_is_encoded() {
    for path in [
        "/files/../secret",
        "/files/%2e%2e/secret",
        "/files/..%2fsecret",
        "/files/%2E%2e%5csecret",
        "/files/%252e%252e%252fsecret",
        "/files/%25252e%25252e/secret",
        "/files/..%c0%afsecret",
        "/files/%u002e%u002e%u2215secret",
        "/files/..;/secret",
        "/files/....//secret",
        "/.git/config",
        "/files/a%00.png",
    ] {
        assert_eq!(
            asked().path(path).report().verdict,
            Verdict::Block,
            "{path}"
        );
    }
    for path in [
        "/files/a..b/c.d",
        "/.well-known/acme-challenge/x",
        "/v1.2/a-b_c~d",
    ] {
        assert_eq!(
            asked().path(path).report().verdict,
            Verdict::Clean,
            "{path}"
        );
    }
}

#[test]
fn words_around_a_path_do_not_hide_what_it_reaches_for() {
    let query = "q=one+two+three+four+five+six+seven+eight/../../etc/passwd";

    assert_eq!(asked().query(query).report().verdict, Verdict::Block);
}

#[test]
fn a_second_header_in_a_value_is_found() {
    for query in [
        "to=x%0d%0aSet-Cookie:%20a=b",
        "to=x%0AHTTP/1.1%20200",
        "to=%0dLocation:%20https://e",
    ] {
        let report = asked().query(query).report();
        assert!(rules(&report).contains(&RuleId::HeaderInjection), "{query}");
    }
}

#[test]
fn commands_and_lookups_are_found_in_short_values() {
    for query in [
        "f=x;cat%20/etc/passwd",
        "f=$(id)",
        "f=|whoami",
        "f=${jndi:ldap://e/a}",
        "f=()%20{%20:;};%20id",
    ] {
        assert_eq!(
            asked().query(query).report().verdict,
            Verdict::Block,
            "{query}"
        );
    }
}

// === Modes, exclusions and scores ===

#[test]
fn a_mode_decides_what_a_score_means() {
    let told = |mode| {
        let one_mode = |settings: &mut InspectionSettings| settings.modes.query = mode;
        asked()
            .under(one_mode)
            .query(&format!("q={ATTACK_ENCODED}"))
            .report()
    };

    assert_eq!(told(Mode::Block).verdict, Verdict::Block);
    assert_eq!(told(Mode::Log).verdict, Verdict::Logged);
    assert_eq!(told(Mode::Shadow).verdict, Verdict::Shadowed);
    assert_eq!(told(Mode::Off).verdict, Verdict::Clean);
    assert!(told(Mode::Off).findings.is_empty());
    assert_eq!(
        told(Mode::Log).score(Part::Query),
        told(Mode::Block).score(Part::Query)
    );
}

#[test]
fn by_default_a_body_is_scored_and_never_blocks() {
    let chat = format!("text={ATTACK_ENCODED}");

    let report = asked()
        .under(|settings| *settings = InspectionSettings::default())
        .with_body(Format::Form, &chat);

    assert_eq!(report.verdict, Verdict::Logged);
}

#[test]
fn an_exclusion_holds_for_its_rule_part_and_field_alone() {
    let all = rules(&asked().query(&format!("id={ATTACK_ENCODED}")).report());
    let verdict = |part, field| {
        let excluded = all
            .iter()
            .map(|rule| exclusion(*rule, part, field))
            .collect();
        let under = |settings: &mut InspectionSettings| settings.exclusions = excluded;
        asked()
            .under(under)
            .query(&format!("id={ATTACK_ENCODED}"))
            .report()
            .verdict
    };

    assert_eq!(verdict(None, None), Verdict::Clean);
    assert_eq!(verdict(Some(Part::Query), Some("id")), Verdict::Clean);
    assert_eq!(verdict(Some(Part::Query), Some("i*")), Verdict::Clean);
    assert_eq!(verdict(Some(Part::Headers), None), Verdict::Block);
    assert_eq!(verdict(None, Some("ID")), Verdict::Block);
    assert_eq!(verdict(None, Some("i")), Verdict::Block);
}

#[test]
fn an_exclusion_reaches_a_leaf_of_json_by_its_pointer() {
    let json = r#"{"comment": {"body": "<script>alert(1)</script>"}}"#;
    let all = rules(&asked().with_body(Format::Json, json));
    let excluded = all
        .iter()
        .map(|rule| exclusion(*rule, Some(Part::Body), Some("/comment/*")))
        .collect();

    let report = asked()
        .under(|settings| settings.exclusions = excluded)
        .with_body(Format::Json, json);

    assert_eq!(report.verdict, Verdict::Clean);
}

#[test]
fn an_exclusion_with_a_star_inside_is_a_mistake() {
    let settings = InspectionSettings {
        exclusions: vec![exclusion(RuleId::SqliLogic, None, Some("/a/*/b"))],
        ..strict()
    };

    assert!(settings.validate().is_err());
}

#[test]
fn settings_are_read_by_the_ids_of_the_rules_and_unknown_ones_are_mistakes() {
    let read = |text: &str| serde_json::from_str::<InspectionSettings>(text);

    let settings = read(
        r#"{"modes": {"body": "shadow"}, "exclusions": [{"rule": "sqli.logic", "part": "query"}]}"#,
    )
    .unwrap();

    assert_eq!(settings.modes.body, Mode::Shadow);
    assert!(read(r#"{"exclusions": [{"rule": "sqli.nonsense"}]}"#).is_err());
    assert!(read(r#"{"modes": {"body": "sometimes"}}"#).is_err());
    assert!(read(r#"{"mode": "block"}"#).is_err());
}

#[test]
fn neither_many_fields_nor_several_families_add_up() {
    let notice = "q=see%20../a%20and%20../b%20for%20the%20rest%20of%20it%20all%20please";
    let many = vec![notice; 50].join("&");
    let families = format!("{notice}%20%3B%20cat%20x%20%3Ca%20b%3D");

    let report = asked().query(&many).report();
    assert_eq!(report.verdict, Verdict::Noted);
    assert!(report.findings.len() <= Report::FINDINGS_MAX);
    assert_eq!(asked().query(&families).report().verdict, Verdict::Noted);
}

// === What a report carries ===

#[test]
fn a_report_names_fields_and_never_a_value() {
    let secret = "hunter2 ' or 1=1 --";
    let json = format!(r#"{{"user": {{"pass\nword": "{secret}"}}}}"#);

    let report = asked().with_body(Format::Json, &json);

    assert_eq!(report.verdict, Verdict::Block);
    assert_eq!(
        report
            .findings
            .first()
            .map(|finding| finding.field.as_str()),
        Some("/user/pass?word")
    );
    assert!(!format!("{report:?}").contains("hunter2"));
}

#[test]
fn a_fields_name_is_short_whatever_its_sender_made_of_it() {
    let long = "n".repeat(5_000);

    let report = asked().query(&format!("{long}={ATTACK_ENCODED}")).report();

    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.field.as_str().chars().count() <= 97)
    );
}

#[test]
fn what_lies_beyond_the_budget_passes_unseen_and_the_report_says_so() {
    let small = |settings: &mut InspectionSettings| settings.bytes_max = 1_024;
    let query = format!("a={}&b={ATTACK_ENCODED}", "x".repeat(2_000));

    let report = asked().under(small).query(&query).report();

    assert_eq!(report.verdict, Verdict::Noted);
    assert_eq!(rules(&report), BTreeSet::from([RuleId::BudgetExceeded]));
    assert_eq!(report.bytes_inspected, 1_024);
}

#[test]
fn the_same_request_always_gets_the_same_report() {
    let inspector = Inspector::new(&strict());
    let headers = HeaderMap::new();
    let parts = Parts {
        path: b"/x",
        query: b"q=<svg/onload=alert(1)>&id=1'--",
        headers: &headers,
        body: None,
    };

    let (first, second) = (inspector.inspect(&parts), inspector.inspect(&parts));

    assert_eq!(
        (first.findings, first.verdict),
        (second.findings, second.verdict)
    );
}

// === Rules ===

#[test]
fn ids_are_unique_and_the_operators_guide_lists_every_one() {
    let guide = include_str!("../../../docs/inspection.md");
    let ids: BTreeSet<&str> = RuleId::ALL.iter().map(|rule| rule.rule().id).collect();

    assert_eq!(ids.len(), RuleId::ALL.len());
    for rule in RuleId::ALL {
        let Rule { id, severity, .. } = rule.rule();
        let row = format!("| `{id}` | {} |", severity.points());
        assert!(guide.contains(&row), "docs/inspection.md has no row {row}");
        assert_eq!(id.parse(), Ok(*rule));
    }
}

// === Cost and soundness ===

#[test]
fn a_megabyte_that_was_made_to_be_slow_takes_linear_time() {
    let settings = InspectionSettings {
        bytes_max: 16 * 1024 * 1024,
        ..strict()
    };
    let inspector = Inspector::new(&settings);
    let took = |unit: &str, bytes: usize| {
        let body: Vec<u8> = unit.bytes().cycle().take(bytes).collect();
        let headers = HeaderMap::new();
        let parts = Parts {
            path: b"/",
            query: b"",
            headers: &headers,
            body: Some((Format::Text, &body)),
        };
        let run = || {
            let start = Instant::now();
            let _report = inspector.inspect(&parts);
            start.elapsed()
        };
        (0..3).map(|_| run()).min().unwrap_or_default()
    };

    for unit in [
        "a.",
        "1+",
        "'",
        "/*",
        "/**/",
        "(",
        "<a ",
        "<!--",
        "&#x0",
        "%25",
        "../",
        "union all ",
        "(select ",
        "\\",
        "j a v a ",
    ] {
        let (small, large) = (took(unit, 128 * 1024), took(unit, 1024 * 1024));
        // Eight times the bytes; four times that for a busy machine. Quadratic would be 64 times.
        let most = small * 32 + Duration::from_millis(50);
        assert!(
            large < most,
            "{unit:?}: {small:?} for 128 KiB and {large:?} for 1 MiB"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_request_panics(
        path in proptest::collection::vec(any::<u8>(), 0..200),
        query in proptest::collection::vec(any::<u8>(), 0..400),
        body in proptest::collection::vec(any::<u8>(), 0..400),
        format in proptest::sample::select(vec![Format::Form, Format::Json, Format::Text]),
    ) {
        let headers = HeaderMap::new();
        let report = Inspector::new(&strict()).inspect(&Parts {
            path: &path,
            query: &query,
            headers: &headers,
            body: Some((format, &body)),
        });

        prop_assert!(report.findings.len() <= Report::FINDINGS_MAX);
    }
}
