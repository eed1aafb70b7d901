//! Settings of providers of identities that cannot be.

use anyhow::Result;
use testkit::process::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

#[test]
fn settings_that_cannot_be_end_the_start_by_name() -> Result<()> {
    const P: &str = "BURGEE__OIDC__PROVIDERS__OKTA__";
    let base =
        [("ISSUER", "https://id.example.com"), ("CLIENT_ID", "burgee"), ("CLIENT_SECRET", "the-secret")];
    let bad: [(&str, &str, &str); 13] = [
        ("ISSUER", "http://id.example.com", "oidc.providers.okta.issuer"),
        ("ISSUER", "id.example.com", "oidc.providers.okta.issuer"),
        ("ISSUER", "https://u:p@id.example.com", "oidc.providers.okta.issuer"),
        ("ISSUER", "https://id.example.com?a=b", "oidc.providers.okta.issuer"),
        ("CLIENT_ID", "", "oidc.providers.okta.client_id"),
        ("SCOPES", "[email]", "oidc.providers.okta.scopes"),
        ("ROLES__DEVS", "root", "oidc.providers.okta.roles.devs"),
        ("TEAMS__DEVS", "a team", "oidc.providers.okta.teams.devs"),
        ("DEFAULT_ROLE", "root", "oidc.providers.okta.default_role"),
        ("ALLOWED_DOMAINS", "[Example.com]", "oidc.providers.okta.allowed_domains"),
        ("LINK_BY_EMAIL", "perhaps", "oidc.providers.okta.link_by_email"),
        ("GROUP_CLAIM", "groups", "group_claim"),
        ("KEY-S__ISSUER", "https://id.example.com", "oidc.providers.okta"),
    ];
    for (name, value, says) in bad {
        let named: Vec<_> =
            base.iter().chain([&(name, value)]).map(|(name, value)| (format!("{P}{name}"), *value)).collect();
        refuses(&named, says)?;
    }
    let of = |pairs: &[(&str, &'static str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<Vec<_>>()
    };
    let secret = of(&[("BURGEE__OIDC__PROVIDERS__OCTA__CLIENT_SECRET", "the-secret")]);
    refuses(&secret, "BURGEE__OIDC__PROVIDERS__OCTA__CLIENT_SECRET")?;
    refuses(&of(&[("BURGEE__OIDC__PASSWORD_LOGIN", "false")]), "oidc.password_login")?;
    refuses(&of(&[("BURGEE__SERVER__PUBLIC_URL", "https://a.example/b")]), "server.public_url")?;
    let mut production: Vec<_> = base.iter().map(|(name, value)| (format!("{P}{name}"), *value)).collect();
    production.push(("BURGEE_PROFILE".to_owned(), "production"));
    refuses(&production, "server.public_url")
}

fn refuses(env: &[(String, &str)], says: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let start = Start { program: PROGRAM, folder: folder.path(), env: &env };
    let output = start.command().arg("start").output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{env:?}: {told}");
    assert!(told.contains(says), "{says} is not in {told}");
    assert!(!told.contains("the-secret"), "{told}");
    Ok(())
}
