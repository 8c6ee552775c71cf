#!/usr/bin/env python3
"""Turns fetched packages into the requests that `benches/waf` judges: corpora.py FETCHED OUT.

One JSON object a line: source, class, place, unseen, then path, query, headers, cookies, body and format. Bytes are written as the code points
0-255. Nothing is left out by its content: a source with more items than its limit is thinned by hash, and a hash alone says which half
of everything is unseen, so that the same payload is on one side in all its places.
"""
import gzip, hashlib, html, json, pathlib, random, re, sys, urllib.parse
import xml.etree.ElementTree as xml

fetched, out = map(pathlib.Path, sys.argv[1:3])
sys.path[:0] = [str(fetched / "faker"), str(fetched / "yaml")]

ATTACKS_MAX, BENIGN_MAX = 3000, 2500


def digest(item):
    return hashlib.sha256(item.encode("utf-8", "surrogateescape")).digest()


def thinned(items, most):
    """Distinct items, at most so many, chosen and ordered by hash."""
    return sorted(dict.fromkeys(i for i in items if i.strip()), key=digest)[:most]


def wide(data):
    """Bytes as text that JSON can carry."""
    return data.decode("latin-1")


def quoted(text):
    return urllib.parse.quote(text, safe="", errors="surrogateescape")


ESCAPED = re.compile(r"%(u[0-9a-f]{4}|[0-9a-f]{2})", re.I)


def on_the_wire(payload, kept=""):
    """As it stands in a URL. A payload that brings its own escapes is sent as it is, but for bytes that no URL has."""
    if ESCAPED.search(payload) and "%" not in ESCAPED.sub("", payload).replace("%%", ""):
        return "".join(c if 33 <= ord(c) < 127 and c not in '#?&+"<>' else quoted(c) for c in payload)
    return urllib.parse.quote(payload, safe=kept, errors="surrogateescape")


def as_field(payload):
    """As the value of a header field, which cannot carry controls."""
    data = payload.encode("utf-8", "surrogateescape")
    return wide(data) if all(b >= 32 and b != 127 or b == 9 for b in data) else quoted(payload)


def request(source, kind, place, item, **parts):
    line = {"source": source, "class": kind, "place": place, "unseen": digest(item)[0] % 2 == 1}
    return {**line, **{name: part for name, part in parts.items() if part}}


def placed(source, kind, payloads, most=ATTACKS_MAX):
    """Each payload as a path, as a query's value and as a header's value."""
    for payload in thinned(payloads, most):
        in_path = on_the_wire(payload, kept="/\\:." if kind == "traversal" else "")
        yield request(source, kind, "path", payload, path="/files/" + in_path)
        yield request(source, kind, "query", payload, path="/search", query="q=" + on_the_wire(payload))
        yield request(source, kind, "headers", payload, path="/", headers=[["x-forwarded-for", "127.0.0.1"], ["referer", as_field(payload)]])


# === Attacks ===

def crs():
    """The rule set's own regression tests: of its rules for traversal, XSS and SQL injection at paranoia level 1, each request as it is recorded."""
    from ruamel.yaml import YAML
    root = next(fetched.glob("crs/**/tests")).parent
    first_level = set()
    for conf in root.glob("rules/@owasp_crs/REQUEST-9*.conf"):
        for rule in conf.read_text().split("SecRule ")[1:]:
            if "paranoia-level/1'" in rule and (number := re.search(r"id:(\d+)", rule)):
                first_level.add(int(number[1]))
    kinds = {"930": "traversal", "941": "xss", "942": "sqli"}
    for file in sorted(root.glob("tests/REQUEST-9*/*.yaml")):
        kind = kinds.get(file.stem[:3])
        if kind and int(file.stem) in first_level:
            for test in YAML(typ="safe").load(file.read_text())["tests"]:
                yield from recorded(kind, int(file.stem), test)


