#!/usr/bin/env python3
"""Makes patches.jsonl: patches, and what Kubernetes' own code makes of them.

Usage: generate.py ORACLE [SEED [TIMES]] > patches.jsonl

ORACLE is target/kubernetes/v1.37/bin/oracle-patch. The corpus in the
repository is made with the seed below; other seeds, and TIMES as many cases,
are for longer runs: the test reads one more file of cases from the path in
ROLECALL_PATCH_CASES. A case whose outcome Kubernetes itself does not give
twice the same way (it iterates over Go maps) is left out.
"""

import copy
import json
import random
import subprocess
import sys

SEED = 20261123
STRATEGIC, JSON, MERGE = 260, 60, 40

# list field -> (merge key or None for scalars, how to make an item's rest)
NAMES = ["a", "b", "c", "d", "e", "f"]
PORTS = [80, 81, 443, 8080, 9090, 53]


def pick(rng, items, low=0, high=None):
    items = list(items)
    count = rng.randint(low, min(high or len(items), len(items)))
    return rng.sample(items, count)


def env(rng, name):
    out = {"name": name}
    if rng.random() < 0.8:
        out["value"] = rng.choice(["1", "2", "x"])
    if rng.random() < 0.2:
        out["valueFrom"] = {"fieldRef": {"fieldPath": "metadata.name"}}
    return out


def port(rng, number):
    out = {"containerPort": number}
    if rng.random() < 0.5:
        out["name"] = rng.choice(["web", "api"])
    if rng.random() < 0.5:
        out["protocol"] = rng.choice(["TCP", "UDP"])
    return out


def mount(rng, path):
    return {"mountPath": path, "name": rng.choice(NAMES)}


def container(rng, name):
    out = {"name": name, "image": rng.choice(["nginx:1", "nginx:2", "busybox"])}
    if rng.random() < 0.6:
        out["env"] = [env(rng, n) for n in pick(rng, NAMES, 0, 4)]
    if rng.random() < 0.5:
        out["ports"] = [port(rng, n) for n in pick(rng, PORTS, 0, 3)]
    if rng.random() < 0.4:
        out["volumeMounts"] = [mount(rng, "/" + n) for n in pick(rng, NAMES, 0, 3)]
    if rng.random() < 0.3:
        out["args"] = pick(rng, ["-v", "-q", "-x"], 0)
    if rng.random() < 0.3:
        out["resources"] = {"limits": {"cpu": "1"}, "requests": {"memory": "1Gi"}}
    return out


def volume(rng, name):
    source = rng.choice(
        [
            {"emptyDir": {}},
            {"emptyDir": {"medium": "Memory"}},
            {"secret": {"secretName": "s"}},
            {"configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}},
        ]
    )
    return {"name": name, **source}


def named(_rng, name):
    return {"name": name}


def alias(rng, ip):
    return {"ip": ip, "hostnames": pick(rng, ["x", "y", "z"], 0)}


def service_port(rng, number):
    return {"port": number, "name": rng.choice(NAMES), "targetPort": rng.choice([number, "web"])}


def condition(rng, kind):
    return {"type": kind, "status": rng.choice(["True", "False"])}


def owner(rng, uid):
    return {"uid": uid, "name": rng.choice(NAMES), "kind": "X", "apiVersion": "v1"}


def address(rng, kind):
    return {"type": kind, "address": rng.choice(["10.0.0.1", "10.0.0.2"])}


IPS = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]

# What lists a struct has: field, merge key, keys to choose from, maker.
POD_SPEC = [
    ("containers", "name", NAMES, container),
    ("initContainers", "name", NAMES, container),
    ("volumes", "name", NAMES, volume),
    ("imagePullSecrets", "name", NAMES, named),
    ("hostAliases", "ip", IPS, alias),
]
CONTAINER = [
    ("env", "name", NAMES, env),
    ("ports", "containerPort", PORTS, port),
    ("volumeMounts", "mountPath", ["/" + n for n in NAMES], mount),
]
METADATA = [("ownerReferences", "uid", ["u1", "u2", "u3"], owner)]


def metadata(rng):
    out = {"name": "o", "labels": {k: rng.choice(["1", "2"]) for k in pick(rng, NAMES, 0, 3)}}
    if rng.random() < 0.5:
        out["annotations"] = {k: "v" for k in pick(rng, NAMES, 0, 3)}
    if rng.random() < 0.4:
        out["finalizers"] = ["x/" + n for n in pick(rng, NAMES, 0, 4)]
    if rng.random() < 0.3:
        out["ownerReferences"] = [owner(rng, u) for u in pick(rng, ["u1", "u2", "u3"])]
    return out


