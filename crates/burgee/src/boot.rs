//! From settings to a server: build, bind, found, serve, drain.

use std::sync::Arc;

use anyhow::Context;
use delivery::{Delivery, Follower, Hub};
use domain::control::{Control, Settings};
use domain::founding::Founding;
use domain::ports::{Bus, Store};
use server::feed::{Keyring, StoreSource};
use server::{AppState, Uploads};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::banner;
use crate::config::{Config, Profile};
use crate::keep;
use crate::seen::Seen;
use crate::serve;
use crate::system::{self, SystemClock, SystemIds};

/// Runs a server until it is told to stop.
pub(crate) async fn start(config: Config) -> anyhow::Result<()> {
    let store: Arc<dyn Store> = store::open(&config.database).await?;
    let seen = Seen::open(&config.base_path, store.clone())?;
    let (listener, address) = serve::bind(&config.server).await?;

    let shortest_password = if config.profile == Profile::Local { 6 } else { 8 };
    let founding = Founding {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        shortest_password,
    };
    if seen.is_behind().await? {
        founding.renew_epoch().await?;
        tracing::warn!(
            "the database is older than what was last seen here, or another; its history was named anew, and every client takes a full snapshot"
        );
    }
    let founded = founding.found(config.given).await?;
    let project_id = founded.project_id.context("no project was founded")?;

    let bus: Arc<dyn Bus> = Arc::new(bus::InProcess::default());
    let settings = Settings {
        open_registration: config.profile == Profile::Local,
        shortest_password,
        token_ttl: config.token_ttl,
        client_visible: config.profile == Profile::Local,
    };
    let control = Control::new(
        store.clone(),
        bus.clone(),
        Arc::new(SystemClock),
        Arc::new(SystemIds),
        settings,
        project_id,
    );

    let shutdown = CancellationToken::new();
    serve::cancel_on_signal(shutdown.clone())?;
    let hub = Arc::new(Hub::new());
    let source = Arc::new(StoreSource::new(store.clone(), &*bus, project_id));
    // Nothing is served before everything was loaded once.
    let mut follower = Follower::new(hub.clone(), source.clone(), system::seed());
    follower.load().await.context("the flags could not be loaded")?;
    let keyring = Keyring::load(store.clone()).await?;
    let control = Arc::new(control);
    let tasks = [
        keep::security(control.clone(), shutdown.clone()),
        keep::logs(control.clone(), config.retention, shutdown.clone()),
        follower.start(shutdown.clone()),
        keyring.clone().follow(&*bus, shutdown.clone()),
        seen.follow(&*bus, shutdown.clone()),
    ];
    let tasks = tasks.map(|task| tokio::spawn(stop_without(task, shutdown.clone())));

    let delivery = delivery::router(Delivery {
        hub: hub.clone(),
        gate: keyring.clone(),
        source,
        shutdown: shutdown.clone(),
        max_streams: config.max_streams,
    });
    let mut router = server::router(
        AppState { control: control.clone(), hub, keyring, uploads: Uploads::default() },
        delivery,
    )?;
    if config.profile == Profile::Local {
        router = router.layer(axum::middleware::from_fn(server::loopback::require_loopback));
    }
    banner::print(address, config.profile, &founded);
    serve::serve(listener, router, shutdown.clone()).await;
    shutdown.cancel();
    for task in tasks {
        task.await.context("a task panicked")??;
    }
    // What the last connections were refused.
    control.flush_security(true).await.context("the security log lacks its last entries")?;
    store.close().await;
    Ok(())
}

/// A server without one of its tasks would go on with old flags and keys: better that whoever watches it starts
/// it again.
async fn stop_without(task: JoinHandle<()>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let ended = task.await;
    if !shutdown.is_cancelled() {
        tracing::error!("a task ended that should not; stopping");
        shutdown.cancel();
    }
    ended.context("a task panicked")
}
