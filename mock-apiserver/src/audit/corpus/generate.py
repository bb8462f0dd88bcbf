#!/usr/bin/env python3
"""Makes policies.jsonl: audit policies, and what Kubernetes' own code makes of
them.

Usage: generate.py ORACLE [SEED [TIMES]] > policies.jsonl

ORACLE is target/kubernetes/v1.37/bin/oracle-audit. The corpus in the
repository is made with the seed below; other seeds, and TIMES as many drawn
policies, are for longer runs: the test reads one more file of cases from the
path in ROLECALL_AUDIT_CASES.
"""

import copy
import json
import random
import subprocess
import sys

SEED = 20261125
DRAWN, BROKEN = 120, 80

HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
ONE = "rules: [{level: None}]\n"

# Files that are wrong, or look so.
WRITTEN = [
    "", "   \n", "null", "5", "[]", "hello", "- a\n", "{}",
    HEAD, HEAD + "rules: []\n", HEAD + "rules:\n", HEAD + "rules: [{level: Metadata}]\n",
    "apiVersion: audit.k8s.io/v1\n" + ONE, "kind: Policy\n" + ONE, ONE,
    "kind: Event\n" + ONE, "kind: Polizei\n" + ONE, "apiVersion: audit.k8s.io/v1\nkind: Event\n" + ONE,
    "apiVersion: audit.k8s.io/v1\nkind: EventList\n", "apiVersion: audit.k8s.io/v1\nkind: Polizei\n" + ONE,
    "apiVersion: audit.k8s.io/v1beta1\nkind: Policy\n" + ONE, "apiVersion: audit.k8s.io/v2\nkind: Policy\n" + ONE,
    "apiVersion: v1\nkind: Policy\n" + ONE, "apiVersion: a/b/c\nkind: Policy\n", "apiVersion: 1\nkind: Policy\n",
    "apiVersion: audit.k8s.io/v1\nkind: []\n", "apiVersion: audit.k8s.io/__internal\nkind: Policy\n" + ONE,
    "apiVersion: audit.k8s.io/__internal\nkind: Polizei\n" + ONE,
    HEAD + "rulez: 1\n" + ONE, HEAD + "rules: [{level: None, user: [a]}]\n",
    HEAD + ONE + "rules: [{level: Metadata}]\n",
    '{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"None","level":"Request"}]}',
    '{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"None","level":"X"}]}',
    '{"apiVersion":"audit.k8s.io/v1","kind":"Policy","Rules":[{"level":"None"}]}',
    '{"apiVersion":"audit.k8s.io/v1",', '{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"None"}]} x',
    HEAD + "rules: x\n", HEAD + "rules: {a: b}\n", HEAD + "rules: [x]\n", HEAD + "rules: [null]\n", HEAD + "rules: [[]]\n",
    HEAD + "rules: [{}]\n", HEAD + 'rules: [{level: "a\\"b"}]\n', HEAD + "omitManagedFields: 1\n" + ONE,
    HEAD + "rules: [{level: None, resources: [pods]}]\n", HEAD + "rules: [{level: None, resources: {}}]\n",
    HEAD + "metadata: {name: x, foo: 1}\n" + ONE, HEAD + "metadata: x\n" + ONE, HEAD + "metadata: {name: 1}\n" + ONE,
    HEAD + "metadata: {creationTimestamp: yesterday}\n" + ONE, HEAD + ONE + "---\n" + HEAD + "rules: [{level: X}]\n",
    HEAD + "rules: [{level: x, nonResourceURLs: [a], namespaces: [b]}, {omitStages: [z], resources: [{group: X, resourceNames: [z]}]}]\n",
    HEAD + "rules: [{level: None, resources: [{group: X}, {group: X}]}]\n",
    HEAD + "rules: [{level: None, resources: [{group: " + "a" * 254 + "}]}]\n",
]

