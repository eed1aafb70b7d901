//! Teams, roles, and who has which.

use anyhow::{Context, Result, ensure};
use domain::access::Scope;
use domain::account::{Account, AccountWrite};
use domain::flag::Flag;
use domain::grant::{Grant, GrantFilter, Holder};
use domain::log::{Chain, Counted, ReadVersion, Write};
use domain::ports::{CommitError, FlagFilter};
use domain::project::OwningTeam;
use domain::role::CustomRole;
use domain::team::Team;

use super::commits::account;
use super::world::{NOW, World, key};

fn team(world: &World, name: &str) -> Result<Team> {
    Ok(Team {
        id: world.id(),
        key: key(name)?,
        name: name.to_uppercase(),
        description: String::new(),
        version: 0,
        created_at: NOW,
        updated_at: NOW,
    })
}

fn role(world: &World, name: &str) -> Result<CustomRole> {
    Ok(CustomRole {
        id: world.id(),
        key: key(name)?,
        name: String::new(),
        description: "\"quoted\"".to_owned(),
        permissions: vec!["flag.update@production".to_owned(), "log.read".to_owned()],
        version: 0,
        created_at: NOW,
        updated_at: NOW,
    })
}

fn grant(world: &World, holder: Holder, role: &str, scope: Scope) -> Grant {
    Grant {
        id: world.id(),
        holder,
        holder_name: String::new(),
        role: role.to_owned(),
        scope,
        project: None,
        environment: None,
        created_by: world.id(),
        created_at: NOW,
    }
}

async fn write(world: &World, writes: Vec<Write>) -> Result<u64> {
    Ok(world.store.commit(world.change(Chain::Instance, writes)).await?)
}

async fn is_stale(world: &World, write: Write) -> bool {
    let committed = world.store.commit(world.change(Chain::Instance, vec![write])).await;
    matches!(committed, Err(CommitError::Stale))
}

async fn is_taken(world: &World, write: Write) -> bool {
    let committed = world.store.commit(world.change(Chain::Instance, vec![write])).await;
    matches!(committed, Err(CommitError::Taken { .. }))
}

async fn someone(world: &World, email: &str) -> Result<Account> {
    let account = account(world, email);
    write(world, vec![Write::Account(AccountWrite::Create(account.clone()))]).await?;
    Ok(account)
}

pub(super) async fn teams_say_who_is_in_them(world: World) -> Result<()> {
    let team = team(&world, "payments")?;
    let (ada, bob) = (someone(&world, "ada@example.org").await?, someone(&world, "bob@example.org").await?);
    write(&world, vec![Write::CreateTeam(team.clone())]).await?;
    ensure!(is_taken(&world, Write::CreateTeam(team.clone())).await);
    let joins = |account: &Account| Write::AddMember { team_id: team.id, account_id: account.id, at: NOW };
    let version = write(&world, vec![joins(&bob), joins(&ada)]).await?;
    ensure!(is_taken(&world, joins(&ada)).await);
    let there = world.store.team(&team.key).await?.context("no team")?;
    ensure!(there.version == version, "who is in it counts as a change of it");
    let emails: Vec<_> = world.store.team_members(team.id).await?.into_iter().map(|one| one.email).collect();
    ensure!(emails == ["ada@example.org", "bob@example.org"]);
    let of_ada = world.store.teams_of(ada.id).await?;
    ensure!(of_ada == [there.clone()] && world.store.team_by_id(team.id).await? == Some(there.clone()));
    ensure!(world.store.teams_of(world.id()).await?.is_empty());

    let mut late = world.change(Chain::Instance, vec![Write::UpdateTeam(there.clone())]);
    late.reads = vec![ReadVersion::Team { id: team.id, version: version - 1 }];
    ensure!(matches!(world.store.commit(late).await, Err(CommitError::Stale)));
    let leaves = Write::RemoveMember { team_id: team.id, account_id: ada.id, at: NOW };
    write(&world, vec![leaves.clone()]).await?;
    ensure!(is_stale(&world, leaves).await, "nobody leaves twice");
    let nobody = Write::AddMember { team_id: team.id, account_id: world.id(), at: NOW };
    ensure!(is_stale(&world, nobody).await, "there is no such account");

    let mut project = world.store.project("default").await?.context("no project")?;
    project.team = Some(OwningTeam { id: team.id, key: team.key.clone() });
    world.write(vec![Write::UpdateProject(project.clone())]).await?;
    ensure!(world.store.projects_of_team(team.id).await?.len() == 1);
    ensure!(is_stale(&world, Write::DeleteTeam { id: team.id }).await, "it owns a project");
    project.team = None;
    world.write(vec![Write::UpdateProject(project)]).await?;
    write(&world, vec![Write::DeleteTeam { id: team.id }]).await?;
    ensure!(world.store.team_members(team.id).await?.is_empty());
    Ok(())
}

