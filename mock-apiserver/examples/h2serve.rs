//! Temporary.
use base64::Engine as _;
use foundation::listen::Listener;
use foundation::pki::Ca;
use mock_apiserver::audit::AuditSink;
use mock_apiserver::{ApiServer, Config};
use tokio_util::sync::CancellationToken;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = std::env::args().nth(1).expect("a folder");
    let now = foundation::pki::today();
    let ca = Ca::new("c", now).expect("ca");
    let leaf = ca.issue_server(&["127.0.0.1"], now).expect("leaf");
    let admin = ca
        .issue_client("kubernetes-admin", Some("system:masters"), now)
        .expect("admin");
    let listener = Listener::bind(([127, 0, 0, 1], 0).into())
        .await
        .expect("port");
    let b = |s: &str| base64::engine::general_purpose::STANDARD.encode(s);
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    server: https://{}\n    certificate-authority-data: {}\ncontexts:\n- name: c\n  context:\n    cluster: c\n    user: u\ncurrent-context: c\nusers:\n- name: u\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        listener.addr(),
        b(ca.pem()),
        b(&admin.certificate_pem),
        b(&admin.key_pem())
    );
    std::fs::write(format!("{dir}/admin.kubeconfig"), text).expect("write");
    let server = ApiServer::new(Config {
        audit: AuditSink::file(std::path::Path::new(&format!("{dir}/audit.log"))).expect("file"),
        audit_policy: match std::env::args().nth(2) {
            Some(path) => {
                mock_apiserver::audit::Policy::parse(&std::fs::read_to_string(path).expect("file"))
                    .expect("a policy")
            }
            None => mock_apiserver::audit::Policy::default(),
        },
        ..Config::default()
    });
    let tls = leaf.server_config_with_client_auth(&ca).expect("tls");
    let _ = listener
        .serve(tls, server.service(), CancellationToken::new())
        .await;
}
