//! From what a graph says of a size to pixels.
//!
//! A ratio with a tier of resolution is rounded so that its area does not pass the tier: one row of pixels too many is
//! billed as another megapixel.

/// Pixels of a megapixel, as prices count them.
pub const MEGAPIXEL: u64 = 1024 * 1024;

/// Why a size cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("`{0}` is not a ratio such as \"16:9\"")]
    Ratio(String),
    #[error("`{0}` is not a resolution such as \"1K\" or \"2K\"")]
    Resolution(String),
}

/// What a provider can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    pub min: u32,
    pub max: u32,
    pub multiple_of: u32,
    /// The most pixels.
    pub area: Option<u64>,
}

/// `16:9`, whole or decimal.
pub fn ratio(text: &str) -> Result<(f64, f64), SizeError> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    let sides = text.split_once(':').and_then(|(w, h)| Some((number(w)?, number(h)?)));
    // Wider or higher than that is a slip of the finger.
    sides.filter(|(w, h)| (0.05..=20.0).contains(&(w / h))).ok_or_else(|| SizeError::Ratio(text.to_owned()))
}

/// The area of `1K`, `2K`, `0.5K`, in pixels.
pub fn tier(text: &str) -> Result<u64, SizeError> {
    let wrong = || SizeError::Resolution(text.to_owned());
    let digits = text.trim().strip_suffix(['K', 'k']).ok_or_else(wrong)?;
    let n = digits.parse::<f64>().ok().filter(|n| (0.25..=16.0).contains(n)).ok_or_else(wrong)?;
    Ok(((n * 1024.0) * (n * 1024.0)) as u64)
}

/// The largest size of a ratio within an area and a provider's sides; none if it has none.
pub fn of_ratio((a, b): (f64, f64), area: u64, sides: Sides) -> Option<[u32; 2]> {
    let area = sides.area.map_or(area, |most| most.min(area));
    let wanted = a / b;
    let mut w = (area as f64 * wanted).sqrt();
    let mut h = w / wanted;
    let over = f64::max(w, h) / f64::from(sides.max);
    if over > 1.0 {
        (w, h) = (w / over, h / over);
    }
    let step = sides.multiple_of.max(1);
    // What floating point leaves below a whole number is that number.
    let both = |side: f64| {
        let low = ((side + 1e-6) / f64::from(step)).floor() as u32 * step;
        let high = ((side - 1e-6) / f64::from(step)).ceil() as u32 * step;
        [low, high]
    };
    let all = both(w).into_iter().flat_map(|w| both(h).map(|h| [w, h]));
    let fits = |[w, h]: &[u32; 2]| {
        u64::from(*w) * u64::from(*h) <= area && (*w).max(*h) <= sides.max && (*w).min(*h) >= sides.min.max(1)
    };
    let off = |[w, h]: [u32; 2]| ((f64::from(w) / f64::from(h)) / wanted).ln().abs();
    let pixels = |[w, h]: [u32; 2]| u64::from(w) * u64::from(h);
    all.filter(fits).min_by(|x, y| off(*x).total_cmp(&off(*y)).then(pixels(*y).cmp(&pixels(*x))))
}

/// Why a provider cannot make exactly this size; none if it can.
pub fn misfit([w, h]: [u32; 2], sides: Sides) -> Option<String> {
    let Sides { min, max, multiple_of, area } = sides;
    if let Some(side) = [w, h].into_iter().find(|side| !(min..=max).contains(side)) {
        return Some(format!("{side} is not from {min} to {max}"));
    }
    if let Some(side) = [w, h].into_iter().find(|side| side % multiple_of.max(1) != 0) {
        return Some(format!("{side} is no multiple of {multiple_of}"));
    }
    let most = area.filter(|most| u64::from(w) * u64::from(h) > *most)?;
    Some(format!("{w}×{h} is over {:.1} MP", most as f64 / MEGAPIXEL as f64))
}

