//! What the use cases stand on. Few, cut by use case; one call is one transaction, and the transaction never
//! crosses the port. Each has one contract suite in `testkit` that every adapter passes.

use std::net::IpAddr;

use async_trait::async_trait;
use engine::model::{Delta, Revision, Snapshot};
use tokio::sync::watch;

use crate::account::{AccessToken, Account, AccountKind, Identity, ResetLink, SigningKey, StoredSession};
use crate::context_field::ContextField;
use crate::environment::Environment;
use crate::error::{Cause, Error};
use crate::flag::{FlagEverywhere, FlagHere, Lifecycle};
use crate::grant::{Grant, GrantFilter, Granted, Holder};
use crate::id::Id;
use crate::idempotency::Attempt;
use crate::key::Key;
use crate::log::{Chain, Change, Hash, LogEntry};
use crate::project::Project;
use crate::role::CustomRole;
use crate::sdk_key::{KeyState, SdkKey, SdkKeyKind};
use crate::security::{SecurityEntry, SecurityNote};
use crate::segment::{KeySet, SegmentEverywhere, SegmentSummary};
use crate::team::{Member, OwnedFlag, OwnedFlags, Team};
use crate::time::{Day, Timestamp};

/// Why a store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is busy beyond its time-out or full; later it may answer.
    #[error("the store does not answer")]
    Unavailable(#[source] Cause),
    /// It answered what cannot be: a row that does not read, a constraint that nobody should break.
    #[error("the store is not as it should be")]
    Corrupt(#[source] Cause),
}

/// Why a change was not committed. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Something that the change was decided upon has changed or gone.
    #[error("decided upon something that has changed since")]
    Stale,
    /// A key, e-mail or hash that must be new is taken.
    #[error("{what} is taken")]
    Taken {
        /// Which, as a noun: `flag`, `environment`, `project`, `sdk_key`, `segment`,
        /// `context_field`, `account`, `access_token`, `signing_key`, `identity`.
        what: &'static str,
    },
    /// It must say why and does not ([`crate::comment`]). Stores never say so.
    #[error("{why}")]
    Unexplained {
        /// Whose rule it is.
        why: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::Unavailable(cause),
            StoreError::Corrupt(cause) => Self::Internal(cause),
        }
    }
}

/// What a store returns.
pub type StoreResult<T> = Result<T, StoreError>;

/// Some of a longer list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// How many there are in the whole list; `None` if they are too many to be counted.
    pub total: Option<u64>,
    /// Whether there are more after these.
    pub more: bool,
}

/// Which flags to list.
#[derive(Debug, Clone, Default)]
pub struct FlagFilter {
    /// Text that is somewhere in the key, name or description; ASCII letters match in either case.
    pub search: Option<String>,
    /// A tag it must carry.
    pub tag: Option<String>,
    /// Who must look after it.
    pub owner: Option<String>,
    /// Where it must be in its life, archived or not.
    pub lifecycle: Option<Lifecycle>,
    /// Whether it must be archived.
    pub archived: Option<bool>,
    /// Whether it must be meant to go some day.
    pub temporary: Option<bool>,
    /// The day before which it must have been expected to be gone.
    pub ended_before: Option<Day>,
    /// Only keys greater than this one, by bytes.
    pub after: Option<Key>,
    /// How many at most.
    pub limit: u32,
}

/// Which of the things that have a key to list.
#[derive(Debug, Clone, Default)]
pub struct KeyedFilter {
    /// Text that is somewhere in the key, name or description; ASCII letters match in either case.
    pub search: Option<String>,
    /// What the key begins with.
    pub prefix: Option<String>,
    /// Only keys greater than this one, by bytes.
    pub after: Option<Key>,
    /// How many at most.
    pub limit: u32,
}

/// Which SDK keys to list, newest first.
#[derive(Debug, Clone)]
pub struct SdkKeyFilter {
    /// The environment that it must open, by name or with all others.
    pub environment: Option<Id>,
    /// What it must be.
    pub kind: Option<SdkKeyKind>,
    /// Where it must be in its life.
    pub state: Option<KeyState>,
    /// When that is.
    pub now: Timestamp,
    /// Only keys after this one, by when they were made and id.
    pub after: Option<(Timestamp, Id)>,
    /// How many at most.
    pub limit: u32,
}

