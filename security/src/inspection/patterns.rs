//! Patterns over the normal form, in linear time: the `regex` crate's automata, never a backtracking one (ASVS 1.3.12).
//!
//! The normal form has small letters and single spaces, so no pattern says more about either. Patterns are grouped so that a value
//! without the signs that a group needs never meets it.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexSet, RegexSetBuilder};

use super::rules::{RuleId, RuleSet};

/// A group of patterns, each of which speaks for a rule.
pub(super) struct Patterns {
    set: RegexSet,
    rules: Vec<RuleId>,
}

impl Patterns {
    #[expect(
        clippy::expect_used,
        reason = "the patterns are constants, and a test compiles them all"
    )]
    fn new(patterns: &[(RuleId, &str)]) -> Self {
        let set = RegexSetBuilder::new(patterns.iter().map(|(_, pattern)| pattern))
            .unicode(false)
            .build()
            .expect("every pattern is well formed");
        Self {
            set,
            rules: patterns.iter().map(|(rule, _)| *rule).collect(),
        }
    }

    /// Adds the rules whose patterns match.
    pub(super) fn find(&self, normal: &[u8], found: &mut RuleSet) {
        // Most values match nothing, and asking only that allocates nothing.
        if !self.set.is_match(normal) {
            return;
        }
        for matched in self.set.matches(normal) {
            if let Some(rule) = self.rules.get(matched) {
                found.insert(*rule);
            }
        }
    }
}

/// A comparison operator of SQL.
macro_rules! compares {
    () => {
        r"(?:<=>|<>|!=|==?|>=?|<=?|(?:not )?(?:like|in|between|rlike|regexp|sounds like|is(?: not)?))"
    };
}

/// A constant of SQL; a string's end may be missing.
macro_rules! constant {
    () => {
        r#"(?:0x[0-9a-f]+|\d+(?:\.\d+)?|'[a-z0-9_ %.:@-]*'?|"[a-z0-9_ %.:@-]*"?|\(? ?select \d+\)?|true|false|null|(?:user|now|sysdate|database|version)\(\))"#
    };
}

/// Functions by which data is read bit by bit or an error is provoked; hardly a word of them is anything else.
macro_rules! telling {
    () => {
        r"(?:extractvalue|updatexml|gtid_subset|gtid_subtract|name_const|json_keys|xmltype|user|decode|encode|strcmp|starts_with|unistr|dbms_utility\.sqlid_to_sqlhash|utl_inaddr\.get_host_\w+|ctxsys\.drithsx\.sn|group_concat|json_extract|load_file|benchmark|pg_sleep|unhex|xp_cmdshell|dbms_pipe\.receive_message|database|version|current_user|session_user|system_user|schema|found_rows|last_insert_id|row_count|connection_id|concat_ws|concat|char|chr|ascii|ord|hex|substring|substr|mid|coalesce|nullif|ifnull|iif|isnull|sleep|greatest|least|length|sin|cos|tan|rand|round|floor|md5|sha1|elt|field|make_set|export_set|bin|lower|upper|lpad|rpad|reverse|regexp_substring|cast|convert|cr32|count|sum|avg|min|max|mod|exp|pow|log)"
    };
}

