//! Whole numbers. Sums wrap around, so that no random graph can fail by accident.

use rondel_sdk::prelude::*;

/// Makes a number.
#[derive(Node)]
#[node(kind = "stub.number", version = 1, lane = Cpu, category = "stub")]
pub struct Number {
    /// The number.
    pub value: i64,
    /// What to add to it, if anything.
    pub plus: Option<i64>,
}

impl Run for Number {
    type Output = i64;

    fn run(self, _cx: &mut Cx) -> NodeResult<i64> {
        Ok(self.value.wrapping_add(self.plus.unwrap_or(0)))
    }
}

/// Adds two numbers.
#[derive(Node)]
#[node(kind = "stub.add", version = 1, lane = Cpu, category = "stub")]
pub struct Add {
    /// What to start from.
    pub a: i64,
    /// What to add.
    #[param(default = 1)]
    pub b: i64,
}

impl Run for Add {
    type Output = i64;

    fn run(self, _cx: &mut Cx) -> NodeResult<i64> {
        Ok(self.a.wrapping_add(self.b))
    }
}

/// Adds any number of numbers.
#[derive(Node)]
#[node(kind = "stub.join", version = 1, lane = Cpu, category = "stub")]
pub struct Join {
    /// What to add.
    pub items: Vec<i64>,
}

impl Run for Join {
    type Output = i64;

    fn run(self, _cx: &mut Cx) -> NodeResult<i64> {
        Ok(self.items.into_iter().fold(0, i64::wrapping_add))
    }
}

/// Halves a number, so that two numbers often give one.
#[derive(Node)]
#[node(kind = "stub.halve", version = 1, lane = Cpu, category = "stub")]
pub struct Halve {
    /// The number.
    pub a: i64,
}

/// What [`Halve`] makes.
#[derive(Outputs)]
pub struct Halved {
    /// The half, rounded down.
    pub value: i64,
    /// 1 of odd numbers, 0 of even ones.
    pub rest: i64,
}

impl Run for Halve {
    type Output = Halved;

    fn run(self, _cx: &mut Cx) -> NodeResult<Halved> {
        Ok(Halved { value: self.a.div_euclid(2), rest: self.a.rem_euclid(2) })
    }
}

/// Counts: a list whose length is known only when it was made.
#[derive(Node)]
#[node(kind = "stub.below", version = 1, lane = Cpu, category = "stub")]
pub struct Below {
    /// How many numbers, from 0 on.
    pub n: i64,
}

impl Run for Below {
    type Output = Vec<i64>;

    fn run(self, _cx: &mut Cx) -> NodeResult<Vec<i64>> {
        Ok((0..self.n).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_and_rest_make_the_number_again() {
        for a in [-3, -2, 0, 7] {
            let halved = Halve { a }.run(&mut Cx::for_test()).unwrap();
            assert_eq!(halved.value * 2 + halved.rest, a);
        }
    }

    #[test]
    fn sums_wrap_around() {
        assert_eq!(Join { items: vec![i64::MAX, 1] }.run(&mut Cx::for_test()).unwrap(), i64::MIN);
    }
}
