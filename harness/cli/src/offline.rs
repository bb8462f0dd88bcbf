//! `rolecall authn` and `rolecall rbac`: files in, verdicts out.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::Path;

use harness::cluster::Version;
use harness::offline::authn::{self, Judge, Unusable};
use harness::offline::convert;
use harness::offline::rbac::{self, Rights};
use harness::report::{json, terminal};
use harness::scenario::question::Question;

use crate::arguments::{AuthnConvert, AuthnExplain, AuthnValidate, ProfileName, RbacQuestion};
use crate::{Stop, USAGE, output};

/// As a file or a token: standard input.
const STDIN: &str = "-";

/// `rolecall authn explain`.
pub fn explain_tokens(options: AuthnExplain) -> Result<u8, Stop> {
    let from_stdin = [&options.config, &options.jwks].map(|file| file == Path::new(STDIN));
    let tokens = options.token.as_deref().is_none_or(|token| token == STDIN);
    if from_stdin.iter().filter(|is| **is).count() + usize::from(tokens) > 1 {
        return Err(Stop::usage(
            "standard input can be one of --config, --jwks and the tokens",
        ));
    }
    let configuration = text(&options.config)?;
    let keys = bytes(&options.jwks)?;
    let judge = Judge::new(&configuration, &keys, options.kubernetes_version).map_err(|fault| {
        let file = match fault {
            Unusable::Configuration(_) => &options.config,
            Unusable::Keys(_) => &options.jwks,
        };
        Stop::usage(format!("{}: {fault}", file.display()))
    })?;
    let mut refused = false;
    let mut say = |number: usize, token: &str| {
        let judgement = judge.judge(token, options.at);
        refused |= judgement.user.is_none();
        for name in judgement.user.iter().flat_map(authn::of_kubernetes) {
            eprintln!(
                "Warning: {name:?} is a name that Kubernetes has for its own; a prefix keeps it apart"
            );
        }
        output::print(&if options.json {
            format!("{}\n", json::judgement(&judgement))
        } else {
            let told = terminal::judgement(&judgement, output::style());
            match number {
                0 => told,
                _ => format!("{}\n{told}\n", output::bold(&format!("token {number}"))),
            }
        });
        Ok(())
    };
    match options.token.as_deref().filter(|token| *token != STDIN) {
        Some(token) => say(0, token.trim())?,
        None => each_line("a token", say)?,
    }
    Ok(u8::from(refused))
}

/// `rolecall authn validate`.
pub fn validate(options: &AuthnValidate) -> Result<u8, Stop> {
    let file = options.config.display().to_string();
    let found = authn::validate(
        &text(&options.config)?,
        options.profile.into(),
        &options.service_account_issuer,
        options.kubernetes_version,
    );
    let faults = found.as_ref().err().map_or(&[][..], Vec::as_slice);
    output::print(&match &found {
        _ if options.json => format!("{}\n", json::faults(faults)),
        Ok(issuers) => {
            let plural = if *issuers == 1 { "" } else { "s" };
            format!("{file}: an API server starts with it and trusts {issuers} issuer{plural}\n")
        }
        Err(faults) => faults
            .iter()
            .map(|fault| terminal::fault(&file, fault, output::style()))
            .collect(),
    });
    if matches!(options.profile, ProfileName::Eks) {
        eprintln!(
            "Note: EKS takes tokens that are signed with RS256; an API server with this file takes eight algorithms more."
        );
    }
    Ok(u8::from(found.is_err()))
}

/// `rolecall authn convert`. What is lost goes to standard error, so that what
/// is left can be piped on.
pub fn convert(options: &AuthnConvert) -> Result<u8, Stop> {
    let converted = match &options.config {
        None if options.flags.is_empty() => {
            return Err(Stop::usage(
                "name an AuthenticationConfiguration, to become flags; or flags behind --, to become one: rolecall authn convert -- --oidc-issuer-url=…",
            ));
        }
        None => {
            let read = |path: &str| {
                std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
            };
            convert::to_file(&options.flags, read).map_err(Stop::usage)?
        }
        Some(file) => {
            let named = |fault: &str| Stop::usage(format!("{}: {fault}", file.display()));
            let configuration = authn::sound(&text(file)?, Version::default());
            let configuration = configuration.map_err(|faults| named(&faults))?;
            convert::to_flags(&configuration).map_err(|fault| named(&fault))?
        }
    };
    for lost in &converted.lost {
        eprintln!("Warning: {lost}");
    }
    output::print(&converted.text);
    Ok(0)
}

