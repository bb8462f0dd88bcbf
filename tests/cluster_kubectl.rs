//! The cluster through both pinned kubectls: what people type at a cluster,
//! and kubectl's own words for what it answers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use harness::cluster::Kind;
use serde_json::Value;

use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{Ran, Up, check, eventually, pause};
use crate::tutorial;

/// What a case does with its cluster.
type Run = fn(&Kubectl) -> Result<(), Stop>;

/// About what the embedded cluster has not and says so: kinds that it does not
/// store, and server-side apply.
const OF_THE_EMBEDDED_ONE: [&str; 2] = [
    "keeps_none_of_a_kind_that_is_not_stored",
    "server_side_apply_is_said_to_be_missing",
];

/// All of them: with both kubectls, each on an embedded cluster of its own, and with
/// the newer one in turn on one real control plane, which is wiped in between.
pub fn cases() -> Vec<Case> {
    let all: [(&str, Run); 32] = [
        ("creates_every_kind_it_can", creates),
        ("is_refused_what_is_there_and_what_is_not", refusals),
        ("applies_all_kinds_then_nothing_then_changes", applies),
        ("apply_refuses_misspelt_fields_at_any_depth", misspelt),
        ("checks_what_is_in_a_list", lists),
        ("creates_reviews_from_files", reviews),
        ("keeps_none_of_a_kind_that_is_not_stored", unserved),
        ("duplicate_keys_are_refused_when_asked_to", duplicates),
        ("server_side_apply_is_said_to_be_missing", server_side),
        ("dry_runs_leave_nothing", dry_runs),
        ("objects_that_are_invalid_are_told_why", invalid),
        ("prints_the_columns_of_each_kind", columns),
        ("selects_by_labels_and_fields", selects),
        ("watches_what_comes_and_goes", watches),
        ("waits_until_it_holds", waits),
        ("patches_in_three_ways", patches),
        ("edits_with_an_editor", edits),
        ("scales_labels_and_annotates", scales),
        ("replaces_and_tells_a_conflict", replaces),
        ("deleting_a_namespace_takes_its_content", namespaces),
        ("discovers_and_explains", discovers),
        ("an_administrator_may_do_everything", administrator),
        ("can_i_of_others", can_i),
        ("forbidden_in_kubernetes_words", forbidden),
        ("nobody_grants_more_than_they_have", escalation),
        ("a_bindings_role_stays", role_ref),
        ("reconciles_roles_and_bindings", reconciles),
        ("anonymous_is_let_in_to_health_and_version_alone", anonymous),
        ("credentials_nobody_knows_get_401", junk),
        ("who_cannot_refresh_does_not_ask_the_server", refreshing),
        ("client_certificates_are_users", certificates),
        ("every_namespace_has_the_clusters_ca", cluster_ca),
    ];
    let mut cases = vec![case(
        "cluster_kubectl::control_plane::each_in_turn",
        move || {
            let kubectl = Kubectl::start(Kind::ControlPlane, "v1.37")?;
            let as_new = kubectl.as_new()?;
            for (name, run) in all {
                if !OF_THE_EMBEDDED_ONE.contains(&name) {
                    run(&kubectl).map_err(|stop| stop.of(name))?;
                    kubectl.wipe(&as_new).map_err(|stop| stop.of(name))?;
                }
            }
            Ok(())
        },
    )];
    for version in programs::KUBECTLS {
        for (name, run) in all {
            cases.push(case(
                format!("cluster_kubectl::{version}::{name}"),
                move || run(&Kubectl::start(Kind::Embedded, version)?),
            ));
        }
    }
    cases
}

/// An object of a cluster: its kind, namespace and name.
type Object = [String; 3];

/// A cluster and one kubectl, the administrator's.
struct Kubectl {
    up: Up,
    version: &'static str,
}

impl Kubectl {
    fn start(kind: Kind, version: &'static str) -> Result<Self, Stop> {
        programs::kubectl(version)?;
        Ok(Self {
            up: Up::start_on(kind, &[])?,
            version,
        })
    }

    /// What is in a cluster that just started, once its controllers have made it.
    fn as_new(&self) -> Result<BTreeSet<Object>, Stop> {
        let own = [
            ["Namespace", "", "kube-node-lease"],
            ["Namespace", "", "kube-public"],
            ["Namespace", "", "kube-system"],
            ["ConfigMap", "default", "kube-root-ca.crt"],
            ["Service", "default", "kubernetes"],
            ["ServiceAccount", "default", "default"],
        ];
        let own = own.map(|object| object.map(str::to_owned));
        let mut objects = BTreeSet::new();
        eventually("the cluster has what is its own", || {
            objects = self.objects()?;
            Ok(own.iter().all(|object| objects.contains(object)))
        })?;
        Ok(objects)
    }

