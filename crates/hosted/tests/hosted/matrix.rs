//! Every fault at every provider, in one table: what came of it, how often it was paid for, and what is left to the next run.
//!
//! What the messages say stands in [`crate::fal`] and [`crate::others`].

use std::time::Duration;

use expect_test::expect;
use rondel_hosted::fault::Class;
use rondel_value::HostedRequest;

use crate::lab::{Lab, Run, model, request};

const PROVIDERS: [&str; 5] = ["fal", "replicate", "lumenfall", "bfl", "together"];

const FAULTS: [&str; 50] = [
    "submit 401",
    "submit 402",
    "submit 403",
    "submit 404",
    "submit 422",
    "submit 429 after=0 times=1",
    "submit 429 date=1 times=1",
    "submit 429 after=3600",
    "submit 500 times=2",
    "submit 502 times=2",
    "submit 502 as=html times=2",
    "submit 503 times=2",
    "submit 503",
    "submit 504 as=html times=1",
    "submit reset_before times=1",
    "submit reset_after times=1",
    "submit cut times=1",
    "submit html times=1",
    "submit slow ms=1",
    "submit redirect",
    "submit refused",
    "submit refused of=output",
    "submit black",
    "submit empty",
    "submit failed",
    "submit aborted",
    "submit never",
    "poll 500 times=3",
    "poll 504 as=html times=3",
    "poll reset_before times=1",
    "poll cut times=1",
    "poll html times=1",
    "poll 429 after=0 times=2",
    "poll redirect times=1",
    "poll hang times=1",
    "result hang times=1",
    "picture hang times=1",
    "picture 503 times=2",
    "picture 404 times=1",
    "picture reset_after times=1",
    "picture cut times=1",
    "picture truncated",
    "picture corrupt",
    "picture wrong_type",
    "picture no_type",
    "picture html",
    "picture bomb",
    "picture redirect to=host",
    "picture redirect to=private",
    "picture redirect to=file",
];

const CLASSES: [Class; 13] = [
    Class::Auth,
    Class::Billing,
    Class::RateLimited,
    Class::ContentPolicy,
    Class::InvalidRequest,
    Class::NotFound,
    Class::Timeout,
    Class::Network,
    Class::Server,
    Class::BadImage,
    Class::Empty,
    Class::Cancelled,
    Class::Limit,
];

/// Asks a provider with each fault: `made` or what went wrong, the number of submits, and whether the call is still open.
fn column(provider: &str) -> Vec<String> {
    let (lab, mut hasty, mut doubtful) = (Lab::allowing(), Lab::allowing(), Lab::allowing());
    doubtful.patience.silence = Duration::from_millis(200);
    hasty.patience.deadline = Duration::from_secs(2);
    let cells = FAULTS.map(|fault| {
        let lab = match fault {
            _ if fault.ends_with("never") => &hasty,
            _ if fault.contains(" hang ") => &doubtful,
            _ => &lab,
        };
        let before = lab.n_submits();
        let asked = HostedRequest { model: model(provider), ..request(provider, &format!("a boat [[{fault}]]")) };
        let outcome = lab.ask(&Run::default(), &asked, &[]);
        let n_submits = lab.n_submits() - before;
        let Err(failure) = outcome else { return format!("made {n_submits}") };
        let said = failure.message.strip_prefix(&format!("{provider}: ")).expect("who it was comes first");
        let class = CLASSES.into_iter().find(|class| said.starts_with(class.words())).expect("what it was follows");
        let left = match () {
            () if said.contains("it may have been billed") => " unclear",
            () if said.contains("--close") => " open",
            () => "",
        };
        format!("{class:?} {n_submits}{left}")
    });
    // No key went anywhere but to its provider.
    for entry in [&lab, &hasty, &doubtful].map(|lab| lab.servers.journal()).concat() {
        assert!(entry.key_of.is_none() || entry.origin.provider().is_some(), "{entry:?}");
    }
    cells.to_vec()
}

