use super::*;

fn event(kind: SecurityKind, subject: impl Into<String>, at: i64) -> SecurityEvent {
    let (known, actor, address, detail) = (false, None, None, String::new());
    let at = Timestamp::from_millis(at);
    SecurityEvent { at, kind, known, actor, address, subject: subject.into(), detail }
}

fn told(notes: &[SecurityNote]) -> Vec<(&str, u64)> {
    notes.iter().map(|note| (note.subject.as_str(), note.count)).collect()
}

#[test]
fn the_same_again_is_counted_and_told_once_a_minute() {
    let pending = Pending::default();
    let take = |at| pending.take(Timestamp::from_millis(at), false).notes;
    pending.note(event(SecurityKind::SignInFailed, "a", 0));
    pending.note(event(SecurityKind::SignInFailed, "a", 1));
    pending.note(event(SecurityKind::SignInFailed, "b", 2));
    assert_eq!(told(&take(1_000)), [("a", 2), ("b", 1)]);
    for at in 2_000..2_500 {
        pending.note(event(SecurityKind::SignInFailed, "a", at));
    }
    assert!(take(2_500).is_empty(), "told a moment ago");
    let later = take(61_000);
    assert_eq!(told(&later), [("a", 500)]);
    assert_eq!(
        (later[0].at, later[0].last_at),
        (Timestamp::from_millis(2_000), Timestamp::from_millis(2_499))
    );
    assert!(take(200_000).is_empty());
    pending.note(event(SecurityKind::SignInFailed, "a", 200_001));
    assert_eq!(told(&take(200_001)), [("a", 1)], "after a quiet minute it is new");
}

fn from(address: u32, subject: impl Into<String>) -> SecurityEvent {
    let address = Some(IpAddr::from(address.to_be_bytes()));
    SecurityEvent { address, ..event(SecurityKind::KeyRefused, subject, 0) }
}

#[test]
fn a_flood_of_strangers_is_bounded_counted_and_hides_nobody_who_is_known() {
    let pending = Pending::default();
    let flood = 50_000_u32;
    for number in 0..flood {
        pending.note(from(number % 100, number.to_string()));
    }
    pending.note(SecurityEvent { known: true, ..from(1, "bgc_0123…") });
    pending.note(event(SecurityKind::SignInFailed, "owner", 0));
    let notes = pending.take(Timestamp::from_millis(1_000), false).notes;
    assert!(told(&notes).contains(&("bgc_0123…", 1)) && told(&notes).contains(&("owner", 1)));
    let one_by_one = notes.iter().filter(|note| note.count == 1).count();
    assert_eq!((one_by_one, notes.len()), (1_002, 1_003));
    let rest = notes.iter().find(|note| note.count > 1).unwrap();
    assert_eq!((rest.kind.as_str(), rest.count), ("key_refused", u64::from(flood) - 1_000));
    assert_eq!(rest.detail, "more than are told one by one, from 100 addresses");
}

#[test]
fn one_address_or_account_takes_no_others_budget() {
    let pending = Pending::default();
    for number in 0..1_000 {
        pending.note(from(1, number.to_string()));
        pending.note(SecurityEvent { known: true, detail: number.to_string(), ..from(2, "bgc_0123…") });
    }
    pending.note(from(2, "another"));
    let notes = pending.take(Timestamp::from_millis(0), false).notes;
    assert!(told(&notes).contains(&("another", 1)));
    let rest: Vec<_> = notes.iter().filter(|note| note.count > 1).collect();
    assert!(
        rest.len() == 2
            && rest.iter().all(|note| note.count == 950 && note.detail.ends_with("from 1 address"))
    );
    assert!(
        rest.iter().any(|note| note.subject == "bgc_0123…") && rest.iter().all(|note| note.address.is_some())
    );
}

#[test]
fn what_goes_on_for_ever_is_written_no_oftener_than_its_budget() {
    let pending = Pending::default();
    let (mut rows, mut events) = (0, 0);
    for minute in 0..24 * 60 {
        let at = minute * QUIET;
        for subject in 0..20 {
            let SecurityEvent { kind, known, actor, address, subject, detail, .. } =
                from(1, subject.to_string());
            let at = Timestamp::from_millis(at);
            pending.note(SecurityEvent { at, kind, known, actor, address, subject, detail });
        }
        let notes = pending.take(Timestamp::from_millis(at + 1_000), false).notes;
        rows += notes.len();
        events += notes.iter().map(|note| note.count).sum::<u64>();
    }
    events += pending
        .take(Timestamp::from_millis(24 * 60 * QUIET), true)
        .notes
        .iter()
        .map(|note| note.count)
        .sum::<u64>();
    assert_eq!(events, 24 * 60 * 20, "all are counted");
    assert!(rows <= 50 + 2 * 24 * 60, "{rows}");
}

#[test]
fn tables_are_bounded() {
    let pending = Pending::default();
    for number in 0..100_000_u32 {
        let kind = SecurityKind::ALL[number as usize % 9];
        let known = number % 2 == 0;
        pending.note(SecurityEvent { kind, known, ..from(number, number.to_string()) });
    }
    let state = pending.state();
    assert!(
        state.groups.len() <= 2 * MOST_WAITING && state.rests.len() <= MOST_RESTS + SecurityKind::ALL.len()
    );
    assert_eq!(state.known, state.groups.keys().filter(|same| same.known).count());
}

#[test]
fn what_could_not_be_written_is_written_later_and_a_shutdown_takes_all() {
    let pending = Pending::default();
    pending.note(event(SecurityKind::SignedIn, "a", 0));
    let notes = pending.take(Timestamp::from_millis(0), false);
    pending.note(event(SecurityKind::SignedIn, "a", 5));
    pending.give_back(notes);
    let again = pending.take(Timestamp::from_millis(10), false).notes;
    assert_eq!(told(&again), [("a", 2)]);
    assert_eq!((again[0].at, again[0].last_at), (Timestamp::from_millis(0), Timestamp::from_millis(5)));
    pending.note(event(SecurityKind::SignedIn, "a", 20));
    assert_eq!(told(&pending.take(Timestamp::from_millis(30), true).notes), [("a", 1)]);
}

#[test]
fn what_could_not_be_written_stays_whose_it_is() {
    let pending = Pending::default();
    let now = Timestamp::from_millis(0);
    pending.note(SecurityEvent { known: true, ..from(1, "bgs_0123…") });
    pending.note(from(1, "bgs_4567…"));
    for _ in 0..2 {
        pending.give_back(pending.take(now, true));
        assert_eq!(pending.state().known, 1);
    }
    // The same again is counted with it, and is of the same.
    pending.note(SecurityEvent { known: true, ..from(1, "bgs_0123…") });
    pending.note(from(1, "bgs_4567…"));
    assert_eq!(told(&pending.take(now, true).notes).iter().map(|(_, count)| count).sum::<u64>(), 4);
    assert_eq!(pending.state().groups.len(), 2);
}

#[test]
fn texts_are_cut_at_their_bound_and_keep_no_nul() {
    let pending = Pending::default();
    pending.note(event(SecurityKind::SignInFailed, format!("\0{}", "ä".repeat(300)), 0));
    let notes = pending.take(Timestamp::from_millis(0), false).notes;
    assert_eq!(notes[0].subject, format!("\u{fffd}{}", "ä".repeat(126)));
}
