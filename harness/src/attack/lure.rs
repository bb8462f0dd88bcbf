//! Where the forger waits for somebody to ask for its keys: nobody may, however
//! plainly a token says where they are (RFC 8725 section 2.9).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use foundation::listen::Listener;
use http::{Request, Response};
use mock_idp::forge::Stranger;
use tokio_util::sync::CancellationToken;

/// A listener on loopback that serves the forger's keys; it ends when dropped.
pub struct Lure {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    shutdown: CancellationToken,
}

impl Lure {
    /// Starts it. It speaks plain HTTP, so that who does ask gets an answer.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn start(stranger: &Stranger) -> io::Result<Self> {
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let url = format!("http://{}", listener.addr());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (keys, certificate) = (stranger.key_set().to_string(), stranger.certificate_pem());
        let noted = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let path = request.uri().path().to_owned();
            let body = if path == "/x5u" {
                certificate.clone()
            } else {
                keys.clone()
            };
            noted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(path);
            async { Ok::<_, Infallible>(Response::new(Body::from(body))) }
        });
        let shutdown = CancellationToken::new();
        tokio::spawn(listener.serve_plain(service, shutdown.clone()));
        Ok(Self {
            url,
            asked,
            shutdown,
        })
    }

    /// Where it is, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Lure {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
