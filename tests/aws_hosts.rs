//! `up --aws-hosts`: AWS' own names on this machine, for whatever honours the
//! proxy variables. The tutorial's own names are in `tutorial_unedited`.

use std::path::PathBuf;

use serde_json::Value;

use crate::ledger::{Case, Stop, case};
use crate::programs;
use crate::rig::{Ran, Up, block_on, check, rolecall};

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "aws_hosts::an_application_of_ones_own_finds_cognito_by_its_name",
            application,
        ),
        case(
            "aws_hosts::issuer_keys_and_pages_are_under_aws_names",
            names,
        ),
        case(
            "aws_hosts::a_custom_domain_is_a_host_of_its_own",
            custom_domain,
        ),
        case(
            "aws_hosts::other_hosts_are_refused_and_told",
            others_refused,
        ),
        case(
            "aws_hosts::other_hosts_are_let_through_when_allowed",
            others_allowed,
        ),
        case(
            "aws_hosts::a_cluster_is_reached_with_its_own_certificate",
            cluster,
        ),
        case("aws_hosts::a_watch_goes_on_through_the_tunnel", watch),
        case(
            "aws_hosts::an_upgrade_passes_the_tunnel_and_is_answered_by_the_cluster",
            upgrade,
        ),
        case("aws_hosts::china_has_hosts_of_its_own", china),
        case(
            "aws_hosts::a_host_that_is_new_after_the_clock_moved_is_trusted",
            later,
        ),
        case(
            "aws_hosts::bytes_pass_both_ways_once_a_protocol_is_switched",
            switched,
        ),
        case("aws_hosts::an_endpoint_of_no_cluster_is_named", no_cluster),
        case("aws_hosts::get_token_works_for_the_cluster", get_token),
        case("aws_hosts::the_regions_have_hosts_of_their_own", regions),
        case(
            "aws_hosts::a_service_that_nobody_stands_in_for_is_named",
            no_service,
        ),
        case("aws_hosts::nothing_leads_past_the_proxy", environment),
        case(
            "aws_hosts::whatever_is_sent_to_the_proxy_nothing_panics",
            nonsense,
        ),
    ]
}

fn up() -> Result<Up, Stop> {
    Up::start(&["--aws-hosts"])
}

/// The Python of the aws CLI: a client that knows nothing of us.
fn python(up: &Up, program: &str) -> Result<Ran, Stop> {
    let aws = programs::aws()?;
    let python: PathBuf = aws.with_file_name("python");
    up.run(&python, &["-c", program])
}

fn pool(up: &Up) -> Result<String, Stop> {
    let made = up
        .aws(&["cognito-idp", "create-user-pool", "--pool-name", "p"])?
        .ok()?
        .json()?;
    crate::tutorial::text(&made["UserPool"]["Id"])
}

fn get(up: &Up, url: &str) -> Result<(u16, String), Stop> {
    let http = up.https()?;
    block_on(async {
        let response = http
            .get(url)
            .send()
            .await
            .map_err(|error| format!("{url}: {error:?}"))?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|error| error.to_string())?;
        Ok((status, text))
    })
}

fn application() -> Result<(), Stop> {
    let up = up()?;
    let pool = pool(&up)?;
    let url = format!("https://cognito-idp.eu-west-2.amazonaws.com/{pool}/.well-known/jwks.json");
    let program = format!(
        "import json, urllib.request as u; print(len(json.load(u.urlopen('{url}'))['keys']), 'keys')"
    );
    python(&up, &program)?.ok()?.says("2 keys").map(drop)
}

