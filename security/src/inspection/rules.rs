//! Every rule of the inspection: its id, what it looks for, how much it weighs, where the idea comes from.
//!
//! It exists as one closed table because operators write ids into exclusions and dashboards: an id never changes its meaning. How
//! a rule finds what it looks for is for the files beside this one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much one rule weighs when it matches: the scale of the OWASP Core Rule Set, whose usual block is at 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing beside something else.
    Notice,
    /// Seen in attacks and, now and then, in what people write.
    Warning,
    /// Hardly ever harmless.
    Error,
    /// Enough by itself.
    Critical,
}

impl Severity {
    /// The points it adds to its field's score.
    pub fn points(self) -> u32 {
        match self {
            Self::Notice => 2,
            Self::Warning => 3,
            Self::Error => 4,
            Self::Critical => 5,
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name in settings, logs and metrics. Stable.
    pub id: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// What it looks for, for operators.
    pub looks_for: &'static str,
    /// Where the idea comes from.
    pub source: &'static str,
}

impl Rule {
    /// What kind of attack it speaks of: its id up to the dot.
    pub fn family(&self) -> &'static str {
        self.id
            .split_once('.')
            .map_or(self.id, |(family, _)| family)
    }
}

macro_rules! rules {
    ($($name:ident = $id:literal, $severity:ident, $looks_for:literal, $source:literal;)*) => {
        /// Names a rule. Its text form is the rule's id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RuleId {
            $(#[doc = $looks_for] $name,)*
        }

        impl RuleId {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its line of the table.
            pub fn rule(self) -> Rule {
                match self {
                    $(Self::$name => Rule {
                        id: $id,
                        severity: Severity::$severity,
                        looks_for: $looks_for,
                        source: $source,
                    },)*
                }
            }
        }
    };
}

rules! {
    SqliLibinjection = "sqli.libinjection", Critical,
        "SQL that continues somebody else's statement, by the order of its tokens, in a short value", "libinjection; CRS 942100";
    SqliTokens = "sqli.tokens", Notice,
        "tokens in an order that libinjection lists, and that code and prose have too", "libinjection";
    SqliUnionSelect = "sqli.union_select", Critical,
        "UNION SELECT that continues a statement which is not there", "CRS 942190, 942270";
    SqliTautology = "sqli.tautology", Critical,
        "AND or OR with a comparison of two constants", "CRS 942130, sqlmap's boolean tests";
    SqliLogic = "sqli.logic", Notice,
        "a closed quote or bracket, then AND, OR or another connective", "CRS 942390; sqlmap's boundaries";
    SqliTimeDelay = "sqli.time_delay", Critical,
        "functions that make a database wait", "CRS 942160; sqlmap's time tests";
    SqliBlindFunction = "sqli.blind_function", Critical,
        "functions and idioms by which a database is made to tell a secret in an error or a condition", "CRS 942151; sqlmap's error tests";
    SqliStacked = "sqli.stacked", Critical,
        "a second statement after a semicolon", "CRS 942350; sqlmap's stacked tests";
    SqliSubquery = "sqli.subquery", Warning,
        "a SELECT in brackets, outside a statement", "sqlmap's inline tests";
    SqliServerAccess = "sqli.server_access", Critical,
        "SQL that reaches the server's files, processes or network", "CRS 942360, 942190";
    SqliSchema = "sqli.schema", Warning,
        "the tables in which a database describes itself", "CRS 942140";
    SqliTermination = "sqli.termination", Warning,
        "a closed quote, then a comment that swallows the rest", "CRS 942440; sqlmap's comments";
    SqliHiddenComment = "sqli.hidden_comment", Notice,
        "comments inside words, and comments that MySQL executes", "CRS 942500";
    SqliCondition = "sqli.condition", Warning,
        "a closed quote, then AND or OR with a comparison", "CRS 942390";
    SqliSchemaValue = "sqli.schema_value", Critical,
        "such a table's name in a short value", "CRS 942140";
    SqliJsonOperator = "sqli.json_operator", Critical,
        "operators of databases on quoted JSON", "CRS 942550";
    SqliClosedQuote = "sqli.closed_quote", Critical,
        "a word, a closed quote and a statement's end, and nothing else", "CRS 942550; wfuzz";
    SqliOpenCall = "sqli.open_call", Critical,
        "a database function whose bracket stays open at the end, as in a probe", "CRS 942151, 942280";
    SqliOperatorQuery = "sqli.operator_query", Critical,
        "operators of document databases as names", "CRS 942290";
    XssLibinjection = "xss.libinjection", Critical,
        "markup that runs script, by HTML's own states, in a short value", "libinjection; CRS 941100";
    XssStates = "xss.states", Notice,
        "the same in a text", "libinjection";
    XssScriptTag = "xss.script_tag", Critical,
        "a script element", "CRS 941110";
    XssEventHandler = "xss.event_handler", Critical,
        "an attribute that runs script when something happens", "CRS 941120";
    XssScriptUrl = "xss.script_url", Critical,
        "a URL that is script or carries markup", "CRS 941170, 941210";
    XssActiveTag = "xss.active_tag", Error,
        "an element that loads or runs something", "CRS 941160, 941230 to 941300";
    XssMarkup = "xss.markup", Notice,
        "any element with attributes", "CRS 941320";
    XssBreakout = "xss.breakout", Warning,
        "an attribute's end, then an element's beginning", "OWASP's XSS cheat sheet";
    XssScriptCall = "xss.script_call", Notice,
        "what injected scripts reach for first", "CRS 941180, 941390";
    XssScriptValue = "xss.script_value", Critical,
        "a short value that is nothing but script", "CRS 941180, 941390";
    XssEntity = "xss.entity", Critical,
        "a document type or an entity that fetches something", "OWASP's XXE cheat sheet; CRS 941130";
    XssStyle = "xss.style", Error,
        "style that runs or loads something", "CRS 941190";
    XssObfuscated = "xss.obfuscated", Critical,
        "script written in brackets and signs, or built from its constructor", "CRS 941360, 941380";
    TraversalDotSegments = "traversal.dot_segments", Critical,
        "parent folders in a path, or in a value that is nothing but a path", "CRS 930100";
    TraversalInText = "traversal.in_text", Notice,
        "parent folders somewhere in a text", "CRS 930110";
    TraversalHidden = "traversal.hidden", Critical,
        "dots or slashes in an encoding that only hides them", "CRS 930100";
    TraversalHiddenFile = "traversal.hidden_file", Critical,
        "a hidden file or folder in a path, other than .well-known", "CRS 930130";
    TraversalSensitiveFile = "traversal.sensitive_file", Critical,
        "a file that no request names in good faith, as a value outside the body or after parent folders", "CRS 930120, 930130";
    TraversalFileInText = "traversal.file_in_text", Notice,
        "the same somewhere in a text", "CRS 930120";
    CommandShell = "command.shell", Critical,
        "a separator, then a shell's command, in a short value", "CRS 932230, 932235";
    CommandInText = "command.in_text", Notice,
        "the same somewhere in a text", "CRS 932230";
    CommandLookup = "command.lookup", Critical,
        "expressions that a logger or a shell would execute", "CRS 944150, 932170";
    HeaderInjection = "header.injection", Critical,
        "a line end, then a header or a status line", "CRS 921120 to 921160";
    FormatNul = "format.nul", Critical,
        "a NUL where no program means one", "CRS 920270";
    FormatUtf8 = "format.utf8", Notice,
        "bytes that are not UTF-8", "CRS 920250";
    FormatOverlong = "format.overlong", Critical,
        "characters in more bytes than they need", "RFC 3629, section 10";
    FormatPercent = "format.percent", Notice,
        "percent signs that begin no escape", "CRS 920220";
    FormatDoubleEncoding = "format.double_encoding", Notice,
        "escapes that decode to escapes", "CRS 920230";
    JsonMalformed = "json.malformed", Critical,
        "a body that is not the JSON it claims to be", "RFC 8259";
    JsonDepth = "json.depth", Critical,
        "JSON nested deeper than the limit", "OWASP API4:2023";
    JsonKeys = "json.keys", Critical,
        "JSON with more keys than the limit", "OWASP API4:2023";
    JsonDuplicateKey = "json.duplicate_key", Critical,
        "one key twice in one object, where the route refuses that", "RFC 8259, section 4";
    BudgetExceeded = "budget.exceeded", Notice,
        "more bytes than the budget: the rest was not looked at", "own";
}

/// Text that names no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such rule; docs/inspection.md lists them")]
pub struct UnknownRule;

impl std::str::FromStr for RuleId {
    type Err = UnknownRule;