    /// What is in the cluster, of all kinds of which a case makes some, but for the
    /// content of its own namespaces, where none does.
    fn objects(&self) -> Result<BTreeSet<Object>, Stop> {
        let listed = self.up.kubectl(
            self.version,
            &[
                "get",
                "namespaces,nodes,clusterroles,clusterrolebindings,roles,rolebindings,configmaps,secrets,services,serviceaccounts,deployments,pods",
                "--all-namespaces",
                "--output=jsonpath={range .items[*]}{.kind} {.metadata.namespace} {.metadata.name}{'\\n'}{end}",
            ],
        )?;
        let objects = listed.ok()?.stdout;
        let object = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            std::array::from_fn(|_| words.next().unwrap_or_default())
        };
        let objects = objects.lines().map(object);
        let its_own = |[_, namespace, _]: &Object| namespace.starts_with("kube-");
        Ok(objects.filter(|object| !its_own(object)).collect())
    }

    /// Takes away what a case has left, and what kubectl has kept of it.
    fn wipe(&self, as_new: &BTreeSet<Object>) -> Result<(), Stop> {
        let is_namespace = |[kind, ..]: &&Object| kind == "Namespace";
        for namespaces in [true, false] {
            let left = self.objects()?;
            let left = left.difference(as_new);
            let left: Vec<String> = left
                .filter(|object| is_namespace(object) == namespaces)
                .map(|[kind, _, name]| format!("{kind}/{name}"))
                .collect();
            if !left.is_empty() {
                self.ok(&format!("delete --namespace default {}", left.join(" ")))?;
            }
        }
        let now = self.objects()?;
        check(now == *as_new, || format!("it leaves {now:?}"))?;
        match std::fs::remove_dir_all(self.up.scratch().join(".kube/cache")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Stop::Fail(error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Runs a line, its words separated by white space.
    fn run(&self, line: &str) -> Result<Ran, Stop> {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.up.kubectl(self.version, &words)
    }

    /// Runs a line that ends well.
    fn ok(&self, line: &str) -> Result<Ran, Stop> {
        self.run(line)?.ok()
    }

    /// Runs a line that ends well and prints `stdout` and nothing else.
    fn prints(&self, line: &str, stdout: &str) -> Result<(), Stop> {
        let ran = self.ok(line)?;
        check(
            ran.stdout.trim_end() == stdout.trim_end() && ran.stderr.is_empty(),
            || format!("expected {stdout:?}: {ran}"),
        )
    }

    /// Runs a line that fails with `stderr` and nothing else.
    fn fails(&self, line: &str, stderr: &str) -> Result<(), Stop> {
        let ran = self.run(line)?.refused()?;
        check(ran.stderr.trim_end() == stderr.trim_end(), || {
            format!("expected {stderr:?}: {ran}")
        })
    }

    /// Asks `auth can-i`, which tells by word and exit code.
    fn can_i(&self, question: &str, expected: bool) -> Result<(), Stop> {
        let ran = self.run(&format!("auth can-i {question}"))?;
        let word = if expected { "yes" } else { "no" };
        check(
            ran.stdout.trim() == word && ran.code == Some(i32::from(!expected)),
            || format!("expected {word}: {ran}"),
        )
    }

    /// Writes a file into the folder that kubectl runs in.
    fn write(&self, name: &str, content: &str) -> Result<PathBuf, Stop> {
        let path = self.up.scratch().join(name);
        std::fs::write(&path, content).map_err(|error| error.to_string())?;
        Ok(path)
    }

    /// What kubectl says when it deleted something namespaced.
    fn deleted(&self, kind: &str, name: &str, namespace: &str) -> String {
        format!("{kind} \"{name}\" deleted from {namespace} namespace")
    }

    /// kubectl itself, for what has to run beside something else.
    fn command(&self) -> Result<Command, Stop> {
        let mut command = Command::new(programs::kubectl(self.version)?);
        command
            .arg("--kubeconfig")
            .arg(self.up.dir().join("admin.kubeconfig"))
            .current_dir(self.up.scratch())
            .env("HOME", self.up.scratch())
            .stdin(Stdio::null());
        Ok(command)
    }
}

/// The first words of a table's lines, without the heading.
fn names(ran: &Ran) -> Vec<&str> {
    ran.stdout
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

/// What of a table depends on nothing: words of the heading.
fn heading(ran: &Ran) -> String {
    let line = ran.stdout.lines().next().unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One kind that `kubectl create` and `kubectl run` make.
struct Made {
    /// The line, without the namespace.
    line: &'static str,
    /// As kubectl names it in its answer.
    object: &'static str,
    namespaced: bool,
    /// What describe shows of it, blanks squeezed.
    described: &'static str,
    /// What its YAML shows.
    yaml: &'static str,
}

const fn made(
    line: &'static str,
    object: &'static str,
    described: &'static str,
    yaml: &'static str,
) -> Made {
    Made {
        line,
        object,
        namespaced: true,
        described,
        yaml,
    }
}

const fn made_for_all(
    line: &'static str,
    object: &'static str,
    described: &'static str,
    yaml: &'static str,
) -> Made {
    Made {
        namespaced: false,
        ..made(line, object, described, yaml)
    }
}

const MADE: [Made; 16] = [
    made_for_all(
        "create namespace other",
        "namespace/other",
        "Status: Active",
        "kubernetes.io/metadata.name: other",
    ),
    made(
        "create configmap settings --from-literal=colour=blue",
        "configmap/settings",
        "colour: ---- blue",
        "colour: blue",
    ),
    made(
        "create secret generic password --from-literal=p=q",
        "secret/password",
        "p: 1 bytes",
        "type: Opaque",
    ),
    made(
        "create secret tls pair --cert=leaf.crt --key=leaf.key",
        "secret/pair",
        "Type: kubernetes.io/tls",
        "type: kubernetes.io/tls",
    ),
    made(
        "create secret docker-registry pull --docker-server=registry.example --docker-username=u --docker-password=p",
        "secret/pull",
        "Type: kubernetes.io/dockerconfigjson",
        "type: kubernetes.io/dockerconfigjson",
    ),
    made(
        "create service clusterip inner --tcp=80:8080",
        "service/inner",
        "TargetPort: 8080/TCP",
        "type: ClusterIP",
    ),
    made(
        "create service nodeport outer --tcp=80:8080",
        "service/outer",
        "Type: NodePort",
        "nodePort: 3",
    ),
    made(
        "create service loadbalancer balanced --tcp=80:8080",
        "service/balanced",
        "Type: LoadBalancer",
        "allocateLoadBalancerNodePorts: true",
    ),
    made(
        "create service externalname away --external-name=example.com",
        "service/away",
        "External Name: example.com",
        "externalName: example.com",
    ),
    made(
        "create serviceaccount robot",
        "serviceaccount/robot",
        "Name: robot",
        "kind: ServiceAccount",
    ),
    made(
        "create deployment web --image=nginx --replicas=2",
        "deployment.apps/web",
        "Replicas: 2 desired",
        "imagePullPolicy: Always",
    ),
    made(
        "create role reader --verb=get,list --resource=pods",
        "role.rbac.authorization.k8s.io/reader",
        "pods [] [] [get list]",
        "- pods",
    ),
    made(
        "create rolebinding readers --role=reader --group=oidc:readers",
        "rolebinding.rbac.authorization.k8s.io/readers",
        "Group oidc:readers",
        "apiGroup: rbac.authorization.k8s.io",
    ),
    made_for_all(
        "create clusterrole lister --verb=list --resource=nodes,deployments.apps",
        "clusterrole.rbac.authorization.k8s.io/lister",
        "deployments.apps [] [] [list]",
        "- deployments",
    ),
    made_for_all(
        "create clusterrolebinding oidc:admins --clusterrole=cluster-admin --group=oidc:admins",
        "clusterrolebinding.rbac.authorization.k8s.io/oidc:admins",
        "Group oidc:admins",
        "name: cluster-admin",
    ),
    made(
        "run one --image=busybox:1 --labels=app=one",
        "pod/one",
        "Image: busybox:1",
        "imagePullPolicy: IfNotPresent",
    ),
];

/// A key and its certificate, for `create secret tls` and for strangers.
fn leaf(kubectl: &Kubectl) -> Result<(), Stop> {
    let now = jiff::Timestamp::now();
    let ca = foundation::pki::Ca::new("elsewhere", now).map_err(|error| error.to_string())?;
    let leaf = ca
        .issue_client("mallory", Some("system:masters"), now)
        .map_err(|error| error.to_string())?;
    let certificate = base64::engine::general_purpose::STANDARD.encode(&leaf.certificate);
    kubectl.write(
        "leaf.crt",
        &format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n"),
    )?;
    kubectl.write("leaf.key", &leaf.key_pem()).map(drop)
}

fn creates(kubectl: &Kubectl) -> Result<(), Stop> {
    leaf(kubectl)?;
    kubectl.prints("create namespace team", "namespace/team created")?;
    for made in &MADE {
        let namespace = if made.namespaced { "-n team" } else { "" };
        let (kind, name) = made.object.split_once('/').unwrap_or_default();
        kubectl.prints(
            &format!("{} {namespace}", made.line),
            &format!("{} created", made.object),
        )?;
        let table = kubectl.ok(&format!("get {} {namespace}", made.object))?;
        check(names(&table) == [name], || table.to_string())?;
        let described = kubectl.ok(&format!("describe {} {namespace}", made.object))?;
        let squeezed: Vec<&str> = described.stdout.split_whitespace().collect();
        check(squeezed.join(" ").contains(made.described), || {
            format!("{:?} is not in: {described}", made.described)
        })?;
        kubectl
            .ok(&format!("get {} {namespace} -o yaml", made.object))?
            .says(made.yaml)?
            .says("creationTimestamp: ")?
            .says("uid: ")?;
        let again = kubectl.run(&format!("{} {namespace}", made.line))?;
        again
            .refused()?
            .says(&format!("\"{name}\" already exists"))?;
        let said = if made.namespaced {
            kubectl.deleted(kind, name, "team")
        } else {
            format!("{kind} \"{name}\" deleted")
        };
        kubectl.prints(&format!("delete {} {namespace}", made.object), &said)?;
        kubectl
            .run(&format!("get {} {namespace}", made.object))?
            .refused()?
            .says(&format!("\"{name}\" not found"))?;
    }
    Ok(())
}

fn refusals(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.ok("create configmap settings")?;
    kubectl.ok("create role r --verb=get --resource=pods")?;
    for (line, text) in [
        (
            "get pods nope",
            "Error from server (NotFound): pods \"nope\" not found",
        ),
        (
            "get deployments nope -n kube-system",
            "Error from server (NotFound): deployments.apps \"nope\" not found",
        ),
        (
            // kubectl looks whether there is such a namespace.
            "get deployments nope -n nowhere",
            "Error from server (NotFound): namespaces \"nowhere\" not found",
        ),
        (
            "delete clusterrolebinding nope",
            "Error from server (NotFound): clusterrolebindings.rbac.authorization.k8s.io \"nope\" not found",
        ),
        (
            "get nope",
            "error: the server doesn't have a resource type \"nope\"",
        ),
        (
            "get --raw /nope",
            "Error from server (NotFound): the server could not find the requested resource",
        ),
        (
            "create configmap c -n nowhere",
            "error: failed to create configmap: namespaces \"nowhere\" not found",
        ),
        (
            "create configmap settings",
            "error: failed to create configmap: configmaps \"settings\" already exists",
        ),
        (
            "create role r --verb=get --resource=pods",
            "Error from server (AlreadyExists): roles.rbac.authorization.k8s.io \"r\" already exists",
        ),
        (
            "create namespace default",
            "Error from server (AlreadyExists): namespaces \"default\" already exists",
        ),
        (
            "delete namespace default",
            "Error from server (Forbidden): namespaces \"default\" is forbidden: this namespace may not be deleted",
        ),
    ] {
        kubectl.fails(line, text)?;
    }
    Ok(())
}

/// All kinds that there are, written canonically: `apply` compares what is
/// written with what is stored.
const ALL: &str = r#"apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {state: old}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop, labels: {state: old}}
data: {colour: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: shop, labels: {state: old}}
type: Opaque
data: {p: cQ==}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {state: old}}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: shop, labels: {state: old}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {state: old}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1
        ports: [{containerPort: 8080}]
        resources: {limits: {cpu: 100m, memory: 64Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: shop, labels: {state: old}}
spec: {containers: [{name: one, image: "busybox:1"}]}
---
apiVersion: v1
kind: Node
metadata: {name: worker, labels: {state: old}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop, labels: {state: old}}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: shop, labels: {state: old}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "oidc:readers"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: nodes, labels: {state: old}}
rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: nodes, labels: {state: old}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: nodes}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]
"#;

/// What is in [`ALL`], as kubectl names it.
const ALL_NAMES: [&str; 12] = [
    "namespace/shop",
    "configmap/settings",
    "secret/password",
    "service/web",
    "serviceaccount/robot",
    "deployment.apps/web",
    "pod/one",
    "node/worker",
    "role.rbac.authorization.k8s.io/reader",
    "rolebinding.rbac.authorization.k8s.io/readers",
    "clusterrole.rbac.authorization.k8s.io/nodes",
    "clusterrolebinding.rbac.authorization.k8s.io/nodes",
];

fn each(verdict: &str) -> String {
    ALL_NAMES.map(|name| format!("{name} {verdict}\n")).concat()
}

fn applies(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.write("all.yaml", ALL)?;
    kubectl.prints("apply -f all.yaml", &each("created"))?;
    kubectl.prints("apply -f all.yaml", &each("unchanged"))?;
    kubectl.prints("diff -f all.yaml", "")?;
    kubectl.write("new.yaml", &ALL.replace("state: old", "state: new"))?;
    // diff tells by its exit code that there is something to do.
    let diff = kubectl.run("diff -f new.yaml")?;
    check(
        diff.code == Some(1) && diff.stdout.contains("+    state: new"),
        || diff.to_string(),
    )?;
    kubectl.prints("apply -f new.yaml", &each("configured"))?;
    kubectl.prints("apply -f new.yaml", &each("unchanged"))?;
    // Deep inside, and what is left out goes.
    kubectl.write(
        "deep.yaml",
        &ALL.replace("nginx:1", "nginx:2")
            .replace(", memory: 64Mi", "")
            .replace("colour: blue", "size: xl")
            .replace("[get, list]", "[get]"),
    )?;
    kubectl.ok("apply -f deep.yaml")?;
    kubectl.prints(
        "get deployment web -n shop -o jsonpath={.spec.template.spec.containers[0]['image','resources']}",
        "nginx:2 {\"limits\":{\"cpu\":\"100m\"}}",
    )?;
    kubectl.prints(
        "get configmap settings -n shop -o jsonpath={.data}",
        "{\"size\":\"xl\"}",
    )?;
    kubectl.prints(
        "get role reader -n shop -o jsonpath={.rules[0].verbs}",
        "[\"get\"]",
    )
}

const STRICT: &str =
    "in version \"v1\" cannot be handled as a KIND: strict decoding error: unknown field";

fn misspelt(kubectl: &Kubectl) -> Result<(), Stop> {
    for (kind, field, manifest) in [
        (
            "ConfigMap",
            "datta",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndatta: {a: b}\n",
        ),
        (
            "Pod",
            "spec.containers[0].imgae",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: b, imgae: c}]}\n",
        ),
        (
            "ClusterRoleBinding",
            "subjects[0].nmae",
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: bad}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: g, nmae: h}]\n",
        ),
    ] {
        kubectl.write("bad.yaml", manifest)?;
        let strict = STRICT.replace("KIND", kind);
        for command in ["create", "apply"] {
            kubectl.fails(
                &format!("{command} -f bad.yaml"),
                &format!(
                    "Error from server (BadRequest): error when creating \"bad.yaml\": {kind} {strict} \"{field}\""
                ),
            )?;
        }
        let lenient = kubectl.ok("apply -f bad.yaml --validate=warn")?;
        check(
            lenient.stderr.trim_end() == format!("Warning: unknown field \"{field}\""),
            || lenient.to_string(),
        )?;
        kubectl.ok("delete -f bad.yaml")?;
    }
    // And in a patch to something that is there.
    kubectl.write("all.yaml", ALL)?;
    kubectl.ok("apply -f all.yaml")?;
    kubectl.write("all.yaml", &ALL.replace("image: nginx:1", "imgae: nginx:1"))?;
    kubectl
        .run("apply -f all.yaml")?
        .refused()?
        .says("strict decoding error: unknown field \"spec.template.spec.containers[0].imgae\"")
        .map(drop)
}

