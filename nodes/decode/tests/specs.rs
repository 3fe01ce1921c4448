//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::expect;
use node_decode::Decode;
use rondel_testkit::check_spec;

#[test]
fn decode() {
    check_spec::<Decode>(expect![[r#"
        {
          "kind": "decode",
          "version": 2,
          "doc": "Decodes a latent picture into pixels.\n\nSeveral pictures in one latent are decoded one after the other. A picture that would take too much memory in one piece is\ndecoded in overlapping tiles that are blended; no seam is seen, but pixels differ by a few levels here and there.",
          "category": "model",
          "lane": "Gpu",
          "inputs": [
            {
              "name": "model",
              "type": "Model<F>",
              "doc": "The model that drew it.",
              "parts": [
                "vae"
              ]
            },
            {
              "name": "latent",
              "type": "Latent<F>",
              "doc": "What `sample` drew."
            },
            {
              "name": "tiling",
              "type": "Choice(Auto, Off, Tiles(px: Int))",
              "doc": "Whether to decode in tiles.",
              "default": "Auto"
            }
          ],
          "outputs": [
            {
              "name": "image",
              "type": "Image",
              "doc": "The first picture; usually there is only one."
            },
            {
              "name": "images",
              "type": "List<Image>",
              "doc": "All pictures, in order."
            }
          ]
        }"#]]);
}
