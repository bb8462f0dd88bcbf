//! Being an integration test of this package makes cargo build the program
//! itself, which the end-to-end tests in `tests/` then start.

#[test]
fn the_program_is_made_of_these_sources() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_rolecall"))
        .arg("--version")
        .output()
        .expect("the program starts");
    let version = String::from_utf8_lossy(&output.stdout);
    assert!(version.contains(rolecall::FINGERPRINT), "{version}");
}
