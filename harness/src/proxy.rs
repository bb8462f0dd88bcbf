//! The forward proxy of `up --aws-hosts`: programs that honour `HTTPS_PROXY`
//! reach the front door and the clusters under AWS' own host names.
//!
//! AWS' names end here, with certificates of the edge CA that are made as they
//! are asked for. A cluster's endpoint is tunnelled as it is, to the cluster's
//! own certificate, so that client certificates, watches and upgrades pass
//! through. Every other host is refused unless it is allowed, and remembered.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use foundation::listen::{self, Peer};
use foundation::pki::{self, Ca};
use http::{Method, Request, Response, StatusCode, header};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::front::Front;

/// The domains whose hosts all end here (AWS General Reference, "AWS service
/// endpoints"; Cognito developer guide, "Using a prefix domain").
pub const AWS: [&str; 3] = [".amazonaws.com", ".amazonaws.com.cn", ".amazoncognito.com"];

/// No more hosts are remembered: whoever asks for names without end is not to
/// fill our memory.
const HOSTS_REMEMBERED: usize = 1000;

/// The service of the proxy's listener. Cheap to clone.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    front: Front,
    tls: Arc<ServerConfig>,
    hosts: OtherHosts,
    shutdown: CancellationToken,
}

/// A proxy, to who only tells of it.
#[derive(Clone, Debug)]
pub struct Way {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// What else it was asked for.
    pub hosts: OtherHosts,
}

/// The hosts that are none of AWS' and were asked for, and what became of it.
#[derive(Clone, Debug)]
pub struct OtherHosts(Arc<Hosts>);

#[derive(Debug)]
struct Hosts {
    allowed: bool,
    asked_for: Mutex<BTreeMap<String, u64>>,
}

impl OtherHosts {
    /// None asked for yet.
    pub fn new(allowed: bool) -> Self {
        Self(Arc::new(Hosts {
            allowed,
            asked_for: Mutex::default(),
        }))
    }

    /// For `rolecall status`: each host with its port, and how often.
    pub fn to_json(&self) -> Value {
        let hosts = self.asked_for();
        let list: Vec<Value> = hosts
            .iter()
            .map(|(host, times)| json!({"host": host, "times": times}))
            .collect();
        json!({"allowed": self.0.allowed, "askedFor": list})
    }

    fn note(&self, host: &str) {
        let mut hosts = self.asked_for();
        if hosts.len() < HOSTS_REMEMBERED || hosts.contains_key(host) {
            *hosts.entry(host.to_owned()).or_default() += 1;
        }
    }

