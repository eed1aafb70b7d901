//! Small slips in documents: something is missing, too much, or of another kind.

use serde_json::{Map, Value};

use super::any;
use super::dice::Dice;

/// Changes one thing somewhere inside `document`, or `document` itself.
pub(super) fn slip(dice: &mut Dice, document: &mut Value) {
    let stays = dice.once_in(8);
    match document {
        Value::Array(items) if !stays && !items.is_empty() => {
            let index = dice.below(items.len());
            slip(dice, &mut items[index]);
        }
        Value::Object(members) if !stays && !members.is_empty() => {
            let index = dice.below(members.len());
            if let Some(member) = members.values_mut().nth(index) {
                slip(dice, member);
            }
        }
        Value::Array(items) => slip_of_list(dice, items),
        Value::Object(members) => slip_of_object(dice, members),
        _ => replace(dice, document),
    }
}

/// The contract leaves open whether `10.0` may stand where a whole number is asked for: it does not, here.
fn replace(dice: &mut Dice, document: &mut Value) {
    let other = any(dice);
    let is_whole = other.as_f64().is_some_and(|number| number.fract().abs() <= 0.0);
    *document = if document.is_u64() && other.is_f64() && is_whole { Value::from(10) } else { other };
}

fn slip_of_list(dice: &mut Dice, items: &mut Vec<Value>) {
    match dice.below(3) {
        0 => items.push(any(dice)),
        1 => items.extend(items.first().cloned()),
        _ => {
            items.pop();
        }
    }
}

fn slip_of_object(dice: &mut Dice, members: &mut Map<String, Value>) {
    let name = dice
        .pick(&["colour", "needs", "when", "value", "values", "by", "priority", "salt", "list", "included"]);
    let index = dice.below(members.len().max(1));
    let present = members.keys().nth(index).cloned();
    match present {
        Some(present) if !dice.once_in(3) => {
            members.remove(&present);
        }
        _ => {
            members.insert(name.to_owned(), any(dice));
        }
    }
}
