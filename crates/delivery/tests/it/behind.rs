//! Segments whose large key lists are not here yet: what is asked meanwhile, what is told, and how they catch up.

use std::sync::Arc;
use std::time::Duration;

use crate::key_lists::{Synced, digest, flags, holds_for, included, is_behind, problem, revision};
use crate::sdk::{Event, Reading};
use crate::support::{Answer, App, CLIENT_KEY, FakeSource, PROD, SEED, SERVER_KEY, environment, flag, with};
use burgee_delivery::{Follower, Hub, Installed};
use engine::{KeyList, KeyLists};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// A list that is named, and is not there until it is put.
pub(crate) fn lost_list(source: &FakeSource, pieces: &[&str]) -> Value {
    let list = source.put_list(pieces);
    source.remove_list(digest(&list));
    list
}

/// Checks that an environment is what compiling the source's snapshot afresh would make of it.
#[track_caller]
pub(crate) fn assert_whole(hub: &Hub, source: &FakeSource, id: &str, lists: &[(&Value, &[&str])]) {
    let installed = hub.read(&environment(id)).unwrap();
    let mut held = KeyLists::default();
    for (list, pieces) in lists {
        let keys = KeyList::read(pieces.concat().as_bytes(), SEED).unwrap();
        held.insert(digest(list).to_owned(), Arc::new(keys));
    }
    let fresh = Installed::new(&source.now(id), &held);
    assert!(!installed.is_behind() && !fresh.is_behind());
    assert_eq!(installed.ruleset(), fresh.ruleset());
    assert_eq!(installed.document(), source.now(id));
}

#[tokio::test]
async fn a_segment_keeps_what_it_had_until_its_list_is_here() {
    let mut synced = Synced::new().await;
    synced.source.change_segment(PROD, "beta", json!({"included": ["u1", "u2"], "excluded": ["u3"]}));
    synced.sync().await;
    let list = lost_list(&synced.source, &["u4\n", "u5\n"]);
    synced.source.change_segment(PROD, "beta", included(&list));
    synced.sync().await;
    assert_eq!((revision(&synced.hub, PROD), &*holds_for(&synced.hub, PROD)), (42, "12"));
    let installed = synced.hub.read(&environment(PROD)).unwrap();
    assert_eq!(installed.document(), synced.source.now(PROD), "what is passed on is the source's");

    // Changed once more while it waits: still what it had.
    let other = lost_list(&synced.source, &["u6\n"]);
    synced.source.change_segment(PROD, "beta", json!({"included": list, "excluded": other}));
    synced.source.change(PROD, "b", flag());
    synced.sync().await;
    assert_eq!((revision(&synced.hub, PROD), &*holds_for(&synced.hub, PROD)), (44, "12"));
    synced.source.put_list(&["u4\n", "u5\n"]);
    synced.sync().await;
    assert_eq!(holds_for(&synced.hub, PROD), "12", "one of two lists is half of its keys");
    synced.source.put_list(&["u6\n"]);
    synced.sync().await;
    assert_eq!((revision(&synced.hub, PROD), &*holds_for(&synced.hub, PROD)), (44, "45"));
    assert_whole(&synced.hub, &synced.source, PROD, &[(&list, &["u4\n", "u5\n"]), (&other, &["u6\n"])]);
}

#[tokio::test]
async fn a_segment_that_waits_can_be_mended() {
    let mut synced = Synced::new().await;
    synced.source.change_segment(PROD, "beta", included(&json!(["u1"])));
    synced.sync().await;
    for mended in [included(&json!(["u2"])), Value::Null] {
        let list = lost_list(&synced.source, &["u4\n"]);
        synced.source.change_segment(PROD, "beta", included(&list));
        synced.sync().await;
        assert!(is_behind(&synced.hub, PROD));
        synced.source.change_segment(PROD, "beta", mended);
        synced.sync().await;
        assert_whole(&synced.hub, &synced.source, PROD, &[]);
    }
}

