//! Finding scenario files and reading them: all that is wrong with a file is
//! said with its place, before anything runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::file::v1;
use crate::manifests;

/// A scenario as it was written, and where.
#[derive(Debug)]
pub struct Loaded {
    /// The path, as given or found.
    pub path: PathBuf,
    /// What it says.
    pub scenario: v1::Scenario,
    /// The RBAC objects that it names or writes out.
    pub rbac: Vec<Value>,
}

#[derive(serde::Deserialize)]
struct Version {
    rolecall: u32,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing there.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The path.
        path: String,
        /// The operating system's reason.
        reason: String,
    },
    /// It is not a scenario.
    #[error("{path}: {reason}")]
    Invalid {
        /// The path.
        path: String,
        /// What is wrong, with line and column where there is one.
        reason: String,
    },
    /// No scenario is to be found.
    #[error("no scenario files in {0}: they end in .yaml or .yml and start with `rolecall: 1`")]
    Nothing(String),
}

/// All scenario files under `paths`, each once; a folder is searched whole, in
/// the order of its names.
///
/// # Errors
/// A path that does not exist, or none that holds a scenario.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            search(path, &mut Vec::new(), &mut found)?;
        } else if path.exists() {
            found.push(path.clone());
        } else {
            return Err(unreadable(path, &"there is no such file"));
        }
    }
    if found.is_empty() {
        let all: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
        return Err(Error::Nothing(all.join(", ")));
    }
    let mut seen = BTreeSet::new();
    found.retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    Ok(found)
}

/// Folders hold other YAML too (RBAC objects, say): only files that say which
/// version of the format they are count as scenarios. `above` are the folders
/// that this one is in: a link back to one of them is not followed.
fn search(folder: &Path, above: &mut Vec<PathBuf>, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let real = folder
        .canonicalize()
        .map_err(|error| unreadable(folder, &error))?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            search(&path, above, found)?;
        } else if is_yaml(&path) && is_scenario(&path)? {
            found.push(path);
        }
    }
    above.pop();
    Ok(())
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}

/// A mapping that has the word `rolecall` in it, or a scenario's other words.
/// The latter is one that forgot or misspelt its version, and to be told so;
/// so is a file that is no YAML but has the word in it.
fn is_scenario(path: &Path) -> Result<bool, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let parsed: Result<Vec<Value>, _> = serde_saphyr::from_multiple(&text);
    Ok(match parsed {
        Ok(documents) => documents.iter().any(|document| {
            let has = |word| document.get(word).is_some();
            has("rolecall") || (has("idp") && (has("expect") || has("steps")))
        }),
        Err(_) => text.contains("rolecall"),
    })
}

/// Reads one scenario file and the RBAC files that it names.
///
/// # Errors
/// [`Error::Invalid`] with line and column.
pub fn load(path: &Path) -> Result<Loaded, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    parse(path, &text)
}

/// Reads a scenario from its text; `path` is for messages and for the RBAC
/// files beside it.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str) -> Result<Loaded, Error> {
    // The version comes first: what a later one calls its members is not this
    // one's business.
    let version: Version = serde_saphyr::from_str(text).map_err(|error| invalid(path, &error))?;
    if version.rolecall != 1 {
        return Err(invalid(
            path,
            &format!(
                "this rolecall reads version 1 of the format, the file says {}",
                version.rolecall
            ),
        ));
    }
    let scenario: v1::Scenario =
        serde_saphyr::from_str(text).map_err(|error| invalid(path, &error))?;
    let mut rbac = Vec::new();
    for source in &scenario.rbac {
        match source {
            v1::RbacSource::Object(object) => rbac.push(Value::Object(object.clone())),
            v1::RbacSource::Files(pattern) => rbac.extend(read_objects(path, pattern)?),
        }
    }
    Ok(Loaded {
        path: path.to_owned(),
        scenario,
        rbac,
    })
}

