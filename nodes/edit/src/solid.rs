//! `solid`: a picture of one colour.

use rondel_sdk::prelude::*;

/// Makes a picture of one colour.
#[derive(Node)]
#[node(kind = "solid", version = 1, lane = Cpu, category = "image")]
pub struct Solid {
    /// Width and height.
    #[param(default = (64, 64), range = 1..=16384, unit = "px")]
    pub size: Size,
    /// `#rgb`, `#rrggbb`, or `#rrggbbaa` for a picture with alpha.
    #[param(default = "#808080")]
    pub color: String,
}

impl Run for Solid {
    type Output = Image;

    fn run(self, _cx: &mut Cx) -> NodeResult<Image> {
        let Some(pixel) = parse(&self.color) else {
            let message = format!("`{}` is not a colour like `#rgb`, `#rrggbb` or `#rrggbbaa`", self.color);
            return Err(NodeError::input("color", message));
        };
        let Size { width, height } = self.size;
        Ok(Image::from_u8(width, height, pixel.len(), pixel.repeat(width * height))?)
    }
}

/// Three or four channels.
fn parse(color: &str) -> Option<Vec<u8>> {
    let digits = color.strip_prefix('#')?.chars().map(|c| c.to_digit(16).map(|digit| digit as u8));
    let digits = digits.collect::<Option<Vec<u8>>>()?;
    match digits.len() {
        3 => Some(digits.iter().map(|digit| digit * 17).collect()),
        6 | 8 => Some(digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solid(color: &str) -> NodeResult<Image> {
        Solid { size: Size { width: 4, height: 4 }, color: color.to_owned() }.run(&mut Cx::for_test())
    }

    #[test]
    fn a_colour_fills_the_picture() {
        let image = solid("#0af").unwrap();
        assert_eq!((image.width(), image.height(), image.channels()), (4, 4, 3));
        assert_eq!(image.to_u8()[..], [0x00, 0xaa, 0xff].repeat(16));
        assert_eq!(solid("#00AAff").unwrap(), image);
    }

    #[test]
    fn eight_digits_have_alpha() {
        assert_eq!(solid("#01020304").unwrap().to_u8()[..4], [1, 2, 3, 4]);
    }

    #[test]
    fn what_is_no_colour_is_refused() {
        for color in ["red", "#12", "#ggg", "#é1", ""] {
            assert_eq!(solid(color).unwrap_err().port(), Some("color"), "{color}");
        }
    }
}
