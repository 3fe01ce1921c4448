//! Any bytes as a blob: what is read as a bundle is the bundle that its bytes are written from, or is refused.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use rondel_value::{Conditioning, Digest, Image, Latent, Mask, canon};

fuzz_target!(|bytes: &[u8]| {
    let Ok(bundle) = canon::read(&Bytes::copy_from_slice(bytes)) else { return };
    let mut written = Vec::new();
    canon::write(&bundle, &mut written).expect("memory");
    assert_eq!(Digest::of(&written), bundle.digest(), "the digest is that of the canonical bytes");
    let again = canon::read(&written.into()).expect("what was written is read");
    assert_eq!(again, bundle);
    // Seen as what it may claim to be.
    if let Ok(image) = Image::try_from(bundle.clone()) {
        image.to_u8();
    }
    let _ = Mask::try_from(bundle.clone());
    let _ = Latent::try_from(bundle.clone());
    let _ = Conditioning::try_from(bundle);
});
