//! What the proofs share with the program that makes them, `equal_authn`.

pub mod case;
pub mod corpus;
pub mod documents;
pub mod draw;
pub mod equal;
pub mod fetched;
pub mod generator;
pub mod hand_made;
pub mod signing;
pub mod sketch;
pub mod token;
pub mod upstream;
pub mod validation;
pub mod wycheproof;
