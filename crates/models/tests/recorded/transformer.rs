//! The transformer, stage by stage.

use candle_core::{DType, Tensor};
use rondel_models::flux2::{Place, Rope, Transformer, sinusoid};

use crate::fixture::{Folder, Recorded, Stages, TOLERANCE, assert_near, values};

fn scalar(tensor: &Tensor) -> f32 {
    values(tensor)[0]
}

/// Every second column: the recording holds each angle twice, once for each channel of a pair.
fn halved(table: &Tensor) -> Tensor {
    let (rows, columns) = table.dims2().expect("a table");
    let pairs = table.reshape((rows, columns / 2, 2)).expect("pairs");
    pairs.narrow(2, 0, 1).and_then(|it| it.squeeze(2)).expect("a column")
}

#[test]
fn the_sinusoid_of_a_timestep_is_the_recorded_one() {
    let recorded = Recorded::read("stages/time_embedding.safetensors");
    let expected = recorded.get("embedding");
    for (idx, t) in values(recorded.get("t")).into_iter().enumerate() {
        let found = sinusoid(t, 256).expect("a sinusoid");
        let expected = expected.narrow(0, idx, 1).expect("a row");
        // Tight, because every later stage shows the last bit of a frequency.
        assert_near(&format!("t = {t}"), &found, &expected, 2e-7);
    }
}

#[test]
fn rotation_at_the_published_sizes_is_the_recorded_one() {
    let recorded = Recorded::read("stages/rope.safetensors");
    let ids = recorded.get("ids").to_dtype(DType::U32);
    let ids = ids.and_then(|it| it.to_vec2::<u32>()).expect("ids");
    let place = |id: Vec<u32>| Place(std::array::from_fn(|axis| id[axis] as usize));
    let rope = Rope::new(ids.into_iter().map(place), [32; 4], 2000.0).expect("rotations");
    let (cos, sin) = rope.tables();
    assert_near("cos", cos, &halved(recorded.get("cos")), 1e-6);
    assert_near("sin", sin, &halved(recorded.get("sin")), 1e-6);
    let x = recorded.get("x").transpose(1, 2).expect("heads first");
    let rotated = rope.rotate(&x).and_then(|it| it.transpose(1, 2));
    let rotated = rotated.expect("rotated");
    assert_near("rotated", &rotated, recorded.get("rotated"), 1e-5);
}

#[test]
fn every_stage_of_the_first_call_is_the_recorded_one() {
    let transformer = Transformer::load(&Folder::random_klein().part("transformer"));
    let transformer = transformer.expect("a transformer");
    for (case, height, width) in [("distilled_t2i", 4, 6), ("base_cfg_t2i", 4, 4)] {
        let recorded = Recorded::read(&format!("klein/{case}.safetensors"));
        let rope = transformer.rope(64, height, width).expect("rotations");
        let (cos, sin) = rope.tables();
        assert_near("cos", cos, &halved(recorded.get("dit.rope_cos")), 1e-6);
        assert_near("sin", sin, &halved(recorded.get("dit.rope_sin")), 1e-6);

        let mut stages = Stages::new(&recorded, "dit.");
        let velocity = transformer.velocity_observed(
            recorded.get("dit.in.hidden_states"),
            recorded.get("dit.in.encoder_hidden_states"),
            scalar(recorded.get("dit.in.timestep")),
            &rope,
            &mut |name, found| stages.compare(name, found),
        );
        assert_eq!(
            stages.compared(),
            "time_proj temb mod_img mod_txt mod_single x_embed context_embed \
             double.0.img double.0.txt double.1.img double.1.txt single.0 single.1 norm_out"
        );
        let velocity = velocity.expect("a velocity");
        assert_near(case, &velocity, recorded.get("velocity.0"), TOLERANCE);
    }
}

#[test]
fn every_later_velocity_is_the_recorded_one_where_the_reference_was() {
    let transformer = Transformer::load(&Folder::random_klein().part("transformer"));
    let transformer = transformer.expect("a transformer");
    let recorded = Recorded::read("klein/base_cfg_t2i.safetensors");
    let rope = transformer.rope(64, 4, 4).expect("rotations");
    let texts = ["dit.in.encoder_hidden_states", "negative_prompt_embeds"];
    for step_idx in 1..6 {
        let latent = recorded.get(&format!("latents.{}", step_idx - 1));
        let timestep = scalar(recorded.get(&format!("timestep.{step_idx}"))) / 1000.0;
        for (text_idx, text) in texts.into_iter().enumerate() {
            let velocity = transformer.velocity(latent, recorded.get(text), timestep, &rope);
            let name = format!("velocity.{}", 2 * step_idx + text_idx);
            let velocity = velocity.expect("a velocity");
            assert_near(&name, &velocity, recorded.get(&name), TOLERANCE);
        }
    }
}
