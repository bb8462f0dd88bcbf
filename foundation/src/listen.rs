//! The accept loop: TCP, TLS, the peer's certificates, limits and draining.
//!
//! It binds every socket of the program and hands each request, with a
//! [`Peer`] in its extensions, to a service. It knows no routes.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use crate::{clock, owner};

/// How long a client may take for the TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long the far end of a tunnel may take to answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's head.
const HEADER_LIMIT: Duration = Duration::from_secs(15);
/// How long a request's head may be: a token with thousands of groups is in
/// there. Source: Go's `http.DefaultMaxHeaderBytes`, which kube-apiserver keeps.
const HEADER_SIZE: u32 = 1 << 20;
/// How long open requests may go on after the shutdown was asked for.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);
/// Connections served at once; the rest wait in the kernel's queue.
const CONNECTION_LIMIT: usize = 4096;

/// Who is on the other end of a connection; in every request's extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The remote address.
    pub addr: SocketAddr,
    /// The verified client certificate chain, leaf first; empty without one.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

/// A loopback port that is kept for a program which shares ports
/// (`SO_REUSEPORT`, as kube-apiserver's `--permit-port-sharing` asks for): nobody
/// else gets it between the moment that it is known and the one that the program
/// listens on it.
#[derive(Debug)]
pub struct ReservedPort {
    /// Bound and never listening, so that every connection is the program's.
    _socket: TcpSocket,
    addr: SocketAddr,
}

impl ReservedPort {
    /// Reserves `addr`; port 0 takes a free one.
    ///
    /// # Errors
    /// The operating system's, with the address in it.
    #[allow(clippy::disallowed_methods, reason = "this is the place that binds")]
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let bind = || {
            // Whoever shares the port, too, would be let in below, and get some
            // of the connections.
            if addr.port() != 0 {
                let alone = TcpSocket::new_v4()?;
                alone.set_reuseaddr(true)?;
                alone.bind(addr)?;
            }
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseport(true)?;
            socket.bind(addr)?;
            let addr = socket.local_addr()?;
            Ok(Self {
                _socket: socket,
                addr,
            })
        };
        bind().map_err(|error: io::Error| unavailable(addr, &error))
    }

    /// The address that is kept.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// What is said of an address that cannot be had: who has it, where that is told.
fn unavailable(addr: SocketAddr, error: &io::Error) -> io::Error {
    let owner = (error.kind() == io::ErrorKind::AddrInUse)
        .then(|| owner::of(addr))
        .flatten();
    let by = owner.map_or_else(String::new, |owner| format!(", by {owner}"));
    io::Error::new(
        error.kind(),
        format!("cannot listen on {addr}: {error}{by}"),
    )
}

/// This machine's address on the way to others. Nothing is sent to find out: a
/// datagram's socket is bound to the way, and 192.0.2.1 is nobody (RFC 5737).
///
/// # Errors
/// No way leads there, or one without IPv4.
#[allow(clippy::disallowed_methods, reason = "this is the place that binds")]
pub fn outward_address() -> io::Result<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
    match socket.local_addr()? {
        SocketAddr::V4(address) => Ok(*address.ip()),
        SocketAddr::V6(address) => Err(io::Error::other(format!("{address} is no IPv4 address"))),
    }
}

