//! Adding, changing and removing one variant of a flag.

use std::sync::Arc;

use engine::Named;
use engine::json::{At, Violations, nearest};
use engine::model::{Read, Snapshot, Variant};
use serde_json::Value;

use super::input::{Draft, MOST_VARIANTS, read_value, read_variant};
use super::{FlagHere, document};
use crate::access::{InEnvironment, UpdateFlag};
use crate::control::{Control, Request};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::in_use::{Place, places_in, refuse};

/// More variants than this are not listed in a message.
const MOST_LISTED: usize = 20;

impl FlagHere {
    /// One of its variants.
    pub fn variant(&self, key: &str) -> Result<&Variant> {
        let variants = &self.flag.variants;
        variants.iter().find(|own| own.key == key).ok_or_else(|| no_variant(variants, key))
    }
}

/// None of a flag's variants has this key.
fn no_variant(variants: &[Variant], key: &str) -> Error {
    let known: Vec<_> = variants.iter().map(|variant| variant.key.as_str()).collect();
    let meant = nearest(key, &known).map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
    let listed = if known.len() > MOST_LISTED { known.len().to_string() } else { known.join(", ") };
    Error::not_found("variant", key, &format!("{meant}The flag has {listed}"))
}

/// The place of the one with this key.
fn place_of(variants: &[Variant], key: &str) -> Result<usize> {
    variants.iter().position(|own| own.key == key).ok_or_else(|| no_variant(variants, key))
}

impl Control {
    /// Adds a variant, `{"key", "value"}`, behind the others.
    pub async fn create_variant(
        &self,
        writer: &InEnvironment<UpdateFlag>,
        key: &str,
        document: &Value,
        request: &Request,
    ) -> Result<FlagHere> {
        let add = |draft: &mut Draft<'_>, violations: &mut Violations| {
            let at = At::root(document);
            let variants = &mut draft.flag.variants;
            if variants.len() >= MOST_VARIANTS {
                at.fault(violations, format_args!("a flag has at most {MOST_VARIANTS} variants"));
            }
            if let (Some(key), Some(value)) = read_variant(at, violations) {
                if variants.iter().any(|variant| variant.key == key) {
                    let message =
                        format!("the flag has a variant {key:?} already; change that one, or name another");
                    return Err(Error::Conflict { code: "variant_taken", message });
                }
                draft.prefix = Some(format!("variants[{}]", variants.len()));
                variants.push(Variant { key, value });
            }
            Ok(())
        };
        self.change_flag(writer, key, "create_variant", request, add).await
    }

    /// Gives a variant another value, `{"value"}`; a document that does not name it keeps it.
    pub async fn update_variant(
        &self,
        writer: &InEnvironment<UpdateFlag>,
        key: &str,
        variant: &str,
        document: &Value,
        request: &Request,
    ) -> Result<FlagHere> {
        let change = |draft: &mut Draft<'_>, violations: &mut Violations| {
            let place = place_of(&draft.flag.variants, variant)?;
            if let Some(object) = At::root(document).object(violations) {
                // A document need not repeat the key, and may not change it.
                if let Some(at) = object.get("key").filter(|at| at.value().as_str() != Some(variant)) {
                    at.fault(violations, "a variant's key never changes; add another variant");
                }
                let value = object.get("value").map(|at| read_value(at, violations));
                if let (Some(value), Some(own)) = (value, draft.flag.variants.get_mut(place)) {
                    own.value = value;
                }
                object.deny_unknown(violations);
            }
            draft.prefix = Some(format!("variants[{place}]"));
            Ok(())
        };
        self.change_flag(writer, key, "update_variant", request, change).await
    }

    /// Removes a variant that nothing names, in any environment.
    pub async fn delete_variant(
        &self,
        writer: &InEnvironment<UpdateFlag>,
        key: &str,
        variant: &str,
        request: &Request,
    ) -> Result<FlagHere> {
        let environments = self.all_environments(writer.project_id()).await?;
        let named = Named::Variant { flag: key, variant };
        self.refuse_if_used(named, "variant_in_use", &environments).await?;
        let remove = |draft: &mut Draft<'_>, _: &mut Violations| {
            let variants = &draft.flag.variants;
            let place = place_of(variants, variant)?;
            if variants.len() == 1 {
                let message = "it is the flag's last variant; add another first".to_owned();
                return Err(Error::Conflict { code: "last_variant", message });
            }
            // Whoever came to name it since it was looked for is told of as before.
            refuse(places_here(draft, variant, writer.environment()), "variant_in_use")?;
            draft.flag.variants.remove(place);
            Ok(())
        };
        self.change_flag(writer, key, "delete_variant", request, remove).await
    }
}

/// Where the flag's own config in an environment names a variant.
fn places_here(draft: &Draft<'_>, variant: &str, environment: &Environment) -> Vec<Place> {
    let key = draft.flag.key.as_str();
    let mut snapshot = Snapshot::empty("", 0, "", environment.key.as_str());
    let flag = Read::Known(document(&draft.flag, &draft.config));
    snapshot.flags.insert(key.to_owned(), Arc::new(flag));
    places_in(&snapshot, Named::Variant { flag: key, variant }, environment)
}