/// SQL.
pub(super) static SQL: LazyLock<Patterns> = LazyLock::new(|| {
    use RuleId::*;
    Patterns::new(&[
        (
            SqliUnionSelect,
            r"\bunion(?: all| distinct)?[ (]+(?:all |distinct )?select\b",
        ),
        (
            SqliTautology,
            concat!(
                r"(?:\b(?:and|or|xor|having|where|not)\b|\|\||&&)[ ('!~+-]*",
                constant!(),
                r"[ )'#]*",
                compares!(),
                r"[ ('!~+-]*",
                constant!()
            ),
        ),
        (
            SqliLogic,
            r#"[0-9a-z]?['"`)] ?\)* ?(?:\b(?:and|or|xor|having|union|rlike|order by|group by|procedure analyse)\b|\|\||&&)[ ('"!]"#,
        ),
        (
            SqliTimeDelay,
            r#"\bpg_sleep ?\(|\bbenchmark ?\( ?\d|\bwaitfor delay\b|\bdbms_pipe\.receive_message\b|\bdbms_lock\.sleep\b|(?:\b(?:and|or|rlike|select)|[!,|;=+*/-])[ (!]*sleep ?\( ?\d|['"`)] ?[);]* ?sleep ?\( ?\d|\brandomblob ?\(|^[ '"]*;? ?sleep ?\( ?\d+ ?\)"#,
        ),
        (
            SqliBlindFunction,
            r"\b(?:extractvalue|updatexml|gtid_subset|gtid_subtract|name_const|find_in_set) ?\( ?[0-9@(']|\bjson_keys ?\( ?\( ?select|\bexp ?\( ?~|\bfloor ?\( ?rand ?\( ?0|\bprocedure analyse ?\(|\butl_inaddr\.get_host_|\bctxsys\.drithsx\.|\bdbms_utility\.sqlid_to_sqlhash|\bxmltype ?\( ?chr|\bchr ?\( ?\d+ ?\) ?\|\||\bchar ?\( ?\d+ ?\) ?\+|\bconcat ?\( ?0x|\b(?:ascii|ord|unicode)? ?\(? ?(?:substring|substr|mid) ?\( ?\( ?select|\belt ?\( ?\d+ ?=|\bmake_set ?\( ?\d+ ?[=<>]|\b(?:cast|convert) ?\( ?(?:int ?, ?)?\(|\bregexp_substring ?\( ?repeat|\bcrypt_key ?\(|\brow ?\( ?\d+ ?, ?\d+ ?\) ?>|\bi?if ?\( ?\(?\d+ ?[=<>] ?\d|\bcase when \(? ?\d+ ?[=<>]+ ?\d|\brlike \( ?select|\bcase \d+ when \d|::(?:int|text|numeric)\b.*\|\||\bas numeric\)|\bmultipoint ?\(|\bgeometrycollection ?\(|\bbigint unsigned|\bselect count\(\*\) from generate_series|\)::(?:big)?int\b|\b\d\.e ?[(.]|\bjson_extract ?\( ?'",
        ),
        (
            SqliStacked,
            r"; ?(?:select\b[ (*]|insert (?:into|/)|replace |update \w+ set|delete from|drop (?:table|database|schema|user|view|procedure|function)|create (?:table|database|user|or replace|function|procedure|alias)|alter (?:table|user|database)|exec(?:ute)? ?(?:[(@']|immediate|xp_|sp_|master)|declare @|shutdown\b|waitfor delay|call \w+|truncate table|begin (?:dbms|user)|if ?\( ?\(?(?:select|\d)|grant |copy )|\bdeclare @\w",
        ),
        (
            SqliSubquery,
            r"[(=,;] ?\(? ?select\b[^;]*(?:\bfrom\b|\(|@@)|\(select \d+\b|\(select \('|\(select \(case",
        ),
        (
            SqliServerAccess,
            r"\binto (?:outfile|dumpfile)\b|\bload_file ?\( ?[0-9'(]|\bload data infile\b|\bxp_(?:cmdshell|dirtree|regread|fileexist)\b|\bsp_(?:oacreate|executesql|makewebtask|addextendedproc)\b|\bexec(?:ute)?\b[^;]*\b(?:xp_|sp_|master\.)|\butl_(?:http|file)\.|\bopenrowset ?\(|\bmaster\.\.?(?:dbo|xp_)|\bcopy [^;]*(?:from|to) program\b|\bsys_(?:exec|eval) ?\(|\blo_(?:import|export|get|put|from_bytea) ?\(",
        ),
        (
            SqliSchema,
            r"\binformation_schema\b|\bsys(?:objects|columns|databases|users|logins)\b|\bsqlite_(?:master|temp_master|schema)\b|\bmysql\.(?:user|db|innodb)|\ball_(?:tables|users|tab_columns)\b|\buser_(?:tables|tab_columns|objects)\b|\bsysibm\.|\bsysmaster:|\brdb\$|\bmsysaccess|\bv\$(?:version|instance)|\bdomain\.domains\b|\b(?:msdb|tempdb|northwind|mysql\.db|msysaccessobjects)\b|@@(?:version|datadir|hostname|servername|basedir|global)|\bpg_(?:shadow|user|database|catalog)\b|\bdba_users\b|\bfrom dual\b|\bsyscat\.|\bdbms_assert",
        ),
        (
            SqliTermination,
            r#"['"`)] ?[);}]* ?(?:--(?:[ +-].{0,8})?|#.{0,8}|/\*.{0,4}|;?%00)$|\d ?(?:-- -?|#|/\*)$"#,
        ),
        (
            SqliOpenCall,
            concat!(r"(?:^|[^a-z0-9_.])", telling!(), r" ?[=\\]? ?\( ?$"),
        ),
        (
            SqliCondition,
            r#"['"`] ?\)* ?(?:\b(?:or|and)\b|\|\|) ?\(?[a-z_.]+\)? ?(?:=[^=>]|\blike\b|<>|\bis (?:not )?null\b)"#,
        ),
        (
            SqliJsonOperator,
            r#"[}\]]['"](?: ?::jsonb?)? ?(?:<@|@>|@|->>?|#>>?|\?[|&]?|>) ?['"\d]"#,
        ),
        (
            SqliOperatorQuery,
            r#"(?:\[|["'{ ] ?)\$(?:eq|ne|gte?|lte?|n?in|not|or|and|nor|regex|where|exists|type|mod|all|size|text|elemmatch|jsonschema|expr)(?:\]|["'] ?:)"#,
        ),
    ])
});