def recorded(kind, rule, test):
    for stage in test["stages"]:
        given, log = stage["input"], stage["output"].get("log", {})
        # Some tests note harmless requests that the rule is known to take for attacks.
        known_wrong = "false positive" in (test.get("desc") or "").lower()
        if rule not in log.get("expect_ids", []) or "encoded_request" in given or known_wrong:
            continue
        path, _, query = given.get("uri", "/").partition("?")
        headers = {name.lower(): str(value) for name, value in (given.get("headers") or {}).items()}
        body = given.get("data") or ""
        sent = headers.get("content-type", "application/x-www-form-urlencoded" if body else "")
        form = "form" if "urlencoded" in sent else "json" if "json" in sent else "text"
        cookies = headers.pop("cookie", "")
        item = json.dumps([path, query, headers, cookies, body], sort_keys=True)
        fields = [[name, as_field(value)] for name, value in headers.items() if name != "content-type"]
        at = "body" if body else "cookies" if cookies else "query" if query else "path" if recorded_in_path(path, fields) else "headers"
        yield request("crs", kind, at, item, path=wide(path.encode()), query=wide(query.encode()), headers=fields,
                      cookies=wide(cookies.encode()), body=wide(str(body).encode()), format=form if body else "")


def recorded_in_path(path, fields):
    """No test says where its attack stands: in the path, unless a header differs from those that all tests send."""
    usual = {"host", "user-agent", "accept", "accept-encoding", "accept-language", "connection", "keep-alive", "accept-charset", "cache-control"}
    return path != "/" and all(name in usual and (name != "user-agent" or "OWASP" in value) for name, value in fields)


