//! From columns to the domain's types, and back. A column that does not read is an error of the driver's kind,
//! so that all of a query fails in one way.

use std::fmt::Display;

use domain::error::Cause;
use domain::id::Id;
use domain::key::Key;
use domain::log::Hash;
use domain::time::Timestamp;
use engine::model::Revision;
use futures_util::TryStreamExt;
use futures_util::stream::{BoxStream, TryChunks, TryChunksError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;

use super::Row;

/// Rows that are read on the spot; more than these are read off the reactor.
const MOST_INLINE: usize = 64;
/// Rows of a stream that are collected before they are read.
const BATCH: usize = 256;
/// The same, where each may be large.
const LARGE_BATCH: usize = 16;

pub(super) fn text(row: &Row, column: &str) -> sqlx::Result<String> {
    row.try_get(column)
}

pub(super) fn id(row: &Row, column: &str) -> sqlx::Result<Id> {
    text(row, column)?.parse().map_err(|error| unreadable(column, error))
}

pub(super) fn key(row: &Row, column: &str) -> sqlx::Result<Key> {
    Key::parse(&text(row, column)?).ok_or_else(|| unreadable(column, "not a key"))
}

pub(super) fn time(row: &Row, column: &str) -> sqlx::Result<Timestamp> {
    row.try_get(column).map(Timestamp::from_millis)
}

pub(super) fn revision(row: &Row, column: &str) -> sqlx::Result<Revision> {
    let revision: i64 = row.try_get(column)?;
    revision.try_into().map_err(|error: std::num::TryFromIntError| unreadable(column, error))
}

pub(super) fn hash(row: &Row, column: &str) -> sqlx::Result<Hash> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map_err(|_| unreadable(column, "not 32 bytes"))
}

/// A word of a closed set.
pub(super) fn word<T>(row: &Row, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> sqlx::Result<T> {
    let word = text(row, column)?;
    parse(&word).ok_or_else(|| unreadable(column, format!("{word:?} is not known")))
}

/// JSON text.
pub(super) fn document<T: DeserializeOwned>(row: &Row, column: &str) -> sqlx::Result<T> {
    serde_json::from_str(&text(row, column)?).map_err(|error| unreadable(column, error))
}

/// The JSON text of a document.
pub(super) fn to_document(document: &impl Serialize) -> sqlx::Result<String> {
    serde_json::to_string(document).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// A revision as a column holds it. None comes near the bound; as a limit, what is beyond it means "all".
pub(super) fn signed(revision: Revision) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

/// Reads many rows: parsing the documents of thousands of flags takes longer than the reactor may be held.
pub(super) async fn read_all<T: Send + 'static>(
    rows: Vec<Row>,
    read: fn(&Row) -> sqlx::Result<T>,
) -> sqlx::Result<Vec<T>> {
    if rows.len() <= MOST_INLINE { rows.iter().map(read).collect() } else { read_large(rows, read).await }
}

/// Reads rows of which each may be large.
pub(super) async fn read_large<T: Send + 'static>(
    rows: Vec<Row>,
    read: fn(&Row) -> sqlx::Result<T>,
) -> sqlx::Result<Vec<T>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let reading = tokio::task::spawn_blocking(move || rows.iter().map(read).collect());
    reading.await.map_err(|_| sqlx::Error::WorkerCrashed)?
}

/// What a query gives, row by row.
pub(super) type Rows<'a> = BoxStream<'a, sqlx::Result<Row>>;

/// Reads any number of rows as they come: a driver's row takes several times the memory of what is read from it.
pub(super) async fn read_stream<T: Send + 'static>(
    rows: Rows<'_>,
    read: fn(&Row) -> sqlx::Result<T>,
) -> sqlx::Result<Vec<T>> {
    let mut all = Vec::new();
    let mut batches = rows.try_chunks(BATCH);
    while let Some(batch) = next(&mut batches).await? {
        all.append(&mut read_all(batch, read).await?);
    }
    Ok(all)
}

/// Reads any number of rows as they come, of which each may be large.
pub(super) async fn read_large_stream<T: Send + 'static>(
    rows: Rows<'_>,
    read: fn(&Row) -> sqlx::Result<T>,
) -> sqlx::Result<Vec<T>> {
    let mut all = Vec::new();
    let mut batches = rows.try_chunks(LARGE_BATCH);
    while let Some(batch) = next(&mut batches).await? {
        all.append(&mut read_large(batch, read).await?);
    }
    Ok(all)
}

async fn next(batches: &mut TryChunks<Rows<'_>>) -> sqlx::Result<Option<Vec<Row>>> {
    batches.try_next().await.map_err(|TryChunksError(_, error)| error)
}

fn unreadable(column: &str, why: impl Display) -> sqlx::Error {
    let source: Cause = why.to_string().into();
    sqlx::Error::ColumnDecode { index: column.to_owned(), source }
}
