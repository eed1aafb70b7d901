//! Conditions, compiled: flat nodes in the order in which they are asked.

use serde_json::Value;

use crate::context::{Attribute, Context, Path};
use crate::model::{Condition, Leaf, MOST_DEPTH, Operator};
use crate::text::{NumberText, fold_text};
use crate::values::Values;

/// A condition. Each node is followed by its children and says where they end, so that an answer that is
/// settled skips the rest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    nodes: Box<[Node]>,
    comparisons: Box<[Comparison]>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Node {
    All { end: usize },
    Any { end: usize },
    Not { end: usize },
    Compare { comparison: usize },
}

impl Tree {
    /// Compiles a condition. What comes out of [`Condition::read`] always compiles; what was put together by
    /// hand may be too deep or compare with values that its operator cannot read.
    pub(crate) fn new(condition: &Condition) -> Result<Self, String> {
        let mut builder = Builder::default();
        builder.push(condition, 1)?;
        Ok(Self { nodes: builder.nodes.into(), comparisons: builder.comparisons.into() })
    }

    /// How many attributes it compares.
    pub(crate) fn leaves(&self) -> usize {
        self.comparisons.len()
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, context: &Context) -> bool {
        self.holds_at(0, context)
    }

    /// Goes no deeper than [`MOST_DEPTH`]: nothing deeper compiles.
    fn holds_at(&self, at: usize, context: &Context) -> bool {
        match self.nodes.get(at) {
            Some(Node::All { end }) => self.children(at, *end).all(|child| self.holds_at(child, context)),
            Some(Node::Any { end }) => self.children(at, *end).any(|child| self.holds_at(child, context)),
            Some(Node::Not { .. }) => !self.holds_at(at + 1, context),
            Some(Node::Compare { comparison }) => {
                self.comparisons.get(*comparison).is_some_and(|comparison| comparison.holds(context))
            }
            None => false,
        }
    }

    fn children(&self, parent: usize, end: usize) -> impl Iterator<Item = usize> {
        let within = move |at: &usize| *at < end;
        std::iter::successors(Some(parent + 1).filter(within), move |at| Some(self.end(*at)).filter(within))
    }

    /// Where the node after `at` and all below it stands.
    fn end(&self, at: usize) -> usize {
        match self.nodes.get(at) {
            Some(Node::All { end } | Node::Any { end } | Node::Not { end }) => *end,
            Some(Node::Compare { .. }) | None => at + 1,
        }
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    comparisons: Vec<Comparison>,
}

impl Builder {
    fn push(&mut self, condition: &Condition, depth: usize) -> Result<(), String> {
        if depth > MOST_DEPTH {
            return Err(format!("is nested deeper than {MOST_DEPTH} levels"));
        }
        let (node, children): (fn(usize) -> Node, _) = match condition {
            Condition::All(children) => (|end| Node::All { end }, children.as_slice()),
            Condition::Any(children) => (|end| Node::Any { end }, children.as_slice()),
            Condition::Not(child) => (|end| Node::Not { end }, std::slice::from_ref(&**child)),
            Condition::Leaf(leaf) => {
                self.nodes.push(Node::Compare { comparison: self.comparisons.len() });
                self.comparisons.push(Comparison::new(leaf)?);
                return Ok(());
            }
        };
        let at = self.nodes.len();
        // Holds the place: where it ends is known after its children.
        self.nodes.push(node(at));
        for child in children {
            self.push(child, depth + 1)?;
        }
        let end = self.nodes.len();
        if let Some(parent) = self.nodes.get_mut(at) {
            *parent = node(end);
        }
        Ok(())
    }
}

/// A comparison of one attribute.
#[derive(Debug, Clone, PartialEq)]
struct Comparison {
    attribute: Path,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Same(Values),
    Different(Values),
    Contains {
        /// Folded where case is ignored.
        parts: Box<[Box<str>]>,
        ignore_case: bool,
    },
}

impl Comparison {
    fn new(leaf: &Leaf) -> Result<Self, String> {
        Ok(Self { attribute: Path::new(&leaf.attribute), test: Test::new(leaf)? })
    }