class Sqlmap:
    """What sqlmap sends: its tests between its boundaries, with its placeholders filled in."""

    def __init__(self):
        self.root = next(fetched.glob("sqlmap/**/data/xml"))
        self.random = random.Random(1)
        self.boundaries = xml.parse(self.root / "boundaries.xml").findall("boundary")

    def payloads(self):
        for file in sorted(self.root.glob("payloads/*.xml")):
            for test in xml.parse(file).findall("test"):
                yield from self.rendered(test)

    def rendered(self, test):
        sent = test.find("request")
        payload, comment = (sent.findtext(name) or "" for name in ("payload", "comment"))
        if sent.find("columns") is not None:
            payload = "UNION ALL SELECT " + ",".join([sent.findtext("char") or "NULL"] * self.random.randint(1, 9))
        clauses, wheres = (set((test.findtext(name) or "").split(",")) for name in ("clause", "where"))
        for boundary in self.boundaries:
            fits = set((boundary.findtext("clause") or "").split(",")) | {"0"}
            shared = wheres & set((boundary.findtext("where") or "").split(","))
            if shared and (clauses & fits or "0" in clauses):
                start = {"1": "1", "2": "-[RANDNUM]", "3": ""}[sorted(shared)[0]]
                before, after = (boundary.findtext(name) or "" for name in ("prefix", "suffix"))
                gap = "" if not start or not before and payload.startswith((";", ",")) else " "
                whole = f"{start}{before}{gap}{payload}{comment}" + ("" if comment else f" {after}" if after else "")
                yield self.filled(whole)

    def filled(self, text):
        fixed = {"GENERIC_SQL_COMMENT": "-- -", "ORIGVALUE": "1", "ORIGINAL": "1", "CHAR": "NULL", "SLEEPTIME": "5", "DELAYED": "5",
                 "DELIMITER_START": "qzvkq", "DELIMITER_STOP": "qbjxq", "AT_REPLACE": "qd", "SPACE_REPLACE": "qs", "DOLLAR_REPLACE": "qu",
                 "HASH_REPLACE": "qh", "QUERY": "(SELECT version())", "INFERENCE": "7313=7313", "SINGLE_QUOTE": "'", "DOUBLE_QUOTE": '"',
                 "COLSTART": "1", "COLSTOP": "9", "DELAY": "5", "UNION": "UNION ALL SELECT NULL"}
        chosen = {}
        def fill(match):
            name = match[1]
            if name not in chosen:
                letters = "".join(self.random.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", k=4))
                chosen[name] = str(self.random.randint(1000, 9999)) if name.startswith("RANDNUM") else letters
            return fixed.get(name, chosen[name])
        return re.sub(r"\[([A-Z_]+\d?)\]", fill, text)


def lines(pattern):
    for file in sorted(fetched.glob(pattern)):
        yield from file.read_bytes().decode("utf-8", "surrogateescape").splitlines()


def wapiti(name):
    """Its payload files, placeholders filled in; an `ini` holds several after one `payload =`."""
    inside = not name.endswith(".ini")
    for line in lines(f"wapiti/**/{name}"):
        start = re.match(r"payload\s*=\s*(.*)", line)
        if name.endswith(".ini"):
            inside = bool(start) or inside and line.startswith((" ", "\t"))
            line = start[1] if start else line.strip()
        if inside and line:
            for mark, value in {"[TIME]": "6", "[VALUE]": "1", "[LF]": "\n", "[TAB]": "\t", "[NULL]": "\0", "__XSS__": "wxyz",
                                "[EXTERNAL_ENDPOINT]": "http://example.org/", "[PROTO_AND_DOMAIN]": "example.org/", "[FILE_NAME]": "index.php",
                                "[FILE_NOEXT]": "index", "[DIRVALUE]": "pages", "[PATH]": "/", "[QS]": "", "[PAGE]": "index", "[ATTR_SEP]": " ", "[VALUE_SEP]": '"'}.items():
                line = line.replace(mark, value)
            yield line


def naughty(heading):
    """One section of the Big List of Naughty Strings: a block of comments opens it, and its first line is the heading."""
    section, commented = "", False
    for line in lines("blns/resources/blns.txt"):
        comment = line.startswith("#")
        if comment and not commented:
            section = line.strip("# \t")
        elif not comment and section == heading:
            yield line
        commented = comment


def wfuzz_paths():
    """Its lists of paths, without their comments and with the file that they leave to the user."""
    for pattern in ("wfuzz/**/Injections/Traversal.txt", "wfuzz/**/vulns/dirTraversal*.txt"):
        yield from (line.replace("{FILE}", "etc/passwd") for line in lines(pattern) if not line.startswith("# "))


def attacks():
    yield from crs()
    yield from placed("sqlmap", "sqli", Sqlmap().payloads())
    yield from placed("wapiti", "sqli", wapiti("blindSQLPayloads.txt"))
    yield from placed("wapiti", "xss", wapiti("xssPayloads.ini"))
    yield from placed("wapiti", "traversal", (p for p in wapiti("fileHandlingPayloads.ini") if "example.org" not in p))
    yield from placed("wfuzz", "sqli", [*lines("wfuzz/**/Injections/SQL.txt"), *lines("wfuzz/**/vulns/sql_inj.txt")])
    yield from placed("wfuzz", "xss", lines("wfuzz/**/Injections/XSS.txt"))
    yield from placed("wfuzz", "traversal", wfuzz_paths())
    yield from placed("blns", "xss", naughty("Script Injection"))
    yield from placed("blns", "sqli", naughty("SQL Injection"))


# === Benign ===

def written(source, items, most=BENIGN_MAX):
    """Each text as a query's value and as a form's, encoded as a browser does."""
    for text in thinned(items, most):
        sent = urllib.parse.quote_plus(text, errors="surrogateescape")
        yield request(source, "benign", "query", text, path="/search", query="q=" + sent)
        yield request(source, "benign", "body", text, path="/messages", body="chat=42&text=" + sent, format="form")


def fortunes(package):
    for file in sorted(fetched.glob(f"{package}/usr/share/games/fortunes/**/*")):
        if file.is_file() and not file.is_symlink() and file.suffix not in (".dat", ".u8"):
            data = file.read_bytes()
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError:
                continue
            yield from re.split(r"\n%+[^\n]*\n", text)


def manual_pages(language):
    """Paragraphs of translated manual pages, their markup left out."""
    for file in sorted(fetched.glob(f"manpages-*/usr/share/man/{language}/man[158]/*.gz")):
        text = gzip.decompress(file.read_bytes()).decode("utf-8", "replace")
        text = re.sub(r"\\f[A-Z]|\\-|\\&", lambda m: "-" if m[0] == r"\-" else "", text)
        for paragraph in re.split(r"\n\.[A-Z].*|\n\n", text):
            if len(paragraph) > 40 and not paragraph.lstrip().startswith((".", "'\\\"")):
                yield paragraph.strip()


def manual_of_postgres(pattern):
    for file in sorted(fetched.glob("postgresql-doc-15/usr/share/doc/postgresql-doc-15/html/*.html")):
        for found in re.findall(pattern, file.read_text("utf-8", "replace"), re.S):
            yield html.unescape(re.sub(r"<[^>]+>", "", found)).strip()


def snippets(pattern):
    """Code as people paste it: neighbouring blocks of a file, up to about a dozen lines."""
    for file in sorted(fetched.glob(pattern)):
        if file.is_file():
            pasted = []
            for block in re.split(r"\n\s*\n", file.read_text("utf-8", "replace")):
                pasted += [*block.splitlines(), ""]
                if len(pasted) > 8:
                    yield "\n".join(pasted[:40])
                    pasted = []


def addresses():
    """Names, addresses, companies, texts and mail of people in many scripts."""
    from faker import Faker
    locales = ["ar_AA", "ar_EG", "ar_SA", "cs_CZ", "de_DE", "el_GR", "en_GB", "en_IE", "en_US", "es_ES", "fa_IR", "fr_FR", "he_IL", "hi_IN", "hu_HU",
               "it_IT", "ja_JP", "ko_KR", "nl_NL", "pl_PL", "pt_BR", "ru_RU", "sv_SE", "th_TH", "tr_TR", "uk_UA", "vi_VN", "zh_CN", "zh_TW"]
    for locale in locales:
        fake = Faker(locale)
        fake.seed_instance(7)
        for _ in range(60):
            for make in ("name", "address", "company", "text", "email", "phone_number", "job"):
                yield getattr(fake, make)()


def emoji():
    for entry in json.loads((fetched / "emojibase/en/data.json").read_text()):
        yield f"{entry['emoji']} {entry['label']} {' '.join(entry.get('tags', []))} {entry.get('emoticon', '')}"


def webhooks():
    """GitHub's own examples of its payloads, as JSON bodies under its headers."""
    events = json.loads((fetched / "webhooks/api.github.com/index.json").read_text())
    for event in events:
        for example in event["examples"]:
            body = json.dumps(example, ensure_ascii=False)
            headers = [["user-agent", "GitHub-Hookshot/044aadd"], ["accept", "*/*"], ["x-github-event", event["name"]], ["content-type", "application/json"]]
            yield request("github webhooks", "benign", "body", body, path="/github/ops", headers=headers, body=wide(body.encode()), format="json")


def browsers():
    """What browsers send along: agents, accepts, cookies and referers."""
    from faker import Faker
    fake = Faker("en_US")
    fake.seed_instance(7)
    for _ in range(1500):
        agent = fake.user_agent()
        headers = [["user-agent", agent], ["accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"],
                   ["accept-language", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7"], ["referer", fake.uri()], ["accept-encoding", "gzip, deflate, br"],
                   ["sec-ch-ua", '"Chromium";v="124", "Not-A.Brand";v="99"'], ["if-none-match", f'W/"{fake.md5()[:12]}"']]
        cookies = f"session={fake.uuid4()}; theme=dark; _ga=GA1.2.{fake.random_number(9)}.{fake.random_number(9)}; consent=%7B%22ads%22%3Afalse%7D"
        yield request("browsers", "benign", "headers", agent, path="/" + fake.uri_path(), query=f"page={fake.random_digit()}&sort=-date",
                      headers=headers, cookies=cookies)


def benign():
    for package in ("fortunes", "fortunes-min", "fortunes-zh", "fortunes-ru", "fortunes-de", "fortunes-es", "fortunes-it", "fortunes-pl", "fortunes-cs",
                    "fortunes-br", "fortunes-bg"):
        yield from written(package, fortunes(package))
    yield from written("manpages-ja", manual_pages("ja"), 1500)
    yield from written("manpages-zh", manual_pages("zh_CN"), 1500)
    yield from written("postgresql-doc prose", manual_of_postgres(r"<p>(.*?)</p>"))
    yield from written("postgresql-doc SQL", manual_of_postgres(r'<pre class="(?:programlisting|screen)">(.*?)</pre>'))
    yield from written("postgresql-doc synopses", manual_of_postgres(r'<pre class="synopsis">(.*?)</pre>'))
    yield from written("code: flask", snippets("flask/**/*.py"))
    yield from written("code: requests", snippets("requests/**/*.py"))
    yield from written("code: express", snippets("express/**/*.js"))
    yield from written("code: lodash", snippets("lodash/*.js"))
    yield from written("code: itertools", snippets("itertools/**/*.rs"))
    yield from written("names and addresses", addresses(), 10_000)
    yield from written("emoji", emoji())
    yield from webhooks()
    yield from browsers()


out.mkdir(parents=True, exist_ok=True)
for name, requests in (("attacks", attacks()), ("benign", benign())):
    # Written beside its final place, so that a kill in between leaves nothing that looks whole.
    partial = out / f"{name}.partial"
    with open(partial, "w") as file:
        for line in requests:
            file.write(json.dumps(line) + "\n")
    partial.rename(out / f"{name}.jsonl")
