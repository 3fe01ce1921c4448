//! Plugins in processes of their own: the same results, the same services, and an end that is theirs alone.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rondel_plugin::{Facts, FailureKind, Isolation, NodeFailure, Origin, Registry, isolate};
use rondel_value::{Digest, Image, Value};

use crate::c_plugin::{build, compile};
use crate::host::{Recorder, registry};

/// The child that the other tests of this file start: this very program, told to run this very test.
#[test]
#[ignore = "a process that other tests start: cargo test -p rondel-plugin --test boundary isolate"]
fn child_of_the_others() {
    match isolate::serve() {
        Err(isolate::ServeError::NoSocket(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

fn isolation(temp: &Path) -> Isolation {
    Isolation {
        program: std::env::current_exe().unwrap(),
        arguments: ["--exact", "isolate::child_of_the_others", "--ignored", "--nocapture"].map(Into::into).into(),
        environment: Vec::new(),
        libraries: Vec::new(),
        temp: temp.to_owned(),
        grace: Duration::from_secs(60),
        load_limit: Duration::from_secs(60),
        estimate_limit: Duration::from_secs(60),
    }
}

/// Where libraries are built, and copied to.
pub static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("isolate");
    std::fs::create_dir_all(&folder).unwrap();
    folder
});

/// The plugin of a library, which is opened here once to see what it offers.
pub fn isolated(library: PathBuf) -> Registry {
    let mut opened = registry();
    opened.add_file(&library, &FOLDER.join("copies")).unwrap();
    let facts = opened.facts(&opened.plugins()[0]);
    isolated_as(&library, facts)
}

fn isolated_as(library: &Path, facts: Facts) -> Registry {
    with_temp(library, facts, &FOLDER.join("temp"))
}

/// The plugin of another registry once more, with another folder for what is temporary.
pub fn isolated_with(other: &Registry, temp: &Path) -> Registry {
    let plugin = &other.plugins()[0];
    let Origin::File(library) = &plugin.origin else { panic!("a file") };
    with_temp(library, other.facts(plugin), temp)
}

fn with_temp(library: &Path, facts: Facts, temp: &Path) -> Registry {
    started_as(library, facts, &FOLDER.join("copies"), &isolation(temp))
}

fn started_as(library: &Path, facts: Facts, copies: &Path, isolation: &Isolation) -> Registry {
    let digest = Digest::of(&std::fs::read(library).unwrap());
    let mut registry = registry();
    registry.add_isolated(library, digest, facts, copies, isolation).unwrap();
    registry
}

static ZOO: LazyLock<Registry> = LazyLock::new(|| isolated(zoo("whole", &[])));

/// A zoo of its own, built with these options.
fn zoo(folder: &str, options: &[&str]) -> PathBuf {
    let folder = FOLDER.join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    compile("zoo/zoo.c", &folder.join(format!("libzoo.{}", std::env::consts::DLL_EXTENSION)), options)
}

fn run(kind: &str, inputs: &[Value], host: &Recorder) -> Result<Vec<Value>, NodeFailure> {
    ZOO.kind(kind).unwrap().run(inputs, host)
}

fn fails(kind: &str, expected: FailureKind, message: &str) {
    let failure = run(kind, &[], &Recorder::default()).unwrap_err();
    assert_eq!((failure.kind, failure.message.as_str()), (expected, message));
    // The next step finds the plugin as if nothing had been.
    let picture = picture();
    assert_eq!(run("zoo.echo", std::slice::from_ref(&picture), &Recorder::default()).unwrap(), [picture]);
}

fn picture() -> Value {
    Value::Bundle(Image::from_u8(2, 1, 3, vec![1, 2, 3, 4, 5, 6]).unwrap().into())
}

#[test]
fn an_isolated_plugin_is_listed_like_any_other() {
    let plugin = &ZOO.plugins()[0];
    assert_eq!((&plugin.name[..], &plugin.version[..], plugin.is_isolated), ("zoo", "0.1.0", true));
    assert_eq!(plugin.kinds[..2], ["zoo.echo", "zoo.waits"]);
    assert_eq!(ZOO.kind("zoo.echo").unwrap().spec().doc, "Is not to be used.");
}

#[test]
fn a_picture_comes_back_bit_by_bit_as_from_this_process() {
    let library = build(&FOLDER, "libglow");
    let mut here = registry();
    here.add_file(&library, &FOLDER.join("copies")).unwrap();
    let apart = isolated(library);
    let pixels = (0..64 * 48 * 4).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>();
    let inputs = [Value::Bundle(Image::from_u8(64, 48, 4, pixels).unwrap().into()), Value::Float(0.3)];
    let results = [&here, &apart].map(|registry| {
        let host = Recorder { previews: true, ..Recorder::default() };
        let outputs = registry.kind("c.glow").unwrap().run(&inputs, &host).unwrap();
        (outputs.iter().map(Value::digest).collect::<Vec<_>>(), host.said())
    });
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0].1.len(), 49, "every row and one preview");
}

