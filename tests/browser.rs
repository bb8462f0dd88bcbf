//! Headless Chromium at the real pages.

use std::path::PathBuf;

use harness::login::browser::{self, Browser, BrowserLogin, Credentials, Page, Programs, Trust};
use harness::login::http::HttpLogin;
use harness::login::{Login, Refusal, Request};
use reqwest::Url;
use serde_json::{Value, json};

use crate::ledger::{Case, Missing, Stop, case};
use crate::programs;
use crate::rig::{Ran, Up, block_on, check, claims, eventually, lasting_claims, program, ran};

const SEED: &str = r#"
pool: { name: kubedemy, usernameAttributes: [email], domain: kubedemyeksoidc, groups: [admins] }
client: { name: eks, readAttributes: [profile, email], callbackUrls: ["http://localhost:18765"], logoutUrls: ["http://localhost:18765/bye"] }
people:
  test@kubedemy.io: { groups: [admins], temporaryPassword: "H3lloW@rlD" }
  ada@example.com: { groups: [admins], password: "Ada-l0velace" }
otherPools:
  partners:
    pool: { usernameAttributes: [email], domain: partners, groups: [guests] }
    client: { name: portal, readAttributes: [profile, email], callbackUrls: ["http://localhost:18765"] }
    people:
      grace@example.com: { groups: [guests], password: "Gr4ce-Hopper" }
"#;

/// Where nobody listens.
const CALLBACK: &str = "http://localhost:18765";

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "browser::signs_in_changes_the_password_and_signs_out",
            whole_way,
        ),
        case(
            "browser::a_page_that_complains_is_a_refusal_in_its_words",
            refusals,
        ),
        case("browser::two_people_two_pools_one_profile", || {
            two_people(&[])
        }),
        case(
            "browser::two_people_two_pools_one_profile_on_aws_hosts",
            || two_people(&["--aws-hosts"]),
        ),
        case("browser::the_drivers_give_the_same_claims", || {
            same_claims(&[])
        }),
        case(
            "browser::the_drivers_give_the_same_claims_on_aws_hosts",
            || same_claims(&["--aws-hosts"]),
        ),
        case("browser::it_is_gone_with_its_profile", gone),
        case("browser::screenshots_of_every_page", screenshots),
        case(
            "browser::browse_starts_the_browser_that_is_found",
            browse_starts,
        ),
        case(
            "browser::browse_opens_a_real_one_that_ends_with_the_instance",
            || browse_really(&[]),
        ),
        case("browser::browse_opens_a_real_one_at_aws_own_names", || {
            browse_really(&["--aws-hosts"])
        }),
        case(
            "browser::browse_opens_a_real_one_that_ends_when_the_instance_is_killed",
            browse_killed,
        ),
        case(
            "browser::a_closed_browsers_profile_goes_with_the_instance",
            browse_closed,
        ),
        case("browser::what_is_typed_reaches_no_log", nothing_logged),
        case("browser::browse_says_what_is_missing", browse_missing),
    ]
}

// ---- the pages ------------------------------------------------------------

fn whole_way() -> Result<(), Stop> {
    let site = Site::start(&[])?;
    let pool = site.pool("kubedemy")?;
    let browser = site.browser()?;
    let (old, new) = ("H3lloW@rlD", "N3w-H3lloW@rlD");
    let test = Credentials::new("test@kubedemy.io", old, new);
    block_on(async {
        let first = site.sign_in(&browser, &pool, &test).await?;
        check(first.changed, || "no new password was asked for".to_owned())?;
        check(first.claims["email"] == "test@kubedemy.io", || {
            first.claims.to_string()
        })?;
        // Signed in already: nothing is asked, so nothing is typed.
        let nobody = Credentials::new("", "", "");
        let again = site.sign_in(&browser, &pool, &nobody).await?;
        check(again.claims["sub"] == first.claims["sub"], || {
            again.claims.to_string()
        })?;

        let logout = pool.page(
            "/logout",
            &[("redirect_uri", CALLBACK), ("response_type", "code")],
        );
        let page = browser.sign_out(&logout).await.map_err(|e| e.to_string())?;
        asks_for_password(&page)?;
        let page = browser
            .open(&pool.authorize())
            .await
            .map_err(|e| e.to_string())?;
        asks_for_password(&page)?;
        let by_new = site
            .sign_in(
                &browser,
                &pool,
                &Credentials::new("test@kubedemy.io", new, ""),
            )
            .await?;
        check(!by_new.changed, || {
            "a new password was asked for again".to_owned()
        })?;

        let bye = format!("{CALLBACK}/bye");
        let page = browser
            .sign_out(&pool.page("/logout", &[("logout_uri", &bye)]))
            .await;
        let page = page.map_err(|e| e.to_string())?;
        check(page.url.as_str() == bye && !page.answered, || {
            page.url.to_string()
        })
    })
}