pub(super) async fn roles_are_themselves(world: World) -> Result<()> {
    let role = role(&world, "release")?;
    let version = write(&world, vec![Write::CreateRole(role.clone())]).await?;
    ensure!(is_taken(&world, Write::CreateRole(role.clone())).await);
    ensure!(world.store.roles().await? == [CustomRole { version, ..role.clone() }]);
    let changed = CustomRole { permissions: vec!["*".to_owned()], ..role.clone() };
    let version = write(&world, vec![Write::UpdateRole(changed.clone())]).await?;
    ensure!(world.store.roles().await? == [CustomRole { version, ..changed }]);

    let ada = someone(&world, "ada@example.org").await?;
    let granted = grant(&world, Holder::Account(ada.id), "release", Scope::Instance);
    write(&world, vec![Write::CreateGrant(granted.clone())]).await?;
    ensure!(world.store.grants_with_role("release").await? == 1);
    ensure!(is_stale(&world, Write::DeleteRole { id: role.id }).await, "somebody has it");
    write(&world, vec![Write::DeleteGrant { id: granted.id }, Write::DeleteRole { id: role.id }]).await?;
    ensure!(world.store.roles().await?.is_empty());
    ensure!(is_stale(&world, Write::DeleteRole { id: role.id }).await);
    Ok(())
}

pub(super) async fn grants_reach_who_has_them(world: World) -> Result<()> {
    let (team, role) = (team(&world, "payments")?, role(&world, "release")?);
    let ada = someone(&world, "ada@example.org").await?;
    let bob = someone(&world, "bob@example.org").await?;
    let (project_id, place) = (world.project_id, &world.environments[2]);
    let in_production = Scope::Environment { project_id, id: place.id };
    let own = grant(&world, Holder::Account(ada.id), "viewer", Scope::Project(project_id));
    let by_team = grant(&world, Holder::Team(team.id), "release", in_production);
    write(
        &world,
        vec![
            Write::CreateTeam(team.clone()),
            Write::CreateRole(role.clone()),
            Write::AddMember { team_id: team.id, account_id: ada.id, at: NOW },
            Write::CreateGrant(grant(&world, Holder::Account(bob.id), "admin", Scope::Instance)),
        ],
    )
    .await?;
    world.write(vec![Write::CreateGrant(own.clone()), Write::CreateGrant(by_team.clone())]).await?;
    let again = world.in_project(vec![Write::CreateGrant(Grant { id: world.id(), ..by_team.clone() })]);
    ensure!(matches!(world.store.commit(again).await, Err(CommitError::Taken { .. })));
    let of_ada = world.store.grants_of(Holder::Account(ada.id)).await?;
    ensure!(of_ada.len() == 1 && of_ada[0].id == own.id, "her team's are not her own: {of_ada:?}");
    ensure!(of_ada[0].project.as_ref().is_some_and(|key| key.as_str() == "default"));
    ensure!(world.store.grants_of(Holder::Team(team.id)).await?.len() == 1);
    ensure!(is_stale(&world, Write::DeleteGrant { id: own.id }).await, "it is not of that chain");

    let mut granted = world.store.granted(Holder::Account(ada.id)).await?;
    granted.sort_by(|left, right| left.role.cmp(&right.role));
    ensure!(granted.len() == 2, "{granted:?}");
    ensure!(granted[0].permissions.as_deref() == Some(&*role.permissions));
    ensure!(granted[0].scope == in_production);
    ensure!((granted[1].role.as_str(), granted[1].scope) == ("viewer", Scope::Project(project_id)));
    ensure!(granted[1].permissions.is_none());
    ensure!(world.store.granted(Holder::Team(team.id)).await?.len() == 1);

    let filter = GrantFilter { project_id: Some(project_id), limit: 1, ..GrantFilter::default() };
    let page = world.store.grants(&filter).await?;
    ensure!(page.total == Some(2) && page.more && page.items[0].id == own.id);
    ensure!(page.items[0].holder_name == "ada@example.org" && page.items[0].environment.is_none());
    let rest = world.store.grants(&GrantFilter { after: Some(own.id), ..filter.clone() }).await?;
    ensure!(
        rest.items[0].holder_name == "payments" && rest.items[0].environment.as_ref() == Some(&place.key)
    );
    ensure!(world.store.grant(by_team.id).await?.is_some_and(|one| one.scope == in_production));
    let of_role = GrantFilter { role: Some("viewer".to_owned()), ..filter };
    ensure!(world.store.grants(&of_role).await?.total == Some(1));
    let on_instance = GrantFilter { limit: 9, ..GrantFilter::default() };
    ensure!(world.store.grants(&on_instance).await?.items[0].role == "admin");
    Ok(())
}

