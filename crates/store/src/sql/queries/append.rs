//! The change's entry in the log, linked to the one before.

use domain::id::Id;
use domain::log::{Change, Entity, Hash, Link, link};
use engine::model::Revision;

use super::Connection;
use super::rows::{signed, to_document};

/// Appends the change to its chain and makes it the chain's head. The environments that it affected are marked before.
pub(super) async fn append(
    connection: &mut Connection,
    change: &Change,
    revision: Revision,
    previous: &Hash,
) -> sqlx::Result<()> {
    let links = Link::of(change, revision);
    let hash = link(previous, &links);
    insert(connection, change, &links, &hash).await?;
    for entity in &change.entities {
        index(connection, change.chain.id(), revision, entity).await?;
    }
    index_environments(connection, change.chain.id(), revision).await?;
    sqlx::query("UPDATE chains SET hash = $2 WHERE project_id = $1")
        .bind(change.chain.id().to_string())
        .bind(hash.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert(
    connection: &mut Connection,
    change: &Change,
    link: &Link<'_>,
    hash: &Hash,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO changes (project_id, revision, at, actor, source, action, entities,
                              before, after, comment, before_hash, after_hash, comment_hash, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(change.chain.id().to_string())
    .bind(signed(link.revision))
    .bind(change.at.as_millis())
    .bind(change.actor.to_string())
    .bind(change.source.as_str())
    .bind(change.action)
    .bind(to_document(&change.entities)?)
    .bind(change.before.as_deref())
    .bind(change.after.as_deref())
    .bind(change.comment.as_deref())
    .bind(link.texts.before.as_slice())
    .bind(link.texts.after.as_slice())
    .bind(link.texts.comment.as_slice())
    .bind(hash.as_slice())
    .execute(connection)
    .await?;
    Ok(())
}

/// A change is about the environments whose readers it affected, too, whether or not it names them.
async fn index_environments(
    connection: &mut Connection,
    project_id: Id,
    revision: Revision,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO change_entities (project_id, entity_id, revision, kind, key)
         SELECT project_id, id, $2, 'environment', key FROM environments
         WHERE project_id = $1 AND snapshot_revision = $2
         ON CONFLICT DO NOTHING",
    )
    .bind(project_id.to_string())
    .bind(signed(revision))
    .execute(connection)
    .await?;
    Ok(())
}

async fn index(
    connection: &mut Connection,
    project_id: Id,
    revision: Revision,
    entity: &Entity,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO change_entities (project_id, entity_id, revision, kind, key)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(project_id.to_string())
    .bind(entity.id.to_string())
    .bind(signed(revision))
    .bind(entity.kind.as_str())
    .bind(entity.key.as_str())
    .execute(connection)
    .await?;
    Ok(())
}
