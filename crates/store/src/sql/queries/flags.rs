//! Flags and their configs.

use std::borrow::Cow;
use std::collections::HashMap;

use domain::environment::Environment;
use domain::flag::{Config, Flag, FlagEverywhere, FlagHere, Lifecycle, Lifetime};
use domain::id::Id;
use domain::key::Key;
use domain::ports::{FlagFilter, Page};
use domain::time::Day;
use engine::model::{Kind, Prerequisite, Read, Rule, Serve, Target, Variant};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row as _};

use super::paging::{Listing, empty};
use super::rows::{document, id, key, read_all, revision, text, time, word};
use super::{Db, POSITION, Row, SqlStore};

/// The columns that [`read_flag`] reads, of `flags f`.
macro_rules! flag_columns {
    () => {
        "f.project_id, f.id, f.key, f.name, f.description, f.client_visible, f.lifecycle, f.archived, \
         f.owner, f.temporary, f.expected_end, f.document, f.version, f.created_at, f.updated_at"
    };
}
/// The columns that [`read_config`] reads, of `flag_configs c`.
macro_rules! config_columns {
    () => {
        "c.flag_id, c.environment_id, c.enabled, c.document AS config_document, \
         c.version AS config_version, c.updated_at AS config_updated_at"
    };
}
pub(super) use {config_columns, flag_columns};

/// What of a flag no query looks at.
#[derive(Serialize, Deserialize)]
pub(super) struct FlagDocument<'a> {
    kind: Kind,
    variants: Cow<'a, [Variant]>,
    tags: Cow<'a, [String]>,
}

/// What of a config no query looks at.
#[derive(Serialize, Deserialize)]
pub(super) struct ConfigDocument<'a> {
    off_variant: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "requires_nothing")]
    prerequisites: Cow<'a, Read<Vec<Prerequisite>>>,
    targets: Cow<'a, Read<Vec<Target>>>,
    rules: Cow<'a, [Read<Rule>]>,
    default: Cow<'a, Read<Serve>>,
}

fn requires_nothing(prerequisites: &Read<Vec<Prerequisite>>) -> bool {
    prerequisites.known().is_some_and(Vec::is_empty)
}

impl<'a> FlagDocument<'a> {
    pub(super) fn of(flag: &'a Flag) -> Self {
        let (variants, tags) = (Cow::Borrowed(&*flag.variants), Cow::Borrowed(&*flag.tags));
        Self { kind: flag.kind, variants, tags }
    }
}

impl<'a> ConfigDocument<'a> {
    pub(super) fn of(config: &'a Config) -> Self {
        Self {
            off_variant: config.off_variant.as_deref().map(Cow::Borrowed),
            prerequisites: Cow::Borrowed(&config.prerequisites),
            targets: Cow::Borrowed(&config.targets),
            rules: Cow::Borrowed(&config.rules),
            default: Cow::Borrowed(&config.default),
        }
    }
}

