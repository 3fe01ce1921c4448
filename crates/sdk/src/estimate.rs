//! What a kind says of a run before it: the memory that it will need, and the shapes of what it will make.
//!
//! [`Run::cost`](crate::Run::cost) returns an [`Estimate`], from inputs of which some are not known yet and others are known by
//! their shape only. It loads nothing; reading the headers of weight files is as much as it does.
//!
//! ```
//! use rondel_sdk::prelude::*;
//!
//! let estimate = Estimate::new().keeps("transformer", "4be1", 7_800_000_000).works("activations", 1_500_000_000);
//! assert_eq!(estimate.cost().to_string(), "9.3 GB (transformer 7.8 GB + activations 1.5 GB)");
//! ```

use rondel_value::{Cost, CostPart, HostedRequest, Value};

use crate::port::Port;

/// What a run will need, and what is known of its outputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    cost: Cost,
    outputs: Vec<(String, Value)>,
}

impl Estimate {
    pub fn new() -> Estimate {
        Estimate::default()
    }

    /// Adds what stays between runs: `name` and `key` are those of the [`Warm`](crate::Warm) that keeps it.
    pub fn keeps(mut self, name: &str, key: &str, bytes: u64) -> Estimate {
        self.cost.parts.push(CostPart { name: name.to_owned(), bytes, kept: Some(format!("{name} {key}")) });
        self
    }

    /// Adds memory that is worked in.
    pub fn works(mut self, name: &str, bytes: u64) -> Estimate {
        self.cost.parts.push(CostPart { name: name.to_owned(), bytes, kept: None });
        self
    }

    /// Says how little would do, everything included, if weights were read while they are used.
    pub fn streams(mut self, bytes: u64) -> Estimate {
        self.cost.streamed_bytes = Some(bytes);
        self
    }

    /// Says what will be asked of a hosted model, so that its price can be told.
    pub fn asks(mut self, request: HostedRequest) -> Estimate {
        self.cost.hosted = Some(Box::new(request));
        self
    }

    /// Says what the output `port` will look like: a value of the right shape, whose content means nothing.
    pub fn makes(mut self, port: &str, stand_in: impl Port) -> Estimate {
        self.outputs.push((port.to_owned(), stand_in.into_value()));
        self
    }

    pub fn cost(&self) -> &Cost {
        &self.cost
    }

    /// The stand-ins, by the name of the output.
    pub fn outputs(&self) -> &[(String, Value)] {
        &self.outputs
    }
}
