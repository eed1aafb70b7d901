//! What time does to accounts, and to what was counted: the use cases on a store in memory, with a clock that the test moves.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use domain::access::{CreateFlag, ReadProject, Reader};
use domain::account::Session;
use domain::control::{Control, Request, Settings};
use domain::environment::Environment;
use domain::error::Error;
use domain::founding::{Founding, Given};
use domain::ports::Clock;
use domain::time::Timestamp;
use domain::usage::{Count, Event, EventBatch, Exposure, Metric, Range, Sent, Step, UsageRetention};
use serde_json::json;
use testkit::fakes::{CountingIds, FakeClock};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

struct World {
    control: Control,
    founding: Founding,
    clock: Arc<FakeClock>,
    setup_token: String,
}

/// An instance without an admin: tokens hold an hour, sessions ten days, signing keys five.
async fn world() -> Result<World> {
    let store = store::open("memory:").await?;
    let (clock, ids) = (Arc::new(FakeClock::default()), Arc::new(CountingIds::default()));
    let founding = Founding {
        store: store.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        shortest_password: 8,
        token_ttl: HOUR / 1_000,
        make_admin: false,
    };
    let founded = founding.found(Given::default()).await?;
    let settings = Settings {
        open_registration: true,
        shortest_password: 8,
        token_ttl: HOUR / 1_000,
        session_ttl: 10 * DAY / 1_000,
        rotate_signing_keys: Some(5 * DAY / 1_000),
        client_visible: false,
        password_login: true,
        origins_required: true,
        keep_units: true,
        give_way: || {},
    };
    let bus = Arc::new(bus::InProcess::default());
    let control = Control::new(store, bus, clock.clone(), ids, settings);
    let (setup_token, _) = founded.setup_token.context("no setup token")?;
    Ok(World { control, founding, clock, setup_token })
}

impl World {
    async fn set_up(&self) -> Result<Session, Error> {
        let document =
            json!({ "token": self.setup_token, "email": "root@example.org", "password": "long enough" });
        self.control.set_up(&document, &Request::default()).await
    }

    async fn sign_in(&self, password: &str) -> Result<Session, Error> {
        let document = json!({ "email": "root@example.org", "password": password });
        self.control.sign_in(&document, &Request::default()).await
    }

    async fn refresh(&self, session: &Session) -> Result<Session, Error> {
        let document = json!({ "refresh_token": session.refresh_token });
        self.control.refresh_session(&document, &Request::default()).await
    }

    async fn is_let_in(&self, session: &Session) -> bool {
        self.control.authenticate(&session.token).await.is_ok()
    }

    async fn signing_keys(&self, session: &Session) -> Result<usize> {
        let caller = self.control.authenticate(&session.token).await?;
        Ok(self.control.list_signing_keys(&caller.on_instance()?).await?.len())
    }
}

#[tokio::test]
async fn a_setup_token_is_good_for_fifteen_minutes() -> Result<()> {
    let late = world().await?;
    late.clock.advance(15 * MINUTE);
    ensure!(matches!(late.set_up().await, Err(Error::Unauthenticated { code: "invalid_setup_token", .. })));
    let in_time = world().await?;
    in_time.clock.advance(15 * MINUTE - 1);
    ensure!(in_time.set_up().await.is_ok());
    Ok(())
}

#[tokio::test]
async fn tokens_hold_an_hour_and_sessions_ten_days() -> Result<()> {
    let world = world().await?;
    let mut session = world.set_up().await?;
    world.clock.advance(HOUR - 1_000);
    ensure!(world.is_let_in(&session).await);
    world.clock.advance(1_000);
    ensure!(!world.is_let_in(&session).await);
    for _ in 0..9 {
        world.clock.advance(DAY);
        session = world.refresh(&session).await?;
        ensure!(world.is_let_in(&session).await);
    }
    world.clock.advance(DAY - HOUR - 30 * MINUTE);
    session = world.refresh(&session).await?;
    ensure!(session.expires_in == 1_800, "no token outlives its session: {}", session.expires_in);
    world.clock.advance(30 * MINUTE);
    ensure!(world.refresh(&session).await.is_err() && !world.is_let_in(&session).await);
    Ok(())
}

