use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use rondel_plugin::{HostOptions, Registry};
use tempfile::TempDir;

use super::*;

/// A folder of files that a made-up plugin stands behind, and what was asked.
struct Lab {
    folder: TempDir,
    asked: RefCell<Vec<String>>,
}

impl Lab {
    fn new(files: &[(&str, &str)]) -> Lab {
        let lab = Lab { folder: TempDir::new().unwrap(), asked: RefCell::default() };
        files.iter().for_each(|(name, content)| lab.write(name, content).unwrap());
        lab
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("plugins/lib{name}.{}", std::env::consts::DLL_EXTENSION))
    }

    fn write(&self, name: &str, content: &str) -> io::Result<()> {
        let file = self.file(name);
        fs::create_dir_all(file.parent().unwrap())?;
        fs::write(file, content)
    }

    fn known(&self) -> KnownPlugins {
        KnownPlugins::new(&self.folder.path().join("v1"))
    }

    /// The kinds of a file are the words in it; the word `broken` makes it no plugin.
    fn find(&self) -> Installed {
        let ask = |path: &Path| {
            let words = fs::read_to_string(path).unwrap();
            self.asked.borrow_mut().push(words.clone());
            match words.as_str() {
                "broken" => Err(format!("it is broken: {}", path.file_name().unwrap().display())),
                words => Ok((Digest::of(words.as_bytes()), facts(words))),
            }
        };
        Installed::find(vec![self.folder.path().join("plugins"), "/nowhere".into()], &self.known(), &ask)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.take()
    }
}

fn ran(kinds: &[&str]) -> BTreeSet<String> {
    kinds.iter().map(|kind| kind.to_string()).collect()
}

fn facts(words: &str) -> Facts {
    let spec = |kind: &str| {
        let json = serde_json::json!({ "kind": kind, "version": 1, "inputs": [],
                                       "outputs": [{ "name": "value", "type": "Int" }] });
        Arc::new(serde_json::from_value(json).unwrap())
    };
    let kinds = words.split(' ').map(spec).collect();
    Facts { name: "made-up".to_owned(), version: "1".to_owned(), aborts_on_panic: false, kinds }
}

fn kinds(installed: &mut Installed) -> Vec<String> {
    let mut registry = Registry::new(HostOptions::default());
    installed
        .register(&mut |path, digest, facts, _| registry.add_known(path, digest, facts.clone(), Path::new("/nowhere")));
    registry.kinds().map(|kind| kind.spec().kind.clone()).collect()
}

#[test]
fn a_file_that_was_seen_is_not_asked_again() {
    let lab = Lab::new(&[("glow", "glow shine"), ("blur", "blur")]);
    assert_eq!(kinds(&mut lab.find()), ["blur", "glow", "shine"]);
    assert_eq!(lab.asked(), ["blur", "glow shine"]);
    assert_eq!(kinds(&mut lab.find()), ["blur", "glow", "shine"]);
    assert_eq!(lab.asked(), [""; 0]);
}

#[test]
fn a_file_that_changed_is_asked_again_and_one_that_changed_back_is_not() {
    let lab = Lab::new(&[("glow", "glow")]);
    lab.find();
    lab.write("glow", "gleam").unwrap();
    assert_eq!(kinds(&mut lab.find()), ["gleam"]);
    assert_eq!(lab.asked(), ["glow", "gleam"]);
    lab.write("glow", "glow").unwrap();
    assert_eq!(kinds(&mut lab.find()), ["glow"]);
    assert_eq!(lab.asked(), [""; 0]);
}

#[test]
fn equal_content_under_another_name_is_another_plugin() {
    let lab = Lab::new(&[("glow", "glow")]);
    lab.find();
    fs::rename(lab.file("glow"), lab.file("shine")).unwrap();
    lab.find();
    assert_eq!(lab.asked(), ["glow", "glow"]);
}