/// The size that a reference is sent in: over 4 MP it is scaled down, which every provider does or bills.
pub fn of_reference([w, h]: [u32; 2]) -> [u32; 2] {
    let (pixels, most) = (u64::from(w) * u64::from(h), 4 * MEGAPIXEL);
    if pixels <= most {
        return [w, h];
    }
    let scale = (most as f64 / pixels as f64).sqrt();
    [w, h].map(|side| ((f64::from(side) * scale).floor() as u32).max(1))
}

/// What comes of a reference where no size is said: as large as it is, as far as a provider makes that.
pub fn like_reference([w, h]: [u32; 2], sides: Sides) -> [u32; 2] {
    let (w, h) = (f64::from(w), f64::from(h));
    let by_side = f64::from(sides.max) / w.max(h);
    let by_area = sides.area.map_or(1.0, |most| (most as f64 / (w * h)).sqrt());
    let scale = by_side.min(by_area).min(1.0);
    // Upwards: it is what is reserved.
    [w, h].map(|side| (side * scale).ceil() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(multiple_of: u32, max: u32, tier_text: &str, expected: [&str; 7]) {
        let sides = Sides { min: 64, max, multiple_of, area: None };
        let found = ["1:1", "5:4", "4:3", "3:2", "16:9", "2:1", "21:9"].map(|text| {
            let [w, h] = of_ratio(ratio(text).unwrap(), tier(tier_text).unwrap(), sides).unwrap();
            format!("{w}×{h}")
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn ratios_stay_within_the_megapixels_of_their_tier() {
        check(16, 2048, "1K", ["1024×1024", "1136×912", "1168×880", "1248×832", "1360×768", "1440×720", "1552×672"]);
        check(32, 1440, "1K", ["1024×1024", "1120×896", "1152×864", "1248×832", "1344×768", "1440×704", "1440×608"]);
        check(
            16,
            2048,
            "2K",
            ["2048×2048", "2048×1632", "2048×1536", "2048×1360", "2048×1152", "2048×1024", "2048×880"],
        );
        check(32, 1440, "2K", ["1440×1440", "1440×1152", "1440×1088", "1440×960", "1440×800", "1440×736", "1440×608"]);
    }

    #[test]
    fn portraits_are_landscapes_turned() {
        let sides = Sides { min: 64, max: 2048, multiple_of: 16, area: None };
        assert_eq!(of_ratio(ratio("9:16").unwrap(), tier("1K").unwrap(), sides), Some([768, 1360]));
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let sides = Sides { min: 256, max: 1440, multiple_of: 32, area: Some(1440 * 1440) };
        assert_eq!(misfit([1360, 768], sides).unwrap(), "1360 is no multiple of 32");
        assert_eq!(misfit([2048, 768], sides).unwrap(), "2048 is not from 256 to 1440");
        assert_eq!(misfit([1344, 768], sides), None);
    }

    #[test]
    fn what_is_no_size_is_refused() {
        assert_eq!(ratio("wide").unwrap_err().to_string(), "`wide` is not a ratio such as \"16:9\"");
        assert_eq!(tier("big").unwrap_err().to_string(), "`big` is not a resolution such as \"1K\" or \"2K\"");
        assert!(["16:0", "-1:1", "1000:1"].iter().all(|text| ratio(text).is_err()));
    }

    #[test]
    fn what_is_like_a_reference_is_as_large_as_it_can_be() {
        let sides = Sides { min: 256, max: 1440, multiple_of: 32, area: None };
        assert_eq!([like_reference([800, 600], sides), like_reference([2880, 1000], sides)], [[800, 600], [1440, 500]]);
        let sides = Sides { min: 64, max: 4096, multiple_of: 16, area: Some(1 << 20) };
        assert_eq!(like_reference([2048, 2048], sides), [1024, 1024]);
    }

    #[test]
    fn a_large_reference_is_sent_smaller() {
        assert_eq!(of_reference([2048, 2048]), [2048, 2048]);
        let [w, h] = of_reference([4000, 3000]);
        assert!(u64::from(w) * u64::from(h) <= 4 * MEGAPIXEL && w == 2364 && h == 1773, "{w}×{h}");
    }
}
