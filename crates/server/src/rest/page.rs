//! Lists: an array, how many there are in all, and where the next ones are.

use std::fmt::Write as _;

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::error::Error;
use domain::ports::Page;
use http::header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// How many are listed unless the request says otherwise.
const USUAL: u32 = 100;
/// How many are listed at most.
const MOST: u32 = 1_000;
/// What need not be written otherwise in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The number of items that a request asked for, if it may.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Error> {
    let limit = asked.unwrap_or(USUAL);
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    Err(Error::invalid("query limit", format!("must be 1 to {MOST}")))
}

/// A page of a list. `next` makes the cursor out of the last item; `query` is what else the request said.
pub(super) fn respond<T: Serialize>(
    path: &str,
    query: &[(&str, Option<String>)],
    page: &Page<T>,
    next: impl FnOnce(&T) -> String,
) -> Response {
    let total = [("x-total-count", page.total.to_string())];
    let body = Json(&page.items);
    let Some(last) = page.items.last().filter(|_| page.more) else {
        return (total, body).into_response();
    };
    let mut link = format!("<{path}?cursor={}", utf8_percent_encode(&next(last), QUERY));
    for (name, value) in query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        let _ = write!(link, "&{name}={}", utf8_percent_encode(value, QUERY));
    }
    link.push_str(">; rel=\"next\"");
    (total, [(header::LINK, link)], body).into_response()
}
