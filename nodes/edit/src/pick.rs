//! `pick`: one picture of several.

use rondel_sdk::prelude::*;

/// Picks one picture of several.
#[derive(Node)]
#[node(kind = "pick", version = 1, lane = Cpu, category = "image")]
pub struct Pick {
    /// The pictures, such as those of a batch.
    pub images: Vec<Image>,
    /// Which one; the first is 0.
    #[param(default = 0, range = 0..=9999)]
    pub index: usize,
}

impl Run for Pick {
    type Output = Image;

    fn run(mut self, _cx: &mut Cx) -> NodeResult<Image> {
        let n_images = self.images.len();
        match self.index < n_images {
            true => Ok(self.images.swap_remove(self.index)),
            false => {
                let message = match n_images {
                    0 => "there are no pictures to pick from".to_owned(),
                    _ => format!("{} is beyond the last picture, {}", self.index, n_images - 1),
                };
                Err(NodeError::input("index", message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(n_images: u8, index: usize) -> NodeResult<Image> {
        let images = (0..n_images).map(|level| Image::from_u8(1, 1, 1, vec![level]).unwrap()).collect();
        Pick { images, index }.run(&mut Cx::for_test())
    }

    #[test]
    fn pictures_are_counted_from_zero() {
        assert_eq!(pick(3, 0).unwrap().to_u8()[..], [0]);
        assert_eq!(pick(3, 2).unwrap().to_u8()[..], [2]);
    }

    #[test]
    fn what_is_not_there_is_not_picked() {
        assert_eq!(pick(2, 2).unwrap_err().to_string(), "`index`: 2 is beyond the last picture, 1");
        assert_eq!(pick(0, 0).unwrap_err().to_string(), "`index`: there are no pictures to pick from");
    }
}