/// Which accounts to list, by e-mail.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Text that is somewhere in the e-mail or name; ASCII letters match in either case.
    pub search: Option<String>,
    /// Only e-mails greater than this one, by bytes.
    pub after: Option<String>,
    /// How many at most.
    pub limit: u32,
}

impl SdkKeyFilter {
    /// All keys.
    pub fn all(now: Timestamp) -> Self {
        Self { environment: None, kind: None, state: None, now, after: None, limit: u32::MAX }
    }
}

/// That a key opened something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdkKeyUse {
    /// Its project.
    pub project_id: Id,
    /// The key.
    pub id: Id,
    /// The minute in which it last did.
    pub at: Timestamp,
}

/// Which entries of a chain to list.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Only those about all of these entities: of an environment, all that affected what its readers see as well.
    /// The one with the fewest entries should come first.
    pub entities: Vec<Id>,
    /// Only those of this actor.
    pub actor: Option<Id>,
    /// Only those with this action.
    pub action: Option<String>,
    /// Only those from this time on.
    pub since: Option<Timestamp>,
    /// Only those before this time.
    pub until: Option<Timestamp>,
    /// Only revisions below this one.
    pub before: Option<Revision>,
    /// Only revisions above this one.
    pub after: Option<Revision>,
    /// Whether the oldest come first.
    pub oldest_first: bool,
    /// How many at most.
    pub limit: u32,
    /// Up to how many entries are counted, if not all are wanted. A whole chain is as long as its head and its
    /// checkpoint say.
    pub most_counted: u64,
}

/// How much there is in a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProjectContent {
    /// Flags, archived ones included.
    pub flags: u64,
    /// Segments.
    pub segments: u64,
    /// SDK keys that are not revoked.
    pub sdk_keys: u64,
}

impl LogFilter {
    /// Whether all entries of the chain are wanted, one page or another.
    pub fn is_of_all(&self) -> bool {
        let Self { entities, actor, action, since, until, .. } = self;
        entities.is_empty() && actor.is_none() && action.is_none() && since.is_none() && until.is_none()
    }
}

/// Which entries of the security log to list.
#[derive(Debug, Clone, Default)]
pub struct SecurityFilter {
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those of this actor.
    pub actor: Option<Id>,
    /// Only those from this address.
    pub address: Option<IpAddr>,
    /// Only those that began from this time on.
    pub since: Option<Timestamp>,
    /// Only those that began before this time.
    pub until: Option<Timestamp>,
    /// Only revisions below this one.
    pub before: Option<Revision>,
    /// Only revisions above this one.
    pub after: Option<Revision>,
    /// Whether the oldest come first.
    pub oldest_first: bool,
    /// How many at most.
    pub limit: u32,
}

/// Where the security log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecurityHead {
    /// How many entries were ever made.
    pub revision: Revision,
    /// The hash of the last; zeros when there is none.
    pub hash: Hash,
    /// Up to where they were removed.
    pub checkpoint: Revision,
    /// The hash of the last that was removed; zeros when none was.
    pub checkpoint_hash: Hash,
}

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: Chain,
    /// How many changes it has.
    pub revision: Revision,
    /// The hash of the last; zeros when there is none.
    pub hash: Hash,
}

/// What a store says of a request under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// It was noted.
    New,
    /// Its account used the key before; this is for what.
    Before(Attempt),
    /// Its account has as many as are allowed.
    TooMany,
}

/// How many bytes kept answers may have together.
#[derive(Debug, Clone, Copy)]
pub struct AnswerRoom {
    /// Those of one account.
    pub of_one: u64,
    /// Those of all.
    pub of_all: u64,
}

