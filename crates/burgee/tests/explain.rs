//! Asking flags to understand them: `/api/v1/evaluate/explain` and `/api/v1/evaluate/simulate`.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const EXPLAIN: &str = "/api/v1/evaluate/explain";
const SIMULATE: &str = "/api/v1/evaluate/simulate";

/// A house with a flag for Germany, a quarter of the others, and nobody of the segment `staff`.
async fn house() -> Result<House> {
    let house = House::open(PROGRAM).await?;
    let staff = json!({ "key": "staff", "included": ["ann"] });
    house.burgee.post("/api/v1/segments", Some(&house.developer), &staff).await?;
    house
        .create(json!({
            "key": "new-checkout", "enabled": true, "rollout_percentage": 25,
            "rules": [
                { "id": "staff", "when": { "segment": "staff" }, "serve": { "variant": "off" } },
                { "id": "germany", "attribute": "country", "operator": "in", "value": "DE", "variant": true },
            ],
        }))
        .await?;
    Ok(house)
}

/// The paths of what is wrong.
fn paths(problem: &Value) -> Vec<&str> {
    let violations = problem["violations"].as_array().into_iter().flatten();
    violations.filter_map(|violation| violation["path"].as_str()).collect()
}

async fn ask(house: &House, path: &str, body: &Value) -> Result<(u16, Value)> {
    // Who may read flags may ask.
    house.burgee.ask("POST", path, Some(&house.user), Some(body)).await
}

async fn simulate(house: &House, body: Value) -> Result<Value> {
    let (status, answer) = ask(house, SIMULATE, &body).await?;
    ensure!(status == 200, "{status} {answer}");
    Ok(answer)
}

/// What the application's door gives.
async fn ofrep(house: &House, flag: &str, context: &Value) -> Result<Value> {
    let url = format!("{}/ofrep/v1/evaluate/flags/{flag}", house.burgee.url);
    let request = house.burgee.http.post(url).header("X-API-Key", &house.burgee.banner.server_key);
    Ok(request.json(&json!({ "context": context })).send().await?.json().await?)
}

