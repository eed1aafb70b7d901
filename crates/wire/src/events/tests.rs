use serde_json::json;

use super::*;

fn read(document: &Value) -> Result<Batch, Vec<String>> {
    let read = Batch::read(document.to_string().as_bytes());
    read.map_err(|violations| violations.into_iter().map(|violation| violation.path).collect())
}

fn batch(events: &Value) -> Batch {
    read(&json!({ "batch_id": "b", "sent_at": "2026-11-21T12:00:00Z", "events": events, "new": 1 })).unwrap()
}

fn count() -> Value {
    json!({"type": "count", "flag": "f", "variant": "on", "version": 7, "reason": "SPLIT", "n": 3,
        "from": "2026-11-21T12:00:00.5Z", "to": "2026-11-21T13:00:00+01:00", "color": "red"})
}

fn with(mut event: Value, member: &str, value: Value) -> Value {
    event[member] = value;
    event
}

#[test]
fn events_are_read_and_unknown_ones_counted() {
    let at = "2026-11-21T12:00:00Z";
    let batch = batch(&json!([
        with(count(), "to", json!("2026-11-21T12:00:01Z")),
        {"type": "hologram", "flag": 7},
        {"type": "exposure", "flag": "f", "variant": "on", "version": 7, "unit": "u1", "at": at},
        {"type": "metric", "name": "revenue", "value": 12.5, "unit": "u1", "flag": null, "at": at},
    ]));
    assert_eq!((batch.id.as_str(), batch.sent_at, batch.skipped), ("b", 1_795_262_400_000, 1));
    assert_eq!(batch.faults, Faults::default());
    assert_eq!(batch.events.iter().map(|sent| sent.place).collect::<Vec<_>>(), [0, 2, 3]);
    let Event::Count(count) = &batch.events[0].event else { panic!("{:?}", batch.events) };
    assert_eq!((count.n, count.from, count.to), (3, 1_795_262_400_500, 1_795_262_401_000));
    let Event::Metric(metric) = &batch.events[2].event else { panic!("{:?}", batch.events) };
    assert_eq!((metric.unit.as_deref(), metric.flag.as_deref()), (Some("u1"), None));
}

#[test]
fn what_is_wrong_with_an_event_costs_that_event() {
    let wrong = |event: Value| {
        let batch = batch(&json!([event, with(count(), "to", json!("2026-11-21T12:00:01Z"))]));
        assert_eq!((batch.faults.count, batch.events.len()), (1, 1), "{:?}", batch.faults);
        batch.faults.told.into_iter().map(|fault| fault.path).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(wrong(count()), "events[0].to", "before from");
    for (member, value) in [
        ("flag", json!("")),
        ("flag", json!("x".repeat(MOST_TEXT + 1))),
        ("variant", json!("a\0b")),
        ("version", json!(-1)),
        ("version", json!(1.5)),
        ("reason", json!(7)),
        ("n", json!(0)),
        ("n", json!(-1)),
        ("n", json!(1e300)),
        ("from", json!("yesterday")),
    ] {
        let event = with(with(count(), "to", json!("2026-11-21T12:00:01Z")), member, value.clone());
        assert_eq!(wrong(event), format!("events[0].{member}"), "{value}");
    }
    assert_eq!(wrong(json!("count")), "events[0]");
    assert_eq!(wrong(json!({"flag": "f"})), "events[0].type");
    assert_eq!(
        wrong(json!({"type": "metric", "value": "much"})),
        "events[0].name events[0].value events[0].at"
    );
}

#[test]
fn faults_are_told_up_to_a_bound_and_counted_beyond() {
    let batch = batch(&json!(vec![json!({"type": "exposure"}); 50]));
    assert_eq!((batch.faults.count, batch.faults.told.len()), (50, MOST_FAULTS));
}

#[test]
fn a_batch_that_is_wrong_is_refused_with_all_its_faults() {
    assert_eq!(
        read(&json!({"batch_id": "", "sent_at": 7, "events": {}})).unwrap_err(),
        ["batch_id", "sent_at", "events"]
    );
    assert_eq!(read(&json!({})).unwrap_err(), ["batch_id", "sent_at", "events"]);
    assert_eq!(read(&json!([])).unwrap_err(), [""]);
    let long = "ü".repeat(MOST_ID + 1);
    let (sent_at, events) = ("2026-11-21T12:00:00Z", json!([]));
    assert_eq!(
        read(&json!({"batch_id": long, "sent_at": sent_at, "events": events})).unwrap_err(),
        ["batch_id"]
    );
    let many = json!({"batch_id": "b", "sent_at": sent_at, "events": vec![0; MOST_EVENTS + 1]});
    assert_eq!(read(&many).unwrap_err(), ["events"]);
    assert!(Batch::read(b"{").is_err() && Batch::read(b"").is_err() && Batch::read(&[0xff]).is_err());
}

#[test]
fn reasons_of_others_are_unknown_and_great_numbers_stay() {
    let event = with(with(count(), "reason", json!("MAGIC")), "n", json!(i64::MAX));
    let batch = batch(&json!([with(event, "to", json!("2026-11-21T12:00:01Z"))]));
    let Event::Count(count) = &batch.events[0].event else { panic!("{:?}", batch.events) };
    assert_eq!((count.reason.as_str(), count.n), ("UNKNOWN", MOST_COUNT));
}
