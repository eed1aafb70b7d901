//! The config with which a flag starts where nobody wrote one.

use engine::model::{Kind, Read, Serve};
use serde_json::Value;

use super::{Config, Flag, FlagHere};
use crate::id::Id;

/// The config with which an environment starts, made of the one in another: disabled, without prerequisites, targets
/// and rules. A boolean flag serves `true` once it is enabled, another the variant that it serves there, or the
/// first in the place of a split.
pub fn resting(flag: &Flag, config: &Config, environment_id: Id) -> Config {
    let on = flag.variants.iter().find(|variant| variant.value == Value::Bool(true));
    let default = match (&config.default, on) {
        (_, Some(on)) if flag.kind == Kind::Boolean => Serve::variant(&on.key).into(),
        (Read::Known(Serve::Split(_)), _) => {
            flag.variants.first().map_or(Serve::Nothing, |first| Serve::variant(&first.key)).into()
        }
        (plain, _) => plain.clone(),
    };
    Config {
        environment_id,
        enabled: false,
        prerequisites: Read::default(),
        targets: Read::default(),
        rules: Vec::new(),
        default,
        ..config.clone()
    }
}

/// Whether somebody made something of a config since it was new.
pub(crate) fn differs_from_new(here: &FlagHere) -> bool {
    here.config != resting(&here.flag, &here.config, here.config.environment_id)
}
