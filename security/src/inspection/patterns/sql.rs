//! SQL that is not meant to be there.

use crate::inspection::rules::RuleId;

/// A comparison operator.
macro_rules! compares {
    () => {
        concat!(
            r"(?:<=>|<>|!=|==?|>=?|<=?|",
            r"\b(?:not )?(?:like|in|between|rlike|regexp|sounds like|is(?: not)?)\b)",
        )
    };
}

/// A constant; a string's end may be missing.
macro_rules! constant {
    () => {
        concat!(
            r#"(?:0x[0-9a-f]+|\d+(?:\.\d+)?|'[a-z0-9_ %.:@-]*'?|"[a-z0-9_ %.:@-]*"?|"#,
            r"\(? ?select \d+\)?|true|false|null|(?:user|now|sysdate|database|version)\(\))",
        )
    };
}

/// What document databases take for an operator after a dollar sign.
macro_rules! operator {
    () => {
        concat!(
            r"(?:eq|ne|gte?|lte?|n?in|not|or|and|nor|regex|where|exists|type|mod|all|size|text|",
            r"elemmatch|jsonschema|expr)",
        )
    };
}

/// Functions of databases that probes ask for.
macro_rules! probed {
    () => {
        concat!(
            r"(?:extractvalue|updatexml|gtid_subset|gtid_subtract|name_const|json_keys|xmltype|",
            r"user|decode|encode|strcmp|starts_with|unistr|dbms_utility\.sqlid_to_sqlhash|",
            r"utl_inaddr\.get_host_\w+|ctxsys\.drithsx\.sn|group_concat|json_extract|",
            r"load_file|benchmark|pg_sleep|unhex|xp_cmdshell|dbms_pipe\.receive_message|",
            r"database|version|current_user|session_user|system_user|schema|found_rows|",
            r"last_insert_id|row_count|connection_id|concat_ws|concat|char|chr|ascii|ord|hex|",
            r"substring|substr|mid|coalesce|nullif|ifnull|iif|isnull|sleep|greatest|least|",
            r"length|sin|cos|tan|rand|round|floor|md5|sha1|elt|field|make_set|export_set|bin|",
            r"lower|upper|lpad|rpad|reverse|regexp_substring|cast|convert|cr32|count|sum|avg|",
            r"min|max|mod|exp|pow|log)",
        )
    };
}

