//! Which sizes a picture may have.

use rondel_sdk::prelude::*;

/// The most pixels that a picture may have: FLUX.2 was not made for more.
const MAX_PIXELS: usize = 2048 * 2048;

/// Refuses a size that does not divide into cells, or is too large; `port` is the input at fault.
pub fn check(port: &str, (width, height): (usize, usize), cell_px: usize) -> NodeResult<()> {
    if width == 0 || height == 0 || width % cell_px != 0 || height % cell_px != 0 {
        let fits = |side: usize| (side / cell_px).max(1) * cell_px;
        let message =
            format!("{width}x{height} is not a multiple of {cell_px} pixels; {}x{} is", fits(width), fits(height));
        return Err(NodeError::input(port, message));
    }
    expect_drawable(port, (width, height))
}

/// Refuses a size that is too large.
pub fn expect_drawable(port: &str, (width, height): (usize, usize)) -> NodeResult<()> {
    if width.saturating_mul(height) > MAX_PIXELS {
        let message = format!(
            "{width}x{height} has more pixels than 2048x2048, the most that FLUX.2 draws; draw smaller and use `resize`"
        );
        return Err(NodeError::input(port, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(width: usize, height: usize) -> Option<String> {
        check("size", (width, height), 16).err().map(|error| error.to_string())
    }

    #[test]
    fn any_multiple_of_a_cell_up_to_four_million_pixels_is_drawn() {
        for (width, height) in [(16, 16), (2048, 2048), (4096, 1024), (1360, 768)] {
            assert_eq!(refusal(width, height), None);
        }
    }

    #[test]
    fn other_sizes_are_refused_with_one_that_fits() {
        assert_eq!(refusal(1000, 8).as_deref(), Some("`size`: 1000x8 is not a multiple of 16 pixels; 992x16 is"));
        assert_eq!(
            refusal(2064, 2048).as_deref(),
            Some(
                "`size`: 2064x2048 has more pixels than 2048x2048, the most that FLUX.2 draws; draw smaller and use \
                 `resize`"
            )
        );
    }
}
