//! The mean of the velocities at both ends.

use candle_core::Tensor;

use super::{Look, Stride, euler};
use crate::Result;

pub(super) fn step(stride: &Stride, look: &mut Look) -> Result<Tensor> {
    let straight_on = euler::step(stride)?;
    if stride.next == 0.0 {
        return Ok(straight_on);
    }
    let end = look(&straight_on, stride.next)?;
    stride.x + ((stride.velocity + end)? * (stride.length() / 2.0))?
}

#[cfg(test)]
mod tests {
    use crate::flux2::Sampler;
    use crate::flux2::samplers::testing::{error, gain};

    #[test]
    fn twice_the_steps_quarter_the_error() {
        let gain = gain(Sampler::Heun);
        assert!((3.7..4.3).contains(&gain), "{gain}");
        assert!(error(Sampler::Heun, 8) * 5.0 < error(Sampler::Euler, 8));
    }
}
