//! What the documents say of the tests, and the README of itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{check, ran, rolecall};

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case("docs::every_test_that_fidelity_names_exists", named),
        case(
            "docs::the_readmes_example_is_a_scenario_that_passes",
            example,
        ),
        case("docs::the_corpora_are_under_ten_megabytes", corpora),
        case("docs::every_block_of_commands_in_the_readme_is_run", blocks),
    ]
}

fn read(path: &str) -> Result<String, Stop> {
    std::fs::read_to_string(programs::root().join(path))
        .map_err(|error| Stop::Fail(format!("{path}: {error}")))
}

/// The last column of each table: scenario files, cases of this program, and
/// functions of the crates' own tests; an ellipsis stands for anything.
fn named() -> Result<(), Stop> {
    let fidelity = read("docs/fidelity.md")?;
    let known = tests()?;
    let mut named = 0;
    for row in fidelity.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        // Of three columns or two, the last one names tests.
        let [_, .., tests] = cells[..] else { continue };
        for name in tests.split('`').skip(1).step_by(2) {
            let there = match name.split_once('…') {
                Some((start, end)) => known
                    .iter()
                    .any(|test| test.starts_with(start) && test.ends_with(end)),
                None if name.ends_with(".yaml") => programs::root().join(name).is_file(),
                None => known.contains(name),
            };
            check(there, || format!("there is no test {name}: {row}"))?;
            named += 1;
        }
    }
    check(named > 220, || format!("only {named} tests are named"))
}

/// The names of all tests: this program's cases, and every function that is
/// marked as a test in the workspace.
fn tests() -> Result<BTreeSet<String>, Stop> {
    let exe = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut list = Command::new(exe);
    list.arg("--list");
    let listed = ran(list)?.ok()?.stdout;
    let mut names: BTreeSet<String> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect();
    let root = programs::root();
    for part in [
        "foundation",
        "mock-idp",
        "kube-authn",
        "kube-rbac",
        "mock-apiserver",
        "harness",
        "tests/clients",
    ] {
        functions(&root.join(part), &mut names)?;
    }
    Ok(names)
}

fn functions(folder: &Path, names: &mut BTreeSet<String>) -> Result<(), Stop> {
    let broken = |error: std::io::Error| Stop::Fail(format!("{}: {error}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        if path.is_dir() {
            functions(&path, names)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).map_err(broken)?;
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                let function = line.strip_prefix("async ").unwrap_or(line);
                if let Some((name, _)) = function
                    .strip_prefix("fn ")
                    .and_then(|rest| rest.split_once('('))
                {
                    if marked {
                        names.insert(name.to_owned());
                    }
                    marked = false;
                }
                marked |= ["#[test]", "#[tokio::test", "#[rstest]"]
                    .iter()
                    .any(|mark| line.starts_with(mark));
            }
        }
    }
    Ok(())
}

/// The reader's `rbac/*.yaml`: what the example says holds where it lets the
/// administrators do everything.
const ADMINS: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: admins }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: Group, name: "oidc:admins" }]
"#;

fn example() -> Result<(), Stop> {
    let readme = read("README.md")?;
    let (_, rest) = readme
        .split_once("```yaml\n")
        .ok_or_else(|| "the README has no example".to_owned())?;
    let (yaml, _) = rest.split_once("```").unwrap_or_default();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("example.yaml");
    let rbac = folder.path().join("rbac");
    std::fs::create_dir(&rbac)
        .and_then(|()| std::fs::write(rbac.join("admins.yaml"), ADMINS))
        .and_then(|()| std::fs::write(&file, yaml))
        .map_err(|error| error.to_string())?;
    rolecall(&["test", "--no-skip", &file.display().to_string()])?
        .ok()?
        .says("1 passed, 0 failed")
        .map(drop)
}

fn corpora() -> Result<(), Stop> {
    let mut bytes = 0;
    for folder in [
        "kube-authn/corpus",
        "kube-rbac/corpus",
        "mock-apiserver/src/registry/corpus",
    ] {
        let files = std::fs::read_dir(programs::root().join(folder));
        for file in files.map_err(|error| format!("{folder}: {error}"))? {
            let file = file.and_then(|file| file.metadata());
            bytes += file.map_err(|error| error.to_string())?.len();
        }
    }
    check((1_000_000..10_000_000).contains(&bytes), || {
        format!("{bytes} bytes")
    })
}

/// The lines that stand alone, and the cases that start what they start
/// without cargo around it.
const LINES: [(&str, &str); 5] = [
    (
        "cargo run --release -- demo",
        "readme::the_two_commands_stand_there",
    ),
    (
        "cargo test --release --workspace",
        "readme::the_two_commands_stand_there",
    ),
    ("cargo run --release -- up", "readme::the_tutorial"),
    (
        "eval \"$(target/release/rolecall env)\"",
        "readme::the_two_commands_stand_there",
    ),
    (
        "cargo run --release -- up --aws-hosts",
        "tutorial_unedited::every_command_as_published_with_kubectl_v1.37",
    ),
];

/// Those with a mark are run as they stand by the cases of `readme` and `kind`.
fn blocks() -> Result<(), Stop> {
    let readme = read("README.md")?;
    let ran = [read("tests/readme.rs")?, read("tests/kind.rs")?].concat();
    let known = tests()?;
    let mut before = "";
    let mut blocks = 0;
    for part in readme.split("```sh\n") {
        if blocks > 0 {
            let (block, _) = part.split_once("```").unwrap_or_default();
            let mark = before
                .trim_end()
                .rsplit_once("<!-- commands: ")
                .and_then(|(_, rest)| rest.strip_suffix(" -->"));
            match mark {
                Some(name) => check(ran.contains(&format!("block(\"{name}\")")), || {
                    format!("nobody runs the block {name}")
                })?,
                None => {
                    for line in block.lines() {
                        let case = LINES.iter().find(|(known, _)| *known == line);
                        check(case.is_some_and(|(_, case)| known.contains(*case)), || {
                            format!("nobody runs {line}")
                        })?;
                    }
                }
            }
        }
        before = part;
        blocks += 1;
    }
    check(blocks >= 6, || format!("only {blocks} blocks"))?;
    // The words that the proxy is to be described in.
    let offline = "What honours the proxy variables is offline";
    check(readme.contains(offline), || {
        format!("the README does not say: {offline}")
    })
}
