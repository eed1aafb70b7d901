//! A comparison of one attribute.

use serde_json::Value;

use crate::json::{At, Object, Violations};

/// No more values than this in one comparison.
pub(crate) const MOST_VALUES: usize = 10_000;
/// No longer than this, in bytes, are an attribute's path and a value.
const MOST_TEXT: usize = 4_096;

/// A comparison of one attribute with some values.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Path of the attribute in the context.
    pub attribute: String,
    /// How it is compared.
    pub operator: Operator,
    /// What it is compared with.
    pub operands: Operands,
    /// Compares texts after folding both.
    pub ignore_case: bool,
}

/// What an attribute is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operands {
    /// These texts, numbers and booleans.
    Values(Vec<Value>),
    /// Those of the context list of this key; with `in` and `not_in` only.
    List(String),
}

/// How an attribute is compared with the values. `docs/evaluation.md`, "Conditions", says what each reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The same as the one value.
    Equals,
    /// Readable, and not the same as the one value.
    NotEquals,
    /// The same as any of the values.
    In,
    /// Readable, and the same as none of the values.
    NotIn,
    /// Has any of the texts inside.
    Contains,
    /// Has any of the texts in front.
    StartsWith,
    /// Has any of the texts at the end.
    EndsWith,
    /// Any of the patterns is found in it.
    Matches,
    /// A number above the value.
    Gt,
    /// A number not below the value.
    Gte,
    /// A number below the value.
    Lt,
    /// A number not above the value.
    Lte,
    /// An instant before the value.
    Before,
    /// An instant after the value.
    After,
    /// A version in one of the ranges.
    Semver,
    /// An address in one of the networks.
    Cidr,
    /// There, and not null.
    Exists,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Equals,
        Self::NotEquals,
        Self::In,
        Self::NotIn,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Matches,
        Self::Gt,
        Self::Gte,
        Self::Lt,
        Self::Lte,
        Self::Before,
        Self::After,
        Self::Semver,
        Self::Cidr,
        Self::Exists,
    ];

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::NotEquals => "not_equals",
            Self::In => "in",
            Self::NotIn => "not_in",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Matches => "matches",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Before => "before",
            Self::After => "after",
            Self::Semver => "semver",
            Self::Cidr => "cidr",
            Self::Exists => "exists",
        }
    }

    /// Whether it compares with anything: all do but `exists`.
    pub fn takes_values(self) -> bool {
        self != Self::Exists
    }

    /// Whether it compares with exactly one value.
    pub fn takes_one_value(self) -> bool {
        matches!(
            self,
            Self::Equals
                | Self::NotEquals
                | Self::Gt
                | Self::Gte
                | Self::Lt
                | Self::Lte
                | Self::Before
                | Self::After
        )
    }

    /// Whether it may compare with a context list.
    pub fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::NotIn)
    }

    /// Reads the name of an operator.
    pub fn read(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        let name = at.text(violations)?;
        let operator = Self::ALL.into_iter().find(|operator| operator.name() == name);
        if operator.is_none() {
            let known: Vec<_> = Self::ALL.iter().map(|operator| operator.name()).collect();
            at.fault(
                violations,
                format_args!("{name:?} is not an operator of this version; use one of {}", known.join(", ")),
            );
        }
        operator
    }
}

impl Leaf {
    pub(super) fn read(object: &Object<'_>, violations: &mut Violations) -> Option<Self> {
        let attribute = object.require(violations, "attribute").and_then(|at| read_attribute(at, violations));
        let operator = object.require(violations, "operator").and_then(|at| Operator::read(at, violations));
        let operands = Self::read_operands(object, operator, violations);
        let ignore_case = object.optional(violations, "ignore_case", |at, violations| at.boolean(violations));
        Some(Self {
            attribute: attribute?,
            operator: operator?,
            operands: operands?,
            ignore_case: ignore_case?.unwrap_or_default(),
        })
    }

    fn read_operands(
        object: &Object<'_>,
        operator: Option<Operator>,
        violations: &mut Violations,
    ) -> Option<Operands> {
        if object.has("list") && object.has("values") {
            object.fault(violations, "has values and a list; give one of them");
        }
        if let Some(list) = object.get("list") {
            let key = list.text(violations)?;
            if operator.is_some_and(|operator| !operator.takes_list()) {
                list.fault(violations, "a context list goes with in and not_in only; give values instead");
                return None;
            }
            return Some(Operands::List(key.to_owned()));
        }
        if operator.is_some_and(|operator| !operator.takes_values()) {
            let values = object.get("values");
            let some = values.filter(|values| values.value().as_array().is_none_or(|list| !list.is_empty()));
            if let Some(some) = some {
                some.fault(violations, "exists takes no values; leave them out");
                return None;
            }
            return Some(Operands::Values(Vec::new()));
        }
        let values = object.require(violations, "values")?;
        match operator {
            Some(operator) => read_values(values, operator, violations).map(Operands::Values),
            None => None,
        }
    }
}

/// Reads an attribute's path.
pub fn read_attribute(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let path = at.text(violations)?;
    if path.is_empty() || path.len() > MOST_TEXT {
        at.fault(violations, format_args!("must name an attribute, in 1 to {MOST_TEXT} bytes"));
        return None;
    }
    Some(path.to_owned())
}

/// Reads the values that an operator compares with: how many, and that they are texts, numbers and booleans.
pub fn read_values(at: At<'_>, operator: Operator, violations: &mut Violations) -> Option<Vec<Value>> {
    let values = at.each(violations, MOST_VALUES, read_value)?;
    if operator.takes_one_value() && values.len() != 1 {
        let several = if operator == Operator::Equals { "; for several use in" } else { "" };
        at.fault(
            violations,
            format_args!(
                "{} compares with exactly one value, not {}{several}",
                operator.name(),
                values.len()
            ),
        );
        return None;
    }
    Some(values)
}

/// Reads one value to compare with: a text, a number or a boolean.
pub fn read_value(at: At<'_>, violations: &mut Violations) -> Option<Value> {
    let fits = match at.value() {
        Value::String(text) => text.len() <= MOST_TEXT,
        value => value.is_number() || value.is_boolean(),
    };
    if !fits {
        at.fault(
            violations,
            format_args!("must be a text of at most {MOST_TEXT} bytes, a number or a boolean"),
        );
        return None;
    }
    Some(at.value().clone())
}
