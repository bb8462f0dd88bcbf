//! Every command of the README, as it stands there.

use std::process::Command;

use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{Ran, Turn, Up, check, path_with, program, ran};

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case("readme::the_tutorial", tutorial),
        case("readme::the_words_of_a_running_instance", words),
        case("readme::the_browser", browser),
        case("readme::the_attack", attack),
        case("readme::the_scenarios", scenarios),
        case("readme::on_a_real_control_plane", control_plane),
        case("readme::on_kind", on_kind),
        case("readme::on_clusters_that_exist", existing),
        case("readme::without_a_server", offline),
        case("readme::the_two_commands_stand_there", two_commands),
        case("readme::cargo_install_puts_it_on_the_path", install),
    ]
}

fn text() -> Result<String, Stop> {
    std::fs::read_to_string(programs::root().join("README.md"))
        .map_err(|error| Stop::Fail(error.to_string()))
}

/// The block under `<!-- commands: NAME -->`.
pub fn block(name: &str) -> Result<String, Stop> {
    let text = text()?;
    text.split_once(&format!("<!-- commands: {name} -->\n```sh\n"))
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(block, _)| block.to_owned())
        .ok_or_else(|| Stop::Fail(format!("the README has no block of commands called {name}")))
}

/// Runs a block under an instance, with the just built `rolecall` and the
/// pinned kubectl first on the PATH.
fn under(up: &Up, block: &str) -> Result<Ran, Stop> {
    let first = [
        programs::rolecall(),
        programs::kubectl("v1.37")?,
        programs::aws()?,
    ];
    let mut command = Command::new(programs::rolecall());
    command
        .args(["run", "--dir"])
        .arg(up.dir())
        .args(["--", "/bin/sh", "-eu", "-c", block])
        .env("PATH", path_with(&first)?)
        .env("HOME", up.scratch())
        .env("ROLECALL_DIR", up.dir())
        .current_dir(programs::root());
    ran(command)
}

fn tutorial() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let text = under(&up, &block("tutorial")?)?.ok()?.stdout;
    for needle in ["test@kubedemy.io", "oidc:admins", "*.*"] {
        check(text.contains(needle), || {
            format!("{needle} is not in: {text}")
        })?;
    }
    Ok(())
}

fn words() -> Result<(), Stop> {
    let mut up = Up::start(&[])?;
    // Doctor finds nothing wrong, as nothing is after the tutorial.
    let both = format!("{}{}", block("tutorial")?, block("words")?);
    under(&up, &both)?.ok()?.says("stopped")?;
    check(up.wait()? == Some(0), || "it did not end well".to_owned())
}

fn attack() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let both = format!("{}{}", block("tutorial")?, block("attack")?);
    let text = under(&up, &both)?.ok()?.stdout;
    check(text.matches("0 broken, 0 LET IN").count() == 3, || {
        text.clone()
    })
}

/// A browser that says what it was given, in both of the ways named.
fn browser() -> Result<(), Stop> {
    let text = text()?;
    let mut up = Up::start(&[])?;
    let note = up.scratch().join("shown");
    let fake = up.scratch().join("browser");
    let script = format!("for last; do :; done\necho \"$last\" >'{}'", note.display());
    program(&fake, &script)?;
    for (named, command) in [
        (
            "`rolecall browse`",
            "rolecall browse http://localhost:8000".to_owned(),
        ),
        (
            "`.rolecall/browse`",
            format!("{}/browse http://localhost:18000", up.dir().display()),
        ),
    ] {
        check(text.contains(named), || {
            format!("the README does not say {named}")
        })?;
        let env = format!("export DISPLAY=:0 CHROME='{}'; ", fake.display());
        under(&up, &format!("{env}{command}"))?.ok()?;
        let shown = std::fs::read_to_string(&note).map_err(|error| error.to_string())?;
        check(command.ends_with(shown.trim()), || {
            format!("{command} shows {shown}")
        })?;
    }
    up.signal("TERM").map(drop)
}

fn scenarios() -> Result<(), Stop> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let report = folder.path().join("report.xml").display().to_string();
    for line in block("scenarios")?.lines() {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        check(!words.is_empty() && words.remove(0) == "rolecall", || {
            format!("what is {line}?")
        })?;
        // The one change: the report goes where tests may write.
        let line = words.join(" ").replace("report.xml", &report);
        let words: Vec<&str> = line.split_whitespace().collect();
        crate::rig::rolecall(&words)?.ok()?.says("0 failed")?;
    }
    check(std::path::Path::new(&report).exists(), || {
        "there is no report".to_owned()
    })
}

