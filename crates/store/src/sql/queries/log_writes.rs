//! What changes write to the log itself, and to what is told of projects.

use domain::comment::CommentRule;
use domain::id::Id;
use domain::key::Key;
use domain::log::{Hash, WhichTexts};
use domain::ports::ProjectRules;
use engine::model::Revision;
use sqlx::Pool;

use super::commit::Fault;
use super::rows::{signed, text, word};
use super::writes::Writes;
use super::{Db, Row};

impl Writes<'_> {
    pub(super) async fn set_comment_rule(
        &mut self,
        project_id: Id,
        before: CommentRule,
        after: CommentRule,
    ) -> Result<(), Fault> {
        let query =
            sqlx::query("UPDATE projects SET comment_required = $3 WHERE id = $1 AND comment_required = $2");
        self.change(query.bind(project_id.to_string()).bind(before.name()).bind(after.name())).await
    }

    pub(super) async fn redact_entry(&mut self, revision: Revision, texts: WhichTexts) -> Result<(), Fault> {
        let query = sqlx::query(
            "UPDATE changes SET before = CASE WHEN $3 THEN NULL ELSE before END,
                                after = CASE WHEN $4 THEN NULL ELSE after END,
                                comment = CASE WHEN $5 THEN NULL ELSE comment END
             WHERE project_id = $1 AND revision = $2",
        )
        .bind(self.project_id.clone())
        .bind(signed(revision))
        .bind(texts.before)
        .bind(texts.after)
        .bind(texts.comment);
        self.change(query).await
    }

    pub(super) async fn expire_entries(&mut self, through: Revision, hash: &Hash) -> Result<(), Fault> {
        let (id, through) = (self.project_id.clone(), signed(through));
        let query = sqlx::query(
            "INSERT INTO checkpoints (project_id, revision, hash)
             SELECT project_id, revision, hash FROM changes
             WHERE project_id = $1 AND revision = $2 AND hash = $3
             ON CONFLICT (project_id) DO UPDATE SET revision = excluded.revision, hash = excluded.hash",
        );
        self.change(query.bind(id.clone()).bind(through).bind(hash.to_vec())).await?;
        for statement in [
            "DELETE FROM changes WHERE project_id = $1 AND revision <= $2",
            "DELETE FROM change_entities WHERE project_id = $1 AND revision <= $2",
        ] {
            sqlx::query(statement).bind(id.clone()).bind(through).execute(&mut *self.connection).await?;
        }
        Ok(())
    }
}

pub(super) async fn project_rules(pool: &Pool<Db>, project_id: Id) -> sqlx::Result<Option<ProjectRules>> {
    sqlx::query("SELECT key, comment_required FROM projects WHERE id = $1")
        .bind(project_id.to_string())
        .try_map(|row: Row| {
            let key = text(&row, "key")?;
            let key =
                Key::parse(&key).ok_or_else(|| sqlx::Error::Decode("the project's key is none".into()))?;
            Ok(ProjectRules { key, comment_required: word(&row, "comment_required", CommentRule::parse)? })
        })
        .fetch_optional(pool)
        .await
}