#[tokio::test]
async fn what_a_waiting_segment_needs_waits_with_it() {
    let mut synced = Synced::new().await;
    let gold = json!({"attribute": "tier", "operator": "in", "list": "tiers"});
    synced.source.change_context_list(PROD, "tiers", json!(["gold"]));
    synced.source.change_segment(PROD, "staff", included(&json!(["u1"])));
    let old = json!({"any": [{"segment": "staff"}, gold]});
    synced.source.change_segment(PROD, "beta", json!({"when": old}));
    synced.source.change_segment(PROD, "outer", json!({"when": {"segment": "beta"}, "included": ["u2"]}));
    synced.source.change_segment(PROD, "other", included(&json!(["u5"])));
    let rule =
        |segment: &str| json!({"id": segment, "when": {"segment": segment}, "serve": {"variant": "on"}});
    let a = json!({"rules": [rule("beta"), rule("outer"), rule("other")], "default": {"variant": "off"}});
    synced.source.change(PROD, "a", with(flag(), a));
    synced.sync().await;
    assert_eq!(holds_for(&synced.hub, PROD), "125");

    // The old shape of `beta` still needs what is removed; `outer` would be lost with `new`, which never was here.
    let list = lost_list(&synced.source, &["u3\n"]);
    synced.source.change_segment(PROD, "beta", included(&list));
    synced.source.change_segment(PROD, "staff", Value::Null);
    synced.source.change_context_list(PROD, "tiers", Value::Null);
    synced.source.change_segment(PROD, "new", included(&list));
    synced.source.change_segment(PROD, "outer", json!({"when": {"segment": "new"}, "included": ["u4"]}));
    synced.source.change_segment(PROD, "other", included(&json!(["u6"])));
    synced.sync().await;
    assert_eq!(holds_for(&synced.hub, PROD), "126");
    let fault = format!("segment new: included: the list {} was not fetched", digest(&list));
    assert_eq!(problem(&synced.hub, PROD), fault, "and nothing else is wrong");
    let installed = synced.hub.read(&environment(PROD)).unwrap();
    assert_eq!(installed.document(), synced.source.now(PROD));

    synced.source.put_list(&["u3\n"]);
    synced.sync().await;
    assert_eq!(holds_for(&synced.hub, PROD), "346");
    assert_whole(&synced.hub, &synced.source, PROD, &[(&list, &["u3\n"])]);
}

#[tokio::test]
async fn a_snapshot_that_is_taken_over_waits_alike() {
    let mut synced = Synced::new().await;
    synced.source.change_segment(PROD, "beta", included(&json!(["u1"])));
    synced.source.change_segment(PROD, "gone", included(&json!(["u1"])));
    synced.sync().await;
    synced.source.put(PROD, "a0", 3, flags());
    let list = lost_list(&synced.source, &["u2\n"]);
    synced.source.change_segment(PROD, "beta", included(&list));
    synced.sync().await;
    let installed = synced.hub.read(&environment(PROD)).unwrap();
    assert_eq!((installed.position().epoch, installed.position().revision), ("a0", 4));
    assert_eq!((installed.is_behind(), &*holds_for(&synced.hub, PROD)), (true, "1"));
    assert_eq!(installed.document(), synced.source.now(PROD));
    // Nothing new is there to be fetched, and the list is asked for all the same.
    synced.source.put_list(&["u2\n"]);
    synced.sync().await;
    assert_whole(&synced.hub, &synced.source, PROD, &[(&list, &["u2\n"])]);
}

#[tokio::test]
async fn a_node_starts_without_a_list_that_cannot_be_had() {
    let (source, hub) = (FakeSource::new(flags()), Arc::new(Hub::new()));
    let (lost, there) = (lost_list(&source, &["u1\n"]), source.put_list(&["u2\n"]));
    source.change_segment(PROD, "beta", included(&lost));
    source.change_segment(PROD, "other", included(&there));
    let mut follower = Follower::new(hub.clone(), source.clone(), SEED);
    follower.load().await.unwrap();
    assert_eq!((revision(&hub, PROD), &*holds_for(&hub, PROD)), (42, ""));
    assert_eq!(
        problem(&hub, PROD),
        format!(
            "flag a: rules[0].when.segment: the segment \"beta\" is not understood: included: the list {} was not fetched",
            digest(&lost)
        )
    );
    assert!(hub.read(&environment(PROD)).unwrap().ruleset().knows_segment("other"), "it was waited for");
    source.put_list(&["u1\n"]);
    follower.sync_once().await.unwrap();
    assert_whole(&hub, &source, PROD, &[(&lost, &["u1\n"]), (&there, &["u2\n"])]);
}