pub(super) fn read_flag(row: &Row) -> sqlx::Result<Flag> {
    let FlagDocument { kind, variants, tags } = document(row, "document")?;
    Ok(Flag {
        id: id(row, "id")?,
        project_id: id(row, "project_id")?,
        key: key(row, "key")?,
        kind,
        name: text(row, "name")?,
        description: text(row, "description")?,
        variants: variants.into_owned(),
        tags: tags.into_owned(),
        client_visible: row.try_get("client_visible")?,
        lifecycle: word(row, "lifecycle", Lifecycle::parse)?,
        archived: row.try_get("archived")?,
        owner: row.try_get("owner")?,
        lifetime: read_lifetime(row)?,
        version: revision(row, "version")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

fn read_lifetime(row: &Row) -> sqlx::Result<Lifetime> {
    if !row.try_get::<bool, _>("temporary")? {
        return Ok(Lifetime::Permanent);
    }
    let has_end = row.try_get::<Option<String>, _>("expected_end")?.is_some();
    let expected_end = if has_end { Some(word(row, "expected_end", Day::parse)?) } else { None };
    Ok(Lifetime::Temporary { expected_end })
}

pub(super) fn read_config(row: &Row) -> sqlx::Result<Config> {
    let ConfigDocument { off_variant, prerequisites, targets, rules, default } =
        document(row, "config_document")?;
    Ok(Config {
        flag_id: id(row, "flag_id")?,
        environment_id: id(row, "environment_id")?,
        enabled: row.try_get("enabled")?,
        off_variant: off_variant.map(Cow::into_owned),
        prerequisites: prerequisites.into_owned(),
        targets: targets.into_owned(),
        rules: rules.into_owned(),
        default: default.into_owned(),
        version: revision(row, "config_version")?,
        updated_at: time(row, "config_updated_at")?,
    })
}

pub(super) fn read_here(row: &Row) -> sqlx::Result<FlagHere> {
    Ok(FlagHere { flag: read_flag(row)?, config: read_config(row)? })
}

pub(super) async fn flag(
    store: &SqlStore,
    project_id: Id,
    key: &Key,
) -> sqlx::Result<Option<FlagEverywhere>> {
    let mut transaction = store.reading().await?;
    let flag = sqlx::query(concat!(
        "SELECT ",
        flag_columns!(),
        " FROM flags f WHERE f.project_id = $1 AND f.key = $2"
    ))
    .bind(project_id.to_string())
    .bind(key.as_str())
    .try_map(|row: Row| read_flag(&row))
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(flag) = flag else { return Ok(None) };
    let configs = sqlx::query(concat!(
        "SELECT ",
        config_columns!(),
        " FROM flag_configs c
         JOIN environments e ON e.project_id = c.project_id AND e.id = c.environment_id
         WHERE c.project_id = $1 AND c.flag_id = $2 ORDER BY e.position, e.key"
    ))
    .bind(project_id.to_string())
    .bind(flag.id.to_string())
    .try_map(|row: Row| read_config(&row))
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Some(FlagEverywhere { flag, configs }))
}

/// Two queries, however many flags.
pub(super) async fn named(
    store: &SqlStore,
    project_id: Id,
    keys: &[Key],
) -> sqlx::Result<Vec<FlagEverywhere>> {
    let mut transaction = store.reading().await?;
    let push_keys = |query: &mut QueryBuilder<Db>| {
        query.push(" AND f.key IN (");
        let mut listed = query.separated(", ");
        for key in keys {
            listed.push_bind(key.to_string());
        }
        query.push(")");
    };
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut flags =
        QueryBuilder::<Db>::new(concat!("SELECT ", flag_columns!(), " FROM flags f WHERE f.project_id = "));
    flags.push_bind(project_id.to_string());
    push_keys(&mut flags);
    flags.push(" ORDER BY f.key");
    let flags = flags.build().fetch_all(&mut *transaction).await?;
    let mut configs = QueryBuilder::<Db>::new(concat!(
        "SELECT ",
        config_columns!(),
        " FROM flag_configs c
         JOIN flags f ON f.project_id = c.project_id AND f.id = c.flag_id
         JOIN environments e ON e.project_id = c.project_id AND e.id = c.environment_id
         WHERE c.project_id = "
    ));
    configs.push_bind(project_id.to_string());
    push_keys(&mut configs);
    configs.push(" ORDER BY e.position, e.key");
    let configs = configs.build().fetch_all(&mut *transaction).await?;
    transaction.commit().await?;
    let mut of_flag: HashMap<Id, Vec<Config>> = HashMap::new();
    for config in read_all(configs, read_config).await? {
        of_flag.entry(config.flag_id).or_default().push(config);
    }
    let flags = read_all(flags, read_flag).await?.into_iter();
    Ok(flags
        .map(|flag| FlagEverywhere { configs: of_flag.remove(&flag.id).unwrap_or_default(), flag })
        .collect())
}

pub(super) async fn page(
    store: &SqlStore,
    environment: &Environment,
    filter: &FlagFilter,
) -> sqlx::Result<Page<FlagHere>> {
    let given = [&filter.search, &filter.tag, &filter.owner];
    if given.into_iter().flatten().any(|text| !crate::fit::storable(text)) {
        return Ok(empty());
    }
    let listing = Listing {
        columns: concat!(flag_columns!(), ", ", config_columns!()),
        from: &|query| push_conditions(query, environment, filter),
        by: "f.key",
        after: filter.after.as_ref().map(ToString::to_string),
        limit: filter.limit,
        read: read_here,
    };
    listing.page(store).await
}

/// Which flags, however many of them are shown.
fn push_conditions(query: &mut QueryBuilder<Db>, environment: &Environment, filter: &FlagFilter) {
    query
        .push(
            " FROM flags f
             JOIN flag_configs c ON c.project_id = f.project_id AND c.flag_id = f.id
             WHERE f.project_id = ",
        )
        .push_bind(environment.project_id.to_string())
        .push(" AND c.environment_id = ")
        .push_bind(environment.id.to_string());
    if let Some(tag) = &filter.tag {
        query
            .push(" AND EXISTS (SELECT 1 FROM flag_tags t WHERE t.project_id = f.project_id AND t.flag_id = f.id AND t.tag = ")
            .push_bind(tag.clone())
            .push(")");
    }
    if let Some(owner) = &filter.owner {
        query.push(" AND f.owner = ").push_bind(owner.clone());
    }
    if let Some(lifecycle) = filter.lifecycle {
        query.push(" AND f.lifecycle = ").push_bind(lifecycle.name());
    }
    if let Some(archived) = filter.archived {
        query.push(" AND f.archived = ").push_bind(archived);
    }
    if let Some(temporary) = filter.temporary {
        query.push(" AND f.temporary = ").push_bind(temporary);
    }
    if let Some(day) = filter.ended_before {
        query.push(" AND f.temporary AND f.expected_end < ").push_bind(day.to_string());
    }
    if let Some(search) = filter.search.as_ref().filter(|search| !search.is_empty()) {
        // Not LIKE: it gives `%` and `_` a meaning, and on SQLite a bound to the pattern's length.
        let part = search.to_ascii_lowercase();
        for (index, column) in ["f.key", "f.name", "f.description"].into_iter().enumerate() {
            query.push(if index == 0 { " AND (" } else { " OR " });
            query.push(format_args!("{POSITION}(lower({column}), ")).push_bind(part.clone()).push(") > 0");
        }
        query.push(")");
    }
}
