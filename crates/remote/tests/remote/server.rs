//! A server that speaks like S3, on this machine.
//!
//! `RONDEL_TEST_S3` is its address, such as `http://127.0.0.1:5151`; it takes any key. `.ci/run` starts one, `moto`.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;

use rondel_cache::Tier;
use rondel_cache::conformance::conformance;
use rondel_remote::{Address, Limits, Mode, ObjectTier};
use rondel_value::{Bundle, Digest, Image};

use crate::machine::Machine;

const BUCKET: &str = "results";

/// The address of the server, with a bucket made in it.
fn server() -> String {
    let url = std::env::var("RONDEL_TEST_S3").expect("the address of a server that speaks like S3");
    let host = url.strip_prefix("http://").expect("an address without TLS");
    let mut server = TcpStream::connect(host).expect("a server");
    write!(server, "PUT /{BUCKET} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    server.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
    url
}

fn address(prefix: &str) -> Address {
    let variables = [
        ("AWS_ENDPOINT", &*server()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "me"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Address::open(&format!("s3://{BUCKET}/{prefix}"), &variables).unwrap()
}

fn tier(address: Address) -> ObjectTier {
    ObjectTier::new(address, Mode::ReadWrite, Limits::default()).unwrap()
}

#[test]
#[ignore = "needs a server: RONDEL_TEST_S3=http://127.0.0.1:5151 cargo test -p rondel-remote --test remote -- --ignored"]
fn a_bucket_on_a_server_does_what_every_tier_does() {
    let n_made = Cell::new(0);
    conformance(|| {
        n_made.set(n_made.get() + 1);
        Box::new(tier(address(&format!("conformance/{}", n_made.get()))))
    });
}

#[test]
#[ignore = "needs a server: RONDEL_TEST_S3=http://127.0.0.1:5151 cargo test -p rondel-remote --test remote -- --ignored"]
fn machines_share_a_bucket_on_a_server() {
    let machine = || Machine::at(address("shared"), Mode::ReadWrite, Limits::default());
    machine().make(1);
    let other = machine();
    assert!(other.takes(1) && !other.takes(2));
    assert_eq!(other.cache.take_remote_troubles(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a server: RONDEL_TEST_S3=http://127.0.0.1:5151 cargo test -p rondel-remote --test remote -- --ignored"]
fn a_large_blob_goes_up_in_parts() {
    let large: Bundle = Image::from_u8(4096, 4096, 3, vec![9; 4096 * 4096 * 3]).unwrap().into();
    tier(address("large")).put_blob(&large, 1.0).unwrap();
    let found = tier(address("large")).blob(&large.digest()).unwrap();
    assert_eq!(found.map(|found| found.digest()), Some(large.digest()));
}

#[test]
#[ignore = "needs a server: RONDEL_TEST_S3=http://127.0.0.1:5151 cargo test -p rondel-remote --test remote -- --ignored"]
fn a_bucket_that_is_not_there_is_told_of() {
    let variables = [("AWS_ENDPOINT", &*server()), ("AWS_ALLOW_HTTP", "true"), ("AWS_SKIP_SIGNATURE", "true")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let nowhere = Address::open("s3://nowhere/prefix", &variables).unwrap();
    let key = Digest::of(b"key");
    assert!(tier(nowhere).put_alias(&key, &key).unwrap_err().to_string().contains("NoSuchBucket"));
}
