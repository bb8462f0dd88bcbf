#!/usr/bin/env python3
"""Cases for reading an AuthenticationConfiguration as YAML, and what Kubernetes
says of each: every word and shape below, and COUNT drawn ones.

    generate.py ORACLE_AUTHN [SEED COUNT] > yaml.jsonl

`grammar` marks those in which the two YAMLs may differ.

ORACLE_AUTHN is kubernetes/v1.37's program; see kubernetes/README.md.
"""

import json
import random
import re
import subprocess
import sys

# Where YAML 1.1, which go-yaml reads, and YAML 1.2 have another grammar.
GRAMMAR = re.compile(
    r"""\t                                       # a tab that separates
    |[\[ ,](-|\?\S+|:\S+|![^\s\]},]*|&\S+)[\],}]  # at the end of an item between brackets
    |[\]}]\#|:[,\]}]                                # as in {prefix: oidc:}
    |^\s*\w+:[^\s/].*$                         # a key that is none, above another
    |"\\/"                                    # an escape
    |^&\w+:|^\.\.\.\n$""",
    re.VERBOSE | re.MULTILINE,
)

HEAD = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"


def entry(audiences="aud", claim="sub", prefix="''", url="https://a.example", more=""):
    return (
        f"- issuer: {{url: {url}, audiences: [{audiences}]}}\n"
        f"  claimMappings:\n    username: {{claim: {claim}, prefix: {prefix}}}\n{more}"
    )


def file(*entries, more=""):
    return HEAD + "jwt:\n" + "".join(entries or (entry(),)) + more


WORDS = """
y n Y N yes no Yes No YES NO on off On Off ON OFF true True TRUE false False FALSE TrUe oN nO
null Null NULL ~ !!null
010 0o10 0O7 0x10 0X1 0b11 0B1 0b 0x 0o 08 0777 0_1 _1 1_ 1__0 .9_001 ._9 .9_ .9__1 .9_e1 .9e1_0 .9e_1 1_000 0x_1 -0 +1 -1 +0x1 -0x1 -0b1 -0o7 --1 +-1
1e3 1E3 1.e3 1e400 1e-400 1.5e+3 .5 5. 0. 1.0 . .. .e3 .5e 685_230.15 1.5_0 190:20:30 1:30
.inf .Inf .INF +.inf -.inf -.INF .nan .NaN .NAN +.nan
9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 18446744073709551615
18446744073709551616 +9223372036854775808 123456789012345678901234567890 1e15 1e20 1e21
2001-01-01 2001-01-01T00:00:00Z 2001-1-1 12:00 = << <<x 'y' "yes" '5' "null" a:b a#b a- -a cognito:groups
!!str!5 !!int!5 !!int!'5' !!int!x !!float!5 !!float!1.5 !!float!x !!bool!yes !!bool!'yes' !!bool!x !!null!~ !!null!x
!!binary!c3Vi !!binary!x !foo!sub !!foo!sub !<tag:yaml.org,2002:str>!5 ?a @x `x %x |x *x &x &x!y !x 'it''s' "\\u00e9" "\\x41" "\\q" "\\/" é
""".split()