const LIST: &str = "\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {a: b}}
- {apiVersion: v1, kind: Pod, metadata: {name: two}, spec: {containers: [{name: a, image: b}]}}
";

/// A list is no kind of the server's: kubectl looks into it itself, by
/// version 2 of the schemas.
fn lists(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.write("list.yaml", LIST)?;
    kubectl.prints(
        "apply -f list.yaml",
        "configmap/one created\npod/two created",
    )?;
    let written = kubectl.ok("get configmaps one -o yaml")?.stdout;
    kubectl.write("one.yaml", &written)?;
    kubectl.prints("replace -f one.yaml", "configmap/one replaced")?;
    let written = kubectl.ok("get configmaps -o yaml")?.stdout;
    check(written.contains("kind: List"), || written.clone())?;
    kubectl.write("maps.yaml", &written)?;
    kubectl.prints(
        "replace -f maps.yaml",
        "configmap/kube-root-ca.crt replaced\nconfigmap/one replaced",
    )?;
    let misspelt = LIST
        .replace(" data:", " datta:")
        .replace("image:", "imgae:");
    kubectl.write("bad.yaml", &misspelt)?;
    for command in ["create", "apply"] {
        kubectl.fails(
            &format!("{command} -f bad.yaml"),
            "error: error validating \"bad.yaml\": error validating data: [ValidationError(ConfigMap): unknown field \"datta\" in io.k8s.api.core.v1.ConfigMap, ValidationError(Pod.spec.containers[0]): unknown field \"imgae\" in io.k8s.api.core.v1.Container]; if you choose to ignore these errors, turn validation off with --validate=false",
        )?;
    }
    Ok(())
}

/// Reviews have no PATCH either. Before kubectl takes one from a file it
/// lists the custom resources, which not everybody may.
fn reviews(kubectl: &Kubectl) -> Result<(), Stop> {
    const REVIEW: &str = "\
apiVersion: authorization.k8s.io/v1
kind: SelfSubjectAccessReview
spec: {resourceAttributes: {verb: list, resource: pods}}
";
    kubectl.write("review.yaml", REVIEW)?;
    kubectl.prints(
        "create -f review.yaml -o jsonpath={.status.allowed}",
        "true",
    )?;
    kubectl.prints(
        "create -f review.yaml -o jsonpath={.status.allowed} --as=bob --validate=false",
        "false",
    )?;
    kubectl.fails(
        "create -f review.yaml --as=bob",
        "error: error validating \"review.yaml\": error validating data: failed to check CRD: failed to list CRDs: customresourcedefinitions.apiextensions.k8s.io is forbidden: User \"bob\" cannot list resource \"customresourcedefinitions\" in API group \"apiextensions.k8s.io\" at the cluster scope; if you choose to ignore these errors, turn validation off with --validate=false",
    )?;
    kubectl.write("review.yaml", &REVIEW.replace("verb:", "vreb:"))?;
    kubectl.fails(
        "create -f review.yaml",
        "error: error validating \"review.yaml\": error validating data: ValidationError(SelfSubjectAccessReview.spec.resourceAttributes): unknown field \"vreb\" in io.k8s.api.authorization.v1.ResourceAttributes; if you choose to ignore these errors, turn validation off with --validate=false",
    )
}

