#!/usr/bin/env python3
"""Makes the fuzzers' seeds of kube-authn's corpora: tokens and key sets out of
cases.jsonl, configuration documents out of the validation tables and the corpus
of YAML, and the one case whose configuration and keys every token is held against.

    kube-authn/fuzz/seeds.py     writes kube-authn/fuzz/case.json and corpus/
"""
import base64
import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).parent
CORPUS = HERE.parent / "corpus"
SEEDS = 150
# {"alg":"RS256", as base64url has it.
RS256 = "eyJhbGciOiJSUzI1Ni"


def rows(name):
    """The cases of a corpus, with their tables resolved."""
    tables = {"keys": [], "configuration": [], "header": [], "verdict": []}
    for line in (CORPUS / name).open():
        row = json.loads(line)
        if len(row) == 1 and (key := next(iter(row))) in tables:
            tables[key].append(row[key])
            continue
        if "k" not in row:
            continue
        token = row.get("t")
        if token is None:
            encode = lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
            token = ".".join([encode(tables["header"][row["h"]]), encode(row["p"]), row["s"]])
        yield {
            "keys": tables["keys"][row["k"]],
            "configuration": tables["configuration"][row["c"]],
            "verdict": tables["verdict"][row["v"]],
            "now": row["n"],
            "token": token,
        }


def write(target, text):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def main():
    cases = list(rows("cases.jsonl"))
    accepted = next(
        case
        for case in cases
        if case["verdict"]["result"] == "accepted"
        and "jwt" in case["configuration"]
        and case["token"].startswith(RS256)
    )
    (HERE / "case.json").write_text(json.dumps(accepted, indent=1) + "\n")
    step = max(1, len(cases) // SEEDS)
    for case in [accepted, *cases[::step]]:
        write("token", case["token"])
    for keys in sorted({case["keys"] for case in cases})[:SEEDS]:
        write("key_set", keys)
    for name in ["validation.jsonl", "upstream-validation.jsonl"]:
        for line in (CORPUS / name).open():
            row = json.loads(line)
            text = row.get("config") or row.get("c")
            if isinstance(text, str):
                write("configuration", text)
    # A sixth of the texts in YAML.
    for line in (HERE / "../../harness/src/offline/corpus/yaml.jsonl").open().readlines()[::6]:
        write("configuration", json.loads(line)["config"])


main()