#[test]
fn a_cancelled_node_hears_of_it() {
    let host = Recorder { cancels_at: Some(1), ..Recorder::default() };
    let library = build(&FOLDER, "libglow");
    let rows = Value::Bundle(Image::from_u8(1, 100_000, 3, vec![0; 300_000]).unwrap().into());
    let failure = isolated(library).kind("c.glow").unwrap().run(&[rows, Value::Float(0.5)], &host);
    let failure = failure.unwrap_err();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Cancelled, "cancelled"));
    assert!(host.said().len() < 100_000);
}

#[test]
fn what_a_plugin_prints_is_told_as_words_of_its_step() {
    let host = Recorder::default();
    run("zoo.prints", &[Value::Int(2)], &host).unwrap();
    assert_eq!(host.said(), ["Info: on standard output"; 2]);
    let host = Recorder::default();
    run("zoo.prints", &[Value::Int(5000)], &host).unwrap();
    let said = host.said();
    assert_eq!((said.len(), &*said[200]), (201, "Warn: it prints more than 200 lines; the rest is left out"));
}

#[test]
fn who_says_too_much_is_heard_for_a_while() {
    let mut here = registry();
    here.add_file(&zoo("whole", &[]), &FOLDER.join("copies")).unwrap();
    for registry in [&here, &ZOO] {
        let host = Recorder::default();
        registry.kind("zoo.talks").unwrap().run(&[], &host).unwrap();
        let said = host.said();
        let last = "Warn: it says more than 1000 things; the rest is left out";
        assert_eq!((said.len(), said[0].chars().count(), said[1000].as_str()), (1001, "Info: ".len() + 2000 + 1, last));
    }
}

#[test]
fn what_breaks_the_contract_is_told_as_from_this_process() {
    fails("zoo.panics", FailureKind::Panicked, "index out of bounds");
    fails("zoo.wrong_type", FailureKind::Misbehaved, "its output `value` is wrong: Int wanted, Text given");
    fails("zoo.nothing", FailureKind::Misbehaved, "it did not set its output `value`");
    fails("zoo.both", FailureKind::Misbehaved, "it says that it is done, and that it failed: no luck");
}

#[test]
fn an_abort_is_the_end_of_its_step_alone() {
    let message = "plugin `zoo` crashed with signal 6 (SIGABRT: it gave up) while it ran `zoo.aborts`; the last that it \
                   printed: nothing is as it should be";
    fails("zoo.aborts", FailureKind::Crashed, message);
}

#[test]
fn a_null_pointer_is_the_end_of_its_step_alone() {
    let message = "plugin `zoo` crashed with signal 11 (SIGSEGV: it used memory that is not its own) while it ran \
                   `zoo.null_pointer`";
    fails("zoo.null_pointer", FailureKind::Crashed, message);
}

