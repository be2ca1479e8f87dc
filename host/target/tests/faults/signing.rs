//! Signing requests: token endpoints, passwords, headers, and secrets that change while they are in use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use provisor_model::{CheckOutcome, Secret};
use provisor_target::{
    ClientAuthentication, Credential, CustomHeader, Login, OAuth, ScimOptions, ScimTarget, SecretSupply, TargetError,
};
use provisor_tests::wait_until_async;

use crate::scripted_server::{Answer, ScriptedServer, Seen, describe};
use crate::{create, id, options};

const CLIENT_SECRET: &str = "cl1ent s3cret/+";

fn oauth(server: &ScriptedServer) -> OAuth {
    OAuth {
        token_url: format!("http://{}/token?tenant=a", server.address),
        client_id: "pro visor".into(),
        client_secret: Secret::new(CLIENT_SECRET).into(),
        scope: Some("scim.write scim.read".into()),
        authentication: ClientAuthentication::Basic,
    }
}

fn with(server: &ScriptedServer, credential: Credential) -> ScimOptions {
    ScimOptions { credential, ..options(server) }
}

fn granted(token: &str, expires_in: u64) -> Answer {
    let body = format!(r#"{{"access_token": "{token}", "token_type": "Bearer", "expires_in": {expires_in}}}"#);
    Answer::Send(200, vec!["Content-Type: application/json".into()], body)
}

fn asks_for_token(seen: &Seen) -> bool {
    seen.target.starts_with("/token")
}

fn authorization(seen: &Seen) -> &str {
    seen.headers.iter().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default()
}

/// A service that gives tokens `token-1`, `token-2` and so on, and accepts those of which this is true.
async fn issuing(expires_in: u64, accepts: impl Fn(usize) -> bool + Send + Sync + 'static) -> ScriptedServer {
    let issued = AtomicUsize::new(0);
    ScriptedServer::start(move |seen, _| {
        if asks_for_token(seen) {
            return granted(&format!("token-{}", issued.fetch_add(1, Ordering::Relaxed) + 1), expires_in);
        }
        let number = authorization(seen).strip_prefix("bearer token-").and_then(|number| number.parse().ok());
        match number {
            Some(number) if accepts(number) => {
                describe(seen).unwrap_or_else(|| Answer::scim(201, r#"{"id": "1", "userName": "ada"}"#))
            }
            _ => Answer::scim(401, r#"{"detail": "token-1 is not for you"}"#),
        }
    })
    .await
}

fn token_requests(server: &ScriptedServer) -> Vec<Seen> {
    server.seen().into_iter().filter(asks_for_token).collect()
}

#[tokio::test]
async fn a_token_is_asked_for_once_as_rfc_6749_says() {
    let server = issuing(3600, |_| true).await;
    let target = ScimTarget::connect(with(&server, Credential::OAuth(oauth(&server)))).await.unwrap();
    for _ in 0..3 {
        create(&target).await.unwrap();
    }
    let asked = token_requests(&server);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((asked[0].method.as_str(), asked[0].target.as_str()), ("POST", "/token?tenant=a"));
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=scim.write+scim.read");
    // Both halves are form-encoded before they are put together: "pro+visor:cl1ent+s3cret%2F%2B".
    assert_eq!(authorization(&asked[0]), "basic chjvk3zpc29yomnsmwvudctzm2nyzxqlmkylmki=");
}

#[tokio::test]
async fn a_client_may_say_who_it_is_in_the_form() {
    let server = issuing(3600, |_| true).await;
    let oauth = OAuth { authentication: ClientAuthentication::Post, scope: None, ..oauth(&server) };
    ScimTarget::connect(with(&server, Credential::OAuth(oauth))).await.unwrap();
    let asked = token_requests(&server);
    let form = "grant_type=client_credentials&client_id=pro+visor&client_secret=cl1ent+s3cret%2F%2B";
    assert_eq!((asked[0].body.as_str(), authorization(&asked[0])), (form, ""));
}

#[tokio::test]
async fn all_that_need_a_token_at_once_wait_for_one() {
    let server = issuing(3600, |_| true).await;
    let connect = || ScimTarget::connect(with(&server, Credential::OAuth(oauth(&server))));
    let (one, two, three) = tokio::join!(connect(), connect(), connect());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(token_requests(&server).len(), 1);
}

#[tokio::test]
async fn a_token_that_was_just_given_and_is_refused_is_not_asked_for_again() {
    let server = issuing(3600, |_| false).await;
    let error = ScimTarget::connect(with(&server, Credential::OAuth(oauth(&server)))).await.err().unwrap();
    assert!(
        matches!(&error, TargetError::Unauthorized { detail, .. } if detail == "[token] is not for you"),
        "{error}"
    );
    assert_eq!(token_requests(&server).len(), 1);
}

#[tokio::test]
async fn configurations_of_one_account_share_a_token() {
    let server = issuing(3600, |_| true).await;
    let client = || Credential::OAuth(oauth(&server));
    let one = ScimTarget::connect(with(&server, client())).await.unwrap();
    let other = ScimTarget::connect(with(&server, client())).await.unwrap();
    create(&one).await.unwrap();
    create(&other).await.unwrap();
    assert_eq!(token_requests(&server).len(), 1);
    let another = OAuth { client_id: "another".into(), ..oauth(&server) };
    ScimTarget::connect(with(&server, Credential::OAuth(another))).await.unwrap();
    assert_eq!(token_requests(&server).len(), 2);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_used_to_its_end_where_that_fails() {
    // The shortest lifetime is ten seconds, of which a token is used for five before another is asked for.
    let renewals = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&renewals);
    let server = ScriptedServer::start(move |seen, _| {
        if asks_for_token(seen) {
            return match asked.fetch_add(1, Ordering::Relaxed) {
                0 => granted("token-1", 10),
                _ => Answer::scim(400, r#"{"error": "temporarily_unavailable"}"#),
            };
        }
        describe(seen).unwrap_or_else(|| Answer::scim(201, r#"{"id": "1"}"#))
    })
    .await;
    let target = ScimTarget::connect(with(&server, Credential::OAuth(oauth(&server)))).await.unwrap();
    let renewed = async || {
        create(&target).await.unwrap();
        renewals.load(Ordering::Relaxed) >= 2
    };
    wait_until_async("a renewal before the token's end", Duration::from_secs(9), renewed).await.unwrap();
    create(&target).await.unwrap();
    assert_eq!(renewals.load(Ordering::Relaxed), 2, "and not tried again with every request");
}

#[tokio::test]
async fn a_refusal_of_the_token_endpoint_says_what_to_do_and_no_secret() {
    let cases = [
        (
            401,
            r#"{"error": "invalid_client", "error_description": "bad cl1ent s3cret/+"}"#,
            "client-id and client-secret",
        ),
        (400, r#"{"error": "invalid_scope"}"#, "target.oauth.scope"),
        (400, r#"{"error": "unauthorized_client"}"#, "client_credentials"),
        (404, "<html>nothing here</html>", "target.oauth.token-url"),
        (200, r#"{"hello": "world"}"#, "no bearer token"),
    ];
    for (status, body, advice) in cases {
        let server = ScriptedServer::start(move |_, _| Answer::scim(status, body)).await;
        let error = ScimTarget::connect(with(&server, Credential::OAuth(oauth(&server)))).await.err().unwrap();
        assert!(matches!(error, TargetError::TokenRefused { .. }) && error.concerns_whole_target(), "{error}");
        let words = format!("{error} {error:?}");
        assert!(words.contains(advice) && !words.contains(CLIENT_SECRET), "{words}");
        assert_eq!(server.seen().len(), 1, "a refusal is not asked for again");
    }
}

#[tokio::test]
async fn a_token_endpoint_that_fails_in_passing_is_asked_again() {
    let server = ScriptedServer::start(|seen, number| match number {
        0 => Answer::scim(503, ""),
        1 => Answer::Cut,
        2 => granted("token-1", 3600),
        _ => describe(seen).unwrap(),
    })
    .await;
    ScimTarget::connect(with(&server, Credential::OAuth(oauth(&server)))).await.unwrap();
    assert_eq!(token_requests(&server).len(), 3);
}

#[tokio::test]
async fn a_user_and_password_sign_requests_and_are_never_shown() {
    let refusal = Answer::scim(403, r#"{"detail": "hunter2 may not, cm9vdDpodW50ZXIy"}"#);
    let server = ScriptedServer::answering([refusal]).await;
    let login = Login { user: "root".into(), password: Secret::new("hunter2").into() };
    let target = ScimTarget::connect(with(&server, Credential::Basic(login))).await.unwrap();
    let error = create(&target).await.unwrap_err();
    assert_eq!(authorization(&server.seen()[0]), "basic cm9vddpodw50zxiy");
    assert!(error.to_string().contains("[token] may not, [token]"), "{error}");
}

#[tokio::test]
async fn a_secret_that_was_changed_is_taken_up_where_the_old_one_is_refused() {
    let kept = Arc::new(Mutex::new("old".to_owned()));
    let now = Arc::clone(&kept);
    let supply = SecretSupply::new(move || Ok(Secret::new(now.lock().unwrap().as_str())));
    let valid = Arc::new(Mutex::new("old".to_owned()));
    let demanded = Arc::clone(&valid);
    let server = ScriptedServer::start(move |seen, _| {
        if authorization(seen) != format!("bearer {}", demanded.lock().unwrap()) {
            return Answer::scim(401, "{}");
        }
        describe(seen).unwrap_or_else(|| Answer::scim(201, r#"{"id": "1"}"#))
    })
    .await;
    let target = ScimTarget::connect(with(&server, Credential::Token(supply))).await.unwrap();
    create(&target).await.unwrap();
    *valid.lock().unwrap() = "new".into();
    assert!(matches!(create(&target).await, Err(TargetError::Unauthorized { .. })), "it has not been changed here yet");
    let before = server.seen().len();
    *kept.lock().unwrap() = "new".into();
    create(&target).await.unwrap();
    assert_eq!(server.seen().len() - before, 2, "refused once, then let in");
    create(&target).await.unwrap();
    assert_eq!(server.seen().len() - before, 3);
}

#[tokio::test]
async fn headers_of_the_configuration_go_to_the_service_and_not_to_the_token_endpoint() {
    let server = issuing(3600, |_| true).await;
    let header = |name: &str, value: &str| CustomHeader { name: name.into(), value: Secret::new(value).into() };
    let options = ScimOptions {
        headers: vec![header("X-Api-Key", "k3y"), header("x-tenant", "lab")],
        ..with(&server, Credential::OAuth(oauth(&server)))
    };
    let target = ScimTarget::connect(options.clone()).await.unwrap();
    assert!(target.read("User", &id()).await.unwrap().is_some());
    let carries = |seen: &Seen, line: &str| seen.headers.iter().any(|present| present == line);
    for seen in server.seen() {
        let wanted = !asks_for_token(&seen);
        assert_eq!((carries(&seen, "x-api-key: k3y"), carries(&seen, "x-tenant: lab")), (wanted, wanted), "{seen:?}");
    }
    assert!(!format!("{options:?}").contains("k3y"));
    let refused = ScimOptions { headers: vec![header("Authorization", "Basic x")], ..options };
    assert!(matches!(ScimTarget::connect(refused).await, Err(TargetError::Configuration(_))));
}

#[tokio::test]
async fn the_check_tells_how_requests_are_signed_and_for_how_long() {
    let server = issuing(3600, |_| true).await;
    let lines = ScimTarget::check(with(&server, Credential::OAuth(oauth(&server)))).await;
    let line = |what: &str| match &lines.iter().find(|line| line.what == what).unwrap().outcome {
        CheckOutcome::Ok(words) => words.clone(),
        other => panic!("{what}: {other:?}"),
    };
    let words = line("credentials");
    assert!(words.contains("for the client pro visor") && words.contains("59 minutes more"), "{words}");
    assert!(line("connection").contains("over HTTP/1.1"), "{lines:?}");
    assert!(line("rate").starts_with("as many requests a second as are answered, 8 at once"), "{lines:?}");
}
