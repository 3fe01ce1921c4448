//! Connections: a request is read whole, answered by [`World`], and the answer sent as its [`Way`] says.
//!
//! Written on hyper, without a framework above it: who is to reset a connection must hold it.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

use super::Origin;
use super::world::World;

/// More than anybody may send.
const MAX_BODY_BYTES: usize = 256 << 20;

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub origin: Origin,
    pub method: String,
    /// As it was sent, without the query.
    pub path: String,
    pub query: Vec<(String, String)>,
    /// By their names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| &**value)
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(of, _)| of == name).map(|(_, value)| &**value)
    }

    /// The parts of the path, each decoded.
    pub fn segments(&self) -> Vec<String> {
        let parts = self.path.split('/').filter(|part| !part.is_empty());
        // A path is no form, but for `+` they are decoded alike.
        let decoded = parts.map(|part| {
            let pairs = url::form_urlencoded::parse(part.as_bytes()).next();
            pairs.map_or_else(String::new, |(name, _)| name.into_owned())
        });
        decoded.collect()
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub way: Way,
}

/// How an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As it should be.
    Whole,
    /// Not at all: the connection is reset.
    Reset,
    /// The first half of the body, then the connection is closed.
    Cut,
    /// The body in ten pieces, with a pause before each.
    Slow(Duration),
    /// Not at all: the connection is kept open.
    Hang,
}

impl Answer {
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into(), way: Way::Whole }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// Answers whoever comes, until the runtime ends.
pub(super) async fn listen(listener: TcpListener, origin: Origin, world: Arc<Mutex<World>>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, origin, Arc::clone(&world)));
        }
    }
}

async fn converse(stream: TcpStream, origin: Origin, world: Arc<Mutex<World>>) {
    let is_reset = Arc::new(AtomicBool::new(false));
    let wire = TokioIo::new(Wire { stream, is_reset: Arc::clone(&is_reset) });
    let service = service_fn(move |request| answer(request, origin, Arc::clone(&world), Arc::clone(&is_reset)));
    // Whoever breaks off a connection broke it off.
    let _ = http1::Builder::new().serve_connection(wire, service).await;
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is to be closed")]
struct Closed;

async fn answer(
    request: hyper::Request<Incoming>,
    origin: Origin,
    world: Arc<Mutex<World>>,
    is_reset: Arc<AtomicBool>,
) -> Result<hyper::Response<Paced>, Closed> {
    let (head, body) = request.into_parts();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut request = Request {
        origin,
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: url::form_urlencoded::parse(head.uri.query().unwrap_or("").as_bytes()).into_owned().collect(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: Bytes::new(),
    };
    let lock = || world.lock().unwrap_or_else(PoisonError::into_inner);
    let (entry_idx, early) = lock().arrive(&request);
    let answer = match early {
        Some(answer) => answer,
        None => match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Ok(body) => {
                request.body = body.to_bytes();
                lock().respond(entry_idx, &request)
            }
            Err(_) => Answer::new(413, "text/plain", "the body is too large or was cut off"),
        },
    };
    match answer.way {
        Way::Hang => pending().await,
        Way::Reset => {
            is_reset.store(true, Ordering::Relaxed);
            Err(Closed)
        }
        way => {
            let mut response = hyper::Response::builder().status(answer.status);
            for (name, value) in &answer.headers {
                response = response.header(name, value);
            }
            let body = if head.method == hyper::Method::HEAD { Bytes::new() } else { answer.body };
            // A type that a client gave its upload may be none that a header can hold.
            Ok(response.body(Paced::new(body, way)).unwrap_or_else(|_| {
                let mut mistake = hyper::Response::new(Paced::new(Bytes::new(), Way::Whole));
                *mistake.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
                mistake
            }))
        }
    }
}

/// A body that may come slowly, or end before it should.
struct Paced {
    parts: VecDeque<Bytes>,
    n_bytes: u64,
    is_cut: bool,
    /// The connection must be idle once before it is closed, or what was sent so far is lost with it.
    is_held: bool,
    pause: Option<Duration>,
    pausing: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    fn new(body: Bytes, way: Way) -> Self {
        let n_bytes = body.len() as u64;
        let (pause, part_bytes) = match way {
            Way::Slow(pause) => (Some(pause), body.len().div_ceil(10).max(1)),
            Way::Cut => (None, body.len().div_ceil(2).max(1)),
            Way::Whole | Way::Reset | Way::Hang => (None, body.len().max(1)),
        };
        let mut rest = body;
        let mut parts = VecDeque::new();
        while !rest.is_empty() {
            parts.push_back(rest.split_to(part_bytes.min(rest.len())));
        }
        let is_cut = way == Way::Cut;
        if is_cut {
            parts.truncate(1);
        }
        Self { parts, n_bytes, is_cut, is_held: is_cut, pause, pausing: None }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if self.parts.is_empty() {
            if std::mem::take(&mut self.is_held) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(self.is_cut.then_some(Err(Closed)));
        }
        if let Some(pause) = self.pause {
            let pausing = self.pausing.get_or_insert_with(|| Box::pin(sleep(pause)));
            if pausing.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pausing = None;
        }
        Poll::Ready(self.parts.pop_front().map(|part| Ok(Frame::data(part))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.n_bytes)
    }
}

/// A connection that can be reset: closed with nothing more sent, and the other side told so.
struct Wire {
    stream: TcpStream,
    is_reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.is_reset.load(Ordering::Relaxed) {
            // If it fails, the connection is closed in the ordinary way, which is a fault as well.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
