//! The identity provider on the host and in a container on kind's network: one
//! table of behaviours for both, on one kind cluster that somebody made by hand.
//!
//! The image is built by the project's Dockerfile and run by testcontainers. The
//! base is our node image, since that is what there is without a registry.

#![allow(
    clippy::disallowed_methods,
    reason = "tests wait for other processes by the machine's clock"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testcontainers::core::{BuildImageOptions, Mount};
use testcontainers::runners::{AsyncBuilder as _, AsyncRunner as _};
use testcontainers::{ContainerAsync, GenericBuildableImage, GenericImage, ImageExt as _};

/// What the node and the image are made of.
const NODE: &str = "rolecall/node:v1.37.2";
/// What the image is called.
const IMAGE: &str = "rolecall/rolecall:test";
/// Who the container runs as, and whose the folder is then.
const SOMEBODY: &str = "65534:65534";
/// An API server reads a changed file within a minute, and looks for its issuers
/// every ten seconds.
const RELOAD: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn on_the_host_and_in_a_container() {
    if let Some(reason) = unable() {
        skip(&reason);
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let dir = place.path().join(".rolecall");
    let mut cluster = None;

    let host = OnHost::start(&dir);
    behaves(&dir, place.path(), &mut cluster);
    drop(host);

    let (name, tag) = IMAGE.split_once(':').expect("a tag");
    let _gone = ImageGone;
    let image = GenericBuildableImage::new(name, tag)
        .with_dockerfile(root().join("Dockerfile"))
        .with_file(rolecall(), "rolecall");
    let image = image
        .build_image_with(BuildImageOptions::new().with_build_arg("BASE", NODE))
        .await
        .expect("an image");
    let container = in_container(image, &dir).await;
    until("the container's instance is up", RELOAD, || {
        let ready = dir.join("ready.json");
        std::fs::read_to_string(ready).is_ok_and(|text| text.contains("https://"))
    });
    let address = container
        .get_bridge_ip_address()
        .await
        .expect("an address")
        .to_string();
    let origin = ready(&dir)["origin"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert_eq!(origin, format!("https://{address}:9443"));
    behaves(&dir, place.path(), &mut cluster);

    // Its end is an end like any other: what says that it is up goes first.
    container.stop().await.expect("it stops");
    assert!(!dir.join("ready.json").exists());
    container.rm().await.expect("it goes");
}

/// Removes the image: each run's would be left behind by the next, without a name.
struct ImageGone;

impl Drop for ImageGone {
    fn drop(&mut self) {
        let image = ["image", "rm", "--force", IMAGE];
        let _ = Command::new("docker").args(image).output();
    }
}

/// `rolecall up` on the host; ended when dropped.
struct OnHost(Child);

impl OnHost {
    fn start(dir: &Path) -> Self {
        let child = Command::new(rolecall())
            .args(["up", "--for-kind", "--dir"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("rolecall");
        until("the host's instance is up", RELOAD, || {
            dir.join("ready.json").exists()
        });
        Self(child)
    }
}

impl Drop for OnHost {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &pid]).status();
        let _ = self.0.wait();
    }
}

/// The folder has the same path inside, so that what `ready.json` names is where it
/// says. It is somebody's who is not root, as on the machines of most.
async fn in_container(image: GenericImage, dir: &Path) -> ContainerAsync<GenericImage> {
    let folder = dir.display().to_string();
    let mut given = Command::new("chown");
    given.args(["-R", SOMEBODY, &folder]);
    assert!(given.status().expect("chown").success());
    // As the README has it, but for the folder.
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    let (_, words) = readme
        .split_once("\"$PWD/.rolecall:$PWD/.rolecall\" rolecall ")
        .expect("how the container is run");
    let (words, _) = words.split_once(" \"$PWD").expect("a folder at the end");
    image
        .with_user(SOMEBODY)
        .with_network("kind")
        .with_mount(Mount::bind_mount(&folder, &folder))
        .with_cmd(words.split(' ').chain([folder.as_str()]))
        .start()
        .await
        .expect("a container")
}

/// The table.
fn behaves(dir: &Path, place: &Path, cluster: &mut Option<ByHand>) {
    // Both are found by their files, from the host.
    let status = json_of(&run(
        dir,
        rolecall(),
        &["status", "--json", "--dir", &text(dir)],
    ));
    assert_eq!(status["clusters"][0]["status"], "ACTIVE");
    let pool = aws(dir, &["create-user-pool", "--pool-name", "kubedemy"]);
    let pool = pool["UserPool"]["Id"].as_str().expect("an id").to_owned();
    assert_eq!(pool, "eu-west-2_rolecall1");
    let client = aws(
        dir,
        &[
            "create-user-pool-client",
            "--user-pool-id",
            &pool,
            "--client-name",
            "eks",
            "--explicit-auth-flows",
            "ALLOW_ADMIN_USER_PASSWORD_AUTH",
            "ALLOW_REFRESH_TOKEN_AUTH",
        ],
    );
    let client = client["UserPoolClient"]["ClientId"]
        .as_str()
        .expect("an id");
    assert_eq!(client, "1rolecallclientforkind0000");
    let group = [
        "create-group",
        "--user-pool-id",
        &pool,
        "--group-name",
        "admins",
    ];
    aws(dir, &group);
    for person in ["ada", "bob"] {
        let of = ["--user-pool-id", &pool, "--username", person];
        let email = format!("Name=email,Value={person}@example.com");
        let verified = "Name=email_verified,Value=true";
        let attributes = ["--user-attributes", &email, verified];
        aws(
            dir,
            &[&["admin-create-user"][..], &of, &attributes].concat(),
        );
        let password = ["--password", "Rolecall-1!", "--permanent"];
        aws(
            dir,
            &[&["admin-set-user-password"][..], &of, &password].concat(),
        );
    }
    let of_ada = [
        "--user-pool-id",
        &pool,
        "--username",
        "ada",
        "--group-name",
        "admins",
    ];
    aws(dir, &[&["admin-add-user-to-group"][..], &of_ada].concat());

    // The issuer first, then the cluster; afterwards the cluster reads anew whom
    // it is to trust, which another CA stands behind.
    let cluster = cluster.get_or_insert_with(|| ByHand::create(place));
    let token = |person: &str| {
        let parameters = format!("USERNAME={person},PASSWORD=Rolecall-1!");
        let answer = aws(
            dir,
            &[
                "admin-initiate-auth",
                "--user-pool-id",
                &pool,
                "--client-id",
                client,
                "--auth-flow",
                "ADMIN_USER_PASSWORD_AUTH",
                "--auth-parameters",
                &parameters,
            ],
        );
        let token = answer["AuthenticationResult"]["IdToken"].as_str();
        token.expect("an ID token").to_owned()
    };
    let (ada, bob) = (token("ada"), token("bob"));
    until("ada's token is taken", RELOAD, || {
        cluster
            .as_bearer(&ada, &["auth", "whoami"])
            .status
            .success()
    });
    let whoami = ["auth", "whoami", "-o", "json"];
    let known = json_of(&cluster.as_bearer(&ada, &whoami));
    let user = &known["status"]["userInfo"];
    assert_eq!(user["username"], "ada@example.com");
    assert_eq!(
        user["groups"],
        json!(["oidc:admins", "system:authenticated"])
    );
    let bind = [
        "create",
        "clusterrolebinding",
        "oidc:admins",
        "--clusterrole=view",
        "--group=oidc:admins",
    ];
    cluster.kubectl(&bind);
    let can_i = |token: &str| {
        let answer = cluster.as_bearer(token, &["auth", "can-i", "list", "pods"]);
        String::from_utf8_lossy(&answer.stdout).trim().to_owned()
    };
    until("what was bound is known", RELOAD, || can_i(&ada) == "yes");
    assert_eq!(can_i(&bob), "no");
    // What is not the provider's own work is refused.
    let (head, signature) = ada.rsplit_once('.').expect("a JWT");
    let tampered = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for forged in [tampered.as_str(), "nonsense"] {
        assert!(!cluster.as_bearer(forged, &whoami).status.success());
    }
    cluster.kubectl(&["delete", "clusterrolebinding", "oidc:admins"]);
}

/// A node that kind makes by the repository's file; gone with the value.
struct ByHand {
    folder: tempfile::TempDir,
    name: String,
    server: Value,
}

impl ByHand {
    fn create(place: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut by_hand = Self {
            name: format!("container-{}", std::process::id()),
            server: Value::Null,
            folder,
        };
        by_hand.wrap_docker();
        let config = root().join("kind-config.yaml");
        let mut create = by_hand.kind(&["create", "cluster", "--image", NODE, "--config"]);
        ok(create.arg(config).current_dir(place));
        let view = ["config", "view", "--minify", "--raw", "-o", "json"];
        let view = json_of(&by_hand.kubectl(&view));
        by_hand.server = view["clusters"][0]["cluster"].clone();
        by_hand
    }

    /// Where a capability is gone that `--privileged` asks for, kind asks for all
    /// but that one.
    fn wrap_docker(&self) {
        use std::os::unix::fs::PermissionsExt as _;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bounds = status
            .lines()
            .find_map(|line| line.strip_prefix("CapBnd:\t"));
        let bounds = bounds.and_then(|hex| u64::from_str_radix(hex, 16).ok());
        const SYS_RESOURCE: u64 = 1 << 24;
        if bounds.is_none_or(|bounds| bounds & SYS_RESOURCE != 0) {
            return;
        }
        let docker = ok(Command::new("sh").args(["-c", "command -v docker"]));
        let docker = String::from_utf8_lossy(&docker.stdout).trim().to_owned();
        let script = format!(
            "#!/bin/bash\nall=()\nfor one in \"$@\"; do\n\
             [ \"$one\" = --privileged ] || {{ all+=(\"$one\"); continue; }}\n\
             [ \"$1\" != run ] || all+=(--cap-add=ALL --cap-drop=SYS_RESOURCE \
             --security-opt=systempaths=unconfined --security-opt=seccomp=unconfined \
             \"--device-cgroup-rule=a *:* rwm\" --device=/dev/kmsg --device=/dev/fuse)\n\
             done\nexec {docker} \"${{all[@]}}\"\n"
        );
        let program = self.folder.path().join("docker");
        std::fs::write(&program, script).expect("a script");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, executable).expect("a mode");
    }

    fn kind(&self, arguments: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.folder.path().display());
        let mut command = Command::new(kubernetes("kind", "kind"));
        command
            .args(["--name", &self.name])
            .args(arguments)
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .env("PATH", path);
        command
    }

    /// As the administrator.
    fn kubectl(&self, arguments: &[&str]) -> Output {
        let kubeconfig = self.folder.path().join("kubeconfig");
        ok(Command::new(kubernetes("v1.37", "kubectl"))
            .args(arguments)
            .env("KUBECONFIG", kubeconfig))
    }

    /// As nobody but the bearer of a token.
    fn as_bearer(&self, token: &str, arguments: &[&str]) -> Output {
        let member = |name: &str| self.server[name].as_str().unwrap_or_default();
        let ca = member("certificate-authority-data");
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": member("server"), "certificate-authority-data": ca}}],
            "users": [{"name": "c", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        });
        let file = self.folder.path().join("bearer");
        std::fs::write(&file, kubeconfig.to_string()).expect("a kubeconfig");
        Command::new(kubernetes("v1.37", "kubectl"))
            .args(arguments)
            .env("KUBECONFIG", file)
            .output()
            .expect("kubectl")
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = self.kind(&["delete", "cluster"]).output();
    }
}