/// Lists of them are empty, and say why; who may make one is told that it
/// cannot be kept.
fn unserved(kubectl: &Kubectl) -> Result<(), Stop> {
    const WARNING: &str = "Warning: this cluster does not store some of the kinds that were asked for: there are none, and none can be created";
    const REFUSED: &str = "create is not supported on resources of kind \"jobs.batch\": this cluster does not store them";
    kubectl.write(
        "x.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\n",
    )?;
    let refused =
        format!("Error from server (MethodNotAllowed): error when creating \"x.yaml\": {REFUSED}");
    kubectl.fails("create -f x.yaml", &refused)?;
    kubectl.fails("apply -f x.yaml", &format!("{WARNING}\n{refused}"))?;
    kubectl.fails(
        "create job j --image=x",
        &format!("error: failed to create job: {REFUSED}"),
    )?;
    kubectl.fails(
        "get job x",
        &format!("{WARNING}\nError from server (NotFound): jobs.batch \"x\" not found"),
    )?;
    let none = kubectl.ok("get jobs")?;
    check(
        none.stdout.is_empty()
            && none.stderr.trim_end()
                == format!("{WARNING}\nNo resources found in default namespace."),
        || none.to_string(),
    )?;
    let all = kubectl.ok("get all")?;
    check(
        all.stderr.trim_end() == WARNING && names(&all) == ["service/kubernetes"],
        || all.to_string(),
    )?;
    kubectl.ok("create -f x.yaml --dry-run=client")?;
    kubectl.ok("run p --image=x")?;
    kubectl.fails(
        "logs p",
        "Error from server (MethodNotAllowed): get is not supported on resources of kind \"pods/log\": this cluster does not serve it",
    )?;
    kubectl.write(
        "x.yaml",
        "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: x}\n",
    )?;
    for command in ["create", "apply"] {
        kubectl.fails(
            &format!("{command} -f x.yaml"),
            "error: resource mapping not found for name: \"x\" namespace: \"\" from \"x.yaml\": no matches for kind \"Widget\" in version \"example.com/v1\"\nensure CRDs are installed first",
        )?;
    }
    Ok(())
}

/// kubectl itself keeps the last of two equal keys in a file, as it does with
/// every cluster; only `--raw` sends them on.
fn duplicates(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.write(
        "twice.json",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"twice"},"data":{"a":"1","a":"2"}}"#,
    )?;
    kubectl.fails(
        "create --raw /api/v1/namespaces/default/configmaps?fieldValidation=Strict -f twice.json",
        "Error from server (BadRequest): ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: duplicate field \"data.a\"",
    )?;
    let lenient = kubectl.ok("create --raw /api/v1/namespaces/default/configmaps -f twice.json")?;
    check(
        lenient.stderr.trim_end() == "Warning: duplicate field \"data.a\"",
        || lenient.to_string(),
    )?;
    kubectl.prints("get configmap twice -o jsonpath={.data.a}", "2")
}

fn server_side(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.write(
        "one.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n",
    )?;
    kubectl.fails(
        "apply --server-side -f one.yaml",
        "error: Server-side apply not available on the server: (the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json)",
    )?;
    kubectl.fails(
        "get configmap one",
        "Error from server (NotFound): configmaps \"one\" not found",
    )
}

fn dry_runs(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.prints(
        "create configmap dry --dry-run=server",
        "configmap/dry created (server dry run)",
    )?;
    kubectl.fails(
        "get configmap dry",
        "Error from server (NotFound): configmaps \"dry\" not found",
    )?;
    kubectl.ok("create configmap dry --from-literal=a=b")?;
    kubectl.prints(
        "delete configmap dry --dry-run=server",
        &format!(
            "{} (server dry run)",
            kubectl.deleted("configmap", "dry", "default")
        ),
    )?;
    kubectl.ok("label configmap dry x=y --dry-run=server")?;
    kubectl.prints(
        "get configmap dry -o jsonpath={.data}{.metadata.labels}",
        "{\"a\":\"b\"}",
    )
}

fn invalid(kubectl: &Kubectl) -> Result<(), Stop> {
    const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
    kubectl.fails(
        "create configmap Bad_Name",
        &format!("error: failed to create configmap: ConfigMap \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": {SUBDOMAIN}"),
    )?;
    kubectl.fails(
        "create namespace UPPER",
        &format!(
            "The Namespace \"UPPER\" is invalid: metadata.name: Invalid value: \"UPPER\": {LABEL}"
        ),
    )?;
    kubectl.fails(
        "run P --image=x",
        &format!("The Pod \"P\" is invalid: \n* metadata.name: Invalid value: \"P\": {SUBDOMAIN}\n* spec.containers[0].name: Invalid value: \"P\": {LABEL}"),
    )?;
    kubectl.fails(
        "create rolebinding b --role=r --user=",
        "error: failed to create rolebinding: RoleBinding.rbac.authorization.k8s.io \"b\" is invalid: subjects[0].name: Required value",
    )?;
    kubectl.write(
        "generated.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: gen-}\n",
    )?;
    let generated = kubectl.ok("create -f generated.yaml")?;
    check(
        generated.stdout.starts_with("configmap/gen-")
            && generated.stdout.trim_end().len() == "configmap/gen-xxxxx created".len(),
        || generated.to_string(),
    )
}

fn columns(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.write("all.yaml", ALL)?;
    kubectl.ok("apply -f all.yaml")?;
    for (kind, narrow, wide) in [
        ("namespaces", "NAME STATUS AGE", ""),
        ("configmaps", "NAME DATA AGE", ""),
        ("secrets", "NAME TYPE DATA AGE", ""),
        (
            "services",
            "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE",
            " SELECTOR",
        ),
        ("serviceaccounts", "NAME AGE", ""),
        (
            "deployments",
            "NAME READY UP-TO-DATE AVAILABLE AGE",
            " CONTAINERS IMAGES SELECTOR",
        ),
        (
            "pods",
            "NAME READY STATUS RESTARTS AGE",
            " IP NODE NOMINATED NODE READINESS GATES",
        ),
        (
            "nodes",
            "NAME STATUS ROLES AGE VERSION",
            " INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME",
        ),
        ("roles", "NAME CREATED AT", ""),
        (
            "rolebindings",
            "NAME ROLE AGE",
            " USERS GROUPS SERVICEACCOUNTS",
        ),
        ("clusterroles", "NAME CREATED AT", ""),
        (
            "clusterrolebindings",
            "NAME ROLE AGE",
            " USERS GROUPS SERVICEACCOUNTS",
        ),
    ] {
        let table = kubectl.ok(&format!("get {kind} -n shop"))?;
        check(heading(&table) == narrow, || table.to_string())?;
        let table = kubectl.ok(&format!("get {kind} -n shop -o wide"))?;
        check(heading(&table) == format!("{narrow}{wide}"), || {
            table.to_string()
        })?;
    }
    let mut everywhere = kubectl.ok("get configmaps -A")?;
    // A real API server keeps things of its own there.
    everywhere.stdout = everywhere
        .stdout
        .lines()
        .filter(|line| !line.contains("apiserver"))
        .flat_map(|line| [line, "\n"])
        .collect();
    check(heading(&everywhere) == "NAMESPACE NAME DATA AGE", || {
        everywhere.to_string()
    })?;
    check(
        names(&everywhere)
            == [
                "default",
                "kube-node-lease",
                "kube-public",
                "kube-system",
                "shop",
                "shop",
            ],
        || everywhere.to_string(),
    )?;
    kubectl.prints(
        "get deployments -n shop --no-headers -o custom-columns=N:.metadata.name,I:.spec.template.spec.containers[*].image",
        "web   nginx:1",
    )?;
    kubectl.prints(
        "get pods,deployments -n shop -o name",
        "pod/one\ndeployment.apps/web",
    )?;
    let paged = kubectl
        .ok("get clusterroles --chunk-size=7 -o name")?
        .stdout;
    let whole = kubectl.ok("get clusterroles -o name")?.stdout;
    check(paged == whole && whole.lines().count() > 60, || whole)
}

fn selects(kubectl: &Kubectl) -> Result<(), Stop> {
    for (name, labels) in [
        ("a", "app=a,tier=front"),
        ("b", "app=b,tier=front"),
        ("c", "app=c"),
    ] {
        kubectl.ok(&format!("run {name} --image=x --labels={labels}"))?;
    }
    for (selector, expected) in [
        ("-l tier=front", "pod/a\npod/b"),
        ("-l tier!=front", "pod/c"),
        ("-l !tier", "pod/c"),
        ("-l tier,app!=a", "pod/b"),
        ("-l app_in_(a,c)", "pod/a\npod/c"),
        ("--field-selector metadata.name=b", "pod/b"),
        (
            "--field-selector metadata.name!=b,status.phase=Pending",
            "pod/a\npod/c",
        ),
        ("--field-selector status.phase=Running", ""),
        (
            "--field-selector metadata.namespace=default -l app=c",
            "pod/c",
        ),
    ] {
        // `run` splits at blanks, and this selector has some.
        let words: Vec<String> = format!("get pods -A -o name {selector}")
            .split_whitespace()
            .map(|word| word.replace("_in_", " in "))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = kubectl.up.kubectl(kubectl.version, &words)?.ok()?;
        check(ran.stdout.trim_end() == expected, || {
            format!("expected {expected:?}: {ran}")
        })?;
    }
    kubectl.fails(
        "get pods -A --field-selector spec.nope=x",
        "Error from server (BadRequest): Unable to find \"/v1, Resource=pods\" that match label selector \"\", field selector \"spec.nope=x\": field label not supported: spec.nope",
    )?;
    kubectl.ok("delete pods -l tier=front")?;
    kubectl.prints("get pods -o name", "pod/c")
}

fn watches(kubectl: &Kubectl) -> Result<(), Stop> {
    let log = kubectl.up.scratch().join("watch.log");
    let file = std::fs::File::create(&log).map_err(|error| error.to_string())?;
    let mut watch = kubectl
        .command()?
        .args([
            "get",
            "configmaps",
            "--watch",
            "--output-watch-events",
            "--request-timeout=60s",
        ])
        .stdout(file)
        .spawn()
        .map_err(|error| error.to_string())?;
    let seen = (|| {
        // It lists first: what is made before that comes as an event, too.
        let lines = wait_for(&log, "kube-root-ca.crt")?;
        check(
            lines[0] == "EVENT NAME DATA AGE" && lines[1].starts_with("ADDED kube-root-ca.crt 1 "),
            || lines.join("\n"),
        )?;
        kubectl.ok("create configmap new")?;
        wait_for(&log, "ADDED new 0")?;
        kubectl.ok("label configmap new a=b")?;
        wait_for(&log, "MODIFIED new 0")?;
        kubectl.ok("delete configmap new")?;
        let lines = wait_for(&log, "DELETED new 0")?;
        check(lines.len() == 5, || lines.join("\n"))
    })();
    let _ = watch.kill();
    let _ = watch.wait();
    seen
}

/// Waits until a line of `log`, blanks squeezed, holds `text`.
fn wait_for(log: &std::path::Path, text: &str) -> Result<Vec<String>, Stop> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let lines: Vec<String> = std::fs::read_to_string(log)
            .unwrap_or_default()
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        if lines.iter().any(|line| line.contains(text)) {
            return Ok(lines);
        }
        if Instant::now() > deadline {
            return Err(Stop::Fail(format!(
                "{text:?} is not in: {}",
                lines.join("\n")
            )));
        }
        pause();
    }
}