fn refusals() -> Result<(), Stop> {
    let site = Site::start(&[])?;
    let pool = site.pool("kubedemy")?;
    let browser = site.browser()?;
    let stranger = pool.page(
        "/oauth2/authorize",
        &[
            ("response_type", "code"),
            ("redirect_uri", "http://localhost:1"),
        ],
    );
    let cases = [
        (
            pool.authorize(),
            Credentials::new("ada@example.com", "wrong", ""),
            "Incorrect username or password.",
        ),
        (
            pool.authorize(),
            Credentials::new("nobody@example.com", "Wr0ng-one", ""),
            "User does not exist.",
        ),
        (
            pool.authorize(),
            Credentials::new("ada@example.com", "", ""),
            "Please fill out this field.",
        ),
        (
            pool.authorize(),
            Credentials::new("test@kubedemy.io", "H3lloW@rlD", "short"),
            "Password not long enough",
        ),
        (stranger, Credentials::new("", "", ""), "redirect_mismatch"),
    ];
    block_on(async {
        for (start, who, words) in cases {
            browser.forget().await.map_err(|e| e.to_string())?;
            match browser.sign_in(&start, &who).await {
                Err(Refusal::Refused { because, trace }) => {
                    check(because.contains(words), || {
                        format!("{words:?} is not in {because:?}")
                    })?;
                    check(!trace.join(" ").contains('?'), || trace.join(" "))?;
                }
                other => return Err(Stop::Fail(format!("{words}: {other:?}"))),
            }
        }
        let nobody = browser
            .sign_in("http://localhost:18765/", &Credentials::new("", "", ""))
            .await;
        check(matches!(nobody, Err(Refusal::Broken(_))), || {
            format!("{nobody:?}")
        })
    })
}

fn two_people(arguments: &[&str]) -> Result<(), Stop> {
    let site = Site::start(arguments)?;
    let (ours, theirs) = (site.pool("kubedemy")?, site.pool("partners")?);
    let browser = site.browser()?;
    let ada = Credentials::new("ada@example.com", "Ada-l0velace", "");
    let grace = Credentials::new("grace@example.com", "Gr4ce-Hopper", "");
    let nobody = Credentials::new("", "", "");
    let is = |got: &SignedIn, pool: &Pool, email: &str, group: &str| {
        let claims = &got.claims;
        check(
            claims["email"] == email
                && claims["cognito:groups"] == json!([group])
                && claims["iss"] == pool.issuer.as_str()
                && claims["aud"] == pool.client.as_str(),
            || format!("not {email} of {}: {claims}", pool.issuer),
        )
    };
    block_on(async {
        is(
            &site.sign_in(&browser, &ours, &ada).await?,
            &ours,
            "ada@example.com",
            "admins",
        )?;
        is(
            &site.sign_in(&browser, &theirs, &grace).await?,
            &theirs,
            "grace@example.com",
            "guests",
        )?;
        // Each pool knows its own person, and neither the other's.
        is(
            &site.sign_in(&browser, &ours, &nobody).await?,
            &ours,
            "ada@example.com",
            "admins",
        )?;
        is(
            &site.sign_in(&browser, &theirs, &nobody).await?,
            &theirs,
            "grace@example.com",
            "guests",
        )?;
        let logout = ours.page(
            "/logout",
            &[("redirect_uri", CALLBACK), ("response_type", "code")],
        );
        asks_for_password(&browser.sign_out(&logout).await.map_err(|e| e.to_string())?)?;
        is(
            &site.sign_in(&browser, &theirs, &nobody).await?,
            &theirs,
            "grace@example.com",
            "guests",
        )
    })
}

