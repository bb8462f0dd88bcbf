//! EKS' refusals and their one rendering.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};

/// Why EKS does not do what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such cluster, configuration or update.
    #[error("{message}")]
    NotFound {
        /// The sentence for people.
        message: String,
        /// Set when the cluster itself is missing or involved.
        cluster: Option<String>,
    },
    /// It exists already, or is being changed.
    #[error("{message}")]
    InUse {
        /// The sentence for people.
        message: String,
        /// The cluster in question.
        cluster: Option<String>,
    },
    /// A parameter is wrong.
    #[error("{message}")]
    InvalidParameter {
        /// The sentence for people.
        message: String,
        /// The cluster in question.
        cluster: Option<String>,
    },
    /// The request makes no sense in this state.
    #[error("{message}")]
    InvalidRequest {
        /// The sentence for people.
        message: String,
        /// The cluster in question.
        cluster: Option<String>,
    },
    /// The body is not JSON of the right shape.
    #[error("{0}")]
    Serialization(String),
    /// EKS has the operation, this front does not.
    #[error("rolecall's EKS front does not implement {0}; docs/fidelity.md lists what it does")]
    NotImplemented(String),
    /// A fault of ours.
    #[error("{0}")]
    Server(String),
}

impl Error {
    fn parts(&self) -> (StatusCode, &'static str, Option<&String>) {
        match self {
            Self::NotFound { cluster, .. } => (
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                cluster.as_ref(),
            ),
            Self::InUse { cluster, .. } => (
                StatusCode::CONFLICT,
                "ResourceInUseException",
                cluster.as_ref(),
            ),
            Self::InvalidParameter { cluster, .. } => (
                StatusCode::BAD_REQUEST,
                "InvalidParameterException",
                cluster.as_ref(),
            ),
            Self::InvalidRequest { cluster, .. } => (
                StatusCode::BAD_REQUEST,
                "InvalidRequestException",
                cluster.as_ref(),
            ),
            Self::Serialization(_) => (StatusCode::BAD_REQUEST, "SerializationException", None),
            Self::NotImplemented(_) => {
                (StatusCode::NOT_IMPLEMENTED, "NotImplementedException", None)
            }
            Self::Server(_) => (StatusCode::INTERNAL_SERVER_ERROR, "ServerException", None),
        }
    }

    /// The REST-JSON error: the type in a header, members in the body.
    pub fn into_response(self) -> Response<Body> {
        let (status, kind, cluster) = self.parts();
        let mut body = Map::new();
        if let Some(cluster) = cluster {
            body.insert("clusterName".to_owned(), Value::from(cluster.as_str()));
        }
        body.insert("message".to_owned(), Value::from(self.to_string()));
        let mut response = super::wire::json(status, &Value::Object(body));
        response
            .headers_mut()
            .insert("x-amzn-errortype", HeaderValue::from_static(kind));
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