fn names() -> Result<(), Stop> {
    let up = up()?;
    let pool = pool(&up)?;
    let issuer = format!("https://cognito-idp.eu-west-2.amazonaws.com/{pool}");
    check(
        up.ready().issuer_base == "https://cognito-idp.eu-west-2.amazonaws.com",
        || up.ready().issuer_base.clone(),
    )?;
    let dead = r#"{"code":"BadRequest","message":"The server did not understand the operation that was requested.","type":"client"}"#;
    let (status, text) = get(&up, &issuer)?;
    check(status == 400 && text.trim() == dead, || {
        format!("{status} {text}")
    })?;
    up.aws(&[
        "cognito-idp",
        "create-user-pool-domain",
        "--user-pool-id",
        &pool,
        "--domain",
        "names",
    ])?
    .ok()?;
    let (_, text) = get(&up, &format!("{issuer}/.well-known/openid-configuration"))?;
    let found: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    check(found["issuer"] == issuer.as_str(), || text.clone())?;
    check(
        found["token_endpoint"] == "https://names.auth.eu-west-2.amazoncognito.com/oauth2/token",
        || text.clone(),
    )?;
    let (status, text) = get(&up, "https://nobody.auth.eu-west-2.amazoncognito.com/login")?;
    check(status == 400 || status == 404, || {
        format!("{status} {text}")
    })
}

fn custom_domain() -> Result<(), Stop> {
    let up = up()?;
    let pool = pool(&up)?;
    let url = "https://login.example.com/login?client_id=none";
    check(get(&up, url).is_err(), || {
        "a domain before it was made".to_owned()
    })?;
    up.aws(&[
        "cognito-idp", "create-user-pool-domain", "--user-pool-id", &pool,
        "--domain", "login.example.com", "--custom-domain-config",
        "CertificateArn=arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555",
    ])?
    .ok()?;
    let issuer = format!("https://cognito-idp.eu-west-2.amazonaws.com/{pool}");
    let (_, text) = get(&up, &format!("{issuer}/.well-known/openid-configuration"))?;
    let found: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    check(found["issuer"] == issuer.as_str(), || text.clone())?;
    check(
        found["authorization_endpoint"] == "https://login.example.com/oauth2/authorize",
        || text.clone(),
    )?;
    let (status, text) = get(&up, url)?;
    check(status == 302 || text.contains("<html"), || {
        format!("{status} {text}")
    })
}

fn others_refused() -> Result<(), Stop> {
    let up = up()?;
    let program = "import urllib.request as u\nfor url in ['https://example.com', 'http://example.com', 'https://cognito-idp.eu-west-2.amazonaws.com:8443']:\n  try:\n    u.urlopen(url)\n    print('REACHED', url)\n  except OSError as e:\n    print('refused', e)";
    let ran = python(&up, program)?.ok()?;
    check(!ran.stdout.contains("REACHED"), || ran.to_string())?;
    let dir = up.dir().display().to_string();
    rolecall(&["status", "--dir", &dir])?
        .ok()?
        .says("refused example.com:443\n")?
        .says("refused example.com:80\n")?
        .says("refused cognito-idp.eu-west-2.amazonaws.com:8443\n")?;
    let status = rolecall(&["status", "--json", "--dir", &dir])?
        .ok()?
        .json()?;
    check(status["otherHosts"]["askedFor"][0]["times"] == 1, || {
        status.to_string()
    })
}

/// The other host is this machine's own front door, by a name that is none of
/// AWS': nothing leaves the machine.
fn others_allowed() -> Result<(), Stop> {
    let up = Up::start(&["--aws-hosts", "--allow-other-hosts"])?;
    let origin = up.ready().origin.clone();
    let program = format!(
        "import os, urllib.request as u, urllib.error as e\n\
         for n in ('NO_PROXY', 'no_proxy'): os.environ.pop(n, None)\n\
         try: u.urlopen('{origin}/nothing')\n\
         except e.HTTPError as error: print('answered', error.code)"
    );
    python(&up, &program)?.ok()?.says("answered 400")?;
    // AWS' own names are none of the others, on whatever port and however
    // they are spelt.
    let program = "import urllib.request as u\nfor url in ['https://cognito-idp.eu-west-2.amazonaws.com:8443', 'https://amazonaws.com']:\n  try: u.urlopen(url)\n  except OSError as e: print(e)";
    let ran = python(&up, program)?.ok()?;
    check(ran.stdout.matches("403").count() == 2, || ran.to_string())?;
    let dir = up.dir().display().to_string();
    rolecall(&["status", "--dir", &dir])?
        .ok()?
        .says(&format!(
            "let through {}",
            origin.trim_start_matches("https://")
        ))
        .map(drop)
}

