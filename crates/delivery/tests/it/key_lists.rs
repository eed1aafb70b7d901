//! Large key lists: fetched while everything else goes on, held once, forgotten; and their bytes, passed on.

use std::sync::Arc;
use std::time::Duration;

use crate::follower::Following;
use crate::support::{
    Answer, App, CLIENT_KEY, FakeSource, PROD, SEED, SERVER_KEY, SOON, environment, flag, with,
};
use burgee_delivery::{Catchup, Follower, Hub, Installed, KeyKind};
use engine::model::Revision;
use engine::{Context, KeyList, KeyLists};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use wire::etag::Position;

/// On for who is in the segment `beta`.
pub(crate) fn flags() -> Value {
    let rule = json!({"id": "r1", "when": {"segment": "beta"}, "serve": {"variant": "on"}});
    json!({"a": with(flag(), json!({"rules": [rule], "default": {"variant": "off"}}))})
}

pub(crate) fn included(list: &Value) -> Value {
    json!({"included": list})
}

pub(crate) fn digest(list: &Value) -> &str {
    list["sha256"].as_str().unwrap()
}

/// Which of `u1` to `u6` the flag is on for.
pub(crate) fn holds_for(hub: &Hub, id: &str) -> String {
    let installed = hub.read(&environment(id)).unwrap();
    let is_on = |number: &u32| {
        let context = Context::for_key(&format!("u{number}"));
        installed.ruleset().evaluate("a", &context).variant() == Some("on")
    };
    (1..=6).filter(is_on).map(|number| number.to_string()).collect()
}

pub(crate) fn revision(hub: &Hub, id: &str) -> Revision {
    hub.read(&environment(id)).unwrap().position().revision
}

pub(crate) fn is_behind(hub: &Hub, id: &str) -> bool {
    hub.read(&environment(id)).unwrap().is_behind()
}

/// The first thing that is wrong with what is asked.
pub(crate) fn problem(hub: &Hub, id: &str) -> String {
    let installed = hub.read(&environment(id)).unwrap();
    let problem = installed.ruleset().problems().next();
    problem.map(|(about, problem)| format!("{about}: {problem}")).unwrap_or_default()
}

pub(crate) struct Synced {
    pub(crate) source: Arc<FakeSource>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) follower: Follower,
}

impl Synced {
    pub(crate) async fn new() -> Self {
        let (source, hub) = (FakeSource::new(flags()), Arc::new(Hub::new()));
        let follower = Follower::new(hub.clone(), source.clone(), SEED);
        let mut synced = Self { source, hub, follower };
        synced.sync().await;
        synced
    }

    pub(crate) async fn sync(&mut self) {
        self.follower.sync_once().await.unwrap();
    }
}

#[tokio::test]
async fn a_list_is_fetched_for_what_names_it() {
    let mut synced = Synced::new().await;
    let list = synced.source.put_list(&["u1\nu", "3\n", "u4\n"]);
    synced.source.change_segment(PROD, "beta", included(&list));
    synced.sync().await;
    assert_eq!((revision(&synced.hub, PROD), &*holds_for(&synced.hub, PROD)), (41, "134"));
    let installed = synced.hub.read(&environment(PROD)).unwrap();
    let Catchup::Deltas(frames) = installed.since(Some(Position { epoch: "9f", revision: 40 })) else {
        panic!("no delta was kept")
    };
    let [frame] = &frames[..] else { panic!("{frames:?}") };
    let frame = String::from_utf8(frame.to_vec()).unwrap();
    assert!(frame.contains(digest(&list)) && !frame.contains("u4"), "the list travels by its name: {frame}");

    // From nothing it comes out the same.
    let mut lists = KeyLists::default();
    let whole = KeyList::read(b"u1\nu3\nu4\n", SEED).unwrap();
    lists.insert(digest(&list).to_owned(), Arc::new(whole));
    assert_eq!(installed.ruleset(), Installed::new(&synced.source.now(PROD), &lists).ruleset());
}

#[tokio::test]
async fn a_list_that_environments_share_is_held_once() {
    let mut synced = Synced::new().await;
    let list = synced.source.put_list(&["u1\n", "u2\n"]);
    for id in ["dev", "stage", PROD] {
        synced.source.put(id, "9f", 50, flags());
        synced.source.change_segment(id, "beta", included(&list));
    }
    // Twice in one segment, too.
    synced.source.change_segment("dev", "other", json!({"included": list, "excluded": list}));
    synced.source.take_asked();
    synced.sync().await;
    let asked = |position| (digest(&list).to_owned(), position);
    assert_eq!(synced.source.take_asked(), [asked(0), asked(1), asked(2)]);
    for id in ["dev", "stage", PROD] {
        assert_eq!(holds_for(&synced.hub, id), "12", "{id}");
    }
    // Held from then on: another segment that names it costs nothing.
    synced.source.change_segment(PROD, "third", included(&list));
    synced.sync().await;
    assert_eq!((revision(&synced.hub, PROD), synced.source.take_asked()), (52, vec![]));
}

