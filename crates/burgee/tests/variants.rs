//! Variants of flags, one by one.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::problem::{detail, paths};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

async fn ask(house: &House, token: &str, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
    house.ask(token, method, &format!("/api/v1/flags/{path}"), body).await
}

#[tokio::test]
async fn variants_come_and_change_and_go() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let developer = house.developer.as_str();
    house
        .create(json!({ "key": "color", "kind": "string", "default_value": "red", "enabled": true }))
        .await?;
    let add = json!({ "key": "blue", "value": "#00f" });
    let (status, flag) = ask(&house, developer, "POST", "color/variants", add.clone()).await?;
    assert_eq!((status, &flag["variants"][1]), (201, &add));
    let (status, problem) = ask(&house, developer, "POST", "color/variants", add).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("variant_taken")));
    for (bad, path) in [
        (json!({ "key": "green" }), "value"),
        (json!({ "value": "#0f0" }), "key"),
        (json!({ "key": "green", "value": 7 }), "value"),
        (json!({ "key": "", "value": "#0f0" }), "key"),
        (json!({ "key": "green", "value": "#0f0", "weight": 3 }), "weight"),
    ] {
        let (status, problem) = ask(&house, developer, "POST", "color/variants", bad.clone()).await?;
        assert_eq!((status, paths(&problem)), (400, vec![path]), "{bad}: {problem}");
    }
    let (status, flag) =
        ask(&house, developer, "PATCH", "color/variants/blue", json!({ "value": "#00e" })).await?;
    assert_eq!((status, &flag["variants"][1]["value"]), (200, &json!("#00e")));
    let (status, problem) =
        ask(&house, developer, "PATCH", "color/variants/blue", json!({ "key": "navy", "value": 7 })).await?;
    assert_eq!((status, paths(&problem)), (400, vec!["key", "value"]));
    let (status, _) =
        ask(&house, developer, "PATCH", "color/variants/green", json!({ "value": "#0f0" })).await?;
    assert_eq!(status, 404);

    let rule = json!({ "rules": [{ "id": "r", "serve": { "variant": "blue" } }] });
    assert_eq!(house.patch(&house.admin, "color?environment=production", rule).await?.0, 200);
    let (status, problem) = ask(&house, developer, "DELETE", "color/variants/blue", Value::Null).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("variant_in_use")));
    assert!(detail(&problem).contains("flag color in production, rules[0].serve.variant"), "{problem}");
    house.patch(&house.admin, "color?environment=production", json!({ "rules": null })).await?;
    assert_eq!(ask(&house, developer, "DELETE", "color/variants/blue", Value::Null).await?.0, 204);
    assert_eq!(ask(&house, developer, "DELETE", "color/variants/blue", Value::Null).await?.0, 404);
    let (status, problem) = ask(&house, developer, "DELETE", "color/variants/default", Value::Null).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("variant_in_use")), "this one has its own places");
    let log = house.get("/api/v1/audit?flag=color&limit=10").await?;
    let actions: Vec<_> =
        log.as_array().context("no list")?.iter().filter_map(|entry| entry["action"].as_str()).collect();
    for action in ["create_variant", "update_variant", "delete_variant"] {
        assert!(actions.contains(&action), "{action} is not in {actions:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variant_that_is_named_just_before_it_goes_is_in_use() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let developer = house.developer.as_str();
    house.create(json!({ "key": "color", "kind": "string", "default_value": "red" })).await?;
    for round in 0..40 {
        let variant = format!("v{round}");
        let add = json!({ "key": variant, "value": "#00f" });
        ask(&house, developer, "POST", "color/variants", add).await?;
        let rule = json!({ "rules": [{ "id": "r", "serve": { "variant": variant } }] });
        let path = format!("color/variants/{variant}");
        let (named, gone) = tokio::try_join!(
            house.patch(developer, "color", rule),
            ask(&house, developer, "DELETE", &path, Value::Null),
        )?;
        match (named.0, gone.0) {
            (200, 409) => assert_eq!(gone.1["code"], "variant_in_use"),
            (400, 204) => {}
            other => panic!("{other:?}: {named:?} {gone:?}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn variants_are_looked_at_one_by_one() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let variants = json!([{ "key": "red", "value": "#f00" }, { "key": "a b/ü", "value": "#0f0" }]);
    let flag =
        json!({ "key": "color", "kind": "string", "variants": variants, "default": { "variant": "red" } });
    house.create(flag).await?;
    let flag = house.burgee.http.get(format!("{}/api/v1/flags/color", house.burgee.url));
    let etag = flag.bearer_auth(&house.user).send().await?.headers()["etag"].clone();
    let list = house.burgee.http.get(format!("{}/api/v1/flags/color/variants", house.burgee.url));
    let list = list.bearer_auth(&house.user).send().await?;
    assert_eq!((&list.headers()["etag"], &list.headers()["x-total-count"]), (&etag, &"2".parse()?));
    assert_eq!(list.json::<Value>().await?, variants);
    let one =
        house.burgee.http.get(format!("{}/api/v1/flags/color/variants/a%20b%2F%C3%BC", house.burgee.url));
    let one = one.bearer_auth(&house.user).send().await?;
    assert_eq!(one.headers()["etag"], etag);
    assert_eq!(one.json::<Value>().await?, variants[1]);
    for path in [
        "color/variants/blue",
        "colour/variants",
        "colour/variants/red",
        "color/variants?environment=nowhere",
    ] {
        assert_eq!(ask(&house, &house.user, "GET", path, Value::Null).await?.0, 404, "{path}");
    }
    let (status, _) = ask(&house, "", "GET", "color/variants", Value::Null).await?;
    assert_eq!(status, 401);
    Ok(())
}

#[tokio::test]
async fn a_change_of_a_variant_keeps_what_it_does_not_name() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let developer = house.developer.as_str();
    let made = house.create(json!({ "key": "color", "kind": "string", "default_value": "red" })).await?;
    for method in ["PATCH", "PUT"] {
        for document in [json!({}), json!({ "key": "default" })] {
            let (status, same) = ask(&house, developer, method, "color/variants/default", document).await?;
            assert_eq!((status, &same), (200, &made), "{method}");
        }
        let wrong = json!({ "vlaue": "x", "key": "other" });
        let (status, problem) = ask(&house, developer, method, "color/variants/default", wrong).await?;
        assert_eq!((status, paths(&problem)), (400, vec!["key", "vlaue"]), "{problem}");
        let (status, problem) = ask(&house, developer, method, "color/variants/default", json!([])).await?;
        assert_eq!((status, paths(&problem)), (400, vec![""]), "{problem}");
        let (status, problem) =
            ask(&house, developer, method, "color/variants/default", json!({ "value": null })).await?;
        assert_eq!((status, paths(&problem)), (400, vec!["value"]), "{problem}");
    }
    let (status, problem) = ask(&house, developer, "POST", "color/variants", json!({ "key": "v" })).await?;
    assert_eq!((status, paths(&problem)), (400, vec!["value"]), "a new one has one");
    Ok(())
}
