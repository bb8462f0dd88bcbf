//! `rolecall doctor`.

use harness::doctor::{Error, Finding, Given, Level, Mapping, Request, Surroundings, examine};
use harness::report::terminal;
use serde_json::json;

use crate::arguments::Doctor;
use crate::{Stop, input, output};

pub async fn doctor(options: Doctor) -> Result<u8, Stop> {
    let json = options.json;
    let findings = examine(request(options)?)
        .await
        .map_err(|error| match error {
            Error::Usage(text) => Stop::usage(text),
            Error::Rig(text) => Stop::rig(text),
        })?;
    let count = |level| findings.iter().filter(|found| found.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    output::print(&if json {
        let all = json!({"problems": problems, "warnings": warnings, "findings": findings});
        format!("{all}\n")
    } else {
        table(&findings, problems, warnings)
    });
    Ok(u8::from(problems > 0))
}

fn table(findings: &[Finding], problems: usize, warnings: usize) -> String {
    let style = output::style();
    let mut text: String = findings
        .iter()
        .map(|finding| terminal::finding(finding, style))
        .collect();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    text.push_str(&format!(
        "\n{problems} problem{}, {warnings} warning{}\n",
        plural(problems),
        plural(warnings)
    ));
    text
}

fn request(options: Doctor) -> Result<Request, Stop> {
    Ok(Request {
        dir: options.instance.dir,
        given: Given {
            issuer_url: options.issuer_url,
            client_id: options.client_id,
            mapping: Mapping {
                username_claim: options.username_claim,
                username_prefix: options.username_prefix,
                groups_claim: options.groups_claim,
                groups_prefix: options.groups_prefix,
            },
        },
        ca: options.ca,
        token: options.token.map(token).transpose()?.map(Into::into),
        kubeconfig: options.kubeconfig,
        context: options.context,
        cache: options.token_cache_dir,
        surroundings: Surroundings::of(harness::process::environment()),
    })
}

/// `-` is standard input, where a token is in nobody's history.
fn token(given: String) -> Result<String, Stop> {
    if given == "-" {
        input::standard("--token")
    } else {
        Ok(given.trim().to_owned())
    }
}