fn cluster() -> Result<(), Stop> {
    let up = up()?;
    let endpoint = up.ready().api_server.clone();
    check(
        endpoint.ends_with(".gr7.eu-west-2.eks.amazonaws.com"),
        || endpoint.clone(),
    )?;
    // The administrator's client certificate passes through.
    for kubectl in programs::KUBECTLS {
        up.kubectl(kubectl, &["auth", "whoami"])?
            .ok()?
            .says("kubernetes-admin")?;
    }
    Ok(())
}

fn watch() -> Result<(), Stop> {
    let up = up()?;
    let script = format!(
        "k={}; $k get configmaps --watch-only --request-timeout=20s > seen & watcher=$!\n\
         for i in $(seq 100); do $k create configmap c$i >/dev/null; grep -q '^c' seen && break; sleep 0.1; done\n\
         kill $watcher; cat seen",
        programs::kubectl("v1.37")?.display()
    );
    up.run(std::path::Path::new("/bin/sh"), &["-c", &script])?
        .ok()?
        .says("0      0s")
        .map(drop)
}

/// Nothing runs in our pods, and the cluster says so itself: what asks it to
/// speak another protocol reaches it as it was sent.
fn upgrade() -> Result<(), Stop> {
    let pod = r#"{"spec":{"containers":[{"name":"c","image":"i"}]}}"#;
    let (direct, tunnelled) = (Up::start(&[])?, up()?);
    for kubectl in programs::KUBECTLS {
        let mut said = Vec::new();
        for up in [&direct, &tunnelled] {
            let name = format!("pod-{kubectl}");
            let overrides = format!("--overrides={pod}");
            up.kubectl(kubectl, &["run", &name, "--image=i", &overrides])?
                .ok()?;
            let exec = up.kubectl(kubectl, &["exec", &name, "--", "true"])?;
            said.push(exec.refused()?.stderr);
        }
        check(
            said[0] == said[1] && said[0].contains("this cluster does not serve it"),
            || said.join("\n"),
        )?;
    }
    Ok(())
}

/// Certificates are dated by the machine's clock, which is the clients'.
fn later() -> Result<(), Stop> {
    let up = up()?;
    up.control("POST", "clock", &serde_json::json!({"advance": "2h"}))?;
    pool(&up)?;
    crate::iam_tokens::create_cluster(&up, "second", &[])?;
    let described = up
        .aws(&["eks", "describe-cluster", "--name", "second"])?
        .ok()?
        .json()?;
    let cluster = &described["cluster"];
    let program = format!(
        "import base64, ssl, urllib.request as u\n\
         ca = base64.b64decode('{}').decode()\n\
         https = u.HTTPSHandler(context=ssl.create_default_context(cadata=ca))\n\
         print(u.build_opener(https).open('{}/version').status)",
        crate::tutorial::text(&cluster["certificateAuthority"]["data"])?,
        crate::tutorial::text(&cluster["endpoint"])?,
    );
    python(&up, &program)?.ok()?.says("200").map(drop)
}

/// Behind a cluster's endpoint, and behind every other host that is let
/// through, there is the same tunnel.
fn switched() -> Result<(), Stop> {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let there = listener.local_addr().map_err(|error| error.to_string())?;
    let echo = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut tcp, _) = listener.accept()?;
        tcp.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
        let mut head = [0; 64];
        let read = tcp.read(&mut head)?;
        if head[..read].starts_with(b"GET /exec") {
            tcp.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n")?;
        }
        let mut bytes = [0; 64];
        while let Ok(read) = tcp.read(&mut bytes)
            && read > 0
        {
            tcp.write_all(&bytes[..read])?;
        }
        Ok(())
    });
    let up = Up::start(&["--aws-hosts", "--allow-other-hosts"])?;
    let proxy = up.ready().proxy.clone().unwrap_or_default();
    let talk = || -> std::io::Result<String> {
        let mut tcp = std::net::TcpStream::connect(proxy.trim_start_matches("http://"))?;
        tcp.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
        let mut heard = String::new();
        for (say, until) in [
            (
                format!("CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n\r\n"),
                "\r\n\r\n",
            ),
            (
                "GET /exec HTTP/1.1\r\nUpgrade: echo\r\n\r\n".to_owned(),
                "echo\r\n\r\n",
            ),
            ("one\0".to_owned(), "one\0"),
            ("another\u{1}".to_owned(), "another\u{1}"),
        ] {
            tcp.write_all(say.as_bytes())?;
            let mut bytes = [0; 256];
            while !heard.ends_with(until) {
                let read = tcp.read(&mut bytes)?;
                if read == 0 {
                    return Ok(heard);
                }
                heard.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        }
        Ok(heard)
    };
    let heard = talk().map_err(|error| error.to_string())?;
    check(
        heard.contains(" 101 Switching Protocols") && heard.ends_with("one\0another\u{1}"),
        || format!("{heard:?}"),
    )?;
    echo.join()
        .map_err(|_| "the echo panicked".to_owned())?
        .map_err(|error| Stop::Fail(error.to_string()))
}