fn asks_for_password(page: &Page) -> Result<(), Stop> {
    check(page.asks_for_password(), || {
        format!("{} does not ask for a password: {}", page.url, page.text)
    })
}

// ---- the drivers ----------------------------------------------------------

fn same_claims(arguments: &[&str]) -> Result<(), Stop> {
    let site = Site::start(arguments)?;
    let pool = site.pool("kubedemy")?;
    let roots = || site.up.edge_roots();
    let http = HttpLogin::new(roots()?, site.up.ready().proxy.as_deref());
    let http = http.map_err(|e| e.to_string())?;
    let browser = BrowserLogin::new(programs()?, site.trust(), roots()?);
    let browser = browser.map_err(|e| e.to_string())?;
    let request = |username: &str, password: &str, new: &str| Request {
        issuer: pool.issuer.clone(),
        client_id: pool.client.clone(),
        username: username.to_owned(),
        password: password.to_owned().into(),
        new_password: new.to_owned().into(),
        scope: "openid".to_owned(),
        redirect_uri: CALLBACK.to_owned(),
    };
    block_on(async {
        let changes = request("test@kubedemy.io", "H3lloW@rlD", "N3w-H3lloW@rlD");
        let session = browser.login(&changes).await.map_err(|e| e.to_string())?;
        check(session.password_changed, || {
            "no new password was asked for".to_owned()
        })?;
        let mut all = Vec::new();
        let drivers: [(&str, &dyn Login); 2] = [("http", &http), ("browser", &browser)];
        for (name, driver) in drivers {
            // Twice: one login must not help the next.
            for _ in 0..2 {
                let request = request("test@kubedemy.io", "N3w-H3lloW@rlD", "");
                let session = driver.login(&request).await.map_err(|e| e.to_string())?;
                check(
                    !session.password_changed && session.refresh_token.is_some(),
                    || name.to_owned(),
                )?;
                all.push((name, lasting_claims(session.id_token.expose())));
            }
            let wrong = request("test@kubedemy.io", "wrong", "");
            match driver.login(&wrong).await {
                Err(Refusal::Refused { because, .. }) => {
                    check(because == "Incorrect username or password.", || because)?;
                }
                other => return Err(Stop::Fail(format!("{name}: {other:?}"))),
            }
        }
        let (_, first) = &all[0];
        for (name, claims) in &all {
            check(claims == first, || format!("{name}: {claims}, not {first}"))?;
        }
        Ok(())
    })
}

fn gone() -> Result<(), Stop> {
    let browser = Site::start(&[])?.browser()?;
    let folder = browser.profile().to_owned();
    let needle = folder.display().to_string();
    check(!living(&needle)?.is_empty() && folder.exists(), || {
        needle.clone()
    })?;
    drop(browser);
    // What was killed takes a moment to go, and Chromium's crash handler, which
    // is of no group of ours, goes when it sees that.
    eventually("the browser and its folder are gone", || {
        Ok(living(&needle)?.is_empty() && !folder.exists())
    })
}

/// The processes that live with `needle` among their arguments.
fn living(needle: &str) -> Result<Vec<String>, Stop> {
    let mut ps = std::process::Command::new("ps");
    ps.args(["-eo", "stat=,args="]);
    let lines = ran(ps)?.ok()?.stdout;
    Ok(lines
        .lines()
        .filter(|line| line.contains(needle) && !line.starts_with('Z'))
        .map(str::to_owned)
        .collect())
}

// ---- what people see ------------------------------------------------------