fn read_objects(scenario: &Path, pattern: &str) -> Result<Vec<Value>, Error> {
    let base = scenario.parent().unwrap_or(Path::new("."));
    let full = base.join(pattern);
    let mut files = Vec::new();
    if pattern.contains('*') {
        let folder = full.parent().unwrap_or(base);
        let wanted = full
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let entries = std::fs::read_dir(folder).map_err(|error| {
            let text = format!("rbac: {pattern:?}: {}: {error}", folder.display());
            invalid(scenario, &text)
        })?;
        files.extend(entries.flatten().map(|entry| entry.path()).filter(|p| {
            p.file_name()
                .is_some_and(|n| matches(&wanted, &n.to_string_lossy()))
        }));
        files.sort();
    } else {
        files.push(full);
    }
    if files.is_empty() {
        return Err(invalid(
            scenario,
            &format!("rbac: no file matches {pattern:?}"),
        ));
    }
    let mut objects = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| {
            let text = format!("rbac: {}: {error}", file.display());
            invalid(scenario, &text)
        })?;
        objects.extend(manifests::parse(&text).map_err(|error| invalid(&file, &error))?);
    }
    Ok(objects)
}

/// Whether `name` matches a pattern with `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            (0..=tail.len())
                .filter(|i| tail.is_char_boundary(*i))
                .any(|i| matches(rest, &tail[i..]))
        }),
    }
}

fn unreadable(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Unreadable {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

fn invalid(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Invalid {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("*.yaml", "a.yaml", true)]
    #[case("*.yaml", "a.yml", false)]
    #[case("role-*.yaml", "role-a.yaml", true)]
    #[case("*a*", "bab", true)]
    #[case("exact", "exact", true)]
    fn patterns(#[case] pattern: &str, #[case] name: &str, #[case] expected: bool) {
        assert_eq!(matches(pattern, name), expected);
    }

    fn load_text(text: &str) -> Result<Loaded, Error> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.yaml");
        std::fs::write(&path, text).expect("written");
        load(&path)
    }

    #[test]
    fn a_misspelt_word_is_named_with_its_place() {
        let error = load_text("rolecall: 1\nname: x\nidp: {}\nexpct: []\n").expect_err("refused");
        let text = error.to_string();
        assert!(text.contains("expct"), "{text}");
        assert!(text.contains("line 4"), "{text}");
    }

    #[test]
    fn another_version_is_refused() {
        let error = load_text("rolecall: 2\nscenario: {}\n").expect_err("refused");
        assert!(error.to_string().contains("version 1"), "{error}");
    }

    #[test]
    fn objects_stand_in_the_file_or_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(
            folder.path().join("a.yaml"),
            "kind: Role\n---\nkind: List\nitems: [{kind: RoleBinding}]\n",
        )
        .expect("written");
        let path = folder.path().join("s.yml");
        std::fs::write(
            &path,
            "rolecall: 1\nname: x\nidp: {}\nrbac: [a*.yaml, {kind: ClusterRole}]\n",
        )
        .expect("written");
        let kinds: Vec<String> = load(&path)
            .expect("loaded")
            .rbac
            .iter()
            .map(|object| object["kind"].as_str().expect("a kind").to_owned())
            .collect();
        assert_eq!(kinds, ["Role", "RoleBinding", "ClusterRole"]);
        assert_eq!(find(&[folder.path().to_owned()]).expect("found"), [path]);
    }

    #[rstest]
    #[case::plain("rolecall: 1\nname: x\nidp: {}\n", true)]
    #[case::quoted("\"rolecall\": 1\nname: x\nidp: {}\n", true)]
    #[case::byte_order_mark("\u{feff}rolecall: 1\nname: x\nidp: {}\n", true)]
    #[case::flow("{rolecall: 1, name: x, idp: {}}\n", true)]
    #[case::misspelt("rolecal: 1\nname: x\nidp: {}\nexpect: []\n", true)]
    #[case::broken("rolecall: 1\nname: [\n", true)]
    #[case::rbac("kind: Role\n---\nkind: RoleBinding\n", false)]
    #[case::other("idp: somebody else's\n", false)]
    fn a_folder_passes_over_no_scenario(#[case] text: &str, #[case] found: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("s.yaml"), text).expect("written");
        std::os::unix::fs::symlink(".", folder.path().join("self")).expect("a link");
        let files = find(&[folder.path().to_owned(), folder.path().join("s.yaml")]);
        assert_eq!(files.expect("the one that is named").len(), 1);
        assert_eq!(find(&[folder.path().to_owned()]).is_ok(), found);
    }
}
