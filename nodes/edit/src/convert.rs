//! `convert`: other channels.

use rondel_sdk::prelude::*;

use crate::pixels::{from_dynamic, to_dynamic};

/// Brings a picture to other channels.
///
/// Alpha that has no place in the result is dropped, and new alpha is opaque. Grey is the luminance.
#[derive(Node)]
#[node(kind = "convert", version = 1, lane = Cpu, category = "image")]
pub struct Convert {
    /// Picture to convert.
    pub image: Image,
    /// The channels wanted.
    pub to: Channels,
}

/// Which channels a picture has.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    Grey,
    Rgb,
    Rgba,
}

impl Run for Convert {
    type Output = Image;

    fn run(self, _cx: &mut Cx) -> NodeResult<Image> {
        let dynamic = to_dynamic(&self.image);
        from_dynamic(match self.to {
            Channels::Grey => dynamic.into_luma8().into(),
            Channels::Rgb => dynamic.into_rgb8().into(),
            Channels::Rgba => dynamic.into_rgba8().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(to: Channels, channels: usize, first: &[u8]) {
        let image = Image::from_u8(4, 4, 4, [200, 200, 200, 9].repeat(16)).unwrap();
        let converted = Convert { image, to }.run(&mut Cx::for_test()).unwrap();
        assert_eq!((converted.width(), converted.height(), converted.channels()), (4, 4, channels));
        assert_eq!(&converted.to_u8()[..channels], first);
    }

    #[test]
    fn channels_come_and_go() {
        check(Channels::Grey, 1, &[200]);
        check(Channels::Rgb, 3, &[200, 200, 200]);
        check(Channels::Rgba, 4, &[200, 200, 200, 9]);
    }

    #[test]
    fn new_alpha_is_opaque() {
        let image = Image::from_u8(1, 1, 1, vec![7]).unwrap();
        let converted = Convert { image, to: Channels::Rgba }.run(&mut Cx::for_test()).unwrap();
        assert_eq!(converted.to_u8()[..], [7, 7, 7, 255]);
    }
}