// ---- programs ----

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn rolecall() -> PathBuf {
    let given = std::env::var_os("ROLECALL_BIN").map(PathBuf::from);
    given.unwrap_or_else(|| root().join("target/release/rolecall"))
}

fn kubernetes(version: &str, program: &str) -> PathBuf {
    root().join(format!("target/kubernetes/{version}/bin/{program}"))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn ready(dir: &Path) -> Value {
    let text = std::fs::read_to_string(dir.join("ready.json")).expect("ready.json");
    serde_json::from_str(&text).expect("JSON")
}

/// A program under the instance.
fn run(dir: &Path, program: PathBuf, arguments: &[&str]) -> Output {
    ok(Command::new(rolecall())
        .args(["run", "--dir", &text(dir), "--"])
        .arg(program)
        .args(arguments))
}

fn aws(dir: &Path, arguments: &[&str]) -> Value {
    let all = [&["cognito-idp"][..], arguments, &["--output", "json"]].concat();
    let output = run(dir, PathBuf::from("aws"), &all);
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn ok(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().expect("a program");
    assert!(
        output.status.success(),
        "{:?}: {}",
        command.get_program(),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

// ---- where there is no engine ----

/// Why no node can be made here.
fn unable() -> Option<String> {
    if let Ok(reason) = std::env::var("ROLECALL_KIND_UNABLE") {
        return Some(reason);
    }
    let image = ["image", "inspect", "--format={{.Id}}", NODE];
    match Command::new("docker").args(image).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("docker: {error}")),
    }
}

/// Notes it as the other tests do: where .ci/run has an engine it is a failure.
fn skip(reason: &str) {
    assert!(
        std::env::var_os("ROLECALL_KIND_REQUIRED").is_none(),
        "skipped, but there is an engine: {reason}"
    );
    let line = format!(
        "kind::on_the_host_and_in_a_container: no kind cluster can be made here: {reason}\n"
    );
    eprint!("{line}");
    if let Some(path) = std::env::var_os("ROLECALL_LEDGER") {
        use std::io::Write as _;
        let ledger = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path);
        let written = ledger.and_then(|mut ledger| ledger.write_all(line.as_bytes()));
        written.expect("the ledger");
    }
}
