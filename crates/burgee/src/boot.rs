//! From settings to a server: build, bind, found, serve, drain.

use std::sync::Arc;

use anyhow::Context;
use delivery::{Delivery, Follower, Hub, Tally};
use domain::control::{Control, Settings};
use domain::founding::Founding;
use domain::ports::{Bus, Clock, Store};
use server::doors::client::Proxies;
use server::doors::{self, Doors};
use server::feed::StoreSource;
use server::health::Health;
use server::keyring::Keyring;
use server::oidc::Oidc;
use server::sink::StoreSink;
use server::{AppState, Exports, Uploads};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::banner;
use crate::config::{Config, ConfigError, Connections, Profile};
use crate::keep;
use crate::limits;
use crate::outbound;
use crate::seen::Seen;
use crate::serve::{self, Guests, Tls};
use crate::system::{self, SystemClock, SystemIds};
use crate::upkeep;

/// Runs a server until it is told to stop.
pub(crate) async fn start(config: Config) -> anyhow::Result<()> {
    let (settings, shortest_password) = (settings(&config), config.shortest_password());
    let tls =
        config.tls.map(Tls::load).transpose().map_err(|fault| ConfigError::new(format!("{fault:#}")))?;
    let tls = tls.map(Arc::new);
    let guests = guests(config.connections, config.doors.proxies.clone());
    let outbound = outbound::client(!config.oidc.providers.is_empty())?;
    let store: Arc<dyn Store> = store::open(&config.database).await?;
    let seen = Seen::open(&config.base_path, store.clone())?;
    let (listener, address) = serve::bind(&config.server).await?;

    let founding = Founding {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        shortest_password,
        token_ttl: config.token_ttl,
        make_admin: config.profile == Profile::Local,
    };
    if seen.is_behind().await? {
        founding.renew_epoch().await?;
        tracing::warn!(
            "the database is older than what was last seen here, or another; its history was named anew, and every client takes a full snapshot"
        );
    }
    let founded = founding.found(config.given).await?;

    let bus: Arc<dyn Bus> = Arc::new(bus::InProcess::default());
    let control = Arc::new(Control::new(
        store.clone(),
        bus.clone(),
        Arc::new(SystemClock),
        Arc::new(SystemIds),
        settings,
    ));

    let shutdown = CancellationToken::new();
    let leaving = shutdown.child_token();
    serve::cancel_on_signal(leaving.clone(), config.server.shutdown_delay, shutdown.clone())?;
    if let Some(tls) = &tls {
        serve::reload_on_signal(tls.clone(), shutdown.clone())?;
    }
    let sink = Arc::new(StoreSink::new(control.clone()));
    let now = Box::new(|| SystemClock.now().as_millis());
    let tally = Tally::new(now, system::seed(), system::seed(), config.keep_units);
    let hub = Arc::new(Hub::counting(tally.clone()));
    let source = Arc::new(StoreSource::new(store.clone(), &*bus));
    // Nothing is served before everything was loaded once.
    let mut follower = Follower::new(hub.clone(), source.clone(), system::seed());
    follower.load().await.context("the flags could not be loaded")?;
    let keyring = Keyring::load(store.clone(), Arc::new(SystemClock)).await?;
    let tasks = [
        keep::security(control.clone(), shutdown.clone()),
        keep::logs(control.clone(), config.retention, shutdown.clone()),
        keep::usage(control.clone(), config.usage, shutdown.clone()),
        tally.clone().start(sink.clone(), shutdown.clone()),
        follower.start(shutdown.clone()),
        keyring.clone().follow(&*bus, shutdown.clone()),
        seen.follow(&*bus, shutdown.clone()),
        doors::sweep(control.clone(), shutdown.clone()),
        upkeep::start(control.clone(), shutdown.clone()),
    ];
    let tasks = tasks.map(|task| tokio::spawn(stop_without(task, shutdown.clone())));

    let delivery = delivery::Doors::new(Delivery {
        hub: hub.clone(),
        gate: keyring.clone(),
        source,
        sink: sink.clone(),
        shutdown: shutdown.clone(),
        max_streams: limits::most_streams(config.streams.most, guests.most()),
        max_streams_per_key: config.streams.most_of_key,
    });
    let doors = Doors::new(config.doors, Arc::new(SystemIds), system::seed());
    let health = Health::new(control.clone(), hub.clone(), keyring.clone(), leaving);
    let oidc = Oidc::new(config.oidc, &outbound, Arc::new(SystemClock), Arc::new(SystemIds));
    let (uploads, exports) = (Uploads::default(), Exports::default());
    let state = AppState { control: control.clone(), hub, keyring, oidc, uploads, exports };
    let front = server::front(state, delivery, health, doors, config.profile == Profile::Local)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    banner::print(&format!("{scheme}://{address}"), config.profile, &founded);
    serve::serve(listener, guests, tls, front, shutdown.clone()).await;
    shutdown.cancel();
    for task in tasks {
        task.await.context("a task panicked")??;
    }
    // What the last connections were answered, and refused.
    tally.finish(&*sink).await;
    control.flush_security(true).await.context("the security log lacks its last entries")?;
    store.close().await;
    Ok(())
}

/// Of the open files one in ten is left to the store, and to what else a node opens.
fn guests(connections: Connections, proxies: Proxies) -> Guests {
    let files = limits::open_files();
    let most = connections.most.min(files - files / 10).max(1);
    if most < connections.most {
        tracing::warn!(
            "there will be at most {most} connections, not {} (server.max_connections): the system allows this process \
             {files} open files (ulimit -Hn)",
            connections.most
        );
    }
    Guests::new(most, connections.most_of_one, proxies)
}

/// What an operator chose, for the use cases.
pub(crate) fn settings(config: &Config) -> Settings {
    Settings {
        open_registration: config.profile == Profile::Local,
        shortest_password: config.shortest_password(),
        token_ttl: config.token_ttl,
        session_ttl: config.session_ttl,
        rotate_signing_keys: config.rotate_signing_keys,
        client_visible: config.profile == Profile::Local,
        password_login: config.oidc.password_login,
        origins_required: config.profile == Profile::Production,
        keep_units: config.keep_units,
        give_way: limits::give_way,
    }
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
