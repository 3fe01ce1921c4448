//! What every tier must do; each one's tests run it.

use std::sync::Arc;
use std::thread;

use rondel_value::{Bundle, Digest, Image, Json, Kind, Meta, Tensor, Value};

use crate::record::{Part, Record, Stored};
use crate::tier::Tier;

/// Checks a kind of tier; panics with what is broken.
///
/// `make` gives an empty one each time, with room for a few kilobytes.
pub fn conformance(make: impl Fn() -> Box<dyn Tier>) {
    an_empty_tier_has_nothing(&*make());
    what_was_put_comes_back(&*make());
    a_later_put_replaces_an_earlier(&*make());
    keys_do_not_mix(&*make());
    every_bundle_comes_back(&*make());
    many_threads_may_use_it(&*make());
}

fn picture(grey: u8) -> Bundle {
    Image::from_u8(2, 1, 3, vec![grey; 6]).expect("six values").into()
}

/// A record with each kind of value in its outputs.
fn record(kind: &str, picture: &Bundle) -> Arc<Record> {
    let json = Json::parse(r#"{"b":[1,2.5,null],"a":"é"}"#).expect("JSON");
    let small = Value::list([
        Value::None,
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Float(0.1 + 0.2),
        Value::Seed(u64::MAX),
        Value::text("a \"fox\"\n"),
        Value::Json(json),
        Value::Pair([640, -1]),
    ]);
    let mixed = Value::list([Value::Bundle(picture.clone()), Value::list([])]);
    Arc::new(Record {
        kind: kind.to_owned(),
        version: 1,
        outputs: vec![
            Stored::of("image", &Value::Bundle(picture.clone())),
            Stored::of("small", &small),
            Stored::of("mixed", &mixed),
        ],
        ms: 2.5,
        peak_bytes: 7,
        at: 1,
        parts: vec![Part { port: "steps".to_owned(), digest: Digest::of(b"4"), shown: "4".to_owned() }],
    })
}

fn an_empty_tier_has_nothing(tier: &dyn Tier) {
    let key = Digest::of(b"key");
    assert_eq!(tier.action(&key).unwrap(), None, "an empty tier knows no recipe");
    assert_eq!(tier.record(&key).unwrap(), None, "an empty tier knows no action");
    assert!(!tier.has_blob(&key), "an empty tier has no blob");
    assert_eq!(tier.blob(&key).unwrap(), None, "an empty tier gives no blob");
}

fn what_was_put_comes_back(tier: &dyn Tier) {
    let (recipe, action) = (Digest::of(b"recipe"), Digest::of(b"action"));
    let (picture, record) = (picture(7), record("invert", &picture(7)));
    tier.put_blob(&picture, 2.5).unwrap();
    tier.put_record(&action, &record).unwrap();
    tier.put_alias(&recipe, &action).unwrap();
    // Twice: the first look may fill or check something that the second relies on.
    for look in ["first", "second"] {
        assert_eq!(tier.action(&recipe).unwrap(), Some(action), "an alias comes back at the {look} look");
        assert_eq!(tier.record(&action).unwrap(), Some(record.clone()), "a record comes back at the {look} look");
        assert!(tier.has_blob(&picture.digest()), "a blob is there at the {look} look");
        let found = tier.blob(&picture.digest()).unwrap();
        assert_eq!(found, Some(picture.clone()), "a blob comes back at the {look} look");
    }
}

fn a_later_put_replaces_an_earlier(tier: &dyn Tier) {
    let key = Digest::of(b"key");
    let picture = picture(7);
    for kind in ["earlier", "later"] {
        tier.put_blob(&picture, 2.5).unwrap();
        tier.put_record(&key, &record(kind, &picture)).unwrap();
        tier.put_alias(&key, &Digest::of(kind.as_bytes())).unwrap();
    }
    assert_eq!(tier.record(&key).unwrap(), Some(record("later", &picture)), "a later record replaces the earlier");
    assert_eq!(tier.action(&key).unwrap(), Some(Digest::of(b"later")), "a later alias replaces the earlier");
    assert_eq!(tier.blob(&picture.digest()).unwrap(), Some(picture), "a blob written twice is the same blob");
}

fn keys_do_not_mix(tier: &dyn Tier) {
    // One digest as a recipe, another as an action, a third as a blob: none is found as one of the others.
    let (recipe, action, picture) = (Digest::of(b"recipe"), Digest::of(b"action"), picture(7));
    tier.put_alias(&recipe, &action).unwrap();
    tier.put_record(&action, &record("invert", &picture)).unwrap();
    tier.put_blob(&picture, 2.5).unwrap();
    assert_eq!(tier.record(&recipe).unwrap(), None, "a recipe key is no action key");
    assert_eq!(tier.action(&action).unwrap(), None, "an action key is no recipe key");
    assert!(!tier.has_blob(&recipe) && !tier.has_blob(&action), "a key is no blob");
    assert_eq!(tier.record(&picture.digest()).unwrap(), None, "a blob is no record");
}

fn every_bundle_comes_back(tier: &dyn Tier) {
    let tensor = |name: &str, elements: &[f32]| {
        Tensor::from_f32(name, vec![elements.len()], elements).expect("a shape that fits its elements")
    };
    let meta: Meta = [("family".to_owned(), "Flux2".to_owned()), ("note".to_owned(), "\"é\"\n".to_owned())].into();
    let bundles = [
        Bundle::new(Kind::Tensor, Meta::new(), []),
        Bundle::new(Kind::Tensor, Meta::new(), [tensor("empty", &[])]),
        Bundle::new(Kind::Latent, meta, [tensor("z", &[1.0, -0.0]), tensor("a", &[f32::NAN])]),
    ];
    for bundle in &bundles {
        tier.put_blob(bundle, 1.0).unwrap();
    }
    for bundle in bundles {
        let found = tier.blob(&bundle.digest()).unwrap().expect("a bundle comes back");
        // Not `==`, which may stop at equal digests.
        assert_eq!((found.kind(), found.meta()), (bundle.kind(), bundle.meta()), "kind and metadata come back");
        let bytes = |bundle: &Bundle| bundle.tensors().iter().map(|tensor| tensor.data().to_vec()).collect::<Vec<_>>();
        assert_eq!(bytes(&found), bytes(&bundle), "the bytes of tensors come back");
    }
}

fn many_threads_may_use_it(tier: &dyn Tier) {
    let shared = picture(255);
    thread::scope(|scope| {
        for i in 0..8 {
            let shared = &shared;
            scope.spawn(move || {
                let (key, own) = (Digest::of(&[i]), picture(i));
                tier.put_blob(shared, 1.0).unwrap();
                tier.put_blob(&own, 1.0).unwrap();
                tier.put_record(&key, &record("invert", &own)).unwrap();
                tier.put_alias(&key, &key).unwrap();
                assert_eq!(tier.blob(&shared.digest()).unwrap().as_ref(), Some(shared), "a blob of all comes back");
            });
        }
    });
    for i in 0..8 {
        let (key, own) = (Digest::of(&[i]), picture(i));
        assert_eq!(tier.action(&key).unwrap(), Some(key), "each thread's alias comes back");
        assert_eq!(tier.record(&key).unwrap(), Some(record("invert", &own)), "each thread's record comes back");
        assert_eq!(tier.blob(&own.digest()).unwrap(), Some(own), "each thread's blob comes back");
    }
}
