//! The test that counts: the tutorial's command lines as they were published,
//! with AWS' own host names and the ids that its author got, run by bash from
//! first to last. What is left out is what downloads and installs kubelogin.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::digest;
use harness::login::browser::{self, Browser, Credentials, Trust};
use harness::login::kubelogin::take_turn;

use crate::ledger::{Case, Missing, Stop, case};
use crate::programs;
use crate::rig::{Ran, Up, block_on, check, path_with, program, ran};

/// The fixture, from the workspace's root.
const FIXTURE: &str = "tests/fixtures/tutorial.sh";

/// As it was published, SHA-256.
const PUBLISHED: &str = "fefa980ad098d2be73a16d5f2e19fb80f66dabc86c6882a540d09e64f41216b6";

/// The fixture, with the lines of its commands on standard error. That is
/// not for the environment to ask: root's bash does not listen to it.
const TRACED: &str = "PS4='+line $LINENO: '; set -x; . \"$0\"";

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = programs::KUBECTLS
        .iter()
        .map(|version| {
            case(format!("{EVERY_COMMAND}_{version}"), move || {
                every_command(version)
            })
        })
        .collect();
    cases.extend([
        case(
            "tutorial_unedited::no_network_no_root_no_hosts_file",
            offline,
        ),
        case("tutorial_unedited::the_fixture_is_as_published", published),
    ]);
    cases
}

const EVERY_COMMAND: &str = "tutorial_unedited::every_command_as_published_with_kubectl";

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

fn published() -> Result<(), Stop> {
    let script = fixture()?;
    let found: String = digest::digest(&digest::SHA256, script.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    check(found == PUBLISHED, || {
        format!("{FIXTURE} is another text now: {found}")
    })
}

fn every_command(kubectl: &str) -> Result<(), Stop> {
    let script = fixture()?;
    let programs = [
        programs::aws()?,
        programs::kubectl(kubectl)?,
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
    // bash ends with the first command that does not end well, so those that
    // it started ended well. The README has their number.
    let (passed, all) = (started(&ran.stderr), commands(&script));
    check(passed == all, || format!("{passed} of {all} ran: {ran}"))?;
    let readme = std::fs::read_to_string(programs::root().join("README.md"))
        .map_err(|error| error.to_string())?;
    let number = format!("{passed} of {all}");
    check(readme.contains(&number), || {
        format!("the README does not say {number}")
    })?;
    // And not a byte of it was changed.
    check(fixture()? == script, || "the fixture changed".to_owned())?;
    let audit = std::fs::read_to_string(up.dir().join("audit.log")).unwrap_or_default();
    check(audit.contains("\"username\":\"test@kubedemy.io\""), || {
        "the audit log does not say who it was".to_owned()
    })
}

/// How many of the script's commands bash says that it started, by their lines.
fn started(trace: &str) -> usize {
    let lines: BTreeSet<&str> = trace
        .lines()
        .filter_map(|line| line.strip_prefix("++line "))
        .filter_map(|rest| rest.split(':').next())
        .collect();
    lines.len()
}

/// How to a namespace that has nothing but loopback, and how on from there as
/// somebody without any capability.
struct Seclusion {
    into: &'static [&'static str],
    on_as: &'static [&'static str],
    /// What a browser has to be told there.
    browser: &'static [&'static str],
}

/// For everybody, where user namespaces may be made: as somebody who is not
/// root. Then for root where they may not, as in a chroot: without the powers.
const SECLUSIONS: [Seclusion; 2] = [
    Seclusion {
        into: &["--map-root-user", "--net", "--"],
        on_as: &[
            "unshare",
            "--user",
            "--map-user=1000",
            "--map-group=1000",
            "--",
        ],
        browser: &[],
    },
    Seclusion {
        into: &["--net", "--"],
        on_as: &[
            "setpriv",
            "--bounding-set=-all",
            "--inh-caps=-all",
            "--ambient-caps=-all",
            "--securebits=+noroot,+noroot_locked",
            "--",
        ],
        browser: &["--no-sandbox"],
    },
];

impl Seclusion {
    /// Whether the machine lets it be, down to the browser's own sandbox.
    fn is_possible(&self, browser: &Path, profile: &Path) -> bool {
        let mut command = Command::new("unshare");
        command
            .args(self.into)
            .args(self.on_as)
            .arg(browser)
            .args(self.browser)
            .args(["--headless", "--disable-gpu", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(["--dump-dom", "about:blank"]);
        ran(command).is_ok_and(|ran| ran.code == Some(0) && ran.stdout.contains("<html>"))
    }
}

/// The same where there is no network, by somebody who may do nothing special.
fn offline() -> Result<(), Stop> {
    let browser = browser::find_browser().map_err(|missing| Missing(missing.to_string()))?;
    let profiles = tempfile::tempdir().map_err(|error| error.to_string())?;
    let possible = SECLUSIONS
        .iter()
        .enumerate()
        .find(|(i, one)| one.is_possible(&browser, &profiles.path().join(i.to_string())));
    let Some((_, seclusion)) = possible else {
        let reason = "no network namespace may be made here".to_owned();
        return Err(Stop::Unable(Missing(reason)));
    };
    let hosts = || std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let before = hosts();
    let inner = programs::root().join("tests/fixtures/offline.sh");
    let exe = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("unshare");
    command
        .args(seclusion.into)
        .arg("/bin/sh")
        .arg(inner)
        .arg(programs::aws()?.with_file_name("python"))
        .arg(exe)
        .arg(format!("{EVERY_COMMAND}_v1.37"))
        .args(seclusion.on_as)
        .env("ROLECALL_REQUIRE", "all")
        .env_remove("ROLECALL_LEDGER");
    ran(command)?
        .ok()?
        .says("no capability, no network")?
        .says("1 passed")?;
    check(before == hosts() && !before.contains("amazon"), || {
        "/etc/hosts was changed, or leads there anyway".to_owned()
    })
}

/// Where the person sits: a program that opens addresses, as desktops have it,
/// and somebody who does what the pages ask.
struct Desk {
    open: PathBuf,
    urls: PathBuf,
}

impl Desk {
    fn new(up: &Up) -> Result<Self, Stop> {
        let bin = up.scratch().join("bin");
        let urls = up.scratch().join("urls");
        let open = bin.join("xdg-open");
        std::fs::create_dir(&bin)
            .and_then(|()| std::fs::write(&urls, ""))
            .map_err(|error| error.to_string())?;
        program(&open, &format!("echo \"$1\" >>'{}'", urls.display()))?;
        Ok(Self { open, urls })
    }

    /// Runs the fixture, and sits in front of the browser meanwhile.
    fn run(&self, up: &Up, programs: &[PathBuf]) -> Result<Ran, Stop> {
        let first = [std::slice::from_ref(&self.open), programs].concat();
        let mut command = Command::new(programs::rolecall());
        command
            .args(["run", "--dir"])
            .arg(up.dir())
            .args(["--", "bash", "-eu", "-o", "pipefail", "-c", TRACED])
            .arg(
                programs::root()
                    .canonicalize()
                    .map_err(|error| error.to_string())?
                    .join(FIXTURE),
            )
            .env("PATH", path_with(&first)?)
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
