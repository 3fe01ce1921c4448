//! What the services charge, in millionths of a dollar.
//!
//! A megapixel is 1024 × 1024 pixels. Areas are rounded up to whole ones, separately for each reference and for the output.

use super::Provider;

/// What was charged for one job, or taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// By whom.
    pub provider: Provider,
    /// For which job.
    pub job: String,
    /// How much; negative if it was taken back.
    pub micro_dollars: i64,
}

/// The megapixels that are charged for a picture.
pub(super) fn megapixels((width_px, height_px): (u32, u32)) -> i64 {
    (i64::from(width_px) * i64::from(height_px)).div_euclid(1 << 20)
        + i64::from((i64::from(width_px) * i64::from(height_px)) % (1 << 20) != 0)
}

/// The price of pictures of one size, made from references, on fal.
pub(super) fn fal(n_pictures: u32, output: (u32, u32), references: &[(u32, u32)]) -> i64 {
    // What is larger is scaled down to four megapixels.
    let charged: i64 = references.iter().map(|reference| megapixels(*reference).min(4)).sum();
    i64::from(n_pictures) * 12_000 * (megapixels(output).min(4) + charged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_rounded_up_one_by_one() {
        assert_eq!(fal(1, (1360, 768), &[]), 12_000);
        assert_eq!(fal(1, (1376, 768), &[]), 24_000);
        assert_eq!(fal(3, (1024, 1024), &[(1024, 1024)]), 72_000);
        assert_eq!(fal(1, (1024, 1024), &[(4000, 3000)]), 60_000);
    }
}
