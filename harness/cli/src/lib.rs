//! The `rolecall` command: words, exit codes and terminals. What it does
//! stands in `harness`.
//!
//! Exit codes: 0 as expected, 1 not as expected, 2 wrong usage, 3 the rig
//! failed.

mod arguments;
mod assets;
mod attack;
mod doctor;
mod input;
mod kind;
mod offline;
mod output;
mod running;
mod signals;
mod testing;
mod up;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use arguments::{Arguments, Authn, Command, Rbac};

/// A hash of the sources that the program is made of, in its `--version`.
pub const FINGERPRINT: &str = env!("ROLECALL_FINGERPRINT");

/// Wrong usage, as clap has it.
const USAGE: u8 = 2;
/// The rig failed.
const RIG: u8 = 3;

/// Why the command ends early; the text names the remedy.
struct Stop {
    code: u8,
    text: String,
}

impl Stop {
    fn usage(text: impl std::fmt::Display) -> Self {
        Self {
            code: USAGE,
            text: text.to_string(),
        }
    }

    fn rig(text: impl std::fmt::Display) -> Self {
        Self {
            code: RIG,
            text: text.to_string(),
        }
    }
}

/// The program.
pub fn main() -> ExitCode {
    harness::panics::watch();
    let arguments = Arguments::parse();
    log(&arguments.command);
    // Most of what is asked here is answered in less time than it takes to wake
    // a second worker, which would be woken for each request and mostly find
    // nothing to do (docs/figures.md).
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("rolecall: cannot start: {error}");
            return ExitCode::from(RIG);
        }
    };
    let outcome = runtime.block_on(dispatch(arguments.command));
    // A listener that is still draining must not hold up the exit.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(stop) => {
            eprintln!("rolecall: {}", stop.text);
            ExitCode::from(stop.code)
        }
    }
}

async fn dispatch(command: Command) -> Result<u8, Stop> {
    match command {
        Command::Demo(options) => testing::demo(options).await,
        Command::Test(options) => testing::test(options).await,
        Command::Up(options) => up::up(*options).await,
        Command::Env(options) => running::env(options).await,
        Command::Shell(options) => running::shell(options).await,
        Command::Run(options) => running::run(options).await,
        Command::Kubeconfig(options) => running::kubeconfig(options).await,
        Command::Browse(options) => running::browse(options).await,
        Command::Status(options) => running::status(options).await,
        Command::Outbox(options) => running::outbox(options).await,
        Command::Audit(options) => running::audit(options),
        Command::Doctor(options) => doctor::doctor(*options).await,
        Command::Attack(options) => attack::attack(*options).await,
        Command::Authn(Authn::Explain(options)) => offline::explain_tokens(options),
        Command::Authn(Authn::Validate(options)) => offline::validate(&options),
        Command::Authn(Authn::Convert(options)) => offline::convert(&options),
        Command::Rbac(Rbac::Can(options)) => offline::rights(*options, false),
        Command::Rbac(Rbac::Explain(options)) => offline::rights(*options, true),
        Command::Assets(command) => assets::assets(command).await,
        Command::KindConfig(options) => kind::config(&options),
        Command::Clean(options) => kind::clean(options).await,
        Command::Down(options) => running::down(options).await,
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Arguments::command(),
                "rolecall",
                &mut std::io::stdout(),
            );
            Ok(0)
        }
    }
}

/// `RUST_LOG` turns on what is off otherwise; it goes to standard error. A
/// served instance tells why it refuses somebody, as kube-apiserver does;
/// elsewhere a refusal is what the report is about.
fn log(command: &Command) {
    let level = if matches!(command, Command::Up(_)) {
        "warn"
    } else {
        "error"
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // The WebDriver client tells what is typed into the pages, passwords too.
    let filter = match "thirtyfour=off".parse() {
        Ok(silent) => filter.add_directive(silent),
        Err(_) => filter,
    };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
