//! Kubernetes objects out of files: YAML or JSON, several documents, Lists.

use std::path::{Path, PathBuf};

use mock_apiserver::wire::yaml;
use serde_json::Value;

/// The objects of one text. What stands in a List is taken out of it, with kind and
/// version of a list that has them for its items (`unstructuredJSONScheme`), and empty
/// documents are passed over.
///
/// # Errors
/// What is wrong with it, with the line.
pub fn parse(text: &str) -> Result<Vec<Value>, String> {
    let mut objects = Vec::new();
    for document in yaml::documents(text) {
        let read = document.and_then(|document| yaml::convert(&document));
        let mut document = read.map_err(|fault| fault.to_string())?.value;
        if document.is_null() {
            continue;
        }
        match document.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => {
                objects.extend(items.into_iter().map(|item| item_of(&document, item)));
            }
            _ => objects.push(document),
        }
    }
    Ok(objects)
}

fn item_of(list: &Value, mut item: Value) -> Value {
    let kind = list["kind"]
        .as_str()
        .and_then(|kind| kind.strip_suffix("List"));
    let version = list["apiVersion"].as_str();
    if let (Some(kind), Some(members)) =
        (kind.filter(|kind| !kind.is_empty()), item.as_object_mut())
    {
        members.entry("kind").or_insert_with(|| kind.into());
        if let Some(version) = version {
            members
                .entry("apiVersion")
                .or_insert_with(|| version.into());
        }
    }
    item
}

/// The files of `path` that may hold objects: itself, or whatever is YAML or
/// JSON in the folder and beneath it, in the order of names.
///
/// # Errors
/// The path and the operating system's reason, or that there are none.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    search(path, &mut found)?;
    if found.is_empty() {
        return Err(format!(
            "{}: there are no .yaml, .yml or .json files in it",
            path.display()
        ));
    }
    Ok(found)
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut entries = std::fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| (entry.path(), entry.file_type())))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (path, kind) in entries {
        // A link to a folder may lead round in a circle.
        if kind.is_ok_and(|kind| kind.is_dir()) {
            search(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml" || end == "json")
        {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_documents_become_objects() {
        let text = "---\nkind: A\n---\n---\nkind: List\nitems: [{kind: B}, {kind: C}]\n";
        let kinds: Vec<Value> = parse(text)
            .expect("YAML")
            .into_iter()
            .map(|object| object["kind"].clone())
            .collect();
        assert_eq!(kinds, ["A", "B", "C"]);
        let typed = "apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: a}}, {kind: B}]\n";
        let of_pods = parse(typed).expect("YAML");
        assert_eq!(
            (&of_pods[0]["kind"], &of_pods[0]["apiVersion"]),
            (&"Pod".into(), &"v1".into())
        );
        assert_eq!(of_pods[1]["kind"], "B");
        assert_eq!(parse(r#"{"kind": "A"}"#).expect("JSON").len(), 1);
        assert!(parse("a: [").expect_err("no YAML").contains("line"));
    }

    #[test]
    fn a_folder_is_searched_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("b");
        std::fs::create_dir(&inner).expect("a folder");
        for name in ["z.yaml", "a.json", "b/x.yml", "b/notes.txt"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        let names: Vec<String> = files(folder.path())
            .expect("files")
            .iter()
            .map(|path| {
                let path = path.strip_prefix(folder.path()).expect("in it");
                path.display().to_string()
            })
            .collect();
        assert_eq!(names, ["a.json", "b/x.yml", "z.yaml"]);
        std::fs::remove_file(inner.join("x.yml")).expect("gone");
        assert!(files(&inner).is_err());
    }
}