#[tokio::test]
async fn a_source_that_fails_meanwhile_fails_the_first_load() {
    let (source, hub) = (FakeSource::new(flags()), Arc::new(Hub::new()));
    let list = source.put_list(&["u1\n"]);
    source.change_segment(PROD, "beta", included(&list));
    source.give_pieces(0);
    let mut follower = Follower::new(hub.clone(), source.clone(), SEED);
    let (loaded, ()) = tokio::join!(follower.load(), async {
        while source.take_asked().is_empty() {
            tokio::task::yield_now().await;
        }
        source.fail(true);
        source.give_pieces(1_000);
    });
    assert_eq!(loaded.unwrap_err().0.to_string(), "the store is down");
    assert!(hub.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_does_not_wait_for_ever_for_lists_that_come_slowly() {
    let (source, hub) = (FakeSource::new(flags()), Arc::new(Hub::new()));
    let list = source.put_list(&["u1\n", "u2\n"]);
    source.change_segment(PROD, "beta", included(&list));
    source.give_pieces(0);
    let mut follower = Follower::new(hub.clone(), source.clone(), SEED);
    let began = Instant::now();
    tokio::join!(async { follower.load().await.unwrap() }, async {
        // One piece just before patience with it is over: what is slow is not what has failed.
        sleep(Duration::from_secs(29)).await;
        source.give_pieces(1);
    });
    assert!((30..=32).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!((is_behind(&hub, PROD), &*holds_for(&hub, PROD)), (true, ""));
    source.give_pieces(1_000);
    follower.sync_once().await.unwrap();
    assert_eq!((is_behind(&hub, PROD), &*holds_for(&hub, PROD)), (false, "12"));
}

#[tokio::test]
async fn a_new_environment_is_not_served_before_its_lists_were_tried() {
    let synced = Synced::new().await;
    let following = {
        let list = synced.source.put_list(&["u1\n"]);
        synced.source.give_pieces(0);
        synced.source.put("dev", "9f", 7, flags());
        synced.source.change_segment("dev", "beta", included(&list));
        synced.follower.start(CancellationToken::new())
    };
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(synced.hub.read(&environment("dev")).is_none());
    }
    synced.source.give_pieces(1_000);
    while synced.hub.read(&environment("dev")).is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!((is_behind(&synced.hub, "dev"), &*holds_for(&synced.hub, "dev")), (false, "1"));
    following.abort();
}

async fn bulk_tag(app: &App) -> String {
    let headers = [("x-sdk-key", CLIENT_KEY)];
    let body = r#"{"context":{"targetingKey":"u1"}}"#;
    Answer::of(app.send("POST", "/ofrep/v1/evaluate/flags", &headers, body).await)
        .await
        .header("etag")
        .to_owned()
}

#[tokio::test]
async fn a_tag_tells_what_waits_from_what_came() {
    let mut app = App::new(flags()).await;
    let (one, other) = (lost_list(&app.source, &["u1\n"]), lost_list(&app.source, &["u2\n"]));
    app.source.change_segment(PROD, "beta", included(&one));
    app.source.change_segment(PROD, "other", included(&other));
    app.sync().await;
    let mut tags = vec![bulk_tag(&app).await];
    assert_eq!(bulk_tag(&app).await, tags[0]);
    for piece in ["u1\n", "u2\n"] {
        app.source.put_list(&[piece]);
        app.sync().await;
        let tag = bulk_tag(&app).await;
        assert!(!tags.contains(&tag), "{tag} {tags:?}");
        tags.push(tag);
    }
    // Another node that had something else to go on with answers otherwise at the same revision.
    let mut elsewhere = App::new(flags()).await;
    elsewhere.source.change_segment(PROD, "beta", included(&json!(["u1"])));
    elsewhere.sync().await;
    elsewhere.source.change_segment(PROD, "beta", included(&lost_list(&elsewhere.source, &["u1\n"])));
    elsewhere.sync().await;
    assert!(!tags.contains(&bulk_tag(&elsewhere).await));
}

#[tokio::test(start_paused = true)]
async fn who_follows_rules_is_told_them_at_once() {
    let mut app = App::new(flags()).await;
    let mut reading = Reading::open(&app, SERVER_KEY, Some("9f.40")).await;
    let list = lost_list(&app.source, &["u1\n"]);
    app.source.change_segment(PROD, "beta", included(&list));
    app.sync().await;
    let event = reading.event().await.unwrap();
    assert_eq!((&*event.id, &*event.name), ("9f.41", "delta"));
    assert_eq!(event.data["segments"]["beta"]["included"], list);
    let mut fresh = Reading::open(&app, SERVER_KEY, None).await;
    assert_eq!(fresh.event().await.unwrap().data, serde_json::to_value(app.source.now(PROD)).unwrap());

    app.source.put_list(&["u1\n"]);
    app.sync().await;
    reading.assert_quiet().await;
    fresh.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_answers_is_told_when_they_change_again() {
    let mut app = App::new(flags()).await;
    let whole = |revision: u64| Event {
        id: format!("9f.{revision}"),
        name: "message".to_owned(),
        data: json!({"type": "refetchEvaluation", "etag": format!("\"9f.{revision}\"")}),
    };
    let mut reading = Reading::open(&app, CLIENT_KEY, Some("9f.40")).await;
    let list = lost_list(&app.source, &["u1\n"]);
    app.source.change_segment(PROD, "beta", included(&list));
    app.sync().await;
    let event = reading.event().await.unwrap();
    let etag = event.data["etag"].as_str().unwrap();
    assert_eq!((&*event.id, etag.starts_with("\"9f.41+")), ("", true), "it has no place yet: {etag}");
    reading.assert_quiet().await;
    // Who was at this revision on a node that had the list gets back what it will not know from its id.
    let mut moved = Reading::open(&app, CLIENT_KEY, Some("9f.41")).await;
    assert_eq!(moved.event().await.unwrap().id, "");

    app.source.put_list(&["u1\n"]);
    app.sync().await;
    assert_eq!(reading.event().await.unwrap(), whole(41));
    assert_eq!(moved.event().await.unwrap(), whole(41));
    reading.assert_quiet().await;
    assert_eq!(Reading::open(&app, CLIENT_KEY, None).await.event().await.unwrap(), whole(41));
    Reading::open(&app, CLIENT_KEY, Some("9f.41")).await.assert_quiet().await;
}
