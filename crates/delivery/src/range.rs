//! Which part of a body is asked for (RFC 9110, section 14): so that a download that broke off can go on.

use std::ops::Range;

use axum::http::{HeaderMap, Method, header};

/// What is asked for of a body of some length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it; also of who asks for several parts, or says what cannot be read.
    All,
    /// These bytes, one at least.
    Part(Range<u64>),
    /// Bytes beyond its end.
    Beyond,
}

/// What a request asks for of the body of this length whose entity tag is `etag`, with its quotes. With `If-Range` a part
/// is wanted only of what has that very tag.
pub(crate) fn wanted(method: &Method, headers: &HeaderMap, etag: &str, length: u64) -> Wanted {
    let is_same = headers.get_all(header::IF_RANGE).iter().all(|tag| tag.as_bytes() == etag.as_bytes());
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(range), None, true, true) = (ranges.next(), ranges.next(), is_same, method == Method::GET)
    else {
        return Wanted::All;
    };
    range.to_str().ok().and_then(|range| read(range, length)).unwrap_or(Wanted::All)
}

/// `None` for what is no range, and for several.
fn read(range: &str, length: u64) -> Option<Wanted> {
    let (unit, range) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let part = match (first.trim(), last.trim()) {
        ("", "") => return None,
        ("", last) => length.saturating_sub(number(last)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some(if part.is_empty() { Wanted::Beyond } else { Wanted::Part(part) })
}

/// A number of digits alone; one that is larger than any is beyond all places.
fn number(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ETAG: &str = "\"e\"";

    fn of(range: &str, condition: Option<&str>) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(condition) = condition {
            headers.insert(header::IF_RANGE, condition.parse().unwrap());
        }
        wanted(&Method::GET, &headers, ETAG, 10)
    }

    #[test]
    fn one_range_is_a_part() {
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=9-9", 9..10),
            ("bytes=0-99", 0..10),
            ("bytes=3-99999999999999999999999", 3..10),
            ("bytes=-4", 6..10),
            ("bytes=-99", 0..10),
            ("Bytes = 2 - 5 ", 2..6),
        ] {
            assert_eq!(of(range, None), Wanted::Part(part), "{range}");
        }
    }

    #[test]
    fn what_lies_beyond_the_end_is_nothing() {
        for range in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(of(range, None), Wanted::Beyond, "{range}");
        }
    }

    #[test]
    fn several_and_what_does_not_read_are_all_of_it() {
        for range in [
            "bytes=0-1,4-5",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1",
            "lines=0-1",
            "0-1",
            "",
            "bytes=1-2-3",
        ] {
            assert_eq!(of(range, None), Wanted::All, "{range}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(wanted(&Method::GET, &headers, ETAG, 10), Wanted::All);
        headers.insert(header::RANGE, "bytes=0-1".parse().unwrap());
        assert_eq!(wanted(&Method::HEAD, &headers, ETAG, 10), Wanted::All, "a range is of a GET");
        headers.append(header::RANGE, "bytes=4-5".parse().unwrap());
        assert_eq!(wanted(&Method::GET, &headers, ETAG, 10), Wanted::All, "which of them?");
    }

    #[test]
    fn a_part_is_of_what_was_begun() {
        assert_eq!(of("bytes=0-1", Some(ETAG)), Wanted::Part(0..2));
        for other in ["\"f\"", "e", "W/\"e\"", "Sun, 22 Nov 2026 05:00:00 GMT", ""] {
            assert_eq!(of("bytes=0-1", Some(other)), Wanted::All, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within(range in "bytes=[0-9]{0,4}-[0-9]{0,4}|\\PC{0,20}", length in 0_u64..200) {
            if let Some(Wanted::Part(part)) = read(&range, length) {
                prop_assert!(part.start < part.end && part.end <= length, "{part:?}");
            }
        }
    }
}
