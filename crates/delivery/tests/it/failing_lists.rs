//! Key lists that cannot be fetched: they are tried again, and hold up neither others nor the machine.

use std::slice;
use std::time::Duration;

use crate::follower::Following;
use crate::key_lists::{digest, included, is_behind};
use crate::support::{FakeSource, PROD, environment};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

/// Lets a piece through now and then.
async fn pieces_come_slowly(source: &FakeSource, pause: Duration) {
    loop {
        source.give_pieces(1);
        sleep(pause).await;
    }
}

/// How often each list was begun.
fn tries(source: &FakeSource, lists: &[Value]) -> Vec<usize> {
    let asked = source.take_asked();
    let begun =
        |list| asked.iter().filter(|(sha256, position)| sha256 == digest(list) && *position == 0).count();
    lists.iter().map(begun).collect()
}

#[tokio::test(start_paused = true)]
async fn lists_that_fail_slowly_keep_no_other_from_its_turn() {
    let following = Following::start().await;
    let mut lists: Vec<_> =
        (0..4).map(|number| following.source.put_list(&[&*format!("u{number}\n")])).collect();
    // Where lists are tried in the order of their names, the sound one is the last.
    lists.sort_by_key(|list| digest(list).to_owned());
    for (list, segment) in lists.iter().zip(["a", "b", "c", "sound"]) {
        if segment != "sound" {
            following.source.replace_list(digest(list), &["u7\n", "u8\n"]);
        }
        following.source.change_segment(PROD, segment, included(list));
    }
    following.source.ring();
    tokio::select! {
        // Longer than between two polls.
        () = pieces_come_slowly(&following.source, Duration::from_secs(3)) => {}
        () = following.until(|hub| hub.read(&environment(PROD)).unwrap().ruleset().knows_segment("sound")) => {}
    }
    assert_eq!(tries(&following.source, &lists), [1; 4], "each in turn");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_slowly_is_left_alone_for_a_while() {
    // It rests ten times as long as it takes, and a minute at most; the poll that finds it comes two seconds later.
    for (pause, tried, most) in [(3, 11..=13, 33), (20, 4..=6, 63)] {
        let following = Following::start().await;
        let list = following.source.put_list(&["u1\n"]);
        following.source.replace_list(digest(&list), &["u7\n", "u8\n"]);
        following.source.change_segment(PROD, "beta", included(&list));
        following.source.ring();
        let slowly = pieces_come_slowly(&following.source, Duration::from_secs(pause));
        assert!(timeout(Duration::from_secs(400), slowly).await.is_err());
        let times = tries(&following.source, slice::from_ref(&list))[0];
        assert!(tried.contains(&times), "{times} times in 400 s, {pause} s for each piece");
        following.source.put_list(&["u1\n"]);
        following.source.give_pieces(1_000);
        let put = Instant::now();
        following.until(|hub| !is_behind(hub, PROD)).await;
        assert!(put.elapsed() <= Duration::from_secs(most), "{:?}", put.elapsed());
    }
}
