//! Canonical bytes: what goes in comes out, equal bundles are equal bytes, and the names of contents never change.

use bytes::Bytes;
use expect_test::expect;
use proptest::prelude::*;
use rondel_value::{Bundle, DType, Digest, Image, Json, Kind, Meta, Tensor, Value, canon};

fn bytes_of(bundle: &Bundle) -> Bytes {
    let mut bytes = Vec::new();
    canon::write(bundle, &mut bytes).expect("memory takes everything");
    bytes.into()
}

fn tensor() -> impl Strategy<Value = Tensor> {
    let dtype = prop::sample::select(DType::ALL.to_vec());
    ("[a-z]{1,6}", dtype, prop::collection::vec(0usize..4, 0..4), any::<u8>()).prop_map(|(name, dtype, shape, fill)| {
        let n_bytes = shape.iter().product::<usize>() * dtype.bytes();
        // Truth values are bytes of 0 and 1; any other pattern is one of some number.
        let fill = if dtype == DType::Bool { fill % 2 } else { fill };
        Tensor::new(name, dtype, shape, vec![fill; n_bytes].into()).expect("as many bytes as the shape takes")
    })
}

fn bundle() -> impl Strategy<Value = Bundle> {
    let kind = prop::sample::select(Kind::ALL.to_vec());
    let meta = prop::collection::btree_map("[a-z.]{1,6}", ".{0,8}", 0..3);
    (kind, meta, prop::collection::vec(tensor(), 0..4))
        .prop_map(|(kind, meta, tensors)| Bundle::new(kind, meta, tensors))
}

proptest! {
    #[test]
    fn a_bundle_survives_its_bytes(bundle in bundle()) {
        let bytes = bytes_of(&bundle);
        let back = canon::read(&bytes).unwrap();
        prop_assert_eq!(back.kind(), bundle.kind());
        prop_assert_eq!(back.meta(), bundle.meta());
        prop_assert_eq!(back.digest(), bundle.digest());
        prop_assert_eq!(bytes_of(&back), bytes);
    }

    #[test]
    fn a_bundle_is_named_by_its_bytes(bundle in bundle()) {
        prop_assert_eq!(bundle.digest(), Digest::of(&bytes_of(&bundle)));
    }

    #[test]
    fn the_order_of_tensors_makes_no_difference(tensors in prop::collection::vec(tensor(), 0..4)) {
        // Of two with one name the later is kept, so names must differ here.
        let named = tensors.into_iter().enumerate().map(|(i, tensor)| tensor.renamed(format!("t{i}")));
        let tensors: Vec<Tensor> = named.collect();
        let forwards = Bundle::new(Kind::Tensor, Meta::new(), tensors.clone());
        let backwards = Bundle::new(Kind::Tensor, Meta::new(), tensors.into_iter().rev());
        prop_assert_eq!(bytes_of(&forwards), bytes_of(&backwards));
    }

    #[test]
    fn a_cut_or_changed_file_never_panics(bundle in bundle(), cut in any::<prop::sample::Index>(), flip in any::<u8>()) {
        let mut bytes = bytes_of(&bundle).to_vec();
        let at = cut.index(bytes.len());
        bytes[at] ^= flip;
        let _ = canon::read(&bytes.clone().into());
        bytes.truncate(at);
        prop_assert!(canon::read(&bytes.into()).is_err());
    }

    #[test]
    fn bytes_of_no_bundle_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(canon::read(&bytes.into()).is_err());
    }
}

/// Every cache in the world is keyed by these: a change here makes every stored result unfindable.
#[test]
fn the_names_of_contents_never_change() {
    let picture: Bundle = Image::from_u8(2, 1, 3, vec![1, 2, 3, 4, 5, 6]).unwrap().into();
    let values = [
        Value::None,
        Value::Bool(true),
        Value::Int(-7),
        Value::Float(2.5),
        Value::Seed(7),
        Value::text("fox"),
        Value::Json(Json::parse(r#"{"b": 1, "a": [2.0, null]}"#).unwrap()),
        Value::Pair([64, 48]),
        Value::Bundle(picture.clone()),
        Value::list([Value::Int(1), Value::text("a")]),
    ];
    let names: Vec<String> = values.iter().map(|value| format!("{} {}", value.tag(), value.digest())).collect();
    expect![[r#"
        0 2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213
        1 2022ec9d571ba774cf9e83d0194962f5d1e3aa1a48d486a67e2762a6c7959015
        2 c35e74e4725c9f6a1660d835c401ab852a3668fd958787dd3da67018fbe92e73
        3 0be677b94f3c00948ca496ec0d8da28807ddf80175723314b10e7f8f5b551fe3
        4 74be2289dbdaadbf6426be23e2bd5b0c6af4efb6d9c98f2153b98e72ff9b400d
        5 9c87e98126a59e4f60363da3017788ef1ccb0485d53c76aa9405afa6917c5a7a
        6 e307b64e0f7fa124cb8af5f7d680ca05376fa30919db767453ad80097e88bb44
        9 bdba6fae8626e4ffee82af6fbefabb9f21a9e25c0bc540b1dbdd0055d4e48abe
        7 f557c8466c2d9262de00e573aeeb49c9d7f88c48d861bb9d2aa76f114e339189
        8 ea26660af1ae8ea021bc75d4fd9f1812d7cb36a4ad8f8f5efe9d74dce4d1841e"#]]
    .assert_eq(&names.join("\n"));
    let header = bytes_of(&picture);
    let header = String::from_utf8_lossy(&header[8..header.len() - 6]).into_owned();
    expect![[
        r#"{"__metadata__":{"rondel.kind":"Image"},"pixels":{"dtype":"U8","shape":[1,2,3],"data_offsets":[0,6]}}   "#
    ]]
    .assert_eq(&header);
}

#[test]
fn minus_zero_is_zero() {
    assert_eq!(Value::Float(-0.0).digest(), Value::Float(0.0).digest());
}
