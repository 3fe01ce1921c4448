//! Normal noise with the very bits that PyTorch's CPU generator draws.
//!
//! A seed is a promise: the same number gives the same picture here and in the program it was shared from. So the
//! generator (MT19937), the order in which words are used, and even the roundings inside logarithm, sine and cosine
//! follow PyTorch on x86-64 with AVX2.
//!
//! There are two ways to turn words into normal values. Sixteen values or more are drawn in blocks, in float32
//! (`fill_block`); fewer are drawn one by one in float64, and the second value of each pair waits for the next
//! small draw.

use std::f64::consts::TAU;

const N: usize = 624;
const M: usize = 397;
/// Values are made in blocks of this many.
const BLOCK: usize = 16;

/// A seeded source of normal values.
#[derive(Clone)]
pub struct Generator {
    state: [u32; N],
    /// The next word of `state` to use; `N` when all are used up.
    next_idx: usize,
    /// The second value of a pair, kept for the next small draw, however many large draws come between.
    waiting: Option<f64>,
}

impl Generator {
    /// Seeds a generator; only the low 32 bits of `seed` count.
    pub fn new(seed: u64) -> Self {
        let mut state = [0; N];
        state[0] = seed as u32;
        for i in 1..N {
            let previous = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i as u32);
        }
        Self { state, next_idx: N, waiting: None }
    }

    /// Draws `count` values of mean 0 and variance 1.
    pub fn normal(&mut self, count: usize) -> Vec<f32> {
        if count < BLOCK {
            return (0..count).map(|_| self.normal_f64() as f32).collect();
        }
        let mut values: Vec<f32> = (0..count).map(|_| self.uniform()).collect();
        let (blocks, rest) = values.as_chunks_mut::<BLOCK>();
        blocks.iter_mut().for_each(fill_block);
        if !rest.is_empty() {
            // The last sixteen are drawn afresh, over values that were finished already.
            let mut block = std::array::from_fn(|_| self.uniform());
            fill_block(&mut block);
            values[count - BLOCK..].copy_from_slice(&block);
        }
        values
    }

    fn normal_f64(&mut self) -> f64 {
        if let Some(value) = self.waiting.take() {
            return value;
        }
        let (angle, radius) = (self.uniform_f64(), self.uniform_f64());
        let radius = (-2.0 * (-radius).ln_1p()).sqrt();
        let (sin, cos) = (TAU * angle).sin_cos();
        self.waiting = Some(radius * sin);
        radius * cos
    }

    /// Draws from 0 (included) to 1, with 24 bits.
    fn uniform(&mut self) -> f32 {
        (self.word() & 0xFF_FFFF) as f32 * (-24f32).exp2()
    }

    /// Draws from 0 (included) to 1, with 53 bits of two words, the high one first.
    fn uniform_f64(&mut self) -> f64 {
        let bits = u64::from(self.word()) << 32 | u64::from(self.word());
        (bits & ((1 << 53) - 1)) as f64 * (-53f64).exp2()
    }

    fn word(&mut self) -> u32 {
        if self.next_idx == N {
            self.next_state();
        }
        let mut y = self.state[self.next_idx];
        self.next_idx += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9D2C_5680;
        y ^= (y << 15) & 0xEFC6_0000;
        y ^ (y >> 18)
    }

    fn next_state(&mut self) {
        for i in 0..N {
            let y = self.state[i] & 0x8000_0000 | self.state[(i + 1) % N] & 0x7FFF_FFFF;
            let odd = if y & 1 == 1 { 0x9908_B0DF } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.next_idx = 0;
    }
}

/// Turns sixteen uniform values into normal ones: value `j` and value `j + 8` make a pair.
fn fill_block(block: &mut [f32; BLOCK]) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (first, second) in radii.iter_mut().zip(angles) {
        let radius = (-2.0 * ln(1.0 - *first)).sqrt();
        let (sin, cos) = sin_cos(std::f32::consts::TAU * *second);
        (*first, *second) = (radius * cos, radius * sin);
    }
}

/// Evaluates a polynomial, highest coefficient first, rounding once for each coefficient.
fn horner(x: f32, coefficients: &[f32]) -> f32 {
    let (first, rest) = coefficients.split_first().expect("a polynomial");
    rest.iter().fold(*first, |sum, &c| sum.mul_add(x, c))
}

/// The natural logarithm of a positive normal number, with the roundings of the Cephes form in float32.
#[expect(clippy::excessive_precision, reason = "the digits of the published form")]
fn ln(x: f32) -> f32 {
    const POLYNOMIAL: [f32; 9] = [
        7.037_683_629_2e-2,
        -1.151_461_031_0e-1,
        1.167_699_874_0e-1,
        -1.242_014_084_6e-1,
        1.424_932_278_7e-1,
        -1.666_805_766_5e-1,
        2.000_071_476_5e-1,
        -2.499_999_399_3e-1,
        3.333_333_117_4e-1,
    ];
    let bits = x.to_bits();
    let mut exponent = ((bits >> 23) as i32 - 126) as f32;
    let mut m = f32::from_bits(bits & 0x007F_FFFF | 0x3F00_0000); // in [0.5, 1)
    if m < 0.707_106_77 {
        exponent -= 1.0;
        m = (m - 1.0) + m;
    } else {
        m -= 1.0;
    }
    let z = m * m;
    let y = horner(m, &POLYNOMIAL) * m;
    let y = y.mul_add(z, exponent * -2.121_944_40e-4);
    let y = (-z).mul_add(0.5, y);
    exponent.mul_add(0.693_359_375, m + y)
}

/// Sine and cosine of an angle that is not negative, with the roundings of the Cephes form in float32.
#[expect(clippy::excessive_precision, reason = "the digits of the published form")]
fn sin_cos(angle: f32) -> (f32, f32) {
    let octant = ((angle * 1.273_239_544_735_16) as i32 + 1) & !1;
    let j = octant as f32;
    let x = (-j).mul_add(0.785_156_25, angle);
    let x = (-j).mul_add(2.418_756_484_985_351_562_5e-4, x);
    let x = (-j).mul_add(3.774_894_977_445_941_08e-8, x);
    let z = x * x;

    let c = horner(z, &[2.443_315_711_809_948e-5, -1.388_731_625_493_765e-3, 4.166_664_568_298_827e-2]) * z;
    let c = c.mul_add(z, -(0.5 * z)) + 1.0;
    let s = horner(z, &[-1.951_529_589_1e-4, 8.332_160_873_6e-3, -1.666_665_461_1e-1]) * z;
    let s = s.mul_add(x, x);

    let (sin, cos) = if octant & 2 == 0 { (s, c) } else { (c, s) };
    (if octant & 4 == 0 { sin } else { -sin }, if (octant - 2) & 4 == 0 { -cos } else { cos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_mt19937() {
        // The ten thousandth word of the default seed, as the C++ standard gives it.
        let mut generator = Generator::new(5489);
        let word = (0..10_000).map(|_| generator.word()).last();
        assert_eq!(word, Some(4_123_659_995));
    }

    #[test]
    fn the_own_logarithm_sine_and_cosine_are_true_to_a_few_units_in_the_last_place() {
        for i in 1..1000 {
            let x = i as f32 / 1000.0;
            assert!((ln(x) - x.ln()).abs() < 1e-6, "ln {x}");
            let angle = x * std::f32::consts::TAU;
            let (sin, cos) = sin_cos(angle);
            assert!((sin - angle.sin()).abs() < 1e-6, "sin {angle}");
            assert!((cos - angle.cos()).abs() < 1e-6, "cos {angle}");
        }
    }
}