#[test]
fn what_is_no_plugin_is_asked_every_time() {
    let lab = Lab::new(&[("glow", "broken")]);
    for _ in 0..2 {
        assert_eq!(lab.find().refusals().collect::<Vec<_>>().len(), 1);
        assert_eq!(lab.asked(), ["broken"]);
    }
}

#[test]
fn what_a_check_found_wrong_is_left_out_without_being_asked() {
    let lab = Lab::new(&[("glow", "glow")]);
    let digest = lab.find().plugins[0].digest.unwrap();
    lab.asked();
    assert_eq!(lab.known().verdict_of(&lab.file("glow"), &digest), None);
    let verdict = Verdict::new(vec!["`glow` ended the process".to_owned(), "more".to_owned()], Vec::new(), ran(&[]));
    lab.known().keep_verdict(&lab.file("glow"), &digest, &verdict).unwrap();
    let mut found = lab.find();
    assert_eq!(kinds(&mut found), [""; 0]);
    let said = found.refusals().next().unwrap();
    assert!(said.starts_with("the check found that `glow` ended the process, and 1 more;"), "{said}");
    let missing = found.missing("glow").offered_by.unwrap();
    assert!(missing.starts_with("the plugin `made-up` offers `glow` and is left out: the check found"), "{missing}");
    assert_eq!(lab.asked(), [""; 0]);
    assert_eq!(lab.known().verdict_of(&lab.file("glow"), &digest), Some(verdict));
}

#[test]
fn a_good_verdict_leaves_the_kinds_as_they_are() {
    let lab = Lab::new(&[("glow", "glow")]);
    let digest = lab.find().plugins[0].digest.unwrap();
    let verdict = Verdict::new(Vec::new(), vec!["`glow` could not be run".to_owned()], ran(&[]));
    lab.known().keep_verdict(&lab.file("glow"), &digest, &verdict).unwrap();
    let mut found = lab.find();
    assert_eq!(kinds(&mut found), ["glow"]);
    assert_eq!(found.plugins[0].verdict.as_ref(), Some(&verdict));
}

#[test]
fn a_plugin_is_checked_when_each_of_its_kinds_came_to_a_result() {
    let checked = |kinds: &[&str]| {
        let lab = Lab::new(&[("glow", "glow shine")]);
        let digest = lab.find().plugins[0].digest.unwrap();
        let verdict = Verdict::new(Vec::new(), Vec::new(), ran(kinds));
        lab.known().keep_verdict(&lab.file("glow"), &digest, &verdict).unwrap();
        let mut is_checked = None;
        lab.find().register(&mut |_, _, _, is_whole| {
            is_checked = Some(is_whole);
            Ok(())
        });
        is_checked.unwrap()
    };
    assert_eq!([checked(&[]), checked(&["glow"]), checked(&["glow", "shine"])], [false, false, true]);
}

#[test]
fn what_another_version_of_the_program_remembers_is_asked_anew() {
    let lab = Lab::new(&[("glow", "glow")]);
    let digest = lab.find().plugins[0].digest.unwrap();
    lab.asked();
    let place = lab.folder.path().join(format!("v1/plugins/known/libglow-{digest}.json"));
    let text = fs::read_to_string(&place).unwrap();
    let form = concat!(env!("CARGO_PKG_VERSION"), "/1");
    assert!(text.contains(form), "{text}");
    fs::write(&place, text.replace(form, "0.0.1/1")).unwrap();
    lab.find();
    assert_eq!(lab.asked(), ["glow"]);
    lab.find();
    assert_eq!(lab.asked(), [""; 0]);
}

#[test]
fn what_a_file_offers_is_remembered_of_the_content_that_was_opened() {
    let lab = Lab::new(&[("glow", "glow")]);
    let before = Digest::of(b"glow");
    // Built anew between the look at the file and its opening.
    let ask = |path: &Path| {
        fs::write(path, "shine").unwrap();
        Ok((Digest::of(b"shine"), facts("shine")))
    };
    let found = Installed::find(vec![lab.folder.path().join("plugins")], &lab.known(), &ask);
    assert_eq!(found.plugins[0].digest, Some(Digest::of(b"shine")));
    assert!(lab.known().of(&lab.file("glow"), &before).facts.is_none());
}

