//! Measures how many users a tenant in memory creates in a second: `cargo run --example throughput [USERS]`.
#![allow(clippy::print_stdout, reason = "it tells what it measured")]

use std::time::Instant;

use provisor_tenant::{Kind, Tenant, TenantOptions};
use serde_json::json;

/// How many requests are under way at a time.
const AT_A_TIME: usize = 32;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let users: usize = std::env::args().nth(1).map_or(Ok(50_000), |text| text.parse())?;
    // Fails when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tenant = Tenant::bind(([127, 0, 0, 1], 0).into(), TenantOptions::default()).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let (url, start) = (format!("{}/Users", tenant.url()), Instant::now());
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..AT_A_TIME {
        let (client, url) = (client.clone(), url.clone());
        workers.spawn(async move {
            for number in (worker..users).step_by(AT_A_TIME) {
                let user = json!({
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                    "userName": format!("user{number}@example.com"),
                    "externalId": number.to_string(),
                    "active": true,
                    "name": {"givenName": "Ann", "familyName": "Other"},
                    "emails": [{"type": "work", "value": format!("user{number}@example.com")}],
                });
                client.post(&url).json(&user).send().await?.error_for_status()?.bytes().await?;
            }
            Ok::<_, reqwest::Error>(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    let (count, seconds) = (tenant.count(Kind::User)?, start.elapsed().as_secs_f64());
    println!(
        "{count} users in {seconds:.1} s: client and tenant together made one in {:.0} µs",
        seconds * 1e6 / users as f64
    );
    tenant.stop().await;
    Ok(())
}
