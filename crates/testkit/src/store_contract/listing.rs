//! Lists of flags.

use anyhow::{Context, Result, ensure};
use domain::flag::{Flag, FlagHere, Lifecycle, Lifetime};
use domain::log::Write;
use domain::ports::{FlagFilter, Page};
use domain::time::Day;

use super::world::{World, key};

async fn list(world: &World, filter: FlagFilter) -> Result<Page<FlagHere>> {
    Ok(world.store.flags(&world.environments[0], &filter).await?)
}

fn keys(page: &Page<FlagHere>) -> Vec<&str> {
    page.items.iter().map(|here| here.flag.key.as_str()).collect()
}

pub(super) async fn flags_come_in_pages_by_key(world: World) -> Result<()> {
    let mut expected = ["b", "B", "a", "A", "a-b", "a.b", "a_b", "ab", "Z", "~", "0", "a|", "a:"];
    for name in expected {
        world.create(world.flag(name)?).await?;
    }
    // In the first environment alone, so it is on no list of the others.
    let lonely = world.flag("lonely")?;
    let config = World::config(&lonely, &world.environments[1]);
    world.write(vec![Write::CreateFlag(lonely), Write::CreateConfig(config)]).await?;
    expected.sort_unstable();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = list(&world, FlagFilter { after, limit: 4, ..FlagFilter::default() }).await?;
        ensure!(page.total == Some(13), "the whole list has 13, not {:?}", page.total);
        ensure!(page.items.len() <= 4);
        seen.extend(page.items.iter().map(|here| here.flag.key.to_string()));
        ensure!(page.more == (seen.len() < 13), "after {seen:?} there are more: {}", page.more);
        after = page.items.last().map(|here| here.flag.key.clone());
        if !page.more {
            break;
        }
    }
    ensure!(seen == expected, "{seen:?}");
    let exact = list(&world, FlagFilter { limit: 13, ..FlagFilter::default() }).await?;
    ensure!(!exact.more, "a full page is not one of more");
    let here = exact.items.first().context("nothing is listed")?;
    ensure!(here.config.environment_id == world.environments[0].id);
    ensure!(here.config.version == here.flag.version);
    Ok(())
}

pub(super) async fn search_takes_every_character_as_it_is(world: World) -> Result<()> {
    let named = |key, name: &str, description: &str| -> Result<Flag> {
        let (name, description) = (name.to_owned(), description.to_owned());
        Ok(Flag { name, description, ..world.flag(key)? })
    };
    let flags = [
        named("new-checkout", "New Checkout", "")?,
        named("sale", "100% off", "for ÄRZTE")?,
        named("snake_case", "", "back\\slash")?,
        named("other", "1000 off", "it's new")?,
    ];
    for flag in flags {
        world.create(flag).await?;
    }
    let searches: [(&str, &[&str]); 14] = [
        ("CHECKOUT", &["new-checkout"]),
        ("new", &["new-checkout", "other"]),
        ("w c", &["new-checkout"]),
        ("%", &["sale"]),
        ("0%", &["sale"]),
        ("_", &["snake_case"]),
        ("\\", &["snake_case"]),
        ("'", &["other"]),
        ("ÄRZ", &["sale"]),
        ("Ärz", &["sale"]),
        ("ärz", &[]),
        ("a\0b", &[]),
        ("%_%", &[]),
        ("", &["new-checkout", "other", "sale", "snake_case"]),
    ];
    for (search, expected) in searches {
        let search = Some(search.to_owned());
        let page =
            list(&world, FlagFilter { search: search.clone(), limit: 10, ..FlagFilter::default() }).await?;
        ensure!(keys(&page) == expected, "{search:?} finds {:?}", keys(&page));
        ensure!(page.total == Some(expected.len() as u64), "{search:?} counts {:?}", page.total);
    }
    Ok(())
}

pub(super) async fn tags_filter(world: World) -> Result<()> {
    let tagged = |key, tags: &[&str]| -> Result<Flag> {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Ok(Flag { tags, ..world.flag(key)? })
    };
    let first = world.create(tagged("first", &["blue", "team-a"])?).await?;
    world.create(tagged("second", &["blue"])?).await?;
    world.create(tagged("third", &["Blue", "blue%"])?).await?;
    let with = async |tag: &str, search: Option<&str>| -> Result<Vec<String>> {
        let (tag, search) = (Some(tag.to_owned()), search.map(str::to_owned));
        let page = list(&world, FlagFilter { tag, search, limit: 10, ..FlagFilter::default() }).await?;
        ensure!(page.total == Some(page.items.len() as u64));
        Ok(keys(&page).into_iter().map(str::to_owned).collect())
    };
    ensure!(with("blue", None).await? == ["first", "second"]);
    ensure!(with("Blue", None).await? == ["third"], "a tag is exact");
    ensure!(with("blue%", None).await? == ["third"]);
    ensure!(with("blu", None).await?.is_empty());
    ensure!(with("a\0b", None).await?.is_empty());
    ensure!(with("blue", Some("SEC")).await? == ["second"], "both must hold");
    let retagged = Flag { tags: vec!["green".to_owned()], ..first };
    world.about(&retagged, vec![Write::UpdateFlag(retagged.clone())]).await?;
    ensure!(with("blue", None).await? == ["second"], "the old tag is gone");
    ensure!(with("green", None).await? == ["first"]);
    world.delete(&retagged).await?;
    ensure!(with("green", None).await?.is_empty());
    Ok(())
}