fn china() -> Result<(), Stop> {
    let up = Up::start(&["--aws-hosts", "--region", "cn-north-1"])?;
    let endpoint = &up.ready().api_server;
    check(
        endpoint.ends_with(".gr7.cn-north-1.eks.amazonaws.com.cn"),
        || endpoint.clone(),
    )?;
    up.kubectl("v1.37", &["auth", "whoami"])?
        .ok()?
        .says("kubernetes-admin")?;
    let pool = pool(&up)?;
    let issuer = format!("https://cognito-idp.cn-north-1.amazonaws.com.cn/{pool}");
    let (status, text) = get(&up, &format!("{issuer}/.well-known/openid-configuration"))?;
    let found: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    check(status == 200 && found["issuer"] == issuer.as_str(), || {
        text.clone()
    })?;
    // ARNs are those of the other partition, which AWS' would not be.
    up.aws(&["sts", "get-caller-identity"])?
        .ok()?
        .says("arn:aws:iam::123456789012:user/admin")
        .map(drop)
}

fn no_cluster() -> Result<(), Stop> {
    let up = up()?;
    let program = "import urllib.request as u\ntry: u.urlopen('https://00.gr7.eu-west-2.eks.amazonaws.com')\nexcept OSError as e: print(e)";
    python(&up, program)?.ok()?.says("502").map(drop)
}

fn get_token() -> Result<(), Stop> {
    let up = up()?;
    up.aws(&["eks", "update-kubeconfig", "--name", "kubedemy"])?
        .ok()?;
    // kubectl starts `aws eks get-token`, which signs a URL of STS' own host.
    let folder = programs::aws()?;
    let folder = folder
        .parent()
        .map(|f| f.display().to_string())
        .unwrap_or_default();
    let path = format!("{folder}:/usr/bin:/bin");
    up.run_with(
        &programs::kubectl("v1.37")?,
        &["auth", "whoami"],
        &[("PATH", &path)],
    )?
    .ok()?
    .says("system:masters")?;
    up.aws(&["sts", "get-caller-identity"])?
        .ok()?
        .says(":user/admin")
        .map(drop)
}