/// Markup and script.
pub(super) static MARKUP: LazyLock<Patterns> = LazyLock::new(|| {
    use RuleId::*;
    Patterns::new(&[
        (
            XssScriptTag,
            r"<[ /]*(?:[a-z0-9]*:)?(?: ?s) ?c ?r ?i ?p ?t\b|<[ /]*[a-z0-9]*:? ?script\b|\+adw-/?script",
        ),
        (
            XssEventHandler,
            r#"(?:< ?[!/a-z0-9?][^>]*[^a-z0-9_.>]|^[^<>]*["'`][ /]*|["'`] )on[a-z]+ ?=|(?:^|[ /;"'`])on(?:error|load|click|focus[a-z]*|blur|mouse[a-z]+|key[a-z]+|pointer[a-z]+|touch[a-z]+|animation[a-z]+|transition[a-z]+|drag[a-z]*|toggle|begin|end|resize|scroll|submit|change|input|wheel|copy|cut|paste|hashchange|message|popstate|show|canplay|play|beforeprint|unload|[a-z]{20,}) ?= ?(?:[^ =]|$)"#,
        ),
        (
            XssScriptUrl,
            r#"j ?a ?v ?a ?s ?c ?r ?i ?p ?t ?:(?:[^ ]|$)|(?:v ?b|live) ?s ?c ?r ?i ?p ?t ?:(?:[^ ]|$)|^j ?a ?v ?a ?s ?c ?r ?i ?p ?t ?: ?(?:[^ a-z]|$)|(?:=|url\()[ "'`]*(?:javascript|vbscript) ?:|\burl ?\( ?["'`]?javascript|data ?: ?(?:text/(?:html|xml|javascript|vbscript)|image/svg|application/(?:x|javascript|ecmascript))"#,
        ),
        (
            XssActiveTag,
            r"<[ /]*(?:[a-z]+:)?(?:iframe|i?frameset|frame|object|embed|applet|base|meta|bgsound|isindex|i?layer|marquee|svg|math|vmlframe|portal|foreignobject|animate|set|handler|listener|xss|link|style|!entity|\??import|importimplementation|xi:include)(?:[ />=]|$)|<[^>]*\b(?:xlink:href|xmlns(?::[a-z]+)?|formaction|srcdoc|pattern) ?=|<x:|<!\[cdata\[|<!--\[if|<!--#(?:set|echo|exec|include|printenv)|<(?:[a-z] ){2,}[a-z]\b|\bxsi:schemalocation\b|\bxmlns:xi\b",
        ),
        (
            XssMarkup,
            r"<[a-z!/?][a-z0-9:]*[ /]+[^>]*=|<!--#[a-z]+ |<[a-z][^>]*$",
        ),
        (
            XssBreakout,
            r#"^[^<>]*["'`] ?/?> ?<|["'`] ?[)\]}]* ?[;,+*|&-]+ ?(?:alert|prompt|confirm|eval|document\.|window\.|settimeout)|^[^<>]*</(?:title|textarea|script|style|noscript|option|select|xmp|plaintext)>"#,
        ),
        (
            XssScriptCall,
            r"\b(?:alert|prompt|confirm|eval|settimeout|setinterval|execscript|msgbox|atob|unescape|print|fetch|import|require) ?[(`]|\bdocument ?\. ?(?:cookie|write|writeln|location|domain|body|url|referrer|createelement)|\bwindow ?[.\[] ?(?:location|name|open|onload)|\bstring ?\. ?fromcharcode|\.(?:inner|outer)html\b|\bxmlhttprequest\b|\blocation ?(?:\.href ?)?=|\b(?:top|self|parent|this|frames) ?\[",
        ),
        (
            XssScriptValue,
            r#"^[ (.;,)]*(?:(?:alert|prompt|confirm|eval|settimeout|setinterval|atob|btoa|new function|fetch|import|console\.(?:log|dir)) ?[({][^)}]*[)}][ ;.)]*$|window ?\. ?location)|\bdocument ?\)? ?[.\[] ?["']?(?:cookie|domain|write|location|queryselector|body|url|referrer|createelement)|\b(?:self|this|top|parent|frames|document|window|globalthis) ?\)? ?\[ ?(?:["'`/\\(]|[a-z_$.]+[(\]])|\.innerhtml\b|\.parentnode\b"#,
        ),
        (XssEntity, r"!(?:entity|doctype) [^>]*\b(?:system|public)\b"),
        (
            XssStyle,
            r"\bexpression ?(?:\(|\\28)|@\\|@charset\b|-moz-binding|\bbehaviou?r ?: ?url|@import[ /]*(?:url|[\x22']|//|data:)|\burl ?\( ?.{0,4}(?:javascript|data:text)|xss ?: ?expression",
        ),
        (
            XssObfuscated,
            r"\(!\[\]\+|\+!!\[\]|!\+\[\]|!!\[\]|\[\]\[\(|constructor\.constructor|\[ ?['\x22`]constructor|\{\{[^}]*constructor|\. ?(?:call|apply|sort|constructor) ?`|\$\$ ?= ?|~\[\]|\xbc/?[a-z]+(?:\xc3\x82)?\xc2?\xbe",
        ),
    ])
});

