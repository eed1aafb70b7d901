//! What is evaluated while segments wait: shapes that were never together, and what is said of them.

use crate::behind::{assert_whole, lost_list};
use crate::key_lists::{Synced, digest, flags, holds_for, included, problem};
use crate::support::{PROD, environment, flag, with};
use burgee_delivery::Hub;
use engine::Context;
use serde_json::{Value, json};

/// Names another segment.
fn names(segment: &str) -> Value {
    json!({"when": {"segment": segment}})
}

#[tokio::test]
async fn old_and_new_shapes_close_no_circle() {
    for is_fetched_anew in [false, true] {
        let mut synced = Synced::new().await;
        synced.source.change_segment(PROD, "other", included(&json!(["u1"])));
        synced.source.change_segment(PROD, "beta", names("other"));
        synced.source.change_segment(PROD, "third", names("other"));
        synced.sync().await;
        assert_eq!(holds_for(&synced.hub, PROD), "1");
        // `beta` waits, and names `other` until then: which would name it in turn, and through a third.
        let list = lost_list(&synced.source, &["u2\n"]);
        if is_fetched_anew {
            synced.source.put(PROD, "a0", 3, flags());
        }
        synced.source.change_segment(PROD, "beta", included(&list));
        synced.source.change_segment(PROD, "far", names("beta"));
        synced.source.change_segment(
            PROD,
            "third",
            json!({"included": ["u3"], "when": {"segment": "other"}}),
        );
        synced.source.change_segment(PROD, "other", names("far"));
        synced.sync().await;
        assert_eq!((problem(&synced.hub, PROD), &*holds_for(&synced.hub, PROD)), (String::new(), "1"));
        let third = waiting(&synced.hub, "third");
        assert_eq!(
            (third, waiting(&synced.hub, "other").len()),
            (vec![], 1),
            "who could be asked does not wait"
        );
        synced.source.put_list(&["u2\n"]);
        synced.sync().await;
        assert_eq!(holds_for(&synced.hub, PROD), "2");
        assert_whole(&synced.hub, &synced.source, PROD, &[(&list, &["u2\n"])]);
    }
}

#[tokio::test]
async fn old_and_new_shapes_go_over_no_bound() {
    let mut synced = Synced::new().await;
    // `beta` → 2 → … → 8 is as deep as may be.
    for number in 2..8 {
        synced.source.change_segment(PROD, &number.to_string(), names(&(number + 1).to_string()));
    }
    synced.source.change_segment(PROD, "8", included(&json!(["u1"])));
    synced.source.change_segment(PROD, "beta", names("2"));
    synced.source.change_segment(PROD, "low", included(&json!(["u1"])));
    synced.source.change_segment(PROD, "high", names("low"));
    let rule = json!({"id": "high", "when": {"segment": "high"}, "serve": {"variant": "on"}});
    synced.source.change(PROD, "b", with(flag(), json!({"rules": [rule], "default": {"variant": "off"}})));
    synced.sync().await;
    let list = lost_list(&synced.source, &["u2\n"]);
    synced.source.change_segment(PROD, "2", included(&list));
    // Two levels in what is written, eight over the old shape of 2; `high`, which nobody touched, would have nine.
    synced.source.change_segment(PROD, "low", names("2"));
    synced.sync().await;
    let installed = synced.hub.read(&environment(PROD)).unwrap();
    let on_for =
        |key: &str| installed.ruleset().evaluate("b", &Context::for_key(key)).variant() == Some("on");
    assert_eq!((problem(&synced.hub, PROD), on_for("u1"), on_for("u2")), (String::new(), true, false));
    synced.source.put_list(&["u2\n"]);
    synced.sync().await;
    assert_whole(&synced.hub, &synced.source, PROD, &[(&list, &["u2\n"])]);
}