#[test]
fn every_fault_at_every_provider() {
    let columns: Vec<Vec<String>> = std::thread::scope(|scope| {
        let threads = PROVIDERS.map(|provider| scope.spawn(move || column(provider)));
        threads.into_iter().map(|thread| thread.join().expect("it asks")).collect()
    });
    let line = |first: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells: String = cells.map(|cell| format!("{cell:18}")).collect();
        format!("{first:28}{}\n", cells).replace(" \n", "\n")
    };
    let mut table = line("", &mut PROVIDERS.into_iter());
    for (i, fault) in FAULTS.into_iter().enumerate() {
        table.push_str(&line(fault, &mut columns.iter().map(|column| column[i].as_str())));
    }
    let table: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    expect![[r#"
                                    fal               replicate         lumenfall         bfl               together
        submit 401                  Auth 1            Auth 1            Auth 1            Auth 1            Auth 1
        submit 402                  Billing 1         Billing 1         Billing 1         Billing 1         Billing 1
        submit 403                  Billing 1         Auth 1            Auth 1            Auth 1            Auth 1
        submit 404                  NotFound 1        NotFound 1        NotFound 1        NotFound 1        NotFound 1
        submit 422                  InvalidRequest 1  InvalidRequest 1  InvalidRequest 1  InvalidRequest 1  InvalidRequest 1
        submit 429 after=0 times=1  made 2            made 2            made 2            made 2            made 2
        submit 429 date=1 times=1   made 2            made 2            made 2            made 2            made 2
        submit 429 after=3600       RateLimited 1     RateLimited 1     RateLimited 1     RateLimited 1     RateLimited 1
        submit 500 times=2          made 3            made 3            made 3            made 3            made 3
        submit 502 times=2          made 3            made 3            Server 2          Server 1 unclear  made 3
        submit 502 as=html times=2  Server 1 unclear  Server 1 unclear  Server 1 unclear  Server 1 unclear  Server 1 unclear
        submit 503 times=2          made 3            made 3            made 3            made 3            made 3
        submit 503                  Server 3          Server 3          Server 3          Server 3          Server 3
        submit 504 as=html times=1  Timeout 1 unclear Timeout 1 unclear Timeout 1 unclear Timeout 1 unclear Timeout 1 unclear
        submit reset_before times=1 Network 1 unclear Network 1 unclear Network 1 unclear Network 1 unclear Network 1 unclear
        submit reset_after times=1  Network 1 unclear Network 1 unclear Network 1 unclear Network 1 unclear Network 1 unclear
        submit cut times=1          Network 1 unclear Network 1 unclear Network 1 unclear Network 1 unclear Network 1 unclear
        submit html times=1         Network 1 unclear Network 1 unclear Network 1 unclear Network 1 unclear Network 1 unclear
        submit slow ms=1            made 1            made 1            made 1            made 1            made 1
        submit redirect             Server 1          Server 1          Server 1          Server 1          Server 1
        submit refused              ContentPolicy 1   ContentPolicy 1   ContentPolicy 1   ContentPolicy 1   ContentPolicy 1
        submit refused of=output    ContentPolicy 1   ContentPolicy 1   ContentPolicy 1   ContentPolicy 1   ContentPolicy 1
        submit black                ContentPolicy 1   made 1            made 1            made 1            made 1
        submit empty                Empty 1           Empty 1           Empty 1           Empty 1           Empty 1
        submit failed               Server 1          Server 1          Server 3          Server 1          Server 3
        submit aborted              Server 1          Server 1          Server 3          Server 1          Server 3
        submit never                Timeout 1         Timeout 1         Timeout 1 unclear Timeout 1 open    Timeout 1 unclear
        poll 500 times=3            made 1            made 1            made 1            made 1            made 1
        poll 504 as=html times=3    made 1            made 1            made 1            made 1            made 1
        poll reset_before times=1   made 1            made 1            made 1            made 1            made 1
        poll cut times=1            made 1            made 1            made 1            made 1            made 1
        poll html times=1           made 1            made 1            made 1            made 1            made 1
        poll 429 after=0 times=2    made 1            made 1            made 1            made 1            made 1
        poll redirect times=1       made 1            made 1            made 1            made 1            made 1
        poll hang times=1           made 1            made 1            made 1            made 1            made 1
        result hang times=1         made 1            made 1            made 1            made 1            made 1
        picture hang times=1        made 1            made 1            made 1            made 1            made 1
        picture 503 times=2         made 1            made 1            made 1            made 1            made 1
        picture 404 times=1         made 1            made 1            made 1            made 1            made 1
        picture reset_after times=1 made 1            made 1            made 1            made 1            made 1
        picture cut times=1         made 1            made 1            made 1            made 1            made 1
        picture truncated           BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open
        picture corrupt             BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open
        picture wrong_type          made 1            made 1            made 1            made 1            made 1
        picture no_type             made 1            made 1            made 1            made 1            made 1
        picture html                BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open
        picture bomb                BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open
        picture redirect to=host    made 1            made 1            made 1            made 1            made 1
        picture redirect to=private BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open
        picture redirect to=file    BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open   BadImage 1 open
    "#]].assert_eq(&table);
}

#[test]
fn what_is_fewer_than_asked_for_is_kept_and_told() {
    // The others make one picture a call.
    for provider in ["fal", "lumenfall", "together"] {
        let lab = Lab::allowing();
        lab.servers.fail("submit fewer");
        let three = HostedRequest { n: 3, ..request(provider, "a boat") };
        let run = Run::default();
        let painted = lab.ask(&run, &three, &[]).unwrap();
        assert_eq!(painted.pictures.len(), 2, "{provider}");
        let words = format!("Warn: 3 pictures were asked for, 2 came from {provider}");
        assert!(run.said().contains(&words), "{}", run.said());
    }
}