SHAPES = [
    "", " \n", "\n", "# x\n", "---\n", "---\n---\n", "...\n", "null\n", "~\n", "[]\n", "{}\n", "hello\n", "5\n", "'x'\n", "true\n",
    "---\n" + file(), file() + "---\n", file() + "---\nfoo: 1\n", file() + "---\nfoo: [\n", file() + "...\n",
    file() + "...\n---\n", "# x\n---\n" + file(), "--- # x\n" + file(), "---\nnull\n---\n" + file(),
    "%YAML 1.1\n---\n" + file(), "%YAML 1.2\n---\n" + file(), "%YAML 1.3\n---\n" + file(), "%TAG ! tag:x,2000:\n---\n" + file(),
    "\ufeff" + file(), file().replace("\n", "\r\n"), file().replace("\n", "\r"), file() + "\0", file(entry(claim="a\x01b")),
    file(entry(claim="a\x7fb")), file(entry(claim="a\x85b")), file() + "\t", file() + "\t\n", file().replace("  claim", "\tclaim"),
    file(more="kind: X\n"), file(more="kind: AuthenticationConfiguration\n"), file(more="foo: 1\n"), file(more="5: x\n"),
    file(more="5: x\n5: y\n"), file(more="6E6: x\n6E6: y\n"), file(more="1e-5: x\n-0.25: x\n1e20: x\n100000.5: x\n"), file(more="true: x\n"), file(more="yes: x\n"), file(more="~: x\n"), file(more="1.5: x\n"),
    file(more="? [a]\n: x\n"), file(more="? {a: b}\n: x\n"), file(more="b: 1\na: 2\n"), file(more="foo: .nan\n"), file(more="jwt: []\n"),
    file(entry(more="  foo: 1\n  bar: 2\n")), file(entry(url="https://a.example, url: https://b.example")),
    file(entry(), entry(url="https://b.example")), file(entry(), entry()), HEAD + "jwt: null\n", HEAD + "jwt: ~\n", HEAD + "jwt:\n", HEAD + "jwt: {}\n", HEAD + "jwt: x\n",
    HEAD + "jwt: []\n", HEAD + "jwt: [\n", HEAD + "jwt: [[]]\n", HEAD + "jwt: [5]\n", HEAD + "jwt: [null]\n", HEAD + "jwt: [{}]\n", HEAD, "kind: AuthenticationConfiguration\n", "apiVersion: apiserver.config.k8s.io/v1\n",
    HEAD.replace("v1\n", "v2\n"), HEAD.replace("v1\n", "v1beta1\n"), HEAD.replace("v1\n", "v1alpha1\n"), HEAD.replace("Authent", "Author"), HEAD.replace("apiserver.config.k8s.io/v1", "1"), HEAD + "a: b: c\n", HEAD + "a\n", HEAD + "- a\n",
    HEAD + "jwt: &a [*a]\n", HEAD + "jwt: *nobody\n", HEAD + "jwt:\n- &a\n" + entry()[2:].replace("issuer", "  issuer", 1),
    HEAD + "jwt:\n- issuer: &i {url: 'https://a.example', audiences: [aud]}\n  claimMappings: &m {username: {claim: sub, prefix: ''}}\n- issuer: {<<: *i, url: 'https://b.example'}\n  claimMappings: *m\n",
    HEAD + "jwt:\n- issuer: &i {url: 'https://a.example', audiences: [aud]}\n  claimMappings: &m {username: {claim: sub, prefix: ''}}\n- issuer: {url: 'https://b.example', <<: *i}\n  claimMappings: {<<: *m}\n",
    HEAD + "jwt:\n- issuer: {url: 'https://a.example', audiences: [aud]}\n  claimMappings: {<<: [{username: {claim: sub, prefix: ''}}, {username: {claim: x}}]}\n",
    HEAD + "jwt:\n- issuer: {url: 'https://a.example', audiences: [aud]}\n  claimMappings: {<<: 5}\n", HEAD + "<<: {jwt: []}\n", HEAD + "<<: [[]]\n", HEAD + "'<<': {jwt: []}\n",
    "{apiVersion: apiserver.config.k8s.io/v1, kind: AuthenticationConfiguration, jwt: []}",
    '{"apiVersion":"apiserver.config.k8s.io/v1","kind":"AuthenticationConfiguration","jwt":[]}',
    '\n {"apiVersion":"apiserver.config.k8s.io/v1","kind":"AuthenticationConfiguration","jwt":[]}\n',
    '{"apiVersion":"apiserver.config.k8s.io/v1","kind":"AuthenticationConfiguration","jwt":[]} x',
    file(entry(claim=">\n        sub")), file(entry(claim="|\n        sub")), file(entry(claim="a\n        b")), file(entry(claim='"a\n        b"')),
    file(entry(claim="{a: b}")), file(entry(claim="[a]")), file(entry(claim="")), file(entry(audiences="")), file(entry(audiences=",")), file(entry(audiences="a,")), file(entry(audiences="a, a")), file(entry(audiences="-")),
    file(entry(audiences="a b")), file(entry(audiences="a: b")), file(entry(audiences="[a]")), file(entry(prefix="")), file(entry(prefix="oidc:")),
]


def of_words(word):
    word = word.replace("!", " ").replace("  ", "!!", 1) if word.startswith("!!") and word != "!!null" else word
    if word.startswith("!!"):
        word = word.rstrip()
    elif word.startswith("!") and "!" in word[1:]:
        head, _, tail = word[1:].partition("!")
        word = f"!{head} {tail}"
    elif word.startswith("&") and "!" in word:
        word = word.replace("!", " ")
    yield file(entry(audiences=word))
    yield file(entry(claim=word))
    yield HEAD + f"jwt:\n- issuer:\n    url: https://a.example\n    audiences:\n    - {word}\n  claimMappings:\n    username:\n      claim: sub\n      prefix: {word}\n"


def drawn(rng):
    # Without what the two grammars have differently.
    characters = "0123456789__++--..eExXoObByYnNtTrRuUfFlLsSiIaA~~"
    word = "".join(rng.choice(characters) for _ in range(rng.randint(1, 7)))
    text = rng.choice([lambda: file(entry(audiences=word)), lambda: file(entry(claim=word)), lambda: file(more=f"{word}: x\n"), lambda: HEAD + f"jwt: {word}\n"])()
    if rng.random() < 0.4:
        # A line goes, comes twice or moves.
        lines = text.split("\n")
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(3):
            case 0:
                del lines[i]
            case 1:
                lines.insert(j, lines[i])
            case 2:
                lines[i] = " " * rng.randint(1, 3) + lines[i]
        text = "\n".join(lines)
    return text


def main():
    oracle = sys.argv[1]
    seed, count = (int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 2 else (1, 400)
    rng = random.Random(seed)
    texts = SHAPES + [text for word in WORDS for text in of_words(word)] + [drawn(rng) for _ in range(count)]
    texts = list(dict.fromkeys(texts))
    asked = "".join(json.dumps({"id": i, "config": text}) + "\n" for i, text in enumerate(texts))
    answers = subprocess.run([oracle], input=asked, capture_output=True, text=True, check=True).stdout.splitlines()
    for text, answer in zip(texts, map(json.loads, answers), strict=True):
        case = {"config": text, "error": answer.get("error", "")}
        if GRAMMAR.search(text):
            case["grammar"] = True
        print(json.dumps(case, ensure_ascii=False))


main()