/// What speaks for which rule, over the normal form.
pub(super) const PATTERNS: &[(RuleId, &[&str])] = &[
    (
        RuleId::SqliUnionSelect,
        &[r"\bunion(?: all| distinct)?[ (]+(?:all |distinct )?select\b"],
    ),
    (
        RuleId::SqliTautology,
        &[concat!(
            r"(?:\b(?:and|or|xor|having|where|not)\b|\|\||&&)[ ('!~+-]*",
            constant!(),
            r"[ )'#]*",
            compares!(),
            r"[ ('!~+-]*",
            constant!(),
        )],
    ),
    (
        RuleId::SqliLogic,
        &[concat!(
            r#"[0-9a-z]?['"`)] ?\)* ?(?:\b(?:and|or|xor|having|union|rlike|order by|group by|"#,
            r#"procedure analyse)\b|\|\||&&)[ ('"!]"#,
        )],
    ),
    (
        RuleId::SqliTimeDelay,
        &[
            r"\bpg_sleep ?\(",
            r"\bbenchmark ?\( ?\d",
            r"\bwaitfor delay\b",
            r"\bdbms_pipe\.receive_message\b",
            r"\bdbms_lock\.sleep\b",
            r"(?:\b(?:and|or|rlike|select)|[!,|;=+*/-])[ (!]*sleep ?\( ?\d",
            r#"['"`)] ?[);]* ?sleep ?\( ?\d"#,
            r"\brandomblob ?\(",
            r#"^[ '"]*;? ?sleep ?\( ?\d+ ?\)"#,
        ],
    ),
    (
        RuleId::SqliBlindFunction,
        &[
            concat!(
                r"\b(?:extractvalue|updatexml|gtid_subset|gtid_subtract|name_const|",
                r"find_in_set) ?\( ?[0-9@(']",
            ),
            r"\bjson_keys ?\( ?\( ?select",
            r"\bexp ?\( ?~",
            r"\bfloor ?\( ?rand ?\( ?0",
            r"\bprocedure analyse ?\(",
            r"\butl_inaddr\.get_host_",
            r"\bctxsys\.drithsx\.",
            r"\bdbms_utility\.sqlid_to_sqlhash",
            r"\bxmltype ?\( ?chr",
            r"\bchr ?\( ?\d+ ?\) ?\|\|",
            r"\bchar ?\( ?\d+ ?\) ?\+",
            r"\bconcat ?\( ?0x",
            r"\b(?:ascii|ord|unicode)? ?\(? ?(?:substring|substr|mid) ?\( ?\( ?select",
            r"\belt ?\( ?\d+ ?=",
            r"\bmake_set ?\( ?\d+ ?[=<>]",
            r"\b(?:cast|convert) ?\( ?(?:int ?, ?)?\(",
            r"\bregexp_substring ?\( ?repeat",
            r"\bcrypt_key ?\(",
            r"\brow ?\( ?\d+ ?, ?\d+ ?\) ?>",
            r"\bi?if ?\( ?\(?\d+ ?[=<>] ?(?:\d|$)",
            r#"^[ '"]*case when \w+ then\b"#,
            r"\bcase when \(? ?\d+ ?[=<>]+ ?\d",
            r"\brlike \( ?select",
            r"\bcase \d+ when \d",
            r"::(?:int|text|numeric)\b.*\|\|",
            r"\bas numeric\)",
            r"\bmultipoint ?\(",
            r"\bgeometrycollection ?\(",
            r"\bbigint unsigned",
            r"\bselect count\(\*\) from generate_series",
            r"\)::(?:big)?int\b",
            r"\b\d\.e ?[(.]",
            r"\bjson_extract ?\( ?'",
        ],
    ),
    (
        RuleId::SqliStacked,
        &[
            concat!(
                r"; ?(?:select\b[ (*]|insert (?:into|/)|replace |update \w+ set|delete from|",
                r"drop (?:table|database|schema|user|view|procedure|function)|create (?:table|",
                r"database|user|or replace|function|procedure|alias)|alter (?:table|user|",
                r"database)|exec(?:ute)? ?(?:[(@']|immediate|xp_|sp_|master)|declare @|",
                r"shutdown\b|waitfor delay|call \w+|truncate table|begin (?:dbms|user)|",
                r"if ?\( ?\(?(?:select|\d)|grant |copy )",
            ),
            r"\bdeclare @\w",
        ],
    ),
    (
        RuleId::SqliSubquery,
        &[
            r"[(=,;] ?\(? ?select\b[^;]*(?:\bfrom\b|\(|@@)",
            r"\(select \d+\b",
            r"\(select \('",
            r"\(select \(case",
        ],
    ),
    (
        RuleId::SqliServerAccess,
        &[
            r"\binto (?:outfile|dumpfile)\b",
            r"\bload_file ?\( ?[0-9'(]",
            r"\bload data infile\b",
            r"\bxp_(?:cmdshell|dirtree|regread|fileexist)\b",
            r"\bsp_(?:oacreate|executesql|makewebtask|addextendedproc)\b",
            r"\bexec(?:ute)?\b[^;]*\b(?:xp_|sp_|master\.)",
            r"\butl_(?:http|file)\.",
            r"\bopenrowset ?\(",
            r"\bmaster\.\.?(?:dbo|xp_)",
            r"\bcopy [^;]*(?:from|to) program\b",
            r"\bsys_(?:exec|eval) ?\(",
            r"\blo_(?:import|export|get|put|from_bytea) ?\( ?['\d]",
        ],
    ),
    (
        RuleId::SqliSchema,
        &[
            r"\binformation_schema\b",
            r"\bsys(?:objects|columns|databases|users|logins)\b",
            r"\bsqlite_(?:master|temp_master|schema)\b",
            r"\bmysql\.(?:user|db|innodb)",
            r"\ball_(?:tables|users|tab_columns)\b",
            r"\buser_(?:tables|tab_columns|objects)\b",
            r"\bsysibm\.",
            r"\bsysmaster:",
            r"\brdb\$",
            r"\bmsysaccess",
            r"\bv\$(?:version|instance)",
            r"\bdomain\.domains\b",
            r"\b(?:msdb|tempdb|northwind|mysql\.db|msysaccessobjects)\b",
            r"@@(?:version|datadir|hostname|servername|basedir|global)",
            r"\bpg_(?:shadow|user|database|catalog)\b",
            r"\bdba_users\b",
            r"\bfrom dual\b",
            r"\bsyscat\.",
            r"\bdbms_assert",
        ],
    ),
    (
        RuleId::SqliTermination,
        &[
            r#"['"`)] ?[);}]* ?(?:--(?:[ +-].{0,8})?|#.{0,8}|/\*.{0,4}|;?%00)$"#,
            r"\d ?(?:-- -?|#|/\*)$",
        ],
    ),
    (
        RuleId::SqliClosedQuote,
        &[r#"^[a-z0-9_.+@-]+['"`] ?\)*(?:;|--|#|/\*)[ +-]*$"#],
    ),
    (
        RuleId::SqliOpenCall,
        &[concat!(r"(?:^|[^a-z0-9_.])", probed!(), r" ?[=\\]? ?\( ?$")],
    ),
    (
        RuleId::SqliCondition,
        &[concat!(
            r#"['"`] ?\)* ?(?:\b(?:or|and)\b|\|\|) ?\(?[a-z_.]+\)? ?(?:=[^=>]|\blike\b|<>|"#,
            r"\bis (?:not )?null\b)",
        )],
    ),
    (
        RuleId::SqliJsonOperator,
        &[r#"[}\]]['"](?: ?::jsonb?)? ?(?:<@|@>|@|->>?|#>>?|\?[|&]?|>) ?['"\d]"#],
    ),
    (
        RuleId::SqliOperatorQuery,
        &[
            concat!(r#"(?:\[|["'{ ] ?)\$"#, operator!(), r#"(?:\]|["'] ?:)"#),
            concat!(r"^\$", operator!(), r"$"),
        ],
    ),
];
