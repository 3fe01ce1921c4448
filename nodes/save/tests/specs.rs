//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::expect;
use node_save::Save;
use rondel_testkit::check_spec;

#[test]
fn save() {
    check_spec::<Save>(expect![[r#"
        {
          "kind": "save",
          "version": 1,
          "doc": "Writes a picture to a file.\n\nA PNG carries how it was made: `rondel from picture.png` gives the graph back. If the file is there and holds the same\npicture, it is left as it is; what happens if it holds another is up to `if_exists`.",
          "category": "output",
          "lane": "Disk",
          "inputs": [
            {
              "name": "image",
              "type": "Image",
              "doc": "The picture."
            },
            {
              "name": "path",
              "type": "Text",
              "doc": "Where to, below the output folder. `{seed}` is the input `seed`, `{seed:04}` with zeros in front, `{graph}` the graph's\nname.",
              "expand": true
            },
            {
              "name": "format",
              "type": "Choice(Auto, Png, Jpeg, Webp, Avif)",
              "doc": "`Auto` goes by the path's extension.",
              "default": "Auto"
            },
            {
              "name": "quality",
              "type": "Int",
              "doc": "Of JPEG and AVIF; PNG and WebP keep every pixel.",
              "default": 90,
              "range": [
                1.0,
                100.0
              ]
            },
            {
              "name": "if_exists",
              "type": "Choice(Number, Replace, Fail)",
              "doc": "What to do if another picture is there already.",
              "default": "Number"
            },
            {
              "name": "embed",
              "type": "Bool",
              "doc": "Whether a PNG says how it was made.",
              "default": true
            }
          ],
          "outputs": [
            {
              "name": "saved",
              "type": "Saved"
            }
          ],
          "effect": true
        }"#]]);
}
