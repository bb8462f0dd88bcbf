//! EKS' exact spelling: REST-JSON, lower camel case, timestamps as epoch
//! seconds, absent members left out.

use std::collections::BTreeMap;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use kube_rbac::Version;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::state::{
    ClusterStatus, CreateCluster, Provider, ProviderStatus, Record, Update, UpdateKind,
    UpdateStatus,
};
use crate::cluster::TrustError;
use crate::cluster::authn::Trust;

/// `ErrorCode` of an update that the cluster could not be told of.
pub const CLUSTER_UNREACHABLE: &str = "ClusterUnreachable";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateClusterRequest {
    name: String,
    role_arn: String,
    resources_vpc_config: VpcConfigRequest,
    version: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VpcConfigRequest {
    #[serde(default)]
    subnet_ids: Vec<String>,
    #[serde(default)]
    security_group_ids: Vec<String>,
}

impl From<CreateClusterRequest> for CreateCluster {
    fn from(request: CreateClusterRequest) -> Self {
        Self {
            name: request.name,
            role_arn: request.role_arn,
            subnet_ids: request.resources_vpc_config.subnet_ids,
            security_group_ids: request.resources_vpc_config.security_group_ids,
            version: request.version,
            tags: request.tags,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct AssociateRequest {
    pub(super) oidc: OidcRequest,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OidcRequest {
    pub(super) identity_provider_config_name: String,
    issuer_url: String,
    client_id: String,
    username_claim: Option<String>,
    username_prefix: Option<String>,
    groups_claim: Option<String>,
    groups_prefix: Option<String>,
    #[serde(default)]
    required_claims: BTreeMap<String, String>,
}

impl From<OidcRequest> for Trust {
    fn from(request: OidcRequest) -> Self {
        Self {
            issuer_url: request.issuer_url,
            client_id: request.client_id,
            username_claim: request.username_claim,
            username_prefix: request.username_prefix,
            groups_claim: request.groups_claim,
            groups_prefix: request.groups_prefix,
            required_claims: request.required_claims,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProviderRequest {
    pub(super) identity_provider_config: ProviderName,
}

#[derive(Deserialize)]
pub(super) struct ProviderName {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct TagRequest {
    pub(super) tags: BTreeMap<String, String>,
}

/// `Cluster`. The endpoint and the CA appear when it is ACTIVE.
pub(super) fn cluster(record: &Record) -> Value {
    let status = match record.status {
        ClusterStatus::Creating => "CREATING",
        ClusterStatus::Active => "ACTIVE",
        ClusterStatus::Deleting => "DELETING",
        ClusterStatus::Failed(_) => "FAILED",
    };
    let mut cluster = json!({
        "name": record.new.name,
        "arn": record.arn,
        "createdAt": seconds(record.created_at),
        "version": minor(record),
        "roleArn": record.role_arn,
        "resourcesVpcConfig": {
            "subnetIds": record.subnet_ids,
            "securityGroupIds": record.security_group_ids,
            "vpcId": "vpc-00000000000000000",
            "endpointPublicAccess": true,
            "endpointPrivateAccess": false,
            "publicAccessCidrs": ["0.0.0.0/0"],
        },
        "kubernetesNetworkConfig": {"serviceIpv4Cidr": "10.100.0.0/16", "ipFamily": "ipv4"},
        "logging": {"clusterLogging": [{
            "types": ["api", "audit", "authenticator", "controllerManager", "scheduler"],
            "enabled": false,
        }]},
        "identity": {"oidc": {"issuer": record.new.oidc_issuer}},
        "status": status,
        "certificateAuthority": {},
        "platformVersion": "eks.1",
        "tags": record.tags,
        "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
        "deletionProtection": false,
    });
    if let (ClusterStatus::Active, Some(running)) = (&record.status, &record.running) {
        cluster["endpoint"] = Value::from(running.endpoint());
        cluster["certificateAuthority"]["data"] = Value::from(STANDARD.encode(running.ca_pem()));
    }
    if let ClusterStatus::Failed(reason) = &record.status {
        cluster["health"] = json!({"issues": [{"code": "Other", "message": reason}]});
    }
    json!({ "cluster": cluster })
}

/// What was asked for; else what runs, once it does.
fn minor(record: &Record) -> String {
    let running = record.running.as_ref();
    let running = running.and_then(|cluster| Version::of_release(cluster.release()));
    let minor = || running.unwrap_or_default().to_string();
    record.version.clone().unwrap_or_else(minor)
}

/// `OidcIdentityProviderConfig`.
pub(super) fn provider(cluster: &str, provider: &Provider) -> Value {
    let status = match provider.status {
        ProviderStatus::Creating => "CREATING",
        ProviderStatus::Active => "ACTIVE",
        ProviderStatus::Deleting => "DELETING",
    };
    let trust = &provider.trust;
    let mut oidc = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            oidc.insert(name.to_owned(), value);
        }
    };
    let text = |value: &Option<String>| value.as_deref().map(Value::from);
    put(
        "identityProviderConfigName",
        Some(Value::from(provider.name.as_str())),
    );
    put(
        "identityProviderConfigArn",
        Some(Value::from(provider.arn.as_str())),
    );
    put("clusterName", Some(Value::from(cluster)));
    put("issuerUrl", Some(Value::from(trust.issuer_url.as_str())));
    put("clientId", Some(Value::from(trust.client_id.as_str())));
    put("usernameClaim", text(&trust.username_claim));
    put("usernamePrefix", text(&trust.username_prefix));
    put("groupsClaim", text(&trust.groups_claim));
    put("groupsPrefix", text(&trust.groups_prefix));
    put("requiredClaims", Some(json!(trust.required_claims)));
    put("tags", Some(json!(provider.tags)));
    put("status", Some(Value::from(status)));
    json!({"identityProviderConfig": {"oidc": oidc}})
}

/// `Update`; its one parameter is itself JSON in a string.
pub(super) fn update(update: &Update) -> Value {
    let (kind, value) = match update.kind {
        UpdateKind::Associate => (
            "AssociateIdentityProviderConfig",
            json!([{"type": "oidc", "name": update.provider}]).to_string(),
        ),
        UpdateKind::Disassociate => ("DisassociateIdentityProviderConfig", "[]".to_owned()),
    };
    let (status, errors) = match &update.status {
        UpdateStatus::InProgress => ("InProgress", json!([])),
        UpdateStatus::Successful => ("Successful", json!([])),
        UpdateStatus::Failed(reason) => {
            let code = match reason {
                TrustError::Broken(_) => CLUSTER_UNREACHABLE,
                TrustError::Invalid(_) | TrustError::IssuerUnreachable(_) => "Unknown",
            };
            let errors =
                json!([{"errorCode": code, "errorMessage": reason.to_string(), "resourceIds": []}]);
            ("Failed", errors)
        }
    };
    json!({
        "id": update.id,
        "status": status,
        "type": kind,
        "params": [{"type": "IdentityProviderConfig", "value": value}],
        "createdAt": seconds(update.created_at),
        "errors": errors,
    })
}

/// A JSON answer with AWS' request id.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this millennium fit into 53 bits"
)]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}
