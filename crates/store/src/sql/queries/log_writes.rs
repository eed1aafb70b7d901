//! What changes write to the log itself.

use domain::log::{Hash, WhichTexts};
use engine::model::Revision;

use super::commit::Fault;
use super::rows::signed;
use super::writes::Writes;

impl Writes<'_> {
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
