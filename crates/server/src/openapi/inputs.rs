//! What holds for all that is sent to the control plane, and what no attribute says.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, AllOfBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Components, Content, OpenApi, RefOr, Required, Response, Schema};

/// Where a reference to a component begins.
const COMPONENT: &str = "#/components/schemas/";

/// Says that members nobody knows are refused, that what is made needs a key, and that a body which may be left out is
/// still never `null`.
pub(super) fn complete(openapi: &mut OpenApi) -> serde_json::Result<()> {
    let (mut sent, mut answered) = (BTreeSet::new(), BTreeSet::new());
    let components = openapi.components.get_or_insert_default();
    for path in openapi.paths.paths.values_mut() {
        for content in path.post.iter_mut().flat_map(bodies) {
            require_key(content, components);
        }
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch];
        for operation in operations.into_iter().flatten() {
            if let Some(body) = operation.request_body.as_mut().and_then(told)
                && !body.content.contains_key("application/json")
            {
                // Of lines there may be none, and HTTP does not tell an empty body from no body.
                body.required = Some(Required::False);
            }
            for content in bodies(operation) {
                refuse_null(content);
                reach(&serde_json::to_value(&content.schema)?, components, &mut sent)?;
            }
            for content in answers(operation) {
                reach(&serde_json::to_value(&content.schema)?, components, &mut answered)?;
            }
        }
    }
    // What is answered as well may have more members some day, and who reads it must not mind.
    for name in sent.difference(&answered) {
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(name)
            && !object.properties.is_empty()
        {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
    Ok(())
}

fn bodies(operation: &mut Operation) -> impl Iterator<Item = &mut Content> {
    let body = operation.request_body.as_mut().and_then(told);
    body.into_iter().flat_map(|body| body.content.values_mut()).filter_map(told)
}

fn answers(operation: &mut Operation) -> impl Iterator<Item = &mut Content> {
    let responses = operation.responses.responses.values_mut().filter_map(told);
    responses.flat_map(|response: &mut Response| response.content.values_mut()).filter_map(told)
}

/// What stands here and not elsewhere.
fn told<T>(it: &mut RefOr<T>) -> Option<&mut T> {
    match it {
        RefOr::T(it) => Some(it),
        RefOr::Ref(_) => None,
    }
}

/// An `Option` is what may be left out; of a body its type makes what may be `null`.
fn refuse_null(content: &mut Content) {
    let Some(RefOr::T(Schema::OneOf(either))) = &mut content.schema else { return };
    let is_null = |schema: &RefOr<Schema>| matches!(schema, RefOr::T(Schema::Object(it)) if it.schema_type == SchemaType::Type(Type::Null));
    either.items.retain(|schema| !is_null(schema));
    if let [_] = either.items.as_slice() {
        content.schema = either.items.pop();
    }
}

/// What changes something may leave its key out, what makes it may not; the members are the same.
fn require_key(content: &mut Content, components: &Components) {
    const KEY: &str = "key";
    let Some(RefOr::Ref(body)) = &content.schema else { return };
    let named = body.ref_location.strip_prefix(COMPONENT).and_then(|name| components.schemas.get(name));
    let Some(RefOr::T(Schema::Object(object))) = named else { return };
    if object.properties.contains_key(KEY) && !object.required.iter().any(|name| name == KEY) {
        let needed = ObjectBuilder::new().required(KEY);
        content.schema = Some(AllOfBuilder::new().item(body.clone()).item(needed).into());
    }
}

/// Collects the names of the components that a schema consists of, however deep.
fn reach(schema: &Value, components: &Components, names: &mut BTreeSet<String>) -> serde_json::Result<()> {
    let mut open = vec![schema.clone()];
    while let Some(schema) = open.pop() {
        match schema {
            Value::Object(members) => {
                let name = members.get("$ref").and_then(|to| to.as_str()?.strip_prefix(COMPONENT));
                if let Some(name) = name.filter(|name| names.insert((*name).to_owned())) {
                    open.push(serde_json::to_value(components.schemas.get(name))?);
                }
                open.extend(members.into_iter().map(|(_, member)| member));
            }
            Value::Array(elements) => open.extend(elements),
            _ => {}
        }
    }
    Ok(())
}
