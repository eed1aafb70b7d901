//! What a role or a token allows: permissions, each everywhere or in some environments.

use engine::json::nearest;

use super::permission::{Level, Permission, Permissions};
use crate::environment::Environment;
use crate::key::Key;

/// What stands for all environments that are not protected.
const UNPROTECTED: &str = "!protected";

/// Where in a project a permission of [`Level::Environment`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// In every environment.
    Everywhere,
    /// In every one that is not protected.
    Unprotected,
    /// In the one with this key.
    Named(Key),
}

/// A list of permissions, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allows {
    everywhere: Permissions,
    unprotected: Permissions,
    named: Vec<(Key, Permissions)>,
}

impl Allows {
    /// Reads words such as
    ///
    /// | word | allows |
    /// |---|---|
    /// | `flag.update` | that, in every environment |
    /// | `flag.update@production` | that, in the environment with this key |
    /// | `flag.update@!protected` | that, in every environment that is not protected |
    /// | `flag.*` | all permissions that begin so |
    /// | `*` | everything |
    ///
    /// and passes over those that do not read: they may be a newer version's.
    pub fn known<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut allows = Self::default();
        for word in words {
            let _ = allows.add(word);
        }
        allows
    }

    /// What is wrong with a word, if it does not read.
    pub fn check(word: &str) -> Result<(), String> {
        Self::default().add(word)
    }

    fn add(&mut self, word: &str) -> Result<(), String> {
        let (name, reach) = word.split_once('@').map_or((word, None), |(name, reach)| (name, Some(reach)));
        let mut permissions = named(name)?;
        let Some(reach) = reach else {
            self.everywhere = self.everywhere.and(permissions);
            return Ok(());
        };
        permissions = permissions.iter().filter(|one| one.level() == Level::Environment).collect();
        if permissions == Permissions::default() {
            return Err(format!("{name} does not hold in environments; leave out what follows the @"));
        }
        if reach == UNPROTECTED {
            self.unprotected = self.unprotected.and(permissions);
            return Ok(());
        }
        let key = Key::parse(reach).ok_or(
            "after the @ there must be the key of an environment, or !protected for all that are not",
        )?;
        match self.named.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = known.and(permissions),
            None => self.named.push((key, permissions)),
        }
        Ok(())
    }

    /// Whether it allows this somewhere.
    pub(super) fn somewhere(&self, permission: Permission) -> bool {
        self.everywhere.has(permission)
            || self.unprotected.has(permission)
            || self.named.iter().any(|(_, permissions)| permissions.has(permission))
    }

    /// Whether it allows this in an environment.
    pub(super) fn in_environment(&self, permission: Permission, environment: &Environment) -> bool {
        self.everywhere.has(permission)
            || (!environment.protected && self.unprotected.has(permission))
            || self
                .named
                .iter()
                .any(|(key, permissions)| *key == environment.key && permissions.has(permission))
    }

    /// Whether it allows this as far as that, whatever environments there may come to be.
    pub(super) fn reaches(&self, permission: Permission, reach: &Reach) -> bool {
        let by_name = |named: &Key| {
            self.named.iter().any(|(key, permissions)| key == named && permissions.has(permission))
        };
        self.everywhere.has(permission)
            || match reach {
                Reach::Everywhere => false,
                Reach::Unprotected => self.unprotected.has(permission),
                Reach::Named(key) => by_name(key),
            }
    }

    /// Everything that it allows, and how far.
    pub(super) fn each(&self) -> impl Iterator<Item = (Permission, Reach)> {
        let everywhere = self.everywhere.iter().map(|one| (one, Reach::Everywhere));
        let unprotected = self.unprotected.iter().map(|one| (one, Reach::Unprotected));
        let named = self.named.iter().flat_map(|(key, permissions)| {
            permissions.iter().map(move |one| (one, Reach::Named(key.clone())))
        });
        everywhere.chain(unprotected).chain(named)
    }
}

