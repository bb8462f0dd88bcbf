//! The cluster's own answer to the token.

use foundation::secret::Secret;
use kube_authn::User;
use serde_json::{Value, json};

use super::finding::{Finding, excerpt};
use super::issuer;
use super::web::{self, Trouble};
use crate::client::Proxy;
use crate::cluster::kubeconfig::read::{NoRoots, Server};

const CHECK: &str = "cluster";

/// Asks the API server whom it takes the bearer for, in the way that kubectl
/// would: through the kubeconfig's proxy, or else the environment's.
pub async fn ask(
    server: &Server,
    token: &Secret<String>,
    walked: Option<&User>,
    proxy: &Proxy,
) -> Finding {
    let url = server.url.trim_end_matches('/');
    let roots = match server.roots() {
        Ok(roots) => roots,
        Err(why @ NoRoots::Unverified(_)) => {
            return Finding::warning(
                CHECK,
                why.to_string(),
                "put certificate-authority-data in the place of insecure-skip-tls-verify",
            );
        }
        Err(why) => {
            return Finding::problem(
                CHECK,
                why.to_string(),
                "write the kubeconfig anew, for example with aws eks update-kubeconfig",
            );
        }
    };
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let answer = match web::client(roots, &server.way(proxy)) {
        Err(broken) => Err(Trouble::Other(broken.to_string())),
        Ok(client) => {
            let request = client
                .post(format!(
                    "{url}/apis/authentication.k8s.io/v1/selfsubjectreviews"
                ))
                .bearer_auth(token.expose())
                .header("accept", "application/json")
                .header("content-type", "application/json")
                .body(review.to_string());
            web::read(request).await
        }
    };
    match answer {
        Err(trouble) => {
            let finding = issuer::unreachable(&trouble, url, "the kubeconfig's CA");
            Finding::problem(
                CHECK,
                format!("the API server did not answer: {}", finding.what),
                "see that the kubeconfig's server and certificate-authority-data are the cluster's, for example with kubectl version",
            )
        }
        Ok(answer) => {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            judge(&answer.status, &body, url, walked)
        }
    }
}

fn judge(status: &str, body: &Value, url: &str, walked: Option<&User>) -> Finding {
    let message = excerpt(body["message"].as_str().unwrap_or_default());
    match (status.get(..3).unwrap_or_default(), walked) {
        ("200" | "201", _) => same(&body["status"]["userInfo"], url, walked),
        ("401", Some(_)) => Finding::problem(
            CHECK,
            format!(
                "{url} answers 401 {message}: it refuses a token that this issuer, client and mapping would let in"
            ),
            "see that the cluster trusts this very issuer and client (aws eks describe-identity-provider-config: ACTIVE), with the issuer's CA, and can reach the issuer from where it runs; its log says why",
        ),
        ("401", None) => Finding::problem(
            CHECK,
            format!("{url} answers 401 {message}, as was to be expected"),
            "see to the refusal above",
        ),
        ("404", _) => Finding::warning(
            CHECK,
            format!("{url} does not know SelfSubjectReview v1, which came with Kubernetes 1.28"),
            "ask it with kubectl get pods --token instead",
        ),
        _ => Finding::warning(
            CHECK,
            format!("{url} answers {} {message}", excerpt(status)),
            "see that the kubeconfig's server is the cluster and not a proxy before it",
        ),
    }
}

/// Whether the cluster sees the person that the walk led to.
fn same(user: &Value, url: &str, walked: Option<&User>) -> Finding {
    let name = user["username"].as_str().unwrap_or_default();
    let groups: Vec<&str> = user["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let what = format!(
        "{url} takes the bearer for {}, groups {}",
        excerpt(name),
        excerpt(&groups.join(", "))
    );
    let differs = walked.is_none_or(|walked| {
        let missing = walked.groups.iter().any(|g| !groups.contains(&g.as_str()));
        let more = groups
            .iter()
            .any(|g| *g != "system:authenticated" && !walked.groups.iter().any(|w| w == g));
        walked.username != name || missing || more
    });
    if differs {
        Finding::problem(
            CHECK,
            format!("{what}, which is not what the mapping above leads to"),
            "give this command, or the cluster, the other's issuer, client, claims and prefixes: they are not the same",
        )
    } else {
        Finding::ok(CHECK, what)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use rstest::rstest;

    fn ada() -> User {
        User {
            username: "ada".to_owned(),
            groups: vec!["oidc:admins".to_owned()],
            ..User::default()
        }
    }

    fn info(name: &str, groups: &[&str]) -> Value {
        json!({"status": {"userInfo": {"username": name, "groups": groups}}})
    }

    #[rstest]
    #[case("201 Created", info("ada", &["oidc:admins", "system:authenticated"]), Level::Ok)]
    #[case("201 Created", info("ada", &["system:authenticated"]), Level::Problem)]
    #[case("201 Created", info("x#ada", &["oidc:admins"]), Level::Problem)]
    #[case("401 Unauthorized", json!({"message": "Unauthorized"}), Level::Problem)]
    #[case("404 Not Found", json!({}), Level::Warning)]
    #[case("502 Bad Gateway", json!({}), Level::Warning)]
    fn the_clusters_answer_is_compared(
        #[case] status: &str,
        #[case] body: Value,
        #[case] level: Level,
    ) {
        assert_eq!(judge(status, &body, "https://c", Some(&ada())).level, level);
    }
}
