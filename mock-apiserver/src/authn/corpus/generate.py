#!/usr/bin/env python3
"""Makes freshness.jsonl: headers of an issuer's keys, and for how many seconds
what Kubernetes uses holds the keys fresh by them.

Usage: generate.py ORACLE [SEED [TIMES]] > freshness.jsonl

ORACLE is target/kubernetes/v1.37/bin/oracle-authn. The corpus in the repository
is made with the seed below; other seeds, and TIMES as many drawn cases, are for
longer runs: the test reads one more file of cases from the path in
ROLECALL_FRESHNESS_CASES.
"""

import json
import random
import subprocess
import sys

SEED = 20261127
DRAWN = 400

NOW = "2009-11-10T23:00:00Z"
DATES = [
    "Tue, 10 Nov 2009 23:10:00 GMT", "Tue, 10 Nov 2009 22:50:00 GMT", "Mon, 10 Nov 2009 23:10:00 GMT",
    "Tue, 10 Nov 2009 13:00:00 GMT", "Sat, 10 Nov 2007 13:00:00 GMT", "tue, 10 nov 2009 23:10:00 GMT",
    "Tue, 10 Nov 2009 23:10:00 UTC", "Tue, 10 Nov 2009 23:10:00 gmt", "Tue,  10  Nov 2009  23:10:00  GMT",
    "Tue,10 Nov 2009 23:10:00 GMT", "Tue, 9 Nov 2009 23:10:00 GMT", "Tue, 10 Nov 2009 3:10:00 GMT",
    "Tue, 10 Nov 2009 23:10:00.5 GMT", "Tue, 10 Nov 2009 23:10:00, GMT", "Tue, 31 Nov 2009 23:10:00 GMT",
    "Tue, 10 Nov 2009 24:00:00 GMT", "Tue, 10 Nov 2009 23:10:60 GMT", "Tue, 10 Nov 09 23:10:00 GMT",
    "Tuesday, 10-Nov-09 23:10:00 GMT", "Tuesday, 10-Nov-70 23:10:00 GMT", "Tuesday, 10-Nov-09 23:10:00 CEST",
    "Tuesday, 10-Nov-09 23:10:00 XY", "Tuesday, 10-Nov-09 23:10:00 ABCD", "Tuesday, 10-Nov-09 23:10:00 WITA",
    "Tuesday, 10-Nov-2009 23:10:00 GMT", "Tue, 10-Nov-09 23:10:00 GMT", "Tuesday, 10-Nov-68 23:10:00 GMT",
    "Tue Nov 10 23:10:00 2009", "Tue Nov  3 23:10:00 2009", "Tue Nov 3 23:10:00 2009", "Tue Nov 03 23:10:00 2009",
    "Tue Nov 10 23:10:00 2009 GMT", "Tue Nov 10 23:10:00.25 2009", "0", "-1", "", "nonsense",
    "Tue, 10 Nov 2009 23:10:00 GMT ", "Wed, 11 Nov 2009 23:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT",
    "Sat, 01 Jan 0001 00:00:00 GMT",
]
SECONDS = [
    "60", "0", "3600", "86400", "2147483647", "2147483648", "4294967295", "4294967296", "99999999999999999999",
    "99999999999x", "060", "+60", "-1", "6 0", "60.5", "0x10", "6_0", "", "abc", '"60"', '"6\\0"', '"60', '""', "'60'", "60;",
]
PLAIN = [
    "public", "private", "no-cache", "no-store", "no-transform", "must-revalidate", "proxy-revalidate", "immutable",
    "max-age", "s-maxage", "stale-if-error", "stale-while-revalidate", "min-fresh", "only-if-cached", "x", "=", '"', "\u00e9",
]
VALUED = ["max-age", "max-age", "MAX-AGE", "s-maxage", "stale-if-error", "stale-while-revalidate", "max-stale", "x"]
LISTS = ['private="a, b"', "private=a, max-age=5", "no-cache=a,b", 'no-cache="set-cookie", max-age=7', "public=1", "no-store=", "immutable=x"]
SEPARATORS = [", ", ",", " , ", " ", ";", ",,", "\t", "; "]


def directive(rng):
    kind = rng.random()
    if kind < 0.55:
        equals = rng.choice(["="] * 12 + [" =", "= ", " = "])
        return rng.choice(VALUED) + equals + rng.choice(SECONDS[:4] * 3 + SECONDS)
    if kind < 0.9:
        return rng.choice(PLAIN)
    return rng.choice(LISTS)


def draw(rng):
    headers = []
    if rng.random() < 0.75:
        count = rng.choice([1, 1, 2, 2, 3])
        separator = rng.choice(SEPARATORS[:1] * 4 + SEPARATORS)
        headers.append(["Cache-Control", separator.join(directive(rng) for _ in range(count))])
        if rng.random() < 0.1:
            headers.append(["Cache-Control", directive(rng)])
    for name, chance in [("Expires", 0.5), ("Date", 0.35), ("Last-Modified", 0.4)]:
        if rng.random() < chance:
            headers.append([name, rng.choice(DATES[:5] * 3 + DATES)])
    return headers


def cases(rng, times):
    yield []
    for date in DATES:
        for name in ["Expires", "Date", "Last-Modified"]:
            others = [["Expires", DATES[0]]] if name == "Date" else []
            yield [[name, date], *others]
            yield [["Cache-Control", "max-age=60"], [name, date]]
    for name in ["max-age", "s-maxage", "stale-if-error"]:
        for seconds in SECONDS:
            yield [["Cache-Control", f"{name}={seconds}"]]
            yield [["Cache-Control", f"max-age=5, {name}={seconds}, public"]]
    for token in PLAIN + LISTS:
        yield [["Cache-Control", token]]
        yield [["Cache-Control", f"max-age=60, {token}"]]
        yield [["Cache-Control", f"{token}, max-age=60"]]
    for _ in range(DRAWN * times):
        yield draw(rng)


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else SEED)
    times = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    drawn = [{"now": NOW, "headers": headers} for headers in cases(rng, times)]
    lines = "".join(json.dumps(case) + "\n" for case in drawn)
    ran = subprocess.run([sys.argv[1]], input=lines, capture_output=True, text=True, check=True)
    for case, line in zip(drawn, ran.stdout.splitlines(), strict=True):
        verdict = json.loads(line)
        assert verdict["result"] == "fresh", (case, verdict)
        case["seconds"] = verdict["seconds"]
        print(json.dumps(case, separators=(",", ":")))


if __name__ == "__main__":
    main()
