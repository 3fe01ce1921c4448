//! Pictures that come through a proxy, and what is not asked of it.
//!
//! The certificates in `tls/` are for this alone: the leaf is for 198.51.100.7, an address that is nobody's, and the authority's key
//! was thrown away.

use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fixture::{Project, root, said};

const GRAPH: &str = r#"Graph(
    format: 1,
    nodes: (hosted: remote_provider(prompt: "a boat", size: (64, 64), route: Only("near"))),
    outputs: (image: hosted),
)"#;

const FILE: &str = r#"Providers(format: 1, providers: {"near": (api: OpenAi, base: "BASE", keys: [Env("NEAR_KEY")],
    models: {"flux.2-dev": (name: "m", sides: (64, 2048), price: Megapixels(output: 0.001, input: 0.0))})})"#;

/// The lines of a request up to the empty one, and what was read of the rest is dropped: nobody here looks at it.
fn head(stream: &mut impl Read) -> Vec<String> {
    let lines = BufReader::with_capacity(1, stream).lines();
    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect()
}

/// Answers every connection in a thread of its own, for as long as the test runs.
fn serve(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

/// A provider whose pictures are at `link`.
fn provider(link: &str) -> String {
    let body = format!(r#"{{"created": 1, "data": [{{"url": "{link}"}}]}}"#);
    serve(move |mut stream| {
        let head = head(&mut stream);
        let length =
            head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        stream.read_exact(&mut vec![0; length.unwrap_or(0)]).expect("a body");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).expect("it listens");
    })
}

/// A proxy that leads everything to a picture, and what was asked of it: of each connection, both heads.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let file = |name: &str| root().join("tests/e2e/tls").join(name);
    let chain = vec![CertificateDer::from_pem_file(file("leaf.pem")).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(file("leaf.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = Arc::new(versions.with_no_client_auth().with_single_cert(chain, key).expect("a pair"));
    let mut png = Cursor::new(Vec::new());
    image::RgbImage::from_pixel(64, 64, [1, 2, 3].into())
        .write_to(&mut png, image::ImageFormat::Png)
        .expect("a picture");
    let (png, asked) = (png.into_inner(), Arc::new(Mutex::new(Vec::new())));
    let told = asked.clone();
    let address = serve(move |mut stream| {
        told.lock().expect("nobody panics").extend(head(&mut stream));
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").expect("it listens");
        let connection = ServerConnection::new(config.clone()).expect("a connection");
        let mut stream = StreamOwned::new(connection, stream);
        told.lock().expect("nobody panics").extend(head(&mut stream));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", png.len());
        let _ = stream.write_all(&[head.as_bytes(), &png].concat());
        stream.conn.send_close_notify();
        let _ = stream.flush();
    });
    (address, asked)
}

/// Draws a picture that is at `link`, through a proxy: the exit code, what was said, and what was asked of the proxy.
fn drawn(link: &str) -> (Option<i32>, String, Vec<String>) {
    let project = Project::new();
    let (proxy, asked) = proxy();
    project.write("home/config/rondel/providers.ron", &FILE.replace("BASE", &provider(link)));
    project.write("boat.ron", GRAPH);
    let mut command = project.command(&["run", "boat.ron", "--plain"]);
    command.env("HTTPS_PROXY", proxy).env("NEAR_KEY", "secret-of-near").env_remove("NO_PROXY").env_remove("no_proxy");
    command.env("SSL_CERT_FILE", root().join("tests/e2e/tls/ca.pem"));
    let said = said(command);
    let asked = asked.lock().expect("nobody panics").clone();
    (said.code, said.stderr, asked)
}

#[test]
fn a_picture_comes_through_the_proxy_and_the_key_does_not() {
    let (code, stderr, asked) = drawn("https://198.51.100.7/boat.png");
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(asked[0], "CONNECT 198.51.100.7:443 HTTP/1.1");
    assert!(asked.iter().any(|line| line == "GET /boat.png HTTP/1.1"), "{asked:?}");
    assert!(!asked.iter().any(|line| line.contains("secret-of-near")), "{asked:?}");
}

#[test]
fn a_private_address_is_not_asked_of_the_proxy() {
    for link in [
        "https://10.1.2.3/boat.png",
        "https://169.254.169.254/latest",
        "https://[fd00::1]/boat.png",
        "https://localhost./boat.png",
        "https://metadata.google.internal/boat.png",
    ] {
        let (code, stderr, asked) = drawn(link);
        assert_eq!((code, asked), (Some(1), Vec::new()), "{link}: {stderr}");
        assert!(stderr.contains("in a private network"), "{link}: {stderr}");
    }
}