fn named(name: &str) -> Result<Permissions, String> {
    let matching: Permissions = match name.strip_suffix('*') {
        Some("") => return Ok(Permission::ALL.iter().copied().collect()),
        Some(what) if what.ends_with('.') => {
            Permission::ALL.iter().copied().filter(|one| one.name().starts_with(what)).collect()
        }
        _ => Permission::parse(name).into_iter().collect(),
    };
    if matching != Permissions::default() {
        return Ok(matching);
    }
    let known: Vec<_> = Permission::ALL.iter().map(|one| one.name()).collect();
    let hint = nearest(name, &known)
        .map_or_else(|| format!("there are {}", known.join(", ")), |near| format!("did you mean {near}?"));
    Err(format!("is not a permission; {hint}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::{Allows, Permission, Reach};

    /// Words as people may write them, and others.
    fn words() -> impl Strategy<Value = String> {
        let names: Vec<_> = Permission::ALL.iter().map(|one| one.name()).collect();
        let name = prop_oneof![
            4 => select(names).prop_map(str::to_owned),
            1 => select(vec!["flag.*", "segment.*", "log.*", "*", "**", ".*", "flag*", ""]).prop_map(str::to_owned),
            1 => any::<String>(),
        ];
        let reach = prop_oneof![
            2 => Just(String::new()),
            2 => select(vec!["@production", "@!protected", "@", "@@", "@..", "@!", "@*"]).prop_map(str::to_owned),
            1 => any::<String>(),
        ];
        (name, reach).prop_map(|(name, reach)| name + &reach)
    }

    proptest! {
        #[test]
        fn a_word_allows_what_it_says_or_is_told_to_be_none(word in words()) {
            let allows = Allows::known([word.as_str()]);
            let fault = Allows::check(&word).err();
            prop_assert_eq!(allows.each().next().is_none(), fault.is_some(), "{:?}", fault);
            let (name, reach) = word.split_once('@').map_or((word.as_str(), None), |(name, at)| (name, Some(at)));
            for (permission, how_far) in allows.each() {
                let begins = name.strip_suffix('*').is_some_and(|what| permission.name().starts_with(what));
                prop_assert!(begins || permission.name() == name, "{} is not {}", permission.name(), name);
                let is_as_far = match how_far {
                    Reach::Everywhere => reach.is_none(),
                    Reach::Unprotected => reach == Some("!protected"),
                    Reach::Named(key) => reach == Some(key.as_str()),
                };
                prop_assert!(is_as_far, "{word} reaches further than it says");
            }
        }
    }

    #[test]
    fn words_say_what_is_allowed_and_where() {
        let allows =
            Allows::known(["flag.update@staging", "segment.*@!protected", "log.read", "tomorrow.do"]);
        let reaches = |permission, reach| allows.reaches(permission, &reach);
        assert!(reaches(Permission::ReadLog, Reach::Everywhere));
        assert!(reaches(Permission::UpdateSegment, Reach::Unprotected));
        assert!(!reaches(Permission::UpdateSegment, Reach::Everywhere));
        assert!(!allows.somewhere(Permission::DeleteSegment), "it does not hold in environments");
        assert!(allows.somewhere(Permission::UpdateFlag));
        assert!(!reaches(Permission::UpdateFlag, Reach::Unprotected));
        assert_eq!(allows.each().count(), 4);
    }

    #[test]
    fn a_word_that_does_not_read_is_told() {
        for (word, hint) in [
            ("flag.updaet", "did you mean flag.update?"),
            ("flag", "there are"),
            ("", "there are"),
            ("**", "there are"),
            ("fl*", "there are"),
            ("log.read@staging", "does not hold in environments"),
            ("flag.update@", "key of an environment"),
            ("flag.update@a b", "key of an environment"),
        ] {
            let fault = Allows::check(word);
            assert!(fault.as_ref().is_err_and(|fault| fault.contains(hint)), "{word}: {fault:?}");
        }
    }
}