fn waits(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.ok("create configmap settings --from-literal=colour=blue")?;
    kubectl.ok("run one --image=x")?;
    for (condition, object, change, said) in [
        (
            "jsonpath={.data.colour}=red",
            "configmap/settings",
            r#"patch configmap settings -p {"data":{"colour":"red"}}"#,
            "configmap/settings condition met".to_owned(),
        ),
        (
            "condition=Ready",
            "pod/one",
            r#"patch pod one --subresource=status -p {"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#,
            "pod/one condition met".to_owned(),
        ),
        (
            "delete",
            "configmap/settings",
            "delete configmap settings",
            "configmap/settings condition met".to_owned(),
        ),
    ] {
        let wait = kubectl
            .command()?
            .args([
                "wait",
                &format!("--for={condition}"),
                object,
                "--timeout=60s",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        kubectl.ok(change)?;
        let output = wait.wait_with_output().map_err(|error| error.to_string())?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        // One who comes late to a deletion finds nothing, and is content.
        let late = condition == "delete" && stdout.is_empty();
        check(
            output.status.success() && (stdout.trim_end() == said || late),
            || format!("{condition}: {output:?}"),
        )?;
    }
    kubectl.fails(
        "wait --for=condition=Initialized pod/one --timeout=200ms",
        "error: timed out waiting for the condition on pods/one",
    )
}

fn patches(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.write("all.yaml", ALL)?;
    kubectl.ok("apply -f all.yaml")?;
    let settings = "patch configmap settings -n shop";
    kubectl.prints(
        &format!(r#"{settings} --type=json -p [{{"op":"replace","path":"/data/colour","value":"green"}}]"#),
        "configmap/settings patched",
    )?;
    kubectl.fails(
        &format!(
            r#"{settings} --type=json -p [{{"op":"test","path":"/data/colour","value":"nope"}}]"#
        ),
        "The request is invalid: the server rejected our request due to an error in our request",
    )?;
    kubectl.prints(
        &format!(r#"{settings} --type=merge -p {{"data":{{"size":"xl","colour":null}}}}"#),
        "configmap/settings patched",
    )?;
    kubectl.prints(
        "get configmap settings -n shop -o jsonpath={.data}",
        "{\"size\":\"xl\"}",
    )?;
    kubectl.prints(
        &format!(r#"{settings} --type=merge -p {{"data":{{"size":"xl"}}}}"#),
        "configmap/settings patched (no change)",
    )?;
    let side = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"x"}]}}}}"#;
    let containers =
        "get deployment web -n shop -o jsonpath={.spec.template.spec.containers[*].name}";
    kubectl.prints(
        &format!("patch deployment web -n shop -p {side}"),
        "deployment.apps/web patched",
    )?;
    kubectl.prints(containers, "side web")?;
    // A merge patch knows nothing of names: the list is replaced.
    kubectl.ok(&format!(
        "patch deployment web -n shop --type=merge -p {side}"
    ))?;
    kubectl.prints(containers, "side")?;
    kubectl.prints(
        "set image deployment/web side=y -n shop",
        "deployment.apps/web image updated",
    )?;
    kubectl.fails(
        &format!("{settings} -p {{"),
        "Error from server (BadRequest): invalid JSON patch",
    )?;
    kubectl.fails(
        r#"patch configmap none -p {"data":{}}"#,
        "Error from server (NotFound): configmaps \"none\" not found",
    )
}

fn edits(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.ok("create configmap settings --from-literal=colour=blue")?;
    let folder = kubectl.up.scratch().display().to_string();
    let edit = |editor: &str| {
        kubectl.up.run_with(
            &programs::kubectl(kubectl.version)?,
            &["edit", "configmap", "settings"],
            &[("KUBE_EDITOR", editor), ("TMPDIR", &folder)],
        )
    };
    edit("sed -i s/blue/red/")?
        .ok()?
        .says("configmap/settings edited")?;
    kubectl.prints("get configmap settings -o jsonpath={.data.colour}", "red")?;
    edit("true")?
        .ok()?
        .says("Edit cancelled, no changes made.")?;
    // What the server refuses stands in the file when it is shown again.
    let refused = edit("sed -i s/^data:/datta:/")?
        .refused()?
        .says("error: configmaps \"settings\" is invalid")?;
    let copy = refused
        .stderr
        .split('"')
        .find(|part| part.ends_with(".yaml"))
        .map(std::fs::read_to_string);
    check(
        matches!(&copy, Some(Ok(copy)) if copy.contains("unknown field \"datta\"")),
        || format!("{copy:?}: {refused}"),
    )?;
    kubectl.prints("get configmap settings -o jsonpath={.data.colour}", "red")
}