#[tokio::test]
async fn a_list_that_nobody_names_is_forgotten() {
    let mut synced = Synced::new().await;
    let list = synced.source.put_list(&["u1\n"]);
    synced.source.put("dev", "9f", 7, flags());
    synced.source.change_segment("dev", "beta", included(&list));
    synced.source.change_segment(PROD, "beta", included(&list));
    synced.sync().await;
    synced.source.change_segment(PROD, "beta", json!({"included": ["u2"]}));
    synced.sync().await;
    synced.source.take_asked();
    synced.source.change_segment(PROD, "beta", included(&list));
    synced.sync().await;
    assert_eq!(synced.source.take_asked(), [], "the other environment still named it");

    synced.source.change_segment(PROD, "beta", Value::Null);
    synced.source.remove("dev");
    synced.sync().await;
    synced.source.change_segment(PROD, "beta", included(&list));
    synced.sync().await;
    assert_eq!(synced.source.take_asked().len(), 2, "nobody did, so it is fetched anew");
    assert_eq!(holds_for(&synced.hub, PROD), "1");
}

#[tokio::test]
async fn a_list_that_is_not_what_its_name_says_is_not_taken() {
    let good = ["u1\nu2\n"];
    // What is there, and how many keys are named.
    let cases: [(&str, &[&str], u64); 8] = [
        ("missing", &[], 2),
        ("another", &["u1\nu3\n"], 2),
        ("cut off", &["u1\n"], 2),
        ("longer", &["u1\nu2\n", "u3\n"], 2),
        ("an empty piece", &["u1\n", "", "u2\n"], 2),
        ("one key fewer than named", &good, 3),
        ("one key more than named", &good, 1),
        ("far fewer keys than named", &good, 1_000_000),
    ];
    for (case, pieces, count) in cases {
        let mut synced = Synced::new().await;
        let list = synced.source.put_list(&good);
        synced.source.replace_list(digest(&list), pieces);
        let named = json!({"sha256": digest(&list), "count": count});
        synced.source.change_segment(PROD, "beta", included(&named));
        synced.source.change(PROD, "b", flag());
        synced.source.put("dev", "9f", 7, flags());
        synced.sync().await;
        assert_eq!(revision(&synced.hub, PROD), 42, "{case}: everything else goes on");
        assert_eq!(revision(&synced.hub, "dev"), 7, "{case}: and elsewhere too");
        let installed = synced.hub.read(&environment(PROD)).unwrap();
        assert!(installed.ruleset().flag("b").is_some(), "{case}");
        assert_eq!((installed.is_behind(), &*holds_for(&synced.hub, PROD)), (true, ""), "{case}");
        assert!(problem(&synced.hub, PROD).contains(digest(&list)), "{case}: {}", problem(&synced.hub, PROD));

        synced.source.put_list(&good);
        synced.source.change_segment(PROD, "beta", included(&list));
        synced.sync().await;
        assert_eq!((revision(&synced.hub, PROD), &*holds_for(&synced.hub, PROD)), (43, "12"), "{case}");
    }
}

#[tokio::test]
async fn lines_that_are_no_keys_in_order_are_not_taken() {
    for bytes in ["u2\nu1\n", "u1\nu1\n", "u1\n\n", "u\t1\nu2\n", "u1\nu2"] {
        let mut synced = Synced::new().await;
        let list = synced.source.put_list(&[bytes]);
        synced.source.change_segment(PROD, "beta", included(&list));
        synced.sync().await;
        assert_eq!((revision(&synced.hub, PROD), is_behind(&synced.hub, PROD)), (41, true), "{bytes:?}");
    }
}