/// Files, commands and lookups.
pub(super) static SYSTEM: LazyLock<Patterns> = LazyLock::new(|| {
    use RuleId::*;
    Patterns::new(&[
        (
            TraversalFileInText,
            r"[/\\](?:etc[/\\]+(?:passwd|shadow|group|gshadow|hosts|motd|issue|fstab|crontab|sudoers|profile|bashrc|httpd|apache2?|nginx|mysql|ssh|my\.cnf|php\.ini|resolv\.conf|mtab|inetd|security|lsb-release|vsftpd|lilo|samba|syslog|network)|subuid|subgid|master\.passwd)\b|[/\\](?:proc[/\\][a-z0-9]|sys[/\\](?:class|kernel)|var[/\\](?:log|lib|mail|spool|run)|root[/\\]\.)|\b(?:boot|win|system|php|my|desktop)\.ini\b|\bsystem32\b|\bwinnt\b|[/\\]windows[/\\]|\bweb-inf\b|\bmeta-inf\b|\.ht(?:access|passwd|group|digest)\b|(?:^|[/\\])\.(?:(?:git|svn|hg|ssh|aws|docker|kube|gnupg|vscode|idea)(?:[/\\]|$)|git(?:ignore|config|attributes|modules)|bash_|bashrc|zsh|profile|env\b|npmrc|mysql_history|viminfo|netrc|pgpass|ds_store|rediscli_history)|\bid_[rd]sa\b|\b(?:php|zip|phar|expect|glob|ogg|rar|compress\.\w+|ssh2) ?://|(?:^|[=\x27\x22 ])file:/|\bwp-config\.|\b(?:web|app)\.config\b|\bglobal\.asa|\bautoexec\.bat\b|\binetpub\b|\bapache[/\\]logs|[/\\](?:access|error)[_.]log\b|\bsam\._\b|[/\\]repair[/\\]sam",
        ),
        (
            TraversalHidden,
            r"(?:\.|0x2e){2}(?:0x2f|0x5c)|0x2e(?:0x2e|\.)(?:[/\\]|0x)|0x5c0x2e",
        ),
        (
            CommandInText,
            r"(?:[;|&`\n]|\|\||&&|\$\() ?(?:/(?:usr/)?s?bin/)?(?:cat|ls|id|whoami|uname|wget|curl|nc|ncat|bash|sh|zsh|ksh|ping|nslookup|dig|netstat|ps|rm|cp|mv|chmod|chown|echo|printf|python[23]?|perl|ruby|php|node|env|printenv|ifconfig|ip|sleep|touch|tail|head|less|more|sed|awk|tee|xargs|type|dir|net|ver|systeminfo|tasklist|powershell|cmd)\b|\bcmd(?:\.exe)? ?/[ck]\b|\bpowershell(?:\.exe)? [^;]*-e|/bin/(?:sh|bash|cat|ls|id|nc)\b",
        ),
        (
            CommandLookup,
            r"\$\{ ?(?:jndi|\$\{|env:|lower:|upper:|::-|sys:|java:)|\( ?\) ?\{ ?(?::|_) ?;|%\{ ?(?:#|\()|\$\{ifs\}|\$ifs\b|<%[^%]*(?:eval|exec|system|request)|<\?php|\bphpinfo ?\( ?\)|\{\{ ?\d+ ?\* ?\d+ ?\}\}",
        ),
    ])
});

