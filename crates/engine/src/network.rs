//! Networks and addresses. Not read yet: conditions on them are refused when written and never hold.

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Network;
#[derive(Clone, Copy)]
pub(crate) struct Address;

impl Network {
    pub(crate) fn parse(_: &str) -> Result<Self, String> {
        Err("networks are not understood by this version".to_owned())
    }

    pub(crate) fn holds(&self, _: Address) -> bool {
        false
    }
}

impl Address {
    pub(crate) fn parse(_: &str) -> Option<Self> {
        None
    }
}
