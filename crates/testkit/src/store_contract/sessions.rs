//! What happens to accounts, and what they prove themselves with: sessions, tokens, links, signing keys.

use anyhow::{Context, Result, ensure};
use domain::account::{
    AccessToken, Account, AccountKind, AccountWrite, LinkTerms, ResetLink, Role, SigningKey, StoredSession,
};
use domain::log::{Chain, Change, ReadVersion, Write};
use domain::ports::{AccountFilter, CommitError};

use super::accounts::{account, in_instance, later, made};
use super::world::{NOW, World};

fn session(world: &World, account: &Account, hash: &str, millis: i64) -> StoredSession {
    StoredSession {
        id: world.id(),
        account_id: account.id,
        family: format!("family of {hash}"),
        refresh_hash: hash.to_owned(),
        created_at: later(millis),
        expires_at: later(millis + 1_000),
    }
}

fn token(world: &World, account: &Account, hash: &str, millis: i64) -> AccessToken {
    AccessToken {
        id: world.id(),
        account_id: account.id,
        name: hash.to_owned(),
        hint: String::new(),
        hash: hash.to_owned(),
        scopes: None,
        created_at: later(millis),
        expires_at: None,
        last_used_at: None,
        replaced_by: None,
    }
}

fn link(account: &Account, hash: &str, by: &Account) -> ResetLink {
    let terms = LinkTerms { made_by: by.id, revoke_tokens: hash == "22" };
    ResetLink { account_id: account.id, hash: hash.to_owned(), expires_at: later(9), terms }
}

fn signing_key(world: &World, millis: i64) -> SigningKey {
    SigningKey {
        id: world.id(),
        secret: vec![7; 32],
        created_at: later(millis),
        verifies_until: None,
        revoked_at: None,
        given: false,
        fingerprint: None,
    }
}

/// Whether writes are refused because what they are about is not as it was.
async fn is_stale(world: &World, write: AccountWrite) -> bool {
    let change = world.change(Chain::Instance, vec![Write::Account(write)]);
    matches!(world.store.commit(change).await, Err(CommitError::Stale))
}

pub(super) async fn accounts_change_and_go(world: World) -> Result<()> {
    let store = &world.store;
    let ada = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    let bob = made(&world, account(&world, "bob@example.org", Role::Admin)).await?;
    let after = Account {
        email: "countess@example.org".to_owned(),
        name: "Ada".to_owned(),
        role: Role::Member,
        active: false,
        password_hash: None,
        updated_at: later(50),
        ..ada.clone()
    };
    let version = in_instance(&world, vec![AccountWrite::Update(after.clone())]).await?;
    ensure!(version > ada.version);
    ensure!(store.account(ada.id).await? == Some(Account { version, ..after.clone() }));
    ensure!(store.account_by_email("ada@example.org").await?.is_none());

    let taken = AccountWrite::Update(Account { email: bob.email.clone(), ..after.clone() });
    let taken = world.change(Chain::Instance, vec![Write::Account(taken)]);
    ensure!(matches!(store.commit(taken).await, Err(CommitError::Taken { what: "account" })));

    ensure!(store.open_session(&session(&world, &bob, "11", 0), bob.version, 9).await?);
    let link = link(&bob, "22", &ada);
    let own =
        vec![AccountWrite::CreateAccessToken(token(&world, &bob, "33", 0)), AccountWrite::PutResetLink(link)];
    in_instance(&world, own).await?;
    in_instance(&world, vec![AccountWrite::Delete { id: bob.id }]).await?;
    ensure!(store.account(bob.id).await?.is_none());
    ensure!(store.session_of_family("family of 11").await?.is_none());
    ensure!(store.reset_link("22").await?.is_none() && store.access_token("33").await?.is_none());
    ensure!(is_stale(&world, AccountWrite::Delete { id: bob.id }).await);
    ensure!(is_stale(&world, AccountWrite::Update(bob)).await, "it came back");
    Ok(())
}