#[tokio::test]
async fn an_explanation_is_of_what_applications_are_answered() -> Result<()> {
    let house = house().await?;
    for context in [
        json!({ "targetingKey": "ann", "country": "DE" }),
        json!({ "targetingKey": "bob", "country": "de" }),
        json!({ "targetingKey": "bob" }),
        json!({}),
        Value::Null,
    ] {
        let (status, told) =
            ask(&house, EXPLAIN, &json!({ "flag": "new-checkout", "context": context })).await?;
        let answer = ofrep(&house, "new-checkout", &context).await?;
        assert_eq!(status, 200, "{told}");
        assert_eq!(told.get("value"), answer.get("value"), "{told}");
        assert_eq!((&told["reason"], &told["error"]), (&answer["reason"], &answer["errorCode"]), "{told}");
        assert_eq!(told["rule"], answer["metadata"]["ruleId"], "{told}");
        assert_eq!(told["revision"], answer["metadata"]["revision"], "{told}");
        assert_eq!(told["environment"], "development");
        let text = told["text"].as_str().context("no text")?;
        assert!(text.starts_with("new-checkout ") && text.contains("\n  It is enabled.\n"), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn an_explanation_is_for_machines_and_for_people() -> Result<()> {
    let house = house().await?;
    let body = json!({ "flag": "new-checkout", "context": { "targetingKey": "bob", "country": "fr" } });
    let (_, told) = ask(&house, EXPLAIN, &body).await?;
    let rule = &told["steps"][2];
    assert_eq!(
        (&rule["step"], &rule["id"], &rule["holds"]),
        (&json!("rule"), &json!("germany"), &json!(false))
    );
    let expected = json!([{
        "path": "rules[1].when", "holds": false, "attribute": "country", "operator": "in", "values": ["DE"],
        "ignore_case": true, "actual": "fr",
    }]);
    assert_eq!(rule["tests"], expected);
    let split = &told["steps"][3]["split"];
    assert_eq!(split["shares"][0], json!({ "variant": "on", "from": 0, "to": 25_000 }));
    assert_eq!((&split["key"], &split["salt"]), (&json!("bob"), &json!("new-checkout")));

    let request = house.burgee.http.post(format!("{}{EXPLAIN}", house.burgee.url)).bearer_auth(&house.user);
    let answer = request.json(&body).header("Accept", "text/plain").send().await?;
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.text().await?, told["text"].as_str().context("no text")?);
    Ok(())
}

#[tokio::test]
async fn earlier_assignments_count_for_sticky_splits() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let split = json!([{ "variant": "on", "weight": 1 }, { "variant": "off", "weight": 99_999 }]);
    house
        .create(json!({ "key": "f", "enabled": true, "default": { "split": split, "sticky": true } }))
        .await?;
    let given = json!({ "flag": "f", "context": { "targetingKey": "bob" }, "assignments": { "f": "on" } });
    let (_, told) = ask(&house, EXPLAIN, &given).await?;
    assert_eq!((&told["value"], &told["steps"][1]["split"]["assigned"]), (&json!(true), &json!(true)));
    let plain = json!({ "flag": "f", "context": { "targetingKey": "bob" } });
    assert_eq!(ask(&house, EXPLAIN, &plain).await?.1["value"], false);
    Ok(())
}

#[tokio::test]
async fn each_environment_explains_its_own_rules() -> Result<()> {
    let house = house().await?;
    let body =
        json!({ "flag": "new-checkout", "environment": "production", "context": { "targetingKey": "ann" } });
    let (status, told) = ask(&house, EXPLAIN, &body).await?;
    assert_eq!(
        (status, &told["reason"], &told["environment"]),
        (200, &json!("DISABLED"), &json!("production"))
    );
    let in_query = format!("{EXPLAIN}?environment=production");
    let body = json!({ "flag": "new-checkout" });
    assert_eq!(ask(&house, &in_query, &body).await?.1["reason"], "DISABLED");
    let both = json!({ "flag": "new-checkout", "environment": "development" });
    let (status, problem) = ask(&house, &in_query, &both).await?;
    assert_eq!((status, paths(&problem)), (400, vec!["environment"]));
    Ok(())
}

#[tokio::test]
async fn who_may_not_read_flags_is_told_nothing_of_them() -> Result<()> {
    let house = house().await?;
    let body = json!({ "flag": "new-checkout" });
    let keys = &house.burgee.banner;
    for path in [EXPLAIN, SIMULATE] {
        for token in [None, Some(&keys.client_key), Some(&keys.server_key)] {
            let (status, problem) =
                house.burgee.ask("POST", path, token.map(String::as_str), Some(&body)).await?;
            assert_eq!(status, 401, "{path} {problem}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn questions_are_refused_with_all_that_is_wrong() -> Result<()> {
    let house = house().await?;
    let long = json!({ "name": "x".repeat(65_536) });
    let (status, problem) = ask(
        &house,
        EXPLAIN,
        &json!({ "flag": 7, "environment": "", "context": long, "assignments": { "f": 1 }, "user": "ann" }),
    )
    .await?;
    assert_eq!(status, 400);
    assert_eq!(paths(&problem), ["flag", "environment", "context", "assignments.f", "user"]);

    let (status, problem) = ask(
        &house,
        SIMULATE,
        &json!({
            "contexts": [{}, 1, null, long], "change": {},
            "population": { "count": 100_001, "targeting_key": "user", "attributes": { "plan": { "gold": -1 } } },
        }),
    )
    .await?;
    assert_eq!(status, 400);
    let expected = [
        "flag",
        "contexts[1]",
        "contexts[3]",
        "population.count",
        "population.targeting_key",
        "population.attributes.plan.gold",
        "",
    ];
    assert_eq!(paths(&problem), expected);

    for (path, more) in [(EXPLAIN, json!({})), (SIMULATE, json!({ "contexts": [] }))] {
        let with = |member: &str, value: &str| {
            let mut body = more.clone();
            body["flag"] = "new-checkout".into();
            body[member] = value.into();
            body
        };
        let (status, problem) = ask(&house, path, &with("flag", "nothing")).await?;
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
        let (status, problem) = ask(&house, path, &with("environment", "nowhere")).await?;
        assert_eq!((status, &problem["code"]), (404, &json!("no_such_environment")));
    }
    Ok(())
}

#[tokio::test]
async fn a_simulation_counts_what_each_context_is_given() -> Result<()> {
    let house = house().await?;
    let mut contexts: Vec<_> = (0..60).map(|n| json!({ "targetingKey": format!("user-{n}") })).collect();
    contexts.extend([
        json!({}),
        json!({ "country": "DE" }),
        json!({ "targetingKey": "ann", "country": "DE" }),
    ]);
    let (mut on, mut errors) = (0, 0);
    for context in &contexts {
        let answer = ofrep(&house, "new-checkout", context).await?;
        on += u64::from(answer["value"] == true);
        errors += u64::from(answer["errorCode"] == "TARGETING_KEY_MISSING");
    }
    assert!(on > 1 && errors == 1);
    let told = simulate(&house, json!({ "flag": "new-checkout", "contexts": contexts })).await?;
    let counts: Vec<_> =
        told["before"].as_array().context("no shares")?.iter().map(|share| share["count"].as_u64()).collect();
    assert_eq!(counts, [Some(on), Some(63 - on - 1), Some(1)], "{told}");
    assert_eq!(told["before"][2]["error"], "TARGETING_KEY_MISSING");
    assert_eq!(told["contexts"], 63);
    assert!(told.get("after").is_none() && told.get("changed").is_none());
    Ok(())
}

#[tokio::test]
async fn a_proposed_change_is_what_the_change_turns_out_to_be() -> Result<()> {
    let house = house().await?;
    let (head, before) = (house.head().await?, house.get("/api/v1/flags/new-checkout").await?);
    let population = json!({ "count": 5_000, "attributes": { "country": { "DE": 1, "FR": 3 } } });
    let change = json!({ "rollout_percentage": 50 });
    let question = json!({ "flag": "new-checkout", "population": population, "change": change });
    let told = simulate(&house, question.clone()).await?;
    assert_eq!(told, simulate(&house, question).await?, "made up the same each time");
    assert_eq!(house.head().await?, head, "nothing is written");
    assert_eq!(house.get("/api/v1/flags/new-checkout").await?, before);

    let count = |shares: &Value| shares[0]["count"].as_u64().context("no count");
    let (was, would_be) = (count(&told["before"])?, count(&told["after"])?);
    // A quarter is in Germany, and of the others first a quarter and then a half.
    assert!(was.abs_diff(5_000 * 7 / 16) < 150 && would_be.abs_diff(5_000 * 10 / 16) < 150, "{told}");
    let moves = json!([{ "from": { "variant": "off" }, "to": { "variant": "on" }, "count": would_be - was }]);
    assert_eq!((&told["changed"]["moves"], &told["changed"]["count"]), (&moves, &json!(would_be - was)));
    let examples = told["changed"]["examples"].as_array().context("no examples")?;
    assert_eq!(examples.len(), 20);
    for example in examples {
        assert_eq!(ofrep(&house, "new-checkout", &example["context"]).await?["value"], false);
    }

    house.patch(&house.developer, "new-checkout", change).await?;
    for example in examples {
        assert_eq!(ofrep(&house, "new-checkout", &example["context"]).await?["value"], true);
    }
    let now = simulate(&house, json!({ "flag": "new-checkout", "population": population })).await?;
    assert_eq!(now["before"], told["after"]);
    Ok(())
}

#[tokio::test]
async fn a_change_that_could_not_be_saved_is_refused_as_then() -> Result<()> {
    let house = house().await?;
    let change = json!({
        "rules": [{ "when": { "segment": "nobody" }, "serve": { "variant": "purple" } }], "off_variant": 7, "colour": "red",
    });
    let (status, saving) = house.patch(&house.developer, "new-checkout", change.clone()).await?;
    assert_eq!((status, paths(&saving).len()), (400, 4), "{saving}");
    let question = json!({ "flag": "new-checkout", "contexts": [], "change": change });
    let (status, simulating) = ask(&house, SIMULATE, &question).await?;
    assert_eq!(status, 400);
    let below: Vec<_> = paths(&saving).into_iter().map(|path| format!("change.{path}")).collect();
    assert_eq!(paths(&simulating), below);

    let needs_on =
        json!({ "key": "next", "prerequisites": [{ "flag": "new-checkout", "variants": ["on"] }] });
    house.create(needs_on).await?;
    let renamed = json!({
        "variants": [{ "key": "yes", "value": true }, { "key": "off", "value": false }], "default": { "variant": "yes" }, "rules": [],
    });
    let (status, saving) = house.patch(&house.admin, "new-checkout", renamed.clone()).await?;
    let (simulated, simulating) =
        ask(&house, SIMULATE, &json!({ "flag": "new-checkout", "contexts": [], "change": renamed })).await?;
    assert_eq!((status, &saving["code"]), (409, &json!("variant_in_use")));
    assert_eq!((simulated, &simulating["detail"]), (409, &saving["detail"]));
    Ok(())
}

#[tokio::test]
async fn a_large_population_is_answered_in_time() -> Result<()> {
    let house = house().await?;
    let question = json!({
        "flag": "new-checkout", "population": { "count": 100_000, "targeting_key": "{n}" }, "change": { "enabled": false },
    });
    let told = simulate(&house, question).await?;
    assert_eq!((&told["contexts"], &told["after"][1]["percent"]), (&json!(100_000), &json!(100.0)));
    let share = told["before"][0]["percent"].as_f64().context("no share")?;
    assert!((share - 25.0).abs() < 0.6, "{share}");
    Ok(())
}

#[tokio::test]
async fn a_lone_surrogate_is_read_as_applications_have_it() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let when = json!({ "attribute": "name", "operator": "equals", "values": ["\u{fffd}"] });
    let rules = json!([{ "when": when, "serve": { "variant": "on" } }]);
    house
        .create(json!({ "key": "f", "enabled": true, "default": { "variant": "off" }, "rules": rules }))
        .await?;
    let ask = async |path: &str, body: &str| -> Result<(u16, Value)> {
        let request = house.burgee.http.post(format!("{}{path}", house.burgee.url)).bearer_auth(&house.user);
        let answer = request.body(body.to_owned()).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    };
    let (status, told) = ask(EXPLAIN, r#"{"flag": "f", "context": {"name": "\udc00"}}"#).await?;
    assert_eq!((status, &told["variant"]), (200, &json!("on")), "{told}");
    let (status, told) = ask(SIMULATE, r#"{"flag": "f", "contexts": [{"name": "\ud83d"}, {}]}"#).await?;
    assert_eq!((status, &told["before"][0]["count"]), (200, &json!(1)), "{told}");
    let (status, problem) = ask(EXPLAIN, r#"{"flag": "f", "context": {"name": "\ud83d"}"#).await?;
    assert_eq!((status, &problem["code"]), (400, &json!("malformed_json")));
    Ok(())
}
