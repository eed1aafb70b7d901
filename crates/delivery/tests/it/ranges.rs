//! What is large and read whole: in parts, compressed, or only asked about.

use std::io::Read as _;

use crate::key_lists::{digest, flags, included};
use crate::support::{Answer, App, PROD, SERVER_KEY, flag};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

const SNAPSHOT: &str = "/sdk/v1/snapshot";
/// A list in three pieces.
const PIECES: [&str; 3] = ["u1\n", "u2\nu", "3\n"];

async fn get(app: &App, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = headers.iter().copied().chain([("x-sdk-key", SERVER_KEY)]).collect();
    Answer::of(app.send(method, path, &headers, "").await).await
}

/// An app with a list, and its path and tag.
async fn with_list(pieces: &[&str]) -> (App, String, String) {
    let mut app = App::new(flags()).await;
    let list = app.source.put_list(pieces);
    app.source.change_segment(PROD, "beta", included(&list));
    app.sync().await;
    app.source.take_asked();
    let (path, tag) = (format!("/sdk/v1/segments/{}", digest(&list)), format!("\"{}\"", digest(&list)));
    (app, path, tag)
}

fn unzipped(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.header("content-encoding"), "gzip");
    let mut bytes = Vec::new();
    GzDecoder::new(&*answer.body).read_to_end(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn a_part_is_read_and_no_piece_before_it() {
    let (app, path, tag) = with_list(&["u1\n", "u2\nu", "3\n"]).await;
    for (range, part, content_range, pieces) in [
        ("bytes=0-0", "u", "bytes 0-0/9", 0..1),
        ("bytes=1-3", "1\nu", "bytes 1-3/9", 0..2),
        ("bytes=4-", "2\nu3\n", "bytes 4-8/9", 1..3),
        ("bytes=-2", "3\n", "bytes 7-8/9", 2..3),
        ("bytes=7-99", "3\n", "bytes 7-8/9", 2..3),
    ] {
        let headers = [("range", range), ("if-range", &*tag), ("accept-encoding", "gzip")];
        let answer = get(&app, "GET", &path, &headers).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (206, part.as_bytes()), "{range}");
        assert_eq!(answer.header("content-range"), content_range);
        assert_eq!(answer.header("content-length"), part.len().to_string());
        assert_eq!((answer.header("etag"), answer.header("content-encoding")), (&*tag, ""), "{range}");
        let asked: Vec<_> = app.source.take_asked().into_iter().map(|(_, position)| position).collect();
        assert_eq!(asked, pieces.collect::<Vec<_>>(), "{range}");
    }
}

#[tokio::test]
async fn a_part_of_something_else_or_of_nothing_is_not_given() {
    let (app, path, tag) = with_list(&["u1\n", "u2\n"]).await;
    let answer = get(&app, "GET", &path, &[("range", "bytes=6-")]).await;
    answer.assert_problem(416, "range_not_satisfiable");
    assert_eq!(answer.header("content-range"), "bytes */6");
    let weak = format!("W/{tag}");
    for headers in [
        [("range", "bytes=3-"), ("if-range", &*weak)],
        [("range", "bytes=3-"), ("if-range", "\"another\"")],
        [("range", "bytes=0-1,3-4"), ("x", "")],
        [("range", "lines=3-"), ("x", "")],
    ] {
        let answer = get(&app, "GET", &path, &headers).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"u1\nu2\n"[..]), "{headers:?}");
        assert_eq!((answer.header("content-length"), answer.header("accept-ranges")), ("6", "bytes"));
    }
    let known = get(&app, "GET", &path, &[("range", "bytes=3-"), ("if-none-match", &*tag)]).await;
    assert_eq!(known.status, 304, "what one has needs no part");
}

#[tokio::test]
async fn a_head_tells_what_there_is_and_reads_nothing() {
    let (app, path, tag) = with_list(&["u1\n", "u2\n"]).await;
    for range in ["bytes=0-1", ""] {
        let answer = get(&app, "HEAD", &path, &[("range", range)]).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        assert_eq!((answer.header("content-length"), answer.header("etag")), ("6", &*tag));
    }
    let compressed = get(&app, "HEAD", &path, &[("accept-encoding", "gzip")]).await;
    assert_eq!((compressed.status.as_u16(), compressed.header("content-length")), (200, ""));
    assert_eq!(compressed.header("etag"), format!("W/{tag}"));
    assert_eq!(app.source.take_asked(), []);
}

#[tokio::test]
async fn a_list_comes_compressed_to_who_takes_it_so() {
    let text: String = (0..40_000).fold(String::new(), |text, key| format!("{text}user-{key:0>8}\n"));
    let pieces: Vec<_> =
        text.as_bytes().chunks(100_000).map(|piece| str::from_utf8(piece).unwrap()).collect();
    let (app, path, tag) = with_list(&pieces).await;
    let answer = get(&app, "GET", &path, &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(unzipped(&answer), text.as_bytes());
    assert!(answer.body.len() < text.len() / 3, "{} of {}", answer.body.len(), text.len());
    assert_eq!((answer.header("etag"), answer.header("content-length")), (&*format!("W/{tag}"), ""));
    let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["accept-encoding", "Origin"]);
    let known = answer.header("etag");
    for accepted in ["gzip", "identity"] {
        let again = get(&app, "GET", &path, &[("accept-encoding", accepted), ("if-none-match", known)]).await;
        assert_eq!(again.status, 304, "{accepted}");
    }
}

#[tokio::test]
async fn a_list_that_lost_its_end_does_not_look_whole() {
    let (app, path, tag) = with_list(&PIECES).await;
    let sha256 = tag.trim_matches('"');
    app.source.lose_piece(sha256, 2);
    for accepted in ["gzip", "identity"] {
        let headers = [("x-sdk-key", SERVER_KEY), ("accept-encoding", accepted)];
        let answer = app.send("GET", &path, &headers, "").await;
        assert_eq!(answer.status(), 200);
        assert!(axum::body::to_bytes(answer.into_body(), 1_000).await.is_err(), "{accepted}");
    }
    let answer = get(&app, "GET", &path, &[("range", "bytes=7-")]).await;
    answer.assert_problem(503, "key_list_unavailable");
}

#[tokio::test]
async fn a_snapshot_comes_compressed_to_who_takes_it_so() {
    let many = |number: usize| (0..number).map(|key| (format!("f{key}"), flag())).collect::<Value>();
    for number in [1, 300] {
        let mut app = App::new(many(number)).await;
        let zipped = async |app: &App, known: &str| {
            get(app, "GET", SNAPSHOT, &[("accept-encoding", "gzip"), ("if-none-match", known)]).await
        };
        let answer = zipped(&app, "").await;
        let plain = get(&app, "GET", SNAPSHOT, &[]).await;
        assert_eq!(unzipped(&answer), plain.body);
        assert_eq!((answer.header("etag"), plain.header("etag")), ("W/\"9f.40\"", "\"9f.40\""));
        assert_eq!((plain.header("vary"), plain.header("content-encoding")), ("accept-encoding", ""));
        for known in ["W/\"9f.40\"", "\"9f.40\""] {
            let again = zipped(&app, known).await;
            assert_eq!((again.status.as_u16(), again.header("etag")), (304, "W/\"9f.40\""));
        }
        app.change("f0", Value::Null).await;
        let changed = zipped(&app, "W/\"9f.40\"").await;
        let document: Value = serde_json::from_slice(&unzipped(&changed)).unwrap();
        assert_eq!((&document["revision"], document["flags"].get("f0")), (&json!(41), None));
    }
}
