//! Which cluster is attacked, and with whose token: those of a running instance,
//! or any cluster by its kubeconfig.

use std::path::{Path, PathBuf};

use foundation::pki;
use foundation::secret::Secret;
use mock_idp::forge::Forgery;
use rustls::RootCertStore;
use serde_json::Value;

use super::Error;
use super::forger::{Forger, Provider};
use super::target::Target;
use crate::client::system_roots;
use crate::cluster::authn::Trust;
use crate::cluster::kubeconfig::read::{self, Kubeconfig, Server};
use crate::doctor::request::{admin, trust_of};
use crate::doctor::{Proxy, Surroundings, issuer, pool, token, web};
use crate::instance::{self, Running};
use crate::login::http::HttpLogin;
use crate::login::{Login as _, Session};
use crate::scenario::plan::forgery;

/// What somebody asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The folder of an instance.
    pub dir: PathBuf,
    /// A cluster of it other than the ready one.
    pub cluster: Option<String>,
    /// Whose real token everything is made of.
    pub person: Person,
    /// The access token of the same login.
    pub access: Option<Secret<String>>,
    /// Another cluster than an instance's.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it other than the current one.
    pub context: Option<String>,
    /// A PEM file with the CA of the token's issuer, where that is no instance's.
    pub ca: Option<PathBuf>,
    /// The words to try; none: all.
    pub words: Vec<String>,
    /// What programs find around them.
    pub surroundings: Surroundings,
}

/// Where the real token comes from.
#[derive(Clone, Debug, Default)]
pub enum Person {
    /// Nobody said.
    #[default]
    Nobody,
    /// A login, by name and password.
    LogsIn(String, Secret<String>),
    /// It is here.
    Token(Secret<String>),
}

/// Everything that an attack needs.
///
/// # Errors
/// [`Error`]: something has to be given, or does not answer.
pub async fn prepare(request: Request) -> Result<(Target, Forger, Vec<Forgery>), Error> {
    let words = words(&request.words)?;
    let (target, forger) = match &request.kubeconfig {
        Some(path) => by_kubeconfig(&request, path).await?,
        None => by_instance(&request).await?,
    };
    Ok((target, forger, words))
}

fn words(given: &[String]) -> Result<Vec<Forgery>, Error> {
    if given.is_empty() {
        return Ok(Forgery::ALL.to_vec());
    }
    let read = |word: &String| forgery(word, &[]).map_err(Error::Usage);
    given.iter().map(read).collect()
}

/// A cluster of a running instance, whose provider helps.
async fn by_instance(request: &Request) -> Result<(Target, Forger), Error> {
    let running = Running::find(&request.dir)
        .await
        .map_err(|error| match error {
            instance::Error::NotRunning { .. } => Error::Usage(format!(
                "{error}; any other cluster is attacked with --kubeconfig and --token"
            )),
            error => rig(error),
        })?;
    let (kubeconfig, trust) = cluster(request, &running).await?;
    let roots = pki::roots_from_pem(&read(&running.ready().paths.ca)?).map_err(rig)?;
    let (id, access) = match &request.person {
        Person::Nobody => {
            return Err(Error::Usage(
                "whose token is it to be? --user and --password log somebody in, --token FILE names one".to_owned(),
            ));
        }
        Person::Token(id) => (id.clone(), request.access.clone()),
        Person::LogsIn(user, password) => {
            let session = log_in(&running, &trust, roots.clone(), user, password).await?;
            (session.id_token, session.access_token)
        }
    };
    let proxy = Proxy {
        url: running.ready().proxy.clone(),
        except: String::new(),
    };
    let keys = published(&id, roots, &proxy).await;
    let ours = format!("{}/", running.ready().issuer_base);
    let provider = trust.issuer_url.starts_with(&ours).then(|| Provider {
        control: running.control(),
        trust: trust.clone(),
    });
    let target = Target::new(&kubeconfig, &proxy).map_err(Error::Rig)?;
    let forger = Forger::new(id, access, keys, provider).await;
    Ok((target, forger.map_err(Error::Rig)?))
}

/// The cluster as a kubeconfig has it, and whom it trusts.
async fn cluster(request: &Request, running: &Running) -> Result<(Kubeconfig, Trust), Error> {
    let ready = running.ready();
    let name = request.cluster.as_ref().unwrap_or(&ready.cluster_name);
    let status = running.status().await.map_err(rig)?;
    let mut all = status["clusters"].as_array().into_iter().flatten();
    let found = all
        .find(|cluster| cluster["name"] == name.as_str())
        .ok_or_else(|| Error::Usage(format!("there is no cluster {name}: rolecall status")))?;
    let trusted = running.trusted_by(found).await;
    let mut trusted = trusted.iter().map(trust_of);
    let none = || {
        Error::Usage(format!(
            "cluster {name} trusts no issuer yet, and so refuses every token; `aws eks associate-identity-provider-config` tells it of one"
        ))
    };
    let first = trusted.next().ok_or_else(none)?;
    let theirs = |trust: &Trust| match &request.person {
        Person::Token(token) => token::decode(token.expose())
            .is_some_and(|token| token.text("iss") == Some(&trust.issuer_url)),
        _ => trust
            .issuer_url
            .starts_with(&format!("{}/", ready.issuer_base)),
    };
    let trust = match theirs(&first) {
        true => first,
        // Of several by a file, the one whose token it is or is to be.
        false => trusted.find(theirs).unwrap_or(first),
    };
    let kubeconfig = match admin(running, found) {
        Some(admin) => admin,
        None => Kubeconfig {
            server: server(found, ready.proxy.clone())?,
            ..Kubeconfig::default()
        },
    };
    Ok((kubeconfig, trust))
}

