//! Bulk requests, and every way to sign requests, at services that are whole.

use std::time::Duration;

use futures_util::future::join_all;
use provisor_model::{Secret, attribute_changes};
use provisor_target::{
    ClientAuthentication, Credential, CustomHeader, Login, NewResource, OAuth, RemoteResource, ScimOptions, ScimTarget,
    TargetError, Update,
};
use provisor_tenant::{
    BasicAuth, ClientCredentials, Cut, CutMoment, Kind, Method, Misbehaviour, Occasion, RequiredHeader, Route, Tenant,
    TenantOptions, Victims,
};
use provisor_tests::Scim2Server;

use crate::scenarios::{connect, path, state, text};

const TOKEN: &str = "t0gether";

async fn tenant(options: TenantOptions) -> Tenant {
    Tenant::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap()
}

async fn together(url: &str) -> ScimTarget {
    let target = connect(url, Some(TOKEN), |options| {
        options.bulk = true;
        options.backoff = Duration::from_millis(2);
    })
    .await;
    assert!(target.in_flight() > 100, "the service announces bulk requests");
    target
}

async fn create_all(target: &ScimTarget, names: &[String]) -> Vec<Result<RemoteResource, TargetError>> {
    let creations = names.iter().map(|name| async move {
        let attributes = state(&[("userName", text(name)), ("displayName", text("Old"))]);
        let new = NewResource { kind: "User", external_id: name, attributes: &attributes };
        target.create(&new).await.map(|created| created.resource)
    });
    join_all(creations).await
}

fn names(number: usize) -> Vec<String> {
    (0..number).map(|number| format!("u{number:03}@lab.example")).collect()
}

/// Makes people together, one of whom is there already, changes them together, and deletes them together.
async fn people_come_change_and_go_together(target: &ScimTarget) {
    let names = names(60);
    create_all(target, &names[7..8]).await[0].as_ref().unwrap();
    let before = target.requests().writes;
    let mut created = create_all(target, &names).await;
    assert_eq!(target.requests().writes - before, 1);
    assert!(matches!(created.remove(7), Err(TargetError::Conflict { .. })), "the name is taken");
    let ids: Vec<_> = created.into_iter().map(|one| one.unwrap().id).collect();
    assert_eq!(ids.len(), 59);

    let (old, new) = (state(&[("displayName", text("Old"))]), state(&[("displayName", text("New"))]));
    let (present, changes) = (old.keys().cloned().collect(), attribute_changes(&old, &new));
    let updates = ids.iter().map(|id| {
        let update = Update { kind: "User", id, present: &present, changes: &changes };
        async move { target.update(&update).await }
    });
    for updated in join_all(updates).await {
        assert_eq!(updated.unwrap().unfinished, None);
    }
    for id in ids.iter().take(3) {
        let shown = target.read("User", id).await.unwrap().unwrap();
        assert_eq!(shown.attribute(&path("displayName"), &text("New")), Some(text("New")), "{}", shown.document);
    }
    let gone = join_all(ids.iter().map(|id| target.delete("User", id))).await;
    assert!(gone.iter().all(Result::is_ok), "{gone:?}");
    let again = join_all(ids.iter().map(|id| target.delete("User", id))).await;
    assert!(again.iter().all(Result::is_ok), "what is gone already counts as deleted: {again:?}");
    assert_eq!(target.list("User").next_page().await.unwrap().map_or(0, |page| page.len()), 1);
}

#[tokio::test]
async fn the_tenant_carries_out_what_comes_together() {
    let tenant = tenant(TenantOptions { token: Some(TOKEN.into()), ..TenantOptions::default() }).await;
    people_come_change_and_go_together(&together(&tenant.url()).await).await;
    let counters = tenant.counters();
    assert_eq!(counters.at(Method::Post, Route::Bulk), 4, "{counters:?}");
    assert_eq!(counters.bulk_operations, 60 + 3 * 59);
}

