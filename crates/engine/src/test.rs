//! One test of a condition: a comparison of an attribute, a segment, or a gate.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use crate::asked::Asked;
use crate::context::{Attribute, Path};
use crate::fold::Folded;
use crate::instant;
use crate::model::{Condition, Gate, Leaf, Operands, Operator};
use crate::network::{Address, Network};
use crate::pattern::Pattern;
use crate::segment::Segment;
use crate::surroundings::Surroundings;
use crate::text::{self, Needle, NumberText, contains_any, ends_with, start, starts_with_any};
use crate::trace::{Divider, Listener};
use crate::unit::Unit;
use crate::values::Values;
use crate::version::{Range, Version};

/// What is wrong with a part of a condition: the way to it within the part, and what.
type Faults = Vec<(String, String)>;

/// What a condition is compiled against.
pub(crate) struct Scope<'a> {
    pub(crate) surroundings: &'a Surroundings<'a>,
    /// What gates hash before the key unless they say otherwise.
    pub(crate) gate_salt: &'a str,
}

/// A test.
#[derive(Debug, PartialEq)]
pub(crate) enum Test {
    /// Paths are shared: all flags of a ruleset look at the same few.
    Compare(Arc<Path>, Comparison),
    Segment(Arc<Segment>),
    Gate(Box<CompiledGate>),
}

#[derive(Debug, PartialEq)]
pub(crate) enum Comparison {
    Same(Box<Values>),
    /// Most values are a few texts that are nothing but texts.
    SameText(Box<[Needle]>),
    Different(Box<Values>),
    /// The parts are folded where case is ignored.
    Text {
        place: Place,
        parts: Box<[Needle]>,
        ignore_case: bool,
    },
    Matches(Box<[Pattern]>),
    Number(Order, f64),
    Instant(Order, i64),
    Version(Box<[Range]>),
    Network(Box<[Network]>),
    Exists,
}

/// Where in a text another is looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place {
    Inside,
    Front,
    End,
}

/// How an attribute stands to a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Order {
    Above,
    NotBelow,
    Below,
    NotAbove,
}

#[derive(Debug, PartialEq)]
pub(crate) struct CompiledGate {
    from: u32,
    to: u32,
    pub(crate) unit: Unit,
}

impl Test {
    pub(crate) fn new(part: &Condition, scope: &Scope<'_>) -> Result<Self, Faults> {
        match part {
            Condition::Leaf(leaf) => {
                Ok(Self::Compare(scope.surroundings.path(&leaf.attribute), Comparison::new(leaf, scope)?))
            }
            Condition::Segment(key) => scope
                .surroundings
                .segment(key)
                .map(Self::Segment)
                .map_err(|why| vec![(".segment".to_owned(), why)]),
            Condition::Bucket(Gate { from, to, spread }) => {
                let unit = Unit::new(Divider::Gate, spread, scope.gate_salt, scope.surroundings);
                Ok(Self::Gate(Box::new(CompiledGate { from: *from, to: *to, unit })))
            }
            // Trees are taken apart before.
            Condition::All(_) | Condition::Any(_) | Condition::Not(_) => Err(Vec::new()),
        }
    }

    #[inline]
    pub(crate) fn holds<'r>(&'r self, asked: Asked<'_>, listener: &mut impl Listener<'r>) -> bool {
        match self {
            Self::Compare(path, comparison) => comparison.holds(asked.context.value(path)),
            Self::Segment(segment) => segment.holds(asked, listener),
            Self::Gate(gate) => {
                gate.unit.place(asked, listener).is_some_and(|place| (gate.from..gate.to).contains(&place))
            }
        }
    }

    /// Whether a comparison can read anything of what stands where it looks, for who wants to know why; segments
    /// and gates tell for themselves.
    pub(crate) fn reads(&self, asked: Asked<'_>) -> bool {
        match self {
            Self::Compare(path, comparison) => match asked.context.value(path) {
                Value::Array(elements) => elements.iter().any(|element| comparison.reads(element)),
                one => comparison.reads(one),
            },
            Self::Segment(_) | Self::Gate(_) => false,
        }
    }

    /// How much there is to test, segments gone into: what grows with the text that is looked at counts as often
    /// as it looks.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Self::Compare(_, Comparison::Text { parts, .. }) => parts.len().max(1) as u64,
            Self::Compare(_, Comparison::Matches(patterns)) => {
                patterns.iter().map(Pattern::instructions).fold(1, u64::saturating_add)
            }
            Self::Compare(_, Comparison::Version(ranges)) => ranges.len().max(1) as u64,
            Self::Compare(_, Comparison::Network(networks)) => networks.len().max(1) as u64,
            Self::Compare(..) | Self::Gate(_) => 1,
            Self::Segment(segment) => segment.weight(),
        }
    }
}