    fn holds(&self, context: &Context) -> bool {
        let attribute = context.attribute(&self.attribute);
        match &self.test {
            Test::Same(values) => attribute.any(|element| values.have(element) == Some(true)),
            Test::Different(values) => {
                let mut readable = false;
                let same = attribute.any(|element| {
                    let have = values.have(element);
                    readable |= have.is_some();
                    have == Some(true)
                });
                readable && !same
            }
            Test::Contains { parts, ignore_case } => {
                attribute.any(|element| contains_any(element, parts, *ignore_case))
            }
        }
    }
}

impl Test {
    fn new(leaf: &Leaf) -> Result<Self, String> {
        let Leaf { operator, values, ignore_case, attribute: _ } = leaf;
        let name = operator.name();
        let prepared = || {
            let scalar = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
            if !values.iter().all(scalar) {
                return Err(format!("{name} compares with texts, numbers and booleans"));
            }
            if *operator != Operator::In && values.len() != 1 {
                return Err(format!("{name} compares with exactly one value, not {}", values.len()));
            }
            Ok(Values::new(values, *ignore_case))
        };
        match operator {
            Operator::Equals | Operator::In => prepared().map(Self::Same),
            Operator::NotEquals => prepared().map(Self::Different),
            Operator::Contains => {
                let part = |value: &Value| {
                    let text = value.as_str().filter(|text| !text.is_empty());
                    let text = text.ok_or_else(|| format!("{name} looks for texts that are not empty"))?;
                    Ok(if *ignore_case { fold_text(text).into() } else { text.into() })
                };
                let parts = values.iter().map(part).collect::<Result<_, String>>()?;
                Ok(Self::Contains { parts, ignore_case: *ignore_case })
            }
        }
    }
}

/// Whether a text, or a number's text, has one of `parts` inside.
fn contains_any(element: Attribute<'_>, parts: &[Box<str>], ignore_case: bool) -> bool {
    let among = |text: &str| parts.iter().any(|part| text.contains(&**part));
    match element {
        Attribute::Text(text) if ignore_case => among(&fold_text(text)),
        Attribute::Text(text) => among(text),
        // All of a number's text is in lower case already.
        Attribute::Number(number) => among(NumberText::default().of(number)),
        Attribute::Missing | Attribute::Boolean(_) | Attribute::List(_) | Attribute::Object => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(condition: Value, attributes: Value) -> bool {
        let condition: Condition = serde_json::from_value(condition).unwrap();
        let attributes = serde_json::from_value(attributes).unwrap();
        Tree::new(&condition).unwrap().holds(&Context::new(attributes))
    }

    fn is(attribute: &str) -> Value {
        json!({"attribute": attribute, "operator": "equals", "values": [true]})
    }

    /// Every tree of three comparisons under two levels, against what the words mean.
    #[test]
    fn trees_mean_what_they_say() {
        for bits in 0..8_u8 {
            let [a, b, c] = [0, 1, 2].map(|bit| bits & (1 << bit) != 0);
            let context = || json!({"a": a, "b": b, "c": c});
            assert_eq!(
                holds(json!({"all": [is("a"), {"any": [is("b"), is("c")]}]}), context()),
                a && (b || c)
            );
            assert_eq!(
                holds(json!({"any": [{"all": [is("a"), is("b")]}, is("c")]}), context()),
                (a && b) || c
            );
            assert_eq!(
                holds(json!({"any": [{"not": {"all": [is("a"), is("b")]}}, is("c")]}), context()),
                !(a && b) || c
            );
            assert_eq!(
                holds(
                    json!({"all": [{"all": []}, {"not": {"any": []}}, {"not": is("b")}, is("c")]}),
                    context()
                ),
                !b && c
            );
        }
    }

    #[test]
    fn what_was_put_together_by_hand_is_checked() {
        let nested = |levels: usize| {
            (0..levels).fold(Condition::All(Vec::new()), |inner, _| Condition::Not(Box::new(inner)))
        };
        assert!(Tree::new(&nested(MOST_DEPTH - 1)).is_ok());
        assert!(Tree::new(&nested(MOST_DEPTH)).is_err());

        let leaf = |operator, values| {
            Tree::new(&Condition::Leaf(Leaf {
                attribute: "a".to_owned(),
                operator,
                values,
                ignore_case: false,
            }))
        };
        assert!(leaf(Operator::Equals, vec![]).is_err());
        assert!(leaf(Operator::NotEquals, vec![json!(1), json!(2)]).is_err());
        assert!(leaf(Operator::In, vec![json!(null)]).is_err());
        assert!(leaf(Operator::Contains, vec![json!("")]).is_err());
        assert!(leaf(Operator::Contains, vec![json!(1)]).is_err());
        assert!(leaf(Operator::In, vec![]).is_ok());
    }
}
