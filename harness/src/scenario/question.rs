//! Questions as `kubectl auth can-i` takes them: `get secrets -n prod`.

use std::fmt;

use kube_rbac::{Attributes, User};

/// A question about one verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// `get`, `*`, …
    pub verb: String,
    /// On what.
    pub target: Target,
    text: String,
}

/// What a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A resource, named as in discovery.
    Resource {
        /// Plural, singular, short name or kind; `*`.
        resource: String,
        /// Given as `RESOURCE.GROUP`; otherwise discovery tells.
        group: Option<String>,
        /// `--subresource` or the part after the slash of `pods/log`… is a *name*
        /// to kubectl, so it is one here.
        name: String,
        /// `--subresource=log`.
        subresource: String,
        /// `-n`; empty for `-A`; default `default`.
        namespace: String,
    },
    /// A path such as `/metrics`.
    Path(String),
}

impl Question {
    /// Reads a question.
    ///
    /// # Errors
    /// A sentence that says what is wrong, with an example.
    pub fn parse(text: &str) -> Result<Self, String> {
        let question = Self::parse_within(text, "default", "")?;
        Ok(Self {
            text: text.to_owned(),
            ..question
        })
    }

    /// Reads a question that has this namespace (empty: all of them) and
    /// subresource unless it says otherwise.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_within(text: &str, namespace: &str, subresource: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let example =
            "write it as `kubectl auth can-i` takes it, for example \"get secrets -n prod\"";
        let verb = words
            .next()
            .ok_or_else(|| format!("an empty question; {example}"))?;
        let what = words
            .next()
            .ok_or_else(|| format!("{text:?} names no resource; {example}"))?;
        let (mut namespace, mut subresource) = (namespace.to_owned(), subresource.to_owned());
        while let Some(word) = words.next() {
            let (flag, inline) = match word.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (word, None),
            };
            let mut value = || {
                inline
                    .clone()
                    .or_else(|| words.next().map(str::to_owned))
                    .ok_or_else(|| format!("{flag} in {text:?} has no value; {example}"))
            };
            match flag {
                "-n" | "--namespace" => namespace = value()?,
                "-A" | "--all-namespaces" => namespace.clear(),
                "--subresource" => subresource = value()?,
                _ => return Err(format!("{word:?} in {text:?} is not understood; {example}")),
            }
        }
        Ok(Self::new(verb, what, subresource, namespace))
    }

    /// A question of its parts; `what` is `RESOURCE[.GROUP][/NAME]` or a path,
    /// and an empty namespace is all of them.
    pub fn new(verb: &str, what: &str, subresource: String, namespace: String) -> Self {
        let mut text = format!("{verb} {what}");
        let target = if what.starts_with('/') {
            Target::Path(what.to_owned())
        } else {
            match namespace.as_str() {
                "" => text.push_str(" -A"),
                "default" => {}
                other => text.extend([" -n ", other]),
            }
            if !subresource.is_empty() {
                text.extend([" --subresource=", &subresource]);
            }
            let (resource, name) = what.split_once('/').unwrap_or((what, ""));
            let (resource, group) = match resource.split_once('.') {
                Some((resource, group)) => (resource, Some(group.to_owned())),
                None => (resource, None),
            };
            Target::Resource {
                resource: resource.to_owned(),
                group,
                name: name.to_owned(),
                subresource,
                namespace,
            }
        };
        Self {
            verb: verb.to_owned(),
            text,
            target,
        }
    }
}

impl Question {
    /// What `user` asks the authorizer for, where the resource was found to be
    /// the plural `resource` of `group`.
    pub fn asked_by<'q>(
        &'q self,
        user: User<'q>,
        group: &'q str,
        resource: &'q str,
    ) -> Attributes<'q> {
        let target = match &self.target {
            Target::Path(path) => kube_rbac::Target::NonResource { path },
            Target::Resource {
                name,
                subresource,
                namespace,
                ..
            } => kube_rbac::Target::Resource {
                api_group: group,
                resource,
                subresource,
                name,
                namespace,
            },
        };
        Attributes {
            user,
            verb: &self.verb,
            target,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("get secrets -n prod", "secrets", None, "", "", "prod")]
    #[case("list pods -A", "pods", None, "", "", "")]
    #[case("delete nodes", "nodes", None, "", "", "default")]
    #[case(
        "get pods/web --subresource=log -n dev",
        "pods",
        None,
        "web",
        "log",
        "dev"
    )]
    #[case(
        "create deployments.apps --namespace prod",
        "deployments",
        Some("apps"),
        "",
        "",
        "prod"
    )]
    #[case("* *", "*", None, "", "", "default")]
    fn reads_what_kubectl_takes(
        #[case] text: &str,
        #[case] resource: &str,
        #[case] group: Option<&str>,
        #[case] name: &str,
        #[case] subresource: &str,
        #[case] namespace: &str,
    ) {
        assert_eq!(
            Question::parse(text).expect("a question").target,
            Target::Resource {
                resource: resource.to_owned(),
                group: group.map(str::to_owned),
                name: name.to_owned(),
                subresource: subresource.to_owned(),
                namespace: namespace.to_owned(),
            }
        );
    }

    #[rstest]
    #[case("get secrets -n prod")]
    #[case("list pods -A")]
    #[case("get pods/web -n dev --subresource=log")]
    #[case("get /metrics")]
    fn parts_make_the_question_that_is_read(#[case] text: &str) {
        let read = Question::parse(text).expect("a question");
        let (namespace, subresource) = match &read.target {
            Target::Resource {
                namespace,
                subresource,
                ..
            } => (namespace.clone(), subresource.clone()),
            Target::Path(_) => ("default".to_owned(), String::new()),
        };
        let words: Vec<&str> = text.split(' ').collect();
        let made = Question::new(words[0], words[1], subresource, namespace);
        assert_eq!(made, read);
    }

    #[test]
    fn a_path_is_a_path() {
        let question = Question::parse("get /metrics").expect("a question");
        assert_eq!(question.target, Target::Path("/metrics".to_owned()));
    }

    #[rstest]
    #[case("")]
    #[case("get")]
    #[case("get pods -n")]
    #[case("get pods in prod")]
    fn what_is_not_understood_is_named(#[case] text: &str) {
        let error = Question::parse(text).expect_err("not a question");
        assert!(error.contains("for example"), "{error}");
    }
}