#[tokio::test]
async fn one_list_that_fails_holds_up_no_other() {
    let mut synced = Synced::new().await;
    let (lost, there) = (synced.source.put_list(&["u1\n"]), synced.source.put_list(&["u2\n"]));
    synced.source.remove_list(digest(&lost));
    synced.source.put("dev", "9f", 7, flags());
    synced.source.change_segment("dev", "beta", included(&lost));
    synced.source.change_segment(PROD, "beta", json!({"included": there, "excluded": lost}));
    synced.source.put("stage", "9f", 7, flags());
    synced.source.change_segment("stage", "beta", included(&there));
    synced.sync().await;
    assert_eq!((&*holds_for(&synced.hub, "dev"), &*holds_for(&synced.hub, PROD)), ("", ""));
    assert_eq!((revision(&synced.hub, PROD), &*holds_for(&synced.hub, "stage")), (41, "2"));
    synced.source.put_list(&["u1\n"]);
    synced.source.take_asked();
    synced.sync().await;
    assert!(["dev", "stage", PROD].iter().all(|id| !is_behind(&synced.hub, id)));
    assert_eq!((&*holds_for(&synced.hub, "dev"), &*holds_for(&synced.hub, PROD)), ("1", "2"));
    assert_eq!(
        synced.source.take_asked().len(),
        2,
        "the one that came before is held while another is awaited"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_that_comes_late_is_found_at_the_next_poll() {
    let following = Following::start().await;
    let list = following.source.put_list(&["u1\n"]);
    following.source.remove_list(digest(&list));
    let named = following.source.change_segment(PROD, "beta", included(&list));
    following.source.ring();
    sleep(Duration::from_secs(5)).await;
    assert_eq!((revision(&following.hub, PROD), is_behind(&following.hub, PROD)), (named, true));
    let tries = following.source.take_asked().len();
    assert!((2..=4).contains(&tries), "tried {tries} times in 5 s: at the bell and at each poll");
    following.source.put_list(&["u1\n"]);
    let put = tokio::time::Instant::now();
    following.until(|hub| !is_behind(hub, PROD)).await;
    assert!(put.elapsed() <= Duration::from_secs(2), "{:?}", put.elapsed());
}

#[tokio::test(start_paused = true)]
async fn while_a_list_is_fetched_everything_else_goes_on() {
    let following = Following::start().await;
    following.source.put("dev", "9f", 7, flags());
    following.source.change(PROD, "a", flags()["a"].clone());
    following.source.change_segment(PROD, "beta", included(&json!(["u6"])));
    following.source.ring();
    sleep(Duration::from_millis(10)).await;
    following.source.give_pieces(1);
    let list = following.source.put_list(&["u1\n", "u2\n"]);
    let named = following.source.change_segment(PROD, "beta", included(&list));
    following.source.ring();
    sleep(Duration::from_secs(10)).await;
    let elsewhere = following.source.change("dev", "b", flag());
    let toggled = following.source.change(PROD, "b", with(flag(), json!({"enabled": false})));
    following.source.ring();
    sleep(Duration::from_millis(10)).await;
    assert_eq!((revision(&following.hub, "dev"), revision(&following.hub, PROD)), (elsewhere, toggled));
    let installed = following.hub.read(&environment(PROD)).unwrap();
    assert_eq!(installed.ruleset().evaluate("b", &Context::default()).variant(), Some("off"));
    assert_eq!((installed.is_behind(), &*holds_for(&following.hub, PROD)), (true, "6"), "as it was before");
    assert!(!installed.has_taken_in(named) && installed.has_taken_in(toggled));
    following.source.give_pieces(1_000);
    following.until(|hub| !is_behind(hub, PROD)).await;
    assert_eq!((revision(&following.hub, PROD), &*holds_for(&following.hub, PROD)), (toggled, "12"));
    let asked = following.source.take_asked();
    assert_eq!(asked.iter().filter(|(_, position)| *position == 0).count(), 1, "begun once: {asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_no_longer_named_is_let_go() {
    let following = Following::start().await;
    following.source.give_pieces(0);
    let (first, second) = (following.source.put_list(&["u1\n"]), following.source.put_list(&["u2\n"]));
    following.source.change_segment(PROD, "beta", included(&first));
    following.source.ring();
    sleep(Duration::from_millis(10)).await;
    following.source.change_segment(PROD, "beta", included(&second));
    following.source.ring();
    sleep(Duration::from_millis(10)).await;
    following.source.give_pieces(1_000);
    following.until(|hub| !is_behind(hub, PROD)).await;
    let asked = following.source.take_asked();
    let asked: Vec<_> = asked.iter().map(|(sha256, position)| (sha256.as_str(), *position)).collect();
    assert_eq!(asked, [(digest(&first), 0), (digest(&second), 0), (digest(&second), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_within_a_list_is_given_up_on() {
    let following = Following::start().await;
    following.source.give_pieces(1);
    let list = following.source.put_list(&["u1\n", "u2\n"]);
    following.source.change_segment(PROD, "beta", included(&list));
    following.source.ring();
    // The second piece never comes; the list is begun anew.
    sleep(Duration::from_secs(35)).await;
    assert!(is_behind(&following.hub, PROD));
    following.source.give_pieces(1_000);
    following.until(|hub| !is_behind(hub, PROD)).await;
}

const LISTS: &str = "/sdk/v1/segments";

async fn get(app: &App, sha256: &str, key: &str, known: &str) -> Answer {
    let headers = [("x-sdk-key", key), ("if-none-match", known)];
    Answer::of(app.send("GET", &format!("{LISTS}/{sha256}"), &headers, "").await).await
}

/// An app whose environment `prod` names a list.
async fn with_list(pieces: &[&str]) -> (App, String) {
    let mut app = App::new(flags()).await;
    let list = app.source.put_list(pieces);
    app.source.change_segment(PROD, "beta", included(&list));
    app.sync().await;
    (app, digest(&list).to_owned())
}

#[tokio::test]
async fn a_server_key_reads_a_list() {
    let (app, sha256) = with_list(&["u1\nu", "2\n", "ü\n"]).await;
    let answer = get(&app, &sha256, SERVER_KEY, "").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "u1\nu2\nü\n".as_bytes()));
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "private, max-age=31536000, immutable");
    assert_eq!(answer.header("etag"), format!("\"{sha256}\""));
    app.source.take_asked();
    for known in [format!("\"{sha256}\""), "*".to_owned()] {
        let answer = get(&app, &sha256, SERVER_KEY, &known).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{known}");
    }
    assert_eq!(app.source.take_asked(), [], "nothing is read for who has it");
}

#[tokio::test]
async fn a_list_is_for_server_keys_whose_environment_names_it() {
    let (mut app, sha256) = with_list(&["u1\n"]).await;
    get(&app, &sha256, CLIENT_KEY, "").await.assert_problem(403, "client_key");
    get(&app, &sha256, "unknown", "").await.assert_problem(401, "unknown_key");
    get(&app, &sha256, "", "").await.assert_problem(401, "missing_key");
    let unnamed = app.source.put_list(&["u2\n"]);
    let shouted = sha256.to_uppercase();
    for unknown in [digest(&unnamed), &shouted, "x", "%ff", "%2e%2e", "0"] {
        get(&app, unknown, SERVER_KEY, "").await.assert_problem(404, "key_list_not_found");
    }
    app.source.put("dev", "9f", 7, flags());
    app.gate.add("dev-key", "dev", KeyKind::Server);
    get(&app, &sha256, "dev-key", "").await.assert_problem(503, "not_ready");
    app.sync().await;
    get(&app, &sha256, "dev-key", "").await.assert_problem(404, "key_list_not_found");
    let posted = app.send("POST", &format!("{LISTS}/{sha256}"), &[], "").await;
    Answer::of(posted).await.assert_problem(405, "method_not_allowed");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_said_so() {
    let (app, sha256) = with_list(&["u1\n"]).await;
    app.source.fail(true);
    let answer = get(&app, &sha256, SERVER_KEY, "").await;
    answer.assert_problem(503, "key_list_unavailable");
    assert_eq!(answer.header("retry-after"), "2");
    app.source.fail(false);
    app.source.remove_list(&sha256);
    get(&app, &sha256, SERVER_KEY, "").await.assert_problem(503, "key_list_unavailable");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_off_does_not_look_whole() {
    let (app, sha256) = with_list(&["u1\n", "u2\n"]).await;
    app.source.give_pieces(1);
    let headers = [("x-sdk-key", SERVER_KEY)];
    let answer = app.send("GET", &format!("{LISTS}/{sha256}"), &headers, "").await;
    let mut body = answer.into_body().into_data_stream();
    assert_eq!(&*body.next().await.unwrap().unwrap(), b"u1\n");
    assert!(timeout(SOON, body.next()).await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn so_many_lists_are_sent_at_a_time() {
    let (app, sha256) = with_list(&["u1\n", "u2\n"]).await;
    let headers = [("x-sdk-key", SERVER_KEY)];
    let path = format!("{LISTS}/{sha256}");
    let mut open = Vec::new();
    while open.len() < 64 {
        let answer = app.send("GET", &path, &headers, "").await;
        assert_eq!(answer.status(), 200);
        open.push(answer);
    }
    let answer = get(&app, &sha256, SERVER_KEY, "").await;
    answer.assert_problem(503, "too_many_key_lists");
    assert_eq!(answer.header("retry-after"), "1");
    open.pop();
    assert_eq!(get(&app, &sha256, SERVER_KEY, "").await.status, 200, "room is given back");
}
