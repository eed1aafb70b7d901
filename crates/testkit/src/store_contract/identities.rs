//! Who accounts' owners are elsewhere.

use anyhow::{Result, ensure};
use domain::account::{Account, AccountWrite, Identity, Role};
use domain::log::{Chain, Write};
use domain::ports::CommitError;

use super::accounts::{account, in_instance, later, made};
use super::world::World;

const ISSUER: &str = "https://id.example.org";

fn identity(world: &World, account: &Account, issuer: &str, subject: &str) -> Identity {
    Identity {
        id: world.id(),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        account_id: account.id,
        created_at: later(1),
    }
}

pub(super) async fn an_identity_is_one_accounts(world: World) -> Result<()> {
    let store = &world.store;
    let ada = account(&world, "ada@example.org", Role::Viewer);
    let link = |subject| AccountWrite::LinkIdentity(identity(&world, &ada, ISSUER, subject));
    let writes = vec![AccountWrite::Create(ada.clone()), link("248289761001"), link("Zoë|a'b\"c")];
    let version = in_instance(&world, writes).await?;
    let ada = Account { version, ..ada };
    let bob = made(&world, account(&world, "bob@example.org", Role::Viewer)).await?;
    let elsewhere = identity(&world, &bob, "https://id.example.com", "248289761001");
    in_instance(&world, vec![AccountWrite::LinkIdentity(elsewhere)]).await?;
    for subject in ["248289761001", "Zoë|a'b\"c"] {
        ensure!(store.account_by_identity(ISSUER, subject).await?.as_ref() == Some(&ada), "{subject}");
    }
    let of_bob = store.account_by_identity("https://id.example.com", "248289761001").await?;
    ensure!(of_bob == Some(bob.clone()), "another issuer's subject is another's");
    for (issuer, subject) in
        [(ISSUER, "24828976100"), (ISSUER, "zoë|a'b\"c"), (ISSUER, ""), (ISSUER, "a\0"), ("https://id", "1")]
    {
        ensure!(store.account_by_identity(issuer, subject).await?.is_none(), "{issuer} {subject:?}");
    }
    let taken = Write::Account(AccountWrite::LinkIdentity(identity(&world, &bob, ISSUER, "248289761001")));
    let refused = store.commit(world.change(Chain::Instance, vec![taken])).await;
    ensure!(matches!(refused, Err(CommitError::Taken { what: "identity" })), "{refused:?}");
    Ok(())
}

pub(super) async fn identities_go_with_their_account(world: World) -> Result<()> {
    let ada = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    in_instance(&world, vec![AccountWrite::LinkIdentity(identity(&world, &ada, ISSUER, "1"))]).await?;
    in_instance(&world, vec![AccountWrite::Delete { id: ada.id }]).await?;
    ensure!(world.store.account_by_identity(ISSUER, "1").await?.is_none());
    let again = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    in_instance(&world, vec![AccountWrite::LinkIdentity(identity(&world, &again, ISSUER, "1"))]).await?;
    ensure!(world.store.account_by_identity(ISSUER, "1").await? == Some(again));
    Ok(())
}

pub(super) async fn identities_are_listed_and_unlinked(world: World) -> Result<()> {
    let store = &world.store;
    let ada = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    let bob = made(&world, account(&world, "bob@example.org", Role::Viewer)).await?;
    let later_one = Identity { created_at: later(2), ..identity(&world, &ada, ISSUER, "1") };
    let first = identity(&world, &ada, "https://id.example.com", "2");
    let of_bob = identity(&world, &bob, ISSUER, "3");
    for identity in [&later_one, &first, &of_bob] {
        in_instance(&world, vec![AccountWrite::LinkIdentity(identity.clone())]).await?;
    }
    ensure!(store.identities(ada.id).await? == [first.clone(), later_one.clone()], "the oldest first");
    in_instance(&world, vec![AccountWrite::UnlinkIdentity { id: first.id }]).await?;
    ensure!(store.identities(ada.id).await? == [later_one]);
    ensure!(store.account_by_identity(&first.issuer, &first.subject).await?.is_none());
    ensure!(store.identities(bob.id).await? == [of_bob] && store.identities(world.id()).await?.is_empty());
    let again =
        world.change(Chain::Instance, vec![Write::Account(AccountWrite::UnlinkIdentity { id: first.id })]);
    ensure!(matches!(store.commit(again).await, Err(CommitError::Stale)));
    Ok(())
}