fn screenshots() -> Result<(), Stop> {
    let site = Site::start(&[])?;
    let pool = site.pool("kubedemy")?;
    let browser = site.browser()?;
    let folder = programs::root().join("target/screenshots");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let stranger = pool.page(
        "/oauth2/authorize",
        &[
            ("response_type", "code"),
            ("redirect_uri", "http://localhost:1"),
        ],
    );
    let pages = [
        ("login", pool.authorize(), None, "Password"),
        (
            "wrong-password",
            pool.authorize(),
            Some(Credentials::new("ada@example.com", "wrong", "")),
            "Incorrect username or password.",
        ),
        (
            "new-password",
            pool.authorize(),
            Some(Credentials::new("test@kubedemy.io", "H3lloW@rlD", "")),
            "New password",
        ),
        (
            "new-password-refused",
            pool.authorize(),
            Some(Credentials::new("test@kubedemy.io", "H3lloW@rlD", "short")),
            "Password not long enough",
        ),
        ("error", stranger, None, "redirect_mismatch"),
        (
            "no-such-domain",
            pool.authorize().replace("kubedemyeksoidc", "nobodys"),
            None,
            "nobodys",
        ),
        (
            "no-such-page",
            pool.page("/no-such-page", &[]),
            None,
            "There is no such page.",
        ),
    ];
    block_on(async {
        for (name, start, who, words) in pages {
            browser.forget().await.map_err(|e| e.to_string())?;
            match who {
                // Ends at the page that it cannot go on from, which is read
                // anew where nothing was wrong with it.
                Some(who) => {
                    let _ = browser.sign_in(&start, &who).await;
                    if name == "new-password" {
                        let page = browser.page().await.map_err(|e| e.to_string())?;
                        let _ = browser.open(page.url.as_str()).await;
                    }
                }
                None => drop(browser.open(&start).await.map_err(|e| e.to_string())?),
            }
            let shown = browser.page().await.map_err(|e| e.to_string())?;
            check(shown.answered && shown.text.contains(words), || {
                format!("{name} is without {words:?}: {}", shown.text)
            })?;
            for (size, width) in [("wide", 1280), ("narrow", 375)] {
                let mut pictures = Vec::new();
                for (scheme, dark) in [("light", false), ("dark", true)] {
                    let path = folder.join(format!("{name}-{size}-{scheme}.png"));
                    let wide = browser.screenshot(&path, width, dark).await;
                    let wide = wide.map_err(|e| e.to_string())?;
                    check(wide <= width.into(), || {
                        format!("{} is {wide} wide", path.display())
                    })?;
                    check(width_of(&path)? == width, || path.display().to_string())?;
                    pictures.push(std::fs::read(&path).map_err(|error| error.to_string())?);
                }
                check(pictures[0] != pictures[1], || {
                    format!("{name} is the same in light and dark")
                })?;
            }
        }
        Ok(())
    })
}

/// As a PNG's header has it.
fn width_of(png: &PathBuf) -> Result<u32, Stop> {
    let bytes = std::fs::read(png).map_err(|error| error.to_string())?;
    let width = bytes.get(16..20).and_then(|bytes| bytes.try_into().ok());
    width
        .map(u32::from_be_bytes)
        .ok_or_else(|| Stop::Fail(format!("{} is no PNG", png.display())))
}

// ---- rolecall browse ------------------------------------------------------

fn browse(up: &Up, arguments: &[&str], env: &[(&str, &str)]) -> Result<Ran, Stop> {
    let mut command = std::process::Command::new(programs::rolecall());
    command
        .args(["browse", "--dir"])
        .arg(up.dir())
        .args(arguments)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .envs(env.iter().copied());
    ran(command)
}

/// A browser that notes its arguments, a line each.
fn fake(up: &Up) -> Result<(String, PathBuf), Stop> {
    let (path, note) = (
        up.scratch().join("fake-browser"),
        up.scratch().join("arguments"),
    );
    program(
        &path,
        &format!("printf '%s\\n' \"$@\" >'{}'", note.display()),
    )?;
    Ok((path.display().to_string(), note))
}