/// Where everything is kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// Commits a change in one transaction: checks what it read, writes its rows, takes the chain's next
    /// revision, appends it to the log, and marks each environment it affects. Revisions commit in order and
    /// without gaps; when this returns, the change survives a crash.
    async fn commit(&self, change: Change) -> Result<Revision, CommitError>;
    /// The same for two changes, both or neither; the second may stand on what the first makes.
    async fn commit_both(&self, first: Change, second: Change) -> Result<(Revision, Revision), CommitError>;

    /// Finishes what is under way and lets go of the database; nothing may be asked after that.
    async fn close(&self);

    /// The random name of this database's history; `None` before the first start.
    async fn epoch(&self) -> StoreResult<Option<String>>;
    /// Names the history anew, so that no reader takes its revisions for those it knew.
    async fn renew_epoch(&self, epoch: &str) -> StoreResult<()>;

    /// The ends of all chains, the instance's first.
    async fn heads(&self) -> StoreResult<Vec<Head>>;
    /// The chains that have entries or a project, whether or not they have a head.
    async fn chains_in_log(&self) -> StoreResult<Vec<Chain>>;
    /// Up to where the entries of chains were removed, and the hash of the last one that was. Nothing of a chain that
    /// is whole.
    async fn checkpoints(&self) -> StoreResult<Vec<Head>>;
    /// Entries of a chain, newest first unless the filter says otherwise.
    async fn log(&self, chain: Chain, filter: &LogFilter) -> StoreResult<Page<LogEntry>>;
    /// Entries of a chain after a revision, oldest first.
    async fn log_after(&self, chain: Chain, after: Revision, limit: u32) -> StoreResult<Vec<LogEntry>>;
    /// The id of an entity that the log of a project last knew by this kind and key, living or gone.
    async fn logged_entity(&self, project_id: Id, kind: &str, key: &str) -> StoreResult<Option<Id>>;

    /// Appends to the security log in one transaction, and with it removes its oldest entries, if a checkpoint is
    /// given: revision and hash of the last that goes. One that is not there, or not with this hash, is refused, and
    /// nothing is appended: someone else removed it. Gives whether it was done.
    async fn append_security(
        &self,
        notes: &[SecurityNote],
        checkpoint: Option<(Revision, Hash)>,
    ) -> StoreResult<bool>;
    /// Entries of the security log, newest first unless the filter says otherwise.
    async fn security_log(&self, filter: &SecurityFilter) -> StoreResult<Page<SecurityEntry>>;
    /// Where the security log begins and ends.
    async fn security_head(&self) -> StoreResult<SecurityHead>;

    /// The project with this id.
    async fn project_by_id(&self, id: Id) -> StoreResult<Option<Project>>;
    /// The project with this key.
    async fn project(&self, key: &str) -> StoreResult<Option<Project>>;
    /// Projects, by key; of these ids only, if some are given.
    async fn projects(&self, filter: &KeyedFilter, of: Option<&[Id]>) -> StoreResult<Page<Project>>;
    /// The projects that a team owns, by key.
    async fn projects_of_team(&self, team_id: Id) -> StoreResult<Vec<Project>>;
    /// How much there is in a project.
    async fn project_content(&self, project_id: Id) -> StoreResult<ProjectContent>;

    /// A team.
    async fn team(&self, key: &Key) -> StoreResult<Option<Team>>;
    /// The team with this id.
    async fn team_by_id(&self, id: Id) -> StoreResult<Option<Team>>;
    /// Teams, by key.
    async fn teams(&self, filter: &KeyedFilter) -> StoreResult<Page<Team>>;
    /// Who is in a team, by e-mail.
    async fn team_members(&self, team_id: Id) -> StoreResult<Vec<Member>>;
    /// The teams that an account is in, by key.
    async fn teams_of(&self, account_id: Id) -> StoreResult<Vec<Team>>;
    /// In which projects flags have this owner, by key, and how many in each.
    async fn owned_flags(&self, owner: &str) -> StoreResult<Vec<OwnedFlags>>;
    /// The flags that have this owner, by the keys of their project and their own.
    async fn flags_of_owner(&self, owner: &str, limit: u32) -> StoreResult<Page<OwnedFlag>>;

    /// All roles that somebody made, by key.
    async fn roles(&self) -> StoreResult<Vec<CustomRole>>;

    /// A grant.
    async fn grant(&self, id: Id) -> StoreResult<Option<Grant>>;
    /// Grants, by id: the oldest first.
    async fn grants(&self, filter: &GrantFilter) -> StoreResult<Page<Grant>>;
    /// What was granted to somebody itself, everywhere, the oldest first.
    async fn grants_of(&self, holder: Holder) -> StoreResult<Vec<Grant>>;
    /// How often a role is granted.
    async fn grants_with_role(&self, role: &str) -> StoreResult<u64>;
    /// What was granted to somebody; to an account by itself and through its teams.
    async fn granted(&self, holder: Holder) -> StoreResult<Vec<Granted>>;

    /// The environments of all projects.
    async fn all_environments(&self) -> StoreResult<Vec<Environment>>;
    /// The environments of a project, by position.
    async fn environments(&self, project_id: Id) -> StoreResult<Vec<Environment>>;
    /// The revision of the project's last change that touched what refers to what
    /// ([`crate::log::Write::TouchDependencies`]); 0 before the first, or if there is no such project.
    async fn dependencies_version(&self, project_id: Id) -> StoreResult<Revision>;

    /// All flags of an environment, as they travel; `None` if there is no such environment.
    async fn snapshot(&self, environment_id: Id) -> StoreResult<Option<Snapshot>>;
    /// What changed in an environment after a revision, merged to its present one; its revision is the given
    /// one if nothing did. `None` if there is no such environment.
    async fn changes_since(&self, environment_id: Id, revision: Revision) -> StoreResult<Option<Delta>>;

    /// A flag with its configs.
    async fn flag(&self, project_id: Id, key: &Key) -> StoreResult<Option<FlagEverywhere>>;
    /// Those flags of these keys that there are, with their configs, by key.
    async fn flags_named(&self, project_id: Id, keys: &[Key]) -> StoreResult<Vec<FlagEverywhere>>;
    /// Flags of an environment, by key.
    async fn flags(&self, environment: &Environment, filter: &FlagFilter) -> StoreResult<Page<FlagHere>>;

    /// A segment with its configs.
    async fn segment(&self, project_id: Id, key: &Key) -> StoreResult<Option<SegmentEverywhere>>;
    /// Segments of an environment, by key.
    async fn segments(
        &self,
        environment: &Environment,
        filter: &KeyedFilter,
    ) -> StoreResult<Page<SegmentSummary>>;

    /// Keeps a large key list under its name, before the change that names it. Not one transaction: nothing reads
    /// the list before it is whole, and one that was cut off is begun anew or swept. One that is there already and
    /// lacks something, or is damaged, is whole again afterwards. Once kept, it stays for at
    /// least as long as [`Store::sweep_key_lists`] is asked to spare from `at` on.
    async fn put_key_list(&self, project_id: Id, keys: &KeySet, at: Timestamp) -> StoreResult<()>;
    /// Whether a key list is there with all of its pieces. They are not read: bytes that were damaged in place are not
    /// seen.
    async fn has_key_list(&self, project_id: Id, sha256: &str) -> StoreResult<bool>;
    /// The piece of a key list with this place, from 0; `None` beyond the last, or if there is no such list.
    async fn key_list_chunk(
        &self,
        project_id: Id,
        sha256: &str,
        position: u32,
    ) -> StoreResult<Option<Vec<u8>>>;
    /// Removes the key lists that no config names and that were last put, or named, before a time. Gives how many.
    async fn sweep_key_lists(&self, project_id: Id, before: Timestamp) -> StoreResult<u64>;

    /// A context field.
    async fn context_field(&self, project_id: Id, key: &Key) -> StoreResult<Option<ContextField>>;
    /// Context fields of a project, by key.
    async fn context_fields(&self, project_id: Id, filter: &KeyedFilter) -> StoreResult<Page<ContextField>>;

    /// An SDK key of a project, whatever became of it.
    async fn sdk_key(&self, project_id: Id, id: Id) -> StoreResult<Option<SdkKey>>;
    /// SDK keys of a project, newest first.
    async fn sdk_keys(&self, project_id: Id, filter: &SdkKeyFilter) -> StoreResult<Page<SdkKey>>;
    /// All SDK keys that are neither revoked nor expired, newest first: of all projects, or of these, of which there is
    /// one at least.
    async fn sdk_keys_in_force(&self, now: Timestamp, of: Option<&[Id]>) -> StoreResult<Vec<SdkKey>>;
    /// Notes when keys were last used; a use before the last one that is known is none, and so is one of a key that
    /// has gone. No change: nothing of it is logged, and no version moves.
    async fn note_sdk_keys_used(&self, uses: &[SdkKeyUse]) -> StoreResult<()>;

    /// An account.
    async fn account(&self, id: Id) -> StoreResult<Option<Account>>;
    /// The account with this e-mail, given in lower case.
    async fn account_by_email(&self, email: &str) -> StoreResult<Option<Account>>;
    /// The account of who has this subject at this issuer.
    async fn account_by_identity(&self, issuer: &str, subject: &str) -> StoreResult<Option<Account>>;
    /// Who the owner of an account is at providers, the oldest first.
    async fn identities(&self, account_id: Id) -> StoreResult<Vec<Identity>>;
    /// Accounts of a kind, by e-mail.
    async fn accounts(&self, kind: AccountKind, filter: &AccountFilter) -> StoreResult<Page<Account>>;
    /// Some of the admins who can sign in ([`Account::is_admin_in_force`]), the oldest first.
    async fn admins(&self, most: u32) -> StoreResult<Vec<Account>>;
    /// The names (id, e-mail) of those of these accounts that exist.
    async fn account_names(&self, ids: &[Id]) -> StoreResult<Vec<(Id, String)>>;
    /// The access token with this hash, and its account.
    async fn access_token(&self, hash: &str) -> StoreResult<Option<(AccessToken, Account)>>;
    /// The access tokens of an account, newest first.
    async fn access_tokens(&self, account_id: Id) -> StoreResult<Vec<AccessToken>>;
    /// Notes when tokens were last used. One that is gone, or was used later, is left as it is.
    async fn note_tokens_used(&self, uses: &[(Id, Timestamp)]) -> StoreResult<()>;

    /// Opens a session, if the account still has this version. It ends what expired before it began, and the oldest
    /// of the account's when there would be more than `most`.
    async fn open_session(&self, session: &StoredSession, version: Revision, most: u32) -> StoreResult<bool>;
    /// A session, its account, and the key that is said to have signed its token: all that a request needs.
    async fn session(
        &self,
        key_id: Id,
        session_id: Id,
    ) -> StoreResult<Option<(SigningKey, StoredSession, Account)>>;
    /// The session whose refresh tokens begin with what has this hash, and its account.
    async fn session_of_family(&self, family: &str) -> StoreResult<Option<(StoredSession, Account)>>;
    /// Puts the hash of a session's next refresh token in the place of the present one, if it is that.
    async fn rotate_session(&self, id: Id, present: &str, next: &str) -> StoreResult<bool>;
    /// Ends a session. Whether it was there.
    async fn end_session(&self, id: Id) -> StoreResult<bool>;
    /// Ends all sessions of an account.
    async fn end_sessions(&self, account_id: Id) -> StoreResult<()>;
    /// The link whose token has this hash, and its account.
    async fn reset_link(&self, hash: &str) -> StoreResult<Option<(ResetLink, Account)>>;
    /// The hash of the setup token, and when it expires.
    async fn setup_token(&self) -> StoreResult<Option<(String, Timestamp)>>;
    /// Keeps the hash of a setup token in the place of any before. The instance must have an epoch.
    async fn put_setup_token(&self, hash: &str, expires_at: Timestamp) -> StoreResult<()>;

    /// The keys that sign or signed session tokens, oldest first, revoked ones included.
    async fn signing_keys(&self) -> StoreResult<Vec<SigningKey>>;

    /// Notes a request under a key, unless its account used the key since `forgotten`, or has `most` requests or more
    /// since then. Of several at once one is noted.
    async fn note_attempt(&self, attempt: &Attempt, forgotten: Timestamp, most: u32) -> StoreResult<Noted>;
    /// Keeps the answer of a request that was noted; without one, forgets the request. Where there is no room, the oldest
    /// answers of the same account are emptied, and if that does not help, this one.
    async fn end_attempt(&self, id: Id, answer: Option<&[u8]>, room: AnswerRoom) -> StoreResult<()>;
    /// Forgets the requests that began before a time. Gives how many.
    async fn sweep_attempts(&self, before: Timestamp) -> StoreResult<u64>;
}

/// The doorbell: says that something changed, never what. Lossy by design; who needs certainty polls as well.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Tells everyone that a chain has a new revision. Best effort.
    async fn ring(&self, chain: Chain, revision: Revision);
    /// A receiver that wakes after each ring (several may come as one). Its value means nothing.
    fn listen(&self) -> watch::Receiver<u64>;
}

/// Time, as an argument.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Chance, as an argument.
pub trait Ids: Send + Sync {
    /// A new id; later ones sort after earlier ones of the same process.
    fn id(&self, now: Timestamp) -> Id;
    /// Bytes that nobody can guess.
    fn secret(&self) -> [u8; 32];
    /// A number below `bound`, evenly; 0 if `bound` is 0.
    fn below(&self, bound: u32) -> u32;
}