#[test]
fn what_is_remembered_with_mistakes_is_asked_anew() {
    let lab = Lab::new(&[("fox", "a")]);
    kinds(&mut lab.find());
    let mut mistaken = facts("a");
    Arc::make_mut(&mut mistaken.kinds[0]).outputs.clear();
    lab.known().keep_facts(&lab.file("fox"), &Digest::of(b"a"), &mistaken);
    lab.asked();
    assert_eq!(kinds(&mut lab.find()), ["a"]);
    assert_eq!(lab.asked(), ["a"]);
}

#[test]
fn of_two_plugins_with_one_kind_the_nearer_is_used() {
    let lab = Lab::new(&[("a", "glow"), ("b", "glow shine")]);
    let mut found = lab.find();
    assert_eq!(kinds(&mut found), ["glow"]);
    let said = found.plugins[1].refusal.as_deref().unwrap();
    assert!(said.contains("kind `glow`") && said.contains("already"), "{said}");
}

#[test]
fn folders_say_what_is_in_them() {
    let found = Lab::new(&[("glow", "glow"), ("blur", "blur")]).find();
    let n_files: Vec<Option<usize>> = found.folders.iter().map(|folder| folder.n_files).collect();
    assert_eq!(n_files, [Some(2), None]);
}

#[test]
fn a_damaged_memory_is_no_memory() {
    let lab = Lab::new(&[("glow", "glow")]);
    lab.find();
    let v1 = lab.folder.path().join("v1/plugins");
    fs::write(v1.join("index.json"), "{").unwrap();
    for file in fs::read_dir(v1.join("known")).unwrap() {
        fs::write(file.unwrap().path(), "not JSON").unwrap();
    }
    assert_eq!(kinds(&mut lab.find()), ["glow"]);
    assert_eq!(lab.asked(), ["glow", "glow"]);
}

/// What is said of a kind that nobody offers, with the folder of the lab cut off.
fn missing(lab: &Lab, kind: &str) -> String {
    let mut found = lab.find();
    kinds(&mut found);
    let missing = found.missing(kind);
    let said = missing.offered_by.or(missing.looked_in).unwrap();
    said.replace(&format!("{}/", lab.folder.path().display()), "").replace(std::env::consts::DLL_EXTENSION, "so")
}

#[test]
fn a_missing_kind_is_looked_for_among_what_is_left_out() {
    let lab = Lab::new(&[("near", "acme.glow"), ("taken", "acme.glow acme.shine"), ("acme_bloom", "broken")]);
    let said = missing(&lab, "acme.shine");
    assert!(
        said.starts_with("the plugin `made-up` offers `acme.shine` and is left out: kind `acme.glow` of"),
        "{said}"
    );
    assert_eq!(missing(&lab, "shine"), said, "a word is the end of a name");
    // What it offers cannot be known; its name says enough.
    let broken = "a plugin of this name is left out: it is broken: libacme_bloom.so";
    assert_eq!([missing(&lab, "acme.bloom"), missing(&lab, "bloom")], [broken, broken]);
}

#[test]
fn a_missing_kind_is_remembered_from_elsewhere() {
    let lab = Lab::new(&[("glow", "acme.glow")]);
    lab.find();
    let away = lab.folder.path().join("away");
    fs::rename(lab.folder.path().join("plugins"), &away).unwrap();
    let known = lab.known();
    Installed::find(vec![away.clone()], &known, &|path| Ok((Digest::of(&fs::read(path).unwrap()), facts("acme.glow"))));
    let elsewhere = "the plugin `made-up`, which was seen before, offers `acme.glow`; `--plugin-dir FOLDER` adds its folder: \
                     away/libglow.so";
    assert_eq!(missing(&lab, "acme.glow"), elsewhere);
    fs::remove_dir_all(away).unwrap();
    assert_eq!(missing(&lab, "acme.glow"), "plugins were looked for in: plugins (not there), /nowhere (not there)");
}

