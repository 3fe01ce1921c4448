//! Stub node kinds for tests, and a check of what kinds say of themselves: [`check_spec`]. With the feature `servers`, stand-ins
//! for the providers of hosted models, too: `servers`.
//!
//! | kind | what it makes |
//! | --- | --- |
//! | `stub.number(value, plus?)` | a number |
//! | `stub.add(a, b = 1)`, `stub.join(items)` | sums |
//! | `stub.halve(a)` | half of it, rounded down, and the `rest`: many inputs, one output |
//! | `stub.below(n)` | the numbers from 0 to below `n`: a list |
//! | `stub.paint(value)`, `stub.look(image)` | a number as a picture, which lies in a blob, and back |
//! | `stub.words(text)`, `stub.read(path)`, `stub.count(json)` | texts, files and JSON |
//! | `stub.write(text, path)` | a file: the effect |
//! | `stub.fail(a)`, `stub.panic(a)` | nothing, in two ways |
//! | `stub.until_cancelled(a)` | nothing until the run is cancelled |
//! | `stub.flaky(a, times, count)` | a number, after some failures that pass |
//! | `stub.deaf(a, until)` | a number when a file is there, and does not hear that it is to stop |
//! | `stub.sly(a)` | a number, and another one at every call, without being declared impure |
//! | `stub.impure()` | another number at every call |
//! | `stub.wait(a, ms)`, `stub.toil(a, rounds)` | a number after a while, in which a core is idle or busy |
//! | `stub.climb(steps, stop)` | a number in many steps, with previews and checkpoints |
//! | `stub.heavy(a, weights, bytes, …)` | the number after `a`, with weights and scratch in memory |
//! | `stub.work(a, bytes, …)` | a number, with scratch in memory for a while |
//!
//! ```
//! use rondel_sdk::prelude::*;
//! use rondel_testkit::numbers::Add;
//!
//! assert_eq!(Add { a: 1, b: 2 }.run(&mut Cx::for_test()).unwrap(), 3);
//! ```

pub mod faults;
pub mod files;
pub mod long;
pub mod numbers;
pub mod pictures;
#[cfg(feature = "servers")]
pub mod servers;
mod spec;
pub mod weights;

pub use spec::check_spec;

rondel_sdk::export_plugin!(
    "stub",
    [
        numbers::Number,
        numbers::Add,
        numbers::Join,
        numbers::Halve,
        numbers::Below,
        pictures::Paint,
        pictures::Look,
        files::Words,
        files::Read,
        files::Count,
        files::Write,
        faults::Fail,
        faults::Panic,
        faults::UntilCancelled,
        faults::Flaky,
        faults::Deaf,
        faults::Sly,
        faults::Impure,
        long::Wait,
        long::Toil,
        long::Climb,
        weights::Heavy,
        weights::Work,
    ]
);