fn scales(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.ok("create deployment web --image=x --replicas=2")?;
    kubectl.prints(
        "scale deployment web --replicas=5",
        "deployment.apps/web scaled",
    )?;
    kubectl.prints(
        "get deployment web -o jsonpath={.spec.replicas}/{.metadata.generation}",
        "5/2",
    )?;
    let table = kubectl.ok("get deployment web --subresource=scale")?;
    check(heading(&table) == "NAME DESIRED AVAILABLE AGE", || {
        table.to_string()
    })?;
    kubectl.fails(
        "scale deployment web --replicas=1 --current-replicas=2",
        "error: Expected replicas to be 2, was 5",
    )?;
    for (line, said) in [
        ("label deployment web a=b", "deployment.apps/web labeled"),
        (
            "label deployment web a=c --overwrite",
            "deployment.apps/web labeled",
        ),
        ("label deployment web a-", "deployment.apps/web unlabeled"),
        (
            "annotate deployment web note=x",
            "deployment.apps/web annotated",
        ),
        (
            "expose deployment web --port=80 --name=front",
            "service/front exposed",
        ),
        (
            "set serviceaccount deployment web default",
            "deployment.apps/web serviceaccount updated",
        ),
    ] {
        kubectl.prints(line, said)?;
    }
    kubectl.prints(
        "get deployment web -o jsonpath={.metadata.labels}{.metadata.annotations}",
        "{\"app\":\"web\"}{\"note\":\"x\"}",
    )?;
    kubectl.fails(
        "label deployment web app=other",
        "error: 'app' already has a value (web), and --overwrite is false",
    )
}

fn replaces(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.ok("create configmap settings --from-literal=colour=blue")?;
    let stored = kubectl.ok("get configmap settings -o yaml")?.stdout;
    kubectl.write("settings.yaml", &stored.replace("blue", "red"))?;
    kubectl.prints("replace -f settings.yaml", "configmap/settings replaced")?;
    kubectl.write("settings.yaml", &stored.replace("blue", "green"))?;
    kubectl.fails(
        "replace -f settings.yaml",
        "Error from server (Conflict): error when replacing \"settings.yaml\": Operation cannot be fulfilled on configmaps \"settings\": the object has been modified; please apply your changes to the latest version and try again",
    )?;
    kubectl.prints("get configmap settings -o jsonpath={.data.colour}", "red")?;
    kubectl
        .ok("replace --force -f settings.yaml")?
        .says("configmap/settings replaced")?;
    kubectl.prints("get configmap settings -o jsonpath={.data.colour}", "green")?;
    kubectl.ok("delete configmap settings")?;
    kubectl.fails(
        "replace -f settings.yaml",
        "Error from server (NotFound): error when replacing \"settings.yaml\": configmaps \"settings\" not found",
    )
}

fn namespaces(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.write("all.yaml", ALL)?;
    kubectl.ok("apply -f all.yaml")?;
    kubectl.prints("delete namespace shop", "namespace \"shop\" deleted")?;
    kubectl.fails(
        "get namespace shop",
        "Error from server (NotFound): namespaces \"shop\" not found",
    )?;
    for kind in [
        "configmaps",
        "secrets",
        "services",
        "serviceaccounts",
        "deployments",
        "pods",
        "roles",
        "rolebindings",
    ] {
        kubectl.prints(&format!("get {kind} -n shop -o name"), "")?;
    }
    // What belongs to no namespace stays, and a new one starts empty.
    kubectl.ok("get node/worker clusterrole/nodes clusterrolebinding/nodes")?;
    kubectl.ok("create namespace shop")?;
    kubectl.prints(
        "get configmaps,serviceaccounts,pods -n shop -o name",
        "configmap/kube-root-ca.crt\nserviceaccount/default",
    )
}

const API_VERSIONS: [&str; 23] = [
    "admissionregistration.k8s.io/v1",
    "apiextensions.k8s.io/v1",
    "apiregistration.k8s.io/v1",
    "apps/v1",
    "authentication.k8s.io/v1",
    "authorization.k8s.io/v1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "certificates.k8s.io/v1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "events.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1",
    "networking.k8s.io/v1",
    "node.k8s.io/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
    "resource.k8s.io/v1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1",
    "storagemigration.k8s.io/v1",
    "v1",
];

fn discovers(kubectl: &Kubectl) -> Result<(), Stop> {
    let resources = kubectl.ok("api-resources --no-headers")?;
    let lines: Vec<String> = resources
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for expected in [
        "configmaps cm v1 true ConfigMap",
        "namespaces ns v1 false Namespace",
        "nodes no v1 false Node",
        "pods po v1 true Pod",
        "secrets v1 true Secret",
        "serviceaccounts sa v1 true ServiceAccount",
        "services svc v1 true Service",
        "endpoints ep v1 true Endpoints",
        "horizontalpodautoscalers hpa autoscaling/v2 true HorizontalPodAutoscaler",
        "jobs batch/v1 true Job",
        "deployments deploy apps/v1 true Deployment",
        "selfsubjectreviews authentication.k8s.io/v1 false SelfSubjectReview",
        "localsubjectaccessreviews authorization.k8s.io/v1 true LocalSubjectAccessReview",
        "clusterrolebindings rbac.authorization.k8s.io/v1 false ClusterRoleBinding",
        "clusterroles rbac.authorization.k8s.io/v1 false ClusterRole",
        "rolebindings rbac.authorization.k8s.io/v1 true RoleBinding",
        "roles rbac.authorization.k8s.io/v1 true Role",
    ] {
        check(lines.iter().any(|line| line == expected), || {
            format!("{expected:?} is not in: {resources}")
        })?;
    }
    check(lines.len() == 71, || resources.to_string())?;
    kubectl.prints("api-versions", &API_VERSIONS.join("\n"))?;
    // Of what is stored nowhere, too, kubectl knows the group to ask about.
    kubectl.ok("create role of-jobs --verb=list,watch --resource=jobs")?;
    kubectl.ok("create rolebinding of-jobs --role=of-jobs --user=bob")?;
    for (question, expected) in [
        ("list jobs", true),
        ("watch jobs.batch", true),
        ("create jobs", false),
        ("list cronjobs", false),
        ("get pods --subresource=log", false),
    ] {
        kubectl.can_i(&format!("{question} --as=bob"), expected)?;
    }
    let jobs = kubectl.ok("get jobs --as=bob -o name")?;
    check(jobs.stdout.is_empty(), || jobs.to_string())?;
    kubectl.fails(
        "get cronjobs --as=bob",
        "Error from server (Forbidden): cronjobs.batch is forbidden: User \"bob\" cannot list resource \"cronjobs\" in API group \"batch\" in the namespace \"default\"",
    )?;
    kubectl.ok("version")?.says("Server Version: v1.37.")?;
    for (path, said) in [
        ("pod.spec.containers", "FIELD: containers <[]Container>"),
        (
            "deployment.spec.template.spec.containers.image",
            "FIELD: image <string>",
        ),
        ("clusterrolebinding.subjects", "FIELD: subjects <[]Subject>"),
        ("configmap", "KIND:       ConfigMap"),
        ("job.spec.completions", "FIELD: completions <integer>"),
        ("pod.spec.dnsPolicy", "ENUM:"),
    ] {
        kubectl.ok(&format!("explain {path}"))?.says(said)?;
    }
    kubectl.fails(
        "explain pod.spec.containers.imgae",
        "error: field \"imgae\" does not exist",
    )?;
    for path in ["/healthz", "/livez", "/readyz"] {
        kubectl.prints(&format!("get --raw {path}"), "ok")?;
    }
    kubectl
        .ok("get --raw /readyz?verbose")?
        .says("readyz check passed")?;
    kubectl
        .ok("cluster-info")?
        .says("Kubernetes control plane")
        .map(drop)
}

fn administrator(kubectl: &Kubectl) -> Result<(), Stop> {
    let me = kubectl.ok("auth whoami -o json")?.json()?;
    let info = &me["status"]["userInfo"];
    check(
        info["username"] == "kubernetes-admin"
            && info["groups"] == serde_json::json!(["system:masters", "system:authenticated"]),
        || me.to_string(),
    )?;
    for question in [
        "get pods",
        "* *",
        "get pods -A",
        "escalate clusterroles.rbac.authorization.k8s.io",
        "get /metrics",
        "impersonate users",
        "get pods --subresource=log",
    ] {
        kubectl.can_i(question, true)?;
    }
    let list = kubectl.ok("auth can-i --list")?;
    let lines: Vec<String> = list
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    check(
        lines[..3]
            == [
                "Resources Non-Resource URLs Resource Names Verbs",
                "*.* [] [] [*]",
                "[*] [] [*]",
            ],
        || list.to_string(),
    )
}

