//! Files, commands and lookups of the machine behind the application.

use crate::inspection::rules::RuleId;

/// What speaks for which rule, over the normal form.
pub(super) const PATTERNS: &[(RuleId, &[&str])] = &[
    (
        RuleId::TraversalFileInText,
        &[
            concat!(
                r"[/\\](?:etc[/\\]+(?:passwd|shadow|group|gshadow|hosts|motd|issue|fstab|",
                r"crontab|sudoers|profile|bashrc|httpd|apache2?|nginx|mysql|ssh|my\.cnf|",
                r"php\.ini|resolv\.conf|mtab|inetd|security|lsb-release|vsftpd|lilo|samba|",
                r"syslog|network)|subuid|subgid|master\.passwd)\b",
            ),
            concat!(
                r"[/\\](?:proc[/\\][a-z0-9]|sys[/\\](?:class|kernel)|var[/\\](?:log|lib|mail|",
                r"spool|run)|root[/\\]\.)",
            ),
            r"\b(?:boot|win|system|php|my|desktop)\.ini\b",
            r"\bsystem32\b",
            r"\bwinnt\b",
            r"[/\\]windows[/\\]",
            r"\bweb-inf\b",
            r"\bmeta-inf\b",
            r"\.ht(?:access|passwd|group|digest)\b",
            concat!(
                r"(?:^|[/\\])\.(?:(?:git|svn|hg|ssh|aws|docker|kube|gnupg|vscode|idea)(?:[/\\]|",
                r"$)|git(?:ignore|config|attributes|modules)|bash_|bashrc|zsh|profile|env\b|",
                r"npmrc|mysql_history|viminfo|netrc|pgpass|ds_store|rediscli_history)",
            ),
            r"\bid_[rd]sa\b",
            r"\b(?:php|zip|phar|expect|glob|ogg|rar|compress\.\w+|ssh2) ?://",
            r"(?:^|[=\x27\x22 ])file:/",
            r"\bwp-config\.",
            r"\b(?:web|app)\.config\b",
            r"\bglobal\.asa",
            r"\bautoexec\.bat\b",
            r"\binetpub\b",
            r"\bapache[/\\]logs",
            r"[/\\](?:access|error)[_.]log\b",
            r"\bsam\._\b",
            r"[/\\]repair[/\\]sam",
        ],
    ),
    (
        RuleId::TraversalSensitiveFile,
        &[r"\.\.[/\\]+(?:etc|proc|windows|winnt|boot\.ini|win\.ini)\b"],
    ),
    (
        RuleId::TraversalHidden,
        &[
            r"(?:\.|0x2e){2}(?:0x2f|0x5c)",
            r"0x2e(?:0x2e|\.)(?:[/\\]|0x)",
            r"0x5c0x2e",
        ],
    ),
    (
        RuleId::CommandInText,
        &[
            concat!(
                r"(?:[;|&`]|\|\||&&|\$\() ?(?:/(?:usr/)?s?bin/)?(?:cat|ls|id|whoami|uname|",
                r"wget|curl|nc|ncat|bash|sh|zsh|ksh|ping|nslookup|dig|netstat|ps|rm|cp|mv|chmod|",
                r"chown|echo|printf|python[23]?|perl|ruby|php|node|env|printenv|ifconfig|ip|",
                r"sleep|touch|tail|head|less|more|sed|awk|tee|xargs|type|dir|net|ver|systeminfo|",
                r"tasklist|powershell|cmd)\b",
            ),
            r"\bcmd(?:\.exe)? ?/[ck]\b",
            r"\bpowershell(?:\.exe)? [^;]*-e",
            r"/bin/(?:sh|bash|cat|ls|id|nc)\b",
        ],
    ),
    (
        RuleId::CommandLookup,
        &[
            r"\$\{ ?(?:jndi|\$\{|env:|lower:|upper:|::-|sys:|java:)",
            r"\( ?\) ?\{ ?(?::|_) ?;",
            r"%\{ ?(?:#|\()",
            r"\$\{ifs\}",
            r"\$ifs\b",
            r"<%[^%]*(?:eval|exec|system|request)",
            r"<\?php",
            r"\bphpinfo ?\( ?\)",
            r"\{\{ ?\d+ ?\* ?\d+ ?\}\}",
        ],
    ),
];