/// A bound socket that does not accept yet: its address is known before
/// what it will serve is made.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// Binds `addr`; port 0 takes a free one.
    ///
    /// # Errors
    /// The operating system's, with the address in it.
    #[allow(clippy::disallowed_methods, reason = "this is the place that binds")]
    pub async fn bind(addr: SocketAddr) -> io::Result<Self> {
        let tcp = TcpListener::bind(addr)
            .await
            .map_err(|error| unavailable(addr, &error))?;
        let addr = tcp.local_addr()?;
        Ok(Self { tcp, addr })
    }

    /// The address that was bound.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves `service` over TLS until `shutdown` is cancelled, then drains.
    pub async fn serve<S>(self, tls: Arc<ServerConfig>, service: S, shutdown: CancellationToken)
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        self.run(
            Some(tokio_rustls::TlsAcceptor::from(tls)),
            service,
            shutdown,
        )
        .await;
    }

    /// Serves `service` without TLS: for proxies and examples only.
    pub async fn serve_plain<S>(self, service: S, shutdown: CancellationToken)
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        self.run(None, service, shutdown).await;
    }

    async fn run<S>(
        self,
        tls: Option<tokio_rustls::TlsAcceptor>,
        service: S,
        shutdown: CancellationToken,
    ) where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        let permits = Arc::new(Semaphore::new(CONNECTION_LIMIT));
        let connections = tokio_util::task::TaskTracker::new();
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                break;
            };
            let (tcp, addr) = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.tcp.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // Out of file descriptors, or the peer is gone already.
                        tracing::warn!(%error, "cannot accept a connection");
                        clock::pause(Duration::from_millis(20)).await;
                        continue;
                    }
                },
            };
            let connection = connection(tcp, addr, tls.clone(), service.clone(), shutdown.clone());
            connections.spawn(async move {
                connection.await;
                drop(permit);
            });
        }
        drop(self.tcp);
        connections.close();
        let _ = clock::limit(DRAIN_LIMIT, connections.wait()).await;
    }
}

async fn connection<S>(
    tcp: TcpStream,
    addr: SocketAddr,
    tls: Option<tokio_rustls::TlsAcceptor>,
    service: S,
    shutdown: CancellationToken,
) where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let _ = tcp.set_nodelay(true);
    match tls {
        None => {
            let peer = Peer {
                addr,
                certificates: Arc::from([]),
            };
            http_connection(TokioIo::new(tcp), peer, service, shutdown).await;
        }
        Some(acceptor) => tls_connection(tcp, addr, &acceptor, service, shutdown).await,
    }
}

/// Serves `service` over TLS on a connection that somebody else accepted: what
/// comes through a tunnel, say. Returns when it is over.
pub async fn serve_on<I, S>(
    io: I,
    addr: SocketAddr,
    tls: Arc<ServerConfig>,
    service: S,
    shutdown: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let acceptor = tokio_rustls::TlsAcceptor::from(tls);
    tls_connection(io, addr, &acceptor, service, shutdown).await;
}

async fn tls_connection<I, S>(
    io: I,
    addr: SocketAddr,
    acceptor: &tokio_rustls::TlsAcceptor,
    service: S,
    shutdown: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let handshake = clock::limit(HANDSHAKE_LIMIT, acceptor.accept(io)).await;
    let Ok(Ok(stream)) = handshake else {
        tracing::debug!(%addr, "no TLS handshake");
        return;
    };
    let certificates = stream
        .get_ref()
        .1
        .peer_certificates()
        .map(|chain| chain.iter().map(|c| c.clone().into_owned()).collect())
        .unwrap_or_else(|| Arc::from([]));
    let peer = Peer { addr, certificates };
    http_connection(TokioIo::new(stream), peer, service, shutdown).await;
}

/// The bytes behind a `CONNECT` (RFC 9110, section 9.3.6).
pub type Tunnel = TokioIo<hyper::upgrade::Upgraded>;

/// The tunnel that opens once `request`, a `CONNECT`, has been answered with
/// 200. It must be called before the answer is given.
///
/// # Errors
/// In the future: the client went away.
pub fn tunnel(
    request: &mut http::Request<Body>,
) -> impl Future<Output = io::Result<Tunnel>> + use<> {
    let upgrade = hyper::upgrade::on(request);
    async move { upgrade.await.map(TokioIo::new).map_err(io::Error::other) }
}

