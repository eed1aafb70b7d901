//! Looking at flags, and asking one for oneself.

use std::sync::Arc;

use engine::model::Snapshot;
use engine::{Context, KeyLists, Ruleset};
use serde_json::{Map, Value, json};

use super::FlagHere;
use crate::access::Reader;
use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::ports::{FlagFilter, Page};

/// What a flag gave, without the ruleset that it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The value, unless the caller's own default holds.
    pub value: Option<Value>,
    /// The variant, likewise.
    pub variant: Option<String>,
    /// OpenFeature's word for how it came about.
    pub reason: &'static str,
    /// OpenFeature's word for why there is no value.
    pub error: Option<&'static str>,
}

impl Control {
    /// A flag as an environment sees it.
    pub async fn flag(&self, _reader: &Reader, environment: &Environment, key: &str) -> Result<FlagHere> {
        self.load_flag(key).await?.here(environment.id).ok_or(Error::NO_FLAG)
    }

    /// Flags of an environment, by key.
    pub async fn flags(
        &self,
        _reader: &Reader,
        environment: &Environment,
        filter: &FlagFilter,
    ) -> Result<Page<FlagHere>> {
        Ok(self.store.flags(environment, filter).await?)
    }

    /// What a flag gives the reader's own account: its id as targeting key and `userId`, its `role` and `email`.
    ///
    /// Reads the store, not the snapshot that applications are served from: who just wrote a flag asks what
    /// they wrote.
    pub async fn evaluate_flag(
        &self,
        reader: &Reader,
        environment: &Environment,
        key: &str,
    ) -> Result<Answer> {
        let here = self.flag(reader, environment, key).await?;
        let caller = reader.caller();
        let id = caller.account_id().to_string();
        let attributes = Map::from_iter([
            ("targetingKey".to_owned(), json!(id)),
            ("userId".to_owned(), json!(id)),
            ("role".to_owned(), json!(caller.role())),
            ("email".to_owned(), json!(caller.email())),
        ]);
        let revision = here.flag.version.max(here.config.version);
        let mut snapshot = Snapshot::empty("", revision, "", environment.key.as_str());
        snapshot.flags.insert(key.to_owned(), Arc::new(here.document().into()));
        let ruleset = Ruleset::compile(&snapshot, &KeyLists::default());
        let resolution = ruleset.evaluate(key, &Context::new(attributes));
        Ok(Answer {
            value: resolution.value().cloned(),
            variant: resolution.variant().map(str::to_owned),
            reason: resolution.reason().as_str(),
            error: resolution.error().map(|error| error.code.as_str()),
        })
    }
}
