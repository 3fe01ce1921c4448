//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::expect;
use node_sample::{Noise, Sample};
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
              "doc": "Width and height of the picture.",
              "unit": "px"
            },
            {
              "name": "seed",
              "type": "Seed",
              "doc": "Equal seeds draw equal noise."
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
          "doc": "Draws a latent picture from noise.\n\nWhat is not set is as the model wants it: its own number of steps and guidance. A model that is not distilled draws with\nguidance and then needs `negative`: what to lead away from, usually the encoding of an empty prompt. A distilled one\ntakes neither into account.",
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
              "doc": "What to start from; see `noise`."
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
              "doc": "How closely to follow the words; 1 is not at all.",
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
              "type": "Choice(Euler, Heun)",
              "doc": "How one noise level follows from the one before.",
              "default": "Euler"
            },
            {
              "name": "schedule",
              "type": "Choice(Auto, Shifted(mu: Float))",
              "doc": "Which noise levels are visited.",
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