fn can_i(kubectl: &Kubectl) -> Result<(), Stop> {
    for line in [
        "create namespace team",
        "create role reader -n team --verb=get,list,watch --resource=pods",
        "create role one -n team --verb=get --resource=configmaps --resource-name=settings",
        "create rolebinding readers -n team --role=reader --user=alice --group=devs",
        "create rolebinding one -n team --role=one --serviceaccount=team:robot",
        "create clusterrole scaler --verb=update --resource=deployments/scale",
        "create clusterrolebinding scalers --clusterrole=scaler --group=ops",
        "create rolebinding viewers -n team --clusterrole=view --user=carol",
    ] {
        kubectl.ok(line)?;
    }
    let robot = "--as=system:serviceaccount:team:robot";
    for (question, expected) in [
        ("get pods -n team --as=alice", true),
        ("list pods -n team --as=alice", true),
        ("delete pods -n team --as=alice", false),
        ("get pods/one -n team --as=alice", true),
        ("get pods --subresource=log -n team --as=alice", false),
        ("get pods --as=alice", false),
        ("get pods -A --as=alice", false),
        ("get secrets -n team --as=alice", false),
        ("get nodes --as=alice", false),
        ("get pods -n team --as=bob", false),
        ("get pods -n team --as=bob --as-group=devs", true),
        ("get pods -n team --as=bob --as-group=Devs", false),
        ("* * -n team --as=alice", false),
        (
            "update deployments --subresource=scale --as=x --as-group=ops",
            true,
        ),
        ("update deployments --as=x --as-group=ops", false),
        ("get pods -n team --as=carol", true),
        ("get secrets -n team --as=carol", false),
        ("get pods --as=carol", false),
        ("get configmaps/settings -n team ROBOT", true),
        ("get configmaps/other -n team ROBOT", false),
        ("get configmaps -n team ROBOT", false),
        ("get /healthz --as=bob", true),
        ("get /metrics --as=bob", false),
        (
            "create selfsubjectaccessreviews.authorization.k8s.io --as=bob",
            true,
        ),
        ("* * --as=root --as-group=system:masters", true),
        ("get foos --as=bob", false),
    ] {
        kubectl.can_i(&question.replace("ROBOT", robot), expected)?;
    }
    let list = kubectl.ok("auth can-i --list -n team --as=alice")?;
    let squeezed: Vec<String> = list
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    check(
        squeezed
            .iter()
            .any(|line| line == "pods [] [] [get list watch]")
            && !list.stdout.contains("*.*"),
        || list.to_string(),
    )?;
    kubectl
        .ok("auth can-i --list -n team --as=system:serviceaccount:team:robot")?
        .says("[settings]")?;
    let who = kubectl
        .ok("auth whoami -o json --as=alice --as-group=devs --as-uid=17")?
        .json()?;
    check(
        who["status"]["userInfo"]
            == serde_json::json!({"username": "alice", "uid": "17", "groups": ["devs", "system:authenticated"]}),
        || who.to_string(),
    )
}

fn forbidden(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.ok("create configmap settings")?;
    for (line, text) in [
        (
            "get pods",
            "pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"",
        ),
        (
            "get pods -A",
            "pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" at the cluster scope",
        ),
        (
            "get nodes",
            "nodes is forbidden: User \"bob\" cannot list resource \"nodes\" in API group \"\" at the cluster scope",
        ),
        (
            "get configmap settings",
            "configmaps \"settings\" is forbidden: User \"bob\" cannot get resource \"configmaps\" in API group \"\" in the namespace \"default\"",
        ),
        (
            "get namespace kube-system",
            "namespaces \"kube-system\" is forbidden: User \"bob\" cannot get resource \"namespaces\" in API group \"\" in the namespace \"kube-system\"",
        ),
        (
            "create namespace n",
            "namespaces is forbidden: User \"bob\" cannot create resource \"namespaces\" in API group \"\" at the cluster scope",
        ),
        (
            "delete deployment web",
            "deployments.apps \"web\" is forbidden: User \"bob\" cannot delete resource \"deployments\" in API group \"apps\" in the namespace \"default\"",
        ),
        (
            "delete clusterrolebinding cluster-admin",
            "clusterrolebindings.rbac.authorization.k8s.io \"cluster-admin\" is forbidden: User \"bob\" cannot delete resource \"clusterrolebindings\" in API group \"rbac.authorization.k8s.io\" at the cluster scope",
        ),
        (
            "get --raw /metrics",
            "forbidden: User \"bob\" cannot get path \"/metrics\"",
        ),
    ] {
        kubectl.fails(
            &format!("{line} --as=bob"),
            &format!("Error from server (Forbidden): {text}"),
        )?;
    }
    kubectl.fails(
        "create configmap c --as=bob",
        "error: failed to create configmap: configmaps is forbidden: User \"bob\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"default\"",
    )?;
    // The audit log has the administrator and whom they played.
    let audit = std::fs::read_to_string(kubectl.up.dir().join("audit.log"))
        .map_err(|error| error.to_string())?;
    let denied = audit
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|event| {
            event["verb"] == "list"
                && event["objectRef"]["resource"] == "nodes"
                && event["impersonatedUser"]["username"] == "bob"
        })
        .ok_or_else(|| "no event for bob and nodes".to_owned())?;
    check(
        denied["user"]["username"] == "kubernetes-admin"
            && denied["responseStatus"]["code"] == 403
            && denied["annotations"]["authorization.k8s.io/decision"] == "forbid",
        || denied.to_string(),
    )
}

fn escalation(kubectl: &Kubectl) -> Result<(), Stop> {
    for line in [
        "create namespace team",
        "create clusterrole maker --verb=get,create,update,patch --resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io",
        "create role reader -n team --verb=get --resource=pods",
        "create rolebinding makers -n team --clusterrole=maker --user=alice",
        "create rolebinding readers -n team --role=reader --user=alice",
    ] {
        kubectl.ok(line)?;
    }
    kubectl.fails(
        "create role more -n team --verb=get --resource=secrets --as=alice",
        "Error from server (Forbidden): roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"alice\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}",
    )?;
    kubectl.fails(
        "create rolebinding all -n team --clusterrole=cluster-admin --user=alice --as=alice --as-group=g",
        "error: failed to create rolebinding: rolebindings.rbac.authorization.k8s.io \"all\" is forbidden: user \"alice\" (groups=[\"g\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}\n{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}",
    )?;
    kubectl
        .run(r#"patch role reader -n team --as=alice --type=json -p [{"op":"add","path":"/rules/0/verbs/-","value":"delete"}]"#)?
        .refused()?
        .says("is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}")?;
    kubectl.prints(
        "create role less -n team --verb=get --resource=pods --as=alice",
        "role.rbac.authorization.k8s.io/less created",
    )?;
    kubectl.prints(
        "create rolebinding less -n team --role=less --user=bob --as=alice",
        "rolebinding.rbac.authorization.k8s.io/less created",
    )?;
    // `bind` is the right to hand on what one has not.
    kubectl.ok("create clusterrole binder --verb=bind --resource=clusterroles.rbac.authorization.k8s.io --resource-name=view")?;
    kubectl.ok("create rolebinding binders -n team --clusterrole=binder --user=alice")?;
    kubectl.ok("create rolebinding viewers -n team --clusterrole=view --user=bob --as=alice")?;
    kubectl.can_i("get services -n team --as=bob", true)
}

const BINDING: &str = r#"apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: NAME}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}]
"#;

fn role_ref(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.write("binding.yaml", &BINDING.replace("NAME", "one"))?;
    kubectl.ok("apply -f binding.yaml")?;
    kubectl.write("binding.yaml", &BINDING.replace("NAME", "two"))?;
    for command in ["apply", "replace"] {
        kubectl.fails(
            &format!("{command} -f binding.yaml"),
            "The RoleBinding \"readers\" is invalid: roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\"Name\":\"two\"}: field is immutable",
        )?;
    }
    kubectl.prints("get rolebinding readers -o jsonpath={.roleRef.name}", "one")
}