/// A connection to `addr`, for the far end of a tunnel.
///
/// # Errors
/// The operating system's.
pub async fn connect(addr: impl tokio::net::ToSocketAddrs) -> io::Result<TcpStream> {
    match clock::limit(CONNECT_LIMIT, TcpStream::connect(addr)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn http_connection<I, S>(io: I, peer: Peer, service: S, shutdown: CancellationToken)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let with_peer = tower::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        service.clone().oneshot(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .max_buf_size(HEADER_SIZE as usize)
        .header_read_timeout(HEADER_LIMIT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADER_SIZE)
        .max_concurrent_streams(250);
    let connection =
        builder.serve_connection_with_upgrades(io, TowerToHyperService::new(with_peer));
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Ca, client_config};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn now() -> jiff::Timestamp {
        clock::Clock::system().now()
    }

    type Tls = tokio_rustls::client::TlsStream<TcpStream>;

    async fn connected(addr: SocketAddr, config: rustls::ClientConfig) -> io::Result<Tls> {
        let tcp = TcpStream::connect(addr).await?;
        tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect("127.0.0.1".try_into().expect("a name"), tcp)
            .await
    }

    async fn get(addr: SocketAddr, config: rustls::ClientConfig) -> io::Result<String> {
        let mut tls = connected(addr, config).await?;
        tls.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        tls.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn who_has_a_port_is_named() {
        let own = Listener::bind(([127, 0, 0, 1], 0).into())
            .await
            .expect("one");
        let error = Listener::bind(own.addr()).await.expect_err("it is taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let said = error.to_string();
        let named = format!("(process {})", std::process::id());
        assert!(said.ends_with(&named), "{said}");
    }

    fn tell_peer() -> impl Service<
        http::Request<Body>,
        Response = http::Response<Body>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static {
        tower::service_fn(|request: http::Request<Body>| async move {
            let peer = request.extensions().get::<Peer>().expect("a peer");
            Ok(http::Response::new(Body::from(format!(
                "{} certificates",
                peer.certificates.len()
            ))))
        })
    }

    #[tokio::test]
    async fn requests_carry_the_peer_and_shutdown_ends_the_loop() {
        let ca = Ca::new("edge", now()).expect("a CA");
        let leaf = ca.issue_server(&["127.0.0.1"], now()).expect("a leaf");
        let listener = Listener::bind(([127, 0, 0, 1], 0).into())
            .await
            .expect("bound");
        let addr = listener.addr();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(listener.serve(
            leaf.server_config().expect("TLS"),
            tell_peer(),
            shutdown.clone(),
        ));
        let config = client_config(ca.roots().expect("roots")).expect("a client");
        let answer = get(addr, config).await.expect("an answer");
        assert!(answer.ends_with("0 certificates"), "{answer}");
        shutdown.cancel();
        served.await.expect("the loop ends");
        assert!(TcpStream::connect(addr).await.is_err());
    }

    /// As Go's servers do, over HTTP/1.1 as over HTTP/2.
    #[tokio::test]
    async fn a_head_of_almost_a_mebibyte_is_read_and_a_longer_one_is_431() {
        let ca = Ca::new("edge", now()).expect("a CA");
        let leaf = ca.issue_server(&["127.0.0.1"], now()).expect("a leaf");
        let listener = Listener::bind(([127, 0, 0, 1], 0).into())
            .await
            .expect("bound");
        let addr = listener.addr();
        let tls = leaf.server_config().expect("TLS");
        tokio::spawn(listener.serve(tls, tell_peer(), CancellationToken::new()));
        for (bytes, begins) in [(1_040_000, "HTTP/1.1 200"), (1_060_000, "HTTP/1.1 431")] {
            let config = client_config(ca.roots().expect("roots")).expect("a client");
            let tls = connected(addr, config).await.expect("a connection");
            let (mut read, mut write) = tokio::io::split(tls);
            let token = "a".repeat(bytes);
            let head = format!(
                "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {token}\r\n\r\n"
            );
            // Who is refused may not get all of it out.
            tokio::spawn(async move { drop(write.write_all(head.as_bytes()).await) });
            let mut answer = [0; 12];
            read.read_exact(&mut answer).await.expect("an answer");
            assert_eq!(String::from_utf8_lossy(&answer), begins);
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = Listener::bind(([127, 0, 0, 1], 0).into())
            .await
            .expect("bound");
        let error = Listener::bind(first.addr()).await.expect_err("taken");
        assert!(error.to_string().contains(&first.addr().to_string()));
    }
}
