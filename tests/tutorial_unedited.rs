//! The test that counts: the tutorial's command lines as they were published,
//! with AWS' own host names and the ids that its author got, run by bash from
//! first to last. What is left out is what downloads and installs kubelogin.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use harness::login::browser::{self, Browser, Credentials, Trust};
use harness::login::kubelogin::take_turn;

use crate::ledger::{Case, Missing, Stop, case};
use crate::programs;
use crate::rig::{Ran, Up, block_on, check};

/// The fixture, from the workspace's root.
const FIXTURE: &str = "tests/fixtures/tutorial.sh";

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "tutorial_unedited::every_command_as_published",
            every_command,
        ),
        case("tutorial_unedited::the_readme_has_the_number", number),
    ]
}

fn fixture() -> Result<String, Stop> {
    let path = programs::root().join(FIXTURE);
    std::fs::read_to_string(&path)
        .map_err(|error| Stop::Fail(format!("{}: {error}", path.display())))
}

/// The commands: lines, and what a backslash joins to them.
fn commands(script: &str) -> usize {
    let continued = |line: &&str| line.ends_with('\\');
    script.lines().count() - script.lines().filter(continued).count()
}

fn number() -> Result<(), Stop> {
    let n = commands(&fixture()?);
    check(n >= 20, || {
        format!("only {n} commands are left of the tutorial")
    })?;
    let readme = std::fs::read_to_string(programs::root().join("README.md"))
        .map_err(|error| error.to_string())?;
    let wanted = format!("{n} of {n}");
    check(readme.contains(&wanted), || {
        format!("the README does not say {wanted}")
    })
}

fn every_command() -> Result<(), Stop> {
    let script = fixture()?;
    let programs = [
        programs::aws()?,
        programs::kubectl("v1.37")?,
        programs::kubelogin()?,
    ];
    let up = Up::start(&[
        "--aws-hosts",
        "--pin",
        "pool=eu-west-2_Tj3uyJm1Q",
        "--pin",
        "client=ganda06c18isdkrj0i8f9g0gj",
        "--pin",
        "cluster-endpoint=CB99422E7A48EA91F00A17D969FB455C",
    ])?;
    let desk = Desk::new(&up)?;
    let _turn = take_turn("127.0.0.1:8000").map_err(|error| error.to_string())?;
    let ran = desk.run(&up, &programs)?.ok()?;
    check(
        ran.stdout.contains("test@kubedemy.io") && ran.stdout.contains("oidc:admins"),
        || ran.to_string(),
    )?;
    // Full permission, as the tutorial's picture shows it.
    let rights = ran
        .stdout
        .lines()
        .any(|line| line.split_whitespace().collect::<Vec<_>>() == ["*.*", "[]", "[]", "[*]"]);
    check(rights, || ran.to_string())?;
    // And not a byte of it was changed.
    check(fixture()? == script, || "the fixture changed".to_owned())?;
    let audit = std::fs::read_to_string(up.dir().join("audit.log")).unwrap_or_default();
    check(audit.contains("\"username\":\"test@kubedemy.io\""), || {
        "the audit log does not say who it was".to_owned()
    })
}

/// Where the person sits: a program that opens addresses, as desktops have it,
/// and somebody who does what the pages ask.
struct Desk {
    bin: PathBuf,
    urls: PathBuf,
}

impl Desk {
    fn new(up: &Up) -> Result<Self, Stop> {
        use std::os::unix::fs::PermissionsExt as _;
        let bin = up.scratch().join("bin");
        let urls = up.scratch().join("urls");
        let open = bin.join("xdg-open");
        let text = format!("#!/bin/sh\necho \"$1\" >> {}\n", urls.display());
        std::fs::create_dir(&bin)
            .and_then(|()| std::fs::write(&open, text))
            .and_then(|()| std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)))
            .and_then(|()| std::fs::write(&urls, ""))
            .map_err(|error| error.to_string())?;
        Ok(Self { bin, urls })
    }

    /// Runs the fixture, and sits in front of the browser meanwhile.
    fn run(&self, up: &Up, programs: &[PathBuf]) -> Result<Ran, Stop> {
        let folders = programs.iter().filter_map(|program| program.parent());
        let old = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(
            std::iter::once(self.bin.clone())
                .chain(folders.map(Path::to_owned))
                .chain(std::env::split_paths(&old)),
        )
        .map_err(|error| error.to_string())?;
        let mut command = Command::new(programs::rolecall());
        command
            .args(["run", "--dir"])
            .arg(up.dir())
            .args(["--", "bash", "-eu", "-o", "pipefail"])
            .arg(
                programs::root()
                    .canonicalize()
                    .map_err(|error| error.to_string())?
                    .join(FIXTURE),
            )
            .env("PATH", path)
            .env("HOME", up.scratch())
            .current_dir(up.scratch())
            .stdin(Stdio::null());
        let trust = Trust {
            spki: up.ready().edge_spki.clone(),
            proxy: up.ready().proxy.clone(),
        };
        let chromium = browser::find().map_err(|missing| Missing(missing.to_string()))?;
        let browser = block_on(Browser::start(&chromium, &trust))
            .map_err(|broken| Stop::Fail(broken.to_string()))?;
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let person = scope.spawn(|| self.sit(&browser, &over));
            let ran = crate::rig::ran(command);
            over.store(true, Ordering::Relaxed);
            let seen = person
                .join()
                .map_err(|_| "the person panicked".to_owned())?;
            match (ran, seen) {
                (Ok(ran), Err(Stop::Fail(text))) if ran.code != Some(0) => {
                    Err(Stop::Fail(format!("{text}\n{ran}")))
                }
                (ran, Err(stop)) => ran.and(Err(stop)),
                (ran, Ok(())) => ran,
            }
        })
    }

    /// Goes wherever a program asks to, until it is over.
    fn sit(&self, browser: &Browser, over: &AtomicBool) -> Result<(), Stop> {
        let test = Credentials::new("test@kubedemy.io", "H3lloW@rlD", "N3w-H3lloW@rlD");
        let mut gone_to = 0;
        while !over.load(Ordering::Relaxed) {
            let text = std::fs::read_to_string(&self.urls).unwrap_or_default();
            for url in text.lines().skip(gone_to) {
                gone_to += 1;
                // The second time there is a session, and nothing to type.
                let arrival = block_on(browser.sign_in(url, &test))
                    .map_err(|refusal| Stop::Fail(refusal.to_string()))?;
                check(arrival.page.text.contains("Authenticated"), || {
                    arrival.page.text.clone()
                })?;
            }
            crate::rig::pause();
        }
        check(gone_to > 0, || "no program opened a browser".to_owned())
    }
}