impl Comparison {
    fn new(leaf: &Leaf, scope: &Scope<'_>) -> Result<Self, Faults> {
        let operator = leaf.operator;
        let list;
        let values = match &leaf.operands {
            Operands::Values(values) => values,
            Operands::List(_) if !operator.takes_list() => {
                return Err(fault(".list", "a context list goes with in and not_in only"));
            }
            Operands::List(key) => {
                list = scope.surroundings.list(key).map_err(|why| fault(".list", &why))?;
                &list.0
            }
        };
        if operator.takes_one_value() && values.len() != 1 {
            let message =
                format!("{} compares with exactly one value, not {}", operator.name(), values.len());
            return Err(fault(".values", &message));
        }
        match operator {
            Operator::Equals | Operator::In => {
                same(values, leaf.ignore_case).map(|values| match values.few_texts() {
                    Ok(texts) => Self::SameText(texts),
                    Err(values) => Self::Same(Box::new(values)),
                })
            }
            Operator::NotEquals | Operator::NotIn => {
                same(values, leaf.ignore_case).map(|values| Self::Different(Box::new(values)))
            }
            Operator::Contains => Self::text(Place::Inside, leaf, values),
            Operator::StartsWith => Self::text(Place::Front, leaf, values),
            Operator::EndsWith => Self::text(Place::End, leaf, values),
            Operator::Matches => each(values, |value| match text_of(value)? {
                "" => Err("matches looks for patterns that are not empty".to_owned()),
                source => Pattern::new(source, leaf.ignore_case),
            })
            .map(Self::Matches),
            Operator::Gt => one(values, number).map(|bound| Self::Number(Order::Above, bound)),
            Operator::Gte => one(values, number).map(|bound| Self::Number(Order::NotBelow, bound)),
            Operator::Lt => one(values, number).map(|bound| Self::Number(Order::Below, bound)),
            Operator::Lte => one(values, number).map(|bound| Self::Number(Order::NotAbove, bound)),
            Operator::Before => one(values, instant_of).map(|bound| Self::Instant(Order::Below, bound)),
            Operator::After => one(values, instant_of).map(|bound| Self::Instant(Order::Above, bound)),
            Operator::Semver => each(values, |value| Range::parse(text_of(value)?)).map(Self::Version),
            Operator::Cidr => each(values, |value| Network::parse(text_of(value)?)).map(Self::Network),
            Operator::Exists if values.is_empty() => Ok(Self::Exists),
            Operator::Exists => Err(fault(".values", "exists takes no values; leave them out")),
        }
    }

    fn text(place: Place, leaf: &Leaf, values: &[Value]) -> Result<Self, Faults> {
        let parts = each(values, |value| {
            let text = text_of(value)?;
            if text.is_empty() {
                return Err(format!("{} looks for texts that are not empty", leaf.operator.name()));
            }
            Ok(if leaf.ignore_case { Needle::new(Folded::default().of(text)) } else { Needle::new(text) })
        })?;
        Ok(Self::Text { place, parts, ignore_case: leaf.ignore_case })
    }

    /// Of what stands where it looks.
    #[inline]
    fn holds(&self, value: &Value) -> bool {
        match value {
            Value::Array(elements) => self.holds_for_any(elements),
            one => self.holds_for(one),
        }
    }

    #[cold]
    fn holds_for_any(&self, elements: &[Value]) -> bool {
        match self {
            Self::Exists => true,
            Self::Different(values) => {
                let mut have = elements.iter().filter_map(|element| values.have(element)).peekable();
                have.peek().is_some() && have.all(|have| !have)
            }
            _ => elements.iter().any(|element| self.holds_for(element)),
        }
    }

    /// Whether it can read an element of a list, or what is no list.
    fn reads(&self, element: &Value) -> bool {
        match self {
            Self::SameText(_) => {
                matches!(
                    Attribute::of(element),
                    Attribute::Text(_) | Attribute::Number(_) | Attribute::Boolean(_)
                )
            }
            Self::Same(values) | Self::Different(values) => values.have(element).is_some(),
            Self::Text { .. } | Self::Matches(_) => with_text(element, |_| true),
            Self::Number(..) => number_in(element).is_some(),
            Self::Instant(..) => instant_in(element).is_some(),
            Self::Version(_) => element.as_str().is_some_and(|text| Version::parse(text).is_some()),
            Self::Network(_) => element.as_str().is_some_and(|text| Address::parse(text).is_some()),
            Self::Exists => Attribute::of(element) != Attribute::Missing,
        }
    }

