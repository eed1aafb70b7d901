//! What the domain asks of a store: each call is handed to the file that knows the rows, and takes no longer than
//! [`LONGEST`].

use async_trait::async_trait;
use domain::account::{AccessToken, Account, AccountKind, Identity, ResetLink, SigningKey, StoredSession};
use domain::context_field::ContextField;
use domain::environment::Environment;
use domain::flag::{FlagEverywhere, FlagHere};
use domain::grant::{Grant, GrantFilter, Granted, Holder};
use domain::id::Id;
use domain::idempotency::Attempt;
use domain::key::Key;
use domain::log::{Chain, Change, Hash, LogEntry};
use domain::ports::{
    AccountFilter, AnswerRoom, CommitError, FlagFilter, Head, KeyedFilter, LogFilter, Noted, Page,
    ProjectContent, SdkKeyFilter, SdkKeyUse, SecurityFilter, SecurityHead, Store, StoreResult,
};
use domain::project::Project;
use domain::role::CustomRole;
use domain::sdk_key::SdkKey;
use domain::security::{SecurityEntry, SecurityNote};
use domain::segment::{KeySet, SegmentEverywhere, SegmentSummary};
use domain::team::{Member, OwnedFlag, OwnedFlags, Team};
use domain::time::Timestamp;
use engine::model::{Delta, Revision, Snapshot};

use super::{
    LONGEST, SqlStore, accounts, bounded, commit, context_fields, environments, flags, idempotency,
    key_lists, log, owners, people, projects, sdk_keys, security, segments, sessions, snapshot, too_long,
};

#[async_trait]
impl Store for SqlStore {
    async fn commit(&self, change: Change) -> Result<Revision, CommitError> {
        crate::fit::check(&change)?;
        let committed = tokio::time::timeout(LONGEST, commit::commit(&self.writer, &change)).await;
        committed.map_err(|_| too_long())?.map_err(CommitError::from)
    }

    async fn commit_both(&self, first: Change, second: Change) -> Result<(Revision, Revision), CommitError> {
        crate::fit::check(&first)?;
        crate::fit::check(&second)?;
        let both = commit::commit_both(&self.writer, &first, &second);
        tokio::time::timeout(LONGEST, both).await.map_err(|_| too_long())?.map_err(CommitError::from)
    }

    async fn close(&self) {
        // The writer last: on SQLite the last connection moves the write-ahead log into the file.
        self.reader.close().await;
        self.writer.close().await;
    }

    async fn epoch(&self) -> StoreResult<Option<String>> {
        bounded(environments::epoch(&self.reader)).await
    }

    async fn renew_epoch(&self, epoch: &str) -> StoreResult<()> {
        bounded(environments::renew_epoch(&self.writer, epoch)).await
    }

    async fn heads(&self) -> StoreResult<Vec<Head>> {
        bounded(log::heads(&self.reader)).await
    }

    async fn chains_in_log(&self) -> StoreResult<Vec<Chain>> {
        bounded(log::chains(&self.reader)).await
    }

    async fn checkpoints(&self) -> StoreResult<Vec<Head>> {
        bounded(log::checkpoints(&self.reader)).await
    }

    async fn log(&self, chain: Chain, filter: &LogFilter) -> StoreResult<Page<LogEntry>> {
        bounded(log::page(self, chain, filter)).await
    }

    async fn log_after(&self, chain: Chain, after: Revision, limit: u32) -> StoreResult<Vec<LogEntry>> {
        bounded(log::after(&self.reader, chain, after, limit)).await
    }

    async fn logged_entity(&self, project_id: Id, kind: &str, key: &str) -> StoreResult<Option<Id>> {
        bounded(log::entity(&self.reader, project_id, kind, key)).await
    }

    async fn project(&self, key: &str) -> StoreResult<Option<Project>> {
        bounded(projects::project(&self.reader, key)).await
    }

    async fn projects(&self, filter: &KeyedFilter, of: Option<&[Id]>) -> StoreResult<Page<Project>> {
        bounded(projects::page(self, filter, of)).await
    }

    async fn projects_of_team(&self, team_id: Id) -> StoreResult<Vec<Project>> {
        bounded(projects::of_team(&self.reader, team_id)).await
    }

    async fn project_content(&self, project_id: Id) -> StoreResult<ProjectContent> {
        bounded(projects::content(&self.reader, project_id)).await
    }

    async fn team(&self, key: &Key) -> StoreResult<Option<Team>> {
        bounded(people::team_named(&self.reader, key)).await
    }

    async fn team_by_id(&self, id: Id) -> StoreResult<Option<Team>> {
        bounded(people::team_by_id(&self.reader, id)).await
    }

    async fn teams(&self, filter: &KeyedFilter) -> StoreResult<Page<Team>> {
        bounded(people::teams(self, filter)).await
    }

    async fn team_members(&self, team_id: Id) -> StoreResult<Vec<Member>> {
        bounded(people::members(&self.reader, team_id)).await
    }

