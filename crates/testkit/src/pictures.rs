//! Numbers as pictures: results that lie in blobs.

use rondel_sdk::prelude::*;

/// Paints a number: eight grey pixels, one for each of its bytes.
#[derive(Node)]
#[node(kind = "stub.paint", version = 1, lane = Cpu, category = "stub")]
pub struct Paint {
    /// The number.
    pub value: i64,
}

impl Run for Paint {
    type Output = Image;

    fn run(self, _cx: &mut Cx) -> NodeResult<Image> {
        Ok(picture(self.value)?)
    }
}

/// The picture of a number.
pub fn picture(value: i64) -> Result<Image, rondel_sdk::value::ViewError> {
    Image::from_u8(8, 1, 1, value.to_le_bytes().to_vec())
}

/// Reads the number that a picture shows.
#[derive(Node)]
#[node(kind = "stub.look", version = 1, lane = Cpu, category = "stub")]
pub struct Look {
    /// A picture from `stub.paint`.
    pub image: Image,
}

impl Run for Look {
    type Output = i64;

    fn run(self, _cx: &mut Cx) -> NodeResult<i64> {
        let bytes: [u8; 8] = self.image.to_u8().as_ref().try_into()?;
        Ok(i64::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_painted_is_seen() {
        for value in [0, -1, 77, i64::MAX] {
            let image = Paint { value }.run(&mut Cx::for_test()).unwrap();
            assert_eq!(Look { image }.run(&mut Cx::for_test()).unwrap(), value);
        }
    }
}
