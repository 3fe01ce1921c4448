//! What is said of how a model wants to be used, and by whom.

use std::path::PathBuf;

use rondel_models::PartFiles;
use rondel_models::flux2::{Settings, Variant};

use crate::fixture::Folder;
use crate::weights::{load_error, scratch};

fn index(name: &str, text: &str) -> PartFiles {
    let folder = scratch(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let path: PathBuf = folder.join("model_index.json");
    std::fs::write(&path, text).expect("a file");
    PartFiles { files: vec![path] }
}

#[test]
fn the_index_of_a_model_says_its_variant() {
    assert_eq!(Folder::random_dev().settings(), Settings::of_variant(Variant::Dev));
    assert_eq!(Folder::random_klein().settings(), Settings::of_variant(Variant::Distilled));
    let kv = index("kv", r#"{"_class_name": "Flux2KleinKVPipeline"}"#);
    assert_eq!(Settings::read(&kv, None).expect("settings").variant, Variant::Kv);
    let silent = index("silent", r#"{"_class_name": "Flux2KleinPipeline"}"#);
    assert_eq!(Settings::read(&silent, None).expect("settings").variant, Variant::Base);
}

#[test]
fn a_variant_says_how_it_is_used() {
    let said = |variant: Variant| {
        let Settings { text_layers, steps, guidance, .. } = Settings::of_variant(variant);
        let (negative, caches) = (variant.needs_negative(4.0), variant.caches_references());
        format!("{variant}: layers {text_layers:?}, {steps} steps, guidance {guidance}, {negative} {caches}")
    };
    assert_eq!(said(Variant::Dev), "Dev: layers [10, 20, 30], 50 steps, guidance 4, false false");
    assert_eq!(said(Variant::Distilled), "Distilled: layers [9, 18, 27], 4 steps, guidance 1, false false");
    assert_eq!(said(Variant::Base), "Base: layers [9, 18, 27], 50 steps, guidance 4, true false");
    assert_eq!(said(Variant::Kv), "Kv: layers [9, 18, 27], 4 steps, guidance 1, false true");
}

#[test]
fn a_word_from_a_file_names_a_variant() {
    assert_eq!("Base".parse::<Variant>().expect("a variant"), Variant::Base);
    let refused = "base".parse::<Variant>().expect_err("no variant");
    assert_eq!(refused.to_string(), "`base` is no variant of FLUX.2; there are `Dev`, `Distilled`, `Base`, `Kv`");
}

#[test]
fn what_the_user_says_stands_in_for_an_index_and_above_it() {
    let settings = Settings::read(&PartFiles::default(), Some(Variant::Base));
    assert_eq!(settings.expect("settings"), Settings::of_variant(Variant::Base));
    let settings = Settings::read(&Folder::random_klein().config(), Some(Variant::Kv));
    assert_eq!(settings.expect("settings").variant, Variant::Kv);
}

#[test]
fn a_variant_that_nobody_says_is_asked_for() {
    assert_eq!(
        load_error(Settings::read(&PartFiles::default(), None)),
        "nothing says which variant of FLUX.2 this is: the weights cannot tell, and there is no `model_index.json` \
         among none; in `models.ron`, write one of `variant: Dev`, `variant: Distilled`, `variant: Base`, \
         `variant: Kv`"
    );
}

#[test]
fn a_variant_that_reads_other_texts_is_refused() {
    assert_eq!(
        load_error(Settings::read(&Folder::random_klein().config(), Some(Variant::Dev))),
        "the model is said to be `Dev`, but its `model_index.json` says `Distilled`"
    );
}

#[test]
fn a_pipeline_of_another_family_is_refused() {
    assert_eq!(
        load_error(Settings::read(&index("flux1", r#"{"_class_name": "FluxPipeline"}"#), None)),
        "`_class_name` is `FluxPipeline`, but only `Flux2Pipeline`, `Flux2KleinPipeline` and `Flux2KleinKVPipeline` are known"
    );
}