fn browse_starts() -> Result<(), Stop> {
    let cache = tempfile::tempdir().map_err(|error| error.to_string())?;
    let cache_text = cache.path().display().to_string();
    let mut up = Up::start_with(&["--aws-hosts"], &[("XDG_CACHE_HOME", &cache_text)])?;
    let (program, note) = fake(&up)?;
    let env = [("CHROME", program.as_str()), ("DISPLAY", ":0")];
    let noted = || -> Vec<String> {
        let text = std::fs::read_to_string(&note).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    let ran = browse(&up, &["http://localhost:8000"], &env)?.ok()?;
    // kubectl reads a credential from there.
    check(ran.stdout.is_empty(), || ran.to_string())?;
    let arguments = noted();
    let ready = up.ready().clone();
    let profile = ready.paths.browser_profile.clone();
    for wanted in [
        format!("--user-data-dir={}", profile.display()),
        format!("--ignore-certificate-errors-spki-list={}", ready.edge_spki),
        format!("--proxy-server={}", ready.proxy.clone().unwrap_or_default()),
        "http://localhost:8000".to_owned(),
    ] {
        check(arguments.contains(&wanted), || {
            format!("no {wanted} in {arguments:?}")
        })?;
    }
    check(!arguments.contains(&"--headless".to_owned()), || {
        format!("{arguments:?}")
    })?;
    check(
        profile.starts_with(cache.path().join("rolecall/browser")),
        || profile.display().to_string(),
    )?;
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&profile)
            .map_err(|error| error.to_string())?
            .permissions(),
    );
    check(mode & 0o777 == 0o700, || format!("{mode:o}"))?;

    // Without an address: the origin, until there is one sign-in page.
    browse(&up, &[], &env)?.ok()?;
    check(noted().last() == Some(&ready.origin), || {
        format!("{:?}", noted())
    })?;
    // As kubelogin starts it, by the program beside ready.json.
    let mut command = std::process::Command::new(&ready.paths.browse);
    command.arg("http://localhost:18000").envs(env);
    crate::rig::ran(command)?.ok()?;
    check(
        noted()
            .last()
            .is_some_and(|last| last == "http://localhost:18000"),
        || format!("{:?}", noted()),
    )?;

    check(up.signal("TERM")? == Some(0), || {
        "it did not end well".to_owned()
    })?;
    check(!profile.exists(), || {
        format!("{} is still there", profile.display())
    })
}

fn browse_really(arguments: &[&str]) -> Result<(), Stop> {
    let mut site = Site::start(arguments)?;
    let ready = site.up.ready().clone();
    let start = site.pool("kubedemy")?.authorize();
    let start = start.split('?').next().unwrap_or_default();
    let partners = site.pool("partners")?;
    let pool = partners
        .issuer
        .rsplit_once('/')
        .map(|(_, id)| id)
        .unwrap_or_default();
    site.cognito(
        "DeleteUserPoolDomain",
        &json!({"UserPoolId": pool, "Domain": "partners"}),
    )?;
    let said = browse(&site.up, &["--headless"], &[])?.ok()?;
    said.says(&format!("{start}?response_type=code"))?;

    // It writes where it can be driven, once it has started.
    let profile = ready.paths.browser_profile.clone();
    let port = wait_for(&profile.join("DevToolsActivePort"))?;
    let port = port.lines().next().unwrap_or_default().to_owned();
    let shown = || -> Result<String, Stop> {
        let url = format!("http://127.0.0.1:{port}/json/list");
        let roots = site.up.edge_roots()?;
        let http = harness::client::https(roots, None, None).map_err(|e| e.to_string())?;
        block_on(async {
            let answer = http.get(url).send().await.map_err(|e| e.to_string())?;
            answer.text().await.map_err(|e| Stop::Fail(e.to_string()))
        })
    };
    eventually("the sign-in page is shown", || {
        Ok(shown()?.contains("Sign in – kubedemy"))
    })?;
    // A second call is shown by the same browser.
    let second = format!("{}/no-such-page", ready.origin);
    browse(&site.up, &["--headless", &second], &[])?.ok()?;
    eventually("the second page is shown", || {
        Ok(shown()?.contains("no-such-page"))
    })?;
    check(site.up.signal("TERM")? == Some(0), || {
        "it did not end well".to_owned()
    })?;
    check(!profile.exists(), || {
        format!("{} is still there", profile.display())
    })?;
    // What was killed may take a moment to let go of its socket.
    let listens = || std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    eventually("nothing listens for the browser", || Ok(!listens()))
}

