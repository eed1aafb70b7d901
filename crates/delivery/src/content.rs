//! What an answer carries.

use std::convert::Infallible;

use axum::body::{Body, HttpBody};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;

use crate::stream::Stream;

/// The body of an answer. A stream is told apart, so that who writes to the socket can do so without anything in
/// between: ten thousand of them are open at a time.
pub enum Content {
    /// Anything that ends.
    Whole(Body),
    /// Frames as they come.
    Stream(Box<Stream>),
}

impl Content {
    /// A body like any other.
    pub fn into_body(self) -> Body {
        match self {
            Self::Whole(body) => body,
            Self::Stream(stream) => Body::from_stream(unfold(stream, |mut stream| async move {
                let frame = stream.next().await?;
                Some((Ok::<_, Infallible>(frame), stream))
            })),
        }
    }
}

impl From<Body> for Content {
    fn from(body: Body) -> Self {
        Self::Whole(body)
    }
}

/// An answer that ends.
pub(crate) fn whole(response: impl IntoResponse) -> Response<Content> {
    response.into_response().map(Content::Whole)
}

/// What HEAD is answered: all but the body, whose length is told if it is known.
pub(crate) fn without_body(response: Response<Content>) -> Response<Content> {
    let (mut head, content) = response.into_parts();
    if let Content::Whole(body) = content
        && let Some(length) = body.size_hint().exact()
    {
        head.headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
    }
    Response::from_parts(head, Content::Whole(Body::empty()))
}

/// An answer that goes on.
pub(crate) fn frames(stream: Stream) -> Response<Content> {
    let headers = [
        (header::CONTENT_TYPE.as_str(), wire::sse::CONTENT_TYPE),
        (header::CACHE_CONTROL.as_str(), "no-store"),
        // Proxies of nginx's kind would collect events until a buffer is full.
        ("x-accel-buffering", "no"),
    ];
    headers.into_response().map(|_| Content::Stream(Box::new(stream)))
}
