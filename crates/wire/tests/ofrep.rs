//! OFREP bodies, as published providers send and expect them.
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

use burgee_wire::ofrep::{
    Answer, BulkAnswer, FlagSet, MOST_CONTEXT, Told, Unreadable, failure, invalid_context, read_context,
};
use engine::{Context, Error, ErrorCode, Reason};
use serde_json::{Value, json};

const SHOP: FlagSet<'_> = FlagSet { project: "shop", environment: "prod" };

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

fn resolution<'r>(reason: Reason) -> Told<'r> {
    let (flag_version, revision) = (41, 43);
    Told { value: None, variant: None, reason, error: None, rule: None, sticky: None, flag_version, revision }
}

fn answer<'r>(key: &'r str, resolution: Told<'r>) -> Answer<'r> {
    Answer { key, flag_set: SHOP, resolution }
}

#[test]
fn bodies_that_providers_send_are_the_empty_context() {
    for body in ["", " \n", "{}", "{\"context\":{}}", "{\"context\":null}", " {\"other\": [1]} "] {
        assert_eq!(read_context(body.as_bytes()), Ok(Context::default()), "{body:?}");
    }
}

#[test]
fn a_context_is_taken_with_all_it_has() {
    let context =
        read_context(br#"{"context":{"targetingKey":"user-1","plan":{"name":"pro"}},"x":1}"#).unwrap();
    assert_eq!(context.targeting_key(), Some("user-1"));
    assert_eq!(
        context.attributes().find(|(name, _)| *name == "plan"),
        Some(("plan", &json!({"name": "pro"})))
    );
}

#[test]
fn a_lone_surrogate_is_the_replacement_character() {
    let context = read_context(br#"{"context":{"a":"x\ud800y","b":"\ud83d\ude00"}}"#).unwrap();
    assert!(context.attributes().eq([("a", &json!("x\u{FFFD}y")), ("b", &json!("\u{1F600}"))]));
}

#[test]
fn what_is_no_context_is_refused_with_a_word() {
    for body in [
        "{",
        "[]",
        "[{}]",
        "null",
        "7",
        "\"a\"",
        "{} {}",
        "{\"context\":[]}",
        "{\"context\":\"a\"}",
        "{\"context\":1}",
        "\u{feff}{}",
    ] {
        let Err(Unreadable::Invalid(details)) = read_context(body.as_bytes()) else {
            panic!("{body:?} was taken")
        };
        assert!(details.starts_with("the body must be {\"context\": {…}}"), "{details}");
    }
    assert!(matches!(read_context(b"{\"context\":{\"a\":\"\xff\"}}"), Err(Unreadable::Invalid(_))));
}

#[test]
fn a_context_is_measured_alone() {
    let of_size = |size: usize| {
        let around = r#"{"a":""}"#.len();
        format!(r#"{{"context":{{"a":"{}"}}}}"#, "x".repeat(size - around))
    };
    assert!(read_context(of_size(MOST_CONTEXT).as_bytes()).is_ok());
    assert_eq!(read_context(of_size(MOST_CONTEXT + 1).as_bytes()), Err(Unreadable::TooLarge));
    let beside = format!(r#"{{"context":{{"a":1}},"other":"{}"}}"#, "x".repeat(2 * MOST_CONTEXT));
    assert!(read_context(beside.as_bytes()).unwrap().attributes().eq([("a", &json!(1))]));
}

#[test]
fn a_match_has_everything_a_provider_looks_for() {
    let value = json!(true);
    let resolution = Told {
        value: Some(&value),
        variant: Some("enabled"),
        rule: Some("r1"),
        ..resolution(Reason::TargetingMatch)
    };
    let answer = answer("discount-banner", resolution);
    assert_eq!(answer.status(), 200);
    assert_eq!(
        parsed(&answer.to_json()),
        json!({"key": "discount-banner", "value": true, "reason": "TARGETING_MATCH", "variant": "enabled",
               "metadata": {"flagSetId": "shop/prod", "version": "41", "revision": 43, "ruleId": "r1"}})
    );
}

#[test]
fn without_a_value_the_member_is_missing_and_the_variant_empty() {
    for (reason, word) in
        [(Reason::Default, "DEFAULT"), (Reason::Disabled, "DISABLED"), (Reason::Split, "SPLIT")]
    {
        let answer = answer("a", resolution(reason));
        assert_eq!(answer.status(), 200);
        assert_eq!(
            parsed(&answer.to_json()),
            json!({"key": "a", "reason": word, "variant": "",
                   "metadata": {"flagSetId": "shop/prod", "version": "41", "revision": 43}})
        );
    }
}

#[test]
fn what_the_protocol_has_no_word_for_stands_in_the_metadata() {
    let failed = parsed(&answer("a", resolution(Reason::PrerequisiteFailed)).to_json());
    assert_eq!(failed["reason"], "DISABLED");
    assert_eq!(failed["metadata"]["reason"], "PREREQUISITE_FAILED");
    let plain = parsed(&answer("a", Told { sticky: Some(false), ..resolution(Reason::Split) }).to_json());
    assert_eq!(plain["metadata"]["sticky"], json!(false));
    assert_eq!(parsed(&answer("a", resolution(Reason::Split)).to_json())["metadata"].get("sticky"), None);
}

#[test]
fn a_number_keeps_its_literal() {
    for literal in ["10", "10.0", "-3", "0.5", "9007199254740991"] {
        let value: Value = serde_json::from_str(literal).unwrap();
        let resolution = Told { value: Some(&value), variant: Some("v"), ..resolution(Reason::Static) };
        let json = String::from_utf8(answer("n", resolution).to_json()).unwrap();
        assert!(json.contains(&format!("\"value\":{literal},")), "{json}");
    }
}

#[test]
fn errors_have_a_code_and_details_and_no_value() {
    for (code, word, status) in [
        (ErrorCode::ParseError, "PARSE_ERROR", 400),
        (ErrorCode::TargetingKeyMissing, "TARGETING_KEY_MISSING", 400),
        (ErrorCode::General, "GENERAL", 400),
        (ErrorCode::FlagNotFound, "FLAG_NOT_FOUND", 404),
    ] {
        let error = Some(Error { code, details: "what to do" });
        let answer = answer("x", Told { error, ..resolution(Reason::Error) });
        assert_eq!(answer.status(), status);
        assert_eq!(
            parsed(&answer.to_json()),
            json!({"key": "x", "reason": "ERROR", "variant": "", "errorCode": word, "errorDetails": "what to do",
                   "metadata": {"flagSetId": "shop/prod", "version": "41", "revision": 43}})
        );
    }
}

#[test]
fn a_flag_that_is_not_there_has_no_version() {
    let answer = Answer::not_found("x", SHOP, 43);
    assert_eq!(answer.status(), 404);
    let answer = parsed(&answer.to_json());
    assert_eq!(answer["errorCode"], "FLAG_NOT_FOUND");
    assert_eq!(answer["metadata"], json!({"flagSetId": "shop/prod", "revision": 43}));
}

#[test]
fn a_bulk_answer_holds_successes_and_errors_side_by_side() {
    let value = json!(["a", {"b": null}]);
    let success = Told { value: Some(&value), variant: Some("on"), ..resolution(Reason::Static) };
    let error = Some(Error { code: ErrorCode::ParseError, details: "unknown kind" });
    let failed = Told { error, ..resolution(Reason::Error) };
    let mut bulk = BulkAnswer::with_capacity(2);
    bulk.push(&answer("a", success));
    bulk.push(&answer("b", failed));
    let metadata = json!({"flagSetId": "shop/prod", "version": "41"});
    assert_eq!(
        parsed(&bulk.finish(SHOP, 43, "/sdk/v1/stream?key=k")),
        json!({"flags": [
                   {"key": "a", "value": ["a", {"b": null}], "reason": "STATIC", "variant": "on", "metadata": metadata},
                   {"key": "b", "reason": "ERROR", "variant": "", "errorCode": "PARSE_ERROR",
                    "errorDetails": "unknown kind", "metadata": metadata}],
               "metadata": {"flagSetId": "shop/prod", "version": "43", "revision": 43},
               "eventStreams": [{"type": "sse", "endpoint": {"requestUri": "/sdk/v1/stream?key=k"},
                                 "inactivityDelaySec": 120}]})
    );
    assert_eq!(parsed(&BulkAnswer::with_capacity(0).finish(SHOP, 0, "/"))["flags"], json!([]));
}

#[test]
fn failures_carry_what_their_status_asks_for() {
    assert_eq!(
        parsed(&invalid_context(Some("a/b"), "no")),
        json!({"key": "a/b", "reason": "ERROR", "variant": "", "errorCode": "INVALID_CONTEXT", "errorDetails": "no",
               "metadata": {}})
    );
    assert_eq!(
        parsed(&invalid_context(None, "no")),
        json!({"errorCode": "INVALID_CONTEXT", "errorDetails": "no", "metadata": {}})
    );
    assert_eq!(parsed(&failure("too large")), json!({"errorDetails": "too large"}));
}