#[tokio::test]
async fn signing_keys_are_replaced_after_five_days_and_go_when_nothing_of_them_holds() -> Result<()> {
    let world = world().await?;
    world.set_up().await?;
    world.clock.advance(5 * DAY - 1);
    world.control.tend_signing_keys().await?;
    let before = world.sign_in("long enough").await?;
    ensure!(world.signing_keys(&before).await? == 1);
    world.clock.advance(1);
    world.control.tend_signing_keys().await?;
    world.control.tend_signing_keys().await?;
    let after = world.sign_in("long enough").await?;
    ensure!(world.signing_keys(&after).await? == 2);
    ensure!(world.is_let_in(&before).await, "what the old one signed holds");
    world.clock.advance(HOUR + MINUTE);
    world.control.tend_signing_keys().await?;
    let later = world.refresh(&before).await?;
    ensure!(world.signing_keys(&later).await? == 1, "the old one is gone");
    Ok(())
}

#[tokio::test]
async fn a_given_secret_that_was_replaced_never_signs_again() -> Result<()> {
    const SECRET: &str = "given by configuration, and once leaked";
    let world = world().await?;
    world.set_up().await?;
    let start = async || {
        let given = Given { jwt_secret: Some(SECRET.to_owned()), ..Given::default() };
        anyhow::Ok(world.founding.found(given).await?.warnings)
    };
    ensure!(start().await?[0].contains("JWT_SECRET_KEY is new"));
    let session = world.sign_in("long enough").await?;
    let request = Request::default();
    let next = world.control.replace_signing_keys(false, &request).await?;
    // Whether it still proves what it signed, or nothing of it holds any more and it was removed.
    for _ in 0..3 {
        let said = start().await?;
        ensure!(said.len() == 1 && said[0].contains("signs nothing again"), "{said:?}");
        world.clock.advance(HOUR + MINUTE);
        world.control.tend_signing_keys().await?;
    }
    ensure!(!world.is_let_in(&session).await);
    let session = world.refresh(&session).await?;
    let caller = world.control.authenticate(&session.token).await?;
    let keys = world.control.list_signing_keys(&caller.on_instance()?).await?;
    let signing: Vec<_> =
        keys.iter().filter(|key| key.verifies_until.is_none() && key.revoked_at.is_none()).collect();
    ensure!(signing.len() == 1 && signing[0].id == next.id, "{keys:?}");
    ensure!(keys.iter().all(|key| key.secret != SECRET.as_bytes()), "the secret is forgotten");
    Ok(())
}