def lists(rng, table, chance=0.6):
    return {
        field: [make(rng, key) for key in pick(rng, keys, 0, 4)]
        for field, _, keys, make in table
        if rng.random() < chance
    }


def pod_spec(rng):
    out = lists(rng, POD_SPEC)
    if rng.random() < 0.5:
        out["nodeSelector"] = {k: "v" for k in pick(rng, NAMES, 0, 2)}
    if rng.random() < 0.5:
        out["tolerations"] = [{"key": k, "operator": "Exists"} for k in pick(rng, NAMES, 0, 2)]
    if rng.random() < 0.5:
        out["securityContext"] = {"runAsUser": 1000, "supplementalGroups": [1, 2]}
    return out


def originals(rng):
    kind = rng.choice(
        ["v1/Pod"] * 4
        + ["apps/v1/Deployment"] * 5
        + ["v1/Service"] * 2
        + ["v1/Node", "v1/ServiceAccount", "v1/ConfigMap", "v1/Secret", "v1/Namespace"]
        + ["rbac.authorization.k8s.io/v1/" + k for k in ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"]]
    )
    name = kind.rsplit("/", 1)[1]
    out = {"kind": name, "apiVersion": kind.rsplit("/", 1)[0], "metadata": metadata(rng)}
    if name == "Pod":
        out["spec"] = pod_spec(rng)
        out["status"] = {"conditions": [condition(rng, t) for t in pick(rng, ["A", "B", "C"])]}
    elif name == "Deployment":
        out["spec"] = {
            "replicas": rng.choice([1, 2, 3]),
            "selector": {"matchLabels": {"app": "x"}},
            "strategy": rng.choice(
                [
                    {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}},
                    {"type": "Recreate"},
                    {},
                ]
            ),
            "template": {"metadata": metadata(rng), "spec": pod_spec(rng)},
        }
    elif name == "Service":
        out["spec"] = {
            "ports": [service_port(rng, p) for p in pick(rng, PORTS)],
            "externalIPs": pick(rng, IPS),
            "selector": {"app": "x"},
        }
    elif name == "Node":
        out["spec"] = {"podCIDRs": pick(rng, ["10.1.0.0/24", "10.2.0.0/24"])}
        out["status"] = {"addresses": [address(rng, t) for t in pick(rng, ["InternalIP", "Hostname"])]}
    elif name == "ServiceAccount":
        out["secrets"] = [named(rng, n) for n in pick(rng, NAMES, 0, 3)]
        out["imagePullSecrets"] = [named(rng, n) for n in pick(rng, NAMES, 0, 3)]
    elif name in ("ConfigMap", "Secret"):
        out["data"] = {k: rng.choice(["MQ==", "Mg=="]) for k in pick(rng, NAMES)}
    elif name == "Namespace":
        out["spec"] = {"finalizers": ["kubernetes"]}
    elif name in ("Role", "ClusterRole"):
        out["rules"] = [
            {"apiGroups": [""], "resources": [r], "verbs": pick(rng, ["get", "list"])}
            for r in pick(rng, ["pods", "nodes", "secrets"])
        ]
    else:
        out["subjects"] = [{"kind": "User", "name": n} for n in pick(rng, NAMES, 0, 3)]
        out["roleRef"] = {"kind": "ClusterRole", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
    return kind, out


def patch_list(rng, out, before, field, key, keys, make, deeper):
    """A patch of a list that is merged by key."""
    present = [item[key] for item in before if isinstance(item, dict) and key in item]
    items = []
    for value in pick(rng, keys, 0, 4):
        roll = rng.random()
        if roll < 0.18:
            items.append({key: value, "$patch": "delete"})
            continue
        item = make(rng, value)
        if rng.random() < 0.5:
            item = {key: value, **dict(list(item.items())[1:2])}
        if deeper and rng.random() < 0.5:
            old = next((i for i in before if i.get(key) == value), {})
            patch_lists(rng, item, old, deeper, None, 0.5)
        if rng.random() < 0.06:
            item["nothing"] = None
        if field == "volumes" and rng.random() < 0.4:
            item["$retainKeys"] = [k for k in item if k != "$retainKeys"]
            if rng.random() < 0.1:
                item["$retainKeys"] = item["$retainKeys"][:-1]
        items.append(item)
    roll = rng.random()
    if roll < 0.06:
        items.insert(rng.randint(0, len(items)), {"$patch": "replace"})
    elif roll < 0.08:
        items.append({"$patch": rng.choice(["merge", "nonsense"]), key: keys[0]})
    elif roll < 0.10:
        items.append({"without": "key"})
    elif roll < 0.11:
        items.append("scalar")
    if items or rng.random() < 0.3:
        out[field] = items
    if rng.random() < 0.55:
        kept = [i[key] for i in items if isinstance(i, dict) and key in i and "$patch" not in i]
        others = [v for v in present if v not in kept]
        order = kept + pick(rng, others)
        if rng.random() < 0.5:
            # Keep the patch's own order inside, which is what clients send.
            spots = sorted(rng.sample(range(len(order)), len(kept)))
            rest = [v for v in order if v not in kept]
            rng.shuffle(rest)
            mixed = [None] * len(order)
            for spot, value in zip(spots, kept):
                mixed[spot] = value
            order = [v if v is not None else rest.pop() for v in mixed]
        if rng.random() < 0.06:
            rng.shuffle(order)
        out["$setElementOrder/" + field] = [{key: v} for v in order]


def patch_lists(rng, out, before, table, deeper, chance=0.5):
    for field, key, keys, make in table:
        if rng.random() < chance:
            deep = deeper if field in ("containers", "initContainers") else None
            patch_list(rng, out, before.get(field) or [], field, key, keys, make, deep)


def patch_primitives(rng, out, before, field, values):
    roll = rng.random()
    if roll < 0.4:
        out[field] = pick(rng, values, 0, 3)
        if rng.random() < 0.3:
            out[field] += out[field][:1]
    if roll > 0.3:
        # What is both added and deleted ends up as Go's maps would have it.
        gone = [v for v in pick(rng, values, 0, 2) if v not in out.get(field, [])]
        out["$deleteFromPrimitiveList/" + field] = gone
    if rng.random() < 0.3:
        order = list(dict.fromkeys(out.get(field, []) + pick(rng, before or [])))
        out["$setElementOrder/" + field] = order


def patch_metadata(rng, before):
    out = {}
    if rng.random() < 0.5:
        out["labels"] = {k: rng.choice(["3", "4", None]) for k in pick(rng, NAMES, 0, 3)}
    if rng.random() < 0.1:
        out["labels"] = rng.choice([None, {"$patch": "replace", "a": "9"}, {"$patch": "delete"}])
    if rng.random() < 0.3:
        patch_primitives(rng, out, before.get("finalizers"), "finalizers", ["x/" + n for n in NAMES])
    if rng.random() < 0.3:
        patch_lists(rng, out, before, METADATA, None, 1)
    return out


def patch_pod_spec(rng, before):
    out = {}
    patch_lists(rng, out, before, POD_SPEC, CONTAINER, 0.35)
    if rng.random() < 0.2:
        out["tolerations"] = [{"key": "new"}]
    if rng.random() < 0.2:
        out["nodeSelector"] = rng.choice([{"a": None, "z": "1"}, None, {"$retainKeys": ["z"], "z": "2"}])
    if rng.random() < 0.2:
        out["securityContext"] = rng.choice(
            [{"runAsUser": 2}, {"supplementalGroups": [3]}, {"$patch": "replace", "runAsGroup": 1}, None, "text"]
        )
    if rng.random() < 0.1:
        out["unknown"] = {"deep": [1, None], "none": None}
    if rng.random() < 0.03:
        out["$setElementOrder/unknown"] = ["a"]
    if rng.random() < 0.03:
        out["$setElementOrder/securityContext"] = [{"a": 1}]
    if rng.random() < 0.03:
        out["containers"] = rng.choice([{}, "text", [[1]], None, []])
    return out


def strategic(rng):
    kind, original = originals(rng)
    name = original["kind"]
    patch = {}
    if rng.random() < 0.5:
        patch["metadata"] = patch_metadata(rng, original["metadata"])
    if name == "Pod":
        patch["spec"] = patch_pod_spec(rng, original["spec"])
        if rng.random() < 0.3:
            patch["status"] = {}
            table = [("conditions", "type", ["A", "B", "C"], condition)]
            patch_lists(rng, patch["status"], original["status"], table, None, 1)
    elif name == "Deployment":
        spec = patch["spec"] = {}
        if rng.random() < 0.3:
            spec["replicas"] = rng.choice([5, None, "5"])
        if rng.random() < 0.4:
            spec["strategy"] = rng.choice(
                [
                    {"$retainKeys": ["type"], "type": "Recreate"},
                    {"$retainKeys": ["type", "rollingUpdate"], "rollingUpdate": {"maxSurge": 2}},
                    {"$retainKeys": ["type"], "rollingUpdate": {"maxSurge": 2}},
                    {"$retainKeys": "type"},
                    {"type": "Recreate", "rollingUpdate": None},
                    {"$patch": "replace", "type": "Recreate"},
                    {"$patch": "nonsense"},
                ]
            )
        if rng.random() < 0.8:
            spec["template"] = {"spec": patch_pod_spec(rng, original["spec"]["template"]["spec"])}
        if rng.random() < 0.2:
            spec["selector"] = {"matchLabels": {"b": "c"}}
    elif name == "Service":
        spec = patch["spec"] = {}
        patch_lists(rng, spec, original["spec"], [("ports", "port", PORTS, service_port)], None, 0.9)
        if rng.random() < 0.4:
            patch_primitives(rng, spec, original["spec"]["externalIPs"], "externalIPs", IPS)
    elif name == "Node":
        spec = patch["spec"] = {}
        patch_primitives(rng, spec, original["spec"]["podCIDRs"], "podCIDRs", ["10.2.0.0/24", "10.3.0.0/24"])
        status = patch["status"] = {}
        table = [("addresses", "type", ["InternalIP", "Hostname", "ExternalIP"], address)]
        patch_lists(rng, status, original["status"], table, None, 0.9)
    elif name == "ServiceAccount":
        table = [("secrets", "name", NAMES, named), ("imagePullSecrets", "name", NAMES, named)]
        patch_lists(rng, patch, original, table, None, 0.7)
    elif name in ("ConfigMap", "Secret"):
        patch["data"] = rng.choice([{k: rng.choice(["Mw==", None]) for k in pick(rng, NAMES)}, None])
    elif name == "Namespace":
        patch["spec"] = {}
        patch_primitives(rng, patch["spec"], ["kubernetes"], "finalizers", ["kubernetes", "x/y"])
    elif name in ("Role", "ClusterRole"):
        patch["rules"] = rng.choice([[], None, [{"verbs": ["*"]}], [{"$patch": "replace"}, {"verbs": ["get"]}]])
    else:
        patch["subjects"] = rng.choice([[], None, [{"kind": "Group", "name": "g"}]])
    roll = rng.random()
    if roll < 0.02:
        patch["$patch"] = rng.choice(["replace", "delete", "x", 1])
    elif roll < 0.03:
        patch["$retainKeys"] = list(patch)
    elif roll < 0.04:
        patch["$deleteFromPrimitiveList"] = ["a"]
    return {"kind": kind, "original": original, "patch": patch, "type": "strategic"}


def pointers(value, at=""):
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from pointers(inner, at + "/" + key.replace("~", "~0").replace("/", "~1"))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from pointers(inner, f"{at}/{index}")


def json_patch(rng):
    kind, original = originals(rng)
    paths = list(pointers(original))
    operations = []
    for _ in range(rng.randint(1, 4)):
        path = rng.choice(paths)
        roll = rng.random()
        if roll < 0.3:
            path += rng.choice(["", "/-", "/0", "/1", "/new", "/-1", "/99"])
        op = rng.choice(["add", "replace", "remove", "test", "copy", "move", "add", "replace"])
        operation = {"op": op, "path": path}
        if op in ("add", "replace", "test"):
            operation["value"] = rng.choice(["x", 1, None, {"a": 1}, ["b"]])
        if op == "test" and rng.random() < 0.5:
            at = original
            try:
                for part in [p.replace("~1", "/").replace("~0", "~") for p in path.split("/")[1:]]:
                    at = at[int(part)] if isinstance(at, list) else at[part]
                operation["value"] = copy.deepcopy(at)
            except (KeyError, ValueError, IndexError, TypeError):
                pass
        if op in ("copy", "move"):
            operation["from"] = rng.choice(paths)
        operations.append(operation)
    return {"kind": kind, "original": original, "patch": operations, "type": "json"}


def merge_value(rng, value, depth=0):
    if not isinstance(value, dict) or depth > 3:
        return rng.choice([None, 1, "x", ["y", None], {"a": None, "b": {"c": None}}, {}])
    out = {}
    for key in pick(rng, value, 0, 3):
        out[key] = merge_value(rng, value[key], depth + 1)
    if rng.random() < 0.3:
        out["new"] = rng.choice([None, 1, {"n": None, "m": 1}, [{"x": None}], []])
    return out


def merge(rng):
    kind, original = originals(rng)
    return {"kind": kind, "original": original, "patch": merge_value(rng, original), "type": "merge"}


def by_hand():
    """What generated cases would hardly meet."""
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": n} for n in "abc"]}}
    order = lambda *names: [{"name": n} for n in names]  # noqa: E731
    for patch in [
        {},
        {"spec": {"$setElementOrder/containers": order("c", "b", "a")}},
        {"spec": {"$setElementOrder/containers": order("c", "a")}},
        {"spec": {"$setElementOrder/containers": []}},
        {"spec": {"$setElementOrder/containers": order("d"), "containers": [{"name": "d"}]}},
        {"spec": {"$setElementOrder/containers": order("a"), "containers": [{"name": "d"}]}},
        {"spec": {"$setElementOrder/containers": "text"}},
        {"spec": {"$setElementOrder": order("a")}},
        {"spec": {"$setElementOrder/nothing": order("a")}},
        {"spec": {"Containers": [{"name": "a", "image": "x"}]}},
        {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "y"}]}},
        {"spec": {"containers": [{"name": "a", "$patch": "delete"}, {"name": "a", "image": "y"}]}},
        {"spec": {"containers": [{"$patch": "delete"}]}},
        {"spec": {"containers": [{"name": "a", "command": [["x"]]}]}},
        {"spec": {"containers": [{"name": "n", "$patch": "delete"}]}},
        {"spec": {"containers": [{"name": "n", "env": [{"$patch": "replace"}, {"name": "x"}]}]}},
        {"spec": {"$patch": "delete"}},
        {"spec": {"$patch": "replace", "nodeName": "n"}},
        {"spec": None},
        {"spec": "text"},
        {"metadata": {"labels": {"$patch": "replace", "a": "b"}}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": "x"}},
        {"spec": {"$retainKeys": ["containers"]}},
        {"spec": {"$retainKeys": []}},
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name"], "emptyDir": {}}]}},
    ]:
        yield {"kind": "v1/Pod", "original": pod, "patch": patch, "type": "strategic"}
    for patch in [[], {}, "x", [{"op": "nonsense", "path": "/a"}], [{"op": "add", "path": "a", "value": 1}],
                  [{"op": "add", "path": "/spec/containers/1", "value": {"name": "x"}}],
                  [{"op": "replace", "path": "/metadata/name", "value": "q"}],
                  [{"op": "remove", "path": "/spec/containers/-1"}],
                  [{"op": "test", "path": "/metadata/missing", "value": None}],
                  [{"op": "add", "path": "", "value": {"a": 1}}]]:
        yield {"kind": "v1/Pod", "original": pod, "patch": patch, "type": "json"}
    for patch in [{}, {"spec": None}, {"spec": []}]:
        yield {"kind": "v1/Pod", "original": pod, "patch": patch, "type": "merge"}


def ask(oracle, cases):
    lines = "".join(json.dumps({"id": i, **case}) + "\n" for i, case in enumerate(cases))
    answers = subprocess.run([oracle], input=lines, capture_output=True, text=True, check=True).stdout
    verdicts = [json.loads(line) for line in answers.splitlines()]
    assert len(verdicts) == len(cases), (len(verdicts), len(cases))
    return verdicts


def main():
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else SEED)
    times = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    cases = list(by_hand())
    cases += [strategic(rng) for _ in range(STRATEGIC * times)]
    cases += [json_patch(rng) for _ in range(JSON * times)]
    cases += [merge(rng) for _ in range(MERGE * times)]
    first = ask(sys.argv[1], cases)
    others = [ask(sys.argv[1], cases) for _ in range(20)]
    kept = 0
    for at, (case, verdict) in enumerate(zip(cases, first)):
        if any(other[at] != verdict for other in others):
            continue
        if str(verdict.get("error", "")).startswith("panic"):
            continue
        verdict.pop("id")
        kept += 1
        print(json.dumps({**case, **verdict}, separators=(",", ":")))
    print(f"{kept} of {len(cases)} cases", file=sys.stderr)


if __name__ == "__main__":
    main()
