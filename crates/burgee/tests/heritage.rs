//! The requests that an older system's documentation shows, as they stand there, against the real program.
//! Row numbers are those of its acceptance table.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

/// The flag of the documentation's own example.
const NEW_CHECKOUT_UI: &str = r#"{
  "key": "new-checkout-ui",
  "name": "New Checkout UI",
  "enabled": true,
  "default_value": false,
  "rules": [
    {
      "attribute": "role",
      "operator": "equals",
      "value": "developer",
      "variant": true,
      "priority": 0
    }
  ]
}"#;

async fn house() -> Result<House> {
    House::open(PROGRAM).await
}

#[tokio::test]
async fn b6_rows_31_to_35_and_51_the_flag_of_the_example() -> Result<()> {
    let house = house().await?;
    let burgee = &house.burgee;
    let created = house.create(serde_json::from_str(NEW_CHECKOUT_UI)?).await?;
    assert!(created["rules"][0]["id"].as_str().is_some_and(|id| !id.is_empty()), "{created}");

    let listed = burgee.get("/api/v1/flags", &house.developer).await?;
    assert_eq!(listed, json!([created]));
    assert_eq!(burgee.get("/api/v1/flags/new-checkout-ui", &house.developer).await?, created);
    let (status, answer) = burgee.ask("GET", "/api/v1/flags/nope", Some(&house.developer), None).await?;
    let why = "flag not found: there is no \"nope\"; GET /api/v1/flags lists them";
    assert_eq!((status, &answer["error"]), (404, &json!(why)));

    let developer = house.evaluate("new-checkout-ui", &house.developer).await?;
    assert_eq!((&developer["value"], &developer["variant"]), (&json!(true), &json!("true")));
    let user = house.evaluate("new-checkout-ui", &house.user).await?;
    assert_eq!((&user["value"], &user["variant"]), (&json!(false), &json!("false")));

    let mut changed: Value = serde_json::from_str(NEW_CHECKOUT_UI)?;
    changed["rules"][0]["value"] = json!("viewer");
    let (status, _) =
        burgee.ask("PUT", "/api/v1/flags/new-checkout-ui", Some(&house.developer), Some(&changed)).await?;
    assert_eq!(status, 200);
    let read = burgee.get("/api/v1/flags/new-checkout-ui", &house.developer).await?;
    assert_eq!(read["rules"][0]["when"]["values"], json!(["viewer"]));
    let (status, _) = burgee.ask("PUT", "/api/v1/flags/nope", Some(&house.developer), Some(&changed)).await?;
    assert_eq!(status, 404);

    let (status, _) =
        burgee.ask("DELETE", "/api/v1/flags/new-checkout-ui", Some(&house.developer), None).await?;
    assert_eq!(status, 403, "deleting is the admin's");
    let (status, _) = burgee.ask("DELETE", "/api/v1/flags/new-checkout-ui", Some(&house.admin), None).await?;
    assert_eq!(status, 204);
    let (status, _) =
        burgee.ask("GET", "/api/v1/flags/new-checkout-ui", Some(&house.developer), None).await?;
    assert_eq!(status, 404);
    Ok(())
}

/// Whether a flag with one rule over `role` is true for the developer and for the user.
async fn answers(house: &House, key: &str, operator: &str, value: &str) -> Result<(Value, Value)> {
    let rule =
        json!({ "attribute": "role", "operator": operator, "value": value, "variant": true, "priority": 0 });
    house.create(json!({ "key": key, "enabled": true, "default_value": false, "rules": [rule] })).await?;
    let developer = house.evaluate(key, &house.developer).await?;
    let user = house.evaluate(key, &house.user).await?;
    Ok((developer["value"].clone(), user["value"].clone()))
}

#[tokio::test]
async fn rows_54_to_57_operators() -> Result<()> {
    let house = house().await?;
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(answers(&house, "row-54", "equals", "DEVELOPER").await?, (yes.clone(), no.clone()));
    assert_eq!(answers(&house, "row-55", "not_equals", "developer").await?, (no.clone(), yes.clone()));
    assert_eq!(answers(&house, "row-56", "contains", "velop").await?, (yes.clone(), no.clone()));
    assert_eq!(answers(&house, "row-57", "in", "qa, developer").await?, (yes, no.clone()));

    let rule = json!({ "attribute": "team", "operator": "not_equals", "value": "qa", "variant": true });
    house
        .create(json!({ "key": "missing", "enabled": true, "default_value": false, "rules": [rule] }))
        .await?;
    assert_eq!(
        house.evaluate("missing", &house.developer).await?["value"],
        no,
        "a missing attribute matches nothing"
    );
    Ok(())
}

#[tokio::test]
async fn rows_58_and_59_priority_and_default() -> Result<()> {
    let house = house().await?;
    let rule = |variant: bool, priority: i32| json!({ "attribute": "role", "operator": "equals", "value": "developer", "variant": variant, "priority": priority });
    let rules = json!([rule(true, 1), rule(false, 0)]);
    house.create(json!({ "key": "row-58", "enabled": true, "default_value": true, "rules": rules })).await?;
    assert_eq!(house.evaluate("row-58", &house.developer).await?["value"], json!(false));

    house.create(json!({ "key": "row-59", "enabled": true, "default_value": true })).await?;
    let answer = house.evaluate("row-59", &house.developer).await?;
    assert_eq!((&answer["value"], &answer["reason"]), (&json!(true), &json!("STATIC")));
    Ok(())
}
