//! Context fields through the program: described, completed, and used as lists.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::problem::violations;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const FIELDS: &str = "/api/v1/context-fields";

async fn house() -> Result<House> {
    House::open(PROGRAM).await
}

async fn ask(house: &House, token: &str, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
    house.ask(token, method, &format!("{FIELDS}{path}"), body).await
}

#[tokio::test]
async fn a_field_is_made_changed_and_removed() -> Result<()> {
    let house = house().await?;
    let developer = house.developer.clone();
    let document =
        json!({"key": "userTier", "description": "what they pay for", "values": ["free", "premium", "free"]});
    let (status, made) = ask(&house, &developer, "POST", "", document).await?;
    assert_eq!(status, 201, "{made}");
    assert_eq!((&made["type"], &made["values"]), (&json!("string"), &json!(["free", "premium"])));
    assert_eq!((&made["values_count"], &made["name"]), (&json!(2), &json!("userTier")));
    let served = async || house.burgee.get("/sdk/v1/snapshot", &house.burgee.banner.server_key).await;
    assert_eq!(served().await?["lists"]["userTier"], json!(["free", "premium"]));

    let (status, same) = ask(&house, &developer, "PUT", "/userTier", made.clone()).await?;
    assert_eq!((status, &same), (200, &made), "what GET answers can be sent back and changes nothing");
    let edit = json!({"add": ["gold", "free"], "remove": ["premium", "unknown"]});
    let (status, edited) = ask(&house, &developer, "POST", "/userTier/values", edit).await?;
    assert_eq!((status, &edited["values"]), (200, &json!(["free", "gold"])));
    assert_eq!(served().await?["lists"]["userTier"], json!(["free", "gold"]));
    let numbers = json!({"type": "number", "values": [1, 2.5]});
    let (status, numbered) = ask(&house, &developer, "PATCH", "/userTier", numbers).await?;
    assert_eq!((status, &numbered["values"]), (200, &json!([1, 2.5])));
    assert_eq!(numbered["description"], made["description"], "what is not named is kept");

    let (status, emptied) = ask(&house, &developer, "PATCH", "/userTier", json!({"values": null})).await?;
    assert_eq!((status, &emptied["values"]), (200, &json!([])), "null empties as [] does");

    assert_eq!(ask(&house, &developer, "DELETE", "/userTier", Value::Null).await?.0, 403);
    assert_eq!(ask(&house, &house.admin, "DELETE", "/userTier", Value::Null).await?.0, 204);
    assert_eq!(served().await?["lists"], json!({}));
    assert_eq!(ask(&house, &developer, "GET", "/userTier", Value::Null).await?.0, 404);
    let log = house.get("/api/v1/audit?limit=5").await?;
    let actions = [0, 1, 2, 3, 4].map(|index| log[index]["action"].clone());
    let expected = [
        "delete_context_field",
        "update_context_field",
        "update_context_field",
        "update_context_field_values",
        "create_context_field",
    ];
    assert_eq!(actions, expected);
    assert_eq!(log[3]["before"]["context_field"]["values"], json!(["free", "premium"]));
    Ok(())
}

#[tokio::test]
async fn a_field_has_a_name_and_each_number_once() -> Result<()> {
    let house = house().await?;
    let developer = house.developer.clone();
    ask(&house, &developer, "POST", "", json!({"key": "age", "type": "number", "values": [1, 2.5]})).await?;
    let (status, named) = ask(&house, &developer, "PATCH", "/age", json!({"name": "Age"})).await?;
    assert_eq!((status, &named["name"]), (200, &json!("Age")));
    let found = house.burgee.get(&format!("{FIELDS}?search=Age"), &house.user).await?;
    assert_eq!(found[0]["name"], "Age");
    let (status, unnamed) = ask(&house, &developer, "PATCH", "/age", json!({"name": null})).await?;
    assert_eq!((status, &unnamed["name"]), (200, &json!("age")), "one without a name goes by its key");
    let (status, _) = ask(&house, &developer, "PATCH", "/age", json!({"name": "x".repeat(257)})).await?;
    assert_eq!(status, 400);
    let same = json!({"add": [1.0, 2.50, 3.0, 3, 0, -0.0], "remove": [2.50]});
    let (status, edited) = ask(&house, &developer, "POST", "/age/values", same).await?;
    assert_eq!((status, &edited["values"]), (200, &json!([1, 2.5, 3.0, 0])), "numbers are doubles");
    let removed = json!({"remove": [3, 1.0]});
    let (status, edited) = ask(&house, &developer, "POST", "/age/values", removed).await?;
    assert_eq!((status, &edited["values"]), (200, &json!([2.5, 0])));
    Ok(())
}

