//! The embedded cluster beside a real control plane, in one run: how fast, for
//! how much of the processor, in how much memory. Ratios count; what takes how
//! long is an order of magnitude.
//!
//! `cargo build --release -p rolecall && cargo run --release
//! --config profile.release.package.e2e.opt-level=2 -p e2e --example performance`

#![allow(
    clippy::disallowed_methods,
    reason = "what takes how long is measured by the machine's clock"
)]

#[path = "people/mod.rs"]
mod people;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use harness::cluster::Kind;
use harness::instance::Ready;
use people::Pool;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::json;

type Error = Box<dyn std::error::Error>;

const CONNECTIONS: usize = 16;
/// How answers are looked for, and the goals for the rate and the server's
/// processor time then.
const GENERATORS: [(&str, [&str; 2]); 2] = [("polls", [">= 6", ">= 10"]), ("waits", ["", ""])];
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(8);
/// `/proc/PID/stat` counts in these (sysconf `_SC_CLK_TCK`).
const TICKS_A_SECOND: f64 = 100.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    foundation::pki::install_provider();
    println!(
        "load average before: {}",
        std::fs::read_to_string("/proc/loadavg")?.trim()
    );
    let ours = measure(Kind::Embedded).await?;
    let theirs = measure(Kind::ControlPlane).await?;
    println!("\n{:60} embedded  control plane  ratio   goal", "");
    let row = |what: &str, ours: f64, theirs: f64, ratio: f64, goal: &str| {
        println!("{what:60} {ours:8.1}  {theirs:13.1}  {ratio:5.1}   {goal}");
    };
    let pairs = ours.loads.iter().zip(&theirs.loads);
    for ((ours, theirs), (generator, goals)) in pairs.zip(GENERATORS) {
        row(
            &format!("SelfSubjectAccessReviews a second, the generator {generator}"),
            ours.rate,
            theirs.rate,
            ours.rate / theirs.rate,
            goals[0],
        );
        row(
            "  server's processor time for one, in µs",
            ours.server,
            theirs.server,
            theirs.server / ours.server,
            goals[1],
        );
        row(
            "  the generator's own, in µs",
            ours.generator,
            theirs.generator,
            theirs.generator / ours.generator,
            "",
        );
    }
    row(
        "start to the first accepted token, in ms",
        ours.first_token,
        theirs.first_token,
        theirs.first_token / ours.first_token,
        ">= 25",
    );
    row(
        "memory, in MB",
        ours.memory,
        theirs.memory,
        theirs.memory / ours.memory,
        ">= 8",
    );
    println!(
        "\nThe generator is this program, HTTP/1.1 over TLS 1.3 written by hand, {CONNECTIONS} connections. On one machine \
         a server pays for waking whoever waits for its answer: that one waits on {CONNECTIONS} threads, and one thread \
         looks at all connections by turns, are the two ends of what a client may do."
    );
    Ok(())
}

struct Measured {
    /// As the generators are.
    loads: Vec<Load>,
    first_token: f64,
    memory: f64,
}

/// Requests a second, and processor time for each, in µs.
struct Load {
    rate: f64,
    server: f64,
    generator: f64,
}

async fn measure(kind: Kind) -> Result<Measured, Error> {
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    let up = Up::start(kind, folder.path())?;
    let ready = up.ready()?;
    first_token(&ready).await?;
    let first_token = began.elapsed().as_secs_f64() * 1000.0;
    let servers = up.servers(kind)?;
    let memory: f64 = servers
        .iter()
        .map(|pid| rss(*pid))
        .sum::<Result<f64, _>>()?;

    let admin = Admin::of(&ready)?;
    let loads = [polled, waited_for]
        .into_iter()
        .map(|generator| measure_load(kind, &admin, &servers, generator))
        .collect::<Result<_, _>>()?;
    Ok(Measured {
        loads,
        first_token,
        memory,
    })
}

