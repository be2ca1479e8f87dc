//! The tenant against scim2-tester, a suite of RFC 7643 and RFC 7644 that others wrote.
// Helpers of an integration test may fail it in the plainest way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use provisor_tenant::{Kind, Tenant, TenantOptions};

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_suite_of_scim2_tester_passes() {
    let program = provisor_tests::installed::venv_program("scim2").unwrap();
    let options = TenantOptions { token: Some("conformance".to_owned()), ..TenantOptions::default() };
    let tenant = Tenant::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap();
    let output = tokio::process::Command::new(&program)
        .args(["--url", &tenant.url(), "--header", "Authorization: Bearer conformance", "test"])
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap_or_else(|error| panic!("cannot run {}: {error}; `cargo xtask test` installs one", program.display()));
    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{report}\n{errors}", output.status);
    // A suite that ran nothing would succeed as well.
    let passed = report.lines().filter(|line| line.contains("SUCCESS")).count();
    assert!(passed > 100, "only {passed} checks ran:\n{report}");
    // It deletes what it makes, so what is left is lost track of.
    assert_eq!((tenant.count(Kind::User).unwrap(), tenant.count(Kind::Group).unwrap()), (0, 0), "{report}");
    tenant.stop().await;
}