pub(super) async fn accounts_come_in_pages_by_email(world: World) -> Result<()> {
    let store = &world.store;
    for email in ["b%@example.org", "a@example.org", "Z@example.org", "é@example.org", "c_@example.org"] {
        made(&world, account(&world, email, Role::Viewer)).await?;
    }
    let bot = Account { kind: AccountKind::Service, ..account(&world, "bot", Role::Viewer) };
    made(&world, bot).await?;
    let mut filter = AccountFilter { limit: 2, ..AccountFilter::default() };
    let mut emails = Vec::new();
    loop {
        let page = store.accounts(AccountKind::Person, &filter).await?;
        ensure!(page.total == Some(5), "{:?}", page.total);
        filter.after = page.items.last().map(|last| last.email.clone());
        emails.extend(page.items.into_iter().map(|account| account.email));
        if !page.more {
            break;
        }
    }
    let sorted = ["Z@example.org", "a@example.org", "b%@example.org", "c_@example.org", "é@example.org"];
    ensure!(emails == sorted, "by bytes: {emails:?}");
    let search = async |text: &str| {
        let filter = AccountFilter { search: Some(text.to_owned()), limit: 9, after: None };
        Ok::<_, anyhow::Error>(store.accounts(AccountKind::Person, &filter).await?.items.len())
    };
    ensure!((search("%").await?, search("_").await?, search("NAME OF z").await?) == (1, 1, 1));
    ensure!((search("").await?, search("a\0").await?) == (5, 0));
    ensure!(
        store.accounts(AccountKind::Service, &AccountFilter { limit: 9, ..filter }).await?.total == Some(1)
    );
    Ok(())
}

/// The way in which nobody takes away the last admin: whoever takes one away knows another.
pub(super) async fn an_account_that_moved_on_refuses(world: World) -> Result<()> {
    let store = &world.store;
    let ada = made(&world, account(&world, "ada@example.org", Role::Admin)).await?;
    let bob = made(&world, account(&world, "bob@example.org", Role::Admin)).await?;
    let idle = Account { active: false, ..account(&world, "idle@example.org", Role::Admin) };
    made(&world, idle).await?;
    let new = Account { password_hash: None, ..account(&world, "new@example.org", Role::Admin) };
    made(&world, new).await?;
    let bot = Account { kind: AccountKind::Service, ..account(&world, "bot", Role::Admin) };
    made(&world, bot).await?;
    ensure!(store.admins(9).await? == [ada.clone(), bob.clone()], "those who can sign in");
    ensure!(store.admins(1).await?.len() == 1);
    let demotion = |goes: &Account, stays: &Account| Change {
        reads: vec![
            ReadVersion::Account { id: goes.id, version: goes.version },
            ReadVersion::Account { id: stays.id, version: stays.version },
        ],
        ..world.change(
            Chain::Instance,
            vec![Write::Account(AccountWrite::Update(Account { role: Role::Viewer, ..goes.clone() }))],
        )
    };
    let (one, two) = tokio::join!(store.commit(demotion(&ada, &bob)), store.commit(demotion(&bob, &ada)));
    ensure!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    ensure!(matches!(one.err().or(two.err()), Some(CommitError::Stale)));
    ensure!(store.admins(9).await?.len() == 1);
    Ok(())
}

pub(super) async fn a_session_is_proved_by_its_key(world: World) -> Result<()> {
    let store = &world.store;
    let ada = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    let (key, own) = (signing_key(&world, 0), session(&world, &ada, "11", 0));
    in_instance(&world, vec![AccountWrite::CreateSigningKey(key.clone())]).await?;
    ensure!(store.open_session(&own, ada.version, 9).await?);
    ensure!(store.session(key.id, own.id).await? == Some((key.clone(), own.clone(), ada.clone())));
    ensure!(store.session(world.id(), own.id).await?.is_none());
    ensure!(store.session(key.id, world.id()).await?.is_none());
    ensure!(store.session_of_family("family of 11").await? == Some((own, ada)));
    ensure!(store.session_of_family("family of 1").await?.is_none());
    Ok(())
}

pub(super) async fn a_refresh_token_is_good_once(world: World) -> Result<()> {
    let store = &world.store;
    let ada = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    let own = session(&world, &ada, "11", 0);
    store.open_session(&own, ada.version, 9).await?;
    let tries = (0..8).map(|number| {
        let store = store.clone();
        let id = own.id;
        tokio::spawn(async move { store.rotate_session(id, "11", &format!("next {number}")).await })
    });
    let mut good = 0;
    for tried in tries.collect::<Vec<_>>() {
        good += u32::from(tried.await??);
    }
    ensure!(good == 1, "{good} exchanged one token");
    let (kept, _) = store.session_of_family("family of 11").await?.context("it is gone")?;
    ensure!(kept.refresh_hash.starts_with("next "));
    Ok(())
}