/// Nobody is told of a SIGKILL; the browser goes all the same.
fn browse_killed() -> Result<(), Stop> {
    let mut site = Site::start(&[])?;
    let profile = site.up.ready().paths.browser_profile.clone();
    let blank = format!("{}/no-such-page", site.up.ready().origin);
    browse(&site.up, &["--headless", &blank], &[])?.ok()?;
    wait_for(&profile.join("DevToolsActivePort"))?;
    let needle = profile.display().to_string();
    check(!living(&needle)?.is_empty(), || {
        format!("no browser with {needle}")
    })?;
    site.up.signal("KILL")?;
    eventually("the browser and its profile are gone", || {
        Ok(living(&needle)?.is_empty() && !profile.exists())
    })
}

/// The person closed it long before the instance was killed.
fn browse_closed() -> Result<(), Stop> {
    let mut site = Site::start(&[])?;
    let profile = site.up.ready().paths.browser_profile.clone();
    let (program, note) = fake(&site.up)?;
    browse(&site.up, &["--headless"], &[("CHROME", &program)])?.ok()?;
    wait_for(&note)?;
    std::fs::create_dir_all(&profile).map_err(|error| error.to_string())?;
    // The watcher looks every second; let it see that the browser is gone.
    let needle = format!("rolecall-watch {} ", site.up.ready().pid);
    eventually("somebody watches the instance", || {
        Ok(!living(&needle)?.is_empty())
    })?;
    site.up.signal("KILL")?;
    eventually("the profile and its watcher are gone", || {
        Ok(living(&needle)?.is_empty() && !profile.exists())
    })
}

/// What stands in a file that a browser writes.
fn wait_for(path: &std::path::Path) -> Result<String, Stop> {
    let mut text = String::new();
    eventually(&format!("{} is there", path.display()), || {
        text = std::fs::read_to_string(path).unwrap_or_default();
        Ok(text.lines().count() > 1)
    })?;
    Ok(text)
}

fn browse_missing() -> Result<(), Stop> {
    let mut up = Up::start(&[])?;
    let usage = |ran: Ran, remedy: &str| {
        check(ran.code == Some(2), || ran.to_string())?;
        ran.says(remedy).map(drop)
    };
    usage(
        browse(&up, &[], &[("PATH", "/nowhere"), ("CHROME", "")])?,
        "apt-get install chromium",
    )?;
    usage(
        browse(&up, &[], &[("CHROME", "/no/such/browser")])?,
        "CHROME=/no/such/browser",
    )?;
    usage(browse(&up, &["--", "--proxy-server=x"], &[])?, "http://")?;
    let (program, _) = fake(&up)?;
    usage(browse(&up, &[], &[("CHROME", &program)])?, "--headless")?;
    let failing = browse(&up, &["--headless"], &[("CHROME", "/bin/false")])?;
    check(failing.code == Some(3), || failing.to_string())?;
    // Ended well, it leaves no profile behind.
    up.signal("TERM").map(drop)
}

// ---- what they run on -----------------------------------------------------

/// An instance with two pools.
struct Site {
    up: Up,
    _seed: tempfile::TempDir,
}

/// A pool and its client.
struct Pool {
    issuer: String,
    client: String,
    /// The address that the domain's pages begin with.
    pages: String,
    token_endpoint: String,
}

struct SignedIn {
    claims: Value,
    changed: bool,
}

impl Site {
    fn start(arguments: &[&str]) -> Result<Self, Stop> {
        // A missing browser is known before anything is started.
        programs()?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let seed = folder.path().join("seed.yaml");
        std::fs::write(&seed, SEED).map_err(|error| error.to_string())?;
        let seed = seed.display().to_string();
        let mut all = vec!["--seed", &seed];
        all.extend(arguments);
        Ok(Self {
            up: Up::start(&all)?,
            _seed: folder,
        })
    }

    fn trust(&self) -> Trust {
        let ready = self.up.ready();
        Trust {
            spki: ready.edge_spki.clone(),
            proxy: ready.proxy.clone(),
        }
    }

    fn browser(&self) -> Result<Browser, Stop> {
        let programs = programs()?;
        block_on(Browser::start(&programs, &self.trust()))
            .map_err(|broken| Stop::Fail(broken.to_string()))
    }