pub(super) async fn grants_go_with_what_they_name(world: World) -> Result<()> {
    let team = team(&world, "payments")?;
    let ada = someone(&world, "ada@example.org").await?;
    let project_id = world.id();
    world.make_project(project_id, "shop").await?;
    let environment = world.environment(project_id, "development", 0)?;
    let made = world.change(Chain::Project(project_id), vec![Write::CreateEnvironment(environment.clone())]);
    world.store.commit(made).await?;
    let of_ada = |scope| grant(&world, Holder::Account(ada.id), "viewer", scope);
    let here = Scope::Environment { project_id, id: environment.id };
    write(
        &world,
        vec![
            Write::CreateTeam(team.clone()),
            Write::CreateGrant(grant(&world, Holder::Team(team.id), "viewer", Scope::Instance)),
        ],
    )
    .await?;
    let in_shop = |scope| world.change(Chain::Project(project_id), vec![Write::CreateGrant(of_ada(scope))]);
    world.store.commit(in_shop(here)).await?;
    world.store.commit(in_shop(Scope::Project(project_id))).await?;
    let elsewhere = Scope::Environment { project_id: world.project_id, id: environment.id };
    for (scope, what) in [
        (Scope::Environment { project_id: world.project_id, id: world.id() }, "environment"),
        (elsewhere, "environment there"),
    ] {
        let committed = world.store.commit(world.in_project(vec![Write::CreateGrant(of_ada(scope))])).await;
        ensure!(matches!(committed, Err(CommitError::Stale)), "there is no such {what}");
    }
    let of_nobody = grant(&world, Holder::Account(world.id()), "viewer", Scope::Instance);
    ensure!(is_stale(&world, Write::CreateGrant(of_nobody)).await);

    write(&world, vec![Write::DeleteTeam { id: team.id }]).await?;
    let on_instance = GrantFilter { limit: 9, ..GrantFilter::default() };
    ensure!(world.store.grants(&on_instance).await?.items.is_empty());
    let gone = vec![Write::DeleteEnvironment { id: environment.id }];
    world.store.commit(world.change(Chain::Project(project_id), gone)).await?;
    ensure!(world.store.granted(Holder::Account(ada.id)).await?.len() == 1);
    write(&world, vec![Write::DeleteProject { id: project_id }]).await?;
    ensure!(world.store.granted(Holder::Account(ada.id)).await?.is_empty());
    Ok(())
}

pub(super) async fn a_teams_flags_are_counted_and_keep_it(world: World) -> Result<()> {
    let team = team(&world, "payments")?;
    write(&world, vec![Write::CreateTeam(team.clone())]).await?;
    let owned = |flag: Flag| Flag { owner: Some(team.owner()), ..flag };
    let sale = world.create(owned(world.flag("sale")?)).await?;
    world.create(owned(world.flag("banner")?)).await?;
    world.create(world.flag("nobodys")?).await?;
    let shop = world.id();
    world.make_project(shop, "shop").await?;
    let other = Flag { project_id: shop, ..owned(world.flag("sale")?) };
    world.store.commit(world.change(Chain::Project(shop), vec![Write::CreateFlag(other)])).await?;

    let counted = world.store.owned_flags(&team.owner()).await?;
    let counted: Vec<_> = counted.iter().map(|one| (one.project.as_str(), one.flags)).collect();
    ensure!(counted == [("default", 2), ("shop", 1)], "{counted:?}");
    let page = world.store.flags_of_owner(&team.owner(), 2).await?;
    let named: Vec<_> = page.items.iter().map(|one| (one.project.as_str(), one.flag.as_str())).collect();
    ensure!(named == [("default", "banner"), ("default", "sale")] && page.more, "{named:?}");
    ensure!(page.total == Some(3));
    ensure!(world.store.owned_flags("team:pay").await?.is_empty());

    let gone = Write::DeleteTeam { id: team.id };
    ensure!(is_stale(&world, gone.clone()).await, "it owns flags");
    let filter = FlagFilter { owner: Some(team.owner()), limit: 9, ..FlagFilter::default() };
    ensure!(world.store.flags(&world.environments[0], &filter).await?.items.len() == 2);
    world.about(&sale, vec![Write::UpdateFlag(Flag { owner: None, ..sale.clone() })]).await?;
    let banner = world.store.flag(world.project_id, &key("banner")?).await?.context("no flag")?.flag;
    world.delete(&banner).await?;
    ensure!(is_stale(&world, gone.clone()).await, "one is left");
    write(&world, vec![Write::DeleteProject { id: shop }]).await?;
    write(&world, vec![gone]).await?;
    Ok(())
}