pub(super) async fn sessions_end(world: World) -> Result<()> {
    let store = &world.store;
    let ada = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    let bob = made(&world, account(&world, "bob@example.org", Role::Viewer)).await?;
    let alive = async |name: &str| {
        Ok::<_, anyhow::Error>(store.session_of_family(&format!("family of {name}")).await?.is_some())
    };
    let all: Vec<_> = (1..=4).map(|number| session(&world, &ada, &format!("a{number}"), number)).collect();
    for own in &all {
        ensure!(store.open_session(own, ada.version, 3).await?);
    }
    ensure!(store.open_session(&session(&world, &bob, "b", 5), bob.version, 3).await?);
    ensure!(!alive("a1").await? && alive("a2").await? && alive("b").await?, "the oldest of the account ends");

    ensure!(store.end_session(all[1].id).await?);
    ensure!(!store.end_session(all[1].id).await?, "it ended twice");
    let others = AccountWrite::EndSessions { account_id: ada.id, except: Some(all[2].id) };
    in_instance(&world, vec![others]).await?;
    ensure!(alive("a3").await? && !alive("a4").await? && alive("b").await?);
    store.end_sessions(ada.id).await?;
    ensure!(!alive("a3").await? && alive("b").await?);

    store.open_session(&session(&world, &ada, "late", 1_005), ada.version, 3).await?;
    ensure!(!alive("b").await?, "what expired goes");
    Ok(())
}

pub(super) async fn a_session_of_who_changed_is_not_opened(world: World) -> Result<()> {
    let store = &world.store;
    let ada = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    in_instance(&world, vec![AccountWrite::Update(Account { active: false, ..ada.clone() })]).await?;
    ensure!(!store.open_session(&session(&world, &ada, "11", 0), ada.version, 9).await?);
    in_instance(&world, vec![AccountWrite::Delete { id: ada.id }]).await?;
    ensure!(!store.open_session(&session(&world, &ada, "12", 0), ada.version, 9).await?);
    ensure!(store.session_of_family("family of 11").await?.is_none());
    Ok(())
}

pub(super) async fn tokens_expire_and_go(world: World) -> Result<()> {
    let store = &world.store;
    let ada = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    let (old, new) = (token(&world, &ada, "11", 1), token(&world, &ada, "22", 2));
    let writes = [&old, &new].map(|token| AccountWrite::CreateAccessToken(token.clone()));
    in_instance(&world, writes.into()).await?;
    ensure!(store.access_tokens(ada.id).await? == [new.clone(), old.clone()], "newest first");
    ensure!(store.access_tokens(world.id()).await?.is_empty());

    let replaced = |at| AccountWrite::ReplaceAccessToken { id: old.id, at, by: new.id };
    in_instance(&world, vec![replaced(later(70))]).await?;
    ensure!(is_stale(&world, replaced(later(80))).await, "nothing takes its place twice");
    store.note_tokens_used(&[(old.id, later(60)), (world.id(), later(60))]).await?;
    store.note_tokens_used(&[(old.id, later(50))]).await?;
    store.note_tokens_used(&[]).await?;
    let (kept, _) = store.access_token("11").await?.context("it is gone")?;
    ensure!((kept.expires_at, kept.last_used_at) == (Some(later(70)), Some(later(60))), "{kept:?}");
    ensure!(kept.replaced_by == Some(new.id), "{kept:?}");

    in_instance(&world, vec![AccountWrite::DeleteAccessToken { id: old.id }]).await?;
    ensure!(store.access_token("11").await?.is_none());
    ensure!(is_stale(&world, AccountWrite::DeleteAccessToken { id: old.id }).await);
    ensure!(is_stale(&world, replaced(NOW)).await);
    Ok(())
}

pub(super) async fn what_was_given_stays_known(world: World) -> Result<()> {
    let store = &world.store;
    let note = || AccountWrite::NoteGiven { fingerprint: "11".to_owned() };
    ensure!(!store.was_given("11").await?);
    in_instance(&world, vec![note(), note()]).await?;
    in_instance(&world, vec![note()]).await?;
    ensure!(store.was_given("11").await? && !store.was_given("1").await?);
    Ok(())
}

