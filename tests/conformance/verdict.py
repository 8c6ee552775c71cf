"""What the judges of `scripts/conformance` found, against what docs/conformance.md expects: one line per judge, and all that differs.

Both ways: a finding that nobody expects fails, and so does an expected one that is no longer found.

    python3 tests/conformance/verdict.py RESULTS docs/conformance.md
"""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

# What the Observatory must give, whatever its single rules say.
POINTS_MIN = 120
# Where testssl.sh looks too early now and then: its client may leave before TLS 1.3's tickets come, which is after the handshake.
LOOKS_TOO_EARLY = ("sessionresumption_ticket", "WARN")
# A row of the table of expected findings: judge, door, finding, why.
ROW = re.compile(r"^\| (h2spec|testssl\.sh|sslyze|Observatory) \| (\S+) \| `([^`]+)` \|")


def h2spec(path):
    """Cases that failed, could not be tried or were passed over, of all."""
    cases = list(xml.parse(path).getroot().iter("testcase"))
    findings = [
        f"{case.get('package')}: {case.get('classname')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None or case.find("skipped") is not None
    ]
    return findings, f"{len(cases) - len(findings)} of {len(cases)} cases", bool(cases)


def testssl(path):
    """Whatever is worse than a remark, and what it could not look at."""
    looked_at = [found for found in json.loads(path.read_text()) if not found["ip"].startswith("/")]
    worse = ((found["id"], found["severity"]) for found in looked_at if found["severity"] not in ("OK", "INFO"))
    findings = [f"{name} {severity}" for name, severity in worse if (name, severity) != LOOKS_TOO_EARLY]
    has_finished = any(found["id"] == "RC4" for found in looked_at)
    return findings, f"{len(looked_at)} looks", has_finished


def sslyze(path):
    """What keeps the door from complying with Mozilla's profile."""
    text = path.read_text()
    findings = re.findall(r"^ {8}\* (\w+):", text, re.MULTILINE)
    has_finished = "OK - Compliant" in text or bool(findings)
    return findings, "compliant" if not findings else "not compliant", has_finished


def observatory(path):
    """Rules that were not passed; without any, a grade or points that are not enough."""
    result = json.loads(path.read_text())
    if "error" in result:
        return [], result["error"], False
    scan = result["scan"]
    told = f"{scan['grade']}, {scan['score']} points, for a {scan['statusCode']}"
    findings = [test["result"] for test in result["tests"].values() if not test["pass"]]
    if not findings and (scan["grade"] != "A+" or scan["score"] < POINTS_MIN):
        findings = [f"{scan['grade']} {scan['score']}"]
    return findings, told, True


# Judge, how its files are named, how they are read.
JUDGES = [
    ("h2spec", "h2spec-*.xml", h2spec),
    ("testssl.sh", "testssl-*.json", testssl),
    ("sslyze", "sslyze-*.txt", sslyze),
    ("Observatory", "observatory-*.json", observatory),
]


def main(results, page):
    rows = (ROW.match(line) for line in pathlib.Path(page).read_text().splitlines())
    expected = {row.groups() for row in rows if row}
    found, mistakes = set(), []
    for judge, names, read in JUDGES:
        told = []
        for path in sorted(pathlib.Path(results).glob(names)):
            door = path.stem.partition("-")[2]
            findings, words, has_finished = read(path)
            found |= {(judge, door, finding) for finding in findings}
            told.append(f"{door}: {words}")
            if not has_finished:
                mistakes.append(f"{judge}, {door}: it did not get to its end; see {path}")
        if not told:
            mistakes.append(f"{judge}: it left no result in {results}")
        print(f"{judge}: " + "; ".join(told))
    mistakes += [f"{', '.join(finding)}: not expected" for finding in sorted(found - expected)]
    mistakes += [f"{', '.join(finding)}: expected by {page} and not found" for finding in sorted(expected - found)]
    for mistake in mistakes:
        print(f"  {mistake}")
    print(f"{len(found & expected)} findings as expected, {len(mistakes)} mistakes")
    return 1 if mistakes else 0


sys.exit(main(*sys.argv[1:]))