/// The beginning of a statement, perhaps after a prompt.
static STATEMENT: LazyLock<Regex> = LazyLock::new(|| {
    one(
        r"^ ?(?:-- |(?:[a-z0-9_]*[=*][>#] ?)?(?:explain (?:\([^)]*\) |analyze |verbose )*)?(?:select|with|insert into|update|delete from|create|alter|drop|table|values|begin|commit|do|declare|prepare|execute|copy|grant|revoke|set|show|call|merge|lock|comment on|refresh materialized|fetch|exec sql|vacuum|analyze|close|truncate)\b)",
    )
});

/// A closed quote, and what an injection goes on with.
static CLOSING: LazyLock<Regex> =
    LazyLock::new(|| one(r#"['"] ?\)* ?(?:\b(?:or|and|union|having|xor)\b|\|\||&&|;|--|#|/\*)"#));

/// Whether a value is a statement of its own, as in a lesson about SQL. No such value continues somebody else's statement: where a number is
/// expected it is an error, and where a string is, it would have to close a quote that it never opened, which is looked for.
pub(super) fn is_whole_statement(normal: &[u8]) -> bool {
    if !STATEMENT.is_match(normal) {
        return false;
    }
    let Some(closing) = CLOSING.find(normal) else {
        return true;
    };
    let closed = closing.as_bytes().first();
    let quotes = normal.iter().take(closing.start() + 1);
    quotes.filter(|byte| Some(*byte) == closed).count() % 2 == 0
}

/// Where a second header begins.
pub(super) static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    one(
        r"(?i)[\r\n]\s*(?:HTTP/[0-9]|(?:set-cookie2?|content-length|transfer-encoding)[ \t]*:|location[ \t]*:[ \t]*(?:https?:|/)|refresh[ \t]*:[ \t]*[0-9])",
    )
});

#[expect(
    clippy::expect_used,
    reason = "the patterns are constants, and a test compiles them all"
)]
fn one(pattern: &str) -> Regex {
    regex::bytes::RegexBuilder::new(pattern)
        .unicode(false)
        .build()
        .expect("every pattern is well formed")
}
