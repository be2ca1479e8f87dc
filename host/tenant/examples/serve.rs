//! Serves an empty tenant on loopback until it is interrupted: `cargo run -p provisor-tenant --example serve 8080 TOKEN`.
#![allow(clippy::print_stdout, reason = "it tells where it listens")]

use provisor_tenant::{Tenant, TenantOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let options = TenantOptions { token: arguments.next(), ..TenantOptions::default() };
    let tenant = Tenant::bind(([127, 0, 0, 1], port).into(), options).await?;
    println!("{}", tenant.url());
    tokio::signal::ctrl_c().await?;
    tenant.stop().await;
    Ok(())
}
