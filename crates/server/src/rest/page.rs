//! Lists: an array, how many there are in all, and where the next ones are.

use std::fmt::Write as _;

use axum::Json;
use axum::response::{AppendHeaders, IntoResponse, Response};
use domain::error::Error;
use domain::key::Key;
use domain::ports::{KeyedFilter, Page};
use http::header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

/// How many are listed unless the request says otherwise.
const USUAL: u32 = 100;
/// How many are listed at most.
const MOST: u32 = 1_000;
/// What need not be written otherwise in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which of the things that have a key are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KeyedQuery {
    /// Only those with this text in their key, name or description.
    search: Option<String>,
    /// Only those whose key begins with this.
    prefix: Option<String>,
    /// Where to go on, from the `Link` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 1000; 100 unless given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

impl KeyedQuery {
    /// What it means.
    pub(super) fn filter(&self) -> Result<KeyedFilter, Error> {
        let read_cursor = |cursor: &str| {
            Key::parse(cursor)
                .ok_or_else(|| Error::invalid("query cursor", "is not one of ours; start without one"))
        };
        Ok(KeyedFilter {
            search: self.search.clone().filter(|text| !text.is_empty()),
            prefix: self.prefix.clone().filter(|text| !text.is_empty()),
            after: self.cursor.as_deref().map(read_cursor).transpose()?,
            limit: limit(self.limit.as_deref())?,
        })
    }

    /// What the next page is asked with, besides its cursor.
    pub(super) fn said(&self) -> [(&'static str, Option<String>); 3] {
        [("search", self.search.clone()), ("prefix", self.prefix.clone()), ("limit", self.limit.clone())]
    }
}

/// The number of items that a request asked for, if it may.
pub(super) fn limit(asked: Option<&str>) -> Result<u32, Error> {
    let limit = asked.map_or(Some(USUAL), |asked| asked.parse().ok());
    let limit = limit.filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| Error::invalid("query limit", format!("must be a whole number from 1 to {MOST}")))
}

/// A page of a list. `next` makes the cursor out of the last item; `query` is what else the request said.
pub(super) fn respond<T: Serialize>(
    path: &str,
    query: &[(&str, Option<String>)],
    page: &Page<T>,
    next: impl FnOnce(&T) -> String,
) -> Response {
    // Left out if they were not counted.
    let total = AppendHeaders(page.total.map(|total| ("x-total-count", total.to_string())));
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
