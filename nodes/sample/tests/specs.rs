//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::expect;
use node_sample::{Edit, Noise, Sample};
use rondel_testkit::check_spec;

#[test]
fn noise() {
    check_spec::<Noise>(expect![[r#"
        {
          "kind": "noise",
          "version": 1,
          "doc": "Draws the noise that a picture starts from.\n\nDrawn on the CPU and bit for bit as PyTorch does, so a seed means the same on every device and in other tools.",
          "category": "model",
          "lane": "Cpu",
          "inputs": [
            {
              "name": "model",
              "type": "Model<F>",
              "doc": "The model that will draw; its autoencoder says how large a latent is.",
              "parts": [
                "vae"
              ]
            },
            {
              "name": "size",
              "type": "Size",
              "doc": "Width and height of the picture: multiples of 16, and no more pixels than 2048x2048.",
              "unit": "px"
            },
            {
              "name": "seed",
              "type": "Seed",
              "doc": "Equal seeds draw equal noise."
            },
            {
              "name": "count",
              "type": "Int",
              "doc": "How many pictures start from here, all drawn at once; the first is the one that is drawn alone.",
              "default": 1,
              "range": [
                1.0,
                64.0
              ],
              "soft": [
                1.0,
                8.0
              ]
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

#[test]
fn sample() {
    check_spec::<Sample>(expect![[r#"
        {
          "kind": "sample",
          "version": 1,
          "doc": "Draws a latent picture from noise.\n\nWhat is not set is as the model wants it: its own number of steps and guidance. A base model draws with guidance and\nthen needs `negative`: what to lead away from, usually the encoding of an empty prompt. A distilled one takes neither\ninto account.\n\nWith `image`, the picture is drawn on from that one instead of from noise alone: `strength` says how far back to\ngo, and `mask` which part may change. With `references`, the model looks at other pictures while it draws; `edit` does\nthat from pictures that are not encoded yet.",
          "category": "model",
          "lane": "Gpu",
          "inputs": [
            {
              "name": "model",
              "type": "Model<F>",
              "doc": "The model that draws.",
              "parts": [
                "transformer",
                "config"
              ]
            },
            {
              "name": "latent",
              "type": "Latent<F>",
              "doc": "What to start from; see `noise`. Several at once give as many pictures."
            },
            {
              "name": "cond",
              "type": "Conditioning<F>",
              "doc": "What to draw; see `encode`."
            },
            {
              "name": "negative",
              "type": "Conditioning<F>?",
              "doc": "What to lead away from."
            },
            {
              "name": "references",
              "type": "List<Latent<F>>?",
              "doc": "Encoded pictures to look at, in the order in which the words count them; ten at most."
            },
            {
              "name": "image",
              "type": "Latent<F>?",
              "doc": "An encoded picture to draw on from, of the size of `latent`."
            },
            {
              "name": "strength",
              "type": "Float?",
              "doc": "How much of `image` is drawn anew: 1 is all of it, 0.1 changes little. Only so much of the steps is made. If it is\nnot set: 0.6, and 1.0 within a mask.",
              "range": [
                0.01,
                1.0
              ]
            },
            {
              "name": "mask",
              "type": "Mask?",
              "doc": "Where `image` may change, in its size in pixels: white is drawn anew, black stays as it is."
            },
            {
              "name": "steps",
              "type": "Int?",
              "doc": "More steps draw finer, and take longer.",
              "range": [
                1.0,
                200.0
              ],
              "soft": [
                1.0,
                50.0
              ]
            },
            {
              "name": "guidance",
              "type": "Float?",
              "doc": "How closely to follow the words. At 1, a base model makes no second pass to lead away from anything.",
              "range": [
                0.0,
                30.0
              ],
              "soft": [
                1.0,
                6.0
              ]
            },
            {
              "name": "sampler",
              "type": "Choice(Euler, Heun, Dpmpp2m, EulerAncestral(eta: Float))",
              "doc": "How one noise level follows from the one before.",
              "default": "Euler"
            },
            {
              "name": "schedule",
              "type": "Choice(Auto, Shifted(mu: Float), Linear, Custom(levels: List<Float>))",
              "doc": "Which noise levels are visited.",
              "default": "Auto"
            },
            {
              "name": "seed",
              "type": "Seed?",
              "doc": "Where the noise comes from that `EulerAncestral` adds; other samplers need none. 0 if it is not set."
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

#[test]
fn edit() {
    check_spec::<Edit>(expect![[r#"
        {
          "kind": "edit",
          "version": 1,
          "doc": "Draws a latent picture while looking at others: changes the first, or puts together what is in several.\n\nThe pictures are prepared as the models were taught to look at them: shrunk to the area of 1024x1024, never enlarged, and\ncut to multiples of 16 pixels. The words may call them \"the first picture\", \"image 2\" and so on. A model with kept references\n(klein KV) looks at them once, others in every step.\n\nTo keep encoded references between runs with other words and seeds, encode them with `encode_image` and give them to\n`sample` as `references`.",
          "category": "model",
          "lane": "Gpu",
          "inputs": [
            {
              "name": "model",
              "type": "Model<F>",
              "doc": "The model that draws.",
              "parts": [
                "transformer",
                "config",
                "vae"
              ]
            },
            {
              "name": "references",
              "type": "List<Image>",
              "doc": "The pictures to look at, ten at most; the first is the one to change."
            },
            {
              "name": "cond",
              "type": "Conditioning<F>",
              "doc": "What to draw; see `encode`."
            },
            {
              "name": "negative",
              "type": "Conditioning<F>?",
              "doc": "What to lead away from; see `sample`."
            },
            {
              "name": "seed",
              "type": "Seed",
              "doc": "Equal seeds draw equal pictures."
            },
            {
              "name": "size",
              "type": "Size?",
              "doc": "Width and height of the result: multiples of 16. If it is not set, that of the first picture as it was prepared.",
              "unit": "px"
            },
            {
              "name": "steps",
              "type": "Int?",
              "doc": "More steps draw finer, and take longer.",
              "range": [
                1.0,
                200.0
              ],
              "soft": [
                1.0,
                50.0
              ]
            },
            {
              "name": "guidance",
              "type": "Float?",
              "doc": "How closely to follow the words. At 1, a base model makes no second pass to lead away from anything.",
              "range": [
                0.0,
                30.0
              ],
              "soft": [
                1.0,
                6.0
              ]
            },
            {
              "name": "sampler",
              "type": "Choice(Euler, Heun, Dpmpp2m, EulerAncestral(eta: Float))",
              "doc": "How one noise level follows from the one before.",
              "default": "Euler"
            },
            {
              "name": "schedule",
              "type": "Choice(Auto, Shifted(mu: Float), Linear, Custom(levels: List<Float>))",
              "doc": "Which noise levels are visited.",
              "default": "Auto"
            },
            {
              "name": "count",
              "type": "Int",
              "doc": "How many pictures to draw, all at once; the first is the one that is drawn alone.",
              "default": 1,
              "range": [
                1.0,
                64.0
              ],
              "soft": [
                1.0,
                8.0
              ]
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
