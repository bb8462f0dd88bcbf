//! The front door's one dispatch table: by host, target header, signed
//! service, action and path, a request goes to Cognito, EKS, STS, or the
//! provider's own pages.

use std::convert::Infallible;

use axum::body::Body;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, header};
use mock_idp::{Host, MockIdp};
use tower::ServiceExt as _;

use crate::aws::eks::state::Eks;
use crate::aws::keys::AccessKeys;
use crate::aws::sigv4::Scope;
use crate::aws::{eks, sts};
use crate::proxy::is_aws;
use crate::rig::Control;

/// No AWS call of the fronts is larger.
const BODY_LIMIT: usize = 1024 * 1024;

/// Everything that stands behind the front door.
#[derive(Clone)]
pub struct Front {
    /// The mock identity provider.
    pub idp: MockIdp,
    /// Its router.
    pub pages: axum::Router,
    /// Clusters.
    pub eks: Eks,
    /// Who is who.
    pub keys: AccessKeys,
    /// `https://127.0.0.1:PORT`.
    pub origin: String,
    /// Where requests without a credential scope belong.
    pub region: String,
    /// The time line.
    pub clock: foundation::clock::Clock,
    /// What only the rig itself can tell or do.
    pub control: Control,
}

enum Room {
    IdentityProvider,
    Eks,
    Sts,
    Control,
    /// An AWS service that nobody stands in for here.
    Elsewhere(String),
}

impl Front {
    /// Answers one request.
    ///
    /// # Errors
    /// Never: every fault is an answer.
    pub async fn respond(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let scope = scope_of(&request);
        let room = room(&request, scope.as_ref());
        self.enter(room, request, scope).await
    }

    /// Answers one request that was sent to a host of AWS', which alone says
    /// whom it is for.
    ///
    /// # Errors
    /// Never: every fault is an answer.
    pub async fn respond_as(
        mut self,
        host: String,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Infallible> {
        let scope = scope_of(&request);
        self.origin = format!("https://{host}");
        let room = match self.idp.at(&host) {
            Some(found) => {
                if let Host::Service { region } = &found {
                    self.region.clone_from(region);
                }
                let path = found.path(request.uri().path());
                *request.uri_mut() = with_path(request.uri(), &path);
                request.extensions_mut().insert(found);
                Room::IdentityProvider
            }
            None => {
                let (service, region) = service_of(&host);
                if let Some(region) = region {
                    self.region = region.to_owned();
                }
                match service {
                    "eks" => Room::Eks,
                    "sts" => Room::Sts,
                    other => Room::Elsewhere(other.to_owned()),
                }
            }
        };
        self.enter(room, request, scope).await
    }

    /// Whether a host ends here: AWS' own, and the pools' custom domains.
    pub fn serves(&self, host: &str) -> bool {
        is_aws(host) || self.idp.at(host).is_some()
    }

    async fn enter(
        self,
        room: Room,
        request: Request<Body>,
        scope: Option<Scope>,
    ) -> Result<Response<Body>, Infallible> {
        match room {
            Room::IdentityProvider => self.pages.oneshot(request).await,
            Room::Control => Ok(self.control.respond(request).await),
            Room::Elsewhere(service) => Ok(no_such_service(&service, &request)),
            Room::Eks => Ok(match buffered(request).await {
                Ok(request) => {
                    let caller = eks::Caller {
                        region: scope
                            .as_ref()
                            .map_or(self.region.clone(), |s| s.region.clone()),
                        arn: self
                            .keys
                            .caller_arn(scope.as_ref().map(|s| s.access_key_id.as_str())),
                    };
                    eks::handle(&self.eks, &caller, &request)
                }
                Err(response) => response,
            }),
            Room::Sts => Ok(match buffered(request).await {
                Ok(request) => sts::respond(&self.keys, &request, &self.origin, self.clock.now()),
                Err(response) => response,
            }),
        }
    }
}

fn room(request: &Request<Body>, scope: Option<&Scope>) -> Room {
    let path = request.uri().path();
    if path.starts_with(Control::PREFIX) {
        return Room::Control;
    }
    match scope.map(|scope| scope.service.as_str()) {
        Some("eks") => return Room::Eks,
        Some("sts") => return Room::Sts,
        None | Some("cognito-idp") => {}
        Some(other) => return Room::Elsewhere(other.to_owned()),
    }
    if request.headers().contains_key("x-amz-target") {
        return Room::IdentityProvider;
    }
    if path == "/" && is_query_protocol(request) {
        return Room::Sts;
    }
    let eks_path =
        path == "/clusters" || path.starts_with("/clusters/") || path.starts_with("/tags/arn");
    if eks_path {
        Room::Eks
    } else {
        Room::IdentityProvider
    }
}

/// The service and the region of a regional endpoint, as in
/// `eks.eu-west-2.amazonaws.com`; of a global one, the service alone.
fn service_of(host: &str) -> (&str, Option<&str>) {
    let mut labels = host.split('.');
    let service = labels.next().unwrap_or_default();
    let region = labels.next().filter(|label| *label != "amazonaws");
    (service, region)
}

/// The same address with another path.
fn with_path(uri: &Uri, path: &str) -> Uri {
    let mut parts = uri.clone().into_parts();
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    // A path that was one before stays one with a prefix.
    parts.path_and_query = format!("{path}{query}").parse::<PathAndQuery>().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

/// An error in the protocol that the service speaks: JSON where the request
/// has a target, XML or REST with the type in a header elsewhere.
fn no_such_service(service: &str, request: &Request<Body>) -> Response<Body> {
    let text = format!(
        "rolecall stands in for cognito-idp, eks and sts, and for no service called {service}; docs/fidelity.md lists what it does"
    );
    let json = request.headers().contains_key("x-amz-target");
    let (kind, body) = if json {
        let body = serde_json::json!({"__type": "NotImplementedException", "message": text});
        ("application/x-amz-json-1.1", body.to_string())
    } else {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>NotImplementedException</Code><Message>{text}</Message></Error></ErrorResponse>"
        );
        ("text/xml", body)
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    headers.insert(
        "x-amzn-errortype",
        http::HeaderValue::from_static("NotImplementedException"),
    );
    response
}

/// An AWS query call: a form, or a presigned GET with an action.
fn is_query_protocol(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.contains("Action=")
        || (request.method() == Method::POST
            && request
                .headers()
                .get(header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded")))
}

fn scope_of(request: &Request<Body>) -> Option<Scope> {
    let header = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    Scope::of_authorization(header)
}

async fn buffered(request: Request<Body>) -> Result<Request<bytes::Bytes>, Response<Body>> {
    let (parts, body) = request.into_parts();
    match axum::body::to_bytes(body, BODY_LIMIT).await {
        Ok(bytes) => Ok(Request::from_parts(parts, bytes)),
        Err(_) => {
            let mut response = Response::new(Body::from(
                r#"{"message":"Request body must be at most 1048576 bytes"}"#,
            ));
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            Err(response)
        }
    }
}
