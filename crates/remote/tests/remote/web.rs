//! A plain web server that takes PUT, on this machine.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rondel_remote::{Address, Limits, Mode};

use crate::machine::Machine;

type Pages = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// Starts a server, which lasts as long as the tests; its address and what it holds.
fn serve() -> (String, Pages) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/shared", listener.local_addr().unwrap());
    let pages = Pages::default();
    let held = pages.clone();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let held = held.clone();
            // One that its client breaks off is no concern of the server.
            thread::spawn(move || connection.and_then(|connection| answer(connection, &held)));
        }
    });
    (url, pages)
}

fn answer(mut connection: TcpStream, pages: &Pages) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?);
    let (mut request, mut n_bytes) = (String::new(), 0);
    lines.read_line(&mut request)?;
    loop {
        let mut header = String::new();
        lines.read_line(&mut header)?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            n_bytes = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; n_bytes];
    lines.read_exact(&mut body)?;
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let page = match &*method {
        "PUT" => {
            pages.lock().unwrap().insert(path, body);
            Some(Vec::new())
        }
        _ => pages.lock().unwrap().get(&path).cloned(),
    };
    let status = if page.is_some() { "200 OK" } else { "404 Not Found" };
    let page = page.unwrap_or_default();
    write!(connection, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n", page.len())?;
    write!(connection, "Last-Modified: Tue, 01 Dec 2026 12:00:00 GMT\r\nConnection: close\r\n\r\n")?;
    if method != "HEAD" {
        connection.write_all(&page)?;
    }
    Ok(())
}

#[test]
fn machines_share_what_a_web_server_holds() {
    let (url, pages) = serve();
    let machine = |mode| Machine::at(Address::open(&url, &[]).unwrap(), mode, Limits::default());
    machine(Mode::ReadWrite).make(1);
    let mut paths: Vec<String> = pages.lock().unwrap().keys().cloned().collect();
    paths.sort();
    let folders: Vec<&str> = paths.iter().map(|path| &path[..path.rfind("/v1/").unwrap() + 6]).collect();
    assert_eq!(folders, ["/shared/v1/ac", "/shared/v1/bl", "/shared/v1/re"]);
    let other = machine(Mode::Read);
    assert!(other.takes(1) && !other.takes(2));
    assert_eq!(other.cache.take_remote_troubles(), Vec::<String>::new());
}