USERS = ["jane", "system:kube-proxy", "oidc:bob", ""]
GROUPS = ["system:authenticated", "system:masters", "oidc:admins", "system:nodes"]
VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "head"]
NAMESPACES = ["", "default", "kube-system"]
API_GROUPS = ["", "apps", "rbac.authorization.k8s.io", "*"]
RESOURCES = ["pods", "pods/log", "pods/*", "*/status", "*", "deployments", "deployments/scale", "*/", "/*", "*/*", "secrets"]
NAMES = ["a", "b", ""]
URLS = ["/healthz", "/healthz*", "*", "/api*", "/version", "/", "/logs/"]
LEVELS = ["None", "Metadata", "Request", "RequestResponse"]
STAGES = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"]
# What stands in the place of something right.
WRONG = [None, 5, 1.5, True, "x", "", [], ["x"], [5], [None], {}, {"a": "b"}, "A/b", "/a*b", "a*", "**"]


def some(rng, items, chance=0.5):
    return rng.sample(items, rng.randint(1, 2)) if rng.random() < chance else None


def draw_rule(rng):
    rule = {"level": rng.choice(LEVELS)}
    rule["users"] = some(rng, USERS, 0.15)
    rule["userGroups"] = some(rng, GROUPS, 0.2)
    rule["verbs"] = some(rng, VERBS, 0.3)
    rule["omitStages"] = some(rng, STAGES, 0.3)
    rule["omitManagedFields"] = rng.choice([None, None, True, False])
    kind = rng.random()
    if kind < 0.25:
        rule["nonResourceURLs"] = some(rng, URLS, 1)
    elif kind < 0.8:
        rule["namespaces"] = some(rng, NAMESPACES, 0.3)
        rule["resources"] = [draw_resources(rng) for _ in range(rng.randint(0, 2))] or None
    return {key: value for key, value in rule.items() if value is not None}


def draw_resources(rng):
    out = {"group": rng.choice(API_GROUPS), "resources": some(rng, RESOURCES, 0.8)}
    if out["resources"]:
        out["resourceNames"] = some(rng, NAMES, 0.3)
    return {key: value for key, value in out.items() if value is not None}


def draw_policy(rng):
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy"}
    if rng.random() < 0.3:
        policy["omitStages"] = some(rng, STAGES, 1)
    if rng.random() < 0.3:
        policy["omitManagedFields"] = rng.random() < 0.5
    policy["rules"] = [draw_rule(rng) for _ in range(rng.randint(1, 4))]
    return policy


def draw_request(rng):
    out = {"verb": rng.choice(VERBS)}
    if rng.random() < 0.9:
        out["user"] = rng.choice(USERS)
        out["groups"] = rng.sample(GROUPS, rng.randint(0, 2))
    if rng.random() < 0.25:
        out["path"] = rng.choice(["/healthz", "/healthz/etcd", "/version", "/api", "/apis/apps", "/logs/x", "/"])
        return out
    out["namespace"] = rng.choice(NAMESPACES)
    out["apiGroup"] = rng.choice(API_GROUPS[:3])
    out["resource"] = rng.choice(["pods", "deployments", "secrets"])
    out["subresource"] = rng.choice(["", "", "log", "status", "scale"])
    out["name"] = rng.choice(NAMES)
    return out


def spoil(rng, policy):
    """Puts something wrong in one place, at any depth."""
    places = []

    def walk(value):
        if isinstance(value, dict):
            places.extend((value, key) for key in value)
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            places.extend((value, index) for index in range(len(value)))
            for inner in value:
                walk(inner)

    walk(policy)
    where, key = rng.choice(places)
    where[key] = copy.deepcopy(rng.choice(WRONG))
    return policy


def cases(rng, times):
    for text in WRITTEN:
        yield {"policy": text}
    for _ in range(BROKEN * times):
        policy = draw_policy(rng)
        for _ in range(rng.randint(1, 2)):
            spoil(rng, policy)
        yield {"policy": json.dumps(policy)}
    for _ in range(DRAWN * times):
        requests = [draw_request(rng) for _ in range(8)]
        yield {"policy": json.dumps(draw_policy(rng)), "requests": requests}


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else SEED)
    times = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    drawn = list(cases(rng, times))
    lines = "".join(json.dumps(case) + "\n" for case in drawn)
    ran = subprocess.run([sys.argv[1]], input=lines, capture_output=True, text=True, check=True)
    for case, line in zip(drawn, ran.stdout.splitlines(), strict=True):
        case.update(json.loads(line))
        print(json.dumps(case, separators=(",", ":")))


if __name__ == "__main__":
    main()