    /// The pool of that name, found by the API.
    fn pool(&self, name: &str) -> Result<Pool, Stop> {
        let pools = self.cognito("ListUserPools", &json!({"MaxResults": 60}))?;
        let pool = pools["UserPools"]
            .as_array()
            .and_then(|pools| pools.iter().find(|pool| pool["Name"] == name))
            .map(|pool| pool["Id"].clone())
            .ok_or_else(|| Stop::Fail(format!("no {name} in {pools}")))?;
        let clients = self.cognito("ListUserPoolClients", &json!({"UserPoolId": pool}))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let issuer = format!("{}/{}", self.up.ready().issuer_base, text(&pool));
        let http = self.up.https()?;
        let discovery: Value = block_on(async {
            let url = format!("{issuer}/.well-known/openid-configuration");
            let answer = http.get(url).send().await.map_err(|e| e.to_string())?;
            answer.json().await.map_err(|e| e.to_string())
        })?;
        Ok(Pool {
            client: text(&clients["UserPoolClients"][0]["ClientId"]),
            pages: text(&discovery["authorization_endpoint"]).replace("/oauth2/authorize", ""),
            token_endpoint: text(&discovery["token_endpoint"]),
            issuer,
        })
    }

    fn cognito(&self, operation: &str, input: &Value) -> Result<Value, Stop> {
        let aws = self.up.ready().aws(self.up.https()?);
        block_on(aws.cognito(operation, input)).map_err(|error| Stop::Fail(error.to_string()))
    }

    /// Signs somebody in and exchanges the code that comes of it.
    async fn sign_in(
        &self,
        browser: &Browser,
        pool: &Pool,
        who: &Credentials,
    ) -> Result<SignedIn, Stop> {
        let arrival = browser.sign_in(&pool.authorize(), who).await;
        let arrival = arrival.map_err(|refusal| refusal.to_string())?;
        let url = arrival.page.url.clone();
        check(
            url.as_str().starts_with(CALLBACK) && !arrival.page.answered,
            || url.to_string(),
        )?;
        let code = url.query_pairs().find(|(name, _)| name == "code");
        let (_, code) = code.ok_or_else(|| format!("no code in {url}"))?;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &pool.client),
            ("redirect_uri", CALLBACK),
            ("code", &code),
        ];
        let http = self.up.https()?;
        let answer = http.post(&pool.token_endpoint).form(&form).send().await;
        let tokens: Value = answer
            .map_err(|e| e.to_string())?
            .json()
            .await
            .map_err(|e| e.to_string())?;
        Ok(SignedIn {
            claims: claims(tokens["id_token"].as_str().unwrap_or_default()),
            changed: arrival.password_changed,
        })
    }
}

impl Pool {
    /// A page of the domain, for the client.
    fn page(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut url = Url::parse(&format!("{}{path}", self.pages)).expect("an address");
        url.query_pairs_mut()
            .append_pair("client_id", &self.client)
            .extend_pairs(query);
        url.into()
    }

    fn authorize(&self) -> String {
        self.page(
            "/oauth2/authorize",
            &[
                ("response_type", "code"),
                ("scope", "openid"),
                ("redirect_uri", CALLBACK),
            ],
        )
    }
}

fn programs() -> Result<Programs, Missing> {
    browser::find().map_err(|missing| Missing(missing.to_string()))
}

/// The WebDriver client would tell at its finest levels what it types.
fn nothing_logged() -> Result<(), Stop> {
    browser::find().map_err(|missing| Missing(missing.to_string()))?;
    let mut command = std::process::Command::new(programs::rolecall());
    command
        .args(["test", "--driver", "browser", "scenarios/tutorial.yaml"])
        .env("RUST_LOG", "trace")
        .current_dir(programs::root());
    let run = ran(command)?.ok()?;
    for secret in ["H3lloW@rlD", "Rolecall-1!changed", "?code=", "&code="] {
        check(!run.stderr.contains(secret), || {
            format!("{secret} is in the log")
        })?;
    }
    check(!run.stderr.is_empty(), || {
        "there is no log at all".to_owned()
    })
}
