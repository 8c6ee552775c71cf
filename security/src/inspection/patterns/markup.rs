//! Markup and script that are not meant to be there.

use crate::inspection::rules::RuleId;

/// What speaks for which rule, over the normal form.
pub(super) const PATTERNS: &[(RuleId, &[&str])] = &[
    (
        RuleId::XssScriptTag,
        &[
            r"<[ /]*(?:[a-z0-9]+:)? ?s ?c ?r ?i ?p ?t\b",
            r"\+adw-/?script",
        ],
    ),
    (
        RuleId::XssEventHandler,
        &[
            r#"(?:< ?[!/a-z0-9?][^>]*[^a-z0-9_.>]|^[^<>]*["'`][ /]*|["'`] )on[a-z]+ ?="#,
            concat!(
                r#"(?:^|[ /;"'`])on(?:error|load|click|focus[a-z]*|blur|mouse[a-z]+|key[a-z]+|"#,
                r"pointer[a-z]+|touch[a-z]+|animation[a-z]+|transition[a-z]+|drag[a-z]*|toggle|",
                r"begin|end|resize|scroll|submit|change|input|wheel|copy|cut|paste|hashchange|",
                r"message|popstate|show|canplay|play|beforeprint|unload|",
                r"[a-z]{20,}) ?= ?(?:[^ =]|$)",
            ),
        ],
    ),
    (
        RuleId::XssScriptUrl,
        &[
            r"j ?a ?v ?a ?s ?c ?r ?i ?p ?t ?:(?:[^ ]|$)",
            r"(?:v ?b|live) ?s ?c ?r ?i ?p ?t ?:(?:[^ ]|$)",
            r"^j ?a ?v ?a ?s ?c ?r ?i ?p ?t ?: ?(?:[^ a-z]|$)",
            r#"(?:=|url\()[ "'`]*(?:javascript|vbscript) ?:"#,
            r#"\burl ?\( ?["'`]?javascript"#,
            concat!(
                r"data ?: ?(?:text/(?:html|xml|javascript|vbscript)|image/svg|application/(?:x|",
                r"javascript|ecmascript))",
            ),
        ],
    ),
    (
        RuleId::XssActiveTag,
        &[
            concat!(
                r"<[ /]*(?:[a-z]+:)?(?:iframe|i?frameset|frame|object|embed|applet|base|meta|",
                r"bgsound|isindex|i?layer|marquee|svg|math|vmlframe|portal|foreignobject|",
                r"animate|set|handler|listener|xss|link|style|!entity|\??import|",
                r"importimplementation|xi:include)(?:[ />=]|$)",
            ),
            r"<[^>]*\b(?:xlink:href|formaction|srcdoc|pattern) ?=",
            r"<x:",
            r"<!\[cdata\[",
            r"<!--\[if",
            r"<!--#(?:set|echo|exec|include|printenv)",
            r"<(?:[a-z] ){2,}[a-z]\b",
            r"\bxsi:schemalocation\b",
            r"\bxmlns:xi\b",
        ],
    ),
    (
        RuleId::XssMarkup,
        &[
            r"<[a-z!/?][a-z0-9:]*[ /]+[^>]*=",
            r"<!--#[a-z]+ ",
            r"<[a-z][^>]*$",
        ],
    ),
    (
        RuleId::XssBreakout,
        &[
            r#"^[^<>]*["'`] ?/?> ?<"#,
            concat!(
                r#"["'`] ?[)\]}]* ?[;,+*|&-]+ ?(?:alert|prompt|confirm|eval|document\.|window\.|"#,
                r"settimeout)",
            ),
            r"^[^<>]*</(?:title|textarea|script|style|noscript|option|select|xmp|plaintext)>",
        ],
    ),
    (
        RuleId::XssScriptCall,
        &[
            concat!(
                r"\b(?:alert|prompt|confirm|eval|settimeout|setinterval|execscript|msgbox|atob|",
                r"unescape|print|fetch|import|require) ?[(`]",
            ),
            concat!(
                r"\bdocument ?\. ?(?:cookie|write|writeln|location|domain|body|url|referrer|",
                r"createelement)",
            ),
            r"\bwindow ?[.\[] ?(?:location|name|open|onload)",
            r"\bstring ?\. ?fromcharcode",
            r"\.(?:inner|outer)html\b",
            r"\bxmlhttprequest\b",
            r"\blocation ?(?:\.href ?)?=",
            r"\b(?:top|self|parent|this|frames) ?\[",
        ],
    ),
    (
        RuleId::XssScriptValue,
        &[
            concat!(
                r"^[ (.;,)]*(?:(?:alert|prompt|confirm|eval|settimeout|setinterval|atob|btoa|",
                r"new function|fetch|import|console\.(?:log|dir)) ?[({][^)}]*[)}][ ;.)]*$|",
                r"window ?\. ?location)",
            ),
            concat!(
                r#"\bdocument ?\)? ?[.\[] ?["']?(?:cookie|domain|write|location|queryselector|"#,
                r"body|url|referrer|createelement)",
            ),
            concat!(
                r"\b(?:self|this|top|parent|frames|document|window|",
                r#"globalthis) ?\)? ?\[ ?(?:["'`/\\(]|[a-z_$.]+[(\]])"#,
            ),
            r"\.innerhtml\b",
            r"\.parentnode\b",
        ],
    ),
    (
        RuleId::XssEntity,
        &[r"!(?:entity|doctype) [^>]*\b(?:system|public)\b"],
    ),
    (
        RuleId::XssStyle,
        &[
            r"\bexpression ?(?:\(|\\28)",
            r"@\\",
            r"@charset\b",
            r"-moz-binding",
            r"\bbehaviou?r ?: ?url",
            r"@import[ /]*(?:url|[\x22']|//|data:)",
            r#"\burl ?\( ?["']?(?:javascript|data:text)"#,
        ],
    ),
    (
        RuleId::XssObfuscated,
        &[
            r"\(!\[\]\+",
            r"\+!!\[\]",
            r"!\+\[\]",
            r"!!\[\]",
            r"\[\]\[\(",
            r"constructor\.constructor",
            r"\[ ?['\x22`]constructor",
            r"\{\{[^}]*constructor",
            r"\. ?(?:call|apply|sort|constructor) ?`",
            r"\$\$ ?= ?",
            r"~\[\]",
            r"\xbc/?[a-z]+(?:\xc3\x82)?\xc2?\xbe",
        ],
    ),
];