fn control_plane() -> Result<(), Stop> {
    let assets = programs::control_plane("v1.37")?;
    for line in block("control-plane")?.lines() {
        let words = line.split('#').next().unwrap_or_default();
        let mut words = words.split_whitespace();
        check(words.next() == Some("rolecall"), || {
            format!("what is {line}?")
        })?;
        let mut command = Command::new(programs::rolecall());
        command
            .args(words)
            .current_dir(programs::root())
            .env("KUBEBUILDER_ASSETS", &assets);
        let said = match line {
            line if line.contains("assets") => "v1.37.2",
            line if line.contains("skipped") => "does not follow our clock",
            _ => "4 passed, 0 failed",
        };
        ran(command)?.ok()?.says(said)?;
    }
    Ok(())
}

/// What is made by hand beside an instance is in `kind::by_hand…`.
fn on_kind() -> Result<(), Stop> {
    let path = path_with(&[programs::rolecall(), programs::kind()?])?;
    let _turn = Turn::of_a_node();
    // What other cases leave for a moment is not this one's.
    let cache = tempfile::tempdir().map_err(|error| error.to_string())?;
    for line in block("kind")?.lines() {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-euc", line])
            .env("PATH", &path)
            .env("XDG_CACHE_HOME", cache.path())
            .current_dir(programs::root());
        let run = ran(command)?.ok()?;
        if line.contains("rolecall test") {
            // Side by side, and nothing differs.
            run.says("2 passed, 0 failed")?;
        } else {
            check(!run.stdout.contains("removed"), || run.to_string())?;
        }
    }
    // What `kind::by_hand…` and the container of tests/clients do, word for word.
    let by_hand = block("kind-by-hand")?;
    let by_hand = by_hand.lines().map(|line| match line.split_once('#') {
        Some((command, _)) => command.trim(),
        None => line,
    });
    let by_hand: Vec<&str> = by_hand.collect();
    check(
        by_hand
            == [
                "rolecall up --for-kind",
                "kind create cluster --config kind-config.yaml",
            ],
        || format!("{by_hand:?}"),
    )
}

/// An instance's cluster stands for one of somebody else's.
fn existing() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let text = under(&up, &block("existing")?)?.ok()?.stdout;
    for needle in [
        "0 passed, 0 failed, 1 skipped",
        "1 passed, 0 failed",
        "identities by impersonation, as \"kubernetes-admin\" of context \"kubedemy\"",
        "nothing is left of an earlier run",
    ] {
        check(text.contains(needle), || {
            format!("{needle} is not in: {text}")
        })?;
    }
    Ok(())
}

fn offline() -> Result<(), Stop> {
    let up = Up::start(&[])?;
    let token = crate::offline::files(&up)?;
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-euc", &block("offline")?])
        .env("PATH", path_with(&[programs::rolecall()])?)
        .env("TOKEN", token)
        .current_dir(up.scratch());
    let told = ran(shell)?
        .ok()?
        .says("trusts 1 issuer")?
        .says("groups    oidc:admins, system:authenticated")?;
    check(told.stdout.matches("yes ").count() == 2, || {
        told.to_string()
    })
}

/// Into a folder of the test's own, out of what is built already.
fn install() -> Result<(), Stop> {
    let command = "cargo install --path harness/cli";
    check(text()?.contains(command), || {
        format!("the README does not say {command}")
    })?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(command.split(' ').skip(1))
        .args(["--locked", "--offline", "--root"])
        .arg(folder.path())
        .arg("--target-dir")
        .arg(programs::root().join("target"))
        .current_dir(programs::root());
    ran(cargo)?.ok()?;
    let mut installed = Command::new(folder.path().join("bin/rolecall"));
    installed.arg("--version");
    let (installed, built) = (ran(installed)?.ok()?, crate::rig::rolecall(&["--version"])?);
    check(installed.stdout == built.stdout, || installed.to_string())
}

/// `cargo test` itself runs the second; the first and the two commands to
/// start with are run here without cargo around them, the others by
/// `tutorial_unedited` and `kubelogin`.
fn two_commands() -> Result<(), Stop> {
    let text = text()?;
    for command in [
        "cargo run --release -- demo",
        "cargo test --release --workspace",
        "cargo run --release -- up",
        "cargo run --release -- up --aws-hosts",
        "rolecall kubeconfig --login kubelogin",
    ] {
        check(text.contains(command), || {
            format!("the README does not say {command}")
        })?;
    }
    crate::rig::rolecall(&["demo"])?.ok()?;
    let up = Up::start(&[])?;
    let script = format!(
        "cd {} && eval \"$({} env)\" && test \"$AWS_ENDPOINT_URL\" = {}",
        up.scratch().display(),
        programs::rolecall().display(),
        up.ready().origin
    );
    let mut shell = Command::new("/bin/sh");
    shell.args(["-ec", &script]).env("ROLECALL_DIR", up.dir());
    ran(shell)?.ok().map(drop)
}