fn measure_load(
    kind: Kind,
    admin: &Admin,
    servers: &[u32],
    generator: fn(&Admin, Duration) -> Result<usize, Error>,
) -> Result<Load, Error> {
    generator(admin, WARM_UP)?;
    let (server, own) = (cpu_of(servers)?, cpu("self")?);
    let began = Instant::now();
    let requests = generator(admin, MEASURED)? as f64;
    let seconds = began.elapsed().as_secs_f64();
    let (server, own) = (cpu_of(servers)? - server, cpu("self")? - own);
    println!(
        "{}: {requests} requests in {seconds:.1} s, {server:.1} s of the server's and {own:.1} s of the generator's processor time",
        kind.name()
    );
    Ok(Load {
        rate: requests / seconds,
        server: server / requests * 1e6,
        generator: own / requests * 1e6,
    })
}

/// `rolecall up`; gone with the value.
struct Up {
    child: Child,
    dir: PathBuf,
}

impl Up {
    fn start(kind: Kind, folder: &Path) -> Result<Self, Error> {
        let exe = std::env::current_exe()?;
        let release = exe.ancestors().nth(2).ok_or("target/release/examples")?;
        let dir = folder.join("up");
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").map_or_else(
            || PathBuf::from("target/kubernetes/v1.37/bin"),
            PathBuf::from,
        );
        let child = Command::new(release.join("rolecall"))
            .args(["up", "--association-delay", "0s", "--cluster", kind.name()])
            .arg("--dir")
            .arg(&dir)
            .env("KUBEBUILDER_ASSETS", std::path::absolute(assets)?)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child, dir })
    }

    fn ready(&self) -> Result<Ready, Error> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Ok(text) = std::fs::read_to_string(self.dir.join("ready.json")) {
                return Ok(serde_json::from_str(&text)?);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("rolecall up does not get ready".into())
    }

    /// The processes that the cluster is: our own, or our children.
    fn servers(&self, kind: Kind) -> Result<Vec<u32>, Error> {
        let own = self.child.id();
        if kind == Kind::Embedded {
            return Ok(vec![own]);
        }
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"))?;
        // Other threads may have started them.
        let tasks = std::fs::read_dir(format!("/proc/{own}/task"))?;
        let all = tasks
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
            .chain([children])
            .collect::<Vec<_>>()
            .join(" ");
        let mut pids: Vec<u32> = all
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .filter(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|comm| comm.starts_with("kube-") || comm.trim() == "etcd")
            })
            .collect();
        pids.sort_unstable();
        pids.dedup();
        if pids.len() == 3 {
            Ok(pids)
        } else {
            Err(format!("{} children", pids.len()).into())
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pool, somebody in it, the cluster's trust, a login by the API, and the
/// cluster's yes to the token.
async fn first_token(ready: &Ready) -> Result<(), Error> {
    let edge = foundation::pki::roots_from_pem(&std::fs::read_to_string(&ready.paths.ca)?)?;
    let aws = ready.aws(harness::client::https(edge, None, None)?);
    let pool = Pool::trusted(&aws, &ready.issuer_base, &ready.cluster_name).await?;
    let token = pool.sign_in("ada@example.com", None).await?;
    let cluster = harness::client::https(Admin::of(ready)?.roots, None, None)?;
    let url = format!(
        "{}/apis/authentication.k8s.io/v1/selfsubjectreviews",
        ready.api_server
    );
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    loop {
        let answer = cluster
            .post(&url)
            .bearer_auth(&token)
            .json(&review)
            .send()
            .await?;
        if answer.status().is_success() {
            return Ok(());
        }
        foundation::clock::pause(Duration::from_millis(2)).await;
    }
}

/// The administrator, out of the kubeconfig.
struct Admin {
    roots: rustls::RootCertStore,
    tls: Arc<rustls::ClientConfig>,
    address: String,
}

impl Admin {
    fn of(ready: &Ready) -> Result<Self, Error> {
        let kubeconfig = std::fs::read_to_string(&ready.paths.admin_kubeconfig)?;
        let data = |key: &str| -> Result<Vec<u8>, Error> {
            let line = kubeconfig
                .lines()
                .find_map(|line| line.trim().strip_prefix(key));
            let text = line.ok_or_else(|| format!("no {key} in the kubeconfig"))?;
            Ok(base64::engine::general_purpose::STANDARD.decode(text)?)
        };
        let ca = String::from_utf8(data("certificate-authority-data: ")?)?;
        let roots = foundation::pki::roots_from_pem(&ca)?;
        let certificate = CertificateDer::from_pem_slice(&data("client-certificate-data: ")?)?;
        let key = PrivateKeyDer::from_pem_slice(&data("client-key-data: ")?)?;
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(vec![certificate], key)?;
        Ok(Self {
            roots,
            tls: Arc::new(tls),
            address: ready.api_server.trim_start_matches("https://").to_owned(),
        })
    }
}

/// As many requests as there are answers, one after the other on each
/// connection; returns their number.
///
/// The connections are looked at by turns, and where none has an answer again
/// after a tenth of a millisecond.
fn polled(admin: &Admin, time: Duration) -> Result<usize, Error> {
    let deadline = Instant::now() + time;
    let mut connections = (0..CONNECTIONS)
        .map(|_| Connection::open(admin))
        .collect::<Result<Vec<_>, Error>>()?;
    for connection in &mut connections {
        connection.tcp.set_nonblocking(true)?;
        connection.send()?;
    }
    let mut count = 0;
    while Instant::now() < deadline {
        let before = count;
        for connection in &mut connections {
            if connection.is_answered()? {
                count += 1;
                connection.send()?;
            }
        }
        if count == before {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    Ok(count)
}

/// The same with a thread for each connection, which sleeps until it has its
/// answer.
fn waited_for(admin: &Admin, time: Duration) -> Result<usize, Error> {
    let deadline = Instant::now() + time;
    let ask = || -> Result<usize, String> {
        let ask = || -> Result<usize, Error> {
            let mut connection = Connection::open(admin)?;
            let mut count = 0;
            while Instant::now() < deadline {
                connection.send()?;
                while !connection.is_answered()? {}
                count += 1;
            }
            Ok(count)
        };
        ask().map_err(|error| error.to_string())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(ask)).collect();
        let mut count = 0;
        for thread in threads {
            count += thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(count)
    })
}

/// A connection with one request on its way.
struct Connection {
    tcp: std::net::TcpStream,
    tls: rustls::ClientConnection,
    request: String,
    answer: Vec<u8>,
}

impl Connection {
    fn open(admin: &Admin) -> Result<Self, Error> {
        let mut tcp = std::net::TcpStream::connect(&admin.address)?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("127.0.0.1")?;
        let mut tls = rustls::ClientConnection::new(Arc::clone(&admin.tls), name)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        let body = r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"verb":"get","resource":"pods","namespace":"default"}}}"#;
        let request = format!(
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews HTTP/1.1\r\nhost: {}\r\naccept: application/json\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            admin.address,
            body.len()
        );
        Ok(Self {
            tcp,
            tls,
            request,
            answer: Vec::with_capacity(4096),
        })
    }

    /// It fits into the socket's buffer as a whole.
    fn send(&mut self) -> Result<(), Error> {
        self.tls.writer().write_all(self.request.as_bytes())?;
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }

    fn is_answered(&mut self) -> Result<bool, Error> {
        match self.tls.read_tls(&mut self.tcp) {
            Ok(0) => return Err("the server hung up".into()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let state = self.tls.process_new_packets()?;
        let start = self.answer.len();
        self.answer
            .resize(start + state.plaintext_bytes_to_read(), 0);
        self.tls.reader().read_exact(&mut self.answer[start..])?;
        let whole = is_whole(&self.answer)?;
        if whole {
            self.answer.clear();
        }
        Ok(whole)
    }
}

/// Whether an answer is there, which has to be a yes.
fn is_whole(answer: &[u8]) -> Result<bool, Error> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let text = std::str::from_utf8(&answer[..head])?;
    if !text.starts_with("HTTP/1.1 201 ") {
        return Err(format!("not what was asked for: {text}").into());
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            value.trim().parse::<usize>().ok()
        } else {
            None
        }
    });
    Ok(length.is_some_and(|length| answer.len() >= head + 4 + length))
}

fn cpu_of(pids: &[u32]) -> Result<f64, Error> {
    pids.iter().map(|pid| cpu(&pid.to_string())).sum()
}

/// Processor time of a process so far, in seconds.
fn cpu(pid: &str) -> Result<f64, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may have blanks in it.
    let (_, rest) = stat.rsplit_once(')').ok_or("no stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / TICKS_A_SECOND)
}

/// Resident memory, in MB.
fn rss(pid: u32) -> Result<f64, Error> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .ok_or("no VmRSS")?;
    Ok(kilobytes.trim().parse::<f64>()? / 1024.0)
}