#[tokio::test]
async fn scim2_server_carries_out_what_comes_together() {
    let server = Scim2Server::start_announcing(TOKEN, None).unwrap();
    people_come_change_and_go_together(&together(&server.url()).await).await;
}

#[tokio::test]
async fn creations_whose_answer_was_lost_are_uncertain_and_found_again() {
    let tenant = tenant(TenantOptions { token: Some(TOKEN.into()), ..TenantOptions::default() }).await;
    let target = together(&tenant.url()).await;
    tenant.misbehave(Misbehaviour {
        applies_to: Victims::Writes,
        cut: Some(Cut { when: Occasion::Next(1), moment: CutMoment::AfterChange }),
        ..Misbehaviour::default()
    });
    let names = names(20);
    for outcome in create_all(&target, &names).await {
        assert!(matches!(&outcome, Err(error) if error.outcome_unknown()), "{outcome:?}");
    }
    assert_eq!(tenant.count(Kind::User).unwrap(), 20);
    for name in &names {
        assert_eq!(target.find("User", &path("externalId"), name).await.unwrap().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn every_way_to_sign_requests_lets_in() {
    let secret = "cl1ent:s3cret/+ %";
    let oauth = |credentials| provisor_tenant::OAuth {
        client_id: "agent one".into(),
        client_secret: secret.into(),
        expires_in: Duration::from_secs(3600),
        scope: Some("scim".into()),
        credentials,
    };
    let cases = [
        (ClientCredentials::Header, ClientAuthentication::Basic),
        (ClientCredentials::Body, ClientAuthentication::Post),
    ];
    for (credentials, authentication) in cases {
        let tenant = tenant(TenantOptions { oauth: Some(oauth(credentials)), ..TenantOptions::default() }).await;
        let client = OAuth {
            token_url: tenant.token_url(),
            client_id: "agent one".into(),
            client_secret: Secret::new(secret).into(),
            scope: Some("scim".into()),
            authentication,
        };
        let options = |client| ScimOptions { credential: Credential::OAuth(client), ..ScimOptions::new(tenant.url()) };
        let target = ScimTarget::connect(options(client.clone())).await.unwrap();
        create_all(&target, &names(1)).await.remove(0).unwrap();
        tenant.revoke_tokens();
        assert_eq!(
            target.find("User", &path("externalId"), &names(1)[0]).await.unwrap().len(),
            1,
            "a new token is had"
        );
        assert_eq!(tenant.counters().at(Method::Post, Route::Token), 2);
        let wrong = OAuth { client_secret: Secret::new("wrong").into(), ..client.clone() };
        let error = ScimTarget::connect(options(wrong)).await.err().unwrap();
        assert!(matches!(error, TargetError::TokenRefused { .. }) && error.to_string().contains("secret"), "{error}");
        let wrong = OAuth { scope: Some("other".into()), ..client };
        let error = ScimTarget::connect(options(wrong)).await.err().unwrap();
        assert!(error.to_string().contains("target.oauth.scope"), "{error}");
    }

    let basic = BasicAuth { user: "agent".into(), password: secret.into() };
    let header = RequiredHeader { name: "X-Api-Key".into(), value: "k3y".into() };
    let options = TenantOptions { basic: Some(basic), header: Some(header), ..TenantOptions::default() };
    let tenant = tenant(options).await;
    let login = Login { user: "agent".into(), password: Secret::new(secret).into() };
    let options = ScimOptions {
        credential: Credential::Basic(login),
        headers: vec![CustomHeader { name: "x-api-key".into(), value: Secret::new("k3y").into() }],
        ..ScimOptions::new(tenant.url())
    };
    let target = ScimTarget::connect(options.clone()).await.unwrap();
    create_all(&target, &names(1)).await.remove(0).unwrap();
    let error = match ScimTarget::connect(ScimOptions { headers: Vec::new(), ..options }).await {
        Ok(target) => create_all(&target, &names(1)).await.remove(0).unwrap_err(),
        Err(error) => error,
    };
    assert!(error.to_string().contains("HTTP 40"), "{error}");
}
