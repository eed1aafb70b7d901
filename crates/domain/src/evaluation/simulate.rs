//! What a flag gives to many, and what a proposed change would change for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::json::{At, Violation, Violations};
use engine::model::{Delta, Read};
use engine::simulate::{Simulation, simulate};
use engine::{Context, KeyLists, Ruleset};
use serde_json::Value;
use tokio::time::timeout;

use super::population::Population;
use super::{Addressed, read_context};
use crate::access::Reader;
use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::turns::Turns;

/// No more contexts are given one by one.
const MOST_CONTEXTS: usize = 10_000;
/// No simulation takes longer, once it has its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many simulate at once: each takes a core.
const TURNS: usize = 1;
/// How many may simulate or wait for it; who comes then is told to come back.
const PLACES: usize = 16;

/// The bounds on simulating.
pub(crate) fn simulating() -> Turns {
    Turns::new(TURNS, PLACES)
}

/// A question to many, and perhaps a change of the flag to compare with.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Key of the flag.
    pub flag: String,
    /// Key of the environment, if it is named.
    pub environment: Option<String>,
    audience: Audience,
    change: Option<Value>,
}

#[derive(Debug, Clone, PartialEq)]
enum Audience {
    Contexts(Vec<Context>),
    Population(Population),
}

impl Proposal {
    /// Reads `{"flag", "environment"?, "contexts" or "population", "change"?}`. The change is read when the flag is
    /// known that it is about.
    pub fn read(document: &Value) -> Result<Self> {
        let mut violations = Violations::default();
        let proposal = At::root(document).object(&mut violations).and_then(|object| {
            let addressed = Addressed::read(&object, &mut violations);
            let contexts = object.optional(&mut violations, "contexts", |at, violations| {
                at.each(violations, MOST_CONTEXTS, read_context).map(Audience::Contexts)
            });
            let population = object.optional(&mut violations, "population", |at, violations| {
                Population::read(at, violations).map(Audience::Population)
            });
            let change = object.get("change").map(|at| at.value().clone());
            object.deny_unknown(&mut violations);
            if object.has("contexts") == object.has("population") {
                object.fault(&mut violations, "give either contexts or a population");
            }
            let Addressed { flag, environment } = addressed?;
            Some(Self { flag, environment, audience: contexts?.or(population?)?, change })
        });
        violations.into_result(proposal).map_err(Error::Invalid)
    }
}

impl Audience {
    fn contexts(self) -> Box<dyn Iterator<Item = Context>> {
        match self {
            Self::Contexts(contexts) => Box::new(contexts.into_iter()),
            Self::Population(population) => Box::new(population.contexts()),
        }
    }

    /// Where it stands.
    fn path(&self) -> &'static str {
        match self {
            Self::Contexts(_) => "contexts",
            Self::Population(_) => "population.count",
        }
    }
}

impl Control {
    /// What the flag gives by the rules that are being served, and what it would give after the change. A change
    /// that could not be saved is refused as it would be then; nothing is written.
    pub async fn simulate_flag(
        &self,
        _reader: &Reader,
        environment: &Environment,
        served: Ruleset,
        proposal: Proposal,
    ) -> Result<Simulation> {
        let Proposal { flag, audience, change, .. } = proposal;
        if served.flag(&flag).is_none() {
            return Err(Error::no_flag(&flag));
        }
        let delta = match change {
            Some(change) => Some(self.propose(environment, &flag, &change, &served).await?),
            None => None,
        };
        let too_long = Error::invalid(
            audience.path(),
            format!("takes longer than {} s with this flag; ask for fewer", PATIENCE.as_secs()),
        );
        let turn = self.simulating.take().await?;
        let stop = StopOnDrop::default();
        let stopped = Arc::clone(&stop.0);
        let work = turn.work(move || {
            // A flag names no large lists but through segments, and those stay as they are compiled.
            let after = delta.map(|delta| served.apply(&delta, &KeyLists::default()));
            simulate(&flag, &served, after.as_ref(), audience.contexts(), || !stopped.load(Ordering::Relaxed))
        });
        match timeout(PATIENCE, work).await {
            Ok(simulated) => simulated?.ok_or(too_long),
            Err(_) => Err(too_long),
        }
    }

    /// The change as it would travel.
    async fn propose(
        &self,
        environment: &Environment,
        flag: &str,
        change: &Value,
        served: &Ruleset,
    ) -> Result<Delta> {
        let here = self.preview_flag(environment, flag, change, None).await.map_err(|error| match error {
            Error::Invalid(violations) => Error::Invalid(violations.into_iter().map(in_change).collect()),
            error => error,
        })?;
        let document = Arc::new(Read::Known(here.document()));
        let flags = BTreeMap::from([(flag.to_owned(), Some(document))]);
        Ok(Delta { revision: served.revision(), flags, ..Delta::default() })
    }
}

/// Where it stands in what was sent.
fn in_change(violation: Violation) -> Violation {
    let Violation { path, message } = violation;
    let path = if path.is_empty() { "change".to_owned() } else { format!("change.{path}") };
    Violation { path, message }
}

/// Ends the work when nobody waits for it any more: out of patience, or gone.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