#[tokio::test]
async fn a_link_is_good_for_a_day() -> Result<()> {
    let world = world().await?;
    world.set_up().await?;
    let request = Request::default();
    for (wait, good) in [(DAY, false), (DAY - 1, true)] {
        let link =
            world.control.create_link_for("root@example.org", false, &request).await?.context("nobody")?;
        world.clock.advance(wait);
        let document = json!({ "token": link.token, "password": "another one" });
        ensure!(world.control.reset_password(&document, &request).await.is_ok() == good, "after {wait} ms");
    }
    ensure!(world.sign_in("another one").await.is_ok() && world.sign_in("long enough").await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_success_gives_tries_back_and_time_does_too() -> Result<()> {
    let world = world().await?;
    world.set_up().await?;
    for _ in 0..20 {
        world.sign_in("long enough").await?;
    }
    for _ in 0..10 {
        ensure!(matches!(world.sign_in("guess").await, Err(Error::Unauthenticated { .. })));
    }
    ensure!(matches!(world.sign_in("long enough").await, Err(Error::TooMany { retry_after: 30 })));
    world.clock.advance(30_000);
    world.sign_in("long enough").await?;
    Ok(())
}

/// A flag, of which somebody may read what it was asked for.
struct Watched {
    world: World,
    reader: Reader,
    environment: Environment,
}

impl Watched {
    async fn new() -> Result<Self> {
        let world = world().await?;
        let session = world.set_up().await?;
        let control = &world.control;
        let (caller, project) = (control.authenticate(&session.token).await?, control.project(None).await?);
        let environment = control.environment(project.id, None).await?;
        let writer = caller.clone().in_project::<CreateFlag>(project.clone())?.at(environment.clone())?;
        control.create_flag(&writer, &json!({ "key": "f" }), &Request::default()).await?;
        let reader = caller.in_project::<ReadProject>(project)?;
        Ok(Self { world, reader, environment })
    }

    /// One of each sort, for a user of their own; whether it counted.
    async fn take(&self, id: &str) -> Result<bool> {
        let at = self.world.clock.now();
        let text = |text: &str| text.to_owned();
        let (flag, variant, reason) = (text("f"), text("on"), text("STATIC"));
        let count = Count { flag, variant, version: 7, reason, n: 1, from: at, to: at };
        let (flag, variant, rule) = (text("f"), text("on"), String::new());
        let exposure = Exposure { flag, variant, version: 7, rule, unit: text(id), at };
        let metric = Metric { name: text("m"), value: 1.0, unit: None, flag: None, variant: None, at };
        let events = [Event::Count(count), Event::Exposure(exposure), Event::Metric(metric)];
        let events = events.into_iter().enumerate().map(|(place, event)| Sent { place, event }).collect();
        let environment_id = self.environment.id;
        let (skipped, rejected) = (0, 0);
        let batch = EventBatch { environment_id, id: text(id), sent_at: at, events, skipped, rejected };
        Ok(!self.world.control.take_events(batch).await?.duplicate)
    }

    /// When it was evaluated, in hours since the beginning and how often; and how many were shown something.
    async fn told(&self) -> Result<(Vec<(i64, u64)>, u64)> {
        let begin = FakeClock::default().now();
        let to = Some(self.world.clock.now().after_millis(1));
        let range = Range { from: Some(begin), to, step: Some(Step::Day) };
        let usage = self.world.control.flag_usage(&self.reader, &self.environment, "f", range).await?;
        let hours = |at: Timestamp| (at.as_millis() - begin.as_millis()) / HOUR;
        let counts =
            usage.points.iter().map(|point| (hours(point.at), point.counts.iter().map(|one| one.n).sum()));
        Ok((counts.collect(), usage.exposures.iter().map(|shown| shown.units).sum()))
    }
}

#[tokio::test]
async fn what_was_counted_goes_in_time_and_a_batch_is_known_for_a_day() -> Result<()> {
    let retention = UsageRetention {
        counts: Some(400 * DAY),
        exposures: Some(90 * DAY),
        metrics: Some(30 * DAY),
        most_rows: 1_000,
    };
    let watched = Watched::new().await?;
    let (clock, control) = (&watched.world.clock, &watched.world.control);
    ensure!(watched.take("b1").await?);
    clock.advance(DAY - 1);
    control.tend_usage(&retention).await?;
    ensure!(!watched.take("b1").await?, "within a day");
    clock.advance(2);
    ensure!(control.tend_usage(&retention).await? == 1, "the batch, and nothing else");
    ensure!(watched.take("b1").await?, "it was forgotten, so it counts again");
    ensure!(watched.told().await? == (vec![(0, 1), (24, 1)], 1));
    clock.advance(DAY + MINUTE);
    ensure!(
        control.tend_usage(&retention).await? == 2,
        "the first minute is an hour, the second batch is forgotten"
    );
    ensure!(control.tend_usage(&retention).await? == 0);
    ensure!(watched.told().await? == (vec![(0, 1), (24, 1)], 1), "what it comes to is the same");
    for (days, rows, told) in
        [(30, 3, (vec![(0, 1), (24, 1)], 1)), (60, 1, (vec![(0, 1), (24, 1)], 0)), (310, 2, (vec![], 0))]
    {
        clock.advance(days * DAY);
        let touched = control.tend_usage(&retention).await?;
        ensure!(
            touched == rows && watched.told().await? == told,
            "{days}: {touched} {:?}",
            watched.told().await?
        );
    }
    Ok(())
}

#[tokio::test]
async fn of_too_much_the_oldest_goes() -> Result<()> {
    let retention = UsageRetention { counts: None, exposures: None, metrics: None, most_rows: 2 };
    let watched = Watched::new().await?;
    for batch in 0..5 {
        watched.take(&format!("b{batch}")).await?;
        watched.world.clock.advance(MINUTE);
    }
    ensure!(watched.told().await? == (vec![(0, 5)], 5));
    ensure!(
        watched.world.control.bound_usage(&retention).await? == 4 * 3,
        "of batches, minutes, exposures, metrics"
    );
    ensure!(watched.told().await? == (vec![(0, 5)], 2), "minutes became an hour, and none is lost");
    ensure!(watched.world.control.bound_usage(&retention).await? == 0);
    for batch in 5..8 {
        watched.world.clock.advance(HOUR);
        watched.take(&format!("b{batch}")).await?;
    }
    watched.world.control.bound_usage(&retention).await?;
    watched.world.clock.advance(3 * DAY);
    watched.world.control.tend_usage(&retention).await?;
    ensure!(watched.told().await?.0 == [(0, 8)], "four hours");
    watched.world.control.bound_usage(&retention).await?;
    ensure!(watched.told().await?.0 == [(0, 2)], "of hours the oldest go");
    Ok(())
}