#[test]
fn who_leaves_with_success_has_no_result() {
    fails(
        "zoo.leaves",
        FailureKind::Crashed,
        "plugin `zoo` ended its process with exit code 0 while it ran `zoo.leaves`",
    );
}

#[test]
fn who_does_not_hear_is_ended_after_the_grace() {
    let host = Recorder { cancels_at: Some(1), ..Recorder::default() };
    let isolation = Isolation { grace: Duration::from_millis(100), ..isolation(&FOLDER.join("temp")) };
    let (library, facts) = (zoo("hasty", &[]), ZOO.facts(&ZOO.plugins()[0]));
    let hasty = started_as(&library, facts, &FOLDER.join("copies"), &isolation);
    let failure = hasty.kind("zoo.spins").unwrap().run(&[], &host).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cancelled);
    assert_eq!(
        failure.message,
        "plugin `zoo` was ended, for it did not stop within 0.1 s of being asked to, while it ran `zoo.spins`"
    );
    assert!(host.is_cancelled.load(Ordering::SeqCst));
}

#[test]
fn who_takes_too_much_memory_is_ended() {
    for kind in ["zoo.hoards", "zoo.hoards_shared", "zoo.hoards_unseen"] {
        let failure = run(kind, &[], &Recorder::default()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::OutOfMemory);
        let (begins, ends) = ("plugin `zoo` was ended, for its process took ", "more than it may, while it ran `zoo.");
        assert!(failure.message.starts_with(begins) && failure.message.contains(ends), "{}", failure.message);
    }
}

#[test]
fn a_thread_that_is_left_behind_harms_nobody() {
    // A zoo of its own: other tests come to the children of the common one.
    let zoo = isolated(zoo("threads", &["-DKIND=\"zoo.leaver\""]));
    let run = || {
        let host = Recorder::default();
        assert_eq!(zoo.kind("zoo.leaves_a_thread").unwrap().run(&[], &host).unwrap(), [Value::Int(7)]);
        host.said().concat()
    };
    let ends = "Info: plugin `zoo` leaves threads behind in each run, so its process ends";
    assert_eq!([run(), run(), run(), run()], ["", ends, "", ends]);
}

#[test]
fn who_calls_the_host_after_the_end_is_found_out() {
    // A zoo of its own: another test could come to the child with the late thread.
    let zoo = isolated(zoo("late", &["-DKIND=\"zoo.other\""]));
    let run = |kind: &str, inputs: &[Value]| zoo.kind(kind).unwrap().run(inputs, &Recorder::default());
    assert_eq!(run("zoo.calls_late", &[]).unwrap(), [Value::Int(7)]);
    // The next one is not to blame, and is run once more.
    let host = Recorder::default();
    assert_eq!(zoo.kind("zoo.waits").unwrap().run(&[Value::Int(5)], &host).unwrap(), [Value::Int(5)]);
    let expected = "Warn: plugin `zoo` called the host from a thread that `zoo.calls_late` had not joined, which ended the \
                    process of this step; it is run once more in another";
    assert!(host.said().iter().any(|said| said == expected), "{:?}", host.said());
    // Unless it does something that is not to be done twice.
    assert_eq!(run("zoo.calls_late_outside", &[]).unwrap(), [Value::Int(7)]);
    let failure = run("zoo.waits_outside", &[Value::Int(5)]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Misbehaved, "{failure}");
    assert_eq!(
        failure.message,
        "plugin `zoo` was ended, for it called the host from a thread that `zoo.calls_late_outside` had not joined, while it \
         ran `zoo.waits_outside`"
    );
    assert_eq!(run("zoo.leaves_a_thread", &[]).unwrap(), [Value::Int(7)]);
}

