//! Serves an empty tenant on loopback until it is interrupted: `cargo run --example serve PORT TOKEN [entra|directory]`.
#![allow(clippy::print_stdout, reason = "it tells where it listens")]

use provisor_tenant::{Entra, Personality, Tenant, TenantOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let token = arguments.next();
    let personality = match arguments.next().as_deref() {
        None => Personality::Standard,
        Some("entra") => Personality::Entra(Entra::default()),
        Some("directory") => Personality::Directory,
        Some(other) => return Err(format!("there is no personality {other:?}: entra and directory").into()),
    };
    let options = TenantOptions { token, personality, ..TenantOptions::default() };
    let tenant = Tenant::bind(([127, 0, 0, 1], port).into(), options).await?;
    println!("{}", tenant.url());
    tokio::signal::ctrl_c().await?;
    tenant.stop().await;
    Ok(())
}
