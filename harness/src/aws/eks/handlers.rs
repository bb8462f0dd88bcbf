//! EKS' operations: one request in, one answer out.

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::state::{ClusterRef, Eks};
use super::{Error, wire};

/// Whose request it is and where it is meant for.
#[derive(Clone, Debug)]
pub struct Caller {
    /// From the credential scope.
    pub region: String,
    /// The identity behind the access key.
    pub arn: String,
}

/// Answers one EKS request.
pub fn handle(eks: &Eks, caller: &Caller, request: &Request<bytes::Bytes>) -> Response<Body> {
    match route(eks, caller, request) {
        Ok(body) => wire::json(StatusCode::OK, &body),
        Err(error) => error.into_response(),
    }
}

fn route(eks: &Eks, caller: &Caller, request: &Request<bytes::Bytes>) -> Result<Value, Error> {
    let segments: Vec<String> = request
        .uri()
        .path()
        .trim_matches('/')
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let body = request.body();
    let at = |name: &str| ClusterRef::new(&caller.region, name);
    match (request.method(), segments.as_slice()) {
        (&Method::POST, ["clusters"]) => {
            let request: wire::CreateClusterRequest = parse(body)?;
            let record = eks.create(&caller.region, &caller.arn, request.into())?;
            Ok(wire::cluster(&record))
        }
        (&Method::GET, ["clusters"]) => {
            let here = eks.list().into_iter().map(|record| record.new);
            let names = here
                .filter(|new| new.region == caller.region)
                .map(|new| Value::from(new.name));
            Ok(page("clusters", names.collect(), request))
        }
        (&Method::GET, ["clusters", name]) => Ok(wire::cluster(&eks.get(&at(name))?)),
        (&Method::DELETE, ["clusters", name]) => Ok(wire::cluster(&eks.delete(&at(name))?)),
        (&Method::POST, ["clusters", name, "identity-provider-configs", "associate"]) => {
            let request: wire::AssociateRequest = parse(body)?;
            let tags = request.tags.clone();
            let config_name = request.oidc.identity_provider_config_name.clone();
            let update =
                eks.associate(&at(name), &config_name, request.oidc.into(), request.tags)?;
            Ok(json!({"update": wire::update(&update), "tags": tags}))
        }
        (&Method::POST, ["clusters", name, "identity-provider-configs", "describe"]) => {
            let config = provider_name(name, parse(body)?)?;
            Ok(wire::provider(name, &eks.provider(&at(name), &config)?))
        }
        (
            &Method::POST,
            [
                "clusters",
                name,
                "identity-provider-configs",
                "disassociate",
            ],
        ) => {
            let config = provider_name(name, parse(body)?)?;
            let update = eks.disassociate(&at(name), &config)?;
            Ok(json!({"update": wire::update(&update)}))
        }
        (&Method::GET, ["clusters", name, "identity-provider-configs"]) => {
            let configs = eks
                .get(&at(name))?
                .provider
                .map(|provider| json!({"type": "oidc", "name": provider.name}));
            Ok(page(
                "identityProviderConfigs",
                configs.into_iter().collect(),
                request,
            ))
        }
        (&Method::GET, ["clusters", name, "updates"]) => {
            let ids = eks
                .get(&at(name))?
                .updates
                .into_iter()
                .map(|update| update.id);
            Ok(page("updateIds", ids.map(Value::from).collect(), request))
        }
        (&Method::GET, ["clusters", name, "updates", id]) => {
            Ok(json!({"update": wire::update(&eks.update(&at(name), id)?)}))
        }
        (&Method::POST, ["tags", arn @ ..]) => {
            let tags = parse::<wire::TagRequest>(body)?.tags;
            eks.edit_tags(&arn.join("/"), |all| all.extend(tags))?;
            Ok(json!({}))
        }
        (&Method::DELETE, ["tags", arn @ ..]) => {
            let gone: Vec<String> = query(request, "tagKeys").collect();
            eks.edit_tags(&arn.join("/"), |all| {
                all.retain(|key, _| !gone.contains(key))
            })?;
            Ok(json!({}))
        }
        (&Method::GET, ["tags", arn @ ..]) => {
            let tags = eks.edit_tags(&arn.join("/"), |all| all.clone())?;
            Ok(json!({ "tags": tags }))
        }
        (method, _) => Err(Error::NotImplemented(format!(
            "{method} {}",
            request.uri().path()
        ))),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Serialization(error.to_string()))
}

fn provider_name(cluster: &str, request: wire::ProviderRequest) -> Result<String, Error> {
    let config = request.identity_provider_config;
    if config.kind != "oidc" {
        return Err(Error::InvalidParameter {
            message: format!(
                "Identity provider config type {:?} is not oidc",
                config.kind
            ),
            cluster: Some(cluster.to_owned()),
        });
    }
    Ok(config.name)
}

/// `maxResults` and `nextToken` of the list operations; the token is the
/// number of items already given.
fn page(name: &str, items: Vec<Value>, request: &Request<bytes::Bytes>) -> Value {
    let number = |key: &str| {
        query(request, key)
            .next()
            .and_then(|text| text.parse::<usize>().ok())
    };
    let start = number("nextToken").unwrap_or(0).min(items.len());
    let end = start
        .saturating_add(number("maxResults").filter(|n| *n > 0).unwrap_or(100))
        .min(items.len());
    let mut answer = json!({ name: items[start..end] });
    if end < items.len() {
        answer["nextToken"] = Value::from(end.to_string());
    }
    answer
}

fn query<'r>(
    request: &'r Request<bytes::Bytes>,
    name: &'r str,
) -> impl Iterator<Item = String> + 'r {
    url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
        .filter(move |(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