    async fn teams_of(&self, account_id: Id) -> StoreResult<Vec<Team>> {
        bounded(people::teams_of(&self.reader, account_id)).await
    }

    async fn owned_flags(&self, owner: &str) -> StoreResult<Vec<OwnedFlags>> {
        bounded(owners::owned_flags(&self.reader, owner)).await
    }

    async fn flags_of_owner(&self, owner: &str, limit: u32) -> StoreResult<Page<OwnedFlag>> {
        bounded(owners::flags_of_owner(self, owner, limit)).await
    }

    async fn roles(&self) -> StoreResult<Vec<CustomRole>> {
        bounded(people::roles(&self.reader)).await
    }

    async fn grant(&self, id: Id) -> StoreResult<Option<Grant>> {
        bounded(people::grant_by_id(&self.reader, id)).await
    }

    async fn grants(&self, filter: &GrantFilter) -> StoreResult<Page<Grant>> {
        bounded(people::grants(self, filter)).await
    }

    async fn grants_of(&self, holder: Holder) -> StoreResult<Vec<Grant>> {
        bounded(people::grants_of(&self.reader, holder)).await
    }

    async fn grants_with_role(&self, role: &str) -> StoreResult<u64> {
        bounded(people::grants_with_role(&self.reader, role)).await
    }

    async fn granted(&self, holder: Holder) -> StoreResult<Vec<Granted>> {
        bounded(people::granted(&self.reader, holder)).await
    }

    async fn all_environments(&self) -> StoreResult<Vec<Environment>> {
        bounded(environments::all(&self.reader)).await
    }

    async fn append_security(
        &self,
        notes: &[SecurityNote],
        checkpoint: Option<(Revision, Hash)>,
    ) -> StoreResult<bool> {
        bounded(security::append(&self.writer, notes, checkpoint)).await
    }

    async fn security_log(&self, filter: &SecurityFilter) -> StoreResult<Page<SecurityEntry>> {
        bounded(security::page(self, filter)).await
    }

    async fn security_head(&self) -> StoreResult<SecurityHead> {
        bounded(security::head(&self.reader)).await
    }

    async fn project_by_id(&self, id: Id) -> StoreResult<Option<Project>> {
        bounded(projects::project_by_id(&self.reader, id)).await
    }

    async fn environments(&self, project_id: Id) -> StoreResult<Vec<Environment>> {
        bounded(environments::of_project(&self.reader, project_id)).await
    }

    async fn dependencies_version(&self, project_id: Id) -> StoreResult<Revision> {
        bounded(projects::dependencies_version(&self.reader, project_id)).await
    }

    async fn snapshot(&self, environment_id: Id) -> StoreResult<Option<Snapshot>> {
        bounded(snapshot::snapshot(self, environment_id)).await
    }

    async fn changes_since(&self, environment_id: Id, revision: Revision) -> StoreResult<Option<Delta>> {
        bounded(snapshot::changes_since(self, environment_id, revision)).await
    }

    async fn flag(&self, project_id: Id, key: &Key) -> StoreResult<Option<FlagEverywhere>> {
        bounded(flags::flag(self, project_id, key)).await
    }

    async fn flags_named(&self, project_id: Id, keys: &[Key]) -> StoreResult<Vec<FlagEverywhere>> {
        bounded(flags::named(self, project_id, keys)).await
    }

    async fn flags(&self, environment: &Environment, filter: &FlagFilter) -> StoreResult<Page<FlagHere>> {
        bounded(flags::page(self, environment, filter)).await
    }

    async fn segment(&self, project_id: Id, key: &Key) -> StoreResult<Option<SegmentEverywhere>> {
        bounded(segments::segment(self, project_id, key)).await
    }

    async fn segments(
        &self,
        environment: &Environment,
        filter: &KeyedFilter,
    ) -> StoreResult<Page<SegmentSummary>> {
        bounded(segments::page(self, environment, filter)).await
    }

    async fn put_key_list(&self, project_id: Id, keys: &KeySet, at: Timestamp) -> StoreResult<()> {
        key_lists::put(self, project_id, keys, at).await
    }

    async fn has_key_list(&self, project_id: Id, sha256: &str) -> StoreResult<bool> {
        bounded(key_lists::is_whole(&self.reader, project_id, sha256)).await
    }

    async fn key_list_chunk(
        &self,
        project_id: Id,
        sha256: &str,
        position: u32,
    ) -> StoreResult<Option<Vec<u8>>> {
        bounded(key_lists::piece(&self.reader, project_id, sha256, position)).await
    }

    async fn sweep_key_lists(&self, project_id: Id, before: Timestamp) -> StoreResult<u64> {
        key_lists::sweep(self, project_id, before).await
    }

    async fn context_field(&self, project_id: Id, key: &Key) -> StoreResult<Option<ContextField>> {
        bounded(context_fields::field(&self.reader, project_id, key)).await
    }