#[test]
fn where_plugins_were_looked_for_is_said_with_what_was_found() {
    let lab = Lab::new(&[("glow", "acme.glow"), ("note", "broken")]);
    let said = missing(&lab, "photograph");
    assert_eq!(said, "plugins were looked for in: plugins (1 plugin, 1 left out), /nowhere (not there)");
}

/// The kinds that stand for what plugins offered before.
fn earlier(found: &mut Installed) -> String {
    let mut kinds = Vec::new();
    found.register_earlier(&mut |_, facts, reason| {
        kinds.extend(facts.kinds.iter().map(|spec| format!("{}: {reason}", spec.kind)));
        Ok(())
    });
    kinds.join(", ")
}

#[test]
fn what_does_not_load_any_more_stands_for_what_it_offered_last() {
    let lab = Lab::new(&[("glow", "broken")]);
    assert_eq!(earlier(&mut lab.find()), "", "nothing was ever known of it");
    lab.write("glow", "glow").unwrap();
    let mut found = lab.find();
    assert_eq!((earlier(&mut found).as_str(), found.plugins[0].stands_in), ("", false));
    lab.write("glow", "broken").unwrap();
    let mut found = lab.find();
    let said = earlier(&mut found);
    assert!(said.starts_with("glow: it is broken: "), "{said}");
    let missing = found.missing("glow").offered_by.unwrap();
    assert!(
        missing.starts_with("the plugin `made-up` offered `glow` before and is left out: it is broken: "),
        "{missing}"
    );
    assert!(found.plugins[0].stands_in);
}

#[test]
fn what_a_check_found_wrong_does_not_stand_for_anything() {
    let lab = Lab::new(&[("glow", "glow")]);
    let digest = lab.find().plugins[0].digest.unwrap();
    let verdict = Verdict::new(vec!["`glow` ended the process".to_owned()], Vec::new(), ran(&[]));
    lab.known().keep_verdict(&lab.file("glow"), &digest, &verdict).unwrap();
    assert_eq!(earlier(&mut lab.find()), "");
    // Nor does the build after it, which does not load, stand for that one.
    lab.write("glow", "broken").unwrap();
    assert_eq!(earlier(&mut lab.find()), "");
}

/// Makes a file seem to have been used so many days ago.
fn age(path: &Path, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60 + 60);
    fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

#[test]
fn what_is_kept_of_a_build_that_is_gone_goes_when_nobody_used_it_for_long() {
    let lab = Lab::new(&[("glow", "one")]);
    let build = |words: &str| {
        lab.write("glow", words).unwrap();
        lab.find();
        let (copy, digest) = load::place(&lab.file("glow"), lab.known().copies()).unwrap();
        (copy, lab.known().place(&lab.file("glow"), &digest))
    };
    let (one, about_one) = build("one");
    build("two");
    build("three");
    assert!(one.is_file() && about_one.is_file(), "used a moment ago: somebody may be about to open it");
    age(&one, 1);
    age(&about_one, 1);
    let (four, _) = build("four");
    assert_eq!((one.is_file(), about_one.is_file()), (false, true), "a verdict outlives a copy");
    age(&about_one, 60);
    // What is installed stays, however old.
    age(&four, 1000);
    lab.write("other", "five").unwrap();
    lab.find();
    assert_eq!((about_one.is_file(), four.is_file()), (false, true));
}

#[test]
fn a_copy_that_is_opened_again_is_not_old() {
    let lab = Lab::new(&[("glow", "one")]);
    let (copy, _) = load::place(&lab.file("glow"), lab.known().copies()).unwrap();
    age(&copy, 10);
    load::place(&lab.file("glow"), lab.known().copies()).unwrap();
    let now = SystemTime::now();
    let unused = now.duration_since(fs::metadata(&copy).unwrap().modified().unwrap()).unwrap_or_default();
    assert!(unused < Duration::from_secs(3600), "{unused:?}");
}