#[tokio::test]
async fn a_flag_that_nobody_touched_keeps_within_its_bounds() {
    let mut synced = Synced::new().await;
    let any = |from: usize, to: usize| {
        let named: Vec<_> = (from..to).map(|number| json!({"segment": number.to_string()})).collect();
        json!({"when": {"any": named}})
    };
    for number in 0..80 {
        synced.source.change_segment(PROD, &number.to_string(), included(&json!(["u1"])));
    }
    // `beta`, `low` and 40 others.
    synced.source.change_segment(PROD, "low", any(0, 40));
    synced.source.change_segment(PROD, "beta", names("low"));
    synced.sync().await;
    assert_eq!(holds_for(&synced.hub, PROD), "1");
    // As it is written there are as many, and with the old shape of `low` twice as many.
    let list = lost_list(&synced.source, &["u2\n"]);
    synced.source.change_segment(PROD, "low", included(&list));
    synced.source.change_segment(
        PROD,
        "beta",
        json!({"when": {"any": [{"segment": "low"}, any(40, 80)["when"]]}}),
    );
    synced.sync().await;
    assert_eq!((problem(&synced.hub, PROD), &*holds_for(&synced.hub, PROD)), (String::new(), "1"));
    synced.source.put_list(&["u2\n"]);
    synced.sync().await;
    assert_eq!(holds_for(&synced.hub, PROD), "12");
    assert_whole(&synced.hub, &synced.source, PROD, &[(&list, &["u2\n"])]);
}

/// What is said of a segment that is asked as it was.
fn waiting(hub: &Hub, segment: &str) -> Vec<String> {
    let installed = hub.read(&environment(PROD)).unwrap();
    installed.asked_as_before([segment]).map(|waiting| waiting.to_string()).collect()
}

#[tokio::test]
async fn who_is_asked_as_before_is_told_since_when_and_what_for() {
    let mut synced = Synced::new().await;
    synced.source.change_segment(PROD, "beta", included(&json!(["u1"])));
    synced.source.change_segment(PROD, "outer", included(&json!(["u1"])));
    synced.sync().await;
    assert!(waiting(&synced.hub, "beta").is_empty());
    let (one, other) = (lost_list(&synced.source, &["u2\n"]), lost_list(&synced.source, &["u3\n"]));
    synced.source.change_segment(PROD, "beta", included(&one));
    synced.source.change(PROD, "b", flag());
    synced.sync().await;
    let told = format!("is asked as it was at revision 42, until its key list {} is here", digest(&one));
    assert_eq!(waiting(&synced.hub, "beta"), [told]);
    synced.source.change_segment(PROD, "beta", json!({"included": one, "excluded": other}));
    synced.source.change_segment(PROD, "new", included(&one));
    synced.source.change_segment(PROD, "outer", names("new"));
    synced.sync().await;
    let (one, other) = (digest(&one), digest(&other));
    let told = format!("is asked as it was at revision 42, until its key lists {one} and {other} are here");
    assert_eq!(waiting(&synced.hub, "beta"), [told]);
    assert!(waiting(&synced.hub, "new").is_empty(), "it is not asked at all");
    assert!(
        waiting(&synced.hub, "outer")[0]
            .starts_with("is asked as it was at revision 44, until the key lists")
    );
    synced.source.put(PROD, "a0", 3, flags());
    synced.source.change_segment(PROD, "beta", included(&json!({"sha256": one, "count": 1})));
    synced.sync().await;
    let told = format!("is asked as it was before, until its key list {one} is here");
    assert_eq!(waiting(&synced.hub, "beta"), [told], "the revisions of another history say nothing");
}

#[tokio::test]
async fn a_writer_waits_for_their_own_lists_alone() {
    let mut synced = Synced::new().await;
    synced.source.change_segment(PROD, "beta", included(&json!(["u1"])));
    synced.source.change_segment(PROD, "other", included(&json!(["u1"])));
    synced.sync().await;
    let (first, second) = (lost_list(&synced.source, &["u2\n"]), lost_list(&synced.source, &["u3\n"]));
    let one = synced.source.change_segment(PROD, "beta", included(&first));
    synced.sync().await;
    let other = synced.source.change_segment(PROD, "other", included(&second));
    let toggled = synced.source.change(PROD, "b", flag());
    synced.sync().await;
    let taken_in = |hub: &Hub| {
        let installed = hub.read(&environment(PROD)).unwrap();
        [one - 1, one, other, toggled].map(|revision| installed.has_taken_in(revision))
    };
    // What came in one delta is not told apart.
    assert_eq!(taken_in(&synced.hub), [true, false, false, false]);
    synced.source.put_list(&["u3\n"]);
    synced.sync().await;
    assert_eq!(taken_in(&synced.hub), [true, false, true, true], "the other one's list has come");
    synced.source.put_list(&["u2\n"]);
    synced.sync().await;
    assert_eq!(taken_in(&synced.hub), [true; 4]);
}
