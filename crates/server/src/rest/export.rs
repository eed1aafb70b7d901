//! Logs as files: an entry a line, read from the store page by page while they are sent.

use std::fmt::Write as _;
use std::future::Future;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use domain::audit::{AuditEntry, AuditExport};
use domain::error::{Error, Result};
use domain::security::{SecurityExport, SecurityView};
use futures_util::stream::unfold;
use http::header;
use serde::Serialize;

use crate::problem::Problem;

/// What a file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON, an entry a line.
    Ndjson,
    /// RFC 4180, with a line of names.
    Csv,
}

/// An entry that can be a row of a table.
trait Row: Serialize {
    const NAMES: &'static [&'static str];
    fn cells(&self) -> Vec<String>;
}

/// Pages of entries.
trait Pages: Send + 'static {
    type Entry: Row + Send;
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<Self::Entry>>>> + Send;
}

impl Pages for AuditExport {
    type Entry = AuditEntry;

    async fn next(&mut self) -> Result<Option<Vec<AuditEntry>>> {
        Self::next(self).await
    }
}

impl Pages for SecurityExport {
    type Entry = SecurityView;

    async fn next(&mut self) -> Result<Option<Vec<SecurityView>>> {
        Self::next(self).await
    }
}

/// The project's or the instance's log.
pub(super) async fn audit(export: AuditExport, format: Format, name: &str) -> Result<Response, Problem> {
    respond(export, format, name).await
}

/// The security log.
pub(super) async fn security(
    export: SecurityExport,
    format: Format,
    name: &str,
) -> Result<Response, Problem> {
    respond(export, format, name).await
}

/// The first page is read before the answer begins, so that what is wrong then has its own status. What goes wrong
/// later cuts the answer off, which every client sees.
async fn respond<P: Pages>(mut pages: P, format: Format, name: &str) -> Result<Response, Problem> {
    let first = match format {
        Format::Ndjson => String::new(),
        Format::Csv => line(P::Entry::NAMES.iter().map(|name| (*name).to_owned())),
    };
    let first = first + &text(pages.next().await?.unwrap_or_default(), format)?;
    let rest = unfold(Some(pages), move |pages| async move {
        let mut pages = pages?;
        match pages.next().await {
            Ok(None) => None,
            Ok(Some(entries)) => Some((text(entries, format).map(Bytes::from), Some(pages))),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an export was cut off");
                Some((Err(error), None))
            }
        }
    });
    let (kind, ending) = match format {
        Format::Ndjson => ("application/x-ndjson", "ndjson"),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{ending}\"")),
    ];
    let begin = futures_util::stream::once(async move { Ok(Bytes::from(first)) });
    let body = Body::from_stream(futures_util::StreamExt::chain(begin, rest));
    Ok((headers, body).into_response())
}

fn text<R: Row>(entries: Vec<R>, format: Format) -> Result<String> {
    let mut text = String::new();
    for entry in entries {
        match format {
            Format::Ndjson => {
                let line = serde_json::to_string(&entry).map_err(|error| Error::Internal(error.into()))?;
                text.push_str(&line);
                text.push('\n');
            }
            Format::Csv => text.push_str(&line(entry.cells())),
        }
    }
    Ok(text)
}

fn line(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<_> = cells.into_iter().map(|text| cell(&text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell that a spreadsheet takes for text, whatever it says: what could begin a formula gets an apostrophe before
/// it, as spreadsheets themselves mark text.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    let plain = !text.contains([',', '"', '\r', '\n']);
    if plain { format!("{guard}{text}") } else { format!("\"{guard}{}\"", text.replace('"', "\"\"")) }
}

impl Row for AuditEntry {
    const NAMES: &'static [&'static str] = &[
        "revision",
        "at",
        "actor_id",
        "actor",
        "source",
        "address",
        "action",
        "subject_kind",
        "subject",
        "changes",
        "comment",
        "reverts",
        "hash",
    ];

    fn cells(&self) -> Vec<String> {
        let subject = self.entities.first();
        vec![
            self.revision.to_string(),
            self.at.to_string(),
            self.actor.id.to_string(),
            self.actor.name.clone().unwrap_or_default(),
            self.source.clone(),
            self.address.clone().unwrap_or_default(),
            self.action.clone(),
            subject.map(|subject| subject.kind.clone()).unwrap_or_default(),
            subject.map(|subject| subject.key.clone()).unwrap_or_default(),
            changes(self),
            self.comment.clone().unwrap_or_default(),
            self.reverts.map(|revision| revision.to_string()).unwrap_or_default(),
            self.hash.clone(),
        ]
    }
}

/// For people: `path: old -> new`, a change a line.
fn changes(entry: &AuditEntry) -> String {
    let mut text = String::new();
    for change in &entry.changes {
        let separator = if text.is_empty() { "" } else { "\n" };
        let _ = write!(text, "{separator}{}: {} -> {}", change.path, change.old, change.new);
    }
    if entry.changes_left_out > 0 {
        let _ = write!(text, "\nand {} more", entry.changes_left_out);
    }
    text
}

impl Row for SecurityView {
    const NAMES: &'static [&'static str] = &[
        "revision", "at", "last_at", "count", "kind", "actor_id", "actor", "address", "subject", "detail",
        "hash",
    ];

    fn cells(&self) -> Vec<String> {
        let actor = self.actor.as_ref();
        vec![
            self.revision.to_string(),
            self.at.to_string(),
            self.last_at.to_string(),
            self.count.to_string(),
            self.kind.clone(),
            actor.map(|actor| actor.id.to_string()).unwrap_or_default(),
            actor.and_then(|actor| actor.name.clone()).unwrap_or_default(),
            self.address.map(|address| address.to_string()).unwrap_or_default(),
            self.subject.clone(),
            self.detail.clone(),
            self.hash.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::{cell, line};

    #[test]
    fn a_cell_is_text_whatever_it_says() {
        for (text, written) in [
            ("plain", "plain"),
            ("", ""),
            ("=HYPERLINK(\"http://evil\")", "\"'=HYPERLINK(\"\"http://evil\"\")\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("a,b", "\"a,b\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(text), written, "{text:?}");
        }
        assert_eq!(line(["a".to_owned(), "b,c".to_owned()]), "a,\"b,c\"\r\n");
    }
}