pub(super) async fn signing_keys_retire_and_are_revoked(world: World) -> Result<()> {
    let store = &world.store;
    let (one, two) = (signing_key(&world, 1), signing_key(&world, 2));
    let writes = [&one, &two].map(|key| AccountWrite::CreateSigningKey(key.clone()));
    in_instance(&world, writes.into()).await?;
    let retire = |millis| AccountWrite::RetireSigningKey { id: one.id, until: later(millis) };
    in_instance(&world, vec![retire(30)]).await?;
    ensure!(is_stale(&world, retire(40)).await, "of two who replace a key, one does");
    let revoke = |at| AccountWrite::RevokeSigningKey { id: two.id, at, fingerprint: "feed".to_owned() };
    in_instance(&world, vec![revoke(later(5))]).await?;
    ensure!(is_stale(&world, revoke(later(6))).await);
    let retired = SigningKey { verifies_until: Some(later(30)), ..one };
    let revoked = SigningKey {
        secret: Vec::new(),
        revoked_at: Some(later(5)),
        fingerprint: Some("feed".to_owned()),
        ..two
    };
    ensure!(store.signing_keys().await? == [retired.clone(), revoked.clone()]);
    ensure!(is_stale(&world, AccountWrite::RetireSigningKey { id: revoked.id, until: NOW }).await);
    in_instance(&world, vec![AccountWrite::DeleteSigningKey { id: retired.id }]).await?;
    ensure!(is_stale(&world, AccountWrite::DeleteSigningKey { id: retired.id }).await);
    ensure!(store.signing_keys().await? == [revoked]);
    Ok(())
}

pub(super) async fn a_link_is_good_once(world: World) -> Result<()> {
    let store = &world.store;
    let ada = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    let link = |hash: &str| link(&ada, hash, &ada);
    let take = |hash: &str| AccountWrite::TakeResetLink { account_id: ada.id, hash: hash.to_owned() };
    for hash in ["11", "22"] {
        in_instance(&world, vec![AccountWrite::PutResetLink(link(hash))]).await?;
    }
    ensure!(store.reset_link("11").await?.is_none(), "the newer one voids it");
    ensure!(store.reset_link("22").await? == Some((link("22"), ada.clone())));
    ensure!(is_stale(&world, take("11")).await);
    in_instance(&world, vec![take("22")]).await?;
    ensure!(is_stale(&world, take("22")).await && store.reset_link("22").await?.is_none());
    Ok(())
}

pub(super) async fn a_setup_token_is_good_once(world: World) -> Result<()> {
    let store = &world.store;
    let take = |hash: &str| AccountWrite::TakeSetupToken { hash: hash.to_owned() };
    ensure!(store.setup_token().await?.is_none() && is_stale(&world, take("")).await);
    store.put_setup_token("11", later(1)).await?;
    store.put_setup_token("22", later(2)).await?;
    ensure!(store.setup_token().await? == Some(("22".to_owned(), later(2))));
    ensure!(is_stale(&world, take("11")).await);
    in_instance(&world, vec![take("22")]).await?;
    ensure!(is_stale(&world, take("22")).await && store.setup_token().await?.is_none());
    store.renew_epoch("feedbeef").await?;
    Ok(())
}

pub(super) async fn all_sessions_end_at_once(world: World) -> Result<()> {
    let store = &world.store;
    let ada = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    let bob = made(&world, account(&world, "bob@example.org", Role::Viewer)).await?;
    for (account, hash) in [(&ada, "11"), (&bob, "22")] {
        ensure!(store.open_session(&session(&world, account, hash, 0), account.version, 9).await?);
        in_instance(&world, vec![AccountWrite::PutResetLink(link(account, hash, &ada))]).await?;
    }
    in_instance(&world, vec![AccountWrite::CreateAccessToken(token(&world, &ada, "33", 0))]).await?;
    store.put_setup_token("44", later(1)).await?;
    in_instance(&world, vec![AccountWrite::EndAllSessions]).await?;
    for hash in ["11", "22"] {
        ensure!(store.session_of_family(&format!("family of {hash}")).await?.is_none());
        ensure!(store.reset_link(hash).await?.is_none());
    }
    ensure!(store.setup_token().await?.is_none());
    ensure!(store.access_token("33").await?.is_some() && store.account(bob.id).await? == Some(bob));
    in_instance(&world, vec![AccountWrite::EndAllSessions]).await?;
    Ok(())
}

pub(super) async fn tokens_of_one_account_go_at_once(world: World) -> Result<()> {
    let store = &world.store;
    let ada = made(&world, account(&world, "ada@example.org", Role::Viewer)).await?;
    let bob = made(&world, account(&world, "bob@example.org", Role::Viewer)).await?;
    for (account, hash) in [(&ada, "11"), (&ada, "22"), (&bob, "33")] {
        in_instance(&world, vec![AccountWrite::CreateAccessToken(token(&world, account, hash, 0))]).await?;
    }
    // That there is none is no fault.
    for _ in 0..2 {
        in_instance(&world, vec![AccountWrite::DeleteAccessTokens { account_id: ada.id }]).await?;
        ensure!(store.access_tokens(ada.id).await?.is_empty() && store.access_token("11").await?.is_none());
    }
    ensure!(store.access_tokens(bob.id).await?.len() == 1);
    Ok(())
}