    fn from_str(id: &str) -> Result<Self, UnknownRule> {
        let named = |rule: &&Self| rule.rule().id == id;
        Self::ALL.iter().find(named).copied().ok_or(UnknownRule)
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule().id)
    }
}

impl Serialize for RuleId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.rule().id)
    }
}

impl<'de> Deserialize<'de> for RuleId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        id.parse().map_err(serde::de::Error::custom)
    }
}

/// Rules that matched one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RuleSet(u64);

/// A set has one bit for each rule.
const _: () = assert!(RuleId::ALL.len() <= 64);

impl RuleSet {
    pub(super) fn insert(&mut self, rule: RuleId) {
        self.0 |= 1 << rule as u64;
    }

    pub(super) fn insert_if(&mut self, rule: RuleId, matched: bool) {
        if matched {
            self.insert(rule);
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) fn remove(&mut self, rule: RuleId) {
        self.0 &= !(1 << rule as u64);
    }

    /// Takes one rule's match for another's.
    pub(super) fn promote(&mut self, from: RuleId, to: RuleId) {
        if self.contains(from) {
            self.remove(from);
            self.insert(to);
        }
    }

    pub(super) fn contains(self, rule: RuleId) -> bool {
        self.0 & (1 << rule as u64) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = RuleId> {
        RuleId::ALL
            .iter()
            .copied()
            .filter(move |rule| self.contains(*rule))
    }

    /// The points of the worst family. Rules of one family speak of the same attack and add up; those of two do not.
    pub(super) fn score(self) -> u32 {
        let mut worst = 0;
        let (mut family, mut sum) = ("", 0);
        for rule in self.iter().map(RuleId::rule) {
            if rule.family() != family {
                (family, sum) = (rule.family(), 0);
            }
            sum += rule.severity.points();
            worst = sum.max(worst);
        }
        worst
    }
}