fn regions() -> Result<(), Stop> {
    let up = up()?;
    let there = |words: &[&str]| {
        let mut all = words.to_vec();
        all.extend(["--region", "us-east-1"]);
        up.aws(&all)
    };
    let made = there(&["cognito-idp", "create-user-pool", "--pool-name", "p"])?
        .ok()?
        .json()?;
    let id = crate::tutorial::text(&made["UserPool"]["Id"])?;
    let (status, text) = get(
        &up,
        &format!(
            "https://cognito-idp.us-east-1.amazonaws.com/{id}/.well-known/openid-configuration"
        ),
    )?;
    let found: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    check(
        status == 200
            && found["issuer"] == format!("https://cognito-idp.us-east-1.amazonaws.com/{id}"),
        || text.clone(),
    )?;
    // At the host of another region there is no such pool, and no such domain.
    let (status, text) = get(
        &up,
        &format!("https://cognito-idp.eu-west-2.amazonaws.com/{id}/.well-known/jwks.json"),
    )?;
    check(status == 400 && text.contains("does not exist"), || {
        format!("{status} {text}")
    })?;
    there(&[
        "cognito-idp",
        "create-user-pool-domain",
        "--user-pool-id",
        &id,
        "--domain",
        "far-away",
    ])?
    .ok()?;
    let page = |region: &str| {
        let host = format!("far-away.auth.{region}.amazoncognito.com");
        get(&up, &format!("https://{host}/logout?client_id=none"))
    };
    let (near, far) = (page("eu-west-2")?, page("us-east-1")?);
    check(near.1.contains("No user pool has it"), || near.1.clone())?;
    check(!far.1.contains("No user pool has it"), || far.1.clone())?;
    let listed = there(&["eks", "list-clusters"])?.ok()?.json()?;
    check(listed["clusters"] == serde_json::json!([]), || {
        listed.to_string()
    })?;
    // Nor can anybody of it sign in: that call has no signature.
    let client = there(&[
        "cognito-idp",
        "create-user-pool-client",
        "--user-pool-id",
        &id,
        "--client-name",
        "c",
        "--explicit-auth-flows",
        "ALLOW_USER_PASSWORD_AUTH",
    ])?;
    let client = crate::tutorial::text(&client.ok()?.json()?["UserPoolClient"]["ClientId"])?;
    let sign_in = [
        "cognito-idp",
        "initiate-auth",
        "--client-id",
        &client,
        "--auth-flow",
        "USER_PASSWORD_AUTH",
        "--auth-parameters",
        "USERNAME=nobody,PASSWORD=Wr0ng-one",
    ];
    up.aws(&sign_in)?
        .refused()?
        .says(&format!("User pool client {client} does not exist."))?;
    there(&sign_in)?
        .refused()?
        .says("User does not exist.")
        .map(drop)
}

fn no_service() -> Result<(), Stop> {
    let up = up()?;
    for words in [
        ["iam", "list-users"],
        ["dynamodb", "list-tables"],
        ["s3api", "list-buckets"],
    ] {
        up.aws(&words)?.refused()?.says("NotImplementedException")?;
    }
    Ok(())
}

fn environment() -> Result<(), Stop> {
    let up = up()?;
    let dir = up.dir().display().to_string();
    let mut command = std::process::Command::new(programs::rolecall());
    command
        .args(["env", "--json", "--dir", &dir])
        .env("AWS_ENDPOINT_URL", "https://real.example.com")
        .env("NO_PROXY", "corp.example.com,.amazonaws.com");
    let env = crate::rig::ran(command)?.ok()?.json()?;
    let proxy = up.ready().proxy.clone().unwrap_or_default();
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        check(env[name] == proxy.as_str(), || format!("{name}: {env}"))?;
    }
    for name in [
        "AWS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
    ] {
        let file = env[name].as_str().unwrap_or_default();
        check(std::path::Path::new(file).is_file(), || {
            format!("{name}: {env}")
        })?;
    }
    check(env["AWS_ENDPOINT_URL"].is_null(), || env.to_string())?;
    check(
        env["NO_PROXY"] == "corp.example.com,127.0.0.1,localhost,::1",
        || env.to_string(),
    )
}

fn nonsense() -> Result<(), Stop> {
    use std::io::{Read as _, Write as _};
    let up = up()?;
    let proxy = up.ready().proxy.clone().unwrap_or_default();
    let address = proxy.trim_start_matches("http://");
    for request in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT / HTTP/1.1\r\n\r\n",
        "CONNECT a.amazonaws.com.:8443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a.amazonaws.com HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a.amazonaws.com:99999 HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT .gr7.eu-west-2.eks.amazonaws.com:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a.amazonaws.com:443 HTTP/1.1\r\nHost: a\r\n\r\nno TLS at all, but many bytes of something else",
        "\u{0}\u{1}\u{2}",
    ] {
        let mut tcp = std::net::TcpStream::connect(address).map_err(|error| error.to_string())?;
        tcp.set_read_timeout(Some(std::time::Duration::from_millis(500)))
            .map_err(|error| error.to_string())?;
        tcp.write_all(request.as_bytes())
            .map_err(|error| error.to_string())?;
        let _ = tcp.read(&mut [0; 1024]);
    }
    let dir = up.dir().display().to_string();
    let status = rolecall(&["status", "--json", "--dir", &dir])?
        .ok()?
        .json()?;
    check(status["clusters"][0]["status"] == "ACTIVE", || {
        status.to_string()
    })?;
    check(!up.log().contains("panicked"), || up.log())
}
