//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::expect;
use node_encode::{Encode, EncodeImage};
use rondel_testkit::check_spec;

#[test]
fn encode() {
    check_spec::<Encode>(expect![[r#"
        {
          "kind": "encode",
          "version": 1,
          "doc": "Encodes a prompt with a model's text encoder.\n\nThe same words give the same conditioning, whatever is drawn from it: one encoding serves every seed and size.",
          "category": "model",
          "lane": "Gpu",
          "inputs": [
            {
              "name": "model",
              "type": "Model<F>",
              "doc": "The model that will draw.",
              "parts": [
                "text",
                "tokenizer",
                "config"
              ]
            },
            {
              "name": "prompt",
              "type": "Text",
              "doc": "What to draw, in words. Empty text is what guidance leads away from."
            }
          ],
          "outputs": [
            {
              "name": "conditioning",
              "type": "Conditioning<F>"
            }
          ]
        }"#]]);
}

#[test]
fn encode_image() {
    check_spec::<EncodeImage>(expect![[r#"
        {
          "kind": "encode_image",
          "version": 1,
          "doc": "Encodes a picture as a model sees it: to look at while it draws, or to draw over.\n\nGrey becomes RGB and alpha is dropped. A picture that would take too much memory in one piece is encoded in overlapping\ntiles that are blended.",
          "category": "model",
          "lane": "Gpu",
          "inputs": [
            {
              "name": "model",
              "type": "Model<F>",
              "doc": "The model that will draw.",
              "parts": [
                "vae"
              ]
            },
            {
              "name": "image",
              "type": "Image",
              "doc": "The picture."
            },
            {
              "name": "prepare",
              "type": "Choice(Reference, Keep)",
              "doc": "What becomes of the picture before it is encoded.",
              "default": "Reference"
            },
            {
              "name": "tiling",
              "type": "Choice(Auto, Off, Tiles(px: Int))",
              "doc": "Whether to encode in tiles.",
              "default": "Auto"
            }
          ],
          "outputs": [
            {
              "name": "latent",
              "type": "Latent<F>"
            }
          ]
        }"#]]);
}
