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
    /// How much; negative if it was taken back. Nothing if the service charges by what only itself can count.
    pub micro_dollars: Option<i64>,
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

/// The price of a picture, made from references, on Replicate.
pub(super) fn replicate(output: (u32, u32), references: &[(u32, u32)]) -> i64 {
    14_000 * (megapixels(output) + references.iter().map(|reference| megapixels(*reference)).sum::<i64>())
}

/// The price of a picture on Black Forest Labs' own service, in millionths of a dollar.
pub(super) fn bfl(model: &str, output: (u32, u32), references: &[(u32, u32)]) -> i64 {
    let (first, further) = match model {
        "flux-2-klein-4b" => (14_000, 1_000),
        "flux-2-klein-9b" => (15_000, 2_000),
        "flux-2-pro" => (30_000, 15_000),
        "flux-2-max" => (70_000, 30_000),
        _ => (50_000, 50_000),
    };
    let n_inputs: i64 = references.iter().map(|reference| megapixels(*reference)).sum();
    first + further * (megapixels(output) - 1 + n_inputs)
}

/// The pixels of a ratio: as near to it as multiples of 16 come, within a tier's area and 2048 a side.
pub(super) fn of_ratio(width: f64, height: f64, tier: f64) -> Option<(u32, u32)> {
    if !(width > 0.0 && height > 0.0 && tier > 0.0) {
        return None;
    }
    let ratio = width / height;
    let area = (tier * 1024.0) * (tier * 1024.0);
    let exact_width = (area * ratio).sqrt().min(2048.0).min(2048.0 * ratio);
    let near = |exact: f64| [exact.div_euclid(16.0) * 16.0, (exact / 16.0).ceil() * 16.0];
    let mut best: Option<(f64, f64, f64)> = None;
    for width in near(exact_width) {
        for height in near(exact_width / ratio) {
            let distance = (width / height / ratio).ln().abs();
            let is_allowed = width * height <= area && width <= 2048.0 && height <= 2048.0 && width.min(height) >= 16.0;
            let is_better = best.is_none_or(|(of, best_width, best_height)| {
                distance < of || (distance == of && width * height > best_width * best_height)
            });
            if is_allowed && is_better {
                best = Some((distance, width, height));
            }
        }
    }
    best.map(|(_, width, height)| (width as u32, height as u32))
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

    #[test]
    fn other_services_charge_by_their_own_rules() {
        assert_eq!(replicate((768, 512), &[(2048, 1537), (3000, 2000)]), 154_000);
        assert_eq!(bfl("flux-2-pro", (2048, 1024), &[(1024, 1024)]), 60_000);
    }

    #[test]
    fn ratios_stay_within_their_area() {
        assert_eq!(of_ratio(16.0, 9.0, 1.0), Some((1360, 768)));
        assert_eq!(of_ratio(5.0, 4.0, 1.0), Some((1136, 912)));
        assert_eq!(of_ratio(9.0, 21.0, 1.0), Some((672, 1552)));
        assert_eq!(of_ratio(1.0, 1.0, 4.0), Some((2048, 2048)));
        assert_eq!(of_ratio(4.0, 3.0, 2.0), Some((2048, 1536)));
    }
}