fn reconciles(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.write("binding.yaml", &BINDING.replace("NAME", "one"))?;
    kubectl.ok("apply -f binding.yaml")?;
    kubectl.ok("create role one --verb=get --resource=pods")?;
    kubectl.write(
        "want.yaml",
        &format!(
            "{}---\n{}---\n{}",
            BINDING.replace("NAME", "two"),
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: one, namespace: default}\nrules: [{apiGroups: [\"\"], resources: [secrets], verbs: [get]}]\n",
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: fresh}\nrules: [{apiGroups: [\"\"], resources: [nodes], verbs: [get]}]\n",
        ),
    )?;
    kubectl
        .ok("auth reconcile -f want.yaml")?
        .says("rolebinding.rbac.authorization.k8s.io/readers reconciled")?
        .says("reconciliation required recreate")?
        .says("role.rbac.authorization.k8s.io/one reconciled")?
        .says("reconciliation required update")?
        .says("clusterrole.rbac.authorization.k8s.io/fresh reconciled")?
        .says("reconciliation required create")?;
    kubectl.prints("get rolebinding readers -o jsonpath={.roleRef.name}", "two")?;
    kubectl.prints(
        "get role one -o jsonpath={.rules[*].resources}",
        "[\"pods\"] [\"secrets\"]",
    )?;
    kubectl.prints(
        "auth reconcile -f want.yaml",
        "rolebinding.rbac.authorization.k8s.io/readers reconciled\nrole.rbac.authorization.k8s.io/one reconciled\nclusterrole.rbac.authorization.k8s.io/fresh reconciled",
    )?;
    kubectl.ok("auth reconcile -f want.yaml --remove-extra-permissions")?;
    kubectl.prints(
        "get role one -o jsonpath={.rules[*].resources}",
        "[\"secrets\"]",
    )
}

/// kubectl asks for a name and a password where it has no credentials at all.
/// A cluster without basic authentication does not look at these.
fn anonymous(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.ok("config set-credentials nobody --username=nobody --password=none")?;
    // Who may not discover cannot even ask for pods; kubectl drops the reason.
    kubectl
        .run("get pods --user=nobody")?
        .refused()?
        .says("Error from server (Forbidden): unknown")?;
    // Now it keeps what it discovers.
    kubectl.ok("get pods")?;
    for path in ["/healthz", "/livez", "/readyz"] {
        kubectl.prints(&format!("get --raw {path} --user=nobody"), "ok")?;
    }
    kubectl
        .ok("version --user=nobody")?
        .says("Server Version: v1.37.")?;
    for (line, text) in [
        (
            "get pods",
            "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"",
        ),
        (
            "get --raw /api",
            "forbidden: User \"system:anonymous\" cannot get path \"/api\"",
        ),
        (
            "auth can-i get pods",
            "selfsubjectaccessreviews.authorization.k8s.io is forbidden: User \"system:anonymous\" cannot create resource \"selfsubjectaccessreviews\" in API group \"authorization.k8s.io\" at the cluster scope",
        ),
    ] {
        kubectl.fails(
            &format!("{line} --user=nobody"),
            &format!("Error from server (Forbidden): {text}"),
        )?;
    }
    kubectl.fails(
        "auth whoami --user=nobody",
        "error: the selfsubjectreviews API is not enabled in the cluster or you do not have permission to call it",
    )
}

fn junk(kubectl: &Kubectl) -> Result<(), Stop> {
    const TEXT: &str = "error: You must be logged in to the server (Unauthorized)";
    kubectl.ok("config set-credentials junk --token=junk")?;
    kubectl
        .run("get pods --user=junk")?
        .refused()?
        .says("error: You must be logged in to the server (the server has asked for the client to provide credentials)")?;
    // Now it keeps what it discovers.
    kubectl.ok("get pods")?;
    kubectl.ok("config set-credentials jwt --token=eyJhbGciOiJub25lIn0.e30.")?;
    for user in ["junk", "jwt"] {
        for line in [
            "auth whoami",
            "get pods",
            "get --raw /healthz",
            "get --raw /nope",
            "auth can-i get pods",
        ] {
            kubectl.fails(&format!("{line} --user={user}"), TEXT)?;
        }
    }
    let refused = kubectl
        .up
        .kubectl_as(kubectl.version, "junk", &["get", "namespaces"])?
        .refused()?;
    check(refused.stderr.contains(TEXT), || refused.to_string())
}

/// The client's own refresh of its token, by Kubernetes' cases of OIDC: wrong client
/// ID and client has wrong CA, which there are the same with flags and with a file:
/// TestOIDC/wrong client ID, TestStructuredAuthenticationConfig/wrong client ID,
/// TestOIDC/client has wrong CA, TestStructuredAuthenticationConfig/client has wrong CA.
fn refreshing(kubectl: &Kubectl) -> Result<(), Stop> {
    let (pool, client) = tutorial::made(&kubectl.up)?;
    let issuer = format!("{}/{pool}", kubectl.up.ready().issuer_base);
    leaf(kubectl)?;
    let own = kubectl.up.ready().paths.ca.display().to_string();
    let asked = || {
        let log = std::fs::read_to_string(kubectl.up.dir().join("audit.log"));
        let log = log.map_err(|error| error.to_string())?;
        let by_kubectl = |line: &&str| line.contains("\"userAgent\":\"kubectl");
        Ok::<_, Stop>(log.lines().filter(by_kubectl).count())
    };
    let before = asked()?;
    for (client, ca, said) in [
        (
            "nobody",
            own.as_str(),
            "failed to refresh token: oauth2: \"invalid_client\"",
        ),
        (
            &client,
            "leaf.crt",
            "x509: certificate signed by unknown authority",
        ),
    ] {
        kubectl.ok(&format!(
            "config set-credentials refreshing --auth-provider=oidc --auth-provider-arg=idp-issuer-url={issuer} --auth-provider-arg=client-id={client} --auth-provider-arg=refresh-token=stale --auth-provider-arg=idp-certificate-authority={ca}"
        ))?;
        kubectl
            .run("get pods --user=refreshing")?
            .refused()?
            .says(said)?;
    }
    check(asked()? == before, || "the server was asked".to_owned())?;
    kubectl.ok("get pods")?;
    check(asked()? > before, || {
        "that is not how it is known".to_owned()
    })?;
    tutorial::without_pool(&kubectl.up, &pool)
}

fn cluster_ca(kubectl: &Kubectl) -> Result<(), Stop> {
    kubectl.ok("create namespace team-a")?;
    let config = kubectl.ok("config view --raw --output=json")?.json()?;
    let encoded = &config["clusters"][0]["cluster"]["certificate-authority-data"];
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded.as_str().unwrap_or_default())
        .map_err(|error| error.to_string())?;
    check(!decoded.is_empty(), || config.to_string())?;
    for namespace in ["default", "team-a"] {
        let line = format!("get configmap kube-root-ca.crt --namespace {namespace} --output=json");
        // The controller takes a moment.
        eventually("the namespace's CA", || {
            Ok(kubectl.run(&line)?.code == Some(0))
        })?;
        let map = kubectl.ok(&line)?.json()?;
        check(
            map["data"]["ca.crt"].as_str().map(str::as_bytes) == Some(&decoded),
            || map.to_string(),
        )?;
    }
    Ok(())
}

fn certificates(kubectl: &Kubectl) -> Result<(), Stop> {
    let me = kubectl.ok("auth whoami")?.stdout;
    let squeezed = me.split_whitespace().collect::<Vec<_>>().join(" ");
    check(
        squeezed.starts_with("ATTRIBUTE VALUE Username kubernetes-admin Groups [system:masters system:authenticated] Extra: authentication.kubernetes.io/credential-id [X509SHA256="),
        || me,
    )?;
    // Somebody else's authority makes nobody a master.
    leaf(kubectl)?;
    kubectl
        .ok("config set-credentials mallory --client-certificate=leaf.crt --client-key=leaf.key")?;
    let refused = kubectl.run("get namespaces --user=mallory")?.refused()?;
    check(refused.stdout.is_empty(), || refused.to_string())
}
