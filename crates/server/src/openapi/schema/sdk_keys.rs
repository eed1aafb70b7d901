//! The shapes of keys for applications.

use utoipa::ToSchema;

/// What a key is for.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum SdkKeyKind {
    Server,
    Client,
    Edge,
}

/// Whether a key opens anything.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum SdkKeyState {
    InForce,
    Expired,
    Revoked,
}

/// What a new SDK key is to be.
#[derive(ToSchema)]
#[schema(example = json!({"name": "shop", "kind": "client", "origins": ["https://shop.example"]}))]
pub(crate) struct NewSdkKey {
    name: String,
    kind: SdkKeyKind,
    description: Option<String>,
    /// Of an edge key: keys of environments, or `["*"]` for all of them. The addressed one unless given.
    #[schema(nullable = false)]
    environments: Option<Vec<String>>,
    /// Of a client key: origins of the pages that may use it, at most 50, or `["*"]` for any. In the local profile any
    /// may unless given; in production they are required.
    origins: Option<Vec<String>>,
    /// From when on it is refused; never unless given.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// What may be written about an SDK key.
#[derive(ToSchema)]
pub(crate) struct SdkKeyInput {
    #[schema(nullable = false)]
    name: Option<String>,
    description: Option<String>,
    /// Of an edge key: keys of environments, or `["*"]` for all of them.
    #[schema(nullable = false)]
    environments: Option<Vec<String>>,
    /// Of a client key: origins of the pages that may use it, at most 50, or `["*"]` for any.
    origins: Option<Vec<String>>,
    /// From when on it is refused; `null` is never.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A key for applications.
#[derive(ToSchema)]
pub(crate) struct SdkKey {
    /// Of an edge key, its client id.
    id: String,
    name: String,
    description: String,
    kind: SdkKeyKind,
    /// Keys of the environments that it opens, or `["*"]` for all of them.
    environments: Vec<String>,
    /// Origins of the pages that may use it; of a client key, none means any.
    origins: Vec<String>,
    /// Its first characters.
    hint: String,
    state: SdkKeyState,
    /// Revision of the last change to it.
    version: u64,
    created_by: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The minute in which it last opened something; a few seconds late.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    /// Id of the key that came in its place.
    replaced_by: Option<String>,
}

/// A key as it is made.
#[derive(ToSchema)]
pub(crate) struct MadeSdkKey {
    #[serde(flatten)]
    made: SdkKey,
    /// The secret. Shown this once.
    key: String,
}

/// How a key or a token is replaced.
#[derive(ToSchema)]
pub(crate) struct Rotation {
    /// How long the old one holds on: whole numbers with `s`, `m`, `h` or `d`, as in `24h` or `1d12h`, or days and times
    /// of ISO 8601, as in `P1D` or `PT24H`; at most 30 days.
    #[schema(
        example = "24h",
        pattern = "^(([0-9]+[smhd])+|P([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+S)?)?)$",
        nullable = false
    )]
    overlap: Option<String>,
}

/// A key that came in the place of another.
#[derive(ToSchema)]
pub(crate) struct RotatedSdkKey {
    #[serde(flatten)]
    made: MadeSdkKey,
    /// The old key, as it is now.
    replaces: SdkKey,
}