pub(super) async fn what_people_note_filters(world: World) -> Result<()> {
    let day = |text: &str| Day::parse(text).context("no day");
    let temporary = |expected_end| Lifetime::Temporary { expected_end };
    for flag in [
        Flag { owner: Some("Team-A".to_owned()), lifecycle: Lifecycle::Draft, ..world.flag("a")? },
        Flag { lifetime: temporary(Some(day("2026-11-20")?)), archived: true, ..world.flag("b")? },
        Flag { lifetime: temporary(Some(day("2026-11-21")?)), ..world.flag("c")? },
        Flag { lifetime: temporary(None), owner: Some("Ö %".to_owned()), ..world.flag("d")? },
    ] {
        world.create(flag).await?;
    }
    let all = || FlagFilter { limit: 10, ..FlagFilter::default() };
    let cases: [(FlagFilter, &[&str]); 9] = [
        (all(), &["a", "b", "c", "d"]),
        (FlagFilter { owner: Some("Team-A".to_owned()), ..all() }, &["a"]),
        (FlagFilter { owner: Some("team-a".to_owned()), ..all() }, &[]),
        (FlagFilter { owner: Some("Ö %".to_owned()), ..all() }, &["d"]),
        (FlagFilter { owner: Some("a\0b".to_owned()), ..all() }, &[]),
        (FlagFilter { lifecycle: Some(Lifecycle::Active), archived: Some(false), ..all() }, &["c", "d"]),
        (FlagFilter { archived: Some(true), ..all() }, &["b"]),
        (FlagFilter { temporary: Some(false), ..all() }, &["a"]),
        (FlagFilter { ended_before: Some(day("2026-11-21")?), ..all() }, &["b"]),
    ];
    for (filter, expected) in cases {
        let page = list(&world, filter.clone()).await?;
        ensure!(keys(&page) == expected, "{filter:?} finds {:?}", keys(&page));
        ensure!(page.total == Some(expected.len() as u64), "{filter:?} counts {:?}", page.total);
    }
    Ok(())
}

pub(super) async fn flags_are_found_by_their_names(world: World) -> Result<()> {
    let mut made = Vec::new();
    for name in ["b", "a", "c"] {
        made.push(world.create(world.flag(name)?).await?);
    }
    let wanted = [key("c")?, key("none")?, key("b")?];
    let found = world.store.flags_named(world.project_id, &wanted).await?;
    for (everywhere, flag) in found.iter().zip([&made[0], &made[2]]) {
        let one = world.store.flag(world.project_id, &flag.key).await?;
        ensure!(Some(everywhere) == one.as_ref(), "{everywhere:?}");
    }
    ensure!(found.len() == 2);
    ensure!(world.store.flags_named(world.project_id, &[]).await?.is_empty());
    ensure!(
        world.store.flags_named(world.id(), &wanted).await?.is_empty(),
        "they are not in another project"
    );
    let many = (0..1_000).map(|number| key(&format!("none-{number}"))).collect::<Result<Vec<_>>>()?;
    ensure!(world.store.flags_named(world.project_id, &many).await?.is_empty());
    Ok(())
}

pub(super) async fn a_flag_comes_with_its_configs(world: World) -> Result<()> {
    let flag = world.create(world.flag("whole")?).await?;
    let version = world.toggle(&flag, 2, true).await?;
    let found = world.store.flag(world.project_id, &flag.key).await?.context("it is not there")?;
    ensure!(found.flag == flag);
    let places: Vec<_> = found.configs.iter().map(|config| config.environment_id).collect();
    let expected: Vec<_> = world.environments.iter().map(|environment| environment.id).collect();
    ensure!(places == expected, "one config for each environment, by position");
    let versions: Vec<_> = found.configs.iter().map(|config| (config.version, config.enabled)).collect();
    ensure!(versions == [(flag.version, false), (flag.version, false), (version, true)], "{versions:?}");
    ensure!(world.store.flag(world.id(), &flag.key).await?.is_none(), "it is not in another project");
    Ok(())
}