/// A cluster whose administrator is not at hand.
fn server(cluster: &Value, proxy: Option<String>) -> Result<Server, Error> {
    use base64::Engine as _;
    let text = |name: &str| cluster[name].as_str().unwrap_or_default();
    let ca = base64::engine::general_purpose::STANDARD
        .decode(text("certificateAuthorityData"))
        .map_err(rig)?;
    Ok(Server {
        url: text("endpoint").to_owned(),
        ca_pem: Some(String::from_utf8(ca).map_err(rig)?),
        proxy,
        unverified: false,
    })
}

/// Logs in at the pages, as the client that the cluster trusts.
async fn log_in(
    running: &Running,
    trust: &Trust,
    roots: RootCertStore,
    user: &str,
    password: &Secret<String>,
) -> Result<Session, Error> {
    let foreign = || {
        Error::Usage(format!(
            "{} is no pool of the instance: log in there, and name the token with --token FILE",
            trust.issuer_url
        ))
    };
    let pool = trust
        .issuer_url
        .strip_prefix(&running.ready().issuer_base)
        .and_then(issuer::pool_of)
        .ok_or_else(foreign)?;
    let client = pool::describe(&running.aws(), pool, &trust.client_id)
        .await
        .map_err(|error| Error::Usage(error.to_string()))?;
    let callback = client.callbacks.first().ok_or_else(|| {
        Error::Usage(format!(
            "the client {} has no callback URL, so nobody can log in with it",
            trust.client_id
        ))
    })?;
    let login = crate::login::Request {
        issuer: trust.issuer_url.clone(),
        client_id: trust.client_id.clone(),
        username: user.to_owned(),
        password: password.clone(),
        // An attack changes nobody's password.
        new_password: Secret::default(),
        scope: "openid".to_owned(),
        redirect_uri: callback.clone(),
    };
    let pages = HttpLogin::new(roots, running.ready().proxy.as_deref()).map_err(rig)?;
    pages.login(&login).await.map_err(|refusal| match refusal {
        crate::login::Refusal::Refused { because, .. } => {
            Error::Usage(format!("{user} cannot log in: {because}"))
        }
        other => rig(other),
    })
}

/// Any cluster, without help: what needs the issuer's key is left out.
async fn by_kubeconfig(request: &Request, path: &Path) -> Result<(Target, Forger), Error> {
    let Person::Token(id) = &request.person else {
        return Err(Error::Usage(
            "--kubeconfig needs a --token FILE beside it: a real token, which the cluster accepts"
                .to_owned(),
        ));
    };
    let kubeconfig = read::context(path, request.context.as_deref())
        .map_err(|why| Error::Usage(format!("{}: {why}", path.display())))?;
    let roots = match &request.ca {
        None => system_roots(),
        Some(file) => pki::roots_from_pem(&read(file)?)
            .map_err(|error| Error::Usage(format!("{}: {error}", file.display())))?,
    };
    let proxy = &request.surroundings.proxy;
    let target = Target::new(&kubeconfig, proxy).map_err(Error::Usage)?;
    let keys = published(id, roots, proxy).await;
    let forger = Forger::new(id.clone(), request.access.clone(), keys, None).await;
    Ok((target, forger.map_err(Error::Rig)?))
}

/// The keys that the token's issuer publishes (OpenID Connect Discovery 1.0
/// section 4).
async fn published(
    id: &Secret<String>,
    roots: RootCertStore,
    proxy: &Proxy,
) -> Result<Value, String> {
    let decoded = token::decode(id.expose()).ok_or("the token is no JWT")?;
    let iss = decoded.text("iss").ok_or("the token has no iss")?;
    let http = web::client(roots, proxy).map_err(|broken| broken.to_string())?;
    let get = async |url: &str| -> Result<Value, String> {
        let answer = web::get(&http, url).await.map_err(|trouble| {
            issuer::unreachable(&trouble, url, "a CA that is trusted here").what
        })?;
        let json = serde_json::from_slice(&answer.body).ok();
        json.filter(|_| answer.status.starts_with("200"))
            .ok_or_else(|| format!("{url} answers {}, and not with JSON", answer.status))
    };
    let discovery = crate::login::discovery_url(iss);
    let document = get(&discovery).await?;
    let jwks = document["jwks_uri"]
        .as_str()
        .ok_or_else(|| format!("{discovery} names no jwks_uri"))?;
    get(jwks).await
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::Usage(format!("{}: {error}", path.display())))
}

fn rig(error: impl std::fmt::Display) -> Error {
    Error::Rig(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_is_met_with_the_one_that_was_meant() {
        let error = words(&["alg-none".to_owned(), "expird".to_owned()]).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "there is no forged token called \"expird\"; did you mean expired?"
        );
        assert_eq!(words(&[]).expect("all").len(), Forgery::ALL.len());
    }
}
