//! Gives the program a fingerprint of the sources it is made of, so that the
//! end-to-end tests can prove that they run the binary just built.

use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

const CRATES: [&str; 7] = [
    "foundation",
    "mock-idp",
    "kube-authn",
    "kube-rbac",
    "mock-apiserver",
    "harness",
    "scenarios",
];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for name in CRATES {
        let folder = root.join(name);
        println!("cargo:rerun-if-changed={}", folder.display());
        collect(&folder, &mut files);
    }
    files.sort();
    let mut hasher = std::hash::DefaultHasher::new();
    for file in files {
        std::fs::read(&file).unwrap_or_default().hash(&mut hasher);
    }
    println!(
        "cargo:rustc-env=ROLECALL_FINGERPRINT={:016x}",
        hasher.finish()
    );
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        match name.as_deref() {
            Some("target" | "tests" | "corpus" | "examples" | "generate") => {}
            _ if path.is_dir() => collect(&path, files),
            _ => files.push(path),
        }
    }
}
