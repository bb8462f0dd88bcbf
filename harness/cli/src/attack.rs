//! `rolecall attack`.

use std::path::Path;

use harness::attack::{self, Attempt, Error, Outcome, Person, Report, Request};
use harness::doctor::Surroundings;
use harness::report::{json, terminal};

use crate::arguments::Attack;
use crate::{RIG, Stop, input, output};

pub async fn attack(options: Attack) -> Result<u8, Stop> {
    let (json, verbose) = (options.json, options.verbose);
    let prepared = attack::prepare(request(options)?).await;
    let (target, forger, words) = prepared.map_err(|error| match error {
        Error::Usage(text) => Stop::usage(text),
        Error::Rig(text) => Stop::rig(text),
    })?;
    let style = output::style();
    let detail = if verbose {
        terminal::Detail::Full
    } else {
        terminal::Detail::Brief
    };
    let mut show = |attempt: &Attempt| {
        if !json {
            output::print(&terminal::attempt(attempt, style, detail));
        }
    };
    let report = attack::attack(&target, &forger, &words, &mut show).await;
    let report = report.map_err(Stop::rig)?;
    if report.sent() == 0 {
        let why = report.attempts.iter().flat_map(|attempt| &attempt.left_out);
        let mut why: Vec<&str> = why.map(String::as_str).collect();
        why.sort_unstable();
        why.dedup();
        return Err(Stop::usage(format!("nothing was sent: {}", why.join("; "))));
    }
    output::print(&if json {
        format!("{}\n", json::attack(&report))
    } else {
        terminal::attack(&report, style)
    });
    Ok(exit_code(&report))
}

/// 0 nothing was let in, 1 something was, 3 something was not answered.
fn exit_code(report: &Report) -> u8 {
    if report.count(Outcome::LetIn) > 0 || !report.lured.is_empty() {
        1
    } else if report.count(Outcome::Broken) > 0 {
        RIG
    } else {
        0
    }
}

fn request(options: Attack) -> Result<Request, Stop> {
    let person = match (options.user, options.password, &options.token) {
        (Some(user), Some(password), _) => {
            let password = if password == "-" {
                input::standard("--password")?
            } else {
                password
            };
            Person::LogsIn(user, password.into())
        }
        (_, _, Some(file)) => Person::Token(token("--token", file)?.into()),
        _ => Person::Nobody,
    };
    let access = options.access_token.as_ref();
    Ok(Request {
        dir: options.instance.dir,
        cluster: options.cluster,
        person,
        access: access
            .map(|file| token("--access-token", file).map(Into::into))
            .transpose()?,
        kubeconfig: options.kubeconfig,
        context: options.context,
        ca: options.ca,
        words: options.words,
        surroundings: Surroundings::of(harness::process::environment()),
    })
}

fn token(option: &str, file: &Path) -> Result<String, Stop> {
    let text = if file.as_os_str() == "-" {
        input::standard(option)?
    } else {
        std::fs::read_to_string(file)
            .map_err(|error| Stop::usage(format!("{option} {}: {error}", file.display())))?
    };
    // RFC 7515 section 7.1.
    let text = text.trim();
    if text.split('.').count() != 3 {
        return Err(Stop::usage(format!(
            "{option} {}: it holds no JSON Web Token, which has three parts with dots between them",
            file.display()
        )));
    }
    Ok(text.to_owned())
}