#[tokio::test]
async fn fields_are_offered_for_completion() -> Result<()> {
    let house = house().await?;
    let many: Vec<_> = (0..250).map(|index| format!("value-{index}")).collect();
    for (key, values) in [("country", json!(["DE"])), ("company.id", json!([])), ("city", json!(many))] {
        let (status, answer) =
            ask(&house, &house.developer, "POST", "", json!({"key": key, "values": values})).await?;
        assert_eq!(status, 201, "{answer}");
    }
    let list = house.burgee.get(&format!("{FIELDS}?prefix=co"), &house.user).await?;
    let keys: Vec<_> = list.as_array().context("no list")?.iter().map(|one| one["key"].clone()).collect();
    assert_eq!(keys, ["company.id", "country"]);
    assert_eq!(list[1]["values"], json!(["DE"]));
    let city = house.burgee.get(&format!("{FIELDS}?search=CIT"), &house.user).await?;
    assert_eq!(city[0]["values"].as_array().map(Vec::len), Some(100), "the first hundred");
    assert_eq!(city[0]["values_count"], json!(250));
    let whole = house.get(&format!("{FIELDS}/city")).await?;
    assert_eq!(whole["values"].as_array().map(Vec::len), Some(250));
    Ok(())
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() -> Result<()> {
    let house = house().await?;
    let developer = house.developer.clone();
    let document = json!({
        "key": "a b", "type": "text", "description": 7, "values": ["a", null, {"b": 1}, 9_007_199_254_740_993_u64],
        "valuse": [],
    });
    let (status, answer) = ask(&house, &developer, "POST", "", document).await?;
    assert_eq!(status, 400);
    let told = violations(&answer);
    for path in [
        "key: must be",
        "type: must be one of string, number",
        "description: must be a text",
        "values[1]",
        "values[2]",
        "valuse: is not known here; did you mean values?",
    ] {
        assert!(told.iter().any(|one| one.starts_with(path)), "{path} is not in {told:#?}");
    }
    let suiting = json!({"key": "tier", "type": "number", "values": [1, "two", true]});
    let (status, answer) = ask(&house, &developer, "POST", "", suiting).await?;
    assert_eq!(status, 400);
    assert_eq!(
        violations(&answer),
        [
            "values[1]: must suit the type of the field, number, not a text",
            "values[2]: must suit the type of the field, number, not a boolean"
        ]
    );
    let beyond = json!({"key": "tier", "type": "number", "values": [1, 9_007_199_254_740_993_u64]});
    let (status, answer) = ask(&house, &developer, "POST", "", beyond).await?;
    let told = violations(&answer);
    assert_eq!((status, told.len()), (400, 1), "{answer}");
    assert!(told[0].starts_with("values[1]: whole numbers go from"), "{answer}");
    ask(&house, &developer, "POST", "", json!({"key": "tier", "values": ["gold"]})).await?;
    let (status, answer) = ask(&house, &developer, "PATCH", "/tier", json!({"type": "number"})).await?;
    assert_eq!(status, 400);
    assert!(
        violations(&answer)[0].starts_with("type: does not suit a value that it has, \"gold\""),
        "{answer}"
    );
    let (status, answer) =
        ask(&house, &developer, "POST", "/tier/values", json!({"add": [1], "del": []})).await?;
    assert_eq!(status, 400);
    assert_eq!(violations(&answer).len(), 2, "{answer}");
    assert_eq!(ask(&house, &developer, "POST", "/tier/values", json!({})).await?.0, 400);
    let (status, answer) = ask(&house, &developer, "PATCH", "/tier", json!({"key": "other"})).await?;
    assert_eq!((status, violations(&answer).len()), (400, 1));
    let (status, answer) = ask(&house, &developer, "POST", "", json!({"key": "tier"})).await?;
    assert_eq!((status, &answer["code"]), (409, &json!("key_taken")));
    let (status, _) = ask(&house, &house.user, "POST", "", json!({"key": "mine"})).await?;
    assert_eq!(status, 403);
    let many: Vec<_> = (0..9_999).map(|index| format!("value-{index}")).collect();
    assert_eq!(ask(&house, &developer, "PATCH", "/tier", json!({"values": many})).await?.0, 200);
    let (status, answer) =
        ask(&house, &developer, "POST", "/tier/values", json!({"add": ["a", "b"]})).await?;
    assert_eq!(status, 400);
    assert!(violations(&answer)[0].starts_with("add: the field would have 10001 values"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn values_are_what_the_type_says() -> Result<()> {
    let house = house().await?;
    let developer = house.developer.clone();
    for (kind, right, wrong, why) in [
        (
            "semver",
            json!(["1.2.3", "v2.1", "1.0.0-rc.1+b"]),
            json!(["1.x", "01.2.3", 1]),
            "must be a version, such as",
        ),
        (
            "ip",
            json!(["192.0.2.1", "2001:db8::1"]),
            json!(["10.0.0.0/8", "fe80::1%eth0", 1]),
            "must be an IP address,",
        ),
        (
            "datetime",
            json!(["2026-01-31T12:00:00Z", 1_767_225_600_123_i64]),
            json!(["2026-01-31", "yesterday", true]),
            "must be an instant: RFC 3339",
        ),
    ] {
        let wrong = json!({ "key": kind, "type": kind, "values": wrong });
        let (status, answer) = ask(&house, &developer, "POST", "", wrong).await?;
        let told = violations(&answer);
        assert_eq!((status, told.len()), (400, 3), "{answer}");
        assert!(told[0].starts_with(&format!("values[0]: {why}")), "{told:?}");
        assert!(told[1].starts_with(&format!("values[1]: {why}")), "{told:?}");
        assert!(
            told[2].starts_with(&format!("values[2]: must suit the type of the field, {kind}")),
            "{told:?}"
        );
        let right = json!({ "key": kind, "type": kind, "values": right });
        assert_eq!(ask(&house, &developer, "POST", "", right).await?.0, 201, "{kind}");
        let added = json!({ "add": [format!("no {kind}")] });
        assert_eq!(ask(&house, &developer, "POST", &format!("/{kind}/values"), added).await?.0, 400);
    }
    ask(&house, &developer, "POST", "", json!({ "key": "app", "values": ["1.2.3", "beta"] })).await?;
    let (status, answer) = ask(&house, &developer, "PATCH", "/app", json!({ "type": "semver" })).await?;
    assert_eq!(status, 400);
    assert!(
        violations(&answer)[0].starts_with("type: does not suit a value that it has, \"beta\""),
        "{answer}"
    );
    Ok(())
}

#[tokio::test]
async fn a_list_is_edited_for_every_rule_that_names_it() -> Result<()> {
    let house = house().await?;
    let (developer, admin) = (house.developer.clone(), house.admin.clone());
    ask(&house, &developer, "POST", "", json!({"key": "tiers", "values": ["gold"]})).await?;
    let listed = json!({"attribute": "tier", "operator": "in", "list": "tiers"});
    house
        .burgee
        .post("/api/v1/segments", Some(&developer), &json!({"key": "paying", "when": listed}))
        .await?;
    house
        .create(json!({
            "key": "new", "enabled": true, "default_value": false,
            "rules": [{"when": {"segment": "paying"}, "serve": {"variant": "on"}}],
        }))
        .await?;
    let value = async |tier: &str| -> Result<Value> {
        let url = format!("{}/ofrep/v1/evaluate/flags/new", house.burgee.url);
        let request = house.burgee.http.post(url).header("x-api-key", &house.burgee.banner.server_key);
        let answer = request.json(&json!({"context": {"targetingKey": "u", "tier": tier}})).send().await?;
        Ok(answer.json::<Value>().await?["value"].clone())
    };
    assert_eq!((value("gold").await?, value("iron").await?), (json!(true), json!(false)));
    let edit = json!({"add": ["iron"], "remove": ["gold"]});
    assert_eq!(ask(&house, &developer, "POST", "/tiers/values", edit).await?.0, 200);
    assert_eq!((value("gold").await?, value("iron").await?), (json!(false), json!(true)));

    // Enabled where only admins may write, by way of a segment.
    let rules =
        json!({"enabled": true, "rules": [{"when": {"segment": "paying"}, "serve": {"variant": "on"}}]});
    assert_eq!(house.patch(&admin, "new?environment=production", rules).await?.0, 200);
    let (status, answer) = ask(&house, &developer, "PATCH", "/tiers", json!({"values": []})).await?;
    assert_eq!((status, &answer["code"]), (403, &json!("protected_environment")));
    let described = json!({"description": "what they pay for"});
    assert_eq!(ask(&house, &developer, "PATCH", "/tiers", described).await?.0, 200, "no answer changes");
    assert_eq!(ask(&house, &admin, "PATCH", "/tiers", json!({"values": []})).await?.0, 200);
    let disabled = json!({"enabled": false});
    assert_eq!(house.patch(&admin, "new?environment=production", disabled).await?.0, 200);
    assert_eq!(ask(&house, &developer, "PATCH", "/tiers", json!({"values": ["tin"]})).await?.0, 200);
    let (status, answer) = ask(&house, &admin, "DELETE", "/tiers", Value::Null).await?;
    assert_eq!((status, &answer["code"]), (409, &json!("context_field_in_use")));
    Ok(())
}
