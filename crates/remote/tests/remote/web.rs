//! Each kind of store over the wire, with a server on this machine: what it is asked, and what its answers come to.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use rondel_remote::{Address, Limits, Mode, ObjectTier};

use crate::machine::Machine;
use crate::pages::Pages;

/// An address, and what its store needs to know beside.
struct Store {
    url: String,
    variables: Vec<(String, String)>,
}

impl Store {
    fn new(url: &str, variables: &[(&str, &str)]) -> Store {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Store { url: url.to_owned(), variables: variables.iter().map(owned).collect() }
    }

    fn address(&self) -> Address {
        Address::open(&self.url, &self.variables).unwrap()
    }

    fn machine(&self, mode: Mode) -> Machine {
        Machine::at(self.address(), mode, Limits::default())
    }
}

/// Every kind of store, at a server.
fn stores(server: &str) -> [Store; 4] {
    let google = format!(
        r#"{{"gcs_base_url": "{server}", "disable_oauth": true, "client_email": "", "private_key": "",
            "private_key_id": ""}}"#
    );
    let s3 = [("AWS_ENDPOINT", server), ("AWS_ALLOW_HTTP", "true")];
    let azure = [("AZURE_STORAGE_ENDPOINT", server), ("AZURE_ALLOW_HTTP", "true")];
    let s3_key = [("AWS_ACCESS_KEY_ID", "me"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let azure_key = [("AZURE_STORAGE_ACCOUNT_NAME", "me"), ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")];
    [
        Store::new(&format!("{server}/bucket/team"), &[]),
        Store::new("s3://bucket/team", &[s3, s3_key].concat()),
        Store::new("gs://bucket/team", &[("GOOGLE_SERVICE_ACCOUNT_KEY", &google)]),
        Store::new("az://bucket/team", &[azure, azure_key].concat()),
    ]
}

#[test]
fn machines_share_through_every_kind_of_store() {
    for i in 0..4 {
        let server = Pages::serve(|_| Ok(None));
        let store = &stores(&server.url)[i];
        store.machine(Mode::ReadWrite).make(1);
        let paths = server.paths();
        let folders: Vec<&str> = paths.iter().map(|path| &path[..path.find("/v1/").unwrap() + 6]).collect();
        assert_eq!(folders, ["/bucket/team/v1/ac", "/bucket/team/v1/bl", "/bucket/team/v1/re"], "{}", store.url);
        let other = store.machine(Mode::Read);
        assert!(other.takes(1) && !other.takes(2), "{}", store.url);
        assert_eq!(other.cache.take_remote_troubles(), Vec::<String>::new());
    }
}

#[test]
fn buckets_are_told_who_asks() {
    let server = Pages::serve(|_| Ok(None));
    let signed = stores(&server.url).map(|store| {
        let _ = store.machine(Mode::Read).takes(1);
        let asked = server.asked().pop().unwrap();
        let header = asked.lines().find_map(|line| line.strip_prefix("authorization: "));
        header.and_then(|header| header.split(' ').next()).unwrap_or("nobody").to_owned()
    });
    // Google's test account says nothing of who it is.
    assert_eq!(signed, ["nobody", "AWS4-HMAC-SHA256", "nobody", "SharedKey"]);
}

const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";

#[test]
fn a_key_that_may_not_is_believed_at_once_and_said_with_where_it_is_set() {
    let places = [
        "the name and the password in the address",
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION (not set)",
        "GOOGLE_SERVICE_ACCOUNT (not set)",
        "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY",
    ];
    for (i, place) in places.into_iter().enumerate() {
        let server = Pages::serve(|_| Ok(Some(("403 Forbidden", DENIED))));
        let machine = stores(&server.url)[i].machine(Mode::Read);
        assert!(!machine.takes(1) && !machine.takes(2));
        let troubles = machine.cache.take_remote_troubles();
        let start = format!("is gone without: whoever asks may not: look at {place}");
        assert!(troubles.len() == 1 && troubles[0].starts_with(&start), "{troubles:?}");
        assert!(troubles[0].ends_with("(AccessDenied: Access Denied)"), "{troubles:?}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn a_key_that_may_only_read_reads_on() {
    let server = Pages::serve(|first| Ok(first.starts_with("PUT").then_some(("403 Forbidden", DENIED))));
    let machine = stores(&server.url)[1].machine(Mode::ReadWrite);
    machine.make(1);
    machine.make(2);
    let troubles = machine.cache.take_remote_troubles();
    assert!(troubles.len() == 1 && troubles[0].starts_with("is given nothing more: whoever asks may not"));
    let n_asked = server.asked().len();
    assert!(!machine.takes(3));
    assert_eq!(server.asked().len(), n_asked + 1);
}

#[test]
fn a_bucket_that_is_not_there_is_told_from_an_object_that_is_not() {
    for (i, code) in [(1, "NoSuchBucket"), (2, "NoSuchBucket"), (3, "ContainerNotFound")] {
        let page = match code {
            "NoSuchBucket" => "<Error><Code>NoSuchBucket</Code><Message>No such bucket.</Message></Error>",
            _ => "<Error><Code>ContainerNotFound</Code><Message>No such container.</Message></Error>",
        };
        let server = Pages::serve(move |_| Ok(Some(("404 Not Found", page))));
        let store = &stores(&server.url)[i];
        let tier = ObjectTier::new(store.address(), Mode::Read, Limits::default()).unwrap();
        let error = tier.probe().unwrap_err().to_string();
        assert!(error.contains("there is no such bucket: make it, or correct the address") && error.contains(code));
        // Whether it is met in reading or in writing, it is told once.
        let machine = store.machine(Mode::ReadWrite);
        machine.make(1);
        assert!(!machine.takes(2));
        let troubles = machine.cache.take_remote_troubles();
        assert!(troubles.len() == 1 && troubles[0].contains(&store.url) && troubles[0].contains(code), "{troubles:?}");
    }
}

#[test]
fn a_server_that_dies_in_the_middle_leaves_nothing_half() {
    for n_answered in 0..8 {
        let n_asked = AtomicUsize::new(0);
        let server = Pages::serve(move |_| {
            let is_up = n_asked.fetch_add(1, Ordering::Relaxed) < n_answered;
            if is_up { Ok(None) } else { Err(io::ErrorKind::ConnectionReset.into()) }
        });
        stores(&server.url)[1].machine(Mode::ReadWrite).make(1);
        let paths = server.paths();
        let has = |part: &str| paths.iter().any(|path| path.contains(part));
        assert!(has("/blob/") || !has("/action/"), "{paths:?}");
        assert!(has("/action/") || !has("/recipe/"), "{paths:?}");
    }
}
