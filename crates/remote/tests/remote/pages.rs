//! A server on this machine that keeps what it is given by its path, which is as much as all stores have in common.
//!
//! The tests of the program share this file.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What it says in place of what it would say: a status and a page, or nothing, and it hangs up.
pub type Instead = io::Result<Option<(&'static str, &'static str)>>;

/// A server, which lasts as long as the tests.
pub struct Pages {
    /// Without a slash at its end.
    pub url: String,
    held: Arc<Held>,
}

struct Held {
    pages: Mutex<BTreeMap<String, Vec<u8>>>,
    /// The first line and the headers of each request.
    asked: Mutex<Vec<String>>,
    instead: Box<dyn Fn(&str) -> Instead + Send + Sync>,
}

impl Pages {
    /// Starts a server that asks `instead`, with the first line of a request, before it answers.
    pub fn serve(instead: impl Fn(&str) -> Instead + Send + Sync + 'static) -> Pages {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (pages, asked) = Default::default();
        let held = Arc::new(Held { pages, asked, instead: Box::new(instead) });
        let holds = held.clone();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let holds = holds.clone();
                // A connection that either side breaks off is over, and that is all.
                thread::spawn(move || connection.and_then(|connection| holds.answer(connection)));
            }
        });
        Pages { url, held }
    }

    /// The paths of what it holds, sorted.
    pub fn paths(&self) -> Vec<String> {
        self.held.pages.lock().expect("not poisoned").keys().cloned().collect()
    }

    /// What it was asked so far: first lines and headers.
    pub fn asked(&self) -> Vec<String> {
        self.held.asked.lock().expect("not poisoned").clone()
    }
}

impl Held {
    fn answer(&self, mut connection: TcpStream) -> io::Result<()> {
        let mut lines = BufReader::new(connection.try_clone()?);
        let (mut request, mut n_bytes) = (String::new(), 0);
        while lines.read_line(&mut request)? > 2 {
            let header = request.lines().last().expect("one was read");
            if let Some(("content-length", value)) = header.to_ascii_lowercase().split_once(": ") {
                n_bytes = value.parse().expect("a number");
            }
        }
        let mut body = vec![0; n_bytes];
        lines.read_exact(&mut body)?;
        let (method, rest) = request.split_once(' ').expect("a request has a method");
        // Google is asked with slashes that are none.
        let path = rest.split([' ', '?']).next().expect("a first part").replace("%2F", "/");
        self.asked.lock().expect("not poisoned").push(request.clone());
        let first = request.lines().next().expect("a first line");
        let (status, page) = match (self.instead)(first)? {
            Some((status, page)) => (status, page.as_bytes().to_vec()),
            None if method == "PUT" => {
                self.pages.lock().expect("not poisoned").insert(path, body);
                ("201 Created", Vec::new())
            }
            None => match self.pages.lock().expect("not poisoned").get(&path) {
                Some(page) => ("200 OK", page.clone()),
                None => ("404 Not Found", Vec::new()),
            },
        };
        write!(connection, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"1\"\r\n", page.len())?;
        write!(connection, "Last-Modified: Tue, 01 Dec 2026 12:00:00 GMT\r\nConnection: close\r\n\r\n")?;
        if method != "HEAD" {
            connection.write_all(&page)?;
        }
        Ok(())
    }
}