    async fn context_fields(&self, project_id: Id, filter: &KeyedFilter) -> StoreResult<Page<ContextField>> {
        bounded(context_fields::page(self, project_id, filter)).await
    }

    async fn sdk_key(&self, project_id: Id, id: Id) -> StoreResult<Option<SdkKey>> {
        bounded(sdk_keys::one(&self.reader, project_id, id)).await
    }

    async fn sdk_keys(&self, project_id: Id, filter: &SdkKeyFilter) -> StoreResult<Page<SdkKey>> {
        bounded(sdk_keys::page(self, project_id, filter)).await
    }

    async fn sdk_keys_in_force(&self, now: Timestamp, of: Option<&[Id]>) -> StoreResult<Vec<SdkKey>> {
        bounded(sdk_keys::in_force(&self.reader, now, of)).await
    }

    async fn note_sdk_keys_used(&self, uses: &[SdkKeyUse]) -> StoreResult<()> {
        bounded(sdk_keys::note_used(&self.writer, uses)).await
    }

    async fn account(&self, id: Id) -> StoreResult<Option<Account>> {
        bounded(accounts::by_id(&self.reader, id)).await
    }

    async fn account_by_email(&self, email: &str) -> StoreResult<Option<Account>> {
        bounded(accounts::by_email(&self.reader, email)).await
    }

    async fn account_by_identity(&self, issuer: &str, subject: &str) -> StoreResult<Option<Account>> {
        bounded(accounts::by_identity(&self.reader, issuer, subject)).await
    }

    async fn identities(&self, account_id: Id) -> StoreResult<Vec<Identity>> {
        bounded(accounts::identities(&self.reader, account_id)).await
    }

    async fn accounts(&self, kind: AccountKind, filter: &AccountFilter) -> StoreResult<Page<Account>> {
        bounded(accounts::page(self, kind, filter)).await
    }

    async fn admins(&self, most: u32) -> StoreResult<Vec<Account>> {
        bounded(accounts::admins(&self.reader, most)).await
    }

    async fn account_names(&self, ids: &[Id]) -> StoreResult<Vec<(Id, String)>> {
        bounded(accounts::names(&self.reader, ids)).await
    }

    async fn access_token(&self, hash: &str) -> StoreResult<Option<(AccessToken, Account)>> {
        bounded(accounts::access_token(&self.reader, hash)).await
    }

    async fn access_tokens(&self, account_id: Id) -> StoreResult<Vec<AccessToken>> {
        bounded(accounts::access_tokens(&self.reader, account_id)).await
    }

    async fn note_tokens_used(&self, uses: &[(Id, Timestamp)]) -> StoreResult<()> {
        bounded(sessions::note_tokens_used(&self.writer, uses)).await
    }

    async fn open_session(&self, session: &StoredSession, version: Revision, most: u32) -> StoreResult<bool> {
        bounded(sessions::open(&self.writer, session, version, most)).await
    }

    async fn session(
        &self,
        key_id: Id,
        session_id: Id,
    ) -> StoreResult<Option<(SigningKey, StoredSession, Account)>> {
        bounded(sessions::proof(&self.reader, key_id, session_id)).await
    }

    async fn session_of_family(&self, family: &str) -> StoreResult<Option<(StoredSession, Account)>> {
        bounded(sessions::of_family(&self.reader, family)).await
    }

    async fn rotate_session(&self, id: Id, present: &str, next: &str) -> StoreResult<bool> {
        bounded(sessions::rotate(&self.writer, id, present, next)).await
    }

    async fn end_session(&self, id: Id) -> StoreResult<bool> {
        bounded(sessions::end(&self.writer, id)).await
    }

    async fn end_sessions(&self, account_id: Id) -> StoreResult<()> {
        bounded(sessions::end_all(&self.writer, account_id)).await
    }

    async fn reset_link(&self, hash: &str) -> StoreResult<Option<(ResetLink, Account)>> {
        bounded(sessions::reset_link(&self.reader, hash)).await
    }

    async fn setup_token(&self) -> StoreResult<Option<(String, Timestamp)>> {
        bounded(sessions::setup_token(&self.reader)).await
    }

    async fn put_setup_token(&self, hash: &str, expires_at: Timestamp) -> StoreResult<()> {
        bounded(sessions::put_setup_token(&self.writer, hash, expires_at)).await
    }

    async fn signing_keys(&self) -> StoreResult<Vec<SigningKey>> {
        bounded(accounts::signing_keys(&self.reader)).await
    }

    async fn note_attempt(&self, attempt: &Attempt, forgotten: Timestamp, most: u32) -> StoreResult<Noted> {
        bounded(idempotency::note(&self.writer, attempt, forgotten, most)).await
    }

    async fn end_attempt(&self, id: Id, answer: Option<&[u8]>, room: AnswerRoom) -> StoreResult<()> {
        bounded(idempotency::end(&self.writer, id, answer, room)).await
    }

    async fn sweep_attempts(&self, before: Timestamp) -> StoreResult<u64> {
        idempotency::sweep(&self.writer, before).await
    }
}
