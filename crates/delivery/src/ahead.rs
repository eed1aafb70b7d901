//! Who was told of a state by another node and asks here, where it has not come yet.
//!
//! A provider that hears of a change asks again with the tag that the notice had, as `flagConfigEtag`. Behind a load
//! balancer the one who answers may be another than the one who told; answered at once it would give the state before
//! the change, and the provider would keep that until the next. So it waits a moment, while the follower looks.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use engine::model::Revision;
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wire::etag::Position;

use crate::hub::Hub;
use crate::installed::Installed;
use crate::ports::EnvironmentId;

/// The parameter that has the tag of a notice. It is a provider's to say, so whatever else is in it says nothing.
const TOLD: &str = "flagConfigEtag=";
/// No one waits longer: a little longer than a bell that was lost takes to be noticed.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// So many wait at a time; a further one is answered with what there is, as everyone is in the end.
const MOST: usize = 1_024;

/// The places of those who wait.
pub(crate) struct Ahead(Semaphore);

impl Default for Ahead {
    fn default() -> Self {
        Self(Semaphore::new(MOST))
    }
}

/// The revision that the query of a request names, if it is one of the same history that has yet to come here. Of a
/// state on the way to it (`+stage`) as well.
pub(crate) fn told(uri: &Uri, here: &Installed) -> Option<Revision> {
    let tag = uri.query()?.split('&').find_map(|pair| pair.strip_prefix(TOLD))?;
    let tag = percent_decode_str(tag).decode_utf8().ok()?;
    let tag = tag.strip_prefix("W/").unwrap_or(&tag).trim_matches('"');
    // In a query a plus may stand for a space.
    let position = Position::parse(tag.split(['+', ' ']).next()?)?;
    let here = here.position();
    (position.epoch == here.epoch && position.revision > here.revision).then_some(position.revision)
}

impl Ahead {
    /// The state of an environment once it is at this revision; the present one after a while. None if the environment
    /// is gone.
    pub(crate) async fn wait(
        &self,
        hub: &Hub,
        environment: &EnvironmentId,
        revision: Revision,
    ) -> Option<Arc<Installed>> {
        if let Ok(_place) = self.0.try_acquire() {
            let mut states = hub.watch(environment)?;
            hub.look();
            // What is announced is installed already, so a state is not missed between reading it and waiting.
            let come = states.wait_for(|come| *come >= revision);
            // In vain, or of an environment that is gone by now: told below.
            let _ = timeout(PATIENCE, come).await;
        }
        hub.read(environment)
    }
}