    fn asked_for(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
        self.0
            .asked_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a tunnel leads.
enum FarEnd {
    /// To the front door, under this name.
    Front(String),
    /// To a cluster's own listener, or out.
    There(String),
}

impl Proxy {
    /// A proxy in front of `front` and its clusters.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        front: Front,
        edge: &Arc<Ca>,
        hosts: OtherHosts,
        shutdown: CancellationToken,
    ) -> Result<Self, pki::Error> {
        let serves = {
            let front = front.clone();
            move |name: &str| front.serves(name)
        };
        Ok(Self(Arc::new(Inner {
            tls: edge.server_config_by_name(serves)?,
            front,
            hosts,
            shutdown,
        })))
    }

    /// Answers one request: `CONNECT`, or a refusal.
    ///
    /// # Errors
    /// Never: every fault is an answer.
    pub async fn respond(self, mut request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let far_end = match self.far_end(&request) {
            Ok(far_end) => far_end,
            Err(refusal) => return Ok(*refusal),
        };
        let addr = request
            .extensions()
            .get::<Peer>()
            .map_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)), |peer| peer.addr);
        let tunnel = listen::tunnel(&mut request);
        match far_end {
            FarEnd::Front(host) => {
                tokio::spawn(async move {
                    if let Ok(io) = tunnel.await {
                        self.serve(host, io, addr).await;
                    }
                });
            }
            FarEnd::There(address) => match listen::connect(address.as_str()).await {
                Ok(there) => self.join(tunnel, there),
                Err(error) => {
                    let why = format!("{address}: {error}");
                    return Ok(refusal(StatusCode::BAD_GATEWAY, &why));
                }
            },
        }
        Ok(Response::new(Body::empty()))
    }

    fn far_end(&self, request: &Request<Body>) -> Result<FarEnd, Box<Response<Body>>> {
        let inner = &self.0;
        let Some(authority) = request.uri().authority() else {
            return Err(Box::new(refusal(
                StatusCode::BAD_REQUEST,
                "this is rolecall's proxy for HTTPS_PROXY; it answers nothing itself",
            )));
        };
        // A name with a full stop at its end is the same name (RFC 1034, 3.1).
        let host = authority.host().to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
        let port = authority.port_u16();
        let connect = request.method() == Method::CONNECT;
        if connect && port == Some(443) {
            if let Some(name) = cluster_id(&host) {
                let clusters = inner.front.eks.list().into_iter();
                let found = clusters
                    .filter(|record| record.new.id.eq_ignore_ascii_case(name))
                    .find_map(|record| record.running?.address());
                return match found {
                    Some(address) => Ok(FarEnd::There(address.to_string())),
                    None => Err(Box::new(refusal(
                        StatusCode::BAD_GATEWAY,
                        &format!("no running cluster has the endpoint https://{host}"),
                    ))),
                };
            }
            if inner.front.serves(&host) {
                return Ok(FarEnd::Front(host));
            }
        }
        let port = port.unwrap_or(if connect { 443 } else { 80 });
        inner.hosts.note(&format!("{host}:{port}"));
        let aws = is_aws(&format!(".{host}"));
        if connect && inner.hosts.0.allowed && !aws {
            return Ok(FarEnd::There(authority.to_string()));
        }
        Err(Box::new(refusal(
            StatusCode::FORBIDDEN,
            &format!(
                "rolecall's proxy leads to AWS' hosts on this machine, not to {host}:{port}; `rolecall up --aws-hosts --allow-other-hosts` lets HTTPS to others through"
            ),
        )))
    }

    async fn serve(self, host: String, io: listen::Tunnel, addr: SocketAddr) {
        let inner = &self.0;
        let front = inner.front.clone();
        let service =
            tower::service_fn(move |request| front.clone().respond_as(host.clone(), request));
        let (tls, shutdown) = (Arc::clone(&inner.tls), inner.shutdown.clone());
        listen::serve_on(io, addr, tls, service, shutdown).await;
    }

    /// Carries bytes both ways until one side ends, or we do.
    fn join(
        self,
        tunnel: impl Future<Output = std::io::Result<listen::Tunnel>> + Send + 'static,
        mut there: tokio::net::TcpStream,
    ) {
        tokio::spawn(async move {
            let Ok(mut here) = tunnel.await else {
                return;
            };
            // Which side broke off is the two ends' own affair.
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
                () = self.0.shutdown.cancelled() => {}
            }
        });
    }
}

/// Whether a host is one of AWS', clusters included.
pub fn is_aws(host: &str) -> bool {
    AWS.iter().any(|domain| host.ends_with(domain))
}

/// The host of a cluster's endpoint, as EKS makes them
/// (`ID.gr7.REGION.eks.amazonaws.com`).
pub fn cluster_host(id: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("{id}.gr7.{region}.eks.amazonaws.com{suffix}")
}

/// The id in a cluster's endpoint.
fn cluster_id(host: &str) -> Option<&str> {
    let rest = host.strip_suffix(".cn").unwrap_or(host);
    let (id, rest) = rest.strip_suffix(".eks.amazonaws.com")?.split_once('.')?;
    let (_, region) = rest.split_once('.')?;
    (!region.contains('.')).then_some(id)
}

fn refusal(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("cb99.gr7.eu-west-2.eks.amazonaws.com", Some("cb99"))]
    #[case("cb99.gr7.cn-north-1.eks.amazonaws.com.cn", Some("cb99"))]
    #[case("eks.eu-west-2.amazonaws.com", None)]
    #[case("oidc.eks.eu-west-2.amazonaws.com", None)]
    #[case("cb99.gr7.a.b.eks.amazonaws.com", None)]
    fn a_cluster_endpoint_names_its_cluster(#[case] host: &str, #[case] id: Option<&str>) {
        assert_eq!(cluster_id(host), id);
    }

    #[rstest]
    #[case("eu-west-2")]
    #[case("cn-north-1")]
    fn the_host_that_is_made_is_the_host_that_is_read(#[case] region: &str) {
        assert_eq!(cluster_id(&cluster_host("CB99", region)), Some("CB99"));
        assert!(is_aws(&cluster_host("CB99", region)));
    }

    #[rstest]
    #[case("cognito-idp.eu-west-2.amazonaws.com", true)]
    #[case("kubedemyeksoidc.auth.eu-west-2.amazoncognito.com", true)]
    #[case("amazonaws.com", false)]
    #[case("notamazonaws.com", false)]
    #[case("cognito-idp.eu-west-2.amazonaws.com.example.com", false)]
    fn what_is_aws(#[case] host: &str, #[case] expected: bool) {
        assert_eq!(is_aws(host), expected);
    }
}