#[test]
fn a_hosted_model_is_asked_by_those_that_declare_the_network() {
    let host = Recorder { hosted: Some(picture()), ..Recorder::default() };
    let grey = Value::Bundle(Image::from_u8(1, 1, 3, vec![7, 7, 7]).unwrap().into());
    assert_eq!(run("zoo.paints", std::slice::from_ref(&grey), &host).unwrap(), [picture()]);
    let said = host.said();
    assert_eq!(said[0], "paint a fox after 1x1");
    assert!(said[1].starts_with(r#"Info: {"provider":"den""#) && said.len() == 2, "{said:?}");

    let host = Recorder { hosted: Some(picture()), ..Recorder::default() };
    assert_eq!(run("zoo.paints_here", &[grey], &host).unwrap_err().kind, FailureKind::Unsupported);
    assert_eq!(host.said(), ["Info: hosted models are for kinds in lane `Net`, and this one is in another"]);
}

#[test]
fn memory_is_counted_here_for_all_processes_together() {
    let zoo = isolated(zoo("memory", &["-DKIND=\"zoo.kept\""]));
    let run = |kind: &str, n: i64| zoo.kind(kind).unwrap().run(&[Value::Int(n)], &Recorder::default()).unwrap();
    let kept = || zoo.memory().tickets().into_iter().map(|ticket| (ticket.name, ticket.bytes)).collect::<Vec<_>>();
    let one = |bytes| vec![("kept".to_owned(), bytes)];
    // A process asks its own plugin first.
    assert_eq!((run("zoo.keeps", 60), kept()), (vec![Value::Int(1)], one(60)));
    assert_eq!((run("zoo.keeps", 70), kept()), (vec![Value::Int(1)], one(70)));
    assert_eq!((run("zoo.keeps", 101), kept()), (vec![Value::Int(0)], one(70)));
    let (first, second) = (Recorder::default(), Recorder::default());
    std::thread::scope(|scope| {
        let [first_waits, second_waits] = [&first, &second].map(|host| {
            let waits = scope.spawn(|| zoo.kind("zoo.waits").unwrap().run(&[Value::Int(1)], host));
            while host.said().is_empty() {
                std::thread::yield_now();
            }
            waits
        });
        // One that is at work is not ended for another.
        assert_eq!((run("zoo.keeps", 60), kept()), (vec![Value::Int(0)], one(70)));
        first.is_cancelled.store(true, Ordering::SeqCst);
        assert_eq!(first_waits.join().unwrap().unwrap_err().kind, FailureKind::Cancelled);
        second.is_cancelled.store(true, Ordering::SeqCst);
        assert_eq!(second_waits.join().unwrap().unwrap_err().kind, FailureKind::Cancelled);
    });
    // One that has nothing to do is.
    assert_eq!((run("zoo.keeps", 80), kept()), (vec![Value::Int(1)], one(80)));
    // What a process kept goes with it.
    assert!(zoo.kind("zoo.aborts").unwrap().run(&[], &Recorder::default()).is_err());
    assert_eq!(kept(), []);
}

#[test]
fn a_crash_does_not_touch_what_runs_beside_it() {
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| run("zoo.waits", &[Value::Int(5)], &Recorder::default()));
        while !beside.is_finished() {
            let failure = run("zoo.aborts", &[], &Recorder::default()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Crashed, "{failure}");
        }
        assert_eq!(beside.join().unwrap().unwrap(), [Value::Int(5)]);
    });
}

/// What a run says if the plugin is not what it was when it was asked what it offers.
fn not_loaded(options: &str) -> NodeFailure {
    let facts = ZOO.facts(&ZOO.plugins()[0]);
    let zoo = isolated_as(&zoo(options.trim_start_matches('-'), &[options]), facts);
    zoo.kind("zoo.aborts").unwrap().run(&[], &Recorder::default()).unwrap_err()
}

