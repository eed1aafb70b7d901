//! Asking flags to understand them: why one answers what it answers, and what it gives to many, before and after a
//! change that was only proposed. Nothing here writes anything.

mod explain;
mod population;
mod simulate;

use engine::Context;
use engine::json::{At, Object, Violations};

pub use explain::Question;
pub(crate) use explain::explaining;
pub use simulate::Proposal;
pub(crate) use simulate::simulating;

/// No longer is a flag's key worth reading, in bytes.
const MOST_NAME: usize = crate::key::Key::MOST;

/// What all questions say: the flag, and the environment if the query does not.
struct Addressed {
    flag: String,
    environment: Option<String>,
}

impl Addressed {
    fn read(object: &Object<'_>, violations: &mut Violations) -> Option<Self> {
        let flag = object.require(violations, "flag").and_then(|at| read_name(at, violations));
        let environment = object.optional(violations, "environment", read_name);
        Some(Self { flag: flag?, environment: environment? })
    }
}

fn read_name(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let name = at.text(violations)?;
    if name.is_empty() || name.len() > MOST_NAME {
        at.fault(violations, format_args!("must have 1 to {MOST_NAME} bytes"));
        return None;
    }
    Some(name.to_owned())
}

/// A context, as OFREP takes it: `null` is an empty one.
fn read_context(at: At<'_>, violations: &mut Violations) -> Option<Context> {
    if at.is_null() {
        return Some(Context::default());
    }
    let attributes = at.value().as_object();
    let Some(attributes) = attributes else {
        at.object(violations);
        return None;
    };
    // Written anew it is as long as it came, but for spaces.
    let bytes = at.value().to_string().len();
    if bytes > Context::MOST_BYTES {
        let most = Context::MOST_BYTES;
        at.fault(violations, format_args!("has {bytes} bytes; at most {most} are allowed"));
        return None;
    }
    Some(Context::new(attributes.clone()))
}
