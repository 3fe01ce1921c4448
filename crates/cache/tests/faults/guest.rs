//! Processes that use a cache: this program again, told on its standard input what to do.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rondel_cache::{Cache, CacheError, CacheOptions, Checkpoint, Record, Stored};
use rondel_value::{Bundle, Digest, Image, Value};

pub fn open(folder: &Path) -> Cache {
    Cache::open(CacheOptions { folder: folder.to_owned(), ..CacheOptions::default() })
}

/// What step `i` of a `round` makes: a picture, a few bytes or many, and a number.
pub struct Made {
    pub recipe: Digest,
    pub action: Digest,
    pub record: Record,
    pub values: [Value; 2],
}

pub fn made(round: u64, i: u64) -> Made {
    let seed = format!("{round} {i}");
    let n_pixels = 1 + Digest::of(seed.as_bytes()).0[0] as usize * 200;
    let picture: Bundle = Image::from_u8(n_pixels, 1, 1, vec![(round * 7 + i) as u8; n_pixels]).unwrap().into();
    let values = [Value::Bundle(picture), Value::text(seed.as_str())];
    let record = Record {
        kind: "paint".to_owned(),
        version: 1,
        outputs: ["image", "words"].into_iter().zip(&values).map(|(port, value)| Stored::of(port, value)).collect(),
        ms: 1.0,
        peak_bytes: 0,
        at: 0,
        parts: Vec::new(),
    };
    let key = |what: &str| Digest::of(format!("{what} {seed}").as_bytes());
    Made { recipe: key("recipe"), action: key("action"), record, values }
}

impl Made {
    pub fn store(&self, cache: &Cache) -> Result<(), rondel_cache::CacheError> {
        cache.store(&self.recipe, &self.action, &self.record, &self.values)
    }

    /// Whether all of it is found; panics if something else is.
    pub fn is_found(&self, cache: &Cache) -> bool {
        match cache.action(&self.recipe) {
            Ok(Some(action)) => assert_eq!(action, self.action, "an alias leads elsewhere"),
            _ => return false,
        }
        self.is_found_by_content(cache)
    }

    pub fn is_found_by_content(&self, cache: &Cache) -> bool {
        let Ok(Some(record)) = cache.record(&self.action) else { return false };
        assert_eq!(*record, self.record, "a record is another");
        record.outputs.iter().zip(&self.values).all(|(stored, value)| match cache.fetch(stored) {
            Ok(Some(found)) => {
                assert_eq!(found.digest(), value.digest(), "a value is another");
                assert_eq!(found.payload_bytes(), value.payload_bytes());
                true
            }
            _ => false,
        })
    }
}

/// Starts a process that does `what` with the cache in `folder`, through `wrap`, which may make its life harder.
pub fn start(what: &str, folder: &Path, round: u64, wrap: impl FnOnce(&Path) -> Command) -> Child {
    let mut command = wrap(&std::env::current_exe().unwrap());
    command.args(["--exact", "guest::guest", "--ignored", "--nocapture", "--test-threads=1", "--quiet"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = loop {
        match command.spawn() {
            // A copy of the program is busy for as long as another test's process, forked while it was written, has it open.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            child => break child.unwrap(),
        }
    };
    writeln!(child.stdin.take().unwrap(), "{what}\n{}\n{round}", folder.display()).unwrap();
    child
}

/// Looks after a cache that is free or about to be: a process that another test starts holds its locks from its fork to its exec.
pub fn when_free<T>(mut look_after: impl FnMut() -> Result<T, CacheError>) -> T {
    loop {
        match look_after() {
            Err(CacheError::Busy(_)) => std::thread::yield_now(),
            done => return done.unwrap(),
        }
    }
}

/// What a process says, without the words of the test harness.
pub fn said(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter_map(|line| Some(line.split_once("guest: ")?.1));
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// What the processes do.
#[test]
#[ignore = "a process that other tests start: cargo test -p rondel-cache --test faults"]
fn guest() {
    let mut told = String::new();
    std::io::stdin().read_to_string(&mut told).unwrap();
    let [what, folder, round] = told.lines().collect::<Vec<_>>()[..] else { panic!("told {told:?}") };
    let (folder, round) = (Path::new(folder), round.parse().unwrap());
    match what {
        "write until killed" => write_until_killed(folder, round),
        "use once" => use_once(folder, round),
        other => panic!("not a task: {other}"),
    }
}

fn write_until_killed(folder: &Path, round: u64) {
    let cache = open(folder);
    for i in 0.. {
        let made = made(round, i);
        let Value::Bundle(state) = &made.values[0] else { unreachable!("it is a picture") };
        for step in 1..=2 {
            cache.put_checkpoint(&made.action, &Checkpoint { step, of: None, state: state.clone() }).unwrap();
        }
        made.store(&cache).unwrap();
        cache.remove_checkpoint(&made.action).unwrap();
        println!("guest: stored {i}");
    }
}

/// Looks for what was stored as 0, then stores 1 and 2, of which the second is large, and looks for them.
fn use_once(folder: &Path, round: u64) {
    let cache = open(folder);
    println!("guest: 0 is {}", if made(round, 0).is_found(&cache) { "found" } else { "not found" });
    let large = Image::from_u8(200_000, 1, 1, vec![9; 200_000]).unwrap();
    let [small, mut big] = [made(round, 1), made(round, 2)];
    big.values[0] = Value::Bundle(large.into());
    big.record.outputs[0] = Stored::of("image", &big.values[0]);
    for (i, made) in [(1, small), (2, big)] {
        match made.store(&cache) {
            Ok(()) => println!("guest: {i} is kept"),
            Err(error) => {
                println!("guest: {i} is not kept: {}", masked(&error.to_string(), folder))
            }
        }
        let is_on_disk = made.is_found(&open(folder));
        println!("guest: {i} is {}", if is_on_disk { "found" } else { "not found" });
    }
    for notice in cache.take_notices() {
        println!("guest: {notice}");
    }
}

/// Without what is another folder or temporary name each time.
fn masked(text: &str, folder: &Path) -> String {
    let text = text.replace(&*folder.to_string_lossy(), "…");
    match text.split_once("…/v1/tmp/") {
        Some((before, after)) => format!("{before}…/v1/tmp/…{}", after.trim_start_matches(char::is_alphanumeric)),
        None => text,
    }
}