    /// Of one element of a list, or of what is no list.
    #[inline]
    fn holds_for(&self, element: &Value) -> bool {
        match self {
            Self::SameText(texts) => element.as_str().is_some_and(|text| {
                let start = start(text);
                texts.iter().any(|one| one.is(text, start))
            }),
            Self::Same(values) => values.have(element) == Some(true),
            Self::Different(values) => values.have(element) == Some(false),
            Self::Exists => Attribute::of(element) != Attribute::Missing,
            Self::Text { place, parts, ignore_case } => with_text(element, |text| match place {
                Place::Front => starts_with_any(text, parts, *ignore_case),
                Place::Inside => contains_any(text, parts, *ignore_case),
                Place::End => parts.iter().any(|part| ends_with(text, part.text(), *ignore_case)),
            }),
            Self::Matches(patterns) => {
                with_text(element, |text| patterns.iter().any(|pattern| pattern.is_in(text)))
            }
            Self::Number(order, bound) => number_in(element)
                .and_then(|number| number.partial_cmp(bound))
                .is_some_and(|stands| order.allows(stands)),
            Self::Instant(order, bound) => {
                instant_in(element).is_some_and(|instant| order.allows(instant.cmp(bound)))
            }
            Self::Version(ranges) => element
                .as_str()
                .and_then(Version::parse)
                .is_some_and(|version| ranges.iter().any(|range| range.holds(&version))),
            Self::Network(networks) => element
                .as_str()
                .and_then(Address::parse)
                .is_some_and(|address| networks.iter().any(|network| network.holds(address))),
        }
    }
}

impl Order {
    fn allows(self, stands: Ordering) -> bool {
        match self {
            Self::Above => stands.is_gt(),
            Self::NotBelow => stands.is_ge(),
            Self::Below => stands.is_lt(),
            Self::NotAbove => stands.is_le(),
        }
    }
}

/// Texts as they are, numbers as their text; nothing else is a text.
fn with_text(element: &Value, test: impl FnOnce(&str) -> bool) -> bool {
    match Attribute::of(element) {
        Attribute::Text(text) => test(text),
        Attribute::Number(number) => test(NumberText::default().of(number)),
        Attribute::Missing | Attribute::Boolean(_) | Attribute::List(_) | Attribute::Object => false,
    }
}

#[inline]
fn number_in(element: &Value) -> Option<f64> {
    match Attribute::of(element) {
        Attribute::Number(number) => Some(number),
        Attribute::Text(text) => text::number(text).filter(|number| number.is_finite()),
        _ => None,
    }
}

#[inline]
fn instant_in(element: &Value) -> Option<i64> {
    match Attribute::of(element) {
        Attribute::Number(number) => instant::of_number(number),
        Attribute::Text(text) => instant::parse(text),
        _ => None,
    }
}

fn fault(way: &str, message: &str) -> Faults {
    vec![(way.to_owned(), message.to_owned())]
}

/// Each value through `parse`; what is wrong with each that does not parse.
fn each<T>(values: &[Value], parse: impl Fn(&Value) -> Result<T, String>) -> Result<Box<[T]>, Faults> {
    let mut faults = Vec::new();
    let mut parsed = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        match parse(value) {
            Ok(value) => parsed.push(value),
            Err(why) => faults.push((format!(".values[{index}]"), why)),
        }
    }
    // Told back to front, like all faults of a condition.
    faults.reverse();
    if faults.is_empty() { Ok(parsed.into()) } else { Err(faults) }
}

fn one<T>(values: &[Value], parse: impl Fn(&Value) -> Result<T, String>) -> Result<T, Faults> {
    each(values, parse)?.into_iter().next().ok_or_else(Vec::new)
}

fn same(values: &[Value], ignore_case: bool) -> Result<Values, Faults> {
    each(values, |value| {
        let scalar = value.is_string() || value.is_number() || value.is_boolean();
        if scalar { Ok(()) } else { Err("equality compares with texts, numbers and booleans".to_owned()) }
    })?;
    Ok(Values::new(values, ignore_case))
}

fn text_of(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("must be a text, not {}", crate::json::type_name(value)))
}

/// A number, or a JSON number written as text.
fn number(value: &Value) -> Result<f64, String> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text::number(text),
        _ => None,
    };
    let finite = number.filter(|number| number.is_finite());
    finite.ok_or_else(|| format!("{value} is not a number that a double can hold; try 10 or 2.5"))
}

fn instant_of(value: &Value) -> Result<i64, String> {
    let instant = match value {
        Value::Number(number) => number.as_f64().and_then(instant::of_number),
        Value::String(text) => instant::parse(text),
        _ => None,
    };
    instant.ok_or_else(|| {
        format!(
            "{value} is not an instant; try \"2026-03-01T09:30:00Z\", with an offset, or milliseconds since 1970"
        )
    })
}