/// `rolecall rbac can`, and with `why` `rolecall rbac explain`.
pub fn rights(options: RbacQuestion, why: bool) -> Result<u8, Stop> {
    let rights = load(&options)?;
    let (mut denied, mut unreadable) = (false, false);
    let mut say = |question: &Question, name: &str, groups: &[String]| {
        let user = rbac::user(name, groups);
        let answer = rights.ask(&user, question);
        denied |= !answer.decision.allowed;
        for warning in &answer.warnings {
            eprintln!("Warning: {warning}");
        }
        output::print(&if options.json {
            format!("{}\n", json::answer(&user, question, &answer, why))
        } else {
            terminal::answer(question, &answer, why, output::style())
        });
    };
    let namespace = match (&options.namespace, options.all_namespaces) {
        (_, true) => "",
        (namespace, false) => namespace.as_deref().unwrap_or("default"),
    };
    match (&options.verb, &options.what) {
        (Some(verb), Some(what)) => {
            let subresource = options.subresource.clone();
            let question = Question::new(verb, what, subresource, namespace.to_owned());
            say(&question, &options.user, &options.group);
        }
        _ => each_line(
            "a question such as \"get secrets -n prod\"",
            |number, line| {
                let read = Line::of(line).and_then(|line| {
                    let within = options.subresource.as_str();
                    let question = Question::parse_within(&line.question, namespace, within)?;
                    Ok((question, line))
                });
                match read {
                    Ok((question, line)) => say(
                        &question,
                        line.user.as_deref().unwrap_or(&options.user),
                        line.groups.as_deref().unwrap_or(&options.group),
                    ),
                    // The others are answered all the same.
                    Err(why) if options.json => {
                        unreadable = true;
                        output::print(&format!("{}\n", json::unreadable(line, &why)));
                    }
                    Err(why) => {
                        unreadable = true;
                        eprintln!("rolecall: question {number}: {why}");
                    }
                }
                Ok(())
            },
        )?,
    }
    Ok(if unreadable { USAGE } else { u8::from(denied) })
}

/// A question of standard input. It may name somebody else, in kubectl's words:
/// `get pods --as jane --as-group dev`.
#[derive(Default)]
struct Line {
    question: String,
    user: Option<String>,
    groups: Option<Vec<String>>,
}

impl Line {
    fn of(text: &str) -> Result<Self, String> {
        let mut line = Self::default();
        let mut question = Vec::new();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (word, None),
            };
            let mut value = || {
                let value = value.or_else(|| words.next()).map(str::to_owned);
                value.ok_or_else(|| format!("{flag} in {text:?} has no value"))
            };
            match flag {
                "--as" => line.user = Some(value()?),
                "--as-group" => line.groups.get_or_insert_default().push(value()?),
                _ => question.push(word),
            }
        }
        if line.user.is_none() && line.groups.is_some() {
            return Err(format!(
                "--as-group in {text:?} is nobody's; name the user with --as"
            ));
        }
        // Whoever is somebody else has none of the first one's groups.
        if line.user.is_some() {
            line.groups.get_or_insert_default();
        }
        line.question = question.join(" ");
        Ok(line)
    }
}

fn load(options: &RbacQuestion) -> Result<Rights, Stop> {
    let mut rights = Rights::new(options.kubernetes_version);
    let mut objects = 0;
    for path in &options.rbac {
        objects += if path == Path::new(STDIN) {
            if options.verb.is_none() {
                return Err(Stop::usage(
                    "standard input has the objects (--rbac -), so name VERB and RESOURCE",
                ));
            }
            rights
                .add(&text(path)?)
                .map_err(|error| Stop::usage(format!("standard input: {error}")))?
        } else {
            rights.add_files(path).map_err(Stop::usage)?
        };
    }
    if objects == 0 {
        eprintln!("Warning: there is no object of rbac.authorization.k8s.io in what --rbac names");
    }
    Ok(rights)
}

/// Every line of standard input that is neither empty nor a remark, numbered
/// from one.
fn each_line(
    what: &str,
    mut take: impl FnMut(usize, &str) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Err(Stop::usage(format!(
            "nothing to judge: give {what}, or pipe some in, one a line"
        )));
    }
    let mut number = 0;
    for line in input.lock().split(b'\n') {
        let line = line.map_err(|error| Stop::usage(format!("standard input: {error}")))?;
        // What is no text is no answerable question and no token, but no
        // reason to leave out the others.
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        number += 1;
        take(number, line)?;
    }
    if number == 0 {
        return Err(Stop::usage(format!(
            "nothing came on standard input: pipe {what} in, one a line"
        )));
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, Stop> {
    String::from_utf8(bytes(path)?)
        .map_err(|error| Stop::usage(format!("{}: it is no text: {error}", path.display())))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    let read = if path == Path::new(STDIN) {
        std::io::stdin().lock().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(path).map(|read| bytes = read)
    };
    read.map_err(|error| Stop::usage(format!("{}: {error}", path.display())))?;
    Ok(bytes)
}
