//! Logs as files: an entry a line, read from the store page by page while they are sent.
//!
//! Pages of a log are large, and who asks for one may read it slowly or not at all. So a task of its own reads it and
//! hands over small pieces, few exports are under way at a time, and one that nobody takes is given up: what stays in
//! memory of it then is a piece or two, however long the connection does.

use std::fmt::Write as _;
use std::future::Future;
use std::io::{Error as IoError, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use domain::audit::{AuditEntry, AuditExport};
use domain::error::{Error, Result};
use domain::id::Id;
use domain::security::{SecurityExport, SecurityView};
use futures_util::stream::unfold;
use http::header;
use serde::Serialize;
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::doors::share::{Held, Share};
use crate::problem::Problem;

/// So many exports are read at a time, each with a page in memory; a further one is asked to come back.
const AT_ONCE: u64 = 8;
/// So many of them are of one account.
const OF_ONE: u64 = 2;
/// In so many seconds.
const COME_BACK: u32 = 5;
/// An export of which nothing is taken for so long is given up.
const MOST_PAUSE: Duration = Duration::from_secs(30);
/// So much is handed over at a time, in bytes: it stays in memory until it is taken.
const PIECE: usize = 64 << 10;

/// The exports that a node reads at a time.
#[derive(Clone)]
pub struct Exports(Arc<Share<Id>>);

impl Default for Exports {
    fn default() -> Self {
        Self(Share::new(AT_ONCE, Some(OF_ONE)))
    }
}

impl Exports {
    /// A place for one of an account, until it is dropped.
    pub(super) fn begin(&self, account_id: Id) -> Result<Held<Id>> {
        self.0.take(Some(account_id), 1).ok_or(Error::TooMany { retry_after: COME_BACK })
    }
}

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
pub(super) async fn audit(
    place: Held<Id>,
    export: AuditExport,
    format: Format,
    name: &str,
) -> Result<Response, Problem> {
    respond(place, export, format, name).await
}

/// The security log.
pub(super) async fn security(
    place: Held<Id>,
    export: SecurityExport,
    format: Format,
    name: &str,
) -> Result<Response, Problem> {
    respond(place, export, format, name).await
}

/// The first page is read before the answer begins, so that what is wrong then has its own status. What goes wrong
/// later cuts the answer off, which every client sees.
async fn respond<P: Pages>(
    place: Held<Id>,
    mut pages: P,
    format: Format,
    name: &str,
) -> Result<Response, Problem> {
    let first = match format {
        Format::Ndjson => String::new(),
        Format::Csv => line(P::Entry::NAMES.iter().map(|name| (*name).to_owned())),
    };
    let first = first + &text(pages.next().await?.unwrap_or_default(), format)?;
    let (kind, ending) = match format {
        Format::Ndjson => ("application/x-ndjson", "ndjson"),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{ending}\"")),
    ];
    Ok((headers, body(place, first, pages, format)).into_response())
}

/// What is read by a task, which ends with who takes it: at its own end, when they hang up, or when they take nothing
/// any more.
fn body<P: Pages>(place: Held<Id>, first: String, pages: P, format: Format) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    let reading = async move {
        let _place = place;
        if let Err(error) = read(first, pages, format, sender).await {
            tracing::error!(error = &error as &dyn std::error::Error, "an export was cut off");
        }
    };
    tokio::spawn(reading.in_current_span());
    Body::from_stream(unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Some(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::End) => None,
            // Nobody says that this is all: it must not look whole.
            None => Some((Err(IoError::from(ErrorKind::UnexpectedEof)), None)),
        }
    }))
}

/// What is handed over of an export.
enum Piece {
    Some(Bytes),
    /// There is no more.
    End,
}

async fn read<P: Pages>(
    first: String,
    mut pages: P,
    format: Format,
    sender: mpsc::Sender<Piece>,
) -> Result<()> {
    let mut page = first;
    loop {
        for piece in page.as_bytes().chunks(PIECE) {
            // Of its own, or the piece would keep its page.
            let piece = Piece::Some(Bytes::copy_from_slice(piece));
            if sender.send_timeout(piece, MOST_PAUSE).await.is_err() {
                tracing::debug!("an export was not taken to its end");
                return Ok(());
            }
        }
        let Some(entries) = pages.next().await? else { break };
        page = text(entries, format)?;
    }
    // Who does not take this has been told nothing wrong.
    let _ = sender.send_timeout(Piece::End, MOST_PAUSE).await;
    Ok(())
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
    use futures_util::StreamExt;
    use tokio::time::{Instant, sleep};

    use super::*;

    /// Pages of one long entry each.
    struct Long(usize);

    #[derive(Serialize)]
    struct Words(String);

    impl Row for Words {
        const NAMES: &'static [&'static str] = &["words"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.clone()]
        }
    }

    impl Pages for Long {
        type Entry = Words;

        async fn next(&mut self) -> Result<Option<Vec<Words>>> {
            let Some(left) = self.0.checked_sub(1) else { return Ok(None) };
            self.0 = left;
            Ok(Some(vec![Words("x".repeat(5 * PIECE))]))
        }
    }

    /// An export of one of several accounts.
    async fn begin(exports: &Exports, who: u64) -> Option<Body> {
        let place = exports.begin(format!("00000000-0000-0000-0000-{who:012}").parse().ok()?).ok()?;
        let answer = respond(place, Long(4), Format::Ndjson, "words").await;
        answer.ok().map(Response::into_body)
    }

    #[tokio::test(start_paused = true)]
    async fn an_export_is_whole_and_leaves_its_place() {
        let exports = Exports::default();
        let bytes = axum::body::to_bytes(begin(&exports, 0).await.unwrap(), usize::MAX).await.unwrap();
        assert_eq!(bytes.len(), 4 * (5 * PIECE + "\"\"\n".len()));
        tokio::task::yield_now().await;
        assert_eq!(exports.0.taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_read_at_a_time_and_one_that_nobody_takes_is_given_up() {
        let exports = Exports::default();
        let mut unread = Vec::new();
        for place in 0..AT_ONCE {
            unread.push(begin(&exports, place / OF_ONE).await.unwrap().into_data_stream());
            let of_one = place % OF_ONE + 1;
            assert!(
                of_one < OF_ONE || begin(&exports, place / OF_ONE).await.is_none(),
                "that is enough for one"
            );
        }
        assert!(begin(&exports, AT_ONCE).await.is_none(), "one too many");
        // Who hangs up makes room at once, and who takes a little now and then keeps theirs.
        unread.pop();
        tokio::task::yield_now().await;
        unread.push(begin(&exports, AT_ONCE).await.unwrap().into_data_stream());
        let begun = Instant::now();
        for _ in 0..3 {
            sleep(MOST_PAUSE * 9 / 10).await;
            assert!(unread[0].next().await.unwrap().is_ok());
        }
        assert!(begun.elapsed() > 2 * MOST_PAUSE);
        assert_eq!(exports.0.taken(), 1, "the others were given up");

        let mut given_up = unread.pop().unwrap();
        let mut last = given_up.next().await.unwrap();
        while last.is_ok() {
            last = given_up.next().await.expect("it looks whole");
        }
    }

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
