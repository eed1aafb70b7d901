//! Who may sign in, and with what.

use anyhow::{Result, ensure};
use domain::account::{AccessToken, Account, AccountKind, AccountWrite, Role, SigningKey};
use domain::id::Id;
use domain::log::{Chain, Write};
use domain::time::Timestamp;
use engine::model::Revision;

use super::world::{EPOCH, NOW, World};

/// More than a database takes with one query's values is asked for by nobody; more than one batch may be.
const MANY: usize = 1_200;

pub(super) fn later(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + millis)
}

/// An account of a person, not yet written.
pub(super) fn account(world: &World, email: &str, role: Role) -> Account {
    Account {
        id: world.id(),
        kind: AccountKind::Person,
        email: email.to_owned(),
        name: format!("Name of {email}"),
        role,
        active: true,
        password_hash: Some(format!("$argon2id${email}")),
        version: 0,
        created_at: NOW,
        updated_at: later(1),
    }
}

/// Commits writes about accounts.
pub(super) async fn in_instance(world: &World, writes: Vec<AccountWrite>) -> Result<Revision> {
    let writes = writes.into_iter().map(Write::Account).collect();
    Ok(world.store.commit(world.change(Chain::Instance, writes)).await?)
}

/// Makes an account. It comes back with its version.
pub(super) async fn made(world: &World, account: Account) -> Result<Account> {
    let version = in_instance(world, vec![AccountWrite::Create(account.clone())]).await?;
    Ok(Account { version, ..account })
}

pub(super) async fn accounts_are_found(world: World) -> Result<()> {
    let ada = account(&world, "ada@example.org", Role::Admin);
    let ada = made(&world, ada).await?;
    let service = account(&world, "admin-key", Role::Developer);
    let service = Account { kind: AccountKind::Service, active: false, password_hash: None, ..service };
    let service = made(&world, service).await?;
    let store = &world.store;
    ensure!(store.account(ada.id).await?.as_ref() == Some(&ada));
    ensure!(store.account(world.id()).await?.is_none());
    ensure!(store.account_by_email("ada@example.org").await?.as_ref() == Some(&ada));
    ensure!(store.account_by_email("admin-key").await?.as_ref() == Some(&service));
    for unknown in ["Ada@example.org", "ada@example.or", "%", "a\0b", ""] {
        ensure!(store.account_by_email(unknown).await?.is_none(), "{unknown:?}");
    }
    let mut asked: Vec<Id> = (0..MANY).map(|_| world.id()).collect();
    asked.extend([service.id, ada.id]);
    let mut names = store.account_names(&asked).await?;
    names.sort_unstable();
    ensure!(names == [(ada.id, ada.email), (service.id, service.email)], "{names:?}");
    ensure!(store.account_names(&[]).await?.is_empty());
    Ok(())
}

pub(super) async fn credentials_are_found(world: World) -> Result<()> {
    let owner = account(&world, "bob@example.org", Role::Viewer);
    let token = |hash: &str| AccessToken {
        id: world.id(),
        account_id: owner.id,
        name: format!("Name of {hash}"),
        hint: "bgp_12345678".to_owned(),
        hash: hash.to_owned(),
        scopes: None,
        created_at: later(2),
        expires_at: None,
        last_used_at: None,
        replaced_by: None,
    };
    let scopes = ["project.read", "flag.update@production"].map(str::to_owned).to_vec();
    let (one, two) = (token("11"), token("22"));
    let two = AccessToken { scopes: Some(scopes), expires_at: Some(later(9)), ..two };
    let tokens = [&one, &two].map(|token| AccountWrite::CreateAccessToken(token.clone()));
    let writes = std::iter::once(AccountWrite::Create(owner.clone())).chain(tokens).collect();
    let owner = Account { version: in_instance(&world, writes).await?, ..owner };
    ensure!(world.store.access_token("22").await? == Some((two, owner)));
    for unknown in ["33", "", "1", "a\0b"] {
        ensure!(world.store.access_token(unknown).await?.is_none(), "{unknown:?}");
    }
    let key = |secret: &[u8], created_at| SigningKey {
        id: world.id(),
        secret: secret.to_vec(),
        created_at,
        verifies_until: None,
        revoked_at: None,
        given: true,
        fingerprint: None,
    };
    let keys = [key(&[0, 255, 10, 0], later(5)), key(b"", later(9)), key(b"oldest", NOW)];
    for key in &keys {
        in_instance(&world, vec![AccountWrite::CreateSigningKey(key.clone())]).await?;
    }
    let [middle, newest, oldest] = keys;
    ensure!(world.store.signing_keys().await? == [oldest, middle, newest], "oldest first, byte for byte");
    Ok(())
}

pub(super) async fn a_history_has_a_name(world: World) -> Result<()> {
    ensure!(world.store.epoch().await?.as_deref() == Some(EPOCH));
    world.store.renew_epoch("feedbeef").await?;
    ensure!(world.store.epoch().await?.as_deref() == Some("feedbeef"));
    ensure!(world.snapshot(0).await?.epoch == "feedbeef");
    Ok(())
}