#[test]
fn a_plugin_that_crashes_while_it_is_opened_is_the_end_of_the_step() {
    let failure = not_loaded("-DAT_LOAD");
    let expected = "plugin `zoo` crashed with signal 6 (SIGABRT: it gave up) while it was loaded";
    assert!(failure.kind == FailureKind::Crashed && failure.message.starts_with(expected), "{failure}");
    let failure = not_loaded("-DAT_INIT");
    let expected = "plugin `zoo` ended its process with exit code 3 while it was loaded";
    assert!(failure.kind == FailureKind::Crashed && failure.message.starts_with(expected), "{failure}");
}

#[test]
fn what_does_not_load_is_told_as_from_this_process() {
    let failure = not_loaded("-DMAJOR=2");
    let expected = "built for version 2 of the boundary, this program has version 1";
    assert!(failure.kind == FailureKind::Failed && failure.message.starts_with(expected), "{failure}");
    let failure = not_loaded("-DKIND=\"zoo.new\"");
    let expected = "plugin `zoo` offers other kinds than when it was seen before";
    assert!(failure.kind == FailureKind::Failed && failure.message.starts_with(expected), "{failure}");
}

#[test]
fn loading_has_its_own_limit_and_can_be_called_off() {
    let facts = ZOO.facts(&ZOO.plugins()[0]);
    let library = zoo("HANGS", &["-DHANGS"]);
    let loading = |load_limit| {
        let isolation = Isolation { load_limit, ..isolation(&FOLDER.join("temp")) };
        started_as(&library, facts.clone(), &FOLDER.join("copies"), &isolation)
    };
    let slow = loading(Duration::from_millis(100));
    let failure = slow.kind("zoo.nothing").unwrap().run(&[], &Recorder::default()).unwrap_err();
    let expected = "plugin `zoo` was ended, for it took longer than 0.1 s, while it was loaded";
    assert!(failure.kind == FailureKind::Failed && failure.message.starts_with(expected), "{failure}");

    let host = Recorder::default();
    host.is_cancelled.store(true, Ordering::SeqCst);
    let failure = loading(Duration::from_secs(60)).kind("zoo.nothing").unwrap().run(&[], &host).unwrap_err();
    assert_eq!((failure.kind, &*failure.message), (FailureKind::Cancelled, "cancelled"));
}

#[test]
fn who_thinks_for_ever_about_its_needs_is_asked_once_and_can_be_run() {
    let isolation = Isolation { estimate_limit: Duration::from_millis(100), ..isolation(&FOLDER.join("temp")) };
    let (library, facts) = (zoo("muses", &[]), ZOO.facts(&ZOO.plugins()[0]));
    let zoo = started_as(&library, facts, &FOLDER.join("copies"), &isolation);
    let kind = zoo.kind("zoo.muses").unwrap();
    let ask = || kind.estimate(&[], &|_, _| Err("no models here".to_owned())).unwrap_err();
    let failure = ask();
    assert_eq!((failure.kind, failure.clone()), (FailureKind::Cancelled, ask()));
    let expected =
        "plugin `zoo` was ended, for it did not answer within 0.1 s, when it was asked what `zoo.muses` needs";
    assert_eq!(failure.message, expected);
    assert_eq!(kind.run(&[], &Recorder::default()).unwrap(), [Value::Int(7)]);
}

#[test]
fn what_the_program_cannot_do_is_not_put_on_the_plugin() {
    use std::os::unix::ffi::OsStrExt;
    let copies = FOLDER.join(std::ffi::OsStr::from_bytes(b"copies \xff"));
    let (library, facts) = (zoo("paths", &[]), ZOO.facts(&ZOO.plugins()[0]));
    let zoo = started_as(&library, facts, &copies, &isolation(&FOLDER.join("temp")));
    let failure = zoo.kind("zoo.nothing").unwrap().run(&[], &Recorder::default()).unwrap_err();
    let expected = "plugin `zoo` was ended, for the program could not go on with its process (path contains invalid UTF-8 \
                    characters), while it was loaded";
    assert!(failure.kind == FailureKind::Failed && failure.message.starts_with(expected), "{failure}");
}
