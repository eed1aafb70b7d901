//! Accounts and what they prove themselves with.

use utoipa::ToSchema;

/// What an account may do from the beginning.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum FirstRole {
    Member,
    Viewer,
    /// Another word for `viewer`, never answered.
    User,
    Developer,
    Admin,
}

/// What someone who registers says.
#[derive(ToSchema)]
pub(crate) struct Registration {
    #[schema(example = "dev@example.com", format = Email)]
    email: String,
    #[schema(format = Password, min_length = 6)]
    password: String,
    #[schema(nullable = false)]
    name: Option<String>,
    /// `viewer` unless given, and for whoever asks for `admin`.
    #[schema(nullable = false)]
    role: Option<FirstRole>,
}

/// What someone who signs in says.
#[derive(ToSchema)]
pub(crate) struct Credentials {
    #[schema(format = Email)]
    email: String,
    #[schema(format = Password)]
    password: String,
}

/// What carries a session on.
#[derive(ToSchema)]
pub(crate) struct Refresh {
    refresh_token: String,
}

/// An account.
#[derive(ToSchema)]
pub(crate) struct Account {
    id: String,
    email: String,
    name: String,
    /// `member`, `viewer`, `developer` or `admin`.
    #[schema(example = "developer")]
    role: String,
    /// Whether it is let in.
    active: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A signed-in account. `token` and `access_token` are the same.
#[derive(ToSchema)]
pub(crate) struct Session {
    #[serde(flatten)]
    account: Account,
    token: String,
    access_token: String,
    #[schema(example = "bearer")]
    token_type: String,
    /// Seconds.
    expires_in: i64,
    /// Good once, at `POST /auth/refresh`.
    refresh_token: String,
    user: Account,
}

/// What one may change of one's own account.
#[derive(ToSchema)]
pub(crate) struct OwnAccountInput {
    #[schema(nullable = false)]
    name: Option<String>,
}

/// A new password in the place of the old one.
#[derive(ToSchema)]
pub(crate) struct PasswordChange {
    #[schema(format = Password)]
    old_password: String,
    #[schema(format = Password, min_length = 6)]
    new_password: String,
}

/// A new password, by a link.
#[derive(ToSchema)]
pub(crate) struct PasswordReset {
    token: String,
    #[schema(format = Password, min_length = 6)]
    password: String,
}

/// Whether there is an admin.
#[derive(ToSchema)]
pub(crate) struct SetupStatus {
    needs_setup: bool,
}

/// With what people sign in.
#[derive(ToSchema)]
pub(crate) struct SignIn {
    /// Whether `POST /auth/login` is open.
    password: bool,
    providers: Vec<SignInProvider>,
}

/// A provider of identities.
#[derive(ToSchema)]
pub(crate) struct SignInProvider {
    #[schema(example = "okta")]
    key: String,
    /// What people read.
    #[schema(example = "Okta")]
    name: String,
    /// Where a browser goes, with `?return_to=/path` if it should come back elsewhere than to `/`.
    #[schema(example = "/auth/oidc/okta/start")]
    start: String,
}

/// The first admin.
#[derive(ToSchema)]
pub(crate) struct Setup {
    token: String,
    #[schema(format = Email)]
    email: String,
    #[schema(format = Password, min_length = 6)]
    password: String,
}

/// An account for someone.
#[derive(ToSchema)]
pub(crate) struct NewUser {
    #[schema(format = Email)]
    email: String,
    #[schema(nullable = false)]
    name: Option<String>,
    /// `member` unless given.
    #[schema(nullable = false)]
    role: Option<FirstRole>,
    /// Without one its owner chooses it by a link.
    #[schema(format = Password, min_length = 6, nullable = false)]
    password: Option<String>,
}

/// An account that was made for someone.
#[derive(ToSchema)]
pub(crate) struct Invited {
    #[serde(flatten)]
    account: Account,
    reset: Option<ResetLink>,
}

/// What a link is to do besides.
#[derive(ToSchema)]
pub(crate) struct NewResetLink {
    /// Whether using it revokes the account's access tokens; not unless given.
    #[schema(nullable = false)]
    revoke_tokens: Option<bool>,
}

/// Who somebody is at a provider of identities.
#[derive(ToSchema)]
pub(crate) struct Identity {
    id: String,
    /// The provider's own name.
    #[schema(example = "https://id.example.com/realms/staff")]
    issuer: String,
    /// Who it is there.
    subject: String,
    #[schema(format = DateTime)]
    created_at: String,
}

/// What sets a password, once.
#[derive(ToSchema)]
pub(crate) struct ResetLink {
    token: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// What an admin may change of an account.
#[derive(ToSchema)]
pub(crate) struct UserInput {
    #[schema(nullable = false, format = Email)]
    email: Option<String>,
    #[schema(nullable = false)]
    name: Option<String>,
    #[schema(nullable = false)]
    role: Option<FirstRole>,
    #[schema(nullable = false)]
    active: Option<bool>,
}

/// A role.
#[derive(ToSchema)]
pub(crate) struct AccountRole {
    role: FirstRole,
}

/// What a new access token is to be.
#[derive(ToSchema)]
pub(crate) struct NewAccessToken {
    name: String,
    /// `resource.verb`, or `resource.verb@environment`; all that the account may do unless given.
    #[schema(example = json!(["project.read", "flag.update@production"]))]
    scopes: Option<Vec<String>>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A credential that needs no sign-in.
#[derive(ToSchema)]
pub(crate) struct AccessToken {
    id: String,
    name: String,
    /// Its first characters.
    hint: String,
    scopes: Option<Vec<String>>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// To about a minute.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// The one that took its place, if it was rotated.
    replaced_by: Option<String>,
}

/// An access token as it is made.
#[derive(ToSchema)]
pub(crate) struct MadeAccessToken {
    #[serde(flatten)]
    made: AccessToken,
    /// Shown this once.
    token: String,
}

/// A program's account.
#[derive(ToSchema)]
pub(crate) struct ServiceAccount {
    id: String,
    #[schema(example = "deploy-bot")]
    name: String,
    description: String,
    role: String,
    active: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// What a new service account is to be.
#[derive(ToSchema)]
pub(crate) struct NewServiceAccount {
    /// 1 to 64 of `a-z`, `0-9`, dot, hyphen, underscore.
    #[schema(example = "deploy-bot")]
    name: String,
    #[schema(nullable = false)]
    description: Option<String>,
    /// `member` unless given.
    #[schema(nullable = false)]
    role: Option<FirstRole>,
    #[schema(nullable = false)]
    active: Option<bool>,
}

/// What may change of a service account.
#[derive(ToSchema)]
pub(crate) struct ServiceAccountInput {
    #[schema(nullable = false)]
    name: Option<String>,
    #[schema(nullable = false)]
    description: Option<String>,
    #[schema(nullable = false)]
    role: Option<FirstRole>,
    #[schema(nullable = false)]
    active: Option<bool>,
}

/// A key that signs session tokens.
#[derive(ToSchema)]
pub(crate) struct SigningKey {
    /// `kid` in the header of what it signed.
    id: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// Until when what it signed is taken; `null` while it signs.
    #[schema(format = DateTime)]
    verifies_until: Option<String>,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}