/// They are on two chains, so neither waits for the other by itself.
pub(super) async fn a_team_does_not_go_while_it_is_made_an_owner(world: World) -> Result<()> {
    for round in 0..20 {
        let team = team(&world, &format!("team-{round}"))?;
        let version = write(&world, vec![Write::CreateTeam(team.clone())]).await?;
        let flag = Flag { owner: Some(team.owner()), ..world.flag(&format!("flag-{round}"))? };
        let mut gives = world.in_project(world.creation(&flag));
        gives.reads = vec![ReadVersion::Team { id: team.id, version }];
        let goes = world.change(Chain::Instance, vec![Write::DeleteTeam { id: team.id }]);
        let (gives, goes) = tokio::join!(world.store.commit(gives), world.store.commit(goes));
        for committed in [&gives, &goes] {
            ensure!(matches!(committed, Ok(_) | Err(CommitError::Stale)), "{committed:?}");
        }
        ensure!(gives.is_ok() != goes.is_ok(), "one of them came first: {gives:?} {goes:?}");
    }
    Ok(())
}

pub(super) async fn a_role_does_not_go_while_it_is_granted(world: World) -> Result<()> {
    let ada = someone(&world, "ada@example.org").await?;
    for round in 0..20 {
        let role = role(&world, &format!("role-{round}"))?;
        let version = write(&world, vec![Write::CreateRole(role.clone())]).await?;
        let scope = Scope::Project(world.project_id);
        let given = grant(&world, Holder::Account(ada.id), role.key.as_str(), scope);
        let mut gives = world.in_project(vec![Write::CreateGrant(given)]);
        gives.reads = vec![ReadVersion::Role { id: role.id, version }];
        let goes = world.change(Chain::Instance, vec![Write::DeleteRole { id: role.id }]);
        let (gives, goes) = tokio::join!(world.store.commit(gives), world.store.commit(goes));
        for committed in [&gives, &goes] {
            ensure!(matches!(committed, Ok(_) | Err(CommitError::Stale)), "{committed:?}");
        }
        ensure!(gives.is_ok() != goes.is_ok(), "one of them came first: {gives:?} {goes:?}");
    }
    Ok(())
}

/// Whoever is given something while they go does not have it, and nobody is told of a broken store.
pub(super) async fn an_account_goes_while_it_is_given_something(world: World) -> Result<()> {
    for round in 0..20 {
        let someone = someone(&world, &format!("someone-{round}@example.org")).await?;
        let holder = Holder::Account(someone.id);
        let given = grant(&world, holder, "viewer", Scope::Project(world.project_id));
        let gives = world.in_project(vec![Write::CreateGrant(given)]);
        let gone = Write::Account(AccountWrite::Delete { id: someone.id });
        let goes = world.change(Chain::Instance, vec![gone]);
        let (gives, goes) = tokio::join!(world.store.commit(gives), world.store.commit(goes));
        ensure!(matches!(gives, Ok(_) | Err(CommitError::Stale)), "{gives:?}");
        ensure!(goes.is_ok(), "{goes:?}");
        ensure!(world.store.grants_of(holder).await?.is_empty());
    }
    Ok(())
}

pub(super) async fn of_many_who_fill_the_last_place_one_does(world: World) -> Result<()> {
    const MANY: usize = 16;
    write(&world, vec![Write::CreateRole(role(&world, "first")?)]).await?;
    let mut at_once = Vec::new();
    for number in 0..MANY {
        let mut change =
            world.change(Chain::Instance, vec![Write::CreateRole(role(&world, &format!("role-{number}"))?)]);
        change.reads = vec![ReadVersion::Room { of: Counted::Roles, most: 2 }];
        let store = world.store.clone();
        at_once.push(tokio::spawn(async move { store.commit(change).await }));
    }
    let mut made = 0;
    for one in at_once {
        match one.await? {
            Ok(_) => made += 1,
            Err(CommitError::Stale) => {}
            Err(error) => return Err(error.into()),
        }
    }
    ensure!(made == 1 && world.store.roles().await?.len() == 2, "{made} made the last one");

    let ada = account(&world, "ada@example.org");
    write(&world, vec![Write::Account(AccountWrite::Create(ada.clone()))]).await?;
    let mut change = world.change(Chain::Instance, Vec::new());
    let of = Counted::AccessTokens { account_id: ada.id };
    for (most, room) in [(0, false), (1, true)] {
        change.reads = vec![ReadVersion::Room { of, most }];
        ensure!(world.store.commit(change.clone()).await.is_ok() == room, "{most}");
    }
    Ok(())
}
