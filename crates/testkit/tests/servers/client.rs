//! The plainest client there is: one request a connection, written and read by hand, so that nothing is repeated, followed or
//! repaired on the way.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::Value;

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What came in place of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// The connection was reset.
    Reset,
    /// It was closed after so many bytes of a body that was to be longer.
    Short(usize),
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| &**value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Asks, and reads the answer to its end.
pub fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply, Broken> {
    let (host, path) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("http://host:port/path");
    // Only addresses of loopback lead to a test's own servers.
    let address = host.replace("localhost", "127.0.0.1");
    let mut stream = TcpStream::connect(address).expect("a server listens");
    let mut head = format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    // A server that resets at once may do so while this writes.
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut reply = Vec::new();
    match sent.and_then(|()| stream.read_to_end(&mut reply)) {
        Ok(_) => {}
        Err(error) if [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind()) => {
            return Err(Broken::Reset);
        }
        Err(error) => panic!("{error}"),
    }
    let _ = stream.shutdown(Shutdown::Both);
    let head_bytes = reply.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let body = reply.split_off(head_bytes + 4);
    let head = String::from_utf8(reply).expect("a head in UTF-8");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let reply = Reply { status: status.expect("a status"), headers, body };
    match reply.header("content-length").and_then(|length| length.parse().ok()) {
        Some(n_bytes) if method != "HEAD" && reply.body.len() < n_bytes => Err(Broken::Short(reply.body.len())),
        _ => Ok(reply),
    }
}
